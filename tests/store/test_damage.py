"""Bytes that flip in the file are noticed, or harmless: never a wrong answer."""

# ruff: noqa: ASYNC240 -- the event loop of a test has nobody else to keep waiting
from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fanfold.spec.errors import StoreError
from fanfold.store.sqlite import SqliteJournal, SqliteStore
from fanfold.testing.stores import called, calls, ended, record, refused, value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


async def _fill(path: Path) -> None:
    store = SqliteStore(path)
    for name in ("one", "two"):
        journal = await store.journal(record(name, started=float(len(name)), about=b"x" * 900))
        for n in range(30):
            batch = [called(3 * n), called(3 * n + 1), ended(3 * n + 2, (n,))]
            await journal.append(batch, [value(n, data=b"%d" % n * (n * 40))])
    await store.close()


async def _everything(path: Path) -> list[Any]:
    """All that can be read of it; for each reading what it gave, or None where it was refused."""
    store = SqliteStore(path)
    found: list[Any] = []
    try:
        for run in ("one", "two"):
            for reading in ("runs", "events", "values", "picked", "list"):
                try:
                    found.append(await _reading(store, run, reading))
                except StoreError:
                    found.append(None)
    finally:
        await store.close()
    return found


async def _reading(store: SqliteStore, run: str, reading: str) -> Any:
    journal = SqliteJournal(store, run)  # without recording the run: reading only
    if reading == "runs":
        return await store.runs(run)
    if reading == "list":
        return await store.runs()
    if reading == "events":
        return [await journal.events(after, 31) for after in (-1, 30, 61)]
    return await journal.values(0, None if reading == "values" else [(n,) for n in range(30)])


async def test_a_flipped_byte_is_never_served(path: Path) -> None:
    await _fill(path)
    good, whole = await _everything(path), path.read_bytes()
    assert None not in good
    dice = random.Random(7)
    offsets = [*range(16, 100, 3), *(dice.randrange(start, start + 512) for start in range(100, len(whole) - 512, 512))]
    noticed, wrong = 0, []
    for offset in offsets:
        bad = bytearray(whole)
        bad[offset] ^= 1 << dice.randrange(8)
        path.write_bytes(bad)
        for found, right in zip(await _everything(path), good, strict=True):
            noticed += found is None
            if found is not None and found != right:
                wrong.append((offset, found, right))
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert not wrong, (len(wrong), len(offsets), [w[0] for w in wrong], wrong[0])
    assert noticed > len(offsets) // 2


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE journal SET payload = CAST(payload || ' ' AS BLOB) WHERE first = 3", "events 3 to 5 do not match"),
        ("UPDATE journal SET payload = 'text' WHERE first = 3", "events from 0"),
        ("UPDATE journal SET first = 100 WHERE run = 'one' AND first = 3", "events 6 to 8 are not those"),
        ("UPDATE journal SET last = 6 WHERE run = 'one' AND first = 3", "events 3 to 6 are not those"),
        ("DELETE FROM journal WHERE run = 'one' AND first = 0", "events 3 to 5 are not those"),
        ("DELETE FROM journal WHERE run = 'one' AND first = 45", "events 48 to 50 are not those"),
        ("DELETE FROM journal WHERE run = 'one' AND first >= 60", "events 60 to 89 are missing"),
    ],
)
async def test_a_journal_that_was_tampered_with_names_what_is_wrong(path: Path, sql: str, words: str) -> None:
    await _fill(path)
    db = sqlite3.connect(path)
    db.execute(sql)
    db.commit()
    db.close()
    store = SqliteStore(path)
    journal = await store.journal(record("one"))
    message = await refused(journal.events(-1, 1000))
    assert words in message and "is damaged: run one" in message
    await store.close()


async def test_a_damaged_tally_stops_the_writing_too(path: Path) -> None:
    await _fill(path)
    db = sqlite3.connect(path)
    db.execute("UPDATE tallies SET accepted = 7 WHERE run = 'one'")
    db.commit()
    db.close()
    store = SqliteStore(path)
    assert "checksum" in await refused(store.runs("one"))
    assert "checksum" in await refused(store.journal(record("one")))
    await store.close()


async def test_a_value_that_was_changed_is_named(path: Path) -> None:
    await _fill(path)
    db = sqlite3.connect(path)
    db.execute("UPDATE stored SET data = CAST('9' AS BLOB) WHERE run = 'two' AND at = x'00000011'")
    db.execute("DELETE FROM stored WHERE run = 'one' AND at = x'00000011'")
    db.commit()
    db.close()
    store = SqliteStore(path)
    one, two = await store.journal(record("one")), await store.journal(record("two"))
    assert "value of step 0 at [17]" in await refused(two.values(0))
    assert "value of step 0 at [17]" in await refused(two.values(0, [(17,)]))
    assert len(await two.values(0, [(16,), (18,)])) == 2
    assert "of 30 values of step 0, 29 are there" in await refused(one.values(0))
    await store.close()


async def test_a_truncated_file_is_noticed(path: Path) -> None:
    await _fill(path)
    whole = path.read_bytes()
    for size in (len(whole) // 2, 4096, 100):
        path.write_bytes(whole[:size])
        store = SqliteStore(path)
        await refused(store.runs())
        await store.close()
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


async def test_a_torn_log_loses_only_what_was_torn(path: Path) -> None:
    """A crash in the middle of writing the log: SQLite's own frames carry sums, and an unfinished group never happened."""
    store = SqliteStore(path)
    journal = await store.journal(record())
    for seq in range(0, 40, 4):
        await journal.append(calls(seq, seq + 4), [])
    main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    await store.close()
    lengths = []
    for cut in range(0, len(log), 1777):
        copy = path.with_name(f"copy{cut}.db")
        copy.write_bytes(main)
        Path(f"{copy}-wal").write_bytes(log[:cut])
        torn = SqliteStore(copy)
        found = await torn.runs("r1")
        events = await (await torn.journal(record())).events(-1, 100)
        assert [event.seq for event in events] == list(range(len(events))) and len(events) % 4 == 0
        assert len(events) == 0 or found
        lengths.append(len(events))
        await torn.close()
    assert lengths == sorted(lengths) and lengths[0] == 0 and lengths[-1] >= 32
