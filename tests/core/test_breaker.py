"""A lane that only fails is left alone, for longer each time, and tried with one call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.breaker import IN_A_ROW, LAST, LONGEST, MANY, PAUSE, SECOND, SPAN, Breaker


def opened(draw: float = 0.0) -> tuple[Breaker, int]:
    """An open breaker, and the moment at which it opened."""
    breaker, now = Breaker(), 0
    while breaker.closed:
        breaker.failed(now, now, draw)
        now += SPAN // 4
    return breaker, now - SPAN // 4


def tried(breaker: Breaker) -> int:
    """The moment at which a trial was sent: as soon as the pause is over."""
    assert breaker.until is not None
    breaker.tried()
    return breaker.until


def test_faults_in_a_row_open_it_and_not_one_fewer():
    breaker = Breaker()
    said = [breaker.failed(i * SPAN, i * SPAN, 0.0) for i in range(IN_A_ROW)]
    assert said == [False] * (IN_A_ROW - 1) + [True] and not breaker.closed


def test_one_success_between_starts_the_count_again():
    breaker = Breaker()
    for i in range(10 * IN_A_ROW):
        assert not breaker.failed(i * SPAN, i * SPAN, 0.0)
        if i % (IN_A_ROW - 1) == IN_A_ROW - 2:
            assert not breaker.succeeded(), "it was not open"
    assert breaker.closed


def test_one_bad_moment_of_many_calls_is_no_outage_unless_there_are_very_many():
    breaker = Breaker()
    said = [breaker.failed(0, 1000 + i, 0.0) for i in range(MANY)]
    assert said == [False] * (MANY - 1) + [True]


@given(st.floats(0, 1, exclude_max=True))
def test_the_pause_is_at_least_half_and_at_most_whole(draw):
    breaker, at = opened(draw)
    assert PAUSE // 2 <= breaker.until - at <= PAUSE


def test_nothing_passes_while_it_is_open_and_one_call_after_it():
    breaker, _ = opened()
    assert breaker.open_at(breaker.until - 1) > breaker.until - 1
    assert breaker.open_at(breaker.until) == breaker.until
    sent = tried(breaker)
    assert breaker.open_at(sent) > sent and breaker.open_at(sent + 100 * LONGEST) > sent + 100 * LONGEST, (
        "one trial, however long it takes"
    )


def test_a_trial_that_ends_well_closes_it():
    breaker, _ = opened()
    tried(breaker)
    assert breaker.succeeded() and breaker.closed and breaker.open_at(0) == 0
    assert not breaker.failed(1, 2, 0.0), "and the count begins again"


def test_a_trial_that_fails_opens_it_for_longer_up_to_an_end():
    breaker, _ = opened()
    pauses = []
    for _ in range(8):
        sent = tried(breaker)
        assert breaker.failed(sent, sent + SECOND, 0.999_999)
        pauses.append(breaker.until - sent - SECOND)
    assert pauses == sorted(pauses) and pauses[0] > PAUSE
    assert LONGEST - SECOND <= pauses[-1] <= LONGEST


def test_what_was_sent_before_the_pause_says_nothing():
    breaker, at = opened()
    until = breaker.until
    assert not breaker.failed(at - 10, at + 10, 0.5) and breaker.until == until, "it does not lengthen the pause"
    sent = tried(breaker)
    assert not breaker.failed(at - 10, sent + 5, 0.5), "nor is it the trial"
    assert breaker.trial and breaker.open_at(sent + 5) > sent + 5


def test_a_trial_that_was_cancelled_makes_room_for_another():
    breaker, _ = opened()
    sent = tried(breaker)
    breaker.gave_up()
    assert breaker.open_at(sent + 1) == sent + 1
    assert not breaker.failed(sent, sent + 2, 0.5) and breaker.until == sent, "and what it says later is no verdict"


def test_a_success_from_before_the_pause_closes_it():
    breaker, _ = opened()
    assert breaker.succeeded() and breaker.open_at(0) == 0


def test_it_is_hopeless_after_some_pauses_and_no_longer_after_a_success():
    breaker, _ = opened()
    trials = 0
    while not breaker.hopeless:
        sent = tried(breaker)
        breaker.failed(sent, sent + 1, 0.0)
        trials += 1
    assert trials == LAST
    breaker.succeeded()
    assert not breaker.hopeless


@pytest.mark.parametrize("down", [3, 20, 60])
def test_a_server_that_comes_back_is_found_soon_and_asked_little_meanwhile(down):
    """A call every 100 ms wants out; the server fails at once until it is back."""
    breaker, asked, back, now = Breaker(), 0, down * SECOND, 0
    found = None
    while found is None:
        now += SECOND // 10
        if breaker.open_at(now) == now:
            breaker.tried()
            asked += 1
            if now < back:
                breaker.failed(now, now, 0.5)
            else:
                breaker.succeeded()
                found = now
    assert found - back <= LONGEST
    assert asked <= 2 * IN_A_ROW + 12 + down // 5, "not ten a second"
