"""21 calls of 1.0 s over loopback HTTP: engine time, and from process start to exit. The best of three.

Also the floor on this machine in the same run: the same 21 calls by bare aiohttp and `asyncio.gather`.
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


def measure() -> Iterator[tuple[str, float, float | None]]:
    server = subprocess.Popen(
        [sys.executable, "-m", "fanfold", "sim", "--port", "0", "--latency", "1.0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
        floor = min(asyncio.run(bare(url)) for _ in range(RUNS))
        walls, processes = zip(*(mealplan(url) for _ in range(RUNS)), strict=True)
        yield "bare aiohttp and gather, s", floor, None
        yield "fanfold mealplan --days 7, engine time, s", min(walls), 1.15
        yield "the same, from process start to exit, s", min(processes), 2.0
        yield "engine time over bare", min(walls) / floor, None
    finally:
        server.terminate()
        server.wait()


def mealplan(url: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "plan.json"
        command = [
            sys.executable,
            "-m",
            "fanfold",
            "mealplan",
            "--days",
            "7",
            "--model",
            "openai/sim",
            "--base-url",
            url,
            "--out",
            str(out),
        ]
        environ = {**os.environ, "FANFOLD_HOME": folder, "OPENAI_API_KEY": "none"}
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environ, capture_output=True)
        took = time.perf_counter() - began
        data = json.loads(out.read_text())
    names = [meal["recipe"]["name"] for day in data["plan"] for meal in day["meals"]]
    assert len(set(names)) == 21
    print(
        f"  ({data['report']['calls']} calls, {data['report']['duplicates_rejected']} duplicates, {data['report']['retries']} retries)"
    )
    return data["report"]["wall_s"], took


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
