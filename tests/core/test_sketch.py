"""Quantiles are right within two per cent, in bounded memory, and follow what is new."""

from __future__ import annotations

from math import ceil
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.sketch import ERROR, FADE_AT, REUSE, Sketch

QUANTILES = (0.01, 0.25, 0.5, 0.95, 0.99, 1.0)


def sketch(values) -> Sketch:
    out = Sketch()
    for value in values:
        out.add(value)
    return out


def exact(values, q: float) -> int:
    return sorted(values)[max(1, ceil(q * len(values))) - 1]


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=300), st.sampled_from(QUANTILES))
def test_a_quantile_is_off_by_at_most_its_error(values, q):
    true = exact(values, q)
    assert abs(sketch(values).quantile(q) - true) <= ERROR * true + 0.5, "half a microsecond is rounding"


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=100))
def test_quantiles_grow_with_their_share(values):
    found = [sketch(values).quantile(q) for q in QUANTILES]
    assert found == sorted(found)


@given(st.lists(st.integers(1, 10**9), max_size=200), st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert [sketch(values).quantile(q) for q in QUANTILES] == [sketch(shuffled).quantile(q) for q in QUANTILES]


def test_without_observations_there_is_no_quantile():
    assert Sketch().quantile(0.5) is None


def test_what_takes_no_time_at_all_is_counted_too():
    assert sketch([0, 0, 0]).quantile(0.5) == 1


def test_a_quantile_is_never_older_than_a_few_observations():
    times = sketch([1000] * 100)
    assert abs(times.quantile(1.0) - 1000) <= 20
    for _ in range(REUSE):
        times.add(9000)
    assert abs(times.quantile(1.0) - 9000) <= 180


def test_memory_is_bounded_by_the_range_and_not_by_the_number():
    rng = Random(1)
    times = sketch(rng.randint(1, 10 ** rng.randint(1, 10)) for _ in range(50_000))  # 1 µs to three hours
    assert len(times._buckets) <= 600 and times.count < FADE_AT


def test_old_observations_fade():
    times = sketch([1_000_000] * 20_000)
    for _ in range(2 * FADE_AT):
        times.add(10_000_000)
    assert abs(times.quantile(0.5) - 10_000_000) <= 200_000


def test_the_tail_outlives_the_fading():
    """Halving drops what was seen once in a bucket: the far quantiles must hold all the same."""
    rng = Random(2)
    times, all_of_them = Sketch(), []
    for _ in range(10 * FADE_AT):
        value = int(rng.lognormvariate(13.2, 0.45) * (10 if rng.random() < 0.03 else 1))
        all_of_them.append(value)
        times.add(value)
    for q, within in ((0.5, 0.05), (0.95, 0.10), (0.99, 0.25)):
        true = exact(all_of_them, q)
        assert abs(times.quantile(q) - true) <= within * true, q
