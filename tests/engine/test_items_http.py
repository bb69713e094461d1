"""Several items in one call over real sockets: each provider's schemas, and faults of the simulated server."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Markdown, Plan, Step
from fanfold.sim.server import start
from fanfold.sim.world import World


class Step_(BaseModel):
    do: str


class Dish(BaseModel):
    title: str
    minutes: int
    steps: list[Step_]
    note: str = ""


def dinners(count: int = 20, **words) -> Plan:
    words = {"output": Dish, "unique": "title", "items_per_call": 5, **words}
    return Plan("dinners", [Step("dish", "A dish for {day} people.", over="day", **words)], {"day": range(count)})


async def served(model: str, plan: Plan, world: World, **options):
    """(result, the server's counters) of a run through a server on the loopback."""
    running = await start(world)
    try:
        url = running.url if model.startswith("openai") else running.root
        async with Engine(model, base_url=url, api_key="k", store=":memory:", seed=1, **options) as engine:
            return await engine.run(plan), running.stats
    finally:
        await running.stop()


@pytest.mark.parametrize(
    "model", ["openai/m", "anthropic/claude-sonnet-5", "anthropic/claude-3-haiku-20240307", "google/gemini-3", "sim/default"]
)
@pytest.mark.parametrize("output", [Dish, Markdown, list[str]])
async def test_through_each_provider(model, output):
    unique = "title" if output is Dish else None
    world = World.parse(latency="0.01", seed=4)
    if model == "sim/default":
        async with Engine(model, store=":memory:", seed=1) as engine:
            result, requests = await engine.run(dinners(output=output, unique=unique)), None
    else:
        result, stats = await served(model, dinners(output=output, unique=unique), world)
        requests = stats.requests
    assert result.ok and len(result.values) == 20, result.errors
    assert all(result.values) and (output is not Dish or len({dish.title for dish in result.values}) == 20)
    report = result.report
    assert requests in (None, report["calls"]) and report["calls"] == 4 + report["regenerated"]
    assert report["tokens_are"] == "exact" or output is Dish, "what was cancelled while it streamed is estimated"


@pytest.mark.parametrize("faults", ["429=0.2,500=0.1", "truncated=0.2", "malformed=0.3", "reset=0.2,empty=0.2", "filter=0.3"])
async def test_with_faults(faults):
    """What the server counts is what we count; every cell ends, and all but what is filtered alone is there."""
    world = World.parse(latency="0.01", seed=7, faults=faults)
    result, stats = await served("openai/m", dinners(40), world)
    report = result.report
    assert stats.requests == report["calls"], "admitted once is sent once"
    assert len(result.values) + len(result.errors) == 40
    ends = {"filter": "filtered", "truncated": "truncated", "malformed": "malformed", "reset": "malformed"}  # asked alone, too
    assert {error.code for error in result.errors} <= {ends.get(faults.partition("=")[0])}
    assert len({dish.title for dish in result.values}) == len(result.values) > 25


async def test_under_a_limit_of_requests():
    """So many cells through few requests: the reason to ask for several at once."""
    world = World.parse(latency="0.01", rpm=1200, seed=7)
    result, stats = await served(
        "openai/m", Plan("p", [Step("dish", "A dish.", output=Dish, over="n", items_per_call=10)], [Axis("n", count=200)]), world
    )
    assert result.ok and len(result.values) == 200 and stats.requests == result.report["calls"] < 40
