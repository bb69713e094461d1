"""What the simulated provider writes for a review: it reads the prompt as a model would, and puts a person's words together."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Protocol

from fanfold.apps.reviews.language import named
from fanfold.apps.reviews.prompts import GENERAL

Json = dict[str, Any]

START = 70  # characters by which a text is told when it is to be avoided
TRIES = 5
FAVOURITES = 3  # texts that a model comes back to when it repeats itself
KINDS = {5: "good", 4: "good", 3: "middling", 2: "bad", 1: "bad"}
_LINE = re.compile(r"^(?:- )?([A-Z][\w ]*?): (.+)$", re.MULTILINE)
_LENGTH = re.compile(r"(\d+) words")
_SPAN = re.compile(r"after .*(?:week|month|year)s?")


def _start(text: str) -> str:
    return " ".join(text[:START].casefold().split())


class Pen(Protocol):
    """What the simulated provider gives to whoever writes for it."""

    prompt: str
    avoid: Sequence[str]
    reason: str
    rng: Random
    repeats: bool
    obeys: bool

    def zipf(self, n: int) -> int: ...

    def slips(self, what: str) -> bool: ...


@dataclass(frozen=True)
class Asked:
    """What the prompt asks for. who: the reviewer as a role, "" for a person with a name. words: about how many."""

    product: str
    kind: str
    category: str
    features: tuple[str, ...]
    language: str
    rating: int
    about: str
    moment: str
    who: str
    tone: str
    words: int


def review(pen: Pen) -> Json:
    """One review of what the prompt names; now and then with a mistake in it."""
    asked = read(pen.prompt)
    if pen.repeats:
        written = _Writer(asked, Random(pen.rng.randrange(FAVOURITES)), None).write(asked.rating)
    else:
        rating = 6 - asked.rating if asked.rating != 3 and pen.slips("rating") else asked.rating
        taken = {_start(text.rstrip("…")) for text in pen.avoid} if pen.obeys else set()
        writer = _Writer(asked, pen.rng, None if pen.reason else pen)  # who was refused thinks further afield
        written = writer.write(rating)
        for _ in range(TRIES):
            if _start(written["text"]) not in taken:
                break
            written = _Writer(asked, pen.rng, None).write(rating)
    return _slipped(pen, asked, {**written, "rating": asked.rating})


def read(prompt: str) -> Asked:
    lines: dict[str, str] = dict(reversed(_LINE.findall(prompt)))  # the first of each counts: what comes later is told, not asked
    kind = "service" if "Service" in lines else "product"
    rating = re.match(r"[1-5]", lines.get("Rating", "").strip())
    length = _LENGTH.search(lines.get("Length", ""))
    persona, _, tone = lines.get("Reviewer", "").partition("; tone: ")
    who = persona.partition("(")[0].partition(";")[0].strip()
    return Asked(
        product=lines.get("Product", lines.get("Service", "it")).strip(),
        kind=kind,
        category=lines.get("Category", kind).strip(),
        features=tuple(part.strip() for part in lines.get("Features", "").split(";") if part.strip()),
        language=named(lines.get("Language", "English")),
        rating=int(rating[0]) if rating else 4,
        about=lines.get("Above all about", "").strip(),
        moment=lines.get("Written", "after a month").strip(),
        who=who if who.islower() or (len(who.split()) > 1 and who.split()[1].islower()) else "",
        tone=tone.casefold(),
        words=int(length[1]) if length else 60,
    )


@cache
def phrases() -> Mapping[str, Json]:
    """By language."""
    found: Mapping[str, Json] = json.loads(files(__package__).joinpath("phrases.json").read_text("utf-8"))
    return found


class _Writer:
    """Puts one review together. pen: its favourites come first; None: anything is as likely."""

    def __init__(self, asked: Asked, rng: Random, pen: Pen | None) -> None:
        self._asked, self._rng, self._pen = asked, rng, pen
        self._said = phrases().get(asked.language, phrases()["English"])

    def write(self, rating: int) -> Json:
        kind, said, asked = KINDS[rating], self._said, self._asked
        aspects, about = self._aspects(), self._some(said["about"][kind], 5)
        sentences = [self._filled(self._one(self._fitting(said["opening"][kind])), aspects[0])]
        sentences.append(self._filled(about[0], aspects[0]))
        closing = self._filled(self._one(said["closing"][kind]), aspects[0])
        others = [self._filled(text, aspect) for text, aspect in zip(about[1:], aspects[1:-1], strict=False)]
        extra = self._extra(rating, others, aspects[-1])
        while extra and _count([*sentences, closing]) < 0.85 * asked.words:
            sentences.append(extra.pop(0))
        if rating in (2, 4):  # what was good about it, or not
            sentences.append(self._filled(self._one(said["contrast"][kind]), aspects[-1]))
        if "enthus" in asked.tone and rating == 5:
            sentences.append(self._one(said["exclaim"]))
        title = self._filled(self._one(said["titles"][str(rating)]), aspects[0])
        return {"text": " ".join([*sentences, closing]), "title": title[:1].upper() + title[1:]}

    def _fitting(self, openings: list[str]) -> list[str]:
        """Some begin with the time that has passed, and want one."""
        timed = bool(_SPAN.fullmatch(self._asked.moment))
        return [text for text in openings if timed or not text.startswith("{M}")]

    def _extra(self, rating: int, about: list[str], contrast: str) -> list[str]:
        """More to say, until it is long enough: of one's life, of other features, each at most once."""
        said, asked = self._said, self._asked
        life = self._some(said["life_service" if asked.kind == "service" else "life"], 3)
        first = [self._one(said["as"]).replace("{who}", _article(asked.who, asked.language))] if asked.who else []
        if rating == 3:
            about = [self._filled(self._one(said["contrast"]["middling"]), contrast), *about]
        toned: list[str] = next((texts for tone, texts in said.get("tones", {}).items() if tone in asked.tone), [])
        if toned:
            life.insert(self._rng.randrange(2), self._one(toned))
        mixed = [*first[: self._rng.randrange(2)], *life[:1], *about[:1], *life[1:2], *about[1:], *life[2:]]
        return list(dict.fromkeys(mixed))

    def _aspects(self) -> list[str]:
        """What it speaks about: first what was asked for, then others, in no order."""
        asked = self._asked
        others = [each for each in (*asked.features, *GENERAL[asked.kind]) if each != asked.about]
        self._rng.shuffle(others)
        return [self._said["aspects"].get(each, each) for each in [asked.about or others[0], *others][:6]]

    def _filled(self, text: str, aspect: str) -> str:
        asked = self._asked
        moment = self._said["moments"].get(asked.moment, asked.moment)
        aspect = _the(aspect) if asked.language != "Dutch" else aspect
        for slot, value in (("p", asked.product), ("k", _noun(asked)), ("a", aspect), ("m", moment)):
            text = text.replace(f"{{{slot}}}", value).replace(f"{{{slot.upper()}}}", value[:1].upper() + value[1:])
        return text[:1].upper() + text[1:]

    def _one(self, options: Sequence[str]) -> str:
        return options[self._pen.zipf(len(options)) if self._pen is not None else self._rng.randrange(len(options))]

    def _some(self, options: Sequence[str], count: int) -> list[str]:
        return list(dict.fromkeys(self._one(options) for _ in range(count)))


def _slipped(pen: Pen, asked: Asked, written: Json) -> Json:
    """The mistakes that models make: out of the part, an advert, a gap left open, the same thing twice, too little."""
    said = phrases().get(asked.language, phrases()["English"])["slips"]
    if not pen.repeats and pen.slips("voice"):
        what = pen.rng.choice(("ai", "advert", "placeholder"))
        slip = said[what].replace("{p}", asked.product).replace("{a}", _the(asked.about))
        return {**written, "text": f"{slip} {written['text']}" if what == "ai" else f"{written['text']} {slip}"}
    if pen.slips("repeats"):
        last = re.split(r"(?<=[.!?]) ", written["text"])[1]
        return {**written, "text": f"{written['text']} {last}"}
    if pen.slips("short"):
        return {**written, "text": written["title"] + "."}
    return written


def _count(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _the(aspect: str) -> str:
    """ "cork handle" -> "the cork handle"."""
    first = aspect.split(" ", 1)[0].casefold()
    return aspect if not aspect or first in ("the", "a", "an", "its", "daily", "de", "het", "een") else f"the {aspect}"


def _noun(asked: Asked) -> str:
    """ "electric kettle" -> "kettle": what people call it."""
    return asked.category.split(",")[0].split()[-1].casefold() if asked.category.split() else asked.kind


def _article(who: str, language: str) -> str:
    who = who[:1].lower() + who[1:]
    if language != "English":
        return who
    return f"{'an' if who[:1] in 'aeiou' else 'a'} {who}"
