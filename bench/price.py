"""Conductor alone, under the heap simulator: µs of CPU per event, in runs of 29 to 400,000 cells; and that it does not grow.

A week of recipes made longer: three recipes a day, each with a name of its own and a judge, a summary of each day, one
shopping list. Names stream ahead, collide and change; calls fail, are limited, found wanting and refused; two limits are declared.
An event is one that is drained for the journal. Counted is everything inside the conductor: facts, commands, timers, draining.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import Any

from bench._weather import Weather
from fanfold.core.conductor import Conductor
from fanfold.core.grid import Grid
from fanfold.core.limiter import REQUESTS, TOTAL, Limiter, Window
from fanfold.core.run import Rule
from fanfold.spec.compile import compile_plan
from fanfold.spec.plan import Plan, Step
from fanfold.testing.heap import Heap

SIZES = ((7, 150), (1_000, 5), (10_000, 1), (100_000, 1))  # (days, how often): 29, 4,001, 40,001 and 400,001 cells
MOST_US, MOST_GROWTH = 15.0, 1.5
CAP = 64


@dataclass(frozen=True)
class Price:
    """us: µs of CPU inside the conductor, per event. events, calls: per cell."""

    us: float
    events: float
    calls: float


def measure() -> Iterator[tuple[str, float, float | None]]:
    clock = empty_window()
    found: dict[int, float] = {}
    for days, times in SIZES:
        if found and max(found.values()) > 1.5 * MOST_US:
            break  # missed already: a price that grows would make the larger runs endless
        cells = 4 * days + 1
        prices = [price(days, seed, clock) for seed in range(times)]
        found[cells] = median(each.us for each in prices)
        yield f"{cells:,} cells: µs of CPU per event", found[cells], MOST_US
        yield f"{cells:,} cells: events per cell", median(each.events for each in prices), None
        yield f"{cells:,} cells: calls per cell", median(each.calls for each in prices), None
    _, small, *_ = found
    large = max(found)
    yield f"{large:,} cells over {small:,} cells", found[large] / found[small], MOST_GROWTH


def price(days: int, seed: int, clock: float = 0.0) -> Price:
    """One run from its first cell to its last. clock: ns that a window adds by itself."""
    conductor, weather = Clocked(), Weather(seed, 3 * days)
    conductor.add_lane("model", Limiter([(REQUESTS, Window(3_000)), (TOTAL, Window(3_000_000))]), CAP)
    heap = Heap(conductor, weather.fly)
    gc.collect()
    wall, cpu = perf_counter_ns(), process_time_ns()
    run = conductor.add(week(days), RULES, 0, seed=seed)
    heap.run()
    cpu, wall = process_time_ns() - cpu, perf_counter_ns() - wall
    assert run.ended and sum(run.tally.ended) == 4 * days + 1
    # Nothing here waits, so wall time is CPU time and what other processes took: that falls on all parts alike.
    us, cells = (conductor.inside - conductor.windows * clock) / 1e3 * cpu / wall, 4 * days + 1
    return Price(us / run.seq, run.seq / cells, weather.calls / cells)


def week(days: int) -> Grid:
    steps = [
        Step("recipe", "{day} {meal}", over=("day", "meal")),
        Step("summary", "{recipe}", over="day", at_least=1),
        Step("shopping", "{recipe} {summary}", at_least=1),
    ]
    return Grid(compile_plan(Plan("week", steps, {"day": range(days), "meal": range(3)})))


RULES = (
    Rule(index=0, name="recipe", lane=1, judge_lane=1, unique=(), attempts=12),
    Rule(index=1, name="summary", lane=1),
    Rule(index=2, name="shopping", lane=1),
)


def clocked(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(conductor: Clocked, *args: Any, **options: Any) -> Any:
        began = perf_counter_ns()
        try:
            return method(conductor, *args, **options)
        finally:
            conductor.inside += perf_counter_ns() - began
            conductor.windows += 1

    return call


class Clocked(Conductor):
    """A conductor that adds up the wall time spent in it, in ns, and the windows of time that it was measured in."""

    inside = windows = 0
    add, commands, wake_at = clocked(Conductor.add), clocked(Conductor.commands), clocked(Conductor.wake_at)
    prepared, identified, settled = clocked(Conductor.prepared), clocked(Conductor.identified), clocked(Conductor.settled)
    _drain = clocked(Conductor.drain)

    def drain(self) -> list[Any]:
        """The events are dropped: a log of all of them would be the largest thing in memory."""
        self._drain()
        return []

    nothing = clocked(lambda conductor, now: None)


def empty_window() -> float:
    """ns that the clock adds to each window."""
    conductor = Clocked()
    for now in range(20_000):
        conductor.nothing(now)
    return conductor.inside / conductor.windows
