"""What a limit holds: a `Window` for limits that are declared, a `Bucket` for those that a provider tells.

A window holds exactly: never more than `limit` in any 60 seconds, bursts allowed within it. A bucket has the semantics of a
provider's own (GCRA slot booking: one number, the theoretical arrival time; ITU-T I.371, and ALGORITHMS.md A.4).
Integer microseconds throughout; results round up.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
GUARD = SECOND // 10  # the network shifts starts against each other: a window is held a tenth of a second longer

REQUESTS, INPUT, OUTPUT, TOTAL = "requests", "input tokens", "output tokens", "tokens"


class Booking:
    """What one call booked in one dimension. `cost` is None once it no longer counts."""

    __slots__ = ("at", "cost", "kind", "of")

    def __init__(self, at: int, cost: int, of: Dimension, kind: str = REQUESTS) -> None:
        self.at: int = at
        self.cost: int | None = cost
        self.of, self.kind = of, kind


class Dimension(Protocol):
    def open_at(self, cost: int, now: int) -> int:
        """The earliest time at which `cost` fits."""
        ...

    def book(self, cost: int, at: int) -> Booking: ...

    def settle(self, booking: Booking, used: int, now: int) -> None:
        """Correct what was booked to what was really used."""
        ...

    def share(self, now: int) -> float:
        """How much of it is used, 0 … 1."""
        ...


class Window:
    """At most `limit` in any `span` microseconds."""

    def __init__(self, limit: int, span: int = MINUTE) -> None:
        self.limit, self.span = limit, span + GUARD
        self.used = 0
        self._booked: deque[Booking] = deque()  # oldest first

    @property
    def per_minute(self) -> int:
        return -(-self.limit * MINUTE // (self.span - GUARD))

    def open_at(self, cost: int, now: int) -> int:
        self._expire(now)
        room = self.limit - min(cost, self.limit)  # more than the whole limit: admitted alone
        if self.used <= room:
            return now
        excess = self.used - room
        for booking in self._booked:
            excess -= booking.cost or 0
            if excess <= 0:
                return booking.at + self.span
        raise AssertionError("more is used than was booked")

    def _expire(self, now: int) -> None:
        booked = self._booked
        while booked and booked[0].at + self.span <= now:
            booking = booked.popleft()
            self.used -= booking.cost or 0
            booking.cost = None

    def book(self, cost: int, at: int) -> Booking:
        booking = Booking(at, cost, self)
        self._booked.append(booking)
        self.used += cost
        return booking

    def restore(self, cost: int, at: int) -> None:
        """It was booked before, perhaps before what is booked already."""
        self.book(cost, at)
        self._booked = deque(sorted(self._booked, key=lambda booking: booking.at))

    def settle(self, booking: Booking, used: int, now: int) -> None:
        if booking.cost is not None:
            self.used += used - booking.cost
            booking.cost = used

    def share(self, now: int) -> float:
        self._expire(now)
        return min(1.0, self.used / self.limit)

    def __repr__(self) -> str:
        return f"{self.used}/{self.limit}"


class Bucket:
    """`limit` per `span`, refilled continuously, holding at most `burst` microseconds' worth."""

    def __init__(self, limit: int, burst: int, span: int = MINUTE) -> None:
        self.limit, self.burst, self.span = limit, burst, span
        self.tat = -burst

    @property
    def per_minute(self) -> int:
        return -(-self.limit * MINUTE // self.span)

    def time_of(self, cost: int) -> int:
        """Microseconds in which so much is refilled, rounded up."""
        return -(-cost * self.span // self.limit)

    def open_at(self, cost: int, now: int) -> int:
        return max(now, max(self.tat, now - self.burst) + min(self.time_of(cost), self.burst))

    def book(self, cost: int, at: int) -> Booking:
        self.tat = max(self.tat, at - self.burst) + self.time_of(cost)
        return Booking(at, cost, self)

    def settle(self, booking: Booking, used: int, now: int) -> None:
        assert booking.cost is not None, "settled twice"
        self.tat = max(self.tat + self.time_of(used) - self.time_of(booking.cost), now - self.burst)
        booking.cost = None

    def share(self, now: int) -> float:
        return 1 - min(1.0, max(0.0, (now - self.tat) / self.burst))

    def __repr__(self) -> str:
        return f"{self.per_minute}/min"
