"""Caps: what the user said, a safety net for hosted providers, and no throttle for a small fan-out on a server of one's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.concurrency import CUT, FLOOR, Concurrency, Fixed, Hosted
from fanfold.core.knee import Knee
from tests.core.test_knee import CURVES, served, throughput

LENGTH = 400


def told(cap: Concurrency, facts) -> list[int]:
    """The caps after each fact: (what, how many)."""
    caps = []
    for now, (what, n) in enumerate(facts, start=1):
        if what == "overloaded":
            cap.overloaded(now - min(n, now), now)
        elif what == "finished":
            cap.finished(n, now)
        else:
            cap.progressed(n, now, streamed=bool(n % 2))
        caps.append(cap.cap)
    return caps


FACTS = st.lists(st.tuples(st.sampled_from(["overloaded", "finished", "progressed"]), st.integers(0, 200)), max_size=300)


@given(FACTS)
def test_a_fixed_cap_is_fixed(facts):
    assert set(told(Fixed(7), facts)) <= {7}


@given(FACTS, st.integers(1, 1000))
def test_a_hosted_cap_stays_between_its_floor_and_its_most(facts, most):
    assert all(min(FLOOR, most) <= cap <= most for cap in told(Hosted(most), facts))


@given(FACTS, st.integers(1, 8), st.integers(1, 8), st.integers(8, 1024))
def test_a_knee_stays_between_its_least_and_its_most(facts, least, start, most):
    assert all(least <= cap <= most for cap in told(Knee(max(least, start), least, most), facts))


def test_one_episode_cuts_once_however_many_calls_were_in_the_air():
    cap = Hosted(100)
    for i in range(50):
        cap.overloaded(sent=i, now=1000 + i)
    assert cap.cap == 100 * CUT
    for i in range(50):
        cap.overloaded(sent=1100 + i, now=2000 + i)
    assert cap.cap == int(100 * CUT * CUT), "what was sent after the cut is news"


def drown(cap, now):
    """Refusals in a row: that is no accident."""
    for n in range(5):
        cap.overloaded(sent=now + n, now=now + 5 + n)


@pytest.mark.parametrize("cap", [Hosted(100), Knee(100)])
def test_a_refusal_now_and_then_is_no_overload(cap):
    for now in range(1, 4000):
        if now % 30:
            cap.finished(50, now)
        else:
            cap.overloaded(sent=now - 1, now=now)
    assert cap.cap == 100


def test_it_grows_back_a_little_with_each_clean_round():
    cap = Hosted(100)
    drown(cap, 1)
    before, rounds = cap.cap, 0
    while cap.cap < 100:
        for _ in range(cap.cap):
            cap.finished(cap.cap, 3)
        assert before < cap.cap <= before * 1.05 + 2
        before, rounds = cap.cap, rounds + 1
    assert 4 <= rounds <= 8


def test_an_overload_breaks_a_round_off():
    cap = Hosted(100)
    drown(cap, 1)
    for _ in range(cap.cap - 1):
        cap.finished(cap.cap, 8)
    drown(cap, 20)
    low = cap.cap
    cap.finished(low, 6)
    assert cap.cap == low == 49


def test_a_small_cap_comes_back_too():
    cap = Hosted(8)
    for i in range(10):
        drown(cap, 10 * i + 5)
    assert cap.cap == FLOOR
    for _ in range(100):
        cap.finished(cap.cap, 1000)
    assert cap.cap == 8


def makespan(cap: int, curve: dict[int, int], calls: int) -> float:
    """Seconds for equal answers from a server that shares itself."""
    now, air, waiting = 0.0, [], calls
    while air or waiting:
        new = min(cap - len(air), waiting)
        air, waiting = air + [float(LENGTH)] * new, waiting - new
        rate = throughput(curve, len(air)) / len(air)
        took = min(air) / rate
        now += took
        air = [left - took * rate for left in air if left - took * rate > 1e-9]
    return now


@pytest.mark.parametrize("calls", [21, 32])
@pytest.mark.parametrize("name", CURVES)
def test_a_small_fan_out_is_not_throttled_on_a_new_server(name, calls):
    assert Knee().cap >= 32
    assert makespan(Knee().cap, CURVES[name], calls) == makespan(calls, CURVES[name], calls)


@pytest.mark.parametrize("name", CURVES)
def test_nor_much_on_a_server_whose_knee_was_found(name):
    knee = Knee()
    served(knee, CURVES[name], 200, 1)
    assert makespan(knee.cap, CURVES[name], 21) <= 1.15 * makespan(21, CURVES[name], 21)
