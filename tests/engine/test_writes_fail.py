"""The k-th write fails, whatever k is, and however it does: nothing more is asked, what was accepted stays, and it can be gone on with."""

from __future__ import annotations

import pytest

from fanfold import Engine
from fanfold.core.fold import RunState
from fanfold.spec.errors import StoreError
from fanfold.spec.events import Called, CellEnded, RunStarted
from fanfold.store.memory import MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.audit import Audit
from fanfold.testing.disks import MESSAGES, Beside, Disk, OnDisk
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_resume import in_the_air, report_plan, whole, writer

CELLS = 13
WRITES = 40  # more than a run of it has


def plans():
    return report_plan()


async def _until_it_fails(store, disk, provider):
    """Returns the run's id, and requests made until the write failed and after all was over."""
    asked = []
    disk.broken = lambda: asked.append(len(provider.calls))
    async with Engine("sim/x", provider=provider, store=OnDisk(store, disk), clock=VirtualClock()) as engine:
        begun = engine.start(plans())
        failed = None
        try:
            await begun.result()
        except StoreError as error:
            failed = error
            with pytest.raises(StoreError):
                engine.start(plans())  # it says so at once, not at the first write
    return begun.id, failed, asked


async def _resumed(store, disk, run_id):
    provider = writer()
    async with Engine("sim/x", provider=provider, store=OnDisk(store, disk), clock=VirtualClock()) as engine:
        return await (await engine.resume(run_id, plans())).result(), provider


async def _history(store, kind, after, k):
    """One life with a disk that fails at the k-th append, and one on a disk that is well."""
    disk, provider = Disk(), writer()
    disk.fail(k, kind, after=after)
    run_id, failed, asked = await _until_it_fails(store, disk, provider)
    if failed is None:
        return None
    assert MESSAGES[kind] in str(failed)
    assert len(provider.calls) == asked[0], "nothing is asked after a write that failed"
    assert provider.in_flight == 0, "and nothing stays in the air"
    before = await store.look(run_id).events(-1, 1_000_000)
    audit = Audit(5, ())
    audit.take(before)
    steps = range(4)
    audit.values({step: await store.look(run_id).values(step) for step in steps})
    assert len(provider.calls) <= sum(isinstance(event, Called) for event in before), "asked only what was admitted"
    disk.heal()
    result, second = await _resumed(store, disk, run_id)
    events = await store.look(run_id).events(-1, 1_000_000)
    assert events[: len(before)] == before
    audit.take(events[len(before) :])
    audit.values({step: await store.look(run_id).values(step) for step in steps})
    audit.end()
    kept = sum(isinstance(event, CellEnded) for event in before)
    assert len(second.calls) == CELLS - kept, "nothing accepted is made again"
    assert len(provider.calls) <= kept + in_the_air(before)
    [record] = await store.runs(run_id)
    assert (record.state, record.accepted, record.cells) == ("complete", CELLS, CELLS)
    assert repr(RunState().apply_all(events)) == repr(audit.state)
    return result, kept, events


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", ["full", "io", "busy"])
def test_the_kth_write_fails(kind, after):
    straight = run(whole(plans(), writer()))
    kept = []
    for k in range(WRITES):
        found = (
            run(_history(MemoryStore(), kind, after, k)) if k or after else None
        )  # a run without a first write was never begun
        if found is None and k:
            break
        if found is not None:
            result, many, events = found
            assert result.ok and result.to_json()["values"] == straight.to_json()["values"], k
            assert sum(isinstance(event, RunStarted) for event in events) == 2
            kept.append(many)
    assert len(kept) >= 8 and kept == sorted(kept) and kept[0] == 0 and kept[-1] >= CELLS - 1, kept


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("k", [1, 4, 8])
def test_the_kth_write_to_a_file_fails(k, after, tmp_path):
    beside = Beside()
    store = beside.store(lambda: SqliteStore(tmp_path / "runs.db"))
    try:
        found = run(_history(store, "full", after, k))
        run(store.close())
    finally:
        beside.close()
    assert found is not None and found[0].ok


def test_a_run_whose_first_write_failed_was_never_begun():
    async def main():
        store, disk, provider = MemoryStore(), Disk(), writer()
        disk.fail(0)
        run_id, failed, _ = await _until_it_fails(store, disk, provider)
        disk.heal()
        return failed, provider.calls, (await _resumed(store, disk, run_id))[0]

    failed, calls, result = run(main())
    assert "the disk is full" in str(failed) and not calls and result.ok
