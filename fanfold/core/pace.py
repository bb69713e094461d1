"""The pace of requests where the limit is not known, or not what it is said to be.

Four laws, one tank that refills by them:

| law    | when                                | capacity              | rate                                                       |
|--------|-------------------------------------|-----------------------|------------------------------------------------------------|
| START  | nothing is known                    | 32 calls, 4 ms apart  | 128 a second, doubled in each second in which it was needed |
| KNOWN  | limits were declared or told        | 1: calls keep apart   | some hundreds a second, doubled in each quarter of a second |
| PROBE  | refused once; the rate is not known | what passed at first  | as much in each wait as passed at first, then doubled      |
| STEADY | the rate is measured, or known      | the measured burst    | the upper edge of the measure; after a while gently more   |

The measure (`measure`): when a call is refused, the provider's bucket is (nearly) empty. What was accepted between two such moments,
over the time between them, is its rate, within one call. While a gate is closed the bucket refills: that is taken when it opens.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from fanfold.core.measure import Measure
from fanfold.core.tank import NEAR, Tank
from fanfold.core.window import MINUTE, SECOND

QUICK, QUICK_APART = 32, 4_000
RAMP = 128.0  # calls a second: half as fast as those have passed
APART_LEAST, APART_MOST, PROBE_APART = 5_000, 25_000, 12_500
MANY, TOGETHER = 250.0, 4_000  # so many calls a second start in small groups: waking for each would cost more than it is worth
GROWTH_MOST = 20  # doublings
HOLD_LEAST, HOLD_MOST = 10 * SECOND, MINUTE
CALM = 5 * MINUTE
BACKOFF, BACKOFF_MOST = SECOND // 2, 20 * SECOND
MARGIN = 0.5  # of a call, for what the network shifts
SURE = 8  # calls beyond the burst that say something of the rate


class Law(Enum):
    START = "start"
    KNOWN = "known"
    PROBE = "probe"
    STEADY = "steady"


class Pace:
    """Told of starts and refusals; says when the next call may start. known: the limit of requests a second, if any is known."""

    def __init__(self) -> None:
        self.law = Law.START
        self.known: float | None = None
        self.tank = Tank(QUICK, RAMP)
        self._base = RAMP
        self._needed = 0  # microseconds in which the tank was what kept calls waiting, since the last cut
        self._from = 0  # when the gate opens
        self._apart = QUICK_APART
        self._last = -MINUTE
        self._held = False  # whether it has kept a call waiting since the last start
        self._starts: deque[int] = deque(maxlen=256)
        self._accepted = 0  # started, and not refused
        self._mark, self._mark_at, self._was_full = 0, -1, True  # accepted at the last moment when the level was known
        self._measured = Measure()
        self._opens_full = False
        self._hold = 0
        self._cut_at = -1
        self._grown_at = 0
        self._credit = 1.0  # of what a tank gains while a gate is closed: less when waits turn out to be penalties
        self._expected = 0.0
        self._backoffs = 0

    # ================================================================ starts

    def open_at(self, now: int) -> int:
        self._fill(now)
        at = max(now + self.tank.short_for(1.0), self._last + self._spacing())
        if at > now:
            self._held = True
        return now if at - now <= TOGETHER and self.tank.rate >= MANY else at

    def start(self, at: int) -> None:
        self._fill(at)
        if self._mark_at < 0:
            self._mark_at = at
        if self.law is not Law.STEADY and self.tank.level >= 2 and self._held:
            self._needed += at - max(self._last, self._from)  # only the distance between calls kept it waiting
        self._held = False
        self.tank.level -= 1
        self._last = at
        self._accepted += 1
        self._starts.append(at)

    def _spacing(self) -> int:
        """Doubling brings calls closer together as well."""
        if self.law is Law.STEADY:
            return min(self._apart, int(SECOND / self.tank.rate / 2))
        return min(self._apart, int(SECOND / self.tank.rate)) if self.law is Law.START else self._apart >> self._doublings()

    def _doublings(self) -> int:
        return min(int(self._doubled()), GROWTH_MOST)

    def _doubled(self) -> float:
        """How often the pace has doubled. Where a limit is known, a burst that is not refused is soon let go."""
        return self._needed / (SECOND / 4 if self.law is Law.KNOWN else SECOND)

    def _fill(self, now: int) -> None:
        """Refill up to now, and let the pace grow by the time in which it was needed."""
        tank = self.tank
        if now <= tank.at:
            return
        if tank.level < 2 and now > self._from:
            self._needed += min(now - max(tank.at, self._from), tank.short_for(2.0))
        tank.fill(now)
        if self._rested(now):
            self._mark, self._mark_at, self._was_full = self._accepted, now, True
        tank.rate = self._rate()
        if self.law is Law.STEADY and now - self._grown_at >= CALM:
            tank.capacity += tank.capacity / 2
            self._grown_at = now

    def _rested(self, now: int) -> bool:
        """Whether the provider's bucket is full, as far as we know: then what was accepted before says nothing of its rate."""
        if self.law is not Law.KNOWN:
            return self.tank.level >= self.tank.capacity - NEAR and now - max(self._from, self.tank.full_at) > SECOND
        assert self.known is not None
        took = now - self._mark_at
        return took > SECOND and (self._accepted - self._mark) * 2 * SECOND < self.known * took

    def _rate(self) -> float:
        needed = self._needed / SECOND
        if self.law is Law.PROBE:  # perhaps as much comes back in each wait as passed at first: that is tried out first
            return self._base * (1 + min(needed, 1.0) / 4) * 2 ** min(max(0.0, needed - 1), GROWTH_MOST)
        if self.law is not Law.STEADY:
            return float(self._base * 2 ** min(self._doubled(), GROWTH_MOST))
        more = max(0.0, (self._needed - self._hold) / SECOND)
        rate = self._base * (1 + more / 20 + more * more / 50)
        return rate if self.known is None else min(rate, self.known)

    # ================================================================ what is known

    def know(self, known: float) -> None:
        """A limit of requests a second was declared or told."""
        self.known = known
        if self.law is Law.START:
            self.law = Law.KNOWN
            self._apart = min(APART_MOST, max(APART_LEAST, int(SECOND / known / 16)))
            self._restart(1.0, SECOND / self._apart)

    def _restart(self, capacity: float, base: float) -> None:
        at = self.tank.at
        self.tank = Tank(capacity, base)
        self.tank.at = at
        self._base, self._needed = base, 0

    # ================================================================ refusals

    def refused(self, wait: int | None, sent: int, now: int, jitter: float, *, explained: bool) -> int | None:
        """A 429 came. Returns when the gate opens, None when this refusal belongs to the last cut.

        explained: a limit that was told with it, or tokens of which too few were left, are enough to explain it.
        """
        self._fill(now)
        self._accepted -= 1
        after = self._starts_after(sent)
        if sent <= self._cut_at:
            self._mark -= sent < self._mark_at
            self.tank.level = min(self.tank.level + 1, self._refilled(now - sent) - after)
            if wait is None:
                return None
            self._from = max(self._from, now + _jittered(wait, jitter))
            self._have_one(now)
            return self._from
        self._judge_credit(after)
        waits = self._own_wait(jitter) if wait is None else _jittered(wait, jitter)
        if not explained:
            self._measure(sent, after, waits, now)
        self._cut_at, self._from, self._needed = now, now + waits, 0
        self._mark, self._mark_at, self._was_full = self._accepted - after, sent, False
        self._grown_at = now
        self._empty(waits, now - sent, after, now)
        if wait is not None:
            self._have_one(now)
        return self._from

    def _have_one(self, now: int) -> None:
        """When the wait that the provider named is over, there is room for one call."""
        self.tank.level = max(self.tank.level, 1 - (self._from - now) * self.tank.rate / SECOND)

    def _starts_after(self, sent: int) -> int:
        """What was started after that call: whether it was accepted is not known yet."""
        n = 0
        for at in reversed(self._starts):
            if at <= sent:
                break
            n += 1
        return n

    def _refilled(self, time: int) -> float:
        return time * self.tank.rate / SECOND - MARGIN

    def _empty(self, waits: int, ago: int, after: int, now: int) -> None:
        """Nothing was left; what comes back while the gate is closed may be had, unless the wait is a penalty."""
        tank = self.tank
        tank.rate, tank.at = self._rate(), now
        self._expected = 0.0
        if self.law in (Law.STEADY, Law.PROBE):
            gained = min(tank.capacity, waits * tank.rate / SECOND)
            self._opens_full = waits * tank.rate / SECOND > tank.capacity - 1
            tank.level = self._refilled(ago) - after - (1 - self._credit) * gained
            self._expected = self._credit * gained
        else:
            tank.level = min(tank.level, 0.0)

    def _judge_credit(self, after: int) -> None:
        """Did the provider's bucket fill while the gate was closed, as was thought?"""
        passed = self._accepted - after - self._mark
        if self._expected >= 3 and not self._was_full:
            self._credit = self._credit / 2 if passed < self._expected / 4 else min(1.0, 2 * self._credit)
        elif self._credit < 1 and passed >= 8:
            self._credit += 0.25

    def _own_wait(self, jitter: float) -> int:
        """The server named no wait: equal jitter, longer as long as nothing is accepted."""
        self._backoffs = self._backoffs + 1 if self._accepted <= self._mark and not self._was_full else 0
        d = min(BACKOFF << min(self._backoffs, 16), BACKOFF_MOST)
        return d // 2 + int(jitter * (d // 2))

    def _measure(self, sent: int, after: int, waits: int, now: int) -> None:
        """What was accepted since the level was last known says how fast the bucket fills, and how much it holds."""
        m, took = self._accepted - after - self._mark, max(1, sent - self._mark_at)
        if self.law in (Law.START, Law.KNOWN) or (self.law is Law.PROBE and self._was_full):
            self._first_cut(m, took, waits)
            return
        if self._was_full:
            self.tank.capacity = max(1.0, min(self.tank.capacity, m - self._base * took / SECOND))
            return
        calls, time = self._best(m, took, sent, after, now)
        self._measured.add(calls, time, 1.0 if self._opens_full else 0.5)
        edge = self._measured.rate()
        self.law = Law.STEADY
        self._base = edge if self.known is None else min(edge, self.known)
        self._hold = min(HOLD_MOST, max(HOLD_LEAST, self._measured.time))
        self._apart = min(APART_MOST, max(APART_LEAST, int(SECOND / self._base / 16)))

    def _first_cut(self, m: int, took: int, waits: int) -> None:
        if self.known is not None and (self._was_full or m * SECOND >= self.known * took):
            self.law, self._hold = Law.STEADY, HOLD_MOST
            burst = m - self.known * took / SECOND if self._was_full else max(1.0, self.known)
            self._restart(max(1.0, burst), self.known)
        elif self.known is not None:
            self.law, self._hold = Law.STEADY, max(HOLD_LEAST, took // 2)
            self._measured.add(m, took, 0.5)
            self._restart(max(1.0, self.known), min(self.known, (m + 1) * SECOND / took))
        else:
            self.law, self._apart = Law.PROBE, PROBE_APART
            self._restart(max(1.0, float(m)), max(1.0, m) * SECOND / max(waits, SECOND // 10))

    def _best(self, m: int, took: int, sent: int, after: int, now: int) -> tuple[float, int]:
        """The best of several lower bounds. If the bucket was full when the gate opened, or later because the pace was too slow,
        only what came after the burst counts.
        """
        best: tuple[float, int] = (m, took)
        since, rest = now - self._from, m - self.tank.capacity
        if since >= SECOND and rest > 0 and rest * took > m * since:
            best = rest, since
        for k, at in enumerate(reversed(self._starts), -after):
            if at <= self._from:
                break
            if k >= self.tank.capacity + SURE and (k - self.tank.capacity) * best[1] > best[0] * (sent - at):
                best = k - self.tank.capacity, sent - at
        return best

    # ================================================================ what is told of it

    @property
    def limit(self) -> int:
        """Requests a minute, as far as it was measured."""
        return round(self._base * 60) if self.law in (Law.STEADY, Law.PROBE) else 0

    def share(self) -> float:
        return min(1.0, max(0.0, 1 - self.tank.level / self.tank.capacity))

    def __repr__(self) -> str:
        return f"{self.law.value} {self.tank.rate * 60:.0f}/min"


def _jittered(wait: int, jitter: float) -> int:
    """Never less than the server asked for, and up to a twentieth more, so that programs do not wake as a herd."""
    return wait + int(wait * jitter / 20) + 1
