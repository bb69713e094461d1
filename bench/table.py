"""A CSV of 100,000 rows through two steps over loopback HTTP: the client's peak memory. The service, and each client, is a process of its own.

A typed answer about each row and a text about that, 256 in flight, journal and values in SQLite; only the report is read at the end.
"""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

from pydantic import BaseModel

from bench._memory import peak_mb
from bench._service import service
from fanfold import Axis, Engine, Limits, Plan, Rows, Step

ROWS, FEW = 100_000, 10_000
MOST_MB = 300.0
LATENCY_S = 0.02


class Note(BaseModel):
    title: str
    text: str


@dataclass(frozen=True)
class Peak:
    """mb: resident, at most. wall_s: of the run."""

    rows: int
    accepted: int
    mb: float
    wall_s: float


def write_csv(path: Path, rows: int) -> None:
    """About 90 bytes a row: an id, a name, a place, and a remark with a comma and a quotation in it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "place", "remark"])
        for n in range(rows):
            writer.writerow(
                [f"R{n:06}", f"Harbour {n}", f"Quay {n % 97}, berth {n % 13}", f'its keeper calls it "number {n}", and so do we']
            )


def plan(path: Path) -> Plan:
    steps = [
        Step("note", "A note on {row.name} ({row.id}) at {row.place}: {row.remark}.", output=Note, over="row"),
        Step("line", "One line of {note} for {row.id}.", over="row"),
    ]
    return Plan("table", steps, [Axis("row", Rows(str(path)))])


async def _client(path: Path, url: str, store: str) -> Peak:
    begun = perf_counter()
    async with Engine("openai/sim", base_url=url, api_key="none", store=store, limits=Limits(concurrent=256)) as engine:
        going = engine.start(plan(path))
        await going.ended()
        told = going.report()
    rows = told["cells"] // 2
    return Peak(rows, told["accepted"], peak_mb(), perf_counter() - begun)


def peak(rows: int) -> Peak:
    """Of a client in a process of its own."""
    with service("--no-headers", latency_s=LATENCY_S) as url, tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rows.csv"
        write_csv(table, rows)
        line = [sys.executable, "-m", "bench.table", str(table), url, str(Path(folder) / "runs.db")]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
    return Peak(**json.loads(done.stdout))


def measure() -> Iterator[tuple[str, float, float | None]]:
    few, many = peak(FEW), peak(ROWS)
    assert (many.rows, many.accepted) == (ROWS, 2 * ROWS), many
    yield f"{FEW:,} rows of CSV, two steps: MB at most", few.mb, None
    yield f"{ROWS:,} rows, two steps: MB at most", many.mb, MOST_MB
    yield "    s", many.wall_s, None
    yield "    KB more for each row", 1024 * (many.mb - few.mb) / (ROWS - FEW), None


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_client(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))))
