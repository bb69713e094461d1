"""How many calls a server of one's own serves best, found by itself: such a server never says 429, it only gets slower.

What is watched is the elasticity of throughput: by how many per cent the tokens per second grow when one per cent more calls are in the
air. Above the knee it is near 0, and every further call only makes the others wait. Latency is not watched: the lengths of answers
vary more than it does. Windows are measured in generations of calls, so that answers of 0.2 s and of 60 s are treated alike. Tokens that are only
counted at the end of a call say as much about its length as about the server: then windows are longer.
"""

from __future__ import annotations

from enum import Enum
from math import log, sqrt

from fanfold.core.concurrency import Overloads
from fanfold.core.slots import Slots

SECOND = 1_000_000
START, LEAST, MOST = 32, 1, 1024
EASE = 0.85  # of the speed of each call: while it keeps so much, twice as many may be sent
SATURATED = 0.8  # of the cap in the air: with fewer, the window says nothing about the server
LONGEST = 4 * SECOND  # a window lasts at least so long, or 3 generations
CLIMB, HOLD = 0.35, 0.15  # elasticity above which more are sent, below which fewer
WORTH = 0.93  # of the throughput: if half the calls reach so much, half are enough
STEP, PROBE = 1.25, 1.15
PROBE_EVERY = 8  # windows at rest
FALLEN = 0.85  # of the throughput at rest: somebody else is there now
CUT = 0.7


class Doing(Enum):
    BEGINNING = "beginning"
    DOWN = "down"  # do fewer reach as much?
    UP = "up"
    AT_REST = "at rest"
    PROBING = "probing"


class Knee:
    """cap: calls in the air. It is never moved by windows in which there was not enough to do."""

    def __init__(self, start: int = START, least: int = LEAST, most: int = MOST) -> None:
        self.cap = start
        self.least, self.most = least, most
        self._doing = Doing.BEGINNING
        self._factor = 2.0
        self._before: tuple[int, float] = (start, 0.0)  # the cap that is compared with, and its tokens per µs
        self._rested = 0
        self._cut_at = -1
        self._slots: Slots | None = Slots()
        self._round: list[tuple[int, int]] = []  # (tokens, µs) of the calls sent and answered under this cap
        self._speed, self._moved_at = 0.0, 0  # of each call under the cap before; when that was left
        self._overloads = Overloads()
        self._fine = self._regain = 0  # answers since an overload, and the cap before it, to which it comes back
        self._open(0)

    # ---------------------------------------------------------------- what it is told

    def progressed(self, tokens: int, now: int, *, streamed: bool) -> None:
        self._tokens += tokens
        self._streamed += tokens * streamed

    def finished(self, in_air: int, now: int, *, took: int = 0, tokens: int = 0) -> None:
        """A call has ended well; so many were in the air with it."""
        self._overloads.fine()
        if self._slots is not None and self._doing is Doing.BEGINNING:
            self._look(self._slots, in_air, now, took, tokens)
        if self.cap < self._regain:
            self._recover(now)
        self._ended += 1
        self._full += in_air >= SATURATED * self.cap
        if self._settling:
            if self._ended >= self._settling:
                self._open(now)
            return
        if self._began is None:
            self._open(now)
        assert self._began is not None
        span = now - self._began
        enough = 8 if 2 * self._streamed > self._tokens else 256
        if self._ended < max(self.cap, enough) or (span < LONGEST and self._ended < 3 * self.cap):
            return
        full, speed = self._full >= SATURATED * self._ended, self._tokens / max(span, 1)
        self._open(now)
        if full and speed > 0:
            self._decide(speed, now)

    def overloaded(self, sent: int, now: int) -> None:
        """The server has too much to do. What was sent before the last cut says nothing."""
        if sent > self._cut_at and self._overloads.refused():
            self._cut_at = now
            self._regain, self._fine = self.cap if not self._regain else int(0.9 * self.cap), 0
            self._move(self.cap * CUT, now)
            self._rest(0.0)

    def _recover(self, now: int) -> None:
        """Round by round to what it was before the server had too much to do. A second time it is tried less high."""
        self._fine += 1
        if self._fine >= 2 * self.cap:
            self._fine = 0
            self._move(min(self._regain, self.cap * STEP + 1), now)
            self._rest(0.0)
            if self.cap >= self._regain:
                self._regain = 0

    def _look(self, slots: Slots, in_air: int, now: int, took: int, tokens: int) -> None:
        """Before windows can be compared: is the server drowned already, or so much at ease that twice as many are no slower?"""
        found = slots.answered(took, tokens, now)
        if found is not None and 2 * found < self.cap:
            self._slots, self._regain = None, 0
            self._move(2 * found, now)
        elif now - took >= self._moved_at and tokens > 0:  # sent under this cap
            self._round.append((tokens, took))
            if len(self._round) >= self.cap and in_air >= SATURATED * self.cap:
                self._double(now)

    def _double(self, now: int) -> None:
        speed = sum(tokens for tokens, _ in self._round) / sum(took for _, took in self._round)
        if speed < EASE * self._speed or 2 * self.cap > self.most:
            self._slots = None  # from here on by windows
            return
        self._speed = speed
        self._move(2 * self.cap, now)

    # ---------------------------------------------------------------- what follows

    def _decide(self, speed: float, now: int) -> None:
        cap_before, speed_before = self._before
        if self._doing is Doing.BEGINNING:
            self._try(Doing.DOWN, self.cap / 2, speed, now)
        elif self._doing is Doing.DOWN:
            if speed >= WORTH * speed_before and self.cap > self.least:
                self._try(Doing.DOWN, self.cap / 2, max(speed, speed_before), now)
            elif speed >= WORTH * speed_before:
                self._rest(speed)
            elif cap_before >= self.most or self._factor < 2:
                self._back(cap_before, speed_before, now)
            else:
                self._before = (self.cap, speed)
                self._climb(cap_before, now)
        elif self._doing in (Doing.UP, Doing.PROBING) and speed_before > 0 and self.cap != cap_before:
            self._judge(log(speed / speed_before) / log(self.cap / cap_before), speed, now)
        elif self._doing is Doing.AT_REST:
            self._at_rest(speed, now)
        else:
            self._rest(speed)

    def _climb(self, cap: float, now: int) -> None:
        """To a cap whose speed is not known yet, or has to be measured again."""
        self._doing = Doing.UP
        self._move(cap, now)

    def _judge(self, elasticity: float, speed: float, now: int) -> None:
        cap_before, speed_before = self._before
        if elasticity >= CLIMB and self.cap < self.most:
            factor = self._factor if self._doing is Doing.UP else STEP
            self._try(Doing.UP, self.cap * factor, speed, now)
        elif elasticity >= HOLD:
            self._rest(speed)
        else:
            better = sqrt(self.cap * cap_before) if elasticity > 0 else cap_before
            self._factor = STEP
            self._back(better, speed_before, now)

    def _at_rest(self, speed: float, now: int) -> None:
        _, known = self._before
        if speed < FALLEN * known:
            self._move(self.cap * CUT, now)
            self._rest(0.0)
            return
        self._rested += 1
        self._before = (self.cap, speed if not known else known + (speed - known) / 4)
        if self._rested >= PROBE_EVERY and self.cap < self.most:
            self._try(Doing.PROBING, max(self.cap * PROBE, self.cap + 1), self._before[1], now)

    def _try(self, doing: Doing, cap: float, speed: float, now: int) -> None:
        """Compare another cap with the present one and its speed."""
        self._doing = doing
        self._before = (self.cap, speed)
        self._move(cap, now)

    def _back(self, cap: float, speed: float, now: int) -> None:
        self._move(cap, now)
        self._rest(speed)

    def _rest(self, speed: float) -> None:
        self._doing, self._rested, self._before = Doing.AT_REST, 0, (self.cap, speed)

    def _move(self, cap: float, now: int) -> None:
        old, self.cap = self.cap, int(min(max(cap, self.least), self.most))
        self._round, self._moved_at = [], now
        self._open(now, settling=2 * max(old, self.cap))

    def _open(self, now: int, *, settling: int = 0) -> None:
        """Begin a window. settling: calls that end first: those that were sent under another cap, and the long ones among them."""
        self._began: int | None = now or None
        self._tokens = self._streamed = self._ended = self._full = 0
        self._settling = settling

    def __repr__(self) -> str:
        return f"<Knee {self.cap}, {self._doing.value}>"
