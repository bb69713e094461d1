from __future__ import annotations

from math import comb, exp, fsum, log, log1p
from random import Random
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.core.cover import ZERO_IN, Acceptance, Cover, enough, incomplete_beta, needed


def tail(n: int, a: float, launched: int) -> float:
    return fsum(exp(log(comb(launched, k)) + k * log(a) + (launched - k) * log1p(-a)) for k in range(n, launched + 1))


TABLE = [
    (5, 0.8, [6, 8, 9, 10]),
    (21, 0.95, [22, 24, 24, 25]),
    (21, 0.8, [26, 30, 31, 33]),
    (21, 0.6, [35, 41, 44, 48]),
    (100, 0.8, [125, 132, 135, 139]),
    (500, 0.6, [833, 864, 873, 890]),
]


@pytest.mark.parametrize(
    ("n", "a", "p", "want"), [(n, a, p, w) for n, a, row in TABLE for p, w in zip((0.5, 0.9, 0.95, 0.99), row, strict=True)]
)
def test_the_table(n, a, p, want):
    assert abs(needed(n, a, p) - want) <= (n > 300)


@given(st.integers(1, 60), st.floats(0.05, 0.999), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_needed_is_the_least_that_is_enough(n, a, p):
    found = needed(n, a, p)
    assert enough(n, a, found) == pytest.approx(tail(n, a, found), abs=1e-9)
    assert tail(n, a, found) >= p - 1e-9 and (found == n or tail(n, a, found - 1) < p + 1e-9)


@given(st.integers(301, 400), st.floats(0.3, 0.95), st.sampled_from([0.5, 0.8, 0.95]))
@settings(max_examples=40, deadline=None)
def test_the_closed_form_is_within_one(n, a, p):
    found = needed(n, a, p)
    assert tail(n, a, found + 1) >= p > tail(n, a, found - 2)


def test_needed_at_its_ends():
    assert needed(0, 0.5, 0.9) == 0 and needed(7, 1, 0.9) == 7 and needed(1, 0.5, 0.5) == 1 and needed(1, 0.5, 0.51) == 2
    for a, p in ((0, 0.5), (1.1, 0.5), (0.5, 1), (0.5, 0)):
        with pytest.raises(ValueError):
            needed(5, a, p)


@pytest.mark.parametrize(
    ("a", "b", "x", "want"),
    [(1, 1, 0.3, 0.3), (4, 1, 0.5, 0.0625), (1, 14, 0.2, 1 - 0.8**14), (2, 2, 0.25, 0.15625), (3, 2, 1, 1), (3, 2, 0, 0)],
)
def test_incomplete_beta(a, b, x, want):
    assert incomplete_beta(a, b, x) == pytest.approx(want, abs=1e-12)


def test_what_is_known_forgets():
    known = Acceptance()
    assert known.quantile(0.2) == pytest.approx(0.2**0.25, abs=1e-4)  # Beta(4, 1): x^4
    for _ in range(300):
        known.saw(1, 0)
    assert known.quantile(0.2) > 0.95 and known.accepted + known.rejected == pytest.approx(50, abs=0.5)
    for _ in range(100):
        known.saw(0, 1)
    assert known.quantile(0.2) < 0.15


def play(cover: Cover, a: float, draw: Random) -> int:
    """Answers come in any order, one by one. Returns how many launches the first wave had."""
    flying = first = cover.more()
    cover.launched(flying)
    while cover.done < cover.n and flying:
        flying -= 1
        if draw.random() < a:
            assert cover.accepted()
        else:
            cover.rejected()
        flying += (extra := cover.more())
        cover.launched(extra)
        assert cover.in_flight == flying
    return first


@pytest.mark.parametrize("a", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("n", [21, 100])
def test_exactly_n_from_about_as_many_calls_as_it_takes(a, n):
    """What is known is right: the first wave is as likely to be enough as wanted, and calls stay within 5 % of it."""
    calls, waves, once = [], [], 0
    runs = 60
    for seed in range(runs):
        draw = Random(seed)
        cover = Cover(n, known=Acceptance(a * 1e4, (1 - a) * 1e4))
        first = play(cover, a, draw)
        assert (cover.done == n and cover.more() == 0) or cover.hopeless
        if cover.done == n:
            calls.append(cover.launches)
            left = cover.in_flight
            if left:
                assert cover.accepted() is False and cover.done == n
                cover.cancelled(left - 1)
            assert cover.in_flight == 0
        waves.append(first)
    for seed in range(1500):
        draw = Random(-seed)
        once += sum(draw.random() < a for _ in range(waves[0])) >= n
    assert len(calls) >= runs * 0.93 and mean(calls) <= 1.05 * needed(n, a, 0.95)
    assert 0.95 - 0.03 <= once / 1500 <= max(0.98, tail(n, a, waves[0]) + 0.01)


@pytest.mark.parametrize(("a", "most"), [(0.3, 1.3), (0.6, 1.3), (0.95, 1.6)])
def test_exactly_n_where_nothing_is_known(a, most):
    """Caution costs calls: at first acceptance is taken as .67, so a first wave is too large where all is well."""
    calls = []
    for seed in range(40):
        cover = Cover(100)
        play(cover, a, Random(seed))
        assert cover.done == 100 or cover.hopeless
        calls += [cover.launches] if cover.done == 100 else []
    assert len(calls) >= 36 and mean(calls) <= most * needed(100, a, 0.95)


def test_hopeless_after_thirteen_or_when_it_turns_bad():
    cover = Cover(50)
    cover.launched(cover.more())
    for n in range(ZERO_IN):
        assert not cover.hopeless and n == cover.ended
        cover.rejected()
    assert cover.hopeless and cover.more() == 0
    turned = Cover(500)
    turned.launched(1000)
    for _ in range(100):
        turned.accepted()
    bad = 0
    while not turned.hopeless:
        turned.rejected()
        bad += 1
    assert 60 < bad < 160


def test_what_makes_no_sense():
    for n, p in ((-1, 0.5), (1, 0), (1, 1)):
        with pytest.raises(ValueError):
            Cover(n, p)
    assert Cover(0).more() == 0
