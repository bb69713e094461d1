"""Opening a run: from a snapshot or from its first event, the same state; and a run keeps snapshots of itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fanfold import Engine, Plan, Step
from fanfold.core.fold import fold
from fanfold.core.freeze import freeze
from fanfold.core.past import Past
from fanfold.engine import freezer as freezing
from fanfold.engine import opening as module
from fanfold.engine.freezer import Freezer, pack, state_of
from fanfold.engine.opening import state, whole
from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent
from fanfold.spec.ports import Snapshot
from fanfold.store.memory import MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.stores import record
from fanfold.testing.weather import Climate, heap_history


def snapshot(events: list[AnyEvent], cut: int) -> Snapshot:
    """Of the first `cut` events."""
    return Snapshot(cut - 1, pack(freeze(fold(events[:cut])), Past().apply_all(events[:cut])))


@pytest.mark.parametrize("make", [lambda path: MemoryStore(), SqliteStore], ids=["memory", "sqlite"])
@pytest.mark.parametrize("seed", [1, 5, 8])
async def test_any_snapshot_leads_to_the_same_state(
    tmp_path: Path, make: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    events = heap_history(Climate.of(seed))
    store, told, left = make(tmp_path / "runs.db"), fold(events), Past().apply_all(events)
    journal = await store.journal(record())
    await journal.append(events, [])
    assert await state(store, "r1") == told
    for cut in range(1, len(events), max(1, len(events) // 5)):
        await store.keep("r1", snapshot(events, cut))
        assert await state(store, "r1") == told
        assert await whole(store, journal, "r1") == (told, left)
    await store.close()


@pytest.mark.parametrize("data", [b"nonsense", freeze(fold([])), b""], ids=["no state", "of another moment", "empty"])
async def test_a_snapshot_that_cannot_be_used_costs_only_time(data: bytes) -> None:
    events, store = heap_history(Climate.of(2)), MemoryStore()
    await (await store.journal(record())).append(events, [])
    await store.keep("r1", Snapshot(3, data))
    assert await state(store, "r1") == fold(events)
    assert await whole(store, store.look("r1"), "r1") == (fold(events), Past().apply_all(events))


async def test_a_snapshot_of_another_moment_is_not_used() -> None:
    """Its state and its past have to be of the event that it names: else what lies between would be left out."""
    events, store = heap_history(Climate.of(2)), MemoryStore()
    await (await store.journal(record())).append(events, [])
    state_10, past_5 = freeze(fold(events[:10])), Past().apply_all(events[:5])
    await store.keep("r1", Snapshot(9, pack(state_10, past_5)))
    assert await whole(store, store.look("r1"), "r1") == (fold(events), Past().apply_all(events))


async def test_a_damaged_snapshot_is_told_of_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import sqlite3

    path, events = tmp_path / "runs.db", heap_history(Climate.of(2))
    store = SqliteStore(path)
    await (await store.journal(record())).append(events, [])
    await store.keep("r1", snapshot(events, 6))
    assert await store.latest("r1") == snapshot(events, 6)
    db = sqlite3.connect(path)
    db.execute("UPDATE snapshots SET data = CAST(substr(data, 1, 30) || 'x' || substr(data, 32) AS BLOB)")
    db.commit()
    db.close()
    assert await store.latest("r1") is None
    assert "snapshot does not match its checksum" in caplog.text
    assert await state(store, "r1") == fold(events)
    await store.close()


async def test_an_unknown_run_cannot_be_opened() -> None:
    with pytest.raises(StoreError, match="nobody"):
        await state(MemoryStore(), "nobody")


async def test_a_run_keeps_snapshots_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    class Watched(SqliteStore):
        async def keep(self, run_id: str, snapshot: Snapshot) -> None:
            kept.append(snapshot.seq)
            await super().keep(run_id, snapshot)

    monkeypatch.setattr(freezing, "EVERY", 50)
    monkeypatch.setattr(freezing, "BYTES_PER_EVENT", 1 << 30)
    store = Watched(tmp_path / "runs.db", durability="normal")
    async with Engine(provider=ScriptedProvider(lambda request, n: Says("x")), store=store) as engine:
        run = engine.start(Plan("p", [Step("a", "{n}", over="n")], {"n": range(200)}))
        await run.result()
        events = await store.look(run.id).events(-1, 10_000)
        assert len(kept) > 3 and all(after - before >= 50 for before, after in pairwise(kept))
        last = await store.latest(run.id)
        assert last is not None and state_of(last) == fold(events[: kept[-1] + 1])
        assert await state(store, run.id) == fold(events)
    await store.close()


async def test_a_snapshot_that_cannot_be_kept_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(MemoryStore):
        async def keep(self, run_id: str, snapshot: Snapshot) -> None:
            raise StoreError("there is no room for it")

    state = fold(heap_history(Climate.of(2))[:10])
    store, freezer = Refusing(), Freezer(every=1)
    journal = await store.journal(record())
    await freezer.look(store, journal, "r1", state)
    state.seq += 1
    await freezer.look(store, journal, "r1", state)
    assert "no room for it" in caplog.text
    await freezer.look(None, journal, "r1", state)  # and without a store there is nothing to do
