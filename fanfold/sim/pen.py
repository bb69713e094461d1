"""What a content function holds while it writes one answer: its own randomness, and what the prompt said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, TypeAlias

from fanfold.spec import phrases

ZIPF = 1.0  # 0: every option is as likely; 2: four names make up most of what is written
SLIPS = 0.05
OBEYS = 0.95
FAVOURITES = 3  # that it comes back to whatever it is told, where it repeats itself
MENDED = 0.2  # of its slips, a model that was told its mistake makes again


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How the model writes. collapse: Zipf exponent of its favourites. slips: probability that it breaks one rule.

    obeys: probability that it keeps to an avoid-list. passes: probability that it finds an answer good, as a judge.
    repeat: probability that an answer is one of its `FAVOURITES`, whatever it was told.
    """

    collapse: float = ZIPF
    slips: float = SLIPS
    obeys: float = OBEYS
    passes: float = 0.95
    repeat: float = 0.0


class Pen:
    """One answer in the writing.

    rng: seeded by the request and its occurrence. prompt: the whole conversation as text. schema: of the answer, {} for
    text. avoid: names that the prompt says are taken. reason: why the previous answer was refused, "" when none was.
    """

    def __init__(self, rng: Random, prompt: str, schema: dict[str, Any], habits: Habits = Habits()) -> None:
        self.rng, self.prompt, self.schema, self.habits = rng, prompt, schema, habits
        self.avoid = avoided(prompt)
        self.reason = refusal(prompt)
        self.obeys = rng.random() < habits.obeys
        self.repeats = habits.repeat > 0 and rng.random() < habits.repeat  # no draw without it: seeds keep their answers

    def zipf(self, n: int) -> int:
        """A skewed index below n: 0 is the most popular, by Zipf's law with the world's exponent."""
        return skewed(self.rng.random(), n, self.habits.collapse)

    def choose(self, options: Sequence[str]) -> str:
        """One of the options, the first ones far more often; not one of those to avoid, unless it disobeys or none is left."""
        if self.repeats:
            return options[self.rng.randrange(min(FAVOURITES, len(options)))]
        if self.avoid and self.obeys:
            taken = set(map(_plain, self.avoid))
            options = [option for option in options if _plain(option) not in taken] or options
        return options[self.zipf(len(options))]

    def pick(self, n: int, name: Callable[[int], str]) -> str:
        """Like `choose` from n names that are made when needed: `name(rank)`, rank 0 the most popular."""
        if self.repeats:
            return name(self.rng.randrange(min(FAVOURITES, n)))
        taken = set(map(_plain, self.avoid)) if self.obeys else set()
        free = n if not taken else max(1, n - len(taken))
        rank = self.zipf(free)
        if not taken:
            return name(rank)
        left = (found for found in map(name, range(n)) if _plain(found) not in taken)
        return next(islice(left, rank, None), None) or name(rank)

    def slips(self, what: str) -> bool:
        """Whether the answer breaks the rule `what` this time; seldom when the last one was refused and the reason told."""
        mended = MENDED if self.reason else 1.0
        return self.rng.random() < self.habits.slips * mended


ContentFunction: TypeAlias = Callable[[Pen], Any]
"""Writes one answer: a JSON-able value that fits `pen.schema` (unless it slips)."""


def skewed(u: float, n: int, exponent: float) -> int:
    """Zipf's law over ranks 0 … n-1 by inverting its continuous form: no table, whatever n. u: uniform in [0, 1)."""
    if exponent == 1.0:
        x = (n + 1.0) ** u
    else:
        power = 1.0 - exponent
        x = (1.0 + u * ((n + 1.0) ** power - 1.0)) ** (1.0 / power)
    return min(n - 1, max(0, int(x) - 1))


def avoided(prompt: str) -> tuple[str, ...]:
    """The names of the last avoid-list in a prompt."""
    start = prompt.rfind(phrases.AVOID)
    if start < 0:
        return ()
    names = []
    for line in prompt[start + len(phrases.AVOID) :].lstrip("\n").split("\n"):
        if not line.startswith("- "):
            break
        names.append(line[2:])
    return tuple(names)


def refusal(prompt: str) -> str:
    """The reason that the last refusal in a prompt gives."""
    start = prompt.rfind(phrases.REJECTED)
    if start < 0:
        return ""
    reason = prompt[start + len(phrases.REJECTED) :].partition(phrases.AVOID)[0]
    return reason.partition(phrases.REPAIR)[0].strip()


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
