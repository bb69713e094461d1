"""The port on SQLite, and what only the file can show: modes, marks, threads, commits."""

# ruff: noqa: ASYNC221, ASYNC240 -- the event loop of a test has nobody else to keep waiting
from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from fanfold.spec.errors import StoreError
from fanfold.store.database import Database
from fanfold.store.schema import VERSION
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.archives import ArchiveConformance, LeaseConformance, Time
from fanfold.testing.stores import DurableConformance, StoreConformance, called, calls, ended, numbers, record, refused, value


class TestSqliteStore(StoreConformance, ArchiveConformance, DurableConformance, LeaseConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.clock = Time()
        self.path = tmp_path / "a # b" / "100% ünï?" / "runs.db"  # also a path that is no plain URI

    def make(self) -> SqliteStore:
        return SqliteStore(self.path, clock=self.clock)


class TestNormalDurability(DurableConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "runs.db"

    def make(self) -> SqliteStore:
        return SqliteStore(self.path, durability="normal")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


# ---------------------------------------------------------------- the file


async def test_file_and_folder_belong_to_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "data" / "runs.db")
        await store.journal(record())
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "data").iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("runs.db", "runs.db-wal", "runs.db-shm", "runs.db.lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    await store.close()


async def test_one_file_is_left_after_close(path: Path) -> None:
    store = SqliteStore(path)
    await (await store.journal(record())).append([called(0)], [])
    await store.runs()
    await store.close()
    assert {p.name for p in path.parent.iterdir()} == {"runs.db", "runs.db.lock"}
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA application_id").fetchone() == (0x46414E46,)
    db.close()


async def test_the_settings_that_durability_rests_on(path: Path) -> None:
    for durability, level in (("full", 2), ("normal", 1)):
        database = Database(path, durability, 1.0)
        assert database._db.execute("PRAGMA synchronous").fetchone() == (level,)
        assert database._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database._db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        database.close()
    with pytest.raises(StoreError, match="full or normal"):
        SqliteStore(path, durability="off")  # type: ignore[arg-type]


async def test_every_write_is_an_immediate_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deferred one that turns into a write fails at once when another connection has written meanwhile."""
    seen: list[str] = []
    real = Database.__init__

    def traced(self: Database, *args: object) -> None:
        real(self, *args)  # type: ignore[arg-type]
        self._db.set_trace_callback(seen.append)

    monkeypatch.setattr(Database, "__init__", traced)
    store = SqliteStore(path)
    journal = await store.journal(record())
    await journal.append([ended(0)], [value(0)])
    await store.close()
    open_transaction = False
    for statement in seen:
        word = statement.split()[0]
        if word == "BEGIN":
            assert statement == "BEGIN IMMEDIATE"
            open_transaction = True
        elif word in ("INSERT", "UPDATE", "DELETE"):
            assert open_transaction
        elif word in ("COMMIT", "ROLLBACK"):
            open_transaction = False
    assert [s.split()[0] for s in seen].count("INSERT") == 5


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look like one" * 20, b"\0" * 5000])
async def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store = SqliteStore(path)
    assert "not a Fanfold store" in await refused(store.journal(record()))
    assert "not a Fanfold store" in await refused(store.runs())
    await store.close()
    assert path.read_bytes() == content


async def test_another_programs_database_is_left_alone(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    before = path.read_bytes()
    store = SqliteStore(path)
    assert "some other program" in await refused(store.journal(record()))
    await store.close()
    assert path.read_bytes() == before


async def test_a_newer_format_is_refused(path: Path) -> None:
    await _filled(path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    before = path.read_bytes()
    store = SqliteStore(path)
    for deed in (store.runs(), store.journal(record())):
        message = await refused(deed)
        assert "newer Fanfold" in message and "upgrade" in message
    await store.close()
    assert path.read_bytes() == before


async def test_places_that_cannot_be_opened_say_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for place, words in (
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "runs.db", "cannot be opened or created"),
        (Path("/proc/nowhere/runs.db"), "cannot be opened or created"),
    ):
        store = SqliteStore(place)
        message = await refused(store.journal(record()))
        assert words in message and str(place) in message
        assert words in await refused(store.runs())
        await store.close()


READ_ONLY = """
import asyncio, os, sys
from fanfold.spec.errors import StoreError
from fanfold.spec.ports import RunRecord
from fanfold.store.sqlite import SqliteStore
path = sys.argv[1]
if os.geteuid() == 0:  # whom modes do not bind
    os.setuid(65534)
async def main():
    store = SqliteStore(path)
    try:
        await store.journal(RunRecord(run_id="r", plan="p", started=1))
    except StoreError as error:
        print(error)
    await store.close()
asyncio.run(main())
"""


async def test_a_file_that_may_not_be_written_says_so() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which nobody else may enter
        Path(folder).chmod(0o755)
        path = Path(folder) / "runs.db"
        await _filled(path)
        path.chmod(0o444)
        done = subprocess.run([sys.executable, "-c", READ_ONLY, path], capture_output=True, text=True, timeout=30)
    assert "it may not be written to" in done.stdout, done.stderr


OTHER = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM runs'); db.close()"


async def test_opening_it_again_does_not_let_go_of_it(path: Path) -> None:
    """POSIX locks go when any descriptor of the file is closed: another process would then take the log away from under us."""
    one = SqliteStore(path)
    await one.journal(record("one"))
    two = SqliteStore(path)
    await two.journal(record("two"))
    log = Path(f"{path}-wal")
    before = log.stat()
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", OTHER, path], check=True, timeout=30)
    assert (log.stat().st_ino, log.stat().st_size) == (before.st_ino, before.st_size)
    await one.close()
    await two.close()


# ---------------------------------------------------------------- group commit


async def test_many_appends_share_a_commit(path: Path) -> None:
    store = SqliteStore(path)
    journals = [await store.journal(record(f"r{i}")) for i in range(10)]
    before = store.commits
    assert before == 10
    await asyncio.gather(*(journals[n % 10].append([ended(n // 10, (n,))], [value(n)]) for n in range(1000)))
    assert 1 <= store.commits - before < 100
    assert repr(store) == f"<SqliteStore {path}: open, {store.commits} commits>"
    await store.close()
    assert repr(store).endswith(f"closed, {store.commits} commits>")


async def test_a_lone_append_is_written_at_once(path: Path) -> None:
    store = SqliteStore(path)
    journal = await store.journal(record())
    for seq in range(10):
        await journal.append([called(seq)], [])
    assert store.commits == 11
    await store.close()


async def test_the_log_is_moved_into_the_file_while_it_is_written(path: Path) -> None:
    store = SqliteStore(path)
    journal = await store.journal(record())
    for seq in range(12):
        await journal.append([ended(seq, (seq,))], [value(seq, data=b"1" * 1_000_000)])
    await store.runs()
    assert path.stat().st_size > 4_000_000
    assert Path(f"{path}-wal").stat().st_size < 10_000_000
    assert [len(v.data) for v in await journal.values(0)] == [1_000_000] * 12
    await store.close()


async def test_one_store_serves_several_event_loops(path: Path) -> None:
    store = SqliteStore(path)

    async def fill(name: str) -> None:
        journal = await store.journal(record(name))
        for seq in range(50):
            await journal.append([called(seq)], [])
            assert len(await journal.events(-1, 1000)) == seq + 1

    threads = [threading.Thread(target=asyncio.run, args=(fill(f"r{i}"),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert {run.run_id for run in await store.runs()} == {"r0", "r1", "r2", "r3"}
    journal = await store.journal(record("r3"))
    assert numbers(await journal.events(-1, 1000)) == list(range(50))
    await store.close()


def test_an_event_loop_that_has_gone_harms_nobody(path: Path) -> None:
    store = SqliteStore(path, wait_s=30)

    async def leave() -> None:
        journal = await store.journal(record("left"))
        with Held(path):
            task = asyncio.create_task(journal.append(calls(0, 3), []))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stay() -> None:
        journal = await store.journal(record("stayed"))
        await journal.append(calls(0, 3), [])
        assert len(await journal.events(-1, 10)) == 3
        await store.close()

    asyncio.run(leave())
    asyncio.run(stay())


async def test_reading_goes_on_while_it_is_written(path: Path) -> None:
    """Each read is one moment: values and events of one batch appear together, and never a part of them."""
    store = SqliteStore(path)
    journal = await store.journal(record())
    done = False

    async def write() -> None:
        nonlocal done
        for seq in range(0, 400, 4):
            events = [called(seq), called(seq + 1), called(seq + 2), ended(seq + 3, (seq,))]
            await journal.append(events, [value(seq)])
        done = True

    async def read() -> int:
        reads = last = 0
        while not done:
            found = await journal.events(-1, 10_000)
            assert numbers(found) == list(range(len(found))) and len(found) % 4 == 0 and len(found) >= last
            last = len(found)
            assert len(await journal.values(0)) >= last // 4
            reads += 1
        return reads

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        readers = [group.create_task(read()) for _ in range(3)]
    assert sum(reader.result() for reader in readers) > 3
    await store.close()


# ---------------------------------------------------------------- failures


async def test_a_full_disk_fails_the_group_and_stops_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Database.__init__

    def small(self: Database, *args: object) -> None:
        real(self, *args)  # type: ignore[arg-type]
        self._db.execute("PRAGMA max_page_count=40")

    store = SqliteStore(path)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "__init__", small)
        journals = [await store.journal(record(f"r{i}")) for i in range(3)]
    await journals[0].append([ended(0)], [value(0)])
    with Held(path):  # so that the three are one group
        tasks = [
            asyncio.create_task(journals[0].append([ended(1, (1,))], [value(1, data=b"1" * 200_000)])),
            *(asyncio.create_task(journal.append([called(0)], [])) for journal in journals[1:]),
        ]
        await asyncio.sleep(0)
    messages = [await refused(task) for task in tasks]
    assert all("the disk is full" in message for message in messages), messages
    commits = store.commits
    # fail-stop: also what would fit is refused, but what is kept can be read
    assert "opened anew" in await refused(journals[1].append([called(0)], []))
    assert "opened anew" in await refused(store.journal(record("r9")))
    assert numbers(await journals[0].events(-1, 10)) == [0]
    assert await journals[0].values(0) == [value(0)]
    assert (await store.runs("r0"))[0].accepted == 1
    assert store.commits == commits
    assert "failed" in repr(store)
    await store.close()
    # with room again, everything goes on from what was kept
    store = SqliteStore(path)
    assert [await (await store.journal(record(f"r{i}"))).events(-1, 10) for i in range(3)] == [[ended(0)], [], []]
    journal = await store.journal(record("r0"))
    await journal.append([ended(1, (1,))], [value(1, data=b"1" * 200_000)])
    assert len(await journal.values(0)) == 2
    await store.close()


async def test_the_first_write_may_fail_and_reading_goes_on(path: Path) -> None:
    await _filled(path)
    store = SqliteStore(path, wait_s=0.02)
    with Held(path):
        assert "another process is writing" in await refused(store.journal(record("r2")))
        assert [run.run_id for run in await store.runs()] == ["r1"]
    await store.close()


async def test_a_bug_in_the_writer_is_told_and_hangs_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Database, items: object) -> None:
        raise RuntimeError("impossible")

    store = SqliteStore(path)
    journal = await store.journal(record())
    monkeypatch.setattr(Database, "write", broken)
    assert "impossible" in await refused(journal.append([called(0)], []))
    assert "opened anew" in await refused(store.journal(record()))
    await store.close()
    assert "the store's writer failed" in caplog.text


async def test_a_store_that_cannot_be_locked_says_so(path: Path) -> None:
    Path(f"{path}.lock").mkdir()
    store = SqliteStore(path)
    assert "cannot be locked" in await refused(store.journal(record()))
    await store.close()


async def test_what_cannot_be_written_down_is_refused(path: Path) -> None:
    store = SqliteStore(path)
    for batch in (([called(0)], [value(-1)]), ([called(0)], [value(2**32)]), ([ended(0, state="\ud800")], [])):
        journal = await store.journal(record())
        assert "r1" in await refused(journal.append(*batch))
        assert await journal.events(-1, 10) == []
    assert "cannot be written down" in await refused(store.journal(record("\ud800")))
    await (await store.journal(record("r2"))).append([called(0)], [])
    await store.close()


# ---------------------------------------------------------------- the lock


async def test_the_event_loop_runs_on_while_another_process_holds_the_lock(path: Path) -> None:
    store = SqliteStore(path)
    journal = await store.journal(record())
    with Held(path):
        task = asyncio.create_task(journal.append([called(0)], []))
        lags = []
        for _ in range(100):
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - start)
        assert not task.done()
        assert numbers(await journal.events(-1, 10)) == []  # readers do not wait
    await task
    assert sorted(lags)[90] < 0.05  # the slowest few may be the machine's
    assert numbers(await journal.events(-1, 10)) == [0]
    await store.close()


async def test_waiting_for_the_lock_has_an_end(path: Path) -> None:
    store = SqliteStore(path, wait_s=0.2)
    journal = await store.journal(record())
    cpu = time.process_time()
    with Held(path):
        message = await refused(journal.append([called(0)], []))
    assert "another process is writing" in message and "0.2 s" in message
    assert time.process_time() - cpu < 0.1  # it sleeps between its tries
    await store.close()


async def test_without_flock_one_process_still_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanfold.store.lock.fcntl", None)
    store = SqliteStore(path)
    await (await store.journal(record())).append([called(0)], [])
    await store.close()
    assert not Path(f"{path}.lock").exists()


# ---------------------------------------------------------------- ends


def _writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fanfold-store"]


async def test_close_leaves_no_thread(path: Path) -> None:
    store = SqliteStore(path)
    await (await store.journal(record())).append([called(0)], [])
    await store.runs()
    await asyncio.gather(store.close(), store.close())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fanfold-")]


async def test_a_close_that_is_cancelled_still_happens(path: Path) -> None:
    store = SqliteStore(path)
    await store.journal(record())
    with Held(path):
        task = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.close()
    assert not _writers()


async def test_a_forgotten_store_ends_by_itself(path: Path) -> None:
    store = SqliteStore(path)
    journal = await store.journal(record())
    await journal.append([called(0)], [])
    await store.runs()
    (thread,) = _writers()
    del store
    gc.collect()
    await journal.append([called(1)], [])  # the journal keeps it
    del journal
    gc.collect()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    assert {p.name for p in path.parent.iterdir()} == {"runs.db", "runs.db.lock"}


LEFT_OPEN = """
import asyncio, sys
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import called, record
store = SqliteStore(sys.argv[1])
async def main():
    journal = await store.journal(record())
    await journal.append([called(0)], [])
    print(len(await journal.events(-1, 10)), len(await store.runs()))
asyncio.run(main())
"""


async def test_an_interpreter_ends_with_a_store_left_open(path: Path) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", LEFT_OPEN, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["1", "1"], "")
    store = SqliteStore(path)
    assert len(await (await store.journal(record())).events(-1, 10)) == 1
    await store.close()


# ---------------------------------------------------------------- set-up


async def _filled(path: Path) -> None:
    store = SqliteStore(path)
    await (await store.journal(record())).append([ended(0)], [value(0)])
    await store.close()


class Held:
    """The lock, as another process would hold it: `flock` tells open files apart, not processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        import fcntl

        self._file = open(f"{self._path}.lock", "w")  # noqa: PTH123 -- held across the block
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *details: object) -> None:
        self._file.close()
