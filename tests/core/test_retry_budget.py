"""Retries are paid out of successes: a server in trouble is not asked over and over by everybody."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.budget import FULL, RetryBudget
from fanfold.spec.errors import Code

RETRIES = 4  # of one call


def test_twenty_retries_are_possible_at_the_start():
    budget = RetryBudget()
    assert [budget.take(Code.TRANSIENT) for _ in range(25)] == [True] * 20 + [False] * 5


def test_a_time_out_costs_double():
    budget = RetryBudget()
    assert budget.take(Code.TRANSIENT) and budget.left == 95
    assert budget.take(Code.TIMEOUT) and budget.left == 85


def test_twenty_retries_are_always_possible():
    for code in (Code.TIMEOUT, Code.TRANSIENT):
        budget = RetryBudget()
        assert [budget.take(code) for _ in range(22)] == [True] * 20 + [False] * 2


def test_what_cannot_be_paid_is_not_taken():
    budget = RetryBudget()
    while budget.take(Code.TIMEOUT):
        pass
    for _ in range(7):
        budget.succeeded()
    assert not budget.take(Code.TIMEOUT) and budget.left == 7
    assert budget.take(Code.TRANSIENT), "what was refused has cost nothing"


def test_five_successes_pay_for_one_retry():
    budget = RetryBudget()
    while budget.take(Code.TRANSIENT):
        pass
    for _ in range(4):
        budget.succeeded()
    assert not budget.take(Code.TRANSIENT)
    budget.succeeded()
    assert budget.take(Code.TRANSIENT) and not budget.take(Code.TRANSIENT)


def test_successes_do_not_pile_up():
    budget = RetryBudget()
    for _ in range(10_000):
        budget.succeeded()
    assert budget.left == FULL


def attempts(calls: int, fails) -> int:
    """Attempts that so many calls make, each retried up to four times while the budget allows it."""
    budget, made = RetryBudget(), 0
    for _ in range(calls):
        for attempt in range(1 + RETRIES):
            made += 1
            if not fails():
                budget.succeeded()
                break
            if attempt == RETRIES or not budget.take(Code.TRANSIENT):
                break
    return made


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 400))
def test_whatever_fails_a_call_makes_at_most_one_and_a_fifth_attempts_beyond_the_first_twenty(outcomes, calls):
    turn = iter(range(1 << 30))
    made = attempts(calls, lambda: outcomes[next(turn) % len(outcomes)])
    assert made <= 1.2 * calls + 20


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9, 1.0])
def test_in_the_long_run_amplification_is_at_most_a_fifth(share):
    rng = Random(1)
    assert attempts(5_000, lambda: rng.random() < share) / 5_000 <= 1.2


def test_few_faults_are_all_retried():
    """The budget is for storms: what a lane usually suffers is none."""
    rng, lost = Random(2), []
    budget = RetryBudget()
    for _ in range(5_000):
        if rng.random() < 0.1:
            lost.append(not budget.take(Code.TRANSIENT))
        budget.succeeded()
    assert not any(lost)
