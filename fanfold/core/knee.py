"""How many calls a server of one's own serves best, found by itself: such a server never says 429, it only gets slower.

What is watched is the elasticity of throughput: by how many per cent the tokens per second grow when one per cent more calls are in the
air. Above the knee it is near 0, and every further call only makes the others wait. Latency is not watched: the lengths of answers
vary more than it does. Windows are measured in generations of calls, so that answers of 0.2 s and of 60 s are treated alike. Tokens that are only
counted at the end of a call say as much about its length as about the server: then windows are longer.
"""

from __future__ import annotations

from enum import Enum
from math import log, sqrt

from fanfold.core.slots import Slots

SECOND = 1_000_000
START, SURE, LEAST, MOST = 32, 64, 1, 1024  # SURE: as many at once, when a first round of answers has not waited
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
        self._answers = 0
        self._open(0)

    # ---------------------------------------------------------------- what it is told

    def progressed(self, tokens: int, now: int, *, streamed: bool) -> None:
        self._tokens += tokens
        self._streamed += tokens * streamed

    def finished(self, in_air: int, now: int, *, took: int = 0, tokens: int = 0) -> None:
        """A call has ended well; so many were in the air with it."""
        if self._slots is not None and self._doing is Doing.BEGINNING:
            self._look(self._slots, in_air, now, took, tokens)
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
        if sent > self._cut_at:
            self._cut_at = now
            self._move(self.cap * CUT, now)
            self._rest(0.0)

    def _look(self, slots: Slots, in_air: int, now: int, took: int, tokens: int) -> None:
        """Before anything can be compared: is the server drowned already, or is it at ease?"""
        found = slots.answered(took, tokens, now)
        self._answers += 1
        if found is not None and 2 * found < self.cap:
            self._slots = None
            self._move(2 * found, now)
        elif self._answers >= self.cap and self.cap < min(SURE, self.most) and slots.swift and in_air >= SATURATED * self.cap:
            self._answers = 0
            self._move(min(2 * self.cap, SURE), now)

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
        self._open(now, settling=2 * max(old, self.cap))

    def _open(self, now: int, *, settling: int = 0) -> None:
        """Begin a window. settling: calls that end first: those that were sent under another cap, and the long ones among them."""
        self._began: int | None = now or None
        self._tokens = self._streamed = self._ended = self._full = 0
        self._settling = settling

    def __repr__(self) -> str:
        return f"<Knee {self.cap}, {self._doing.value}>"
