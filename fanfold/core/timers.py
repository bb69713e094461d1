"""Moments at which something changes by itself: a rest is over, a deadline has come. One heap; what no longer waits is dropped lazily."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")
FEW = 256  # so many are never worth sweeping


class Timers(Generic[T]):
    """waits: whether a timer set for `when` still means something to its owner. needed: how many can mean something now."""

    def __init__(self, waits: Callable[[int, T], bool], needed: Callable[[], int]) -> None:
        self._waits, self._needed = waits, needed
        self._heap: list[tuple[int, int, T]] = []
        self._set = 0

    def set(self, when: int, what: T) -> None:
        self._set += 1  # equal moments come in the order in which they were set
        heappush(self._heap, (when, self._set, what))
        if len(self._heap) > max(FEW, 4 * self._needed()):
            self._heap = [timer for timer in self._heap if self._waits(timer[0], timer[2])]
            heapify(self._heap)

    def next(self) -> int | None:
        """The first moment that still means something."""
        while self._heap and not self._waits(self._heap[0][0], self._heap[0][2]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> T | None:
        """Something whose moment has come, once; None when there is nothing more."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, _, what = heappop(heap)
            if self._waits(when, what):
                return what
        return None
