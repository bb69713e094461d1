"""The slow tail and the usual troubles, over loopback HTTP: they are to cost neither the span nor the bill.

A tail: two calls in a hundred take ten times as long. Its span is over that of the same work without it, its cost what is called besides.
Trouble: 400 calls, of which 5 % get 500, 3 % 503, 2 % a reset, 2 % hang, and 2 % answer what does not parse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from statistics import mean

from bench._service import PROMPT, Note, service
from fanfold import Engine, Plan, Step

LATENCY_S, CALLS, SEEDS = 0.5, 400, 3
TROUBLE = "500=0.05,503=0.03,reset=0.02,hang=0.02,malformed=0.02"


def measure() -> Iterator[tuple[str, float, float | None]]:
    for calls, concurrent in ((CALLS, 64), (100, None)):
        spans, extra = [], []
        for seed in range(SEEDS):
            usual, _ = asked(str(LATENCY_S), seed, calls, concurrent)
            span, made = asked(f"{LATENCY_S},2%x10", seed, calls, concurrent)
            spans.append(span / usual)
            extra.append(made / calls - 1)
        yield f"tail, {calls} calls: span over that without it, worst of {SEEDS}", max(spans), 1.25
        yield f"tail, {calls} calls: calls besides, mean", mean(extra), 0.06
    for seed in range(SEEDS):
        span, _ = asked(str(LATENCY_S), seed, CALLS, None, "--faults", TROUBLE)
        yield f"trouble, {CALLS} calls, seed {seed}: s", span, 5.0


def asked(latency: str, seed: int, calls: int, concurrent: int | None, *options: str) -> tuple[float, int]:
    """Seconds, and calls made. Everything is delivered, and is what was asked for."""
    with service("--seed", str(seed), *options, latency_s=latency) as url:
        return asyncio.run(_through(url, calls, concurrent, seed))


async def _through(url: str, calls: int, concurrent: int | None, seed: int) -> tuple[float, int]:
    plan = Plan("notes", [Step("note", PROMPT, output=Note, over="n")], {"n": range(calls)}, concurrent=concurrent)
    async with Engine("openai/sim", base_url=url, api_key="none", store=":memory:", seed=seed) as engine:
        result = await engine.run(plan)
    assert len(result.values) == calls and all(isinstance(value, Note) for value in result.values), result.errors[:3]
    return result.report["wall_s"], result.report["calls"]
