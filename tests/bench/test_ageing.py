"""Short cuts of the long benchmarks: hours of virtual time, thousands of cells over HTTP. Memory follows neither."""

from __future__ import annotations

import sys

import pytest

from bench import many, soak

HOURS = 10
CELLS = 5_000


def test_hours_of_runs_hold_no_more_than_the_first_ones():
    soaked = soak.soak(HOURS, 3)
    assert soaked.calls > 2 * 3 * soak.CELLS * HOURS, "every call, and those that went wrong besides"
    assert 0.9 < soaked.accepted / (2 * 3 * soak.CELLS * HOURS) <= 1, "the weather is bad, not all there is"
    assert len(soaked.held) == HOURS
    assert soaked.slope_kb(4) <= soak.MOST_KB


def test_the_slope_is_that_of_most_hours():
    leaky = soak.Soaked(held=[0, 0, *(1000 * hour for hour in range(10))])
    assert leaky.slope_kb() == pytest.approx(1.0)
    leaky.held[5] += 10**9
    assert leaky.slope_kb() == pytest.approx(1.0), "one that is odd does not count"


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is told in other units elsewhere")
def test_thousands_of_cells_over_http_in_little_memory():
    """Values are kept at hand up to a bound, which so few do not reach: hence the kilobytes for each."""
    few, more = many.peak(1_000), many.peak(CELLS)
    assert more.mb <= 150, more
    assert 1024 * (more.mb - few.mb) / (CELLS - 1_000) <= 8, (few, more)
