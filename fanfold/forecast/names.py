"""Which names a model comes up with: Zipf's law over a space of names, so that parallel answers collide as they really do."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

SMALLEST, LARGEST = 8, 1 << 40
_ONE_BY_ONE = 256  # ranks whose probability is taken singly; beyond them, in ranges that grow by an eighth


def rank(u: float, space: int) -> int:
    """A rank below `space`, 0 the most popular, by the continuous form of Zipf's law with exponent 1. u: uniform in [0, 1)."""
    return min(space - 1, max(0, int((space + 1.0) ** u) - 1))


def repeats(draws: int, space: int) -> float:
    """How many of so many independent draws repeat an earlier one: draws - sum(1 - (1 - p) ** draws)."""
    distinct = sum(count * (1.0 - (1.0 - p) ** draws) for count, p in _shares(space))
    return max(0.0, draws - distinct)


def _shares(space: int) -> Iterator[tuple[int, float]]:
    """(so many ranks, the probability of each of them)."""
    whole, start = log(space + 1.0), 0
    while start < space:
        stop = min(space, start + 1 if start < _ONE_BY_ONE else start + start // 8)
        yield stop - start, log((stop + 1.0) / (start + 1.0)) / whole / (stop - start)
        start = stop


def space_of(draws: int, repeated: float) -> int:
    """The space in which that many draws have that many repeats; the least or the largest one where none has."""
    low, high = SMALLEST, LARGEST
    while low < high:  # repeats fall as the space grows
        middle = (low + high) // 2
        if repeats(draws, middle) > repeated:
            low = middle + 1
        else:
            high = middle
    return low
