"""Exactly a hundred over loopback HTTP, of answers of which six in ten are accepted: how many calls, and how many waves it takes.

An oracle that knew the share beforehand and sent one wave would need `needed(100, .6, .95)` calls; one that redraws one after the
other needs five or six waves.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from bench._service import PROMPT, Note, service
from fanfold import Engine, Limits, Plan, Step
from fanfold.core.cover import needed

WANTED, SHARE, LATENCY_S, RUNS = 100, 0.6, 1.0, 5
MOST_CALLS, MOST_WAVES = 1.05, 3.0


def passes(value: Any) -> str | None:
    """Six in ten, by what it says: the same answer always gets the same verdict."""
    return None if zlib.crc32(value.id.encode()) % 1000 < 1000 * SHARE else "it is not what is wanted"


def measure(runs: int = RUNS) -> Iterator[tuple[str, float, float | None]]:
    with service(latency_s=LATENCY_S) as url:
        found = [asyncio.run(once(url, seed)) for seed in range(runs)]
    ideal = needed(WANTED, SHARE, 0.95)
    yield f"calls against {ideal}, on average", fmean(calls for calls, _ in found) / ideal, MOST_CALLS
    yield f"waves of {LATENCY_S:g} s, on average", fmean(wall_s for _, wall_s in found) / LATENCY_S, MOST_WAVES


async def once(url: str, seed: int) -> tuple[int, float]:
    step = Step("note", PROMPT.replace("{n}", f"{{n}} of {seed}"), output=Note, over="n", checks=(passes,))
    limits = Limits(concurrent=256)
    async with Engine("openai/sim", base_url=url, api_key="none", store=":memory:", limits=limits, seed=seed) as engine:
        result = await engine.run(Plan("exactly", [step], {"n": {"count": WANTED}}))
    assert result.ok and len(result.values) == WANTED and all(passes(value) is None for value in result.values)
    return result.report["calls"], result.report["wall_s"]
