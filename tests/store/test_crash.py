"""Processes that die in the middle of writing, and processes that write at once: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from pathlib import Path

from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import called, ended, numbers, record, value

APPENDER = Path(__file__).with_name("appender.py")


async def _appender(path: Path, run: str, batches: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, APPENDER, path, run, str(batches), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def _is_whole(path: Path, run: str, acknowledged: int) -> int:
    """Nothing that was acknowledged is missing, and nothing is half there. Returns how many events there are."""
    store = SqliteStore(path)
    journal = await store.journal((await store.runs(run))[0])
    found = numbers(await journal.events(-1, 1_000_000))
    assert found == list(range(len(found))) and len(found) % 3 == 0
    assert len(found) > acknowledged
    assert await journal.values(0) == [value(seq, data=b"%d" % seq * 200) for seq in range(0, len(found), 3)]
    assert (await store.runs(run))[0].accepted == len(found) // 3
    await store.close()
    return len(found)


async def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path, dice, events = tmp_path / "runs.db", random.Random(11), 0
    for _ in range(5):
        process = await _appender(path, "r1", 1_000_000)
        assert process.stdout is not None
        acknowledged = -1
        for _ in range(dice.randrange(1, 200)):
            acknowledged = int(await process.stdout.readline())
        process.kill()
        rest = await process.stdout.read()  # what it had said before it died counts as well
        await process.communicate()
        lines = rest.decode().splitlines(keepends=True)
        acknowledged = max([acknowledged, *(int(line) for line in lines if line.endswith("\n"))])
        assert acknowledged >= events, "it went on where the one before it was killed"
        events = await _is_whole(path, "r1", acknowledged)


async def test_two_processes_and_this_one_write_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    processes = [await _appender(path, f"r{i}", 150) for i in range(2)]
    store = SqliteStore(path)
    journal = await store.journal(record("mine"))
    for seq in range(0, 450, 3):
        await journal.append([called(seq), called(seq + 1), ended(seq + 2, (seq,))], [value(seq, data=b"%d" % seq * 200)])
    for process in processes:
        out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        assert out.split()[-1] == b"449"
    await store.close()
    for run in ("r0", "r1", "mine"):
        assert await _is_whole(path, run, 449) == 450
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def test_one_process_is_killed_while_another_writes(tmp_path: Path) -> None:
    """The lock of a dead process is free at once, and what it left in the log is read by the other."""
    path = tmp_path / "runs.db"
    survivor, victim = await _appender(path, "survivor", 300), await _appender(path, "victim", 1_000_000)
    assert victim.stdout is not None
    for _ in range(50):
        acknowledged = int(await victim.stdout.readline())
    victim.kill()
    rest = (await victim.communicate())[0].split(b"\n")[:-1]
    out, error = await survivor.communicate()
    assert survivor.returncode == 0, error.decode()
    assert await _is_whole(path, "survivor", int(out.split()[-1])) == 900
    await _is_whole(path, "victim", max([acknowledged, *map(int, rest)]))
