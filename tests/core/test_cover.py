from __future__ import annotations

from math import comb, exp, fsum, log, log1p

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.core.cover import Acceptance, enough, incomplete_beta, needed


def tail(n: int, a: float, launched: int) -> float:
    return fsum(exp(log(comb(launched, k)) + k * log(a) + (launched - k) * log1p(-a)) for k in range(n, launched + 1))


TABLE = [
    (5, 0.8, [6, 8, 9, 10]),
    (21, 0.95, [22, 24, 24, 25]),
    (21, 0.8, [26, 30, 31, 33]),
    (21, 0.6, [35, 41, 44, 48]),
    (100, 0.8, [125, 132, 135, 139]),
    (500, 0.6, [833, 864, 873, 890]),
    (2, 0.8, [2, 4, 4, 5]),  # where the closed form is one short
]


@pytest.mark.parametrize(
    ("n", "a", "p", "want"), [(n, a, p, w) for n, a, row in TABLE for p, w in zip((0.5, 0.9, 0.95, 0.99), row, strict=True)]
)
def test_the_table(n, a, p, want):
    assert abs(needed(n, a, p) - want) <= (n > 300)


@settings(deadline=None)
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
    assert enough(0, 0.5, 0) == 1 and enough(2, 0.5, 1) == 0
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


def test_millions_of_answers_are_still_weighed():
    """The fraction is cut off after so many terms; what it then gives is good to a thousandth."""
    assert incomplete_beta(1e10, 1e10, 0.5) == pytest.approx(0.5, abs=1e-3)


def test_what_is_known_forgets():
    known = Acceptance()
    assert known.below(0.5) == pytest.approx(0.5**4) and known.mean == 0.8  # Beta(4, 1): x^4
    for _ in range(300):
        known.saw(1, 0)
    assert known.below(0.95) < 0.2 and known.accepted + known.rejected == pytest.approx(50, abs=0.5)
    for _ in range(100):
        known.saw(0, 1)
    assert known.below(0.15) > 0.6
