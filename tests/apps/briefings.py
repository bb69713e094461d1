"""What the tests of the briefing share: a small folder, whole runs in virtual time, and the simulated provider with something wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fanfold import Engine, Limits
from fanfold.apps.briefing import APP
from fanfold.apps.briefing.params import Params
from fanfold.sim.pace import Pace
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.spec.calls import Fault
from fanfold.testing.virtual import VirtualClock, run

STAGES = ("briefing", "plays", "procurement", "annex")
STEADY = Pace(first_sigma=0.2, rate_sigma=0.1, tail=0.0)
"""Time by the length of an answer: 0.4 s, then 180 tokens a second, give or take a tenth."""


def small(folder: Path) -> Path:
    """Two pieces, one of each tier."""
    for name, text in (
        ("primary/E1-bridge.md", "# The bridge\n\nThe bridge carries 12 tons. It was measured in May and will fail in 8 weeks."),
        ("supporting/S1-press.txt", "The town wants a new bridge. It would cost €40,000 and could be leased meanwhile."),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class Wrong:
    """The simulated provider, with faults for some stages: stage -> a function (number of its call) -> Fault, seconds to hang, or None."""

    def __init__(self, world: World, wrong=None) -> None:
        self._inner, self._wrong = SimProvider(world), wrong or {}
        self.calls: list[tuple[str, float, float]] = []  # (stage, start, end)
        self.prompts: list[str] = []

    async def call(self, request, heard):
        prompt = request.messages[-1].content
        stage = next(stage for stage in STAGES if prompt.startswith(f"Write the {stage}"))
        number = sum(each == stage for each, _, _ in self.calls)
        place = len(self.calls)
        loop = asyncio.get_running_loop()
        self.prompts.append(prompt)
        self.calls.append((stage, loop.time(), -1.0))
        wrong = self._wrong[stage](number) if stage in self._wrong else None
        try:
            if isinstance(wrong, Fault):
                return wrong
            if wrong is not None:
                await asyncio.sleep(wrong)
            return await self._inner.call(request, heard)
        finally:
            self.calls[place] = (stage, self.calls[place][1], loop.time())

    def times(self, stage: str) -> list[tuple[float, float]]:
        return [(start, end) for each, start, end in self.calls if each == stage]

    async def close(self):
        await self._inner.close()


def made(
    params: Params,
    *,
    seed: int = 1,
    wrong=None,
    sequential: bool = False,
    sinks=(),
    pace: Pace = STEADY,
    slips: float = 0.0,
    **engine,
):
    """(result, its whole JSON, the provider, seconds)."""
    provider = Wrong(World(seed=seed, pace=pace, slips=slips), wrong)

    async def main():
        limits = Limits(concurrent=1) if sequential else None
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock(), seed=seed, limits=limits, **engine) as rooms:
            result = await rooms.start(APP.plan(params), sinks=sinks).result()
            return result, asyncio.get_running_loop().time()

    result, took = run(main())
    return result, {**APP.content(params, result), **result.trailer()}, provider, took
