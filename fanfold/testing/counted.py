"""What must hold of counted axes in every history: exactly as many as were asked for, or a good reason; and what it may cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import prod

from fanfold.core.commands import ANSWER
from fanfold.core.cover import ZERO_IN
from fanfold.core.run import Run
from fanfold.spec.errors import Code
from fanfold.spec.events import Called, CellEnded, Coords, Rested, SpareEnded

REFUSED = frozenset({Code.DUPLICATE, Code.CHECK_FAILED})
Group = tuple[int, Coords]
"""A step, and coordinates on those of its axes that are not counted."""


class Counted:
    """Told of the events of a run. Every failure is an AssertionError that names its invariant."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._draws: dict[Group, set[tuple[Coords, int]]] = defaultdict(set)
        self._sent: dict[Group, set[tuple[Coords, int]]] = defaultdict(set)  # with those that were no draws, for they lost a race
        self._accepted: dict[Group, int] = defaultdict(int)
        self._spares: set[tuple[int, Coords]] = set()  # in the air, or between two calls
        self._gone: set[tuple[int, Coords]] = set()
        self._filled: set[tuple[int, Coords]] = set()

    def begin(self, run: Run) -> None:
        """Another process goes on, and has called nothing yet: what the one before had in the air is gone."""
        self._run = run

    def revive(self, run: Run, ended: Mapping[tuple[int, Coords], tuple[str, str]]) -> None:
        """Another process goes on. ended: members that have, and how."""
        self._run = run
        for memory in (self._draws, self._sent, self._accepted, self._spares, self._gone, self._filled):
            memory.clear()
        for (step, at), fate in ended.items():
            self._accepted[self._group(step, at)] += fate == ("accepted", "")

    def _group(self, step: int, at: Coords) -> Group:
        return step, tuple(index for place, index in enumerate(at) if place not in self._run.rules[step].counted)

    def _size(self, step: int) -> int:
        grid = self._run.grid
        return prod(grid.static(grid.nodes[step].over[place]) for place in self._run.rules[step].counted)

    def _is_spare(self, step: int, at: Coords) -> bool:
        grid = self._run.grid
        return any(at[place] >= grid.static(grid.nodes[step].over[place]) for place in self._run.rules[step].counted)

    def called(self, event: Called) -> None:
        """Of a step over a counted axis."""
        group, rule, size = self._group(event.step, event.at), self._run.rules[event.step], self._size(event.step)
        if self._is_spare(event.step, event.at):
            assert (event.step, event.at) not in self._gone, "U4: a spare is called after its end"
            assert self._accepted[group] < size, "U4: a spare is sent although all are there"
            self._spares.add((event.step, event.at))
        if event.phase == ANSWER:
            self._draws[group].add((event.at, event.attempt))
            self._sent[group].add((event.at, event.attempt))
            assert len(self._draws[group]) <= rule.attempts * size, "U3: more draws than attempts times cells"

    def rested(self, event: Rested) -> None:
        """A name that was lost to another cell while it streamed was no draw: the same attempt is made again."""
        if event.kind == "regenerate":
            self._draws[self._group(event.step, event.at)].discard((event.at, event.attempt))

    def spare_ended(self, event: SpareEnded) -> None:
        assert self._is_spare(event.step, event.at), "U4: it is no spare"
        assert (event.step, event.at) not in self._gone, "U4: a spare ended twice"
        self._gone.add((event.step, event.at))
        self._spares.discard((event.step, event.at))
        if event.fills is not None:
            assert not self._is_spare(event.step, event.fills), "U4: a surplus answer is shown"
            self._filled.add((event.step, event.fills))

    def cell_ended(self, event: CellEnded) -> None:
        rule = self._run.rules[event.step]
        if not rule.counted:
            return
        assert not self._is_spare(event.step, event.at), "U4: more are shown than were asked for"
        group, size = self._group(event.step, event.at), self._size(event.step)
        if event.state == "accepted" and not event.code:
            self._accepted[group] += 1
        elif event.code in REFUSED:
            draws, begun = len(self._sent[group]), {at for at, _ in self._sent[group]}
            spared = sum(not self._is_spare(event.step, at) for at in begun) - size  # each has its first draw kept for it
            unsent = sum(self._group(step, at) == group and at not in begun for step, at in self._gone)
            cells = self._run.cells.values()
            draws += sum(
                self._group(cell.rule.index, cell.at) == group for cell in cells
            )  # begun, perhaps, and waiting for their turn
            assert draws >= min(ZERO_IN, rule.attempts * size + spared - unsent), f"U4: given up after {draws} draws"
        self._filled.discard((event.step, event.at))

    def look(self) -> None:
        """After every step."""
        assert not self._filled or self._run.stop is not None, "U4: filled, and not accepted"
        for record in self._run.calls.values():
            pool = record.cell.pool
            assert record.doom or pool is None or not pool.filled, (
                "U4: as many as were asked for are there, and more are in the air"
            )
            if pool is not None:
                group = self._group(record.cell.rule.index, record.cell.at)
                assert pool.open <= self._size(group[0]) - self._accepted[group], "U4: it draws for cells that are there"

    def end(self) -> None:
        """Of a run that was not stopped."""
        assert not self._spares, "U2: spares that never ended"
