"""A server with few slots is found out by its first answers, before calls wait for longer than their deadline."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from random import Random

import pytest

from fanfold.core.knee import Knee
from fanfold.core.slots import Slots

SECOND = 1_000_000
TIMEOUT = 120.0


def serve(knee: Knee, slots: int, calls: int, mean_s: float, seed: int) -> tuple[float, int]:
    """One after the other in so many slots; a call that timed out keeps its place. Returns the time and the time-outs."""
    rng, free, now, left, timeouts = Random(seed), [0.0] * slots, 0.0, calls, 0
    heapify(free)
    air: list[tuple[float, int, float, float]] = []
    number = 0
    while left or air:
        while left and len(air) < knee.cap:
            left, number = left - 1, number + 1
            length = mean_s * rng.lognormvariate(0, 0.5)
            end = max(now, heappop(free)) + length
            heappush(free, end)
            heappush(air, (min(end, now + TIMEOUT), number, now, length if end <= now + TIMEOUT else 0.0))
        now, _, sent, length = heappop(air)
        at = int(now * SECOND)
        if length:
            knee.progressed(int(length * 50), at, streamed=False)
            knee.finished(len(air) + 1, at, took=int((now - sent) * SECOND), tokens=int(length * 50))
        else:
            timeouts, left = timeouts + 1, left + 1
            knee.overloaded(int(sent * SECOND) + 1, at)
    return now, timeouts


@pytest.mark.parametrize("mean_s", [1, 5, 10])
@pytest.mark.parametrize("slots", [2, 4, 8, 16])
def test_few_slots_are_not_drowned(slots, mean_s):
    for seed in range(3):
        knee = Knee()
        took, timeouts = serve(knee, slots, 300, mean_s, seed)
        assert slots <= knee.cap <= max(8, 4 * slots)
        assert took <= 1.35 * 300 * mean_s * 1.133 / slots, "mean of the lengths: exp(0.125)"
        assert timeouts <= (25 if slots * 6 < mean_s * 3 else 0)


@pytest.mark.parametrize("slots", [64, 1000])
def test_enough_slots_are_soon_used(slots):
    knee = Knee()
    serve(knee, slots, 800, 5, 0)
    assert knee.cap >= slots / 4


def test_a_server_that_shares_itself_is_no_queue():
    """All are equally slow: their speeds say nothing of slots."""
    rng, slots = Random(1), Slots()
    lengths = sorted(rng.lognormvariate(6, 0.8) for _ in range(64))
    assert [slots.answered(int(tokens * 5_000), int(tokens), int(tokens * 5_000)) for tokens in lengths] == [None] * 64


def test_answers_without_tokens_say_nothing():
    slots = Slots()
    assert [slots.answered(n * SECOND, 0, n * SECOND) for n in range(1, 50)] == [None] * 49
