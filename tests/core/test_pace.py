"""As fast as the provider allows, never faster: the limiter against small services with limits, in virtual time.

The ideal of n calls: (n - what the bucket holds) / rate + one answer.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from fanfold.core.limiter import REQUESTS, SECOND, TOTAL, Limiter, Window
from fanfold.core.measure import round_between
from fanfold.core.pace import CALM, Law, Pace
from tests.core.limited import Odd, Outcome, Service, drive

SEEDS = range(5)


def limiter(mode: str, rpm: int | None, tpm: int | None = None, charge: str = "sum") -> Limiter:
    declared = [] if mode != "declared" else [(kind, Window(n)) for kind, n in ((REQUESTS, rpm), (TOTAL, tpm)) if n]
    return Limiter(declared, charge=charge, learns=True)


def run(
    mode: str,
    calls: int,
    *,
    sizes: tuple[int, int] = (300, 400),
    arrive=(),
    charge: str = "sum",
    server_charges: str = "actual",
    **world,
) -> Outcome:
    service = Service(headers=mode == "told", charge=server_charges, **world)
    out = drive(limiter(mode, world.get("rpm"), world.get("tpm"), charge), service, calls, sizes=sizes, arrive=arrive)
    assert len(out.accepted) == calls
    assert out.early == 0, "nothing starts before the gate"
    return out


@pytest.mark.parametrize("cost", [0, 1])
@pytest.mark.parametrize(("mode", "makespan", "refusals"), [("unknown", 12.0, 10), ("told", 12.07, 3), ("declared", 12.07, 2)])
def test_a_storm(mode, makespan, refusals, cost):
    """60 calls of half a second at 5 a second, 5 at once; a refusal asks for a whole second. The ideal is 11.5 s."""
    for seed in range(20):
        out = run(mode, 60, rpm=300, refused_cost=cost, seed=seed)
        assert out.makespan <= makespan, (seed, str(out))
        assert out.refusals <= refusals, (seed, str(out))


@pytest.mark.parametrize("wait", ["ms", "none"])
@pytest.mark.parametrize("mode", ["unknown", "told", "declared"])
def test_a_storm_with_other_waits(mode, wait):
    for seed in SEEDS:
        out = run(mode, 60, rpm=300, wait=wait, refused_cost=seed % 2, seed=seed)
        assert out.makespan <= 12.3 and out.refusals <= 10, (seed, str(out))


@pytest.mark.parametrize("mode", ["unknown", "told", "declared"])
@pytest.mark.parametrize(("bucket_s", "ideal"), [(1, 119 + 1.5), (60, 60 + 1.5)])
def test_2400_calls_at_1200_a_minute(mode, bucket_s, ideal):
    for seed in range(2):
        out = run(mode, 2400, rpm=1200, bucket_s=bucket_s, latency_s=(0.5, 1.5), refused_cost=seed, seed=seed)
        assert out.makespan <= 1.05 * ideal, str(out)
        assert out.refusals <= 30, str(out)


SERVERS = {  # the S3 table of the algorithms: 500 requests and 400,000 tokens a minute; the bound, and how tokens are charged
    "A": (60, "refund", 66.0),
    "B": (1, "refund", 125.0),
    "C": (10, "actual", 116.0),
    "reserving for good": (60, "reserve", 96.0),
}


MET = [(server, mode) for server in SERVERS for mode in ("unknown", "told", "declared")]
MET.remove(("reserving for good", "declared"))  # a declared window gives back what was not used; that server does not


@pytest.mark.parametrize(("server", "mode"), MET)
def test_requests_and_tokens(server, mode):
    bucket_s, charge, bound = SERVERS[server]
    sizes, ours = ((300, 400), "actual") if charge == "actual" else ((300, 1000), "max")
    world = {"rpm": 500, "tpm": 400_000, "bucket_s": bucket_s, "refused_cost": 1, "latency_s": (3, 9)}
    for seed in range(2):
        out = run(mode, 1000, sizes=sizes, charge=ours, **world, seed=seed, server_charges=charge)
        assert bound / out.makespan >= {"unknown": 0.60, "told": 0.80, "declared": 0.75}[mode], str(out)
        assert out.refusals <= 50, str(out)


@pytest.mark.parametrize(
    ("mode", "told_at"), [("unknown", "admission"), ("told", "admission"), ("told", "end"), ("declared", "end")]
)
@pytest.mark.parametrize("bucket_s", [1, 60])
def test_somebody_else_takes_two_fifths(mode, told_at, bucket_s):
    out = run(mode, 1000, rpm=500, bucket_s=bucket_s, foreign=0.4, told_at=told_at, latency_s=(2, 8), seed=1)
    bound = (1000 - 500 / 60 * bucket_s) / 5 + 5
    assert bound / out.makespan >= 0.8, str(out)
    assert out.refusals <= (40 if mode == "declared" else 30), str(out)


@pytest.mark.parametrize("mode", ["unknown", "told", "declared"])
def test_a_limit_that_falls_is_found(mode):
    out = run(mode, 1200, rpm=600, change=(60, 300), latency_s=(1, 3), seed=0)
    assert out.makespan <= 1.05 * 183 and out.refusals <= 20, str(out)


@pytest.mark.parametrize("mode", ["unknown", "told"])
def test_a_limit_that_rises_is_found(mode):
    out = run(mode, 1200, rpm=300, change=(60, 600), latency_s=(1, 3), seed=0)
    assert out.makespan <= 1.1 * 153 and out.refusals <= 20, str(out)


@pytest.mark.parametrize(
    ("why", "calls", "world", "makespan", "refusals"),
    [
        ("outage", 300, {}, 14, 12),
        ("outage", 300, {"named": 1}, 11, 12),
        ("outage", 300, {"between": (0, 30)}, 48, 12),
        ("outage", 2000, {"between": (3, 9)}, 22, 40),
        ("random", 300, {"so_many": 20}, 40, 40),
        ("random", 2000, {"so_many": 100}, 25, 40),
        ("window", 500, {}, 50, 60),
        ("window", 500, {"named": "end"}, 43, 12),
        ("window", 500, {"so_many": 20, "every_s": 1}, 35, 120),
        ("window", 1500, {"so_many": 500, "every_s": 60}, 140, 80),
        ("busy", 500, {"so_many": 8}, 60, 60),
        ("first", 300, {"so_many": 1}, 2.5, 1),
        ("first", 21, {"so_many": 1}, 1.7, 1),
        ("first", 300, {"so_many": 5}, 14, 5),
        ("first", 300, {"so_many": 1, "rpm": 600}, 32, 12),
    ],
)
def test_refusals_that_are_no_bucket(why, calls, world, makespan, refusals):
    """A pause, a whim, another kind of limit: neither a storm nor a crawl comes of it."""
    for seed in SEEDS:
        out = drive(limiter("unknown", None, charge="max"), Odd(why=why, seed=seed, **world), calls, cap=512)
        assert len(out.accepted) == calls
        assert out.early == 0
        assert out.makespan <= makespan and out.refusals <= refusals, (seed, str(out))


def test_one_refusal_does_not_hold_back_what_was_declared():
    for at in (0.0, 5.0):
        service = Odd(why="outage", between=(at, at + 0.01))
        out = drive(limiter("declared", 3000), service, 1000, cap=64)
        assert out.makespan <= 23, str(out)


@pytest.mark.parametrize("mode", ["unknown", "told", "declared"])
def test_after_a_pause_the_burst_is_there_again_and_no_more(mode):
    out = run(mode, 120, rpm=300, arrive=[100] * 60)
    assert out.makespan <= 112.2 and out.refusals <= 8, str(out)


def test_without_limits_21_calls_leave_at_once_and_2000_soon():
    assert run("unknown", 21).starts[-1] <= 0.090
    out = run("unknown", 2000)
    assert out.makespan <= 12
    assert all(b - a >= 0.0039 for a, b in pairwise(out.starts[:32]))
    first = [at for at in out.starts if at < 1]
    assert len(first) <= 32 + 190, "beyond the first 32 the ramp governs"


@pytest.mark.parametrize("rpm", [60, 300, 600])
def test_a_wrong_idea_of_the_burst_costs_two_refusals(rpm):
    assert run("declared", 100, rpm=rpm, bucket_s=1).refusals <= 2


def test_one_salvo_is_one_episode():
    """What was sent before the cut is no second cut, and its waits are honoured all the same."""
    one = Limiter(learns=True)
    for n in range(8):
        one.book(1, 1, n * 4000)
    one.throttled(SECOND, 40_000, sent_at=20_000)
    gate, law = one.gate, repr(one._pace)
    assert SECOND + 40_000 <= gate <= 1.1 * SECOND + 40_000
    one.throttled(SECOND // 2, 41_000, sent_at=24_000)
    assert (one.gate, repr(one._pace)) == (gate, law)
    one.throttled(3 * SECOND, 42_000, sent_at=28_000)
    assert one.gate >= 3 * SECOND + 42_000
    assert repr(one._pace) == law


def test_waits_of_its_own_grow_while_nothing_is_accepted():
    one, waits, now = Limiter(learns=True), [], 0
    for _ in range(12):
        now = one.open_at(1, 1, now)
        one.book(1, 1, now)
        one.throttled(None, now + 5000, sent_at=now)
        waits.append(one.gate - now - 5000)
        now = one.gate
    assert waits[0] == SECOND // 4
    assert all(a <= b for a, b in pairwise(waits))
    assert waits[-1] == 10 * SECOND, "half of the longest; the other half is jitter"


def test_a_long_wait_is_kept():
    one = Limiter(learns=True)
    one.book(1, 1, 0)
    one.throttled(7 * 60 * SECOND, 10, sent_at=0, jitter=1.0)
    assert 7 * 60 * SECOND <= one.gate - 10 <= 7.7 * 60 * SECOND
    assert one.open_at(1, 1, 20) >= one.gate
    assert one.open_at(1, 1, one.gate) == one.gate


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (282, 306, 300),
        (480, 530, 500),
        (1180, 1217, 1200),
        (46, 54, 50),
        (4.2, 4.4, 4.3),
        (0.2, 0.3, 0.25),
        (995, 1001, 1000),
        (7, 7, 7),
    ],
)
def test_limits_are_round_numbers(low, high, found):
    assert round_between(low, high) == pytest.approx(found)


def test_the_laws_follow_what_is_known():
    pace = Pace()
    assert repr(pace) == "start 7680/min"
    pace.know(5.0)
    assert pace.law is Law.KNOWN
    assert pace.limit == 0
    for n in range(6):
        pace.start(n * 12_500)
    pace.refused(SECOND, 62_500, 70_000, 0.0, explained=False)
    assert repr(pace) == "steady 300/min"


def test_of_a_call_sent_long_ago_all_that_is_remembered_came_after_it():
    """Its refusal says nothing about what was started since: only the earlier calls count as let through."""
    pace = Pace()
    for n in range(300):
        pace.start(n * 4000)
    assert pace.refused(SECOND, 0, 1_200_000, 0.0, explained=False) is not None
    assert pace.law is Law.PROBE and pace.tank.capacity == 300 - 1 - 256


def test_refused_below_the_limit_that_is_known_the_pace_is_what_passed():
    """10 a second are declared, and somebody else shares the account: 8 a second are left."""
    pace = Pace()
    pace.know(10.0)
    for n in range(10):
        pace.start(n * SECOND // 10)
    assert pace.refused(SECOND // 20, SECOND, SECOND, 0.0, explained=True) == SECOND + SECOND // 20 + 1
    assert pace.law is Law.KNOWN, "a limit of tokens explains it"
    for n in range(16):
        pace.start(SECOND + (n + 1) * SECOND // 8)
    pace.refused(SECOND // 20, 3 * SECOND, 3 * SECOND, 0.0, explained=False)
    assert pace.law is Law.STEADY and 7 * 60 <= pace.limit <= 9 * 60
    burst = pace.tank.capacity
    pace.open_at(3 * SECOND + CALM - 1)
    assert pace.tank.capacity == burst
    pace.open_at(3 * SECOND + CALM)
    assert pace.tank.capacity == 1.5 * burst, "five minutes without a refusal: perhaps it holds more"
