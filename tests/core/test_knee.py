"""The knee is found on the throughput curves of real servers, from above and from below, and nothing else moves the cap."""

from __future__ import annotations

import math
from random import Random

import pytest

from fanfold.core.knee import Knee

SECOND = 1_000_000
CURVES = {  # calls in the air -> tokens per second
    "30B on a B200": {1: 260, 8: 1900, 64: 8100, 128: 11600, 256: 15600, 512: 18700, 1024: 18800},
    "49B, collapsing": {1: 90, 8: 700, 16: 1350, 32: 2500, 64: 3800, 128: 2900, 256: 1600, 1024: 800},
    "8B on a 4090": {1: 62, 4: 210, 8: 400, 16: 690, 32: 1010, 48: 1190, 64: 1200, 1024: 1200},
    "one at a time": {1: 50, 1024: 50},
}


def throughput(curve: dict[int, int], n: int) -> float:
    known = sorted(curve)
    if n >= known[-1]:
        return curve[known[-1]]
    low = max(k for k in known if k <= n)
    high = min(k for k in known if k > n)
    share = (math.log(n) - math.log(low)) / (math.log(high) - math.log(low))
    return math.exp(math.log(curve[low]) * (1 - share) + math.log(curve[high]) * share)


def served(
    knee: Knee, curve: dict[int, int], seconds: float, seed: int, *, streamed: bool = True, waiting: int = 1 << 30
) -> float:
    """Tokens per second of a server that shares itself among all calls in the air, in the second half of the time."""
    rng, now, tokens, half = Random(seed), 0.0, 0.0, 0.0
    air: list[list[float]] = []
    while now < seconds:
        while len(air) < min(knee.cap, waiting):
            length = max(5.0, rng.lognormvariate(math.log(400) - 0.35, 0.83))  # mean 400, as much spread as mean
            air.append([length, length, now])
        rate = throughput(curve, len(air)) / len(air)
        took = min(call[0] for call in air) / rate
        now += took
        done = took * rate
        for call in air:
            call[0] -= done
        if streamed:
            knee.progressed(round(done * len(air)), round(now * SECOND), streamed=True)
        for call in [call for call in air if call[0] <= 1e-9]:
            air.remove(call)
            if not streamed:
                knee.progressed(round(call[1]), round(now * SECOND), streamed=False)
            knee.finished(len(air) + 1, round(now * SECOND), took=round((now - call[2]) * SECOND), tokens=round(call[1]))
        tokens += done * (len(air) + 1)
        half = tokens if now <= seconds / 2 else half
    return (tokens - half) / (seconds / 2)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", CURVES)
def test_it_serves_at_least_eight_tenths_of_the_peak(name, streamed):
    curve = CURVES[name]
    shares = []
    for seed in range(3):
        knee = Knee()
        shares.append(served(knee, curve, 1200, seed, streamed=streamed) / max(curve.values()))
    assert sorted(shares)[1] >= 0.8, f"{name}: {shares}"


def test_where_more_calls_bring_nothing_few_are_sent():
    knee = Knee()
    served(knee, CURVES["one at a time"], 20_000, 1)
    assert knee.cap <= 4


def test_too_little_to_do_changes_nothing():
    knee = Knee()
    served(knee, CURVES["30B on a B200"], 300, 1, waiting=20)
    assert knee.cap == 32


def drown(knee, now):
    """Refusals in a row."""
    for n in range(5):
        knee.overloaded(sent=now + n, now=now + 5 + n)


def test_an_overload_cuts_once():
    knee = Knee(start=100)
    drown(knee, 10)
    assert knee.cap == 70
    drown(knee, 11)
    assert knee.cap == 70, "sent before the cut: it says nothing new"
    drown(knee, 30)
    assert knee.cap == 49


def test_after_an_overload_it_comes_back_by_rounds():
    knee = Knee(start=64)
    drown(knee, 10)
    assert knee.cap == 44
    for now in range(100, 100 + 5 * 64):
        knee.finished(knee.cap, now)
    assert knee.cap == 64


def test_the_cap_stays_within_its_bounds():
    knee = Knee(start=4, least=2, most=8)
    for seed in range(5):
        served(knee, CURVES["30B on a B200"], 300, seed)
        assert 2 <= knee.cap <= 8
    for now in range(1, 100):
        drown(knee, now * 10)
    assert knee.cap == 2


def test_a_server_that_grows_is_climbed_up_to_from_a_single_call():
    """From one or two calls a step of a quarter is none: each probe that pays is kept, and the next one goes on from there."""
    knee, now, seen = Knee(), 0, [0]
    for best, answers in ((1, 3000), (64, 9000)):  # what the server does at once
        for _ in range(answers):
            took = round(knee.cap / min(knee.cap, best) * SECOND)
            now += took // knee.cap
            knee.progressed(400, now, streamed=True)
            knee.finished(knee.cap, now, took=took, tokens=400)
            if knee.cap != seen[-1]:
                seen.append(knee.cap)
        assert best / 2 <= knee.cap <= 2 * best
    assert {1, 2, 3, 4} <= set(seen[seen.index(1) :]), "no step was left out"
