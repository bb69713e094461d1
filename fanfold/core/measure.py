"""The rate at which a provider's bucket refills, measured between moments at which it was empty.

The upper edge of what the measure leaves open is taken, and of that the roundest number: limits are made by people. So the next
refusal comes about as late again as the measure is long: refusals are geometric in time, and each makes the measure better.
"""

from __future__ import annotations

from math import ceil, log10

from fanfold.core.window import MINUTE, SECOND

MEMORY = 2 * MINUTE
CHANGED = 0.2  # a limit that is so much another has changed


class Measure:
    """So many calls in so much time. lost: what there was besides, and could not be held, or was spent on refusals."""

    __slots__ = ("calls", "lost", "time")

    def __init__(self) -> None:
        self.calls, self.time, self.lost = 0.0, 0, 0.0

    def add(self, calls: float, time: int, lost: float) -> bool:
        """Go on measuring, unless this contradicts what was: then the limit has changed. Returns whether it agrees with a measure
        that was there.
        """
        agrees = self.time > 0
        foreseen = self.calls * time / self.time if self.time else calls
        if abs(calls - foreseen) > max(3.0, CHANGED * foreseen):
            agrees = False
            self.calls, self.time, self.lost = 0.0, 0, 0.0
        if self.time > MEMORY:
            self.calls, self.time, self.lost = self.calls / 2, self.time // 2, self.lost / 2
        self.calls, self.time, self.lost = self.calls + calls, self.time + time, self.lost + lost
        return agrees

    def rate(self) -> float:
        """Calls a second."""
        lost = min(self.lost, 1 + self.calls / 16)
        return (
            round_between(self.calls * MINUTE / max(1, self.time), (self.calls + lost + 0.5) * MINUTE / max(1, self.time))
            * SECOND
            / MINUTE
        )


def round_between(low: float, high: float) -> float:
    """The roundest number between two."""
    step = 10.0 ** ceil(log10(high)) if high > 1 else 1.0
    while step >= 1:
        for unit in (step, step / 2):
            found = round((low + high) / 2 / unit) * unit
            if found and low <= found <= high:
                return found
        step /= 10
    return (low + high) / 2
