"""Leases on SQLite: who counts as gone, what a crash, a stop and a failure leave behind. What every store must do is in the conformance."""

# ruff: noqa: ASYNC220, ASYNC222, ASYNC240 -- the event loop of a test has nobody else to keep waiting
from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from fanfold.spec.events import RunEnded
from fanfold.store.database import Database
from fanfold.store.leases import Lease, Owner, _born, _machine
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.archives import Time
from fanfold.testing.stores import called, calls, numbers, record, refused

APPENDER = Path(__file__).with_name("appender.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


async def _begun(path: Path, run: str = "r1") -> tuple[asyncio.subprocess.Process, int]:
    """A process that works on a run, and the number of the last event that it told of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, APPENDER, path, run, "1000000", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    for _ in range(10):
        acknowledged = int(await process.stdout.readline())
    return process, acknowledged


# ---------------------------------------------------------------- processes


async def test_the_run_of_a_living_process_is_nobody_elses(path: Path) -> None:
    process, _ = await _begun(path)
    try:
        store = SqliteStore(path)
        assert f"process {process.pid} is working on it" in await refused(store.journal(record()))
        assert f"process {process.pid} is working on it" in await refused(store.delete("r1"))
        assert len(await store.look("r1").events(-1, 1000)) >= 30  # but everybody may read
        await store.close()
    finally:
        process.kill()
        await process.communicate()


async def test_a_killed_process_leaves_its_run_at_once(path: Path) -> None:
    """No clock is moved, and nobody waits: that it is dead can be proven."""
    process, acknowledged = await _begun(path)
    store = SqliteStore(path)
    assert "is working on it" in await refused(store.journal(record()))
    process.kill()
    await process.communicate()
    journal = await store.journal(record())
    found = numbers(await journal.events(-1, 1_000_000))
    assert len(found) > acknowledged
    await journal.append([called(len(found))], [])
    await store.close()


STOPPED = """
import asyncio, os, signal, sys
from fanfold.spec.errors import StoreError
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import calls, record

async def main():
    store = SqliteStore(sys.argv[1])
    journal = await store.journal(record())
    await journal.append(calls(0, 2), [])
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        await journal.append(calls(2, 4), [])
    except StoreError as error:
        print(error)
    await store.close()

asyncio.run(main())
"""


async def test_a_stopped_process_that_is_woken_too_late_writes_nothing(path: Path) -> None:
    """Q4: stopped for longer than the lease, another goes on, then it is woken. (One that is stopped in the middle of a commit holds the
    lock of the file: then nobody writes.)"""
    process = subprocess.Popen([sys.executable, "-c", STOPPED, path], stdout=subprocess.PIPE, text=True)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        here = SqliteStore(path)
        assert f"process {process.pid} is working on it" in await refused(here.journal(record()))
        await here.close()
        later = SqliteStore(path, clock=lambda: time.time() + 31)
        journal = await later.journal(record())  # and has written nothing yet
        os.kill(process.pid, signal.SIGCONT)
        told, _ = await asyncio.to_thread(process.communicate, timeout=30)
        assert f"run r1: process {os.getpid()} has taken it over" in told
        assert await journal.events(-1, 100) == calls(0, 2)
        await journal.append(calls(2, 3), [])
        await later.close()
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- who is gone


def test_who_is_gone_and_who_may_not_be() -> None:
    mine = Owner.here()
    assert not mine.gone
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    born = _born(child.pid)
    other = Owner(_machine(), child.pid, born, "x")
    assert not other.gone
    if born:  # another process had that number before
        assert msgspec.structs.replace(other, born="1").gone
        assert msgspec.structs.replace(mine, born="1").gone
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    if born:
        assert other.gone, "a zombie"
    child.wait()
    assert other.gone
    assert not msgspec.structs.replace(other, machine="elsewhere").gone, "nothing is certain about other machines"
    mine.leave()
    assert mine.gone
    assert not msgspec.structs.replace(mine, machine="elsewhere").gone


def test_a_lease_is_held_until_its_time_or_the_end_of_its_holder() -> None:
    owner = Owner.here()
    lease = Lease(3, msgspec.json.encode(owner).decode(), 100.0)
    assert lease.holder(99.9) == owner
    assert lease.holder(100.0) is None
    assert Lease(3, "", 100.0).holder(0.0) is None
    owner.leave()
    assert lease.holder(99.9) is None


# ---------------------------------------------------------------- renewing, failing, damage


def _lease(path: Path, run: str = "r1") -> tuple[int, str, float]:
    db = sqlite3.connect(path)
    row = db.execute("SELECT fence, owner, until FROM leases WHERE run = ?", (run,)).fetchone()
    db.close()
    return row


def test_leases_are_renewed_when_a_third_of_their_term_is_over(path: Path) -> None:
    clock = Time(1000.0)
    database = Database(path, "normal", 1.0, 30.0, clock)
    assert database.renewal_s is None
    database.write([record()])
    assert database.renewal_s == 10.0 and _lease(path)[2] == 1030.0
    clock.now = 1009.0
    database.write([record("r2")])
    assert database.renewal_s == 1.0, "the older one decides"
    clock.now = 1010.0
    assert database.renewal_s == 0.0
    database.renew()
    assert database.renewal_s == 10.0 and _lease(path)[2] == _lease(path, "r2")[2] == 1040.0
    clock.now = 0.0
    assert database.renewal_s == 10.0, "a clock that was set back delays nothing"
    database.write([record(state="complete"), record("r2", state="complete")])
    assert database.renewal_s is None
    database.close()


async def test_a_run_that_writes_nothing_keeps_its_lease(path: Path) -> None:
    """The writer's thread renews by itself: with a term of a tenth of a second, again and again."""
    clock = Time(1000.0)
    renewed = threading.Semaphore(0)
    real = Database.renew

    def counted(self: Database) -> None:
        real(self)
        renewed.release()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "renew", counted)
        store = SqliteStore(path, term_s=0.1, clock=clock)
        await store.journal(record())
        for _ in range(3):
            clock.now += 0.1
            assert await asyncio.to_thread(renewed.acquire, timeout=30)
        assert _lease(path)[2] >= 1000.3
        await store.close()


async def test_a_store_that_failed_leaves_its_runs_to_others_of_its_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = SqliteStore(path), SqliteStore(path)
    journal = await one.journal(record())
    await journal.append(calls(0, 2), [])
    assert "this process is working on it" in await refused(two.journal(record()))
    with monkeypatch.context() as patch:
        patch.setattr("fanfold.store.database.write", _full)
        assert "the disk is full" in await refused(journal.append(calls(2, 3), []))
    await (await two.journal(record())).append(calls(2, 3), [])  # though nobody closed it
    assert "opened anew" in await refused(journal.append(calls(3, 4), []))
    await one.close()
    assert numbers(await two.look("r1").events(-1, 10)) == [0, 1, 2]
    await two.close()


def _full(*_: object) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    raise error


async def test_a_renewal_that_fails_stops_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sooner it is known that nothing can be written, the fewer calls are paid for nothing."""
    clock = Time(1000.0)
    store = SqliteStore(path, clock=clock)
    journal = await store.journal(record())
    monkeypatch.setattr("fanfold.store.database.immediate", _full)
    clock.now += 11
    assert "the disk is full" in await refused(journal.append(calls(0, 1), []))
    assert "failed" in repr(store)
    await store.close()


async def test_a_damaged_lease_is_a_free_one_and_its_holder_is_refused(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = SqliteStore(path), SqliteStore(path)
    journal = await one.journal(record())
    await journal.append(calls(0, 2), [])
    db = sqlite3.connect(path)
    db.execute("UPDATE leases SET until = until + 1")
    db.commit()
    db.close()
    await (await two.journal(record())).append(calls(2, 3), [])
    assert "lease does not match its checksum" in caplog.text
    assert "r1" in await refused(journal.append(calls(2, 3), []))
    await one.close()
    await two.close()


async def test_numbers_of_leases_are_never_used_again(path: Path) -> None:
    seen = []
    for _ in range(4):
        store = SqliteStore(path)
        await (await store.journal(record())).append([RunEnded(0, 1, "complete", "")], [])
        seen.append(_lease(path)[0])
        await store.delete("r1")
        await store.close()
    assert seen == sorted(set(seen))


async def test_what_was_deleted_is_not_left_in_the_file(path: Path) -> None:
    from fanfold.spec.ports import Stored
    from fanfold.testing.stores import ended

    store = SqliteStore(path)
    journal = await store.journal(record(about=b'{"secret": "in the record"}'))
    events = [ended(0), RunEnded(1, 1, "complete", "")]
    await journal.append(events, [Stored(0, (0,), b'"secret answer"' * 500)])
    await store.delete("r1")
    await store.runs()
    await store.close()
    assert b"secret" not in path.read_bytes()
