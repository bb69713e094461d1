"""Words of ours: which language a text is in, and how it feels. Small lists, no model: enough to refuse what is plainly wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CLAUSE = re.compile(r"[.!?;:,()\n]| but | maar | aber ")
NEGATES = 3  # words after a negation that it turns round
ENOUGH = 8  # words below which a language cannot be told


@cache
def data() -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(files(__package__).joinpath("words.json").read_text("utf-8"))
    return found


def words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def named(language: str) -> str:
    """ "nl" -> "Dutch"; what we do not know stays as it is said."""
    plain = language.strip().casefold()
    return next(
        (name for name, told in data()["languages"].items() if plain in (name.casefold(), *told["names"])), language.strip()
    )


@cache
def _common() -> dict[str, frozenset[str]]:
    return {name: frozenset(told["common"].split()) for name, told in data()["languages"].items()}


def spoken(text: str) -> dict[str, int]:
    """Language -> how many of the text's words are common ones of it; empty for what is too short to tell."""
    listed = words(text)
    if len(listed) < ENOUGH:
        return {}
    return {name: sum(word in common for word in listed) for name, common in _common().items()}


class Feeling(NamedTuple):
    """positive, negative: the words that were found, a negated one on the other side, as "not good"."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]

    @property
    def score(self) -> float | None:
        """-1 all negative … 1 all positive; None where there is no such word."""
        total = len(self.positive) + len(self.negative)
        return (len(self.positive) - len(self.negative)) / total if total else None


@cache
def _lexicon(language: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]] | None:
    told = data()["sentiment"].get(language)
    if told is None:
        return None
    return frozenset(told["positive"].split()), frozenset(told["negative"].split()), frozenset(told["negation"].split())


@lru_cache(maxsize=4096)
def feeling(text: str, language: str) -> Feeling | None:
    """None for a language that we have no words of."""
    lexicon = _lexicon(language)
    if lexicon is None:
        return None
    good, bad, negations = lexicon
    found: tuple[list[str], list[str]] = ([], [])
    for clause in _CLAUSE.split(f" {text.casefold()} "):
        since = NEGATES + 1
        negation = ""
        for word in words(clause):
            if word in negations:
                since, negation = 0, word
                continue
            since = NEGATES + 1 if word == "dan" and since == 0 else since + 1  # "niets dan lof" is praise
            turned = since <= NEGATES
            if word in good or word in bad:
                found[(word in bad) != turned].append(f"{negation} {word}" if turned else word)
    return Feeling(tuple(found[0]), tuple(found[1]))
