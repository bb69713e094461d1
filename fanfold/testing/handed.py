"""What must hold of candidates in every history: each is one cell's at most, kept while it is drawn again, given back when it fails."""

from __future__ import annotations

from collections import defaultdict

from fanfold.core.commands import FALLBACK
from fanfold.core.run import Run
from fanfold.core.states import State
from fanfold.spec.events import CellEnded


class Handed:
    """Told of the events of a run, and looks at its cells. Every failure is an AssertionError that names its invariant."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: dict[int, dict[str, tuple[int, ...]]] = defaultdict(dict)  # by step: key -> the accepted cell that has it
        self._held: dict[int, tuple[str, ...]] = {}  # what each cell was given

    def revive(self, run: Run) -> None:
        """Another process goes on: what was given to cells that had not ended is free."""
        self._run = run
        self._held.clear()

    def reopened(self, step: int, cells: set[tuple[int, ...]]) -> None:
        """What they had is free again."""
        self._kept[step] = {key: at for key, at in self._kept[step].items() if at not in cells}

    def cell_ended(self, event: CellEnded) -> None:
        rule = self._run.rules[event.step]
        assert not event.took or (event.state == "accepted" and not event.code), "U5: kept by a cell without an answer of its own"
        assert len(event.took) <= rule.take, "U5: more candidates than it may have"
        own = event.state == "accepted" and not event.code
        assert not own or rule.stock is None or event.took, "U5: accepted without a candidate of the pool"
        for key in event.took:
            assert key not in self._kept[event.step], f"U5: {key!r} was given to two cells"
            self._kept[event.step][key] = event.at

    def look(self) -> None:
        """After every step."""
        held: dict[tuple[int, str], int] = {}
        for cell in self._run.cells.values():
            for key in cell.took:
                assert key not in self._kept[cell.rule.index], f"U5: {key!r} of an accepted cell is given again"
                assert held.setdefault((cell.rule.index, key), cell.id) == cell.id, f"U5: two cells have {key!r}"
            if cell.rule.take and cell.state is not State.PREPARING and cell.phase != FALLBACK:
                assert self._held.setdefault(cell.id, cell.took) == cell.took, "U5: not kept while it is drawn again"

    def end(self) -> None:
        """Of a run that was not stopped."""
        for step, stock in self._run.stocks.items():
            assert stock.taken == len(self._kept[step]), f"U5: candidates were not given back: {stock!r}"
