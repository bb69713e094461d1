"""The candidates of one step, each for one cell of the run at most: who has which, and which nobody has.

A fixed pool is dealt out by number, the first ones first; what is retrieved for a cell is known by its key alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

EARLIER = -1  # in place of a cell: taken for good in an earlier life of the run


class Stock:
    """size: of a fixed pool, None where every cell is offered its own. Every operation costs the same, however many there are."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.twins = 0
        """Numbers of a fixed pool whose key another number had already."""
        self._owner: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._next = 0
        self._back: list[int] = []  # a heap of numbers that were given back

    @property
    def distinct(self) -> int:
        """Candidates of a fixed pool, as far as they have been looked at."""
        return (self.size or 0) - self.twins

    def deal(self, most: int) -> tuple[int, ...]:
        """Up to so many numbers of a fixed pool that nobody has, to be looked at by one cell; () when it is used up."""
        numbers: list[int] = []
        while len(numbers) < most and (self._back or self._next < (self.size or 0)):
            if self._back:
                numbers.append(heappop(self._back))
            else:
                numbers.append(self._next)
                self._next += 1
        return tuple(numbers)

    def take(self, cell: int, keys: Sequence[str], most: int, numbers: Sequence[int] = ()) -> tuple[int, ...]:
        """The places in `keys` of the first ones that are free, up to so many: they are the cell's now, in one step.

        numbers: those of a fixed pool that the keys belong to. One whose key somebody has is a twin, and never dealt again.
        """
        places: list[int] = []
        for place, key in enumerate(keys):
            if len(places) == most:
                break
            owner = self._owner.get(key)
            if owner is None:
                self._owner[key] = cell
                places.append(place)
                if numbers:
                    self._numbers[key] = numbers[place]
            elif numbers and owner != EARLIER:
                self.twins += 1
        return tuple(places)

    def give_back(self, cell: int, keys: Sequence[str]) -> None:
        """They are free again."""
        for key in keys:
            assert self._owner.get(key) == cell, "only the owner gives a candidate back"
            del self._owner[key]
            if key in self._numbers:
                heappush(self._back, self._numbers.pop(key))

    def put_back(self, numbers: Sequence[int]) -> None:
        """Numbers that were dealt, and not looked at."""
        for number in numbers:
            heappush(self._back, number)

    def keep(self, keys: Sequence[str]) -> None:
        """Cells that were accepted in an earlier life of the run have these."""
        self._owner.update(dict.fromkeys(keys, EARLIER))

    @property
    def taken(self) -> int:
        return len(self._owner)

    def __repr__(self) -> str:
        return f"<Stock {len(self._owner)} of {'?' if self.size is None else self.size} taken>"
