"""Several runs in one engine: nobody waits for a big one, nobody starves, and priorities are shares."""

from __future__ import annotations

import asyncio

import pytest

from fanfold import Engine, Limits, Plan, PlanError, Step
from fanfold.spec.calls import Usage
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


def plan(name, cells, **words):
    return Plan(name, [Step(name, name + " {n}", over="n", **words)], {"n": range(cells)})


def share_of(provider, name, first):
    return sum(request.messages[0].content.startswith(name) for request in provider.calls[:first])


def test_a_small_job_does_not_wait_for_a_big_one():
    provider = ScriptedProvider(lambda request, number: Says("x", latency_s=1))

    async def main():
        options = {"provider": provider, "store": ":memory:", "clock": VirtualClock(), "limits": Limits(concurrent=10)}
        async with Engine("sim/x", **options) as engine:
            big = engine.start(plan("big", 2000))
            await asyncio.sleep(20.5)
            small = await engine.run(plan("small", 5))
            assert small.report["wall_s"] <= 1.6, "the next slots that come free are its own"
            assert big.state == "running"
            big.cancel()
            await big.result()

    run(main())


@pytest.mark.parametrize(
    ("priorities", "share"), [(("normal", "normal"), 0.5), (("critical", "normal"), 0.8), (("optional", "normal"), 0.2)]
)
def test_priorities_are_shares_of_what_is_served(priorities, share):
    provider = ScriptedProvider(lambda request, number: Says("x", latency_s=1, usage=Usage(tokens_in=10, tokens_out=50)))

    async def main():
        options = {"provider": provider, "store": ":memory:", "clock": VirtualClock(), "limits": Limits(concurrent=10)}
        async with Engine("sim/x", **options) as engine:
            runs = [engine.start(plan(name, 600), priority=p) for name, p in zip(("one", "two"), priorities, strict=True)]
            for each in runs:
                await each.result()

    run(main())
    assert share_of(provider, "one", 500) / 500 == pytest.approx(share, abs=0.05)


def test_what_counts_is_what_was_used():
    """Calls of one run use ten times as much: it gets one for ten of the other's."""

    def script(request, number):
        return Says("x", latency_s=1, usage=Usage(tokens_in=10, tokens_out=390 if "one" in request.messages[0].content else 30))

    provider = ScriptedProvider(script)

    async def main():
        options = {"provider": provider, "store": ":memory:", "clock": VirtualClock(), "limits": Limits(concurrent=10)}
        async with Engine("sim/x", **options) as engine:
            runs = [engine.start(plan("one", 400)), engine.start(plan("two", 1000))]
            for each in runs:
                await each.result()

    run(main())
    assert share_of(provider, "one", 800) / 800 == pytest.approx(1 / 11, abs=0.04)


def test_a_run_that_was_idle_has_no_credit():
    """One that waits for its first step does not then take everything: what it did not use is gone."""
    provider = ScriptedProvider(lambda request, number: Says("x", latency_s=30 if "slow" in request.messages[0].content else 1))
    late = Plan("late", [Step("slow", "slow"), Step("late", "late {slow} {n}", over="n")], {"n": range(300)})

    async def main():
        options = {"provider": provider, "store": ":memory:", "clock": VirtualClock(), "limits": Limits(concurrent=10)}
        async with Engine("sim/x", **options) as engine:
            runs = [engine.start(plan("steady", 1000)), engine.start(late)]
            for each in runs:
                await each.result()

    run(main())
    begun = next(i for i, request in enumerate(provider.calls) if request.messages[0].content.startswith("late"))
    both = provider.calls[begun : begun + 200]
    assert 80 <= sum(request.messages[0].content.startswith("late") for request in both) <= 120


def test_an_unknown_priority():
    async def main():
        async with Engine("sim/x", provider=ScriptedProvider(["x"]), store=":memory:", clock=VirtualClock()) as engine:
            with pytest.raises(PlanError, match="not a priority"):
                engine.start(plan("a", 1), priority="high")

    run(main())
