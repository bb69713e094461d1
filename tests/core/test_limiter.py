from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.limiter import DAY, GUARD, INPUT, MINUTE, OUTPUT, REQUESTS, SECOND, TOTAL, Bucket, Limiter, Quota, Window
from fanfold.core.quota import Ledger
from fanfold.spec.calls import Told

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


TOLDS = st.lists(
    st.builds(
        Told,
        counts=st.sampled_from([REQUESTS, TOTAL, INPUT, OUTPUT, "images"]),
        span_s=st.sampled_from([1, 60, 86400]),
        limit=st.none() | st.integers(-1, 1000),
        remaining=st.none() | st.integers(-1, 2000),
        reset_s=st.none() | st.floats(0, 100, allow_nan=False),
    ),
    max_size=3,
)
HAPPENINGS = st.lists(
    st.tuples(
        st.integers(0, 3 * SECOND), st.sampled_from(["answer", "refusal", "nothing"]), st.none() | st.integers(1, 5 * SECOND),
        st.sampled_from(["", REQUESTS, TOTAL]), TOLDS, st.integers(0, 3000),
    ),
    max_size=40,
)  # fmt: skip


@given(st.booleans(), HAPPENINGS)
def test_whatever_is_heard_it_keeps_the_gate_and_always_opens(declared, happenings):
    limiter = Limiter([(REQUESTS, Window(50)), (TOTAL, Window(5000))] if declared else [], charge="max", learns=True)
    now, booked = 0, []
    for pause, what, wait, refused, told, tokens in happenings:
        now += pause
        opens = limiter.open_at(tokens, 100, now)
        assert opens >= limiter.gate, "nothing before the gate"
        for _ in range(40):
            if opens == now:
                break
            assert opens > now
            now, opens = opens, limiter.open_at(tokens, 100, opens)
        assert opens == now, "it says when, and then it is so"
        sent, bookings = now, limiter.book(tokens, 100, now)
        limiter.sent(bookings, now + 10)
        booked.append(now)
        now += 1000
        if what == "answer":
            limiter.settle(bookings, tokens // 2, 50, now)
            limiter.heard(told, now, sent_at=sent)
        elif what == "refusal":
            limiter.settle(bookings, 0, 0, now)
            limiter.throttled(wait, now, sent_at=sent, refused=refused, told=told, jitter=0.5)
            assert limiter.gate >= now + (wait or 1)
        kind, share, limit, source = limiter.binding(now)
        assert 0 <= share <= 1 and limit >= 0
        assert source in ("declared", "told", "guessed", "") and (kind in ("start", "")) == (source == "")
    if declared:
        for i, start in enumerate(booked):
            assert sum(at < start + MINUTE for at in booked[i:]) <= 50


def test_told_limits_are_a_bucket():
    """300 a minute, and the remainders say that five at once are all it holds."""
    limiter = Limiter(learns=True)
    limiter.book(1, 1, 0)
    limiter.heard([Told(counts=REQUESTS, limit=300, remaining=4, reset_s=0.2)], SECOND // 2, sent_at=0)
    now, starts = SECOND // 2, []
    for _ in range(10):
        now = limiter.open_at(1, 1, now)
        limiter.book(1, 1, now)
        starts.append(now - SECOND // 2)
    assert starts[4] < SECOND // 10, "four remained, and more came back in half a second: five, which is full"
    assert starts[9] - starts[5] == 4 * SECOND // 5
    assert limiter.binding(now) == (REQUESTS, 1.0, 300, "told")
    assert "requests 300/min told" in repr(limiter)


def test_nothing_remains_and_the_next_waits():
    limiter = Limiter(learns=True)
    limiter.book(1, 1, 0)
    limiter.heard([Told(counts=REQUESTS, limit=60, remaining=0, reset_s=60.0)], SECOND // 10, sent_at=0)
    assert limiter.open_at(1, 1, SECOND // 10) == SECOND, "a second after there was nothing"
    tokens = Limiter(learns=True)
    tokens.book(1, 1, 0)
    tokens.heard([Told(counts=INPUT, limit=60_000, remaining=0, reset_s=60.0)], SECOND, sent_at=0)
    assert tokens.open_at(3000, 9999, SECOND) == 3 * SECOND
    assert tokens.open_at(10**9, 1, SECOND) == 60 * SECOND, "larger than all of it: alone, when it is full"


def test_a_remainder_is_lowered_by_what_was_sent_since_only_if_no_time_has_passed():
    quota = Quota(Told(counts=REQUESTS, limit=600))
    quota.hear(Told(counts=REQUESTS, remaining=50), 30, 0, 0)
    assert quota.open_at(1, 0) == 0
    assert quota.open_at(51, 0) == SECOND // 20, "half a request more than is told may be there"
    quota.hear(Told(counts=REQUESTS, remaining=500), 1, 0, 0)
    assert quota.open_at(51, 0) == SECOND // 20, "never raised while there is something in the air"
    quota.hear(Told(counts=REQUESTS, remaining=500), 0, 0, 0)
    assert quota.open_at(500, 0) == 0, "raised when there is nothing"


def test_a_contradicted_burst_shrinks_and_grows_again():
    quota = Quota(Told(counts=TOTAL, limit=60_000))
    assert not quota.refused(0, contradicts=True)
    assert quota.burst == 15 * SECOND
    assert [quota.refused(n, contradicts=True) for n in (1, 2, 3)] == [False, False, True], "often, now"
    assert quota.burst == SECOND, "a second's worth at the least"
    quota.hear(Told(counts=TOTAL, remaining=60_000), 0, 0, 5 * MINUTE + 5)
    assert quota.burst == 3 * SECOND // 2
    quota.hear(Told(counts=TOTAL, remaining=60_000), 0, 0, 600 * MINUTE)
    assert quota.burst == MINUTE


def test_charges():
    """What a provider charges counts against what it tells; a declared limit is the user's own: of tokens in and out."""
    for charge, cost in (("max", 1000), ("sum", 1300), ("actual", 1300), ("estimate", 300)):
        window = Window(5000)
        limiter = Limiter([(TOTAL, window)], charge=charge, learns=True)
        limiter.heard([Told(counts=TOTAL, limit=6000, remaining=6000, reset_s=0.0)], 0)
        declared, told = limiter.book(300, 1000, 0)
        assert (window.used, declared.cost, told.cost) == (1300, 1300, cost)


def test_limits_by_the_day_are_no_pace():
    limiter = Limiter([(REQUESTS, Window(1000, DAY))], learns=True)
    assert limiter.binding(0) == ("", 0.0, 0, "")
    for _ in range(1000):
        limiter.book(1, 1, 0)
    assert limiter.binding(0) == (REQUESTS, 1.0, 1, "declared")
    assert repr(limiter).startswith("<Limiter requests 1000/1000, pace start")


def test_a_ledger_knows_what_was_booked_since():
    ledger = Ledger()
    assert ledger.since(5, 0) == 0
    for n in range(3 * Ledger.KEPT):
        ledger.add((1, 10), n)
    assert ledger.since(3 * Ledger.KEPT - 11, 0) == 10
    assert ledger.since(3 * Ledger.KEPT - 11, 1) == 100
    assert ledger.since(3 * Ledger.KEPT, 1) == 0


def test_what_says_nothing_of_a_limit_is_no_limit():
    limiter = Limiter(learns=True)
    for word in (
        Told(counts="images", limit=5, remaining=0),
        Told(counts="requests", span_s=0, limit=5, remaining=0),
        Told(counts="requests", remaining=0),
    ):
        limiter.heard([word], SECOND)
        assert limiter.eager, word
    limiter.heard([Told(counts="requests", limit=60)], SECOND)
    assert not limiter.eager and limiter.binding(SECOND) == ("", 0.0, 0, ""), "known, and nobody says that anything of it is used"


def test_a_rate_that_was_guessed_is_told_as_one():
    limiter, now = Limiter(learns=True), 0
    for _ in range(40):
        now = limiter.open_at(1, 1, now)
        limiter.book(1, 1, now)
    limiter.throttled(SECOND, now, sent_at=now)
    kind, share, limit, source = limiter.binding(now)
    assert (kind, source) == (REQUESTS, "guessed") and share == 1.0 and limit > 0


def test_what_is_settled_after_its_window_changes_nothing():
    window = Window(3)
    booking = window.book(3, 0)
    late = MINUTE + GUARD
    assert window.open_at(3, late) == late
    window.settle(booking, 1, late)
    assert window.used == 0
