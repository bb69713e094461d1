"""Memory of a run over an axis of 1,000,000 rows, and of 100,000 cells to the end: it follows the window, not the job.

Under the heap simulator, 64 in the air. Live cells are counted by the garbage collector; bytes are those that Python has
allocated (tracemalloc), after a collection.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench._weather import Weather
from fanfold.core.conductor import Conductor
from fanfold.core.grid import Grid
from fanfold.core.lane import AHEAD
from fanfold.core.limiter import Limiter
from fanfold.core.run import Cell, Rule, Run
from fanfold.spec.compile import compile_plan
from fanfold.spec.plan import Plan, Step
from fanfold.testing.heap import Heap

CAP = 64
WINDOW = (AHEAD + 1) * CAP  # prepared or ready, and in the air
MOST_LIVE = (
    3.5  # besides, cells that rest, and those ended whose deadlines are not swept yet: up to four for each call in the air
)
MOST_MB = 1.0
RULES = (Rule(index=0, name="draft", lane=1), Rule(index=1, name="final", lane=1))


class Quiet(Conductor):
    """Its events are dropped, as if they were written down."""

    def drain(self) -> list[object]:  # type: ignore[override]
        super().drain()
        return []


@dataclass
class Watch:
    """Looks at memory whenever another `every` cells have ended. stop: cancels the run after so many."""

    run: Run
    every: int
    stop: int
    looks: list[tuple[int, int]] = field(default_factory=list)  # (live cells, bytes)

    def __call__(self, heap: Heap) -> None:
        ended = sum(self.run.tally.ended)
        if ended // self.every > len(self.looks) and self.run.stop is None:
            gc.collect()
            cells = sum(isinstance(each, Cell) for each in gc.get_objects())
            self.looks.append((cells, tracemalloc.get_traced_memory()[0]))
            if ended >= self.stop:
                heap.conductor.cancel(self.run, heap.now)

    @property
    def most_cells(self) -> int:
        return max(cells for cells, _ in self.looks)

    @property
    def grown_mb(self) -> float:
        """From the first look to the last."""
        return (self.looks[-1][1] - self.looks[0][1]) / 1e6


def measure() -> Iterator[tuple[str, float, float | None]]:
    rows = watched(1_000_000, every=1_000, stop=8_000)
    yield "1,000,000 rows, stopped after 8,000 cells: live cells over the window", rows.most_cells / WINDOW, MOST_LIVE
    yield "    MB held when the first thousand had ended", rows.looks[0][1] / 1e6, MOST_MB
    yield "    MB more from the first thousand to the last", rows.grown_mb, MOST_MB
    whole = watched(50_000, every=10_000, stop=10**9)
    yield "100,000 cells to the end: live cells over the window", whole.most_cells / WINDOW, MOST_LIVE
    yield "    MB more from the first ten thousand to the last", whole.grown_mb, MOST_MB


def watched(rows: int, *, every: int, stop: int) -> Watch:
    """Two steps over the rows, a draft and a final text of each."""
    steps = [Step("draft", "{row}", over="row"), Step("final", "{draft}", over="row")]
    tracemalloc.start()
    try:
        conductor = Quiet()
        conductor.add_lane("model", Limiter(), CAP)
        grid = Grid(compile_plan(Plan("rows", steps, {"row": range(rows)})))
        watch = Watch(conductor.add(grid, RULES, 0), every, stop)
        Heap(conductor, Weather(0, rows).fly, watch=watch).run()
    finally:
        tracemalloc.stop()
    return watch
