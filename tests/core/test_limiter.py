from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.limiter import GUARD, INPUT, MINUTE, REQUESTS, SECOND, TOTAL, Bucket, Limiter, Window

STEPS = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 400), st.integers(0, 400)), max_size=60)


@given(st.integers(1, 20), st.integers(100, 2000), STEPS)
def test_a_declared_limit_holds_in_every_window(rpm, tpm, steps):
    limiter = Limiter([(REQUESTS, Window(rpm)), (TOTAL, Window(tpm))])
    now, booked = 0, []
    for pause, estimate, used in steps:
        now += pause
        now = max(now, limiter.open_at(estimate, 0, now))
        assert limiter.open_at(estimate, 0, now) == now, "when it says open, it is open"
        bookings = limiter.book(estimate, 0, now)
        limiter.settle(bookings, min(used, estimate), 0, now)
        booked.append((now, min(used, estimate), estimate))
    for i, (start, _, _) in enumerate(booked):
        inside = [entry for entry in booked[i:] if entry[0] < start + MINUTE]
        assert len(inside) <= rpm
        tokens = sum(cost for _, cost, _ in inside[:-1]) + inside[-1][2]
        assert tokens <= tpm or len(inside) == 1 or sum(cost for _, cost, _ in inside[:-1]) == 0


@given(st.integers(1, 600), st.integers(1, 60), st.lists(st.tuples(st.integers(0, SECOND), st.integers(1, 5)), max_size=50))
def test_a_bucket_never_gives_more_than_burst_and_rate(limit, burst_s, steps):
    """I1 of the algorithms: in any span, cost <= burst * rate + rate * span (rounded up costs only lower it)."""
    bucket, now, booked = Bucket(limit, burst_s * SECOND), 0, []
    for pause, cost in steps:
        now = bucket.open_at(cost, now + pause)
        bucket.book(cost, now)
        booked.append((now, cost))
    for i, (start, _) in enumerate(booked):
        total = 0
        for at, cost in booked[i:]:
            total += cost
            allowed = limit * (burst_s * SECOND + at - start) / MINUTE
            assert total <= allowed + 5 + 1e-6, "more than the bucket held (one oversized call may overdraw it)"


def test_booked_is_settled_to_what_was_used():
    limiter = Limiter([(INPUT, Window(100))])
    bookings = limiter.book(90, 5, 0)
    assert limiter.open_at(20, 0, SECOND) == MINUTE + GUARD
    limiter.settle(bookings, 10, 5, SECOND)
    assert limiter.open_at(20, 0, SECOND) == SECOND
    assert limiter.open_at(500, 0, SECOND) == MINUTE + GUARD, "larger than the limit: alone, not never"
    bucket = Bucket(60, SECOND)
    booking = bucket.book(30, 0)
    bucket.settle(booking, 0, 0)
    assert bucket.open_at(1, 0) == 0


def test_after_a_429_nothing_starts_before_the_gate():
    limiter = Limiter([(REQUESTS, Bucket(60, 10 * SECOND))])
    limiter.throttled(5 * SECOND, 0)
    limiter.throttled(1 * SECOND, 0)
    assert limiter.open_at(1, 1, 0) == 5 * SECOND
    assert repr(limiter) == "<Limiter requests 60/min, gate 5000000>"


def test_a_window_is_exact_and_bursts_within_it():
    window = Window(3)
    for _ in range(3):
        assert window.open_at(1, 7) == 7
        window.book(1, 7)
    assert window.open_at(1, 7) == 7 + MINUTE + GUARD
    assert window.open_at(1, 7 + MINUTE + GUARD) == 7 + MINUTE + GUARD
    assert repr(window) == "0/3"
