"""What the notes that this began with promise of meal plans: a week at least 14 times faster than one call at a time.

For real over loopback HTTP, with a model that answers in 0.8 s and makes no mistakes: a plan then takes two waits at the most. And in virtual
time with a model that takes ten seconds, as theirs did; last with one that slips and repeats itself, whose answers have to be drawn again:
that is what calls one after the other cost it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from bench._service import service
from fanfold import Engine
from fanfold.apps.mealplan import plan as mealplan
from fanfold.apps.mealplan.params import Params
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.testing.virtual import VirtualClock, run

PROMISED = {1: 3.0, 3: 7.5, 5: 10.7, 7: 14.0}
"""Days -> times faster. Of one day of three meals, more than three times cannot be."""
LATENCY_S, THEIRS_S = 0.8, 10.0
SEEDS = 7


@dataclass(frozen=True)
class Pair:
    """Seconds, one call at a time and in parallel; calls of the parallel run."""

    sequential_s: float
    parallel_s: float
    calls: int

    @property
    def share(self) -> float:
        """Of the sequential time."""
        return self.parallel_s / self.sequential_s


async def _both(days: int, **options: Any) -> Pair:
    """Each way in an engine of its own, so that nothing is learned from the other."""
    reports = []
    plan = mealplan(Params(days=days))
    for asked in (replace(plan, concurrent=1), plan):
        async with Engine(store=":memory:", **options) as engine:
            result = await engine.run(asked)
        assert result.ok, result
        reports.append(result.report)
    sequential, parallel = reports
    return Pair(sequential["wall_s"], parallel["wall_s"], parallel["calls"])


def over_http(days: int = 7, latency_s: float = LATENCY_S) -> Pair:
    with service(latency_s=latency_s) as url:
        return asyncio.run(_both(days, model="openai/sim", base_url=url, api_key="none", seed=1))


def in_virtual_time(days: int, seed: int, **habits: float) -> Pair:
    """With a model that takes as long as theirs."""

    async def main() -> Pair:
        provider = SimProvider(World.parse(latency=str(THEIRS_S), seed=seed, **habits))
        return await _both(days, model="sim/default", provider=provider, clock=VirtualClock(), seed=seed)

    return run(main())


def measure() -> Iterator[tuple[str, float, float | None]]:
    real = over_http()
    yield f"7 days over HTTP, {real.calls} calls: share of the sequential {real.sequential_s:.1f} s", real.share, 1 / PROMISED[7]
    for days, times in PROMISED.items():
        found = in_virtual_time(days, 1, slips=0.0, collapse=0.0)
        yield (
            f"days: {days}, {THEIRS_S:g} s a call: share of the sequential {found.sequential_s:.0f} s",
            found.share,
            1 / times + 1e-3,
        )
    usual = [in_virtual_time(7, seed) for seed in range(SEEDS)]
    yield (
        f"7 days, a model that slips, median of {SEEDS} seeds: share of the sequential time",
        median(pair.share for pair in usual),
        None,
    )
