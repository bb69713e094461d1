"""A day of virtual time: 70,000 calls with faults and limits, run after run in one engine. It takes seconds, and memory stays where it is.

Every five virtual minutes a run of 125 distinct names and texts about them begins; in every third hour the weather is bad. What is held is
what Python has allocated (tracemalloc), after a collection, at the end of each virtual hour; the slope is the median of all slopes
between two hours (Theil-Sen), the first two of warm-up left out.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median
from time import perf_counter
from typing import Any

from pydantic import BaseModel

from fanfold import Engine, Limits, Plan, Step
from fanfold.spec.calls import Answer, Fault, Request, Usage
from fanfold.store.memory import MemoryStore
from fanfold.testing.virtual import VirtualClock, run

HOURS, RUNS, CELLS = 24, 12, 125  # runs in an hour, cells of each of its two steps
WARM = 2  # hours
MOST_S = 60.0
MOST_KB = 100.0  # an hour
MIXED = {3: "transient", 17: "rate_limited", 29: "malformed", 41: "hang", 53: "filtered", 61: "truncated", 71: "timeout"}
USAGE = Usage(tokens_in=40, tokens_out=60)


class Named(BaseModel):
    name: str


class Mixed:
    """Answers after half a second to four. In bad weather one call in eight goes wrong, in all ways."""

    def __init__(self) -> None:
        self.calls, self.bad = 0, False

    async def call(self, request: Request, heard: Any) -> Answer | Fault:
        number = self.calls
        self.calls += 1
        kind = MIXED.get(number % (83 if self.bad else 8300))
        await asyncio.sleep((0.5, 1.0, 1.0, 2.0, 4.0)[number % 5] if kind != "hang" else 10_000)
        if kind == "rate_limited":
            return Fault(code=kind, message="slow down", status=429, retry_after_s=2.0)
        if kind is not None and kind != "malformed":
            return Fault(code=kind, message=kind, status=503 if kind == "transient" else 0)
        text = f"text {number}" if request.schema is None else f'{{"name": "name {number - number % 97 // 96}"}}'
        return Answer(text="{" if kind is not None and request.schema is not None else text, usage=USAGE)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Soaked:
    """calls: that were made. held: bytes at the end of each virtual hour. took_s: of real time."""

    calls: int = 0
    accepted: int = 0
    took_s: float = 0.0
    held: list[int] = field(default_factory=list)

    def slope_kb(self, warm: int = WARM) -> float:
        """An hour."""
        seen = list(enumerate(self.held))[warm:]
        return median((late - soon) / (b - a) for (a, soon), (b, late) in combinations(seen, 2)) / 1000


def plan(number: int) -> Plan:
    steps = [
        Step("name", f"a name, {number} {{n}}", over="n", output=Named, unique="name"),
        Step("text", "about {name}", over="n"),
    ]
    return Plan("soak", steps, {"n": range(CELLS)})


async def _soak(soaked: Soaked, hours: int, runs: int, measured: bool) -> None:
    provider, store = Mixed(), MemoryStore()  # a run is deleted when it has been looked at: what is kept is not the engine's
    engine = Engine(
        "openai/x",
        provider=provider,
        store=store,
        clock=VirtualClock(),
        seed=1,
        limits=Limits(rpm=600, tpm=200_000),
        timeout_s=30,
    )
    loop = asyncio.get_running_loop()
    async with engine:
        for hour in range(hours):
            provider.bad = hour % 3 == 2
            for number in range(runs):
                result = await engine.run(plan(hour * runs + number))
                soaked.accepted += result.report["accepted"]
                await store.delete(result.run_id)
                await asyncio.sleep(max(0.0, (hour + (number + 1) / runs) * 3600 - loop.time()))
            if measured:
                del result
                gc.collect()
                soaked.held.append(tracemalloc.get_traced_memory()[0])
    soaked.calls = provider.calls


def soak(hours: int = HOURS, runs: int = RUNS, *, measured: bool = True) -> Soaked:
    """measured: whether memory is looked at, which takes three times as long."""
    soaked = Soaked()
    if measured:
        tracemalloc.start()
    begun = perf_counter()
    try:
        run(_soak(soaked, hours, runs, measured))
    finally:
        soaked.took_s = perf_counter() - begun
        tracemalloc.stop()
    return soaked


def measure() -> Iterator[tuple[str, float, float | None]]:
    quick = soak(measured=False)
    yield f"{HOURS} virtual hours, {quick.calls} calls: s", quick.took_s, MOST_S
    yield "    calls", quick.calls, None
    long = soak()
    yield "    MB held after the warm-up", long.held[WARM] / 1e6, None
    yield "    KB more for each virtual hour", long.slope_kb(), MOST_KB
