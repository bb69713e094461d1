"""Opening a run from the store: 100,000 and 1,000,000 cells, from its snapshot and, where that is missing, from its first event.

Each opening is a process of its own, so that its memory can be told: seconds from opening the file to the folded state, and the most memory
that the process had (as the kernel counts it) beyond what it had when everything was loaded.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fanfold.core.fold import RunState
from fanfold.core.freeze import freeze
from fanfold.core.past import Past
from fanfold.engine.freezer import pack
from fanfold.spec.events import AnyEvent, Called, CellEnded, RunStarted, Settled, StepFacts
from fanfold.spec.ports import RunRecord, Snapshot, Stored
from fanfold.store.sqlite import SqliteStore

BATCH = 100  # cells written together, three events each
SHAPE = ("recipe", ("day", "meal"))
OPEN = """
import asyncio, sys, time
from bench._memory import peak_mb
from fanfold.engine.opening import state, whole
from fanfold.store.sqlite import SqliteStore
before = peak_mb()
async def main():
    began = time.perf_counter()
    store = SqliteStore(sys.argv[1])
    if sys.argv[3] == "status":
        found = await state(store, "big")
    else:
        found, past = await whole(store, store.look("big"), "big")
        assert len(past.steps[0].ended) == int(sys.argv[2])
    seconds = time.perf_counter() - began
    assert found.total.accepted == int(sys.argv[2]), found
    await store.close()
    return seconds
seconds = asyncio.run(main())
print(seconds, peak_mb() - before)
"""


def measure() -> Iterator[tuple[str, float, float | None]]:
    with tempfile.TemporaryDirectory() as folder:
        for cells, most_s in ((100_000, 1.0), (1_000_000, 3.0)):
            path = Path(folder) / f"{cells}.db"
            asyncio.run(_fill(path, cells))
            for what in ("status", "resume"):
                seconds, megabytes = _open(path, cells, what)
                yield f"opening {cells:,} cells, {what}, snapshot 20,000 events old: seconds", seconds, most_s
                yield f"opening {cells:,} cells, {what}: MB", megabytes, 300.0
            asyncio.run(_spoil(path))
            seconds, megabytes = _open(path, cells, "status")
            yield f"opening {cells:,} cells, snapshot damaged: seconds", seconds, None
            yield f"opening {cells:,} cells, snapshot damaged: MB", megabytes, 300.0


def _open(path: Path, cells: int, what: str) -> tuple[float, float]:
    runs = [
        subprocess.run([sys.executable, "-c", OPEN, path, str(cells), what], capture_output=True, text=True) for _ in range(3)
    ]
    told = [tuple(map(float, done.stdout.split())) for done in runs]
    assert all(len(each) == 2 for each in told), runs[0].stderr
    return min(each[0] for each in told), max(each[1] for each in told)


async def _fill(path: Path, cells: int) -> None:
    store = SqliteStore(path, durability="normal")
    journal = await store.journal(RunRecord(run_id="big", plan="menu", started=1.0))
    state, past, last = RunState(), Past(), 0
    for events, values in _batches(cells):
        await journal.append(events, values)
        state.apply_all(events)
        past.apply_all(events)
        if not last and 3 * cells - state.seq <= 20_000:
            last = state.seq
            await store.keep("big", Snapshot(last, pack(freeze(state), past)))
    await store.close()


def _batches(cells: int) -> Iterator[tuple[list[AnyEvent], list[Stored]]]:
    yield [RunStarted(0, 0, "menu", 7, (StepFacts(*SHAPE, cells),), 64)], []
    seq = 1
    for start in range(0, cells, BATCH):
        part = [(i // 3, i % 3) for i in range(start, min(cells, start + BATCH))]
        now, events = 1_000 * start, list[AnyEvent]()
        for i, at in enumerate(part):
            call = start + i
            events.append(Called(seq, now, 0, at, call, 1, 0, 1, 700))
            events.append(Settled(seq + 1, now + 900, 0, at, call, 0, "ok", 900, 300, 400, True))
            events.append(CellEnded(seq + 2, now + 950, 0, at, "accepted", "", "", "", 1, f"recipe {call}", None, 900))
            seq += 3
        yield events, [Stored(0, at, b'{"name": "Tomato soup", "minutes": 20}') for at in part]


async def _spoil(path: Path) -> None:
    """Of another version: then it is not used, as when it is damaged."""
    store = SqliteStore(path)
    snapshot = await store.latest("big")
    assert snapshot is not None
    await store.journal((await store.runs("big"))[0])
    await store.keep("big", Snapshot(snapshot.seq, b"\xc1" + snapshot.data))
    await store.close()
