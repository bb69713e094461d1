"""Accepted values of a run. They live in the store; the ones used last are kept here, up to a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from fanfold.engine.shapes import Shape
from fanfold.spec.events import Coords
from fanfold.spec.ports import Journal, Stored

KEPT_BYTES = 32 << 20
OVERHEAD = 512  # bytes of an entry beside its JSON


class Values:
    """Least recently used first out: release is never a question of correctness, only of reading again."""

    def __init__(self, journal: Journal, shapes: Sequence[Shape | None], kept_bytes: int = KEPT_BYTES) -> None:
        self._journal, self._shapes, self._room = journal, shapes, kept_bytes
        self._kept: OrderedDict[tuple[int, Coords], tuple[Any, int]] = OrderedDict()

    def keep(self, step: int, at: Coords, value: Any, size: int) -> None:
        """A value that has just been written."""
        size += OVERHEAD
        self._kept[step, at] = (value, size)
        self._room -= size
        while self._room < 0 and len(self._kept) > 1:
            _, (_, released) = self._kept.popitem(last=False)
            self._room += released

    def at_hand(self, step: int, at: Coords) -> tuple[Any] | None:
        """The value in a tuple, if it need not be read."""
        found = self._kept.get((step, at))
        if found is None:
            return None
        self._kept.move_to_end((step, at))
        return (found[0],)

    async def get(self, step: int, cells: Sequence[Coords]) -> dict[Coords, Any]:
        """The values of those cells that have one."""
        found: dict[Coords, Any] = {}
        missing: list[Coords] = []
        for at in cells:
            kept = self.at_hand(step, at)
            if kept is None:
                missing.append(at)
            else:
                found[at] = kept[0]
        if missing:
            for stored in await self._journal.values(step, missing):
                found[stored.at] = self.decode(stored)
        return found

    async def all(self, step: int) -> dict[Coords, Any]:
        """Every accepted value of a step, in axis order."""
        return {stored.at: self.decode(stored) for stored in await self._journal.values(step)}

    def decode(self, stored: Stored) -> Any:
        shape = self._shapes[stored.step]
        assert shape is not None
        return shape.decode(stored.data)
