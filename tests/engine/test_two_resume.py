"""Two go on with the same run: one does, the other is told so at once, and writes and harms nothing."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from fanfold import Engine, Plan, PlanError, Step
from fanfold.spec.errors import StoreError
from fanfold.store.memory import MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


def plan_of(name="many", count=6):
    return Plan(name, [Step("one", "do {n}", over="n")], {"n": range(count)})


def provider(latency_s=1.0):
    return ScriptedProvider(lambda request, number: Says(request.messages[-1].content, latency_s))


async def half(path: Path) -> str:
    """A run that was cut off at its beginning."""
    async with Engine("sim/x", provider=provider(60), store=SqliteStore(path)) as engine:
        going = engine.start(plan_of())
        while going._job.written < 3:
            await going._job.more(going._job.written)
        run_id = going.id
        await engine._store.close()  # as if it were killed: nothing more is written, and its lease is free
        with contextlib.suppress(StoreError):
            going.cancel()
            await going.result()
    return run_id


async def events_of(path, run_id):
    store = SqliteStore(path)
    try:
        return await store.look(run_id).events(-1, 1000), await store.runs(run_id)
    finally:
        await store.close()


async def test_of_two_engines_one_goes_on_and_the_other_keeps_its_other_runs(tmp_path):
    path = tmp_path / "runs.db"
    run_id = await half(path)
    one, two = (Engine("sim/x", provider=provider(0.3), store=SqliteStore(path)) for _ in range(2))
    async with one, two:
        going = await one.resume(run_id, plan_of())
        other = two.start(plan_of("other"))
        with pytest.raises(StoreError, match=f"run {run_id}: this process is working on it"):
            await two.resume(run_id, plan_of())
        assert (await going.result()).ok and (await other.result()).ok, "what else the second one does goes on"
        assert len(two._wiring.settings.provider.calls) == 6, "and it has called nothing for the run that is not its own"
        await one._store.close(), await two._store.close()
    events, [record] = await events_of(path, run_id)
    assert [event.seq for event in events] == list(range(len(events))) and record.state == "complete" and record.accepted == 6


async def test_both_at_the_same_moment(tmp_path):
    path = tmp_path / "runs.db"
    run_id = await half(path)
    engines = [Engine("sim/x", provider=provider(0.05), store=SqliteStore(path)) for _ in range(3)]
    told = await asyncio.gather(*(engine.resume(run_id, plan_of()) for engine in engines), return_exceptions=True)
    won = [each for each in told if not isinstance(each, BaseException)]
    assert len(won) == 1 and all(isinstance(each, StoreError) for each in told if each is not won[0]), told
    assert (await won[0].result()).ok
    for engine in engines:
        await engine.close()
        await engine._store.close()
    events, [record] = await events_of(path, run_id)
    assert [event.seq for event in events] == list(range(len(events))) and record.accepted == 6


@pytest.mark.parametrize("started", [True, False], ids=["begun here", "gone on with here"])
def test_an_engine_goes_on_with_a_run_once(started):
    async def main():
        async with Engine("sim/x", provider=provider(), store=MemoryStore(), clock=VirtualClock()) as engine:
            first = engine.start(plan_of())
            await first.result() if not started else await asyncio.sleep(0.5)
            going = first if started else await engine.resume(first.id, plan_of(count=9))
            with pytest.raises(PlanError, match=f"run {first.id} is going on in this engine"):
                await engine.resume(first.id, plan_of(count=9))
            return await going.result(), await (await engine.resume(first.id, plan_of(count=9))).result()

    result, again = run(main())
    assert result.ok and again.ok and len(again.values) == 9


def test_an_engine_asked_twice_at_once():
    async def main():
        async with Engine("sim/x", provider=provider(), store=MemoryStore(), clock=VirtualClock()) as engine:
            first = await engine.run(plan_of())
            told = await asyncio.gather(
                *(engine.resume(first.run_id, plan_of(count=9)) for _ in range(2)), return_exceptions=True
            )
            won = [each for each in told if not isinstance(each, BaseException)]
            assert len(won) == 1 and sum(isinstance(each, PlanError) for each in told) == 1, told
            return await won[0].result()

    assert run(main()).ok


async def test_what_another_had_just_written_is_taken_in(tmp_path, monkeypatch):
    """It was read, then another engine ended it, then it was taken: nothing is made again, and its record is right."""
    path = tmp_path / "runs.db"
    run_id = await half(path)
    late = Engine("sim/x", provider=provider(0.01), store=SqliteStore(path))
    from fanfold.engine.job import Job

    read_on = Job.read_on

    async def slowly(self):
        past = await read_on(self)
        monkeypatch.undo()
        async with Engine("sim/x", provider=provider(0.01), store=SqliteStore(path)) as quick:
            assert (await (await quick.resume(run_id, plan_of())).result()).ok
            await quick._store.close()
        return past

    monkeypatch.setattr(Job, "read_on", slowly)
    async with late:
        result = await (await late.resume(run_id, plan_of())).result()
        assert result.ok and not late._wiring.settings.provider.calls
        await late._store.close()
    _, [record] = await events_of(path, run_id)
    assert (record.cells, record.accepted, record.state) == (6, 6, "complete")


async def test_what_is_refused_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "runs.db"
    async with Engine("sim/x", provider=provider(0.01), store=SqliteStore(path)) as engine:
        first = await engine.run(plan_of())
        with pytest.raises(PlanError, match="has the steps one"):
            await engine.resume(first.run_id, Plan("many", [Step("two", "do {n}", over="n")], {"n": range(6)}))
        with pytest.raises(PlanError, match="nobody has told what"):
            await engine.resume(first.run_id, plan_of(), budget_usd=1.0)
        [record] = await engine._store.runs(first.run_id)
        assert record.state == "complete"
        await engine._store.delete(first.run_id)
        await engine._store.close()
