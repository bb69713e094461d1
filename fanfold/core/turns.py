"""Which of several models answers a cell, where each has a share of them: they take turns, and the same cell has always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import gcd

from fanfold.core.draw import uniform
from fanfold.spec.events import Coords

GOLDEN = 0.618  # of a block, from one cell to the next: what follows each other is spread over the whole of it
TURN = 7  # purpose of the draw


@dataclass(frozen=True)
class Turns:
    """chains: of each share, the lanes where its cells go, the preferred one first. counts: how many cells of a block each has.
    strides: of each axis of the step, how many cells lie between two of its values: 1 for the last."""

    chains: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    strides: tuple[int, ...]

    def share(self, seed: int, at: Coords) -> int:
        """The number of the share that a cell belongs to. In every whole block of cells, each share has exactly its count."""
        number = sum(index * stride for index, stride in zip(at, self.strides, strict=True))
        block, place = divmod(number, self._block)
        start = int(uniform(seed, block, TURN) * self._block)
        spot = (start + place * self._step) % self._block
        return next(share for share, end in enumerate(accumulate(self.counts)) if spot < end)

    def own(self, seed: int, at: Coords) -> tuple[int, ...]:
        """The lanes of its share."""
        return self.chains[self.share(seed, at)]

    def chain(self, seed: int, at: Coords) -> tuple[int, ...]:
        """The lanes where a cell may go: those of its share, then those of the others, which take over what cannot be had there."""
        share = self.share(seed, at)
        lanes = [lane for chain in (*self.chains[share:], *self.chains[:share]) for lane in chain]
        return tuple(dict.fromkeys(lanes))

    @cached_property
    def _block(self) -> int:
        return sum(self.counts)

    @cached_property
    def _step(self) -> int:
        """The number nearest to the golden part of a block that meets every place of it."""
        block = self._block
        return min((n for n in range(1, block + 1) if gcd(n, block) == 1), key=lambda n: abs(n - GOLDEN * block))


def strides(sizes: Sequence[int | None]) -> tuple[int, ...]:
    """sizes: of the axes of a step; None where it is not known yet, which counts as 1."""
    made = [1]
    for size in reversed(sizes[1:]):
        made.append(made[-1] * (size or 1))
    return tuple(reversed(made)) if sizes else ()
