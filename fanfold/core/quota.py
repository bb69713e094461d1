"""A limit that a provider tells, and what its remainders say of the level of its bucket.

A remainder is as old as the provider made it: some count when the call is admitted, some when its answer leaves. So the level is
only lowered to what holds in both cases, and raised only when nothing of ours was sent since.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from fanfold.core.window import MINUTE, REQUESTS, SECOND, Bucket
from fanfold.spec.calls import Told

READINGS = 16  # of the capacity, that one keeps the largest of: remainders are rounded down
OFTEN = 4  # refusals in a minute that are more than a slip of the estimates
CALM = 5 * MINUTE  # without a contradiction, and a shrunk burst grows again
ROUNDED = 1000  # tokens to which some providers round a remainder


class Ledger:
    """How much was booked up to a time, of everything that limits count. Kept for the newest few thousand moments."""

    KEPT = 4096

    def __init__(self) -> None:
        self._times: list[int] = []
        self._sums: list[tuple[int, ...]] = []

    def add(self, costs: tuple[int, ...], at: int) -> None:
        last = self._sums[-1] if self._sums else (0,) * len(costs)
        self._times.append(at)
        self._sums.append(tuple(a + b for a, b in zip(last, costs, strict=True)))
        if len(self._times) > 2 * self.KEPT:
            del self._times[: self.KEPT], self._sums[: self.KEPT]

    def since(self, at: int, which: int) -> int:
        """What was booked after `at`."""
        i = bisect_right(self._times, at)
        if not self._sums or i == len(self._sums):
            return 0
        return self._sums[-1][which] - (self._sums[i - 1][which] if i else 0)


class Quota(Bucket):
    """One told limit: `counts` within `span`. Until the provider says how much its bucket holds, the whole span's worth."""

    def __init__(self, told: Told) -> None:
        assert told.limit is not None and told.limit > 0
        span = told.span_s * SECOND
        super().__init__(told.limit, span, span)
        self.counts = told.counts
        self._readings = [0, 0]  # the largest of this round of readings, and of the round before
        self._read = 0
        self._shrunk: int | None = None
        self._shrunk_at = 0
        self.tat = -span
        self._refusals = deque([-MINUTE] * OFTEN, maxlen=OFTEN)

    def hear(self, told: Told, since: int, age: int, now: int) -> None:
        """A call that was sent `age` ago brought this; `since` is what was booked after it."""
        if told.limit is not None and told.limit > 0:
            self.limit = told.limit
        if told.remaining is None or told.remaining < 0:
            return
        remaining = min(told.remaining, self.limit)
        self._read_capacity(remaining, told.reset_s)
        self._grow(now)
        level = self._level(remaining, told.reset_s)
        later = level + age - self.time_of(since)
        self.tat = max(self.tat, now - min(self.burst, max(level, later)))
        if not since:
            self.tat = min(self.tat, now - self.time_of(remaining))

    def _level(self, remaining: int, reset_s: float | None) -> int:
        """Microseconds' worth that remain. Within what the rounding leaves open, the reset says where."""
        unit = ROUNDED if self.counts != REQUESTS and remaining % ROUNDED == 0 else 1
        low, high = self.time_of(remaining), self.time_of(remaining + unit)
        if reset_s is None:
            return (low + high) // 2
        return min(high, max(low, self.burst - round(reset_s * SECOND)))

    def _read_capacity(self, remaining: int, reset_s: float | None) -> None:
        """What remains, and what comes back until it is full, make the whole."""
        if reset_s is None or (reset_s <= 0 and remaining < self.limit):
            return
        reading = min(self.span, max(self.time_of(1), self.time_of(remaining) + round(reset_s * SECOND)))
        if self._read == READINGS:
            self._readings, self._read = [0, self._readings[0]], 0
        self._readings[0] = max(self._readings[0], reading)
        self._read += 1

    def _grow(self, now: int) -> None:
        """The burst, as it is known now."""
        self.burst = max(self._readings) or self.span
        if self._shrunk is None:
            return
        while now - self._shrunk_at >= CALM and self._shrunk < self.burst:
            self._shrunk += self._shrunk // 2
            self._shrunk_at += CALM
        if self._shrunk >= self.burst:
            self._shrunk = None
        else:
            self.burst = self._shrunk

    def refused(self, now: int, *, contradicts: bool) -> bool:
        """It said no: nothing is left. contradicts: it was thought that there was room. Returns whether that happens often."""
        self.tat = max(self.tat, now)
        if contradicts and not self._read:
            self._shrunk = max(min(SECOND, self.span), self.time_of(1), self.burst // 4)
            self._shrunk_at = now
        self._grow(now)
        self._refusals.append(now)
        return contradicts and (self.counts == REQUESTS or now - self._refusals[0] < MINUTE)
