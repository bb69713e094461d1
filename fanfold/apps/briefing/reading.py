"""The evidence as the simulated provider reads it: pieces out of the prompt, and what each of them says, sentence by sentence."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

_PIECE = re.compile(r'<evidence id="([^"]+)" tier="(\w+)" title="([^"]*)"[^>\n]*>\n(.*?)\n</evidence>', re.DOTALL)
_END = "</evidence>"
_SPLIT = re.compile(r"(?<=[.!?])[\"”’)]?\s+(?=[A-Z0-9€$£\"“‘(])")
_SHORT = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|approx|ca|vs|e\.g|i\.e|cf|p)|\b[A-Z])\.$")
_MARKUP = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)]|>)[ \t]+|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]{4,}")
_FIGURE = re.compile(r"\d")
_LEANS = re.compile(r"\b(?:it|its|they|them|their|that|this|these|those|we|us|he|she|such)\b", re.IGNORECASE)
"""At the beginning of a sentence that cannot stand alone."""
SHORTEST, LONGEST = 4, 45  # words of a sentence that is quoted


@cache
def phrases() -> dict[str, Any]:
    """What the simulated provider says around what it quotes."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("phrases.json").read_text("utf-8"))
    return found


class Pen(Protocol):
    """What the simulated provider gives to whoever writes for it."""

    rng: Any
    prompt: str
    schema: Mapping[str, Any]

    def slips(self, what: str) -> bool: ...


@dataclass(frozen=True)
class Saying:
    """A sentence of a piece. place: its number in the piece."""

    text: str
    id: str
    tier: str
    place: int

    @property
    def weight(self) -> float:
        """How much it says: figures, and words that turn something."""
        figures = min(3, len(_FIGURE.findall(re.sub(r"(?<=\d)[\d.,]+", "", self.text))))
        turns = sum(bool(re.search(rf"\b{word}\b", self.text, re.IGNORECASE)) for word in phrases()["turns"])
        leans = 3 * bool(_LEANS.search(" ".join(self.text.split()[:7]))) + 2 * (len(self.text.split()) < 7)
        return 1.5 * figures + turns - leans + (self.tier == "primary") - 0.1 * self.place

    def cited(self) -> str:
        """With its source at the end, before the full stop."""
        end = self.text[-1]
        return f"{self.text[:-1]} [{self.id}]{end}" if end in ".!?" else f"{self.text} [{self.id}]."


@dataclass(frozen=True)
class Piece:
    id: str
    tier: str
    title: str
    sayings: tuple[Saying, ...]

    @property
    def words(self) -> frozenset[str]:
        return words(" ".join([self.title, *(saying.text for saying in self.sayings)]))


def pieces(prompt: str) -> list[Piece]:
    """Those of a prompt; one without a sentence says its title."""
    found = []
    for id_, tier, title, text in _PIECE.findall(prompt):
        told = [said for said in _sentences(text) if said.rstrip(".").casefold() != title.rstrip(".").casefold()] or [f"{title}."]
        found.append(Piece(id_, tier, title, tuple(Saying(said, id_, tier, n) for n, said in enumerate(told))))
    return found


def asked(prompt: str) -> str:
    """What stands after the evidence: what is to be written."""
    return prompt[prompt.rfind(_END) + len(_END) :] if _END in prompt else ""


def words(text: str) -> frozenset[str]:
    """Its words of some length, by their beginnings, so that plurals and the like are the same."""
    return frozenset(word.casefold()[:6] for word in _WORD.findall(text)) - frozenset(phrases()["common"])


def topic(found: Iterable[Piece]) -> str:
    """The word that the pieces speak of most, a title counting three times; "" when they have none in common."""
    seen: Counter[str] = Counter()
    for piece in found:
        text = " ".join([*[piece.title] * 3, *(saying.text for saying in piece.sayings)])
        seen.update(word for word in _WORD.findall(text) if word.islower() and word[:6] not in phrases()["common"])
    often = [word for word, count in sorted(seen.items(), key=lambda item: (-item[1], item[0])) if count > 3]
    return often[0] if often else ""


def cue(pattern: str) -> re.Pattern[str]:
    """Words as whole words; signs such as € wherever they stand."""
    return re.compile(rf"(?<!\w)(?:{pattern})(?![^\W\d_])", re.IGNORECASE)


def nobodys(found: Sequence[Piece]) -> str:
    """The id that would come next."""
    ids = {piece.id for piece in found}
    letters = re.match(r"[A-Za-z]*", found[0].id)
    head = (letters[0] if letters else "") or "E"
    return next(name for number in range(len(ids) + 1, 10_000) if (name := f"{head[:4]}{number}") not in ids)


# -------------------------------------------------------------------- sentences


def _sentences(text: str) -> Iterator[str]:
    try:
        data = json.loads(text) if text.lstrip().startswith(("{", "[")) else None
    except (json.JSONDecodeError, RecursionError):
        data = None
    if data is None:
        yield from _written(text)
        return
    said = [saying for part in _texts(data) for saying in _cut(part)]
    yield from said if len(said) > 1 else [*said, *_figures(data)]


def _written(text: str) -> Iterator[str]:
    """Of Markdown or plain text: no headings, tables or code; lists by their points."""
    plain = re.sub(r"```.*?(?:```|\Z)", "\n", text, flags=re.DOTALL)
    plain = re.sub(r"^[ \t]*(?:#.*|\|.*|[-=*_]{3,})$", "\n", plain, flags=re.MULTILINE)
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", plain)
    for block in re.split(r"\n\s*\n|\n(?=[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t])", plain):
        yield from _cut(_MARKUP.sub("", block))


def _cut(block: str) -> Iterator[str]:
    held = ""
    for part in _SPLIT.split(" ".join(block.split())):
        held = f"{held} {part}".strip()
        if _SHORT.search(held):
            continue
        if (said := _quotable(held)) is not None:
            yield said
        held = ""


def _quotable(text: str) -> str | None:
    """A sentence without brackets that could be taken for citations; None for what is none."""
    plain = re.sub(r"\s*\[[^\]]*\]", "", text).replace("[", "(").replace("]", ")").strip()
    if not SHORTEST <= len(plain.split()) <= LONGEST or plain.endswith((",", ":")):
        return None
    return plain if plain[-1] in ".!?" else f"{plain}."


def _texts(data: Any) -> Iterator[str]:
    """Of JSON: what is written in sentences."""
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts(value)
    elif isinstance(data, str) and len(data.split()) >= SHORTEST:
        yield data


def _figures(data: Any, name: str = "") -> Iterator[str]:
    """Of JSON: its numbers and short texts, each record as one sentence."""
    flat = isinstance(data, dict) and data and not any(isinstance(value, dict | list) for value in data.values())
    if flat and not name:
        yield from (f"{_named(str(key)).capitalize()}: {_shown(value)}." for key, value in data.items() if value is not None)
    elif flat:
        told = ", ".join(f"{_named(str(key))} {_shown(value)}" for key, value in data.items() if value is not None)
        yield f"{_named(name).capitalize()}: {told}."
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _figures(value, str(key))
    elif isinstance(data, list):
        for value in data:
            yield from _figures(value, name or "entry")
    elif data is not None and not isinstance(data, bool):
        yield f"{_named(name).capitalize()}: {_shown(data)}."


def _named(key: str) -> str:
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", key).split()).lower()


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
