"""Files of earlier formats: brought to this one in one transaction, or left as they were."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from fanfold.spec.events import RunEnded
from fanfold.spec.ports import Snapshot
from fanfold.store import schema
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import called, ended, numbers, record, refused, value
from tests.store.old import FORMATS, build


def shape(path: Path) -> tuple[int, list[str]]:
    db = sqlite3.connect(path)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = sorted(" ".join(sql.split()) for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
    db.close()
    return version, tables


async def new(path: Path) -> tuple[int, list[str]]:
    store = SqliteStore(path)
    await store.journal(record())
    await store.close()
    return shape(path)


@pytest.mark.parametrize("version", FORMATS)
async def test_an_older_file_becomes_one_of_today_and_keeps_everything(tmp_path: Path, version: int) -> None:
    path = tmp_path / "runs.db"
    build(path, version)
    store = SqliteStore(path)
    assert [(run.run_id, run.state, run.cells, run.accepted, run.cost_usd) for run in await store.runs()] == [
        ("cut", "running", 3, 0, None),
        ("done", "partial", 3, 2, 0.25),
    ]
    assert numbers(await store.look("done").events(-1, 100)) == list(range(7))
    assert (await store.look("done").events(2, 1))[0] == ended(3)
    assert await store.look("done").values(0) == [value(0)]
    assert await store.look("done").values(1) == [value(0, step=1, data='"é"'.encode())]
    journal = await store.journal((await store.runs("cut"))[0])  # and goes on with what is new
    await journal.append([called(3)], [])
    await store.keep("cut", Snapshot(3, b"frozen"))
    await journal.append([RunEnded(4, 50, "partial", "")], [])
    await store.delete("done")
    await store.close()
    assert shape(path) == await new(tmp_path / "new.db")


@pytest.mark.parametrize("version", FORMATS)
async def test_an_interrupted_migration_leaves_the_older_file(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.db"
    build(path, version)
    before = shape(path)
    with monkeypatch.context() as patch:
        patch.setitem(schema.ADDED, version + 1, schema.ADDED[version + 1] + "CREATE TABLE runs (again);")
        store = SqliteStore(path)
        assert "already exists" in await refused(store.runs())
        await store.close()
    assert shape(path) == before
    store = SqliteStore(path)
    assert len(await store.runs()) == 2
    await store.close()
    assert shape(path)[0] == schema.VERSION


@pytest.mark.parametrize("version", FORMATS)
async def test_many_open_an_older_file_at_once(tmp_path: Path, version: int) -> None:
    path = tmp_path / "runs.db"
    build(path, version)
    stores = [SqliteStore(path) for _ in range(6)]
    found = await asyncio.gather(*(store.journal(record(f"r{i}")) for i, store in enumerate(stores)))
    assert len(found) == 6
    for store in stores:
        await store.close()
    assert shape(path)[0] == schema.VERSION


@pytest.mark.parametrize("ahead", [1, 5])
async def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path, ahead: int) -> None:
    path = tmp_path / "runs.db"
    await new(path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={schema.VERSION + ahead}")
    db.close()
    before = path.read_bytes()
    store = SqliteStore(path)
    for deed in (store.runs(), store.journal(record()), store.delete("r1"), store.latest("r1")):
        message = await refused(deed)
        assert f"format {schema.VERSION + ahead}" in message and "upgrade Fanfold" in message
    await store.close()
    assert path.read_bytes() == before
