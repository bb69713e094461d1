"""Who asks the same at the same time: one calls, the others wait for it; who waits in vain calls, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Limits, Plan, Step, Unique
from fanfold.spec.calls import Fault
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Dish(BaseModel):
    name: str


def plan(count=5, **words):
    return Plan("reviews", [Step("review", "Review it.", over="n", **words)], [Axis("n", count=count)])


def engine_of(provider, **options):
    words = {"cache": True, "clock": VirtualClock(), "seed": 1, "store": MemoryStore(), **options}
    return Engine("sim/x", provider=provider, **words)


def side_by_side(provider, *plans, after=0.0, cancel_at=None, deadline_s=None, **options):
    """Runs of one engine, each begun so long after the other; the first is cancelled at a moment, if any."""

    async def main():
        async with engine_of(provider, **options) as engine:
            runs = []
            for each in plans:
                runs.append(engine.start(each, deadline_s=deadline_s if not runs else None))
                await asyncio.sleep(after)
            if cancel_at is not None:
                await asyncio.sleep(cancel_at)
                runs[0].cancel()
            results = [await each.result() for each in runs]
            conductor = engine._shell.conductor
            assert not conductor._joint and not conductor._freed, "nobody is left behind"
            return results

    return run(main())


def numbered(latency_s=1.0):
    return ScriptedProvider(lambda request, number: Says(f"answer {number}", latency_s=latency_s))


@pytest.mark.parametrize("after", [0.0, 0.5])
def test_two_runs_that_ask_the_same_make_one_call_for_each(after):
    provider = numbered()
    one, other = side_by_side(provider, plan(), plan(), after=after)
    assert len(provider.calls) == 5
    assert one.values == other.values and len(set(one.values)) == 5
    assert (other.report["calls"], other.report["cached"]) == (0, 5)
    assert other.report["wall_s"] <= 1.1, "to wait for an answer takes no longer than to ask for it"


def test_ten_runs_of_a_hundred_cells_never_ask_the_same_twice():
    provider = numbered()
    results = side_by_side(provider, *[plan(100)] * 10, limits=Limits(concurrent=7))
    assert len(provider.calls) == 100 and all(result.ok for result in results)


def test_two_steps_that_ask_the_same_make_one_call():
    provider = numbered()
    same = Plan("two", [Step("one", "Say it."), Step("other", "Say it.")])
    (result,) = side_by_side(provider, same)
    assert len(provider.calls) == 1 and result["one"].values == result["other"].values == ["answer 0"]


def test_when_the_leader_fails_the_next_one_calls_and_the_others_wait_for_that():
    def script(request, number):
        return Fails(Fault(code="filtered", message="no"), 1.0) if number == 0 else Says("good")

    provider = ScriptedProvider(script)
    results = side_by_side(provider, *[plan(1)] * 4)
    assert len(provider.calls) == 2
    assert sorted(result.ok for result in results) == [False, True, True, True]
    assert sum(result.report["cached"] for result in results) == 2


def test_a_transient_fault_of_the_leader_is_its_own_to_retry():
    def script(request, number):
        return Fails(Fault(code="transient", message="busy")) if number == 0 else Says("good")

    provider = ScriptedProvider(script)
    results = side_by_side(provider, *[plan(1)] * 3)
    assert len(provider.calls) == 2 and all(result.ok for result in results)


def test_when_the_leaders_answer_is_refused_the_next_one_asks_and_the_leader_asks_something_else():
    provider = ScriptedProvider(lambda request, number: Says("bad" if number == 0 else f"good {number}", latency_s=1.0))
    strict = plan(1, checks=[lambda value: "good" in value or "not good"])
    one, other = side_by_side(provider, strict, strict)
    assert one.ok and other.ok and len(provider.calls) == 3
    prompts = [request.messages[-1].content for request in provider.calls]
    assert sorted(prompts)[:2] == ["Review it.", "Review it."] and "not good" in max(prompts, key=len)


@pytest.mark.parametrize("cancel_at", [0.0, 0.5, 1.0])
def test_when_the_leaders_run_is_cancelled_the_others_go_on(cancel_at):
    provider = numbered()
    one, other, third = side_by_side(provider, plan(), plan(), plan(), cancel_at=cancel_at)
    assert other.ok and third.ok and other.values == third.values
    assert len(provider.calls) <= 10 and (cancel_at < 1 or one.ok or one.report["state"] == "cancelled")


def test_a_run_that_waits_can_be_cancelled_and_its_leader_goes_on():
    provider = numbered(5.0)

    async def main():
        async with engine_of(provider) as engine:
            leads = engine.start(plan())
            waits = engine.start(plan())
            await asyncio.sleep(1)
            waits.cancel()
            waited = await waits.result()
            return await leads.result(), waited

    leads, waited = run(main())
    assert leads.ok and waited.report["state"] == "cancelled" and waited.report["wall_s"] == 1.0
    assert len(provider.calls) == 5


def test_a_deadline_of_the_leaders_run_promotes_a_waiter():
    def script(request, number):
        return Says("late", latency_s=100.0) if number == 0 else Says("good", latency_s=1.0)

    provider = ScriptedProvider(script)
    one, other = side_by_side(provider, plan(1), plan(1), deadline_s=3.0)
    assert not one.ok and other.ok and other.values == ["good"]
    assert other.report["wall_s"] < 5


def test_nobody_waits_longer_than_a_preparation_may_take():
    """The leader rests while its server asks for a long wait; the other then calls for itself."""
    provider = ScriptedProvider(
        lambda request, number: (
            Fails(Fault(code="transient", message="busy", retry_after_s=100.0)) if number == 0 else Says("good")
        )
    )
    one, other = side_by_side(provider, plan(1), plan(1), timeout_s=20.0)
    assert one.ok and other.ok
    assert 20 <= other.report["wall_s"] <= 30 and other.report["calls"] == 1


def test_what_one_run_may_not_repeat_is_drawn_anew():
    provider = ScriptedProvider(lambda request, number: Says({"name": f"dish {number}"}, latency_s=1.0))
    dishes = Plan(
        "menu", [Step("dish", "A dish.", output=Dish, over="n", unique=Unique("name", within="store"))], {"n": range(4)}
    )
    one, other = side_by_side(provider, dishes, dishes)
    names = [dish.name for result in (one, other) for dish in result.values]
    assert len(names) == len(set(names)) == 8 and len(provider.calls) == 8
    assert other.report["cache_unused"] == {"duplicate": 4} and other.report["regenerated"] == 0


def test_without_a_cache_everybody_asks_for_himself():
    provider = numbered()
    side_by_side(provider, plan(), plan(), cache=None)
    assert len(provider.calls) == 10


def test_who_leaves_for_another_model_leads_no_longer():
    """The first model answers the leader with nothing but refusals for want of money; its second answers slowly."""
    quota = Fault(code="filtered", message="not by this one", scope=1, status=400)

    def script(request, number):
        if request.model == "a" and number == 0:
            return Fails(quota, 1.0)
        return Says(f"{request.model} {number}", latency_s=50.0 if request.model == "b" else 1.0)

    provider = ScriptedProvider(script)
    chained = Plan("reviews", [Step("review", "Review it.", model="sim/a | sim/b")])
    one, other = side_by_side(provider, chained, Plan("reviews", [Step("review", "Review it.", model="sim/a")]))
    assert one.ok and other.ok
    assert other.report["wall_s"] < 5, "it did not wait for what the leader asks of another model"
