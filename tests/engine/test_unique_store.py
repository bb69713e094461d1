"""Never the same as in an earlier run of the store: one after the other, at the same time, near, resumed, cancelled."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from fanfold import Engine, Plan, Step, Unique
from fanfold.engine import recall as recalling
from fanfold.spec.errors import StoreError
from fanfold.spec.events import CellEnded, RunStarted, StepFacts
from fanfold.spec.ports import RunRecord
from fanfold.store.memory import MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Dish(BaseModel):
    name: str


DISHES = (
    "Pea Soup",
    "Bean Stew",
    "Corn Pie",
    "Beet Salad",
    "Leek Tart",
    "Oat Cake",
    "Fig Jam",
    "Egg Roll",
    "Rice Bowl",
    "Kale Wrap",
)


def plan_of(count=3, *, near=1.0, within="store", attempts=9, name="menu", step="dish"):
    unique = Unique("name", near=near, within=within)
    return Plan(name, [Step(step, "{n}", over="n", output=Dish, unique=unique, attempts=attempts)], {"n": range(count)})


def cook(avoids=True, **times):
    """Names the first dish that the prompt does not say is taken."""

    def script(request, number):
        told = request.messages[-1].content
        free = [dish for dish in DISHES if not (avoids and dish.casefold() in told.casefold())]
        return Says({"name": free[0] if avoids else DISHES[number % len(DISHES)]}, **times)

    return ScriptedProvider(script)


async def served(store, provider, plan, **options):
    async with Engine("sim/x", provider=provider, store=store, clock=VirtualClock(), seed=1, **options) as engine:
        return await engine.run(plan)


def names(result):
    return [value.name for value in result.values]


def test_the_second_run_never_repeats_the_first_and_is_told_at_once():
    recalling._open.clear()

    async def main():
        store, provider = MemoryStore(), cook()
        first = await served(store, provider, plan_of())
        calls = len(provider.calls)
        second = await served(store, provider, plan_of())
        assert all("pea soup" in request.messages[-1].content for request in provider.calls[calls:]), "the first draw is told too"
        assert "taken" not in provider.calls[0].messages[-1].content
        return names(first), names(second)

    first, second = run(main())
    assert len({*first, *second}) == 6
    assert not recalling._open, "nothing is kept once nobody shares it"


def test_a_model_that_does_not_listen_repeats_nothing_all_the_same():
    async def main():
        store = MemoryStore()
        first = await served(store, ScriptedProvider([Says({"name": dish}) for dish in DISHES]), plan_of(4))
        second = await served(store, ScriptedProvider([Says({"name": dish}) for dish in DISHES]), plan_of(4))
        return names(first), names(second), second.report["duplicates_rejected"]

    first, second, rejected = run(main())
    assert len({*first, *second}) == 8 and rejected >= 4


def test_of_other_plans_and_steps_nothing_is_known_and_within_the_run_nothing_is_asked():
    async def main():
        store = MemoryStore()
        one = ScriptedProvider([Says({"name": "Pea Soup"})])
        results = [await served(store, one, plan_of(1))]
        results += [
            await served(store, one, plan_of(1, attempts=1, **other))
            for other in ({"name": "x"}, {"step": "x"}, {"within": "run"})
        ]
        results.append(await served(store, one, plan_of(1, attempts=2)))
        return results

    *good, last = run(main())
    assert [names(result) for result in good] == [["Pea Soup"]] * 4
    assert last.values == [] and last.errors[0].code == "duplicate" and "'Pea Soup' is taken" in last.errors[0].message


def test_near_counts_against_earlier_runs_too():
    async def main():
        store = MemoryStore()
        await served(store, ScriptedProvider([Says({"name": "Creamy Tomato Soup"})]), plan_of(1, near=0.85))
        provider = ScriptedProvider([Says({"name": "Tomato soup, creamy"}), Says({"name": "Lentil Dal"})])
        return await served(store, provider, plan_of(1, near=0.85))

    result = run(main())
    assert names(result) == ["Lentil Dal"] and result.report["duplicates_rejected"] == 1


@pytest.mark.parametrize("latencies", [(1.0, 1.0), (1.0, 0.7), (3.0, 0.2)])
def test_two_engines_at_the_same_time_share_what_is_reserved(latencies):
    async def main():
        store = MemoryStore()
        results = await asyncio.gather(*(served(store, cook(latency_s=s, first_s=s / 3), plan_of(4)) for s in latencies))
        return [name for result in results for name in names(result)]

    both = run(main())
    assert len(both) == len(set(both)) == 8


def test_a_cancelled_run_gives_back_what_it_had_reserved():
    async def main():
        store = MemoryStore()
        slow = ScriptedProvider([Says({"name": "Pea Soup"}, latency_s=50.0, first_s=0.1, pieces=1)])
        async with Engine("sim/x", provider=slow, store=store, clock=VirtualClock()) as engine:
            held = engine.start(plan_of(1))
            other = asyncio.ensure_future(
                served(store, ScriptedProvider([Says({"name": "Bean Stew"}, latency_s=40.0)]), plan_of(1))
            )
            await asyncio.sleep(2.0)
            refused = await served(store, ScriptedProvider([Says({"name": "Pea Soup"})]), plan_of(1, attempts=1))
            held.cancel()
            await held.result()
            free = await served(store, ScriptedProvider([Says({"name": "Pea Soup"})]), plan_of(1, attempts=1))
            await other
            return refused, free

    refused, free = run(main())
    assert refused.errors[0].code == "duplicate" and names(free) == ["Pea Soup"]


class Slow:
    """A store whose runs take a while to list, or cannot be listed."""

    def __init__(self, store, wait_s=0.0, error=None):
        self._store, self._wait_s, self._error = store, wait_s, error
        self.journal, self.close = store.journal, store.close

    async def runs(self, run_id=None):
        await asyncio.sleep(self._wait_s)
        if self._error:
            raise StoreError(self._error)
        return await self._store.runs(run_id)


def test_nothing_is_called_before_it_is_known_what_was_accepted():
    async def main():
        store, provider = MemoryStore(), cook()
        await served(store, provider, plan_of(1))
        began = asyncio.get_running_loop().time()
        result = await served(Slow(store, 5.0), provider, plan_of(1))
        return result, provider.started[1] - began

    result, waited = run(main())
    assert waited == pytest.approx(5.0) and names(result) == ["Bean Stew"]


def test_a_run_that_cannot_know_calls_nothing():
    provider = cook()
    result = run(served(Slow(MemoryStore(), error="gone"), provider, plan_of(2)))
    assert not provider.calls
    assert {error.code for error in result.errors} == {"store"} and "gone" in result.errors[0].message


def test_a_run_that_is_cancelled_while_it_waits_to_know_ends():
    recalling._open.clear()

    async def main():
        async with Engine("sim/x", provider=cook(), store=Slow(MemoryStore(), 5.0), clock=VirtualClock()) as engine:
            started = engine.start(plan_of(2))
            await asyncio.sleep(1.0)
            started.cancel()
            await started.result()
            return started.state

    assert run(main()) == "cancelled" and not recalling._open


def test_its_own_accepted_keys_are_known_when_a_run_goes_on():
    """The journal of a run that was broken off, and then the same run id again."""

    class Job:
        run_id, first = "r", 4

    async def main():
        store = MemoryStore()
        journal = await store.journal(RunRecord(run_id="r", plan="menu", started=0.0))
        steps = (StepFacts("other", (), 1), StepFacts("dish", ("n",), 2))
        ended = [CellEnded(i, 0, i % 2, (i,), "accepted", "", "", "", 1, f"name {i}", None, 0) for i in (1, 2, 3)]
        await journal.append([RunStarted(0, 0, "menu", 1, steps, 4), *ended], [])
        job = Job()
        job.store, job.journal, job.plan = store, journal, Job()
        job.plan.plan, job.plan.steps = Job(), [Job(), Job()]
        job.plan.plan.name, job.plan.steps[0].name, job.plan.steps[1].name = "menu", "other", "dish"
        found = await recalling.recall(job, [1])
        taken = [found[1].take(f"name {i}", "x", 7, None, 1.0, None, 1.0) for i in (1, 3, 2)]
        found[1].leave()
        return taken

    assert run(main()) == [False, False, True]


def test_across_engines_in_a_file(tmp_path):
    async def main():
        results = []
        for _ in range(3):
            async with Engine("sim/x", provider=cook(latency_s=0.01), store=SqliteStore(tmp_path / "runs.db"), seed=1) as engine:
                results += names(await engine.run(plan_of(3)))
                await engine._store.close()
        return results

    found = asyncio.run(main())
    assert len(found) == len(set(found)) == 9
