"""How many calls of a lane may be in the air."""

from __future__ import annotations

from typing import Protocol


class Concurrency(Protocol):
    """cap: calls that may be in the air now. Lowering it never cancels one."""

    cap: int

    def progressed(self, tokens: int, now: int, *, streamed: bool) -> None:
        """So many tokens of output have just come, streamed or all at the end of an answer. Each is told once."""
        ...

    def finished(self, in_air: int, now: int, *, took: int = 0, tokens: int = 0) -> None:
        """A call has ended well, after `took` microseconds, with so many tokens of output; so many were in the air with it."""
        ...

    def overloaded(self, sent: int, now: int) -> None:
        """The server says that it has too much to do, to a call that was sent at `sent`."""
        ...


class Fixed:
    """As many as the user said."""

    def __init__(self, cap: int) -> None:
        self.cap = cap

    def progressed(self, tokens: int, now: int, *, streamed: bool) -> None:
        """Nothing changes it."""

    def finished(self, in_air: int, now: int, *, took: int = 0, tokens: int = 0) -> None:
        """Nothing changes it."""

    def overloaded(self, sent: int, now: int) -> None:
        """Nothing changes it."""


CUT, GROWTH, FLOOR = 0.7, 1.05, 4
NEWEST, TOO_MANY = 1 / 16, 0.25


class Overloads:
    """Which part of the calls is refused for too much work: a server that does so now and then is not overloaded."""

    __slots__ = ("share",)

    def __init__(self) -> None:
        self.share = 0.0

    def fine(self) -> None:
        self.share -= NEWEST * self.share

    def refused(self) -> bool:
        """Returns whether these are too many; then they are counted anew."""
        self.share += NEWEST * (1 - self.share)
        if self.share < TOO_MANY:
            return False
        self.share = 0.0
        return True


class Hosted:
    """A safety cap for providers whose rate is what is limited: cut when they are overloaded, grown back a little each round.

    Additive-increase-like growth and one cut for each episode, as in TCP: what was sent before a cut says nothing about it.
    """

    def __init__(self, most: int, floor: int = FLOOR) -> None:
        self.most, self.floor = most, min(floor, most)
        self._cap = float(most)
        self.cap = most
        self._cut_at = -1
        self._round = 0
        self._overloads = Overloads()

    def progressed(self, tokens: int, now: int, *, streamed: bool) -> None:
        """Its speed is the provider's own affair."""

    def finished(self, in_air: int, now: int, *, took: int = 0, tokens: int = 0) -> None:
        self._overloads.fine()
        if self.cap < self.most:
            self._round += 1
            if self._round >= self.cap:  # a round: as many successes as may be in the air
                self._round = 0
                self._set(self._cap * GROWTH + 1)

    def overloaded(self, sent: int, now: int) -> None:
        if sent > self._cut_at and self._overloads.refused():
            self._cut_at = now
            self._round = 0
            self._set(self._cap * CUT)

    def _set(self, cap: float) -> None:
        self._cap = min(max(cap, self.floor), self.most)
        self.cap = int(self._cap)

    def __repr__(self) -> str:
        return f"<Hosted {self.cap} of {self.most}>"
