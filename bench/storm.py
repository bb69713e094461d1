"""Limits over loopback HTTP: how long against the ideal, and how many answers of 429, whatever the user and the server say of them.

60 calls of 0.5 s through 5 requests a second with a burst of 5: the ideal is 11.5 s. And 2,400 calls through 1,200 a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from bench._service import service
from fanfold import Engine, Limits, Plan, Step

SECRET = ("--no-headers", "--hint", "s")


@dataclass(frozen=True)
class Storm:
    """bucket_s: seconds of refill the server's bucket holds. ideal_s, most_s: how long it takes at best, and may. most_429: refusals."""

    name: str
    calls: int
    rpm: int
    bucket_s: float
    latency_s: float
    ideal_s: float
    most_s: float
    most_429: int
    secret: bool = False
    limits: Limits | None = None


STORMS = (
    Storm("5/s, unknown", 60, 300, 1, 0.5, 11.5, 12.0, 10, secret=True),
    Storm("5/s, told", 60, 300, 1, 0.5, 11.5, 1.05 * 11.5, 3),
    Storm("5/s, declared", 60, 300, 1, 0.5, 11.5, 1.05 * 11.5, 2, secret=True, limits=Limits(rpm=300)),
    Storm("20/s, declared", 2400, 1200, 1, 0.5, 119.5, 1.05 * 119.5, 40, secret=True, limits=Limits(rpm=1200)),
    Storm("20/s, told", 2400, 1200, 1, 0.5, 119.5, 1.05 * 119.5, 40),
    Storm("1,200/min, told", 2400, 1200, 60, 0.5, 60.5, 1.05 * 60.5, 40),
    Storm("1,200/min, declared", 2400, 1200, 60, 0.5, 60.5, 1.05 * 60.5, 40, secret=True, limits=Limits(rpm=1200)),
)
QUICK = STORMS[:3]


def measure(storms: tuple[Storm, ...] = STORMS) -> Iterator[tuple[str, float, float | None]]:
    for storm in storms:
        options = ["--rpm", str(storm.rpm), "--bucket", str(storm.bucket_s), *(SECRET if storm.secret else ())]
        with service(*options, latency_s=storm.latency_s) as url:
            wall_s, refused = asyncio.run(through(storm, url))
        yield f"{storm.name}: s (ideal {storm.ideal_s:g})", wall_s, storm.most_s
        yield f"{storm.name}: answers of 429", refused, storm.most_429


async def through(storm: Storm, url: str) -> tuple[float, int]:
    plan = Plan("storm", [Step("a", "Say {n}.", over="n")], {"n": range(storm.calls)})
    async with Engine("openai/sim", base_url=url, api_key="none", store=":memory:", limits=storm.limits, seed=1) as engine:
        result = await engine.run(plan)
    assert len(result.values) == storm.calls, f"{storm.name}: {len(result.values)} of {storm.calls} were delivered"
    return result.report["wall_s"], result.report["rate_limited"]
