"""A circuit breaker (Nygard, Release It!, 2007): a lane that only fails is left alone for a while, then tried with one call.

Counted are faults of the server: time-outs, broken connections, 5xx. Not: 429, which has its own gate, and what is wrong with a request.
"""

from __future__ import annotations

SECOND = 1_000_000
IN_A_ROW = 8  # faults without one success between
SPAN = 1 * SECOND  # and at least so long apart: one bad moment of many calls in the air is not an outage
MANY = 40  # but so many are one, however quickly they came
ALIENS = 3
PAUSE, LONGEST = 2 * SECOND, 15 * SECOND
NEVER = 1 << 62  # until something else happens
LAST = 4  # pauses in a row without a success: it will not come back in time for anybody


class Breaker:
    """Closed: calls pass. Open until `until`; then one trial decides. wanted: a trial is due, where other lanes take the calls."""

    __slots__ = ("_faults", "_first", "opened", "trial", "until", "wanted")

    def __init__(self) -> None:
        self._faults = 0
        self._first = 0
        self.opened = 0  # times in a row
        self.until: int | None = None
        self.trial = self.wanted = False

    @property
    def closed(self) -> bool:
        return self.until is None

    @property
    def troubled(self) -> bool:
        """Whether something has failed since the last success."""
        return self._faults > 0 or self.until is not None

    @property
    def hopeless(self) -> bool:
        return self.opened > LAST

    def before(self, other: Breaker) -> bool:
        """Whether this one, of two that are open, is tried first."""
        return (self.until or 0) < (other.until or 0)

    def rest(self, until: int) -> None:
        """Leave it alone until then, although nothing failed: there is somewhere else to go."""
        self.until, self.trial, self.wanted = until, False, False

    def open_at(self, now: int) -> int:
        """The earliest moment at which a call may go out: any while it is closed, one when a pause is over."""
        if self.until is None:
            return now
        return NEVER if self.trial else max(now, self.until)

    def tried(self) -> None:
        """A call was sent. While the breaker is not closed, it is the trial."""
        self.trial = self.until is not None
        self.wanted = False

    def gave_up(self) -> None:
        """The trial was cancelled, and says nothing."""
        self.trial = False

    def said_nothing(self, sent: int) -> None:
        """A call that was sent at `sent` ended without a word about the server. If it was the trial, another one has to decide."""
        if self.until is not None and sent >= self.until:
            self.trial = False

    def succeeded(self) -> bool:
        """An answer came, or a fault that shows that somebody is there. Returns whether that closed it."""
        closed = self.until is not None
        self._faults, self.opened, self.until, self.trial, self.wanted = 0, 0, None, False, False
        return closed

    def failed(self, sent: int, now: int, draw: float, *, alien: bool = False) -> bool:
        """A call that was sent at `sent` failed. draw: of the jitter, in [0, 1). alien: what answered is no model's server, which a few
        answers prove. Returns whether that opened it.
        """
        if self.until is not None:
            if not self.trial or sent < self.until:
                return False  # from before the pause
            self.trial = False
            self._open(now, draw)
            return True
        if self._faults == 0:
            self._first = now
        self._faults += 1
        enough = alien and self._faults >= ALIENS
        if not enough and self._faults < MANY and (self._faults < IN_A_ROW or now - self._first < SPAN):
            return False
        self._open(now, draw)
        return True

    def _open(self, now: int, draw: float) -> None:
        pause = min(PAUSE << min(self.opened, 8), LONGEST)
        self.opened += 1
        self.until = now + pause // 2 + int(draw * (pause // 2))
        self.wanted = False

    def __repr__(self) -> str:
        return f"<Breaker {'closed' if self.closed else f'open until {self.until}'}>"
