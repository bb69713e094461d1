"""The figures of uniqueness, on fewer seeds than the benchmark's: the same plan with `unique` and without, in virtual time."""

from __future__ import annotations

from statistics import fmean

import pytest

from bench.unique import DRAWN, LARGE, NAMES, PACE, SMALL, cost, expected, exponent
from fanfold.sim.world import World


def both(cells, seeds):
    worlds = [World(seed=seed, pace=PACE, collapse=exponent()) for seed in range(seeds)]
    runs = [[cost(cells, n, world, unique=unique) for n, world in enumerate(worlds)] for unique in (False, True)]
    assert not any(each.duplicates or each.missing for each in runs[1])
    return runs


def test_ten_draws_are_as_distinct_as_was_fitted():
    assert expected(NAMES, DRAWN, exponent()) == pytest.approx(3.88, abs=0.01)


def test_twenty_one_without_a_duplicate_cost_a_fifth_of_the_time_and_a_twelfth_of_the_tokens_at_most():
    racy, ours = both(SMALL, 50)
    assert fmean(each.duplicates for each in racy) > 14
    assert fmean(b.span / a.span for a, b in zip(racy, ours, strict=True)) <= 1.20
    assert sum(each.made for each in ours) <= 1.08 * sum(each.made for each in racy)


def test_three_hundred_without_a_duplicate():
    racy, ours = both(LARGE, 1)
    assert racy[0].duplicates > 270
    assert ours[0].span <= 1.25 * racy[0].span and ours[0].made <= 1.08 * racy[0].made
