"""100,000 cells over loopback HTTP: the client's peak memory. The service, and each client, is a process of its own.

Two steps over rows, a typed answer and a text about it, 256 in flight, journal and values in SQLite; only the report is read at the end.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from pydantic import BaseModel

from bench._memory import peak_mb
from bench._service import service
from fanfold import Engine, Limits, Plan, Step

CELLS, FEW = 100_000, 10_000
MOST_MB = 300.0
MOST_KB_PER_CELL = 2.0


class Note(BaseModel):
    title: str
    text: str


@dataclass(frozen=True)
class Peak:
    """mb: resident, at most. wall_s: of the run."""

    cells: int
    mb: float
    wall_s: float


async def _client(cells: int, url: str, path: str) -> Peak:
    steps = [Step("note", "A note about harbour {n}.", output=Note, over="n"), Step("line", "One line of {note}.", over="n")]
    begun = perf_counter()
    async with Engine("openai/sim", base_url=url, api_key="none", store=path, limits=Limits(concurrent=256)) as engine:
        going = engine.start(Plan("many", steps, {"n": range(cells // 2)}))
        await going.ended()
        told = going.report()
    assert told["accepted"] == cells, told
    return Peak(cells, peak_mb(), perf_counter() - begun)


def peak(cells: int) -> Peak:
    """Of a client in a process of its own."""
    with service("--no-headers", latency_s=0.02) as url, tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "bench.many", str(cells), url, str(Path(folder) / "runs.db")]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
    return Peak(**json.loads(done.stdout))


def measure() -> Iterator[tuple[str, float, float | None]]:
    few, many = peak(FEW), peak(CELLS)
    yield f"{FEW:,} cells: MB at most", few.mb, None
    yield f"{CELLS:,} cells: MB at most", many.mb, MOST_MB
    yield "    s", many.wall_s, None
    yield "    KB more for each cell", 1024 * (many.mb - few.mb) / (CELLS - FEW), MOST_KB_PER_CELL


if __name__ == "__main__":
    found = asyncio.run(_client(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
    print(json.dumps({"cells": found.cells, "mb": found.mb, "wall_s": found.wall_s}))
