"""The pace of requests where the limit is not known, or not what it is said to be.

Six laws, one tank that refills by them:

| law    | when                                | capacity              | rate                                                       |
|--------|-------------------------------------|-----------------------|------------------------------------------------------------|
| START  | nothing is known                    | 32 calls, 4 ms apart  | 128 a second, doubled in each second in which it was needed |
| KNOWN  | limits were declared or told        | 1: calls keep apart   | some hundreds a second, doubled in each quarter of a second |
| PROBE  | refused once; the rate is not known | what passed at first  | as much in each wait as passed at first, then doubled      |
| STEADY | the rate is measured, or known      | the measured burst    | the upper edge of the measure; after a while gently more   |
| TEST   | refused while steady, now and then  | the measured burst    | the measure, soon doubled and doubled again                |
| AGAIN  | nothing passed between two refusals | 2                     | one call, then two, then four (slow start; Jacobson 1988)  |

The measure (`measure`): when a call is refused, the provider's bucket is (nearly) empty. What was accepted between two such moments,
over the time between them, is its rate, within one call. While a gate is closed the bucket refills: that is taken when it opens.

Not every refusal is an empty bucket: a provider in trouble refuses everything for a while, a gateway some calls at random. Then every
pace is refused as often as any other, and the measure finds whatever was tried. So it is put to the TEST: an empty bucket refuses a
doubled pace at once (a test that fails is made half as often), what is no bucket lets it pass. And a few calls that happened
to pass between refusals measure nothing, until a second measure agrees with the first.
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
SURE = 8  # calls that say something of the rate
QUICK_LEAST, QUICK_MOST = SECOND // 8, SECOND  # in which a pace that is tried out doubles: some refusals would be back by then
TESTS = 2  # doublings of the refusals between two tests
DOUBTS = 3  # measures that are few calls each, and then believed
FEW = 3  # calls in the first burst that say nothing
PASSES = 1.25  # times the rate that was tested: then it was no bucket that refused


class Law(Enum):
    START = "start"
    KNOWN = "known"
    PROBE = "probe"
    STEADY = "steady"
    TEST = "test"
    AGAIN = "again"


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
        self._late = 0  # the slowest refusal: until then nothing says that a call was accepted
        self._burst = 1.0  # of the tank, while the law is AGAIN
        self._tests, self._untested = 0, 0  # tests that failed; refusals since the last one
        self._doubts, self._doubted = Measure(), 0

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
        if self.law in (Law.TEST, Law.AGAIN):
            return self._needed / self._quick()
        return self._needed / (SECOND / 4 if self.law is Law.KNOWN else SECOND)

    def _quick(self) -> int:
        return min(QUICK_MOST, max(QUICK_LEAST, 4 * self._late))

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
            rate = float(self._base * 2 ** min(self._doubled(), GROWTH_MOST))
            return rate if self.known is None or self.law is Law.KNOWN else min(rate, self.known)
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
        self._late = max(self._late, now - sent)
        after = self._starts_after(sent)
        if sent <= self._cut_at:
            self._mark -= sent < self._mark_at
            self.tank.level = min(self.tank.level + 1, self._refilled(now - sent) - after)
            if wait is None:
                return None
            self._from = max(self._from, now + _jittered(wait, jitter))
            self._have_one(now)
            return self._from
        passed, took = max(0, self._accepted - after - self._mark), max(1, sent - self._mark_at)
        waits = self._own_wait(passed, jitter) if wait is None else _jittered(wait, jitter)
        closed = not passed and self._cut_at >= 0
        if not closed:
            self._judge_credit(passed)
        if closed:
            self._try_again()
        elif not explained:
            self._measure(passed, took, sent, after, waits, now)
        self._cut_at, self._from, self._needed = now, now + waits, 0
        self._mark, self._mark_at, self._was_full = self._accepted - after, sent, False
        self._grown_at = now
        self._empty(waits, now - sent, after, now)
        if wait is not None or closed:
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
        if self.law in (Law.STEADY, Law.PROBE, Law.TEST):
            gained = min(tank.capacity, waits * tank.rate / SECOND)
            self._opens_full = waits * tank.rate / SECOND > tank.capacity - 1
            tank.level = self._refilled(ago) - after - (1 - self._credit) * gained
            self._expected = self._credit * gained
        else:
            tank.level = min(tank.level, 0.0)

    def _judge_credit(self, passed: int) -> None:
        """Did the provider's bucket fill while the gate was closed, as was thought?"""
        if self._expected >= 3 and not self._was_full:
            self._credit = self._credit / 2 if passed < self._expected / 4 else min(1.0, 2 * self._credit)
        elif self._credit < 1 and passed >= 8:
            self._credit += 0.25

    def _own_wait(self, passed: int, jitter: float) -> int:
        """The server named no wait: equal jitter, longer as long as nothing is accepted. What is steady only lets a call or two come back."""
        if not passed and not self._was_full:
            self._backoffs += 1
        else:
            self._backoffs = max(0, self._backoffs - 2) if passed < SURE else 0
        d = min(BACKOFF << min(self._backoffs, 16), BACKOFF_MOST)
        if passed >= SURE and self.law in (Law.STEADY, Law.TEST):
            d = min(d, int(4 * SECOND / self._base))
        return d // 2 + int(jitter * (d // 2))

    def _measure(self, passed: int, took: int, sent: int, after: int, waits: int, now: int) -> None:
        """What was accepted since the level was last known says how fast the bucket fills, and how much it holds."""
        if self.law in (Law.START, Law.KNOWN) or (self.law is Law.PROBE and self._was_full):
            self._first_cut(passed, took, waits)
            return
        if self._was_full:
            self.tank.capacity = max(1.0, min(self.tank.capacity, passed - self._base * took / SECOND))
            self._steady(self._base)
        elif passed < SURE and self._contradicts(passed, took):
            self._doubt(passed, took)
        else:
            self._believe(passed, took, sent, after, now)

    def _contradicts(self, passed: int, took: int) -> bool:
        """Whether much less has passed than was thought of: the limit has fallen, or this was no limit."""
        return self.law is Law.AGAIN or (self.law is not Law.PROBE and 2 * passed + 3 < self._base * took / SECOND)

    def _doubt(self, passed: int, took: int) -> None:
        """A few calls between two refusals: some of these together are a measure."""
        self._doubts.add(passed, took, 0.5)
        self._doubted += 1
        if self._doubts.calls >= SURE or self._doubted >= DOUBTS:
            self._measured, self._tests = self._doubts, 0
            self._settle()
        else:
            self._try_again()

    def _believe(self, passed: int, took: int, sent: int, after: int, now: int) -> None:
        beyond = (passed - 1) * SECOND > PASSES * self._base * took
        if self.law is Law.TEST and not beyond:  # too short to be a measure
            self._tests = min(self._tests + 1, TESTS)
            self._steady(self._base)
            return
        if self.law is Law.PROBE and not beyond:
            self._tests = 1  # as much came back as had been thought: it is a bucket, probably
        if self.law in (Law.AGAIN, Law.TEST):
            self._measured, self._tests = Measure(), 0
        calls, time = self._best(passed, took, sent, after, now)
        self._measured.add(calls, time, 1.0 if self._opens_full else 0.5)
        self._settle()

    def _settle(self) -> None:
        edge = self._measured.rate()
        self._doubts, self._doubted = Measure(), 0
        if self.law is Law.AGAIN:
            self.tank.capacity = max(self.tank.capacity, self._burst)
        self._steady(edge if self.known is None else min(edge, self.known))
        self._hold = min(HOLD_MOST, max(HOLD_LEAST, self._measured.time))
        self._apart = min(APART_MOST, max(APART_LEAST, int(SECOND / self._base / 16)))

    def _steady(self, base: float) -> None:
        """From now on, unless it is time for a test whether it was a bucket that refused."""
        self._base, self._untested = base, self._untested + 1
        self.law = Law.STEADY
        if self._untested >= 1 << self._tests:
            self.law, self._untested = Law.TEST, 0

    def _try_again(self) -> None:
        """What is there now is not what was: begin with one call."""
        if self.law is not Law.AGAIN:
            self._burst = self.tank.capacity
        self.law, self._apart = Law.AGAIN, min(SECOND // 2, max(PROBE_APART, 2 * self._late))
        self._restart(2.0, SECOND / self._quick())

    def _first_cut(self, m: int, took: int, waits: int) -> None:
        if self.known is not None and (self._was_full or m * SECOND >= self.known * took):
            self.law, self._hold = Law.STEADY, HOLD_MOST
            burst = m - self.known * took / SECOND if self._was_full else max(1.0, self.known)
            self._restart(max(1.0, burst), self.known)
        elif self.known is not None:
            self.law, self._hold = Law.STEADY, max(HOLD_LEAST, took // 2)
            self._measured.add(m, took, 0.5)
            self._restart(max(1.0, self.known), min(self.known, (m + 1) * SECOND / took))
        elif m < FEW:
            self._try_again()
        else:
            self.law, self._apart = Law.PROBE, min(SECOND // 2, max(PROBE_APART, 2 * self._late))
            self._restart(max(1.0, float(m)), max(1.0, m) * SECOND / max(waits, took, SECOND // 10))

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
        return round(self._base * 60) if self.law in (Law.STEADY, Law.PROBE, Law.TEST) else 0

    def share(self) -> float:
        return min(1.0, max(0.0, 1 - self.tank.level / self.tank.capacity))

    def __repr__(self) -> str:
        return f"{self.law.value} {self.tank.rate * 60:.0f}/min"


def _jittered(wait: int, jitter: float) -> int:
    """Never less than the server asked for, and up to a twentieth more, so that programs do not wake as a herd."""
    return wait + int(wait * jitter / 20) + 1
