"""Random draws as a counter hash: the same (seed, cell, attempt, purpose) always draws the same number, in any order of events."""

from __future__ import annotations

from collections.abc import Iterable

_MASK = (1 << 64) - 1


def uniform(seed: int, *counters: int) -> float:
    """A number in [0, 1): SplitMix64 (Steele, Lea, Flood 2014) over the seed and each counter in turn."""
    state = _mix(seed & _MASK)
    for counter in counters:
        state = _mix(state ^ (counter & _MASK))
    return (state >> 11) / (1 << 53)


def fold(counters: Iterable[int]) -> int:
    """Many counters as one, order kept."""
    state = 0
    for counter in counters:
        state = _mix(state ^ (counter & _MASK))
    return state


def _mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)
