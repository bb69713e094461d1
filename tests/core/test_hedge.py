"""What is late is learned; hedges keep to their budget; and the slow tail of a fan-out is cut for a few per cent of its tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

import pytest

from fanfold.core.hedge import CAP, ENOUGH, FIRST_COLD, FIRST_LEAST, FIRST_MOST, INITIAL, SECOND, Hedging

EXPECTED, INPUT = 600, 300  # tokens


def warm(first: float = 0.5, whole: float = 10.0, calls: int = 100, spread: float = 0.1) -> Hedging:
    """A lane that has answered: seconds to the first content and in all, 20 ms a token after the first."""
    rng, late = Random(1), Hedging()
    for _ in range(calls):
        late.begun()
        late.first(int(first * SECOND * rng.lognormvariate(0, spread)))
        us = int(whole * SECOND * rng.lognormvariate(0, spread))
        late.answered(us, int(20_000 * 500 * rng.lognormvariate(0, spread)), 500)
    return late


# ==================================================================== what is late


def test_nothing_is_late_before_enough_is_known():
    late = warm(calls=7)
    assert late.hedge_after(streamed=True) is None and late.hedge_after(streamed=False) is None
    late = warm(calls=19)
    assert late.hedge_after(streamed=True) > 0.8 * SECOND, "far beyond all of a few"
    assert late.first_deadline() == FIRST_COLD and not late.crawls(1, 100 * SECOND, EXPECTED)


def test_a_stream_is_late_by_its_first_content_and_another_answer_by_its_end():
    late = warm()
    assert 0.5 < late.hedge_after(streamed=True) / SECOND < 0.76
    assert 10 < late.hedge_after(streamed=False) / SECOND < 15.2


def test_one_call_in_twenty_is_late():
    late = Hedging()
    for ms in range(1, 101):
        late.first(ms * 1000)
        late.answered(ms * 10_000, None, 10)
    assert abs(late.hedge_after(streamed=True) - 95_000) <= 2_000
    assert abs(late.hedge_after(streamed=False) - 950_000) <= 20_000


@pytest.mark.parametrize(("first", "deadline"), [(0.5, FIRST_LEAST), (8.0, None), (40.0, FIRST_MOST)])
def test_the_first_content_has_four_times_its_usual_worst_within_bounds(first, deadline):
    found = warm(first=first).first_deadline()
    assert found == deadline or (deadline is None and 4 * 8 * SECOND < found < 4 * 12 * SECOND)


def test_a_model_that_thinks_longer_than_the_deadline_is_not_cut_off_for_ever():
    late = Hedging()
    waits = []
    for _ in range(10):
        waits.append(late.first_deadline())
        late.first_missed()
    assert waits == sorted(waits) and waits[1] == 2 * FIRST_COLD and waits[-1] == 64 * FIRST_COLD
    late.first(SECOND)
    assert late.first_deadline() == FIRST_COLD


def test_a_stream_crawls_when_nearly_all_were_faster_and_a_fresh_one_would_overtake_it():
    late = warm()
    assert late.crawls(25, 2 * SECOND, EXPECTED), "12 tokens a second instead of 50"
    assert not late.crawls(24, 2 * SECOND - 1, EXPECTED), "too early to tell"
    assert not late.crawls(100, 2 * SECOND, EXPECTED), "as fast as the others"
    assert not late.crawls(560, 45 * SECOND, EXPECTED), "slow, but nearly done"
    assert not late.crawls(EXPECTED + 50, 50 * SECOND, EXPECTED), "longer than expected: who knows how much is left"


def test_a_stream_does_not_crawl_where_such_speeds_are_usual():
    late = warm(calls=400, spread=0.5)
    assert not late.crawls(50, 2 * SECOND, EXPECTED), "half the usual speed, as one in twelve"
    assert late.crawls(20, 2 * SECOND, EXPECTED), "a fifth of it, as nobody"


# ==================================================================== the budget


def test_each_call_pays_a_twentieth_of_a_hedge():
    late = Hedging()
    spent = 0
    for _ in range(400):
        late.begun()
        while late.allowed:
            late.spend()
            spent += 1
    assert spent == INITIAL + 400 / 20


def test_unused_hedges_pile_up_to_a_cap():
    late = warm(calls=5_000)
    spent = 0
    while late.allowed:
        late.spend()
        spent += 1
    assert spent == CAP


def test_without_a_share_there_are_none():
    late = Hedging(share=0)
    late.begun()
    assert not late.allowed


def test_a_lane_in_trouble_gets_no_hedges_until_it_is_well_again():
    late = warm()
    assert late.allowed
    for _ in range(3):
        late.failed()
    assert late.allowed, "three faults after a hundred answers are no trouble"
    for _ in range(10):
        late.failed()
    assert not late.allowed
    for _ in range(40):
        late.answered(SECOND, None, 10)
    assert late.allowed


# ==================================================================== the tail


@dataclass
class Attempt:
    """One call. hangs: it never says anything. per_token: µs."""

    cell: int
    sent: int
    first: int
    per_token: float
    tokens: int
    heard_first: bool = False
    over: bool = False

    @property
    def ends(self) -> int:
        return self.first + int(self.per_token * self.tokens)

    def streamed(self, now: int) -> int:
        return 0 if now < self.first else min(self.tokens, int((now - self.first) / self.per_token))


@dataclass
class FanOut:
    """Cells called all at once through one lane, until each has an answer. late: None without hedges; then only the end of 120 s helps."""

    late: Hedging | None
    rng: Random
    cells: int
    hedges: int = 0
    useful: int = 0
    wasted: int = 0
    now: int = 0
    _events: list = field(default_factory=list)
    _order: count = field(default_factory=count)

    def run(self) -> FanOut:
        self._air: list[list[Attempt]] = [[] for _ in range(self.cells)]
        self._done = [False] * self.cells
        for cell in range(self.cells):
            if self.late is not None:
                self.late.begun()
            self._send(cell)
        while not all(self._done):
            self.now, _, attempt, what = heappop(self._events)
            if not attempt.over:
                getattr(self, what)(attempt)
        return self

    def _at(self, when: int, attempt: Attempt, what: str) -> None:
        heappush(self._events, (when, next(self._order), attempt, what))

    def _send(self, cell: int) -> None:
        rng = self.rng
        first = rng.lognormvariate(math.log(0.55), 0.45) * (10 if rng.random() < 0.03 else 1)
        rate = 65 * rng.lognormvariate(0, 0.2) / (4 if rng.random() < 0.015 else 1)
        tokens = int(max(50, rng.lognormvariate(math.log(578), 0.3)))
        hangs = rng.random() < 0.003
        attempt = Attempt(cell, self.now, self.now + (1 << 50 if hangs else int(first * SECOND)), SECOND / rate, tokens)
        self._air[cell].append(attempt)
        self._at(attempt.first, attempt, "heard")
        self._at(attempt.ends, attempt, "ended")
        self._at(self.now + 120 * SECOND, attempt, "given_up")
        if self.late is not None:
            self._at(self.now + self.late.first_deadline(), attempt, "silent")
            after = self.late.hedge_after(streamed=True)
            if after is not None and len(self._air[cell]) == 1:
                self._at(self.now + after, attempt, "no_word")

    def _drop(self, attempt: Attempt) -> None:
        attempt.over = True
        self._air[attempt.cell].remove(attempt)
        self.wasted += INPUT + attempt.streamed(self.now)

    def _hedge(self, attempt: Attempt) -> None:
        if self.late.allowed and len(self._air[attempt.cell]) == 1:
            self.late.spend()
            self.hedges += 1
            self._send(attempt.cell)

    def heard(self, attempt: Attempt) -> None:
        attempt.heard_first = True
        if self.late is not None:
            self.late.first(self.now - attempt.sent)
            self._at(self.now + SECOND // 2, attempt, "looked_at")

    def looked_at(self, attempt: Attempt) -> None:
        if self.late.crawls(attempt.streamed(self.now), self.now - attempt.first, EXPECTED):
            self._hedge(attempt)
        self._at(self.now + SECOND // 2, attempt, "looked_at")

    def no_word(self, attempt: Attempt) -> None:
        if not attempt.heard_first:
            self._hedge(attempt)

    def silent(self, attempt: Attempt) -> None:
        if not attempt.heard_first:
            self.late.first_missed()
            self.given_up(attempt)

    def given_up(self, attempt: Attempt) -> None:
        self._drop(attempt)
        if self.late is not None:
            self.late.failed()
        if not self._air[attempt.cell]:
            self._send(attempt.cell)

    def ended(self, attempt: Attempt) -> None:
        attempt.over = self._done[attempt.cell] = True
        self.useful += INPUT + attempt.tokens
        if self.late is not None:
            self.late.answered(self.now - attempt.sent, self.now - attempt.first, attempt.tokens)
        for loser in list(self._air[attempt.cell]):
            if loser is not attempt:
                self._drop(loser)


def fan_outs(cells: int, seeds: int, *, hedged: bool) -> list[FanOut]:
    """Fan-outs through a lane that has made 300 calls before, where they are hedged."""
    out = []
    for seed in range(seeds):
        rng, late = Random(seed), Hedging() if hedged else None
        if hedged:
            FanOut(late, rng, 300).run()
        out.append(FanOut(late, rng, cells).run())
    return out


def p95(runs: list[FanOut]) -> float:
    return sorted(run.now for run in runs)[math.ceil(0.95 * len(runs)) - 1] / SECOND


@pytest.mark.parametrize(("cells", "seeds", "share"), [(21, 100, 0.35), (300, 24, 0.65)])
def test_the_tail_of_a_fan_out_is_cut(cells, seeds, share):
    """300 calls at once find no more hedges in the bucket than its cap, fewer than are late: it is cut by less."""
    plain, hedged = fan_outs(cells, seeds, hedged=False), fan_outs(cells, seeds, hedged=True)
    assert p95(hedged) <= share * p95(plain)
    assert sum(run.wasted for run in hedged) <= 0.06 * sum(run.useful for run in hedged)
    assert all(run.hedges <= CAP + cells / 20 for run in hedged)


def test_a_cold_lane_does_not_hedge_wildly():
    for seed in range(10):
        for cells in (10, 21, 300):
            late = Hedging()
            cold = FanOut(late, Random(seed), cells).run()
            assert cold.hedges <= INITIAL + cells / 20
            assert cells >= ENOUGH or cold.hedges == 0


def test_the_hedges_of_a_long_day_stay_few():
    """Losers are never heard to their end: what is learned from winners alone must not call ever more calls late."""
    late, rng = Hedging(), Random(1)
    runs = [FanOut(late, rng, 100).run() for _ in range(60)]
    assert sum(run.hedges for run in runs[30:]) <= 0.05 * 3000 + CAP
    assert late.hedge_after(streamed=True) >= 0.8 * SECOND
