"""What may happen to a store, each fault by its name: what is kept, what is refused, and what is said.

S1 disk full, S2 I/O error, S3 lock held, S4 transactions, S5 flipped bytes, S6 files deleted, S7 and S8 torn lines, S11 formats, S12 power
cut, S13 older failures, S14 a write that fails once. (S9 and S10 are about the cache.)
"""

# ruff: noqa: ASYNC240 -- the event loop of a test has nobody else to keep waiting
from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fanfold import PlanError
from fanfold.core.fold import RunState
from fanfold.core.freeze import freeze
from fanfold.core.past import Past
from fanfold.engine.freezer import pack
from fanfold.engine.opening import state
from fanfold.files import Rows
from fanfold.spec.errors import StoreError
from fanfold.spec.events import Called, CellEnded, RunEnded, Settled
from fanfold.spec.ports import Snapshot
from fanfold.store.database import Database
from fanfold.store.schema import VERSION
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import called, calls, ended, numbers, record, refused, started, value
from fanfold.views import exports
from tests.store.old import FORMATS, build
from tests.store.test_sqlite import Held

APPENDER = Path(__file__).parent.parent / "store" / "appender.py"
ENVIRON = {**os.environ, "PYTHONWARNINGS": "error"}
MEALPLAN = (sys.executable, "-m", "fanfold", "mealplan", "--days", "7", "--model", "sim/default", "--format", "json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """256 KB. Only root may mount one; elsewhere the disk is full by a limit on the size of files."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True).returncode
    ):
        pytest.skip("a small disk cannot be mounted here: root is needed")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


async def _reads(path: Path, run: str = "r1") -> list[int]:
    """The numbers of the events that are there. Whole, or the test fails."""
    store = SqliteStore(path)
    found = numbers(await store.look(run).events(-1, 1_000_000))
    await store.close()
    assert found == list(range(len(found)))
    return found


async def _kept(path: Path) -> tuple[str, int]:
    """State and accepted cells of the only run, as its record and as its events tell them; with each value that is told of."""
    store = SqliteStore(path)
    (run,) = await store.runs()
    told = await state(store, run.run_id)
    values = [len(await store.look(run.run_id).values(step)) for step in range(len(told.steps))]
    await store.close()
    assert run.accepted == told.total.accepted == sum(values)
    return run.state, run.accepted


# ---------------------------------------------------------------- S1, S2: nothing can be written any more


def _no_admission_after_the_error(path: Path, done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 4, done.stderr
    assert f"the store failed: {path}: {words}" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_s1_a_full_disk_stops_the_run_and_keeps_what_was_accepted(small_disk: Path) -> None:
    path = small_disk / "runs.db"
    done = subprocess.run([*MEALPLAN, "--store", path], capture_output=True, text=True, timeout=60, env=ENVIRON)
    _no_admission_after_the_error(path, done, "the disk is full")
    run_state, accepted = asyncio.run(_kept(path))
    assert run_state == "running" and 0 < accepted < 22
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)

    async def go_on() -> None:
        store = SqliteStore(path)
        (run,) = await store.runs()
        journal = await store.journal(run)
        seq = len(await journal.events(-1, 100_000))
        await journal.append([RunEnded(seq, 10**7, "cancelled", "cancelled")], [])
        await store.close()

    asyncio.run(go_on())
    assert asyncio.run(_kept(path)) == ("cancelled", accepted)


def test_s2_a_limit_on_files_is_an_io_error_and_ends_alike(path: Path) -> None:
    def limit() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run([*MEALPLAN, "--store", path], capture_output=True, text=True, timeout=60, env=ENVIRON, preexec_fn=limit)
    _no_admission_after_the_error(path, done, "the disk")
    run_state, accepted = asyncio.run(_kept(path))
    assert run_state == "running" and 0 < accepted < 22


async def test_s2_the_folder_is_deleted_under_it(tmp_path: Path) -> None:
    """Writing to a file that has no name any more succeeds: what nobody can find again must not be acknowledged."""
    path = tmp_path / "data" / "runs.db"
    store = SqliteStore(path)
    journal = await store.journal(record())
    await journal.append(calls(0, 3), [])
    shutil.rmtree(path.parent)
    message = await refused(journal.append(calls(3, 6), []))
    assert "deleted" in message and str(path) in message
    assert "opened anew" in await refused(store.journal(record("r2")))
    await store.close()
    assert not path.exists()


class FailsOnce:
    """A connection of which the first statement that begins so fails, as on a bad disk."""

    def __init__(self, db: sqlite3.Connection, start: str) -> None:
        self._db, self._start, self.failed = db, start, False

    def execute(self, sql: str, *details: Any) -> sqlite3.Cursor:
        if sql.lstrip().startswith(self._start) and not self.failed:
            self.failed = True
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_WRITE"
            raise error
        return self._db.execute(sql, *details)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


STATEMENTS = ("BEGIN IMMEDIATE", "INSERT INTO journal", "INSERT INTO stored", "UPDATE tallies", "COMMIT")


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_s2_s14_a_write_that_fails_once_drops_nothing_in_silence(path: Path, statement: str) -> None:
    """Nothing of the group is kept, everybody who waits is told, and nothing more is taken, though the next write would succeed."""
    databases: list[Database] = []
    real = Database.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", lambda self, *args: (real(self, *args), databases.append(self))[0])
        store = SqliteStore(path)
        journals = [await store.journal(record(f"r{i}")) for i in range(3)]
    for journal in journals:
        await journal.append([ended(0)], [value(0)])
    databases[0]._db = broken = FailsOnce(databases[0]._db, statement)  # type: ignore[assignment]
    again = [journal.append([ended(1, (1,))], [value(1)]) for journal in journals]
    for message in await asyncio.gather(*map(refused, again)):
        assert "could not be read or written" in message
    assert broken.failed
    for journal in journals:
        assert "opened anew" in await refused(journal.append([ended(1, (1,))], [value(1)]))
    await store.close()
    store = SqliteStore(path)
    for i in range(3):  # I7: gapless, and what was not acknowledged can be written again
        journal = await store.journal(record(f"r{i}"))
        assert numbers(await journal.events(-1, 10)) == [0]
        await journal.append([ended(1, (1,))], [value(1)])
        assert await journal.values(0) == [value(0), value(1)]
    await store.close()


# ---------------------------------------------------------------- S3, S4: locks and transactions


async def test_s3_a_second_writer_waits_beside_the_loop_and_not_for_ever(path: Path) -> None:
    store = SqliteStore(path, wait_s=0.3)
    journal = await store.journal(record())
    cpu, lags = time.process_time(), []
    with Held(path):
        task = asyncio.create_task(refused(journal.append(calls(0, 1), [])))
        while not task.done():
            begun = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - begun - 0.005)
    assert "another process is writing" in await task and len(lags) > 20
    assert sorted(lags)[len(lags) * 9 // 10] < 0.05  # the slowest few may be the machine's
    assert time.process_time() - cpu < 0.2
    await store.close()


async def test_s4_every_transaction_that_writes_is_an_immediate_one(path: Path) -> None:
    """Everything that a store does, traced: no write outside of BEGIN IMMEDIATE. (A deferred one that turns into a write fails at once.)"""
    build(path, FORMATS[0])
    seen: list[str] = []
    real = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        db = real(*args, **options)
        db.set_trace_callback(seen.append)
        return db

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", traced)
        store = SqliteStore(path, term_s=0.05)
        journal = await store.journal(record())
        await journal.append([started(0, 2), ended(1)], [value(0)])
        await store.keep("r1", Snapshot(1, b""))
        await state(store, "done")
        await journal.append([RunEnded(2, 3, "complete", "")], [])
        await store.delete("r1")
        await store.close()
    inside = False
    for statement in seen:
        word = statement.split()[0]
        if word == "BEGIN":
            inside = "IMMEDIATE" in statement
        elif word in ("COMMIT", "ROLLBACK"):
            inside = False
        else:
            assert inside or word in ("SELECT", "PRAGMA", "--"), statement
    assert sum(statement == "BEGIN IMMEDIATE" for statement in seen) >= 6


def test_s4_no_other_way_to_begin_is_written_anywhere() -> None:
    for source in (Path(__file__).parents[2] / "fanfold" / "store").glob("*.py"):
        for line in source.read_text().splitlines():
            if '"BEGIN' in line:
                assert '"BEGIN IMMEDIATE"' in line or (source.name, '"BEGIN DEFERRED"' in line) == ("reader.py", True), line


# ---------------------------------------------------------------- S5, S6: the file is damaged, or a part of it is gone


async def _two_runs(path: Path) -> None:
    store = SqliteStore(path)
    for name in ("r1", "r2"):
        journal = await store.journal(record(name))
        for n in range(40):
            await journal.append(
                [called(3 * n), called(3 * n + 1), ended(3 * n + 2, (n,))], [value(n, data=b"%d" % n * (n * 30))]
            )
        await store.keep(name, Snapshot(60, b"frozen" * 300))
    await store.close()


async def _all_of_it(path: Path) -> list[Any]:
    store, found = SqliteStore(path), list[Any]()
    for run in ("r1", "r2"):
        look = store.look(run)
        for deed in (
            store.runs(run),
            look.events(-1, 1000),
            look.values(0),
            look.values(0, [(n,) for n in range(40)]),
            store.latest(run),
        ):
            try:
                found.append(await deed)
            except StoreError:
                found.append(None)
    await store.close()
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_s5_one_flipped_byte_in_any_page_is_harmless_or_noticed(path: Path, seed: int) -> None:
    await _two_runs(path)
    good, whole, dice, noticed = await _all_of_it(path), path.read_bytes(), random.Random(seed), 0
    assert None not in good and len(whole) > 20 * 4096
    for page in range(0, len(whole), 4096):
        damaged = bytearray(whole)
        damaged[page + dice.randrange(4096)] ^= 1 + dice.randrange(255)
        path.write_bytes(damaged)
        found = await _all_of_it(path)
        wrong = [(a, b) for a, b in zip(found, good, strict=True) if a is not None and a != b]
        assert not wrong, (page, wrong[0])
        noticed += None in found
        for suffix in ("-wal", "-shm", ".lock"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert noticed


async def _with_a_log(path: Path) -> None:
    """Six events in the file, and nine more in its log only."""
    store = SqliteStore(path)
    journal = await store.journal(record())
    await journal.append(calls(0, 6), [])
    await store.close()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, path)
    await process.wait()


DIES = """
import asyncio, os, sys
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import calls, record
async def main():
    journal = await SqliteStore(sys.argv[1]).journal(record())
    for seq in range(6, 15, 3):
        await journal.append(calls(seq, seq + 3), [])
    os._exit(0)
asyncio.run(main())
"""


@pytest.mark.parametrize(("gone", "left"), [(("-shm",), 15), (("-wal",), 6), (("-wal", "-shm"), 6), ((), 15)])
async def test_s6_deleted_files_cost_what_was_in_them_and_that_is_said(
    path: Path, gone: tuple[str, ...], left: int, caplog: pytest.LogCaptureFixture
) -> None:
    await _with_a_log(path)
    for suffix in gone:
        Path(f"{path}{suffix}").unlink()
    assert len(await _reads(path)) == left
    warned = [each.getMessage() for each in caplog.records if "not there any more" in each.getMessage()]
    assert len(warned) == (left < 15)
    assert not warned or f"{15 - left} events that had been written" in warned[0]
    caplog.clear()
    assert len(await _reads(path)) == left
    assert "not there any more" not in caplog.text, "it is said once"


async def test_s6_a_copy_without_its_log_is_an_older_state_and_whole(path: Path, tmp_path: Path) -> None:
    await _with_a_log(path)
    shutil.copy(path, tmp_path / "copy.db")
    assert len(await _reads(tmp_path / "copy.db")) == 6


@pytest.mark.parametrize("size", [0.9, 0.5, 0.1])
async def test_s6_a_file_that_was_cut_is_refused(path: Path, size: float) -> None:
    await _two_runs(path)
    good, whole = await _all_of_it(path), path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * size)])
    found = await _all_of_it(path)
    assert None in found
    assert all(a is None or a == b for a, b in zip(found, good, strict=True))


# ---------------------------------------------------------------- S7, S8: lines of JSON


def test_s7_a_file_of_lines_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Results are never appended to: at whatever line the writing breaks, the file before it stays."""
    target, rows = tmp_path / "out.jsonl", [{"n": n, "text": "é" * n} for n in range(6)]
    exports.write(target, exports.to_jsonl(rows[:2]))
    before = target.read_bytes()
    for broken in range(6):

        def lines(broken: int = broken) -> Iterator[str]:
            for n, text in enumerate(exports.to_jsonl(rows)):
                if n == broken:
                    raise OSError("no space left on device")
                yield text

        with pytest.raises(OSError, match="no space"):
            exports.write(target, lines())
        assert target.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]
    exports.write(target, exports.to_jsonl(rows))
    assert [json.loads(line) for line in target.read_text().splitlines()] == rows


def test_s8_a_torn_line_is_named(tmp_path: Path) -> None:
    """Wherever the last of three records is torn, even inside a letter: its line is told, or it is still whole."""
    path, whole = tmp_path / "rows.jsonl", '{"term": "één"}\n{"term": "twee"}\n{"term": "drieëndertig"}\n'.encode()
    start = whole.rindex(b"{")
    for cut in range(start + 1, len(whole) + 1):
        path.write_bytes(whole[:cut])
        try:
            terms = [row["term"] for row in Rows(path)]
        except PlanError as error:
            assert f"{path}:3" in str(error) or "is not UTF-8" in str(error)
            assert cut < len(whole) - 1
        else:
            assert terms == ["één", "twee", "drieëndertig"] and cut >= len(whole) - 1


# ---------------------------------------------------------------- S11: formats


@pytest.mark.parametrize("ahead", [1, 5])
async def test_s11_a_newer_format_is_refused_and_an_older_one_migrated(path: Path, ahead: int) -> None:
    """More of this in tests/store/test_migration.py."""
    build(path, FORMATS[0])
    assert await _reads(path, "done") == list(range(7))
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={VERSION + ahead}")
    db.close()
    before, store = path.read_bytes(), SqliteStore(path)
    assert "newer Fanfold" in await refused(store.runs())
    await store.close()
    assert path.read_bytes() == before


# ---------------------------------------------------------------- S12: the power is cut


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library under which only what was synced is on the disk (see synced.c)."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a C compiler on Linux is needed to cut the power")
    library = tmp_path_factory.mktemp("synced") / "synced.so"
    source = Path(__file__).with_name("synced.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_s12_a_power_cut_takes_nothing_acknowledged(path: Path, synced: Path, durability: str) -> None:
    """What was written and not synced is lost: at full, nothing that was acknowledged is among it; at normal, a tail may be."""
    dice = random.Random(5)
    acknowledged = -1
    for life in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable, APPENDER, path, "r1", "1000000", durability, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LD_PRELOAD": str(synced)},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(dice.randrange(5, 120)):
            acknowledged = int(await process.stdout.readline())
        process.kill()
        rest = (await process.communicate())[0].split(b"\n")[:-1]
        acknowledged = max([acknowledged, *map(int, rest)])
        for suffix in ("", "-wal"):  # the power is back
            file, kept = Path(f"{path}{suffix}"), Path(f"{path}{suffix}.synced")
            file.unlink(missing_ok=True)
            if kept.exists():
                shutil.copy(kept, file)
        Path(f"{path}-shm").unlink(missing_ok=True)
        store = SqliteStore(path)
        found = numbers(await store.look("r1").events(-1, 1_000_000)) if await store.runs("r1") else []
        assert found == list(range(len(found))) and len(found) % 3 == 0
        if durability == "full":
            assert len(found) > acknowledged, f"life {life}: event {acknowledged} was acknowledged and is lost"
        if found:
            there = await store.look("r1").values(0)
            assert there == [value(seq, data=b"%d" % seq * 200) for seq in range(0, len(found), 3)]
        await store.close()
        for suffix in ("", "-wal"):
            Path(f"{path}{suffix}.synced").unlink(missing_ok=True)
        shutil.copy(path, f"{path}.synced")


# ---------------------------------------------------------------- S13: an older failure on the disk


async def test_s13_what_came_last_by_its_number_counts(path: Path) -> None:
    """A call failed, and that was written. The next one succeeded, and the process died before that was: it is not known, and made again.
    Then the later word counts, whatever the snapshot says."""
    store = SqliteStore(path)
    journal = await store.journal(record())
    failed = [started(0, 1), Called(1, 10, 0, (0,), 1, 1, 0, 1, 120), Settled(2, 20, 0, (0,), 1, 0, "transient", 10, 0, 0, True)]
    await journal.append(failed, [])
    await store.keep("r1", Snapshot(2, pack(freeze(RunState().apply_all(failed)), Past().apply_all(failed))))
    assert (await state(store, "r1")).total.accepted == 0
    await store.close()
    store = SqliteStore(path)
    journal = await store.journal((await store.runs("r1"))[0])
    again = [
        Called(3, 30, 0, (0,), 2, 2, 0, 1, 120), Settled(4, 50, 0, (0,), 2, 0, "ok", 20, 5, 5, True),
        CellEnded(5, 60, 0, (0,), "accepted", "", "", "", 1, "a key", None, 20),
    ]  # fmt: skip
    await journal.append(again, [value(0)])
    told = await state(store, "r1")
    assert (told.total.accepted, told.total.failed, told.steps[0].outcomes) == (1, 0, {"transient": 1, "ok": 1})
    assert told == RunState().apply_all([*failed, *again])
    await store.close()
