"""Several processes that make one store at the same moment, and write into it: whoever comes second finds it made, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from fanfold.store.schema import VERSION
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import ended, numbers, value
from tests.store.old import build

RACER = """
import asyncio, sys
from pathlib import Path
from fanfold.spec.errors import StoreError
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import ended, record, value

async def once(path, run):
    store = SqliteStore(path)
    journal = await store.journal(record(run))
    for seq in range(5):
        await journal.append([ended(seq, (seq,))], [value(seq)])
    try:
        await store.journal(record("wanted"))
    except StoreError as error:
        won = "is working on it" not in str(error)
        assert not won, error
    else:
        won = True
    print("won" if won else "lost", flush=True)
    sys.stdin.readline()  # the lease is held until all have tried
    await store.close()

print("ready", flush=True)
while (line := sys.stdin.readline()) != "end\\n":
    asyncio.run(once(line.rstrip(), sys.argv[1]))
    print("done", flush=True)
"""
RACERS, ROUNDS = 3, 12


async def _everyone(racers: list[asyncio.subprocess.Process], line: str) -> list[str]:
    """Tell all of them at once, and hear what each answers."""
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(f"{line}\n".encode())
    return [(await racer.stdout.readline()).decode().strip() for racer in racers if racer.stdout is not None]


@pytest.mark.parametrize("old", [False, True], ids=["new", "of format 1"])
async def test_processes_that_make_a_store_at_once(tmp_path: Path, old: bool) -> None:
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RACER, f"r{i}", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for i in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdout is not None and await racer.stdout.readline() == b"ready\n"
    for round_ in range(ROUNDS):
        path = tmp_path / str(round_) / "runs.db"
        if old:
            path.parent.mkdir()
            build(path, 1)
        told = await _everyone(racers, str(path))
        assert sorted(told) == ["lost"] * (RACERS - 1) + ["won"], "a run is leased to exactly one of them"
        assert await _everyone(racers, "") == ["done"] * RACERS
        await _is_whole(path)
    for racer in racers:
        await racer.communicate(b"end\n")
        assert racer.returncode == 0


async def _is_whole(path: Path) -> None:
    store = SqliteStore(path)
    for i in range(RACERS):
        assert numbers(await store.look(f"r{i}").events(-1, 100)) == list(range(5))
        assert await store.look(f"r{i}").events(3, 1) == [ended(4, (4,))]
        assert await store.look(f"r{i}").values(0) == [value(seq) for seq in range(5)]
    await store.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()
