from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from fanfold.forecast.names import LARGEST, SMALLEST, rank, repeats, space_of


def test_the_first_names_are_by_far_the_most_popular():
    rng = Random(1)
    found = Counter(rank(rng.random(), 2000) for _ in range(20_000))
    assert min(found) == 0 and max(found) < 2000
    assert found[0] > found[1] > found[3] > found[10] > found[40]
    assert found[0] / 20_000 == pytest.approx(0.0912, abs=0.01), "ln 2 / ln 2001"
    assert rank(0.0, 1) == 0 and rank(1 - 1e-12, 1) == 0 and rank(1 - 1e-12, 2000) == 1999


@pytest.mark.parametrize(("draws", "space"), [(21, 200), (21, 2000), (300, 5000)])
def test_repeats_are_those_that_are_drawn(draws, space):
    rng = Random(7)
    times = 300
    counted = sum(draws - len({rank(rng.random(), space) for _ in range(draws)}) for _ in range(times)) / times
    assert repeats(draws, space) == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize("draws", [21, 300, 10_000])
@pytest.mark.parametrize("space", [100, 3_000, 250_000])
def test_a_space_is_found_again_by_its_repeats(draws, space):
    assert space_of(draws, repeats(draws, space)) == pytest.approx(space, rel=0.02)


def test_no_repeats_is_the_largest_space_and_nothing_else_the_least():
    assert space_of(21, 0) == LARGEST and space_of(21, 21) == SMALLEST
