"""How long a call takes: seconds to the first token, then tokens per second, now and then several times longer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

FIRST_SHARE = 0.2  # of a fixed latency, until the first token

_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Log-normal times: seconds to the first token, then tokens per second. A call in `tail` takes several times longer."""

    first_s: float = 0.4
    first_sigma: float = 0.35
    tokens_per_s: float = 180.0
    rate_sigma: float = 0.25
    tail: float = 0.02
    tail_times: tuple[float, float] = (3.0, 8.0)


@dataclass(frozen=True)
class Timing:
    """Of one call on an idle server: seconds until its first token, and from there to its end."""

    first_s: float
    rest_s: float


@dataclass(frozen=True)
class Times:
    """The speed of one call, by four uniform draws. tail: (share of the calls, how many times longer they take), beside the pace's own."""

    pace: Pace
    fixed_s: float | None
    first: float
    rate: float
    slow: float
    slower: float
    tail: tuple[float, float] = (0.0, 1.0)

    def of(self, tokens: int) -> Timing:
        """For an answer of that many tokens."""
        fixed, pace = self.fixed_s, self.pace
        share, times = self.tail
        times = times if self.slow < share else 1.0
        if fixed is not None:
            return Timing(fixed * times * FIRST_SHARE, fixed * times * (1 - FIRST_SHARE))
        if not share and self.slow < pace.tail:
            low, high = pace.tail_times
            times = low + (high - low) * self.slower
        first = _lognormal(pace.first_s, pace.first_sigma, self.first)
        rate = _lognormal(pace.tokens_per_s, pace.rate_sigma, self.rate)
        return Timing(first * times, tokens / rate * times)


def _lognormal(median: float, sigma: float, u: float) -> float:
    return median * math.exp(sigma * _NORMAL.inv_cdf(min(max(u, 1e-12), 1 - 1e-12)))
