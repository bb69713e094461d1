"""Cells spread over declared facets: each value as often as any other, and no two cells alike while there is a choice.

A randomised Latin hypercube by arithmetic. All combinations stand in a list that nobody writes down: place j holds value
j + s_f mod m_f of each facet f, in an order of values drawn once. With shifts s of zero that repeats after L = lcm(m); the next L
places have other shifts, so that they are another coset of the group that (1, ..., 1) generates in Z_m1 x ... x Z_mk. Cosets are
told apart by 0 <= s_f < gcd(lcm(m_1..m_f-1), m_f), which are as many as there are: so no combination comes twice before
all have come once, and in any first n places, values of a facet are used equally often, to within one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import gcd, lcm, prod
from typing import Any

from fanfold.core.draw import uniform

ORDER, START = 1, 2  # what a draw is for
STRIDE = 256  # feasible combinations from one remembered place to the next


class Facets:
    """Cell -> a value of each facet, the same for a seed at all times.

    values: of each facet; a value listed twice is used twice as often. infeasible: combinations that may not be, each the
    values of some facets, as {"diet": "vegan", "protein": "beef"}. Cells that would have one get the next that is feasible;
    then values are used as evenly as that leaves them. ValueError: no values, or an infeasible value that does not exist.

    A cell costs the same however many there are; with infeasible ones, in order; out of order up to STRIDE times that.
    """

    def __init__(
        self,
        values: Mapping[str, Sequence[Any]],
        cells: int,
        seed: int,
        infeasible: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        if empty := [name for name, listed in values.items() if not listed]:
            raise ValueError(f"no value is left of {', '.join(empty)}")
        self.cells = cells
        self.names = tuple(values)
        self._values = [_shuffled(listed, seed, n) for n, listed in enumerate(values.values())]
        self._sizes = [len(listed) for listed in self._values]
        self._round = lcm(*self._sizes)
        self._shifts = [gcd(lcm(*self._sizes[:n]), size) if n else 1 for n, size in enumerate(self._sizes)]
        self._first = int(uniform(seed, START) * prod(self._shifts))
        self.combinations = prod(self._sizes)
        """How many there are, feasible or not."""
        self._infeasible = self._banned(infeasible)
        self._marks: list[int] = []  # the places of every STRIDE-th feasible combination
        self._feasible: int | None = None  # how many there are, once all places have been seen
        self._cursor = (-1, -1)  # the feasible combination asked for last: its number, its place

    def at(self, cell: int) -> dict[str, Any]:
        """ValueError: every combination is infeasible."""
        return self._named(self._indices(self._place(cell)))

    def after(self, cell: int, given_up: int) -> dict[str, Any]:
        """A cell's combination once so many of its own were given up: one that no other cell has, as long as there is one for it.

        All cells give up in turn: the n-th time, cell i is at i + n * cells. Nobody else is ever there, in any order of events.
        """
        for turn in range(given_up if self.cells else 0, 0, -1):
            if self._exists(cell + turn * self.cells):
                return self.at(cell + turn * self.cells)
        return self.at(cell)

    def _exists(self, number: int) -> bool:
        """Whether there are more feasible combinations than that."""
        if not self._infeasible:
            return number < self.combinations
        self._place(number)  # counts them, if there are fewer
        return self._feasible is None or number < self._feasible

    def _named(self, indices: Sequence[int]) -> dict[str, Any]:
        return {name: listed[n] for name, listed, n in zip(self.names, self._values, indices, strict=True)}

    def _indices(self, place: int) -> list[int]:
        turn = self._first + place // self._round
        found = []
        for size, shifts in zip(self._sizes, self._shifts, strict=True):
            turn, shift = divmod(turn, shifts)
            found.append((place + shift) % size)
        return found

    def _place(self, cell: int) -> int:
        """Of the cell-th feasible combination."""
        if not self._infeasible:
            return cell % self.combinations
        if self._feasible is not None:
            cell %= self._feasible
        number, place = self._nearest(cell)
        while number < cell:
            place += 1
            if place == self.combinations:
                return self._wrapped(number + 1, cell)
            if not self._bad(self._indices(place)):
                number += 1
                if number == len(self._marks) * STRIDE:
                    self._marks.append(place)
        self._cursor = number, place
        return place

    def _nearest(self, cell: int) -> tuple[int, int]:
        """A known feasible combination at or before this one."""
        mark = min(cell // STRIDE, len(self._marks) - 1)
        known = (mark * STRIDE, self._marks[mark]) if mark >= 0 else (-1, -1)
        return self._cursor if known[0] <= self._cursor[0] <= cell else known

    def _wrapped(self, feasible: int, cell: int) -> int:
        if not feasible:
            raise ValueError(f"every combination of {', '.join(self.names)} is infeasible")
        self._feasible = feasible
        return self._place(cell)

    def _banned(self, infeasible: Sequence[Mapping[str, Any]]) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
        """By the facets they name: which of their values may not come together."""
        found: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
        for banned in infeasible:
            facets = tuple([n for n, name in enumerate(self.names) if name in banned])
            alike = [[i for i, value in enumerate(self._values[n]) if value == banned[self.names[n]]] for n in facets]
            if len(facets) < len(banned) or not all(alike) or not facets:
                raise ValueError(f"no such facet or value: {dict(banned)}")
            found.setdefault(facets, set()).update(product(*alike))
        return found

    def _bad(self, indices: Sequence[int]) -> bool:
        return any(tuple([indices[n] for n in facets]) in banned for facets, banned in self._infeasible.items())


def _shuffled(values: Sequence[Any], seed: int, facet: int) -> list[Any]:
    """Fisher and Yates."""
    found = list(values)
    for last in range(len(found) - 1, 0, -1):
        other = int(uniform(seed, ORDER, facet, last) * (last + 1))
        found[last], found[other] = found[other], found[last]
    return found
