"""A token bucket as providers keep one: time is given, nothing waits."""

from __future__ import annotations


class Bucket:
    """Holds at most `capacity` units and refills by `per_minute`. Times are seconds on any one clock.

    Over any span, units admitted ≤ max(capacity, the largest single cost) + rate · span.
    """

    def __init__(self, per_minute: float, seconds: float) -> None:
        """seconds: how much refill it can hold. At least one unit fits, or nothing would ever pass."""
        self.per_minute = per_minute
        self.rate = per_minute / 60
        self.capacity = max(1.0, self.rate * seconds)
        self._level = self.capacity
        self._at: float | None = None

    def level(self, now: float) -> float:
        """Units there are; below 0 while a debt is paid back."""
        if self._at is not None:
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until `cost` may pass, 0 for at once. A cost above the capacity passes when the bucket is full."""
        missing = min(cost, self.capacity) - self.level(now)
        return max(0.0, missing / self.rate) if missing > 1e-9 else 0.0

    def take(self, cost: float, now: float) -> None:
        """Pay, into debt if need be."""
        self._level = min(self.capacity, self.level(now) - cost)

    def spill(self, cost: float, now: float) -> None:
        """Lose what a refused request costs; that makes no debt."""
        if (level := self.level(now)) > 0:
            self._level = max(0.0, level - cost)

    def full_in_s(self, now: float) -> float:
        """Seconds until it is full again: what OpenAI's `reset` headers say."""
        return (self.capacity - self.level(now)) / self.rate
