"""A hundred reviews, ten at a time against one at a time (virtual time); and 2,000 over loopback HTTP from a model that repeats itself.

Of the hundred: calls of a fixed 6 s, and of times as they are, with what is refused drawn again. Of the 2,000: exactly so many, all
distinct, in the ratings that were asked for; the time and the memory of the whole program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench._service import service
from fanfold import Engine, Limits
from fanfold.apps.reviews import plan
from fanfold.apps.reviews.params import Params
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.testing.virtual import VirtualClock
from fanfold.testing.virtual import run as run_virtual

HUNDRED, AT_ONCE, MANY = 100, 10, 2_000
FASTER = 8  # times, at least


def measure() -> Iterator[tuple[str, float, float | None]]:
    for name, world in (("calls of 6 s", {"fixed_s": 6.0}), ("times as they are", {})):
        one, ten = (virtual(concurrent, world) for concurrent in (1, AT_ONCE))
        yield f"{HUNDRED} reviews one at a time, {name}, s", one, None
        yield f"{AT_ONCE} at a time, s", ten, None
        yield f"part of the time (at least {FASTER} times faster)", ten / one, 1 / FASTER
    with service("--collapse", "2", "--slips", "0.05", latency_s=0.5) as url:
        wall_s, peak_mb, calls = many(url)
    yield f"{MANY:,} over HTTP with mode collapse, from process start to exit, s", wall_s, None
    yield "calls for each review", calls / MANY, 2.0
    yield "memory of the program at its peak, MB", peak_mb, 200.0


def virtual(concurrent: int, world: dict[str, float]) -> float:
    """Seconds of virtual time."""

    async def main() -> float:
        provider = SimProvider(World(seed=1, **world))
        limits = Limits(concurrent=concurrent)
        async with Engine(
            "sim/default", provider=provider, store=":memory:", clock=VirtualClock(), limits=limits, seed=1
        ) as engine:
            result = await engine.run(plan(Params(num_samples=HUNDRED)))
        assert result.ok and len({review.text for review in result.values}) == HUNDRED
        return float(result.report["wall_s"])

    return run_virtual(main())


def many(url: str) -> tuple[float, float, int]:
    """(seconds, MB, calls) of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        line = [
            sys.executable,
            "-m",
            "fanfold",
            "reviews",
            "--num-samples",
            str(MANY),
            "--model",
            "openai/sim",
            "--base-url",
            url,
            "--out",
            str(out),
            "-q",
        ]
        began = time.perf_counter()
        process = subprocess.Popen(line, env={**os.environ, "FANFOLD_HOME": folder, "OPENAI_API_KEY": "none"}, cwd=folder)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - began
        data = json.loads(out.read_text())
    assert process.returncode == 0 and len({review["text"] for review in data["reviews"]}) == MANY
    assert Counter(review["rating"] for review in data["reviews"]) == {5: 800, 4: 600, 3: 300, 2: 200, 1: 100}
    return took, used.ru_maxrss / (1 << 10 if sys.platform != "darwin" else 1 << 20), data["report"]["calls"]
