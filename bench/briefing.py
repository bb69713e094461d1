"""`fanfold briefing` against the same calls one at a time, in virtual time on the simulated provider: at least two fifths less.

Briefing and plays run at once, procurement and annex after them; so what is saved is the shorter of the two texts, and no more. It is two
fifths where the texts are long and the JSON is short, as the prompts ask: time by the length of an answer, 0.4 s and 180 tokens a second.
How much it is elsewhere is shown without a target: where calls take 7, 7, 5 and 6 s whatever they say, where all take as long, and where
the provider's speed varies by a quarter from call to call, with a slow tail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from statistics import median

from fanfold import Engine, Limits
from fanfold.apps.briefing import APP
from fanfold.apps.briefing.params import Params
from fanfold.sim.pace import Pace
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.spec.calls import Answer, Chunk, Fault, Request
from fanfold.testing.virtual import VirtualClock, run

SEEDS = 25
STEADY = Pace(first_sigma=0.2, rate_sigma=0.1, tail=0.0)
FIXED = {"briefing": 7.0, "plays": 7.0, "procurement": 5.0, "annex": 6.0}
STRUCTURE = ("briefing", "plays", "procurement", "annex", "evidence", "latency")


class Taking:
    """The simulated provider, each stage taking its own time. seconds: stage -> how long."""

    def __init__(self, world: World, seconds: dict[str, float]) -> None:
        self._inner, self._seconds = SimProvider(world), seconds

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        prompt = request.messages[-1].content
        stage = next((stage for stage in self._seconds if prompt.startswith(f"Write the {stage}")), None)
        if stage is not None:
            await asyncio.sleep(self._seconds[stage])
        return await self._inner.call(request, heard)

    async def close(self) -> None:
        await self._inner.close()


def measure() -> Iterator[tuple[str, float, float | None]]:
    steady = [over(World(seed=seed, pace=STEADY, slips=0.0)) for seed in range(SEEDS)]
    yield f"time over one call at a time, by length, median of {SEEDS}", median(steady), 0.60
    yield f"the same, worst of {SEEDS}", max(steady), None
    yield "the same, calls of 7, 7, 5 and 6 s", over(World.parse(latency="0.001", slips=0.0), FIXED), None
    yield "the same, all calls of one length", over(World.parse(latency="1", slips=0.0)), None
    varied = [over(World(seed=seed)) for seed in range(SEEDS)]
    yield f"the same, varied speed, a slow tail and slips, median of {SEEDS}", median(varied), None
    shapes = {shape(World(seed=seed, pace=STEADY)) for seed in range(SEEDS)}
    yield f"structures of {SEEDS} results", len(shapes), 1


def over(world: World, seconds: dict[str, float] | None = None) -> float:
    """Time of a run over that of the same run one call at a time."""
    return taken(world, seconds, None)[0] / taken(world, seconds, Limits(concurrent=1))[0]


def taken(world: World, seconds: dict[str, float] | None, limits: Limits | None) -> tuple[float, dict[str, object]]:
    """Seconds, and the content of the result, all of which is there."""
    params = Params(example=True)

    async def main() -> tuple[float, dict[str, object]]:
        provider = Taking(world, seconds or {})
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock(), seed=world.seed, limits=limits) as engine:
            result = await engine.start(APP.plan(params)).result()
            assert result.ok, result.errors
            return asyncio.get_running_loop().time(), APP.content(params, result)

    return run(main())


def shape(world: World) -> str:
    """What kinds of things a result has where."""
    content = taken(world, None, None)[1]
    return repr({name: _kinds(content[name]) for name in STRUCTURE})


def _kinds(value: object) -> object:
    if isinstance(value, dict):
        return {name: _kinds(part) for name, part in value.items()}
    return [_kinds(value[0])] if isinstance(value, list) and value else type(value).__name__
