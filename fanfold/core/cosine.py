"""Vectors under names, by cosine similarity: an exact search through all of them, most of which are left out early.

Of unit vectors, |a - b|² = 2 - 2 cos(a, b): near means not far apart. The distance in the first few numbers is a lower bound of the
whole, and is enough to leave most others out.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from math import dist, hypot, inf, sqrt
from struct import pack, unpack
from typing import TypeAlias

HEAD = 64
"""Numbers that are compared first."""
EQUAL = 1e-9
"""Of a cosine: so little less than the threshold is the threshold."""
ROUNDED = 1.2e-7
"""Of a distance: what keeping two unit vectors in single precision may cost."""

Unit: TypeAlias = "array[float]"
"""A vector of length 1, in single precision, so that what is kept on disk is what was compared."""


def unit(vector: Sequence[float]) -> Unit:
    """Raises ValueError for a vector without a direction."""
    length = hypot(*vector)
    if not 0 < length < inf:
        raise ValueError("a vector must be finite and not all zeros")
    return array("f", [x / length for x in vector])


def packed(vector: Sequence[float]) -> bytes:
    """A vector as it is written down and handed on: its direction, four bytes a number, low byte first. Raises ValueError."""
    one = unit(vector)
    return pack(f"<{len(one)}f", *one)


def unpacked(data: bytes) -> Unit:
    return array("f", unpack(f"<{len(data) // 4}f", data))


class NearVectors:
    """threshold: the least cosine that is near, for searches that name none.

    A vector takes 4 bytes a number, and 2 kB for its head. A search among 10,000 takes some milliseconds (`python -m bench near`);
    nobody adds vectors to a run faster than models answer.
    """

    __slots__ = ("_heads", "_size", "_units", "threshold")

    def __init__(self, threshold: float) -> None:
        if not -1 <= threshold <= 1:
            raise ValueError(f"a cosine is from -1 to 1, not {threshold}")
        self.threshold = threshold
        self._units: dict[str, Unit] = {}
        self._heads: dict[str, tuple[float, ...]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._units)

    def __contains__(self, name: object) -> bool:
        return name in self._units

    @property
    def size(self) -> int:
        """Numbers in each vector; 0 while there is none."""
        return self._size if self._units else 0

    def find(self, vector: Sequence[float], besides: str | None = None, threshold: float | None = None) -> str | None:
        """The name of the vector most alike, if that is near; of equals, the first. ValueError: another length, or all zero."""
        near = self.threshold if threshold is None else threshold
        far = sqrt(2 - 2 * near + 2 * EQUAL) + ROUNDED
        best, found = far, None
        for apart, name in self._within(vector, far):
            if name != besides and (apart < best or found is None):
                best, found = apart, name
        return found

    def closest(self, name: str, count: int) -> list[str]:
        """The names of the vectors most like one that is there, nearest first."""
        if name not in self._units:
            return []
        others = ((apart, other) for apart, other in self._within(self._units[name], inf) if other != name)
        return [other for _, other in nsmallest(count, others, key=lambda pair: pair[0])]

    def add(self, name: str, vector: Sequence[float]) -> None:
        """ValueError: another length, or all zero. Under a name that is there: instead of the one before."""
        one = self._fit(vector)
        self._units[name], self._heads[name] = one, tuple(one[:HEAD])
        self._size = len(one)

    def remove(self, name: str) -> None:
        del self._units[name], self._heads[name]

    def _within(self, vector: Sequence[float], far: float) -> Iterator[tuple[float, str]]:
        """Those not farther than that, with their distances."""
        one = self._fit(vector)
        head, units = tuple(one[:HEAD]), self._units
        for name, other in self._heads.items():
            apart = dist(head, other)
            if apart <= far:
                if self._size > HEAD:
                    apart = dist(one, units[name])
                if apart <= far:
                    yield apart, name

    def _fit(self, vector: Sequence[float]) -> Unit:
        if self._units and len(vector) != self._size:
            raise ValueError(f"a vector of {len(vector)} numbers among vectors of {self._size}")
        return unit(vector)
