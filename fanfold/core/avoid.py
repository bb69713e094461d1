"""What a model is told to avoid, when it is too much to tell all of it.

Collisions come from the mode: the names most often drawn again are worth most, the newest nothing (ALGORITHMS: 4.45 draws a value
without a list, 4.20 with the newest 50, 1.7 with the hottest). To these come the nearest of what the cell itself collided with, and
words that are in many names. Everything is kept as it happens; nothing is sorted when it is asked for.

How many are told follows what it brings. A model that has few ideas draws the next favourite once it may not have the last: of 300 names
by Zipf's law with exponent 2.3, 40 told leave thirteen draws in fourteen refused. The list is longer as long as most draws are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

WHOLE_LIST = 150  # up to so many names, all are told
HOT = 40
MOST_TOLD, STEP = 600, 1 / 16  # names, however many draws are refused; what one draw changes in how many are told
NEAREST = 10
CROWDED, CROWD = 8, 5  # words that are told, at most; names that have it, at least
LOOKED_AT = 200  # names with a word in common that are compared
FEW = 6  # words of a name by which its neighbours are sought, the rarest
LONGEST = 80  # characters of a name that is taken apart; and that is told of one

_LITTLE = re.compile(
    "and|the|with|for|from|des|les|une|avec|und|mit|der|die|das|ein|eine|von|van|het|een|met|voor|con|los|las|del|per"
)


class Top:
    """What was counted most, in order; of equals, what came there first. A count grows by one, so a place is found in a few steps."""

    __slots__ = ("counts", "order", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.counts: dict[str, int] = {}
        self.order: list[str] = []

    def add(self, name: str) -> None:
        count = self.counts[name] = self.counts.get(name, 0) + 1
        order = self.order
        if name not in order:
            if len(order) == self.size and self.counts[order[-1]] >= count:
                return
            del order[self.size - 1 :]
            order.append(name)
        at = order.index(name)
        while at and self.counts[order[at - 1]] < count:
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1


class Room:
    """How many names are told. It grows with each draw that is refused and shrinks with each that is not: steady where half of them are."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names = float(HOT)

    def saw(self, *, refused: bool) -> None:
        grown = self._names * (1 + STEP if refused else 1 - STEP)
        self._names = min(max(grown, float(HOT)), float(MOST_TOLD))

    @property
    def names(self) -> int:
        return int(self._names)


class Words:
    """Keys by the words in them. crowded: those that most committed keys have."""

    __slots__ = ("_crowd", "_having")

    def __init__(self) -> None:
        self._having: dict[str, dict[str, None]] = {}
        self._crowd = Top(CROWDED)

    def add(self, key: str) -> None:
        for word in _words(key):
            self._having.setdefault(word, {})[key] = None

    def remove(self, key: str) -> None:
        for word in _words(key):
            having = self._having[word]
            del having[key]
            if not having:
                del self._having[word]

    def committed(self, key: str) -> None:
        for word in _words(key):
            if len(word) > 2 and _LITTLE.fullmatch(word) is None and not word.isdigit():
                self._crowd.add(word)

    @property
    def crowded(self) -> tuple[str, ...]:
        return tuple([word for word in self._crowd.order if self._crowd.counts[word] >= CROWD])

    def neighbours(self, key: str, count: int) -> list[str]:
        """Keys with the most words in common, a rare one worth more; of equals, the oldest. Looks at a bounded number of them."""
        shared: dict[str, float] = {}
        rare = sorted([word for word in _words(key) if word in self._having], key=lambda word: len(self._having[word]))[:FEW]
        for word in rare:
            worth = 1 / len(self._having[word])
            for other in islice(self._having[word], LOOKED_AT // FEW):
                if other != key:
                    shared[other] = shared.get(other, 0.0) + worth
        return sorted(shared, key=lambda other: -shared[other])[:count]


def _words(key: str) -> Iterable[str]:
    return dict.fromkeys(key[:LONGEST].split())


def shown(names: Iterable[str]) -> Iterator[str]:
    """As they are told: a whole text by how it begins."""
    for name in names:
        yield name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
