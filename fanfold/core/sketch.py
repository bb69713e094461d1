"""Quantiles of a stream of times, in little memory: counts in logarithmic buckets (DDSketch; Masson, Rim, Lee, 2019).

A quantile is off by at most `ERROR` of itself. Old observations fade: when there are many, all counts are halved.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import ceil, log

ERROR = 0.02
_GAMMA = (1 + ERROR) / (1 - ERROR)
_LOG_GAMMA = log(_GAMMA)
FADE_AT = 4096
"""Observations after which counts are halved, so that the newest few thousand decide."""
REUSE = 16
"""A quantile is worked out anew after so many observations: in between it hardly moves."""


class Sketch:
    """Positive whole numbers. count: how many, the faded ones by what is left of them."""

    __slots__ = ("_buckets", "_cached", "_since", "count")

    def __init__(self) -> None:
        self.count = 0
        self._buckets: dict[int, int] = {}
        self._cached: dict[float, int] = {}
        self._since = 0

    def add(self, value: int) -> None:
        bucket = ceil(log(value) / _LOG_GAMMA) if value > 1 else 0
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self._since += 1
        if self._since >= REUSE or self.count <= REUSE:
            self._cached.clear()
            self._since = 0
        if self.count >= FADE_AT:
            self._fade()

    def _fade(self) -> None:
        """Halve all counts. What is left over of one bucket goes on to the next, so that thin tails do not vanish."""
        left, faded = 0, {}
        for bucket in sorted(self._buckets):
            half, left = divmod(self._buckets[bucket] + left, 2)
            if half:
                faded[bucket] = half
        self._buckets, self.count = faded, sum(faded.values())

    def quantile(self, q: float) -> int | None:
        """The value that a share `q` does not exceed; None without observations."""
        if not self.count:
            return None
        found = self._cached.get(q)
        if found is None:
            found = self._cached[q] = self._find(q)
        return found

    def _find(self, q: float) -> int:
        buckets = sorted(self._buckets)
        counted = list(accumulate(self._buckets[bucket] for bucket in buckets))
        bucket = buckets[bisect_left(counted, max(1, ceil(q * self.count)))]
        return round(2 * _GAMMA**bucket / (_GAMMA + 1)) if bucket else 1

    def __repr__(self) -> str:
        return f"<Sketch of {self.count}: {self.quantile(0.5)}, p95 {self.quantile(0.95)}>"
