"""What the shell does when the ground gives way: a store that fails, an engine that is left, code that hangs or shouts."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fanfold import Engine, FanfoldError, Limits, Plan, PlanError, Step, StoreError, agenerate, generate
from fanfold.spec.calls import Fault, Request
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import Deadlock, VirtualClock, run


class FailingStore(MemoryStore):
    """The nth write fails, and every one after it."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    async def journal(self, record: Any) -> Any:
        inner, store = await super().journal(record), self

        class Failing:
            events, values = inner.events, inner.values

            async def append(self, events: Any, values: Any) -> None:
                store.left -= 1
                if store.left < 0:
                    raise StoreError("the disk is full")
                await inner.append(events, values)

        return Failing()


@pytest.mark.parametrize("at", range(6))
def test_after_the_first_store_error_nothing_more_is_sent_and_everybody_is_told(at):
    provider = ScriptedProvider(lambda request, n: Says("x", latency_s=1 + n % 3))
    plan = Plan("p", [Step("a", "{n}", over="n"), Step("b", "{a}", over="n")], {"n": range(6)})

    async def main():
        async with Engine(provider=provider, store=FailingStore(at), clock=VirtualClock(), limits=Limits(concurrent=2)) as engine:
            started = engine.start(plan)
            with pytest.raises(StoreError, match="disk is full"):
                await started.result()
            with pytest.raises(StoreError):
                async for _ in started:
                    pass
            calls = len(provider.calls)
            await asyncio.sleep(60)
            assert len(provider.calls) == calls and provider.in_flight == 0
            with pytest.raises(StoreError):
                engine.start(plan)

    run(main())


def test_an_admission_is_durable_before_it_is_sent_and_a_value_before_it_is_seen():
    order: list[str] = []

    class Watching(MemoryStore):
        async def journal(self, record: Any) -> Any:
            inner = await super().journal(record)

            class Watched:
                events, values = inner.events, inner.values

                async def append(self, events: Any, values: Any) -> None:
                    await asyncio.sleep(0.5)
                    await inner.append(events, values)
                    order.extend(type(event).__name__ for event in events)

            return Watched()

    def script(request: Request, n: int) -> Says:
        order.append(f"sent {request.messages[-1].content}")
        return Says("v")

    async def main():
        provider = ScriptedProvider(script)
        async with Engine(provider=provider, store=Watching(), clock=VirtualClock()) as engine:
            async for cell in engine.start(Plan("p", [Step("a", "a"), Step("b", "b{a}")])):
                order.append(f"seen {cell.step}")

    run(main())
    words = [word for word in order if word in ("Called", "CellEnded") or " " in word]
    assert words == ["Called", "sent a", "CellEnded", "seen a", "Called", "sent bv", "CellEnded", "seen b"]


def test_leaving_the_engine_cancels_what_goes_on():
    provider = ScriptedProvider([Says("x", latency_s=1000)])

    async def main():
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            started = engine.start(Plan("p", [Step("a", "{n}", over="n")], {"n": range(5)}))
            await asyncio.sleep(1)
        return started.state, asyncio.get_running_loop().time()

    with pytest.warns(RuntimeWarning, match="nobody waited for it"):
        assert run(main()) == ("cancelled", 1.0)
    assert provider.cancelled == 5


def test_a_caller_that_is_cancelled_takes_its_run_along():
    provider = ScriptedProvider([Says("x", latency_s=1000)])

    async def main():
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await engine.run(Plan("p", [Step("a", "x")]))

    run(main())
    assert provider.cancelled == 1


def test_virtual_time_finds_a_deadlock():
    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(main())


def test_generate_works_without_a_loop_and_inside_one():
    provider = ScriptedProvider(lambda request, n: Says(request.messages[-1].content, latency_s=0))
    options: dict[str, Any] = {
        "over": {"day": range(1, 3), "meal": ["lunch"]},
        "given": {"diet": "vegan"},
        "provider": provider,
        "store": ":memory:",
    }
    result = generate("A {diet} {meal} for {day}.", **options)
    assert result.values == ["A vegan lunch for 1.", "A vegan lunch for 2."]

    async def notebook():
        inside = generate("{day}", over={"day": [7]}, provider=provider, store=":memory:")
        twin = await agenerate("{day}", over={"day": [8]}, provider=provider, store=":memory:")
        return inside.values + twin.values

    assert asyncio.run(notebook()) == ["7", "8"]
    assert threading.active_count() == 1
    with pytest.raises(PlanError):
        generate("{nothing}", provider=provider)


def test_an_engine_needs_a_loop_and_says_so():
    with pytest.raises(FanfoldError, match=r"use it inside asyncio\.run, or use generate"):
        Engine(provider=ScriptedProvider([]), store=":memory:").start(Plan("p", [Step("a", "x")]))


def test_progress_when_asked_for(capsys):
    generate("{n}", over={"n": range(3)}, provider=ScriptedProvider(["x"]), store=":memory:", progress=True)
    assert "answer: complete, 3 of 3 cells accepted" in capsys.readouterr().err
    generate("{n}", over={"n": range(3)}, provider=ScriptedProvider(["x"]), store=":memory:")
    assert capsys.readouterr().err == ""


def test_slow_checks_leave_the_loop():
    """After it has been slow once, a check runs beside the loop, which goes on."""
    import time

    threads = set()

    def slow(value: str) -> None:
        time.sleep(0.01)
        threads.add(threading.current_thread() is threading.main_thread())

    provider = ScriptedProvider(lambda request, n: Says("x", latency_s=0.02 * n))
    result = generate("{n}", over={"n": range(3)}, checks=[slow], provider=provider, store=":memory:")
    assert result.ok and threads == {True, False}


def test_a_trial_that_says_nothing_of_the_server_is_followed_by_another():
    """The breaker opens, and its one trial ends in a fault that is the answer's own: the run goes on all the same."""

    def script(request, number):
        if number < 8:
            return Fails(Fault(code="transient", message="reset"), 1.0)
        return Fails(Fault(code="truncated", message="cut"), 1.0) if number == 8 else Says("good")

    async def main():
        async with Engine("sim/x", provider=ScriptedProvider(script), store=":memory:", clock=VirtualClock(), seed=1) as engine:
            return await engine.run(Plan("p", [Step("a", "{n}", over="n")], {"n": range(3)}, concurrent=1), deadline_s=3600)

    result = run(main())
    assert len(result.values) >= 1 and {error.code for error in result.errors} <= {"transient"}
