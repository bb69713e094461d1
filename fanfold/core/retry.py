"""Retry is arithmetic over facts: what a fault means for its cell, and when to try again.

Malformed and truncated answers are not transport's fault: they are regenerated, and cost an attempt.
"""

from __future__ import annotations

from enum import Enum

from fanfold.spec.errors import Code

SECOND = 1_000_000
BASE, CEILING = SECOND // 2, 20 * SECOND
WAIT_MOST_S = 15 * 60  # a server that asks for more has run out of quota, whatever it calls it
WAITS = 20  # times that one cell waits for a rate limit


class Remedy(Enum):
    RETRY = "retry"  # the same call again, after a pause; transport's own budget
    WAIT = "wait"  # the server asked for it; costs neither an attempt nor a retry
    REGENERATE = "regenerate"  # a new answer; costs an attempt
    FAIL = "fail"


_REMEDIES = {
    Code.TRANSIENT: Remedy.RETRY,
    Code.TIMEOUT: Remedy.RETRY,
    Code.RATE_LIMITED: Remedy.WAIT,
    Code.MALFORMED: Remedy.REGENERATE,
    Code.TRUNCATED: Remedy.REGENERATE,
}


def remedy(code: str) -> Remedy:
    return _REMEDIES.get(Code(code), Remedy.FAIL)


def backoff(n: int, draw: float) -> int:
    """Microseconds before the nth retry (n from 0): equal jitter, d/2 + U(0, d/2), d = min(0.5 s · 2ⁿ, 20 s).

    (Brooker 2015, "Exponential backoff and jitter"; equal jitter keeps a floor, which full jitter does not.)
    """
    d = min(BASE << min(n, 16), CEILING)
    return d // 2 + int(draw * (d // 2))


def asked(wait_s: float, draw: float) -> int:
    """Microseconds for a wait that the server asked for: never less, at most a tenth more, so that cells do not wake as a herd."""
    return int(wait_s * SECOND * (1 + draw / 10)) + 1
