"""The cache of the stores: kept, replaced, bounded, and read by other processes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fanfold.spec.ports import Cache, Kept
from fanfold.store.cache import ROW_BYTES
from fanfold.store.memory import MemoryCache, MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import record, refused


def kept(n: int, *, made: float = 0.0, data: bytes = b"answer", run: str = "r1") -> Kept:
    return Kept(n.to_bytes(4, "big"), run, made, data)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteStore | MemoryStore:
    return SqliteStore(tmp_path / "runs.db") if request.param == "sqlite" else MemoryStore()


async def test_what_is_put_is_got(store: SqliteStore | MemoryStore) -> None:
    cache: Cache = store.cache
    await cache.put([kept(n, made=n + 0.25, data=b"%d" % n) for n in range(1200)])
    found = await cache.get([kept(n).key for n in range(600, 1800)])
    assert sorted(found, key=lambda entry: entry.key) == [kept(n, made=n + 0.25, data=b"%d" % n) for n in range(600, 1200)]
    await cache.put([kept(7, made=9.0, data=b"another")])
    assert await cache.get([kept(7).key, kept(7_000).key]) == [kept(7, made=9.0, data=b"another")]
    assert await cache.get([]) == []
    await store.close()
    assert "closed" in await refused(cache.get([kept(7).key]))
    assert "closed" in await refused(cache.put([kept(7)]))


async def test_a_run_that_is_deleted_takes_its_answers_along(store: SqliteStore | MemoryStore) -> None:
    for name in ("r1", "r2"):
        await (await store.journal(record(name, state="complete"))).events(-1, 1)
        await store.cache.put([kept(n, run=name) for n in range(3 * int(name[1]), 3 * int(name[1]) + 3)])
    await store.delete("r1")
    assert {entry.run for entry in await store.cache.get([kept(n).key for n in range(10)])} == {"r2"}
    await store.close()


async def test_the_oldest_go_when_there_is_no_more_room(tmp_path: Path) -> None:
    most = 100_000
    sqlite, memory = SqliteStore(tmp_path / "runs.db", cache_bytes=most), MemoryStore()
    for cache in (sqlite.cache, MemoryCache(memory, most)):
        for n in range(500):
            await cache.put([kept(n, made=float(n), data=b"x" * 800)])
        found = sorted(int.from_bytes(entry.key, "big") for entry in await cache.get([kept(n).key for n in range(500)]))
        assert found == list(range(found[0], 500)), "the newest are there, and only they"
        assert most // 2 < len(found) * (800 + ROW_BYTES) <= most + most // 8
    await sqlite.close()


async def test_how_much_another_process_has_put_counts_too(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "runs.db", cache_bytes=50_000) for _ in range(2)]
    for n in range(200):
        await stores[n % 2].cache.put([kept(n, made=float(n), data=b"x" * 800)])
    db = sqlite3.connect(tmp_path / "runs.db")
    (size,) = db.execute("SELECT sum(size) FROM cache").fetchone()
    db.close()
    assert size <= 50_000 * 5 // 4
    for store in stores:
        await store.close()


async def test_a_row_that_does_not_match_its_sum_is_empty(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    await store.cache.put([kept(n, data=b"%d" % n) for n in range(4)])
    db = sqlite3.connect(tmp_path / "runs.db")
    db.execute("UPDATE cache SET data = x'00' WHERE key = x'00000001'")
    db.execute("UPDATE cache SET run = 'other' WHERE key = x'00000002'")
    db.execute("UPDATE cache SET made = 'soon' WHERE key = x'00000003'")
    db.commit()
    db.close()
    found = {entry.key[-1]: entry.data for entry in await store.cache.get([kept(n).key for n in range(4)])}
    assert found == {0: b"0", 1: b"", 2: b"", 3: b""}
    await store.close()
