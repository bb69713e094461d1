"""The limiter: requests and tokens are booked before a call and settled after it.

Two kinds of dimension. A `Window` holds a declared limit exactly: never more than `limit` in any 60 seconds, bursts
allowed within it. A `Bucket` has the semantics of a provider's own bucket (GCRA slot booking: one number, the theoretical
arrival time, per dimension; ITU-T I.371, and ALGORITHMS.md A.4). `gate` is the pause after a 429: nothing starts before it.

Integer microseconds throughout; results round up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
GUARD = SECOND // 10  # the network shifts starts against each other: a window is held a tenth of a second longer


class Booking:
    """What one call booked in one dimension. `cost` is None once it no longer counts."""

    __slots__ = ("at", "cost")

    def __init__(self, at: int, cost: int) -> None:
        self.at: int = at
        self.cost: int | None = cost


class Dimension(Protocol):
    def open_at(self, cost: int, now: int) -> int:
        """The earliest time at which `cost` fits."""
        ...

    def book(self, cost: int, at: int) -> Booking: ...

    def settle(self, booking: Booking, used: int, now: int) -> None:
        """Correct what was booked to what was really used."""
        ...

    def close_until(self, gate: int) -> None:
        """The server said stop: be empty when the gate opens, so that the restart is paced."""
        ...


class Window:
    """At most `limit` in any `span` microseconds."""

    def __init__(self, limit: int, span: int = MINUTE) -> None:
        self.limit, self.span = limit, span + GUARD
        self.used = 0
        self._booked: deque[Booking] = deque()  # oldest first

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
        booking = Booking(at, cost)
        self._booked.append(booking)
        self.used += cost
        return booking

    def settle(self, booking: Booking, used: int, now: int) -> None:
        if booking.cost is not None:
            self.used += used - booking.cost
            booking.cost = used

    def close_until(self, gate: int) -> None:
        pass  # a declared limit is the user's word, not a guess

    def __repr__(self) -> str:
        return f"{self.used}/{self.limit}"


class Bucket:
    """`limit` per minute, refilled continuously, holding at most `burst` microseconds' worth."""

    def __init__(self, limit: int, burst: int) -> None:
        self.limit, self.burst = limit, burst
        self.tat = -burst

    def _cost(self, cost: int) -> int:
        return -(-cost * MINUTE // self.limit)

    def open_at(self, cost: int, now: int) -> int:
        return max(now, max(self.tat, now - self.burst) + min(self._cost(cost), self.burst))

    def book(self, cost: int, at: int) -> Booking:
        self.tat = max(self.tat, at - self.burst) + self._cost(cost)
        return Booking(at, cost)

    def settle(self, booking: Booking, used: int, now: int) -> None:
        assert booking.cost is not None, "settled twice"
        self.tat = max(self.tat + self._cost(used) - self._cost(booking.cost), now - self.burst)
        booking.cost = None

    def close_until(self, gate: int) -> None:
        self.tat = max(self.tat, gate)

    def __repr__(self) -> str:
        return f"{self.limit}/min"


REQUESTS, INPUT, OUTPUT, TOTAL = "requests", "input tokens", "output tokens", "tokens"


def _part(kind: str, tokens_in: int, tokens_out: int) -> int:
    if kind == REQUESTS:
        return 1
    if kind == INPUT:
        return tokens_in
    return tokens_out if kind == OUTPUT else tokens_in + tokens_out


class Limiter:
    """One per (provider, account, model). dimensions: (what it counts, the dimension)."""

    def __init__(self, dimensions: Sequence[tuple[str, Dimension]] = ()) -> None:
        self.dimensions = tuple(dimensions)
        self.gate = 0

    def open_at(self, tokens_in: int, tokens_out: int, now: int) -> int:
        """The earliest time at which a call of this size may start."""
        at = max(now, self.gate)
        for kind, dimension in self.dimensions:
            at = max(at, dimension.open_at(_part(kind, tokens_in, tokens_out), now))
        return at

    def book(self, tokens_in: int, tokens_out: int, at: int) -> tuple[Booking, ...]:
        return tuple(d.book(_part(kind, tokens_in, tokens_out), at) for kind, d in self.dimensions)

    def sent(self, bookings: Sequence[Booking], now: int) -> None:
        """What was booked last is sent only now: windows count from here."""
        for booking in bookings:
            booking.at = now

    def settle(self, bookings: Sequence[Booking], tokens_in: int, tokens_out: int, now: int) -> None:
        """The call is over and used this much. A request that was sent stays a request."""
        for (kind, dimension), booking in zip(self.dimensions, bookings, strict=True):
            dimension.settle(booking, _part(kind, tokens_in, tokens_out), now)

    def throttled(self, wait: int, now: int) -> None:
        """A 429 came: nothing starts for `wait` microseconds."""
        self.gate = max(self.gate, now + wait)
        for _, dimension in self.dimensions:
            dimension.close_until(self.gate)

    def binding(self, now: int) -> tuple[str, float, int, str]:
        """What keeps the next call from starting: (what is counted, used share of its limit, the limit per minute, who said so)."""
        for kind, dimension in self.dimensions:
            if isinstance(dimension, Window) and dimension.used:
                return kind, min(1.0, dimension.used / dimension.limit), dimension.limit, "declared"
        return "start", 0.0, 0, ""

    def __repr__(self) -> str:
        held = ", ".join(f"{kind} {dimension!r}" for kind, dimension in self.dimensions)
        return f"<Limiter {held or 'no limits'}{f', gate {self.gate}' if self.gate else ''}>"
