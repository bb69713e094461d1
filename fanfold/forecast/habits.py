"""How calls go: how long they take, how much they say, what goes wrong. Declared for a model that nothing is known of, learned from
earlier runs where there are some.

A call that nothing is known of takes log-normal times: to its first token, then for each token (measured of hosted models:
median 0.55 s, 65 tokens a second, a few calls in a hundred several times slower; ALGORITHMS.md S7). A learned one is one of those that
were seen, drawn again. Because an estimate is wrong as a whole rather than call by call, each seed of a forecast has its own
factor on speed and on length (`band`: the deviation of its logarithm; 0.25 is ±50 % in nine of ten).
"""

from __future__ import annotations

from math import exp
from statistics import NormalDist
from typing import NamedTuple

import msgspec

from fanfold.core.draw import uniform

SECOND = 1_000_000
BAND, LEARNED_BAND = 0.25, 0.08
BLUR = 0.1  # of a call that is drawn again: few were seen, the next ones lie between them
RARE = 100  # calls that must have been seen before a slow one in fifty is among them for sure
NAME_TOKENS = 12  # until the first field of a streamed answer is complete

_STRIDE = 0x9E3779B97F4A7C15  # SplitMix64: one mix a draw
_normal = NormalDist().inv_cdf


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed of a model. first_s, tokens_per_s: medians, the sigmas of their logarithms. slow: the share of calls that
    take `times` as long. words: how much longer its answers are than the least that fits. schema: whether it charges for the schema.
    """

    first_s: float = 0.55
    first_sigma: float = 0.4
    tokens_per_s: float = 65.0
    rate_sigma: float = 0.3
    slow: float = 0.02
    times: tuple[float, float] = (3.0, 8.0)
    words: float = 2.0
    words_sigma: float = 0.3
    schema: bool = True
    transient: float = 0.005
    malformed: float = 0.01
    refused: float = 0.08
    passes: float = 0.9


HOSTED = Declared()
SIMULATED = Declared(
    first_s=0.4, first_sigma=0.35, tokens_per_s=180.0, rate_sigma=0.25, words=1.0, words_sigma=0.2, schema=False, transient=0.0,
    malformed=0.0, passes=0.95,
)  # fmt: skip


def declared(model: str) -> Declared:
    return SIMULATED if model.partition("/")[0] == "sim" else HOSTED


class Luck:
    """Draws of one call: the same ones for the same seed, cell and attempt, in any order of events."""

    __slots__ = ("_drawn", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed, self._drawn = seed, 0

    def draw(self) -> float:
        self._drawn += 1
        return uniform(self._seed + self._drawn * _STRIDE)

    def spread(self, sigma: float) -> float:
        """A factor around 1, log-normal."""
        return exp(sigma * normal(self.draw()))


def normal(u: float) -> float:
    return _normal(min(max(u, 1e-9), 1 - 1e-9))


class Temper(NamedTuple):
    """What a seed says of the model as a whole: how many standard deviations it is slower, and wordier, than expected."""

    slower: float
    wordier: float


class Seen(NamedTuple):
    """A call that was answered. took: microseconds. items: of its request; tokens_out is one item's share."""

    took: int
    tokens_in: int
    tokens_out: int
    items: int = 1


class Speech(NamedTuple):
    """What one call will do. took, first, named: microseconds until its end, its first token, and until its first field is complete."""

    took: int
    first: int
    named: int
    tokens_out: int
    tokens_in: int | None

    @property
    def saying(self) -> int:
        """Microseconds from its first token to its last."""
        return self.took - self.first


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of call answers. tokens_out: of a usual answer. seen: answers of earlier runs; with any, they are drawn again."""

    model: Declared = HOSTED
    tokens_out: float = 300.0
    most: int | None = None
    seen: tuple[Seen, ...] = ()

    @property
    def band(self) -> float:
        return LEARNED_BAND if self.seen else BAND

    @property
    def usual_out(self) -> float:
        return sum(s.tokens_out for s in self.seen) / len(self.seen) if self.seen else self.tokens_out

    def speak(self, luck: Luck, temper: Temper) -> Speech:
        slower, wordier = exp(self.band * temper.slower), exp(self.band * temper.wordier)
        if self.seen:
            return self._again(luck, slower, wordier)
        model = self.model
        times = 1.0
        if luck.draw() < model.slow:
            low, high = model.times
            times = low + (high - low) * luck.draw()
        tokens = max(1, round(self.tokens_out * wordier * luck.spread(model.words_sigma)))
        if self.most is not None:
            tokens = min(tokens, self.most)
        first = model.first_s * luck.spread(model.first_sigma) * times * slower
        each = times * slower / (model.tokens_per_s * luck.spread(model.rate_sigma))
        took = first + tokens * each
        named = first + min(tokens, NAME_TOKENS) * each
        return Speech(round(took * SECOND), round(first * SECOND), round(named * SECOND), tokens, None)

    def _again(self, luck: Luck, slower: float, wordier: float) -> Speech:
        one = self.seen[int(luck.draw() * len(self.seen))]
        blur = luck.spread(BLUR)
        if luck.draw() < self.model.slow * RARE / (RARE + len(self.seen)):
            low, high = self.model.times
            blur *= low + (high - low) * luck.draw()
        tokens = max(1, round(one.tokens_out * wordier))
        first = self.model.first_s / (self.model.first_s + one.items * one.tokens_out / self.model.tokens_per_s)  # of the whole
        alone = first + (1 - first) / one.items
        took = one.took * alone * slower * blur * wordier
        first /= alone
        told = one.tokens_in if one.items == 1 else None  # it was told some of it together with others
        return Speech(round(took), round(took * first), round(took * min(1.0, first * 1.1)), tokens, told)


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """One step. voice: of its answers, judge: of its judge. faults: code -> share of its calls; malformed, refused, passes: shares of
    answers that do not fit the schema, that a rule check refuses, that the judge lets pass. names: the space its keys are drawn
    from. lengths: of the lists that dynamic axes find, those that are as likely. learned: whether any of it was seen.
    """

    voice: Voice = Voice()
    judge: Voice = Voice(tokens_out=50.0)
    faults: tuple[tuple[str, float], ...] = ()
    malformed: float = 0.0
    refused: float = 0.0
    passes: float = 1.0
    names: int = 2000
    lengths: dict[str, tuple[int, ...]] = {}
    learned: bool = False
