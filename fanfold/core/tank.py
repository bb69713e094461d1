"""A tank of calls that may start, refilled by a rate that changes."""

from __future__ import annotations

from fanfold.core.window import SECOND

NEAR = 1e-6


class Tank:
    """Calls that may start: refilled at `rate` a second, at most `capacity` of them."""

    __slots__ = ("at", "capacity", "full_at", "level", "rate")

    def __init__(self, capacity: float, rate: float) -> None:
        self.capacity, self.rate, self.level = capacity, rate, capacity
        self.at = self.full_at = 0

    def fill(self, now: int) -> None:
        """Refill up to now, which is later than the last time. full_at: since when nobody takes what there is."""
        if self.level < self.capacity:
            self.full_at = self.at + self.short_for(self.capacity)
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate / SECOND)
        self.at = now

    def short_for(self, until: float) -> int:
        """Microseconds until it holds so many, 0 if it does."""
        return max(0, int((until - self.level) * SECOND / self.rate) + 1) if self.level < until - NEAR else 0
