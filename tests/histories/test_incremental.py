"""What an event costs does not depend on how many cells there are: operations are counted, not timed."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from fanfold.core.grid import Grid
from fanfold.testing.heap import Heap
from fanfold.testing.weather import SECOND, Climate, World, conductor_of, plan_of, rules_of, spent

LARGEST = int(os.environ.get("FANFOLD_CELLS", "20000"))


def operations_per_event(days: int) -> float:
    """Function calls, Python's and C's, per event of a whole run under the heap simulator."""
    climate = Climate.week(1, days)
    plan, conductor, world = plan_of(climate), conductor_of(climate), World(climate)
    run = conductor.add(Grid(plan), rules_of(plan, climate), 0, seed=1)
    heap = Heap(conductor, world.fly, world.prepare, spent)
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        heap.run()
    finally:
        sys.setprofile(None)
    return count / len(heap.log[run.id])


@pytest.mark.timeout(900)
def test_an_event_costs_the_same_in_a_small_run_and_in_a_large_one():
    small, large = operations_per_event(1000), operations_per_event(LARGEST // 4)
    assert large <= 1.03 * small, f"{small:.1f} operations an event at 4,001 cells, {large:.1f} at {LARGEST + 1}"


def test_memory_follows_the_window_of_a_million_rows():
    """A lazily unfolded axis: what is alive is what may be in the air or is made ready for it, not what is asked for."""
    climate = Climate.week(1, 333_333)
    plan, conductor, world = plan_of(climate), conductor_of(climate), World(climate)
    run = conductor.add(Grid(plan), rules_of(plan, climate), 0, seed=1, deadline=200 * SECOND)
    most = 0

    def watch(heap: Heap) -> None:
        nonlocal most
        most = max(most, len(run.cells) + len(run.calls) + sum(queue.bundles for queue in run.queues.values()))

    heap = Heap(conductor, world.fly, world.prepare, spent, watch)
    heap.run()
    assert sum(run.tally.ended) > 1000 and most < 10 * climate.cap
