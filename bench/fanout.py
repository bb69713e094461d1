"""21 calls of 1.0 s over loopback HTTP: engine time, and from process start to exit. The best of three.

The floor on this machine in the same run: the same 21 calls by bare aiohttp and `asyncio.gather`. And, without a target, a real week
of recipes from a model that repeats itself and makes mistakes: what is drawn again takes another call's time.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUNS = 3
PLAN = """
name: week
axes: {day: 1..7, meal: [breakfast, lunch, dinner]}
steps:
  dish:
    over: [day, meal]
    prompt: "A {meal} for day {day}."
    output: {name: str, minutes: int, steps: list[str]}
"""


def measure() -> Iterator[tuple[str, float, float | None]]:
    server = subprocess.Popen(
        [sys.executable, "-m", "fanfold", "sim", "--port", "0", "--latency", "1.0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "week.yaml").write_text(PLAN)
            floor = min(asyncio.run(bare(url)) for _ in range(RUNS))
            walls, processes = zip(*(run(url, folder, "run", "week.yaml") for _ in range(RUNS)), strict=True)
            yield "bare aiohttp and gather, s", floor, None
            yield "fanfold run, 21 cells, engine time, s", min(walls), 1.15
            yield "the same, from process start to exit, s", min(processes), 2.0
            yield "engine time over bare", min(walls) / floor, None
            wall, process = run(url, folder, "mealplan", "--days", "7")
            yield "fanfold mealplan --days 7, with what is drawn again, engine time, s", wall, None
            yield "the same, from process start to exit, s", process, None
    finally:
        server.terminate()
        server.wait()


def run(url: str, folder: str, *command: str) -> tuple[float, float]:
    """(engine time, time of the process), in seconds."""
    out = Path(folder) / "out.json"
    line = [sys.executable, "-m", "fanfold", *command, "--model", "openai/sim", "--base-url", url, "--out", str(out)]
    environ = {**os.environ, "FANFOLD_HOME": folder, "OPENAI_API_KEY": "none"}
    began = time.perf_counter()
    subprocess.run(line, check=True, env=environ, cwd=folder, capture_output=True)
    took = time.perf_counter() - began
    report = json.loads(out.read_text())["report"]
    assert report["failed"] == 0 and report["calls"] >= 21
    return report["wall_s"], took


async def bare(url: str) -> float:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def call(n: int) -> None:
            body = {"model": "sim", "messages": [{"role": "user", "content": f"A word for {n}"}]}
            async with session.post(f"{url}/chat/completions", json=body) as answer:
                await answer.json()

        began = time.perf_counter()
        await asyncio.gather(*(call(n) for n in range(21)))
        return time.perf_counter() - began
