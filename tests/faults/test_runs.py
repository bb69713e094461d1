"""Faults of the process while a run goes on: cancelled at any event, user code that does what it should not, calls that never end, clocks."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import replace

import pytest

from fanfold import Engine, Limits, Plan, Step
from fanfold.core.grid import Grid
from fanfold.spec.events import Called, RunEnded
from fanfold.testing.heap import Heap
from fanfold.testing.invariants import Invariants
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from fanfold.testing.weather import Climate, World, conductor_of, plan_of, rules_of, spent


def cancelled_after(climate, events):
    """The journal of a history that is cancelled once so many events are written, every step watched."""
    plan, conductor, world = plan_of(climate), conductor_of(climate), World(climate)
    going = conductor.add(Grid(plan), rules_of(plan, climate), 0, seed=climate.seed)
    watch = Invariants(climate, conductor, going, world)

    moment = []

    def step(heap):
        watch.step(heap.log.get(going.id, [])[watch.seen :], heap.now)
        if watch.seen >= events and not moment:
            moment.append(heap.now)
            heap.at.append((heap.now, lambda: conductor.cancel(going, heap.now)))

    heap = Heap(conductor, world.fly, world.prepare, spent, step, offer=world.offer)
    heap.run()
    watch.end()
    return heap.log[going.id], moment[0] if moment else None


@pytest.mark.parametrize("seed", [2, 5, 16])
def test_p5_cancelled_at_every_event(seed):
    climate = replace(Climate.of(seed), cancel=None, deadline=None)
    whole = len(cancelled_after(climate, 1 << 30)[0])
    assert whole > 20
    for events in range(1, whole, 1 + whole // 150):
        log, moment = cancelled_after(climate, events)
        assert isinstance(log[-1], RunEnded), f"cancelled after {events} events"
        assert moment is None or not any(isinstance(event, Called) and event.t > moment for event in log), "no admission after it"


def leaves(value):
    sys.exit(3)


def loops(value):
    coroutine = asyncio.sleep(0)
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


def raises(value):
    raise RuntimeError("a mistake of mine")


async def swallows(value):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    raise asyncio.CancelledError


def blocks(value):
    time.sleep(0.2)


async def checked(check):
    """A step with a check that does what it should not, and another one beside it. Returns the result, and how late the loop ever was."""
    late = 0.0

    async def watch():
        nonlocal late
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            late = max(late, time.perf_counter() - began - 0.01)

    provider = ScriptedProvider(lambda request, number: Says("fine", latency_s=0.01))
    plan = Plan(
        "p", [Step("bad", "a {n}", over="n", checks=[check], attempts=2), Step("good", "b {n}", over="n")], {"n": range(3)}
    )
    async with Engine("sim/x", provider=provider, store=":memory:") as engine:
        watcher = asyncio.ensure_future(watch())
        result = await engine.run(plan)
        watcher.cancel()
    return result, late


@pytest.mark.parametrize("check", [leaves, loops, raises, swallows])
def test_p7_user_code_that_fails_fails_its_cells_and_no_other(check):
    result, _ = asyncio.run(checked(check))
    assert len(result["good"].values) == 3 and result.state in ("partial", "complete")
    errors = result["bad"].errors
    if check is not loops or errors:
        assert {error.code for error in errors} == {"check_failed"} and len(errors) == 3


def test_p7_user_code_that_blocks_holds_up_nobody():
    result, late = asyncio.run(checked(blocks))
    assert result.ok and late < 0.25, "slow checks run beside the loop"


def test_p12_calls_that_never_end_are_given_up_and_the_run_ends():
    provider = ScriptedProvider(lambda request, number: Says("late", latency_s=1e9))

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), timeout_s=5, retries=1) as engine:
            return await engine.run(Plan("p", [Step("one", "a {n}", over="n")], {"n": range(3)}))

    result = run(main())
    assert {error.code for error in result.errors} == {"timeout"} and result.state == "failed"
    assert provider.in_flight == 0 and provider.cancelled == len(provider.calls)


@pytest.mark.parametrize("jump", [86_400, -86_400, 3_600, -3_600])
def test_p14_the_clock_on_the_wall_means_nothing_to_limits_and_deadlines(jump, monkeypatch):
    real, began = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() + (jump if time.monotonic() - began > 0.05 else 0))
    provider = ScriptedProvider(lambda request, number: Says("fine", latency_s=1.0))

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), limits=Limits(rpm=5)) as engine:
            time.sleep(0.06)  # noqa: ASYNC251 - the wall clock jumps while the virtual one stands
            return await engine.run(Plan("p", [Step("one", "a {n}", over="n")], {"n": range(12)}))

    result = run(main())
    assert result.ok
    starts = provider.started
    assert all(starts[i + 5] - starts[i] >= 60 for i in range(len(starts) - 5)), "five in any minute"
