"""What it costs that no two answers are alike, beside the same plan without `unique`, on a model whose ten draws are 3.88 distinct.

Whole runs in virtual time on the simulated provider, the same world for both: names by Zipf's law over 2,000, the exponent fitted to what
ten draws of one prompt give (NoveltyBench: gpt-4o 3.88); answers of about 580 tokens at 65 a second; an avoid-list is kept to
nineteen times in twenty, and those who do keep to it collapse as before, on what is left. And a hundred over loopback HTTP, of a model of which
three answers in ten are one of its favourites, whatever it is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median

from pydantic import BaseModel

from bench._service import PROMPT, Note, service
from fanfold import Engine, Limits, Plan, Step
from fanfold.sim.pace import Pace
from fanfold.sim.pen import Pen, skewed
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.testing.virtual import VirtualClock, run

NAMES, DRAWN, DISTINCT = 2_000, 10, 3.88
BODY = "One thing leads to another, and so it goes on for a while. " * 38
SEEDS, FEW = 100, 10
SMALL, LARGE = 21, 300
WANTED, AT_ONCE, REPEAT, MOST_CALLS, RUNS = 100, 16, 0.3, 160, 5
PACE = Pace(first_s=0.6, tokens_per_s=65.0, tail=0.0)


class Dish(BaseModel):
    name: str
    text: str


@dataclass(frozen=True)
class Cost:
    """Of one run. span: seconds. made: tokens that the model made, those of cancelled answers too."""

    span: float
    made: int
    calls: int
    duplicates: int
    missing: int


@cache
def exponent(names: int = NAMES, drawn: int = DRAWN, distinct: float = DISTINCT) -> float:
    """Of Zipf's law, for a model so many draws of which are so many names, on average."""
    low, high = 0.01, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(names, drawn, middle) > distinct else (low, middle)
    return low


def expected(names: int, drawn: int, collapse: float, steps: int = 20_000) -> float:
    """Distinct names of so many draws: by how often each is the answer, looked up at many even places."""
    often = [0] * names
    for n in range(steps):
        often[skewed((n + 0.5) / steps, names, collapse)] += 1
    return sum(1 - (1 - count / steps) ** drawn for count in often)


def dish(pen: Pen) -> dict[str, str]:
    return {"name": pen.pick(NAMES, lambda rank: f"Dish number {rank}"), "text": BODY}


def cost(cells: int, seed: int, world: World, *, unique: bool, over: Sequence[int] | dict[str, int] | None = None) -> Cost:
    step = Step("dish", "Invent a dish for dinner.", output=Dish, over="n", unique="name" if unique else None, attempts=10)
    plan = Plan("dishes", [step], {"n": over or range(cells)})

    async def main() -> Cost:
        provider = SimProvider(world, contents={"Dish": dish})
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), seed=seed) as engine:
            result = await engine.run(plan)
        names = [value.name for value in result.values]
        made = provider.stats.tokens_out
        report = result.report
        return Cost(report["wall_s"], made, report["calls"], len(names) - len(set(names)), cells - len(names))

    return run(main())


def measure() -> Iterator[tuple[str, float, float | None]]:
    collapse = exponent()
    yield f"exponent fitted to {DISTINCT} of {DRAWN}", collapse, None
    for cells, seeds, most in ((SMALL, SEEDS, 1.2), (LARGE, FEW, 1.25)):
        worlds = [World(seed=seed, pace=PACE, collapse=collapse) for seed in range(seeds)]
        racy = [cost(cells, n, world, unique=False) for n, world in enumerate(worlds)]
        ours = [cost(cells, n, world, unique=True) for n, world in enumerate(worlds)]
        spans = [a.span / b.span for a, b in zip(ours, racy, strict=True)]
        yield f"{cells} without unique: duplicates, mean", fmean(each.duplicates for each in racy), None
        yield f"{cells} without unique: s, mean", fmean(each.span for each in racy), None
        yield f"{cells} unique: duplicates, in all", sum(each.duplicates for each in ours), 0
        yield f"{cells} unique: missing, in all", sum(each.missing for each in ours), 0
        yield f"{cells} unique: s, mean", fmean(each.span for each in ours), None
        yield f"{cells} unique: s over those without, mean", fmean(spans), most
        yield f"{cells} unique: s over those without, median", median(spans), most
        yield f"{cells} unique: calls a cell", fmean(each.calls for each in ours) / cells, None
        made = sum(each.made for each in ours) / sum(each.made for each in racy)
        yield f"{cells} unique: output tokens over those without", made, 1.08
    for over, asked in (("counted", {"count": WANTED}), ("listed", range(WANTED))):
        calls = [through_http(n, asked) for n in range(RUNS)]
        yield f"{WANTED} {over}, {AT_ONCE} at once, 30 % repeats, over HTTP: calls, mean", fmean(calls), MOST_CALLS
        yield f"{WANTED} {over}: calls, most of {RUNS}", max(calls), None


def through_http(seed: int, over: range | dict[str, int]) -> int:
    """Calls that were made. Exactly as many as were asked for are there, and no two are alike."""
    with service("--repeat", str(REPEAT), "--seed", str(seed), latency_s=0.2) as url:
        return asyncio.run(_through_http(url, seed, over))


async def _through_http(url: str, seed: int, over: range | dict[str, int]) -> int:
    step = Step("note", PROMPT, output=Note, over="n", unique="title", attempts=10)
    limits = Limits(concurrent=AT_ONCE)
    async with Engine("openai/sim", base_url=url, api_key="none", store=":memory:", limits=limits, seed=seed) as engine:
        result = await engine.run(Plan("hundred", [step], {"n": over}))
    assert result.ok and len({value.title for value in result.values}) == len(result.values) == WANTED, result.shortfall
    return int(result.report["calls"])
