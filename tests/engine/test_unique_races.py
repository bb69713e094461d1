"""Names drawn by many calls at once: what a lost race costs, when more is hopeless, and what early and late commits pay.

The simulated provider in virtual time: every figure is a function of its seed.
"""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from fanfold import Engine, Limits, Plan, Step, Unique
from fanfold.core.fates import RACES
from fanfold.sim.pace import Pace
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.testing.virtual import VirtualClock, run

TEXT = "One thing leads to another, and so it goes on for a while. " * 38
WHOLE = 575  # tokens of an answer, about
PACE = Pace(first_s=0.6, tokens_per_s=65.0, tail=0.0)


class Dish(BaseModel):
    name: str
    text: str


def dishes(over, *, names=2_000, seed=0, collapse=2.3, obeys=1.0, streamed=True, concurrent=None, attempts=5):
    """A run: (result, tokens that the model made). streamed: the name is known before the answer is whole."""

    def written(pen):
        return {"name": pen.choose([f"Dish number {n}" for n in range(names)]), "text": TEXT}

    provider = SimProvider(World(seed=seed, pace=PACE, collapse=collapse, obeys=obeys), contents={"Dish": written})
    unique = Unique("name") if streamed else Unique(by=None, key=lambda dish: dish.name)
    step = Step("dish", "Invent a dish.", output=Dish, over="n", unique=unique, attempts=attempts)

    async def main():
        limits = Limits(concurrent=concurrent)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), limits=limits, seed=seed) as engine:
            return await engine.run(Plan("dishes", [step], {"n": over}))

    result = run(main())
    found = [dish.name for dish in result.values]
    assert len(set(found)) == len(found)
    return result, provider.stats.tokens_out


def test_a_race_that_was_lost_while_the_name_streamed_is_no_attempt():
    for seed in range(5):  # in some, a twin of a late call streams another name than the call itself
        result, _ = dishes(range(21), seed=seed, attempts=1)
        assert result.ok and result.report["duplicates_rejected"] > 21, "with one attempt each, and all told obey"


def test_races_end():
    """All give the first name that is free: of so many at once one wins each time, and nobody could have told the others."""
    result, _ = dishes(range(40), collapse=60.0, concurrent=40, attempts=1)
    assert RACES <= len(result.values) < 40
    assert result.report["calls"] <= 40 * (RACES + 1)
    assert {error.code for error in result.errors} == {"duplicate"}


def test_a_name_that_it_was_told_of_costs_an_attempt():
    result, made = dishes(range(6), names=1, attempts=3)
    assert len(result.values) == 1
    assert result.report["calls"] <= 1 + 5 * (1 + 3), "a race, and three answers each"
    assert {error.attempts for error in result.errors} == {3}
    assert made < 2 * WHOLE


@pytest.mark.parametrize("collapse", [0.0, 2.3])
@pytest.mark.parametrize("over", [{"count": 21}, range(21), {"count": 100}], ids=["counted", "listed", "many"])
def test_of_twelve_names_twelve_are_found_and_it_says_that_the_rest_is_short(over, collapse):
    asked = len(over) if isinstance(over, range) else over["count"]
    for seed in range(4):
        for attempts in (5, 10):
            result, made = dishes(over, names=12, collapse=collapse, obeys=0.95, seed=seed, attempts=attempts)
            assert len(result.values) == 12 and result.exit_code == 3
            short = result.shortfall["dish"]
            assert (short["asked"], short["accepted"], short["code"]) == (asked, 12, "duplicate")
            assert short["message"].startswith(f"{asked - 12} of {asked} are short: ")
            assert "duplicates of what was there; ask for fewer, vary the prompt or add facets" in short["message"]
            assert made < 19 * WHOLE, "what is a duplicate is cut off at its name"
            assert result.report["calls"] <= 20 * asked and result.report["wall_s"] < 30


def test_a_duplicate_is_cut_off_at_its_name_and_without_streaming_it_costs_an_answer():
    early, cheap = dishes(range(21), seed=1, attempts=10)
    late, dear = dishes(range(21), seed=1, attempts=40, streamed=False)
    assert len(early.values) == len(late.values) == 21
    assert early.report["duplicates_rejected"] >= 15 and late.report["duplicates_rejected"] >= 15
    assert cheap - 21 * WHOLE < 0.05 * WHOLE * early.report["duplicates_rejected"]
    assert dear >= 0.97 * WHOLE * (21 + late.report["duplicates_rejected"])
    assert late.report["wall_s"] > 2 * early.report["wall_s"]
