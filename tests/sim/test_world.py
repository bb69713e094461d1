"""The knobs, their text forms, and the numbers that come out of them."""

from __future__ import annotations

import statistics
from random import Random

import pytest

from fanfold.sim.pace import Pace
from fanfold.sim.world import FAULTS, World


def test_defaults_are_a_calm_world():
    world = World()
    assert (world.rpm, world.tpm, dict(world.faults)) == (None, None, {})


def test_text_forms():
    world = World.parse(rpm=60, tpm=None, latency="250ms", faults="429=0.05, 500=0.02", seed=7)
    assert (world.rpm, world.tpm, world.fixed_s, world.seed) == (60, None, 0.25, 7)
    assert world.faults == {"429": 0.05, "500": 0.02}
    assert World.parse(latency="1.0").fixed_s == 1.0
    assert World.parse(latency="2s").fixed_s == 2.0
    assert World.parse(latency="lognormal").pace == Pace()
    assert World.parse(latency="lognormal:4").pace == Pace(first_s=0.8, tokens_per_s=90.0)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"latency": "slow"}, "lognormal"),
        ({"latency": "-1"}, "fixed time"),
        ({"latency": "nan"}, "fixed time"),
        ({"faults": "504=0.1"}, "choose from 429, 500"),
        ({"faults": "hang"}, "name=probability"),
        ({"faults": "hang=2"}, "probability from 0 to 1"),
        ({"faults": "hang=0.6,html=0.6"}, "more than 1"),
        ({"rpm": 0}, "rpm: a number above 0"),
        ({"charge": "later"}, "reserve, actual"),
        ({"slips": 1.5}, "slips: a probability"),
        ({"repeat": -0.1}, "repeat: a probability"),
        ({"collapse": -1}, "collapse: a number from 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(knobs, said):
    with pytest.raises(ValueError, match=said):
        World.parse(**knobs)


def test_faults_come_as_often_as_said():
    world, rng = World(faults={"429": 0.05, "500": 0.02, "hang": 0.01}), Random(3)
    drawn = [world.fault(rng) for _ in range(20_000)]
    for name, probability in world.faults.items():
        assert drawn.count(name) / len(drawn) == pytest.approx(probability, rel=0.2)
    assert {*drawn} == {"", *world.faults}
    assert set(world.faults) < set(FAULTS)


def test_usual_answers_take_about_two_seconds_with_a_heavy_tail():
    world, rng = World(), Random(4)
    timings = [world.times(rng).of(300) for _ in range(20_000)]
    totals = sorted(timing.first_s + timing.rest_s for timing in timings)
    assert statistics.median(totals) == pytest.approx(2.1, abs=0.2)
    assert totals[int(0.995 * len(totals))] > 3 * statistics.median(totals)
    assert statistics.median(timing.first_s for timing in timings) == pytest.approx(0.4, abs=0.05)
    assert world.times(Random(1)).of(30).rest_s < world.times(Random(1)).of(300).rest_s


def test_a_fixed_latency_is_exact():
    timing = World(fixed_s=1.0).times(Random(1)).of(5000)
    assert timing.first_s + timing.rest_s == 1.0
    assert 0 < timing.first_s < 0.5
