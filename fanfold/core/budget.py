"""A budget of retries for all calls of a lane, so that a server in trouble is not asked again and again by everybody.

A token bucket, as in the AWS SDKs' standard mode and gRPC's retry throttling: retries take out, successes put back.
"""

from __future__ import annotations

from fanfold.spec.errors import Code

FULL = 100.0
COST, TIMEOUT_COST = 5.0, 10.0
FREE = 20  # retries that are always possible, however few the calls
BACK = 1.0
"""What a success puts back: in the long run at most one retry for five successes."""


class RetryBudget:
    """left: what can be paid with; taken: retries so far."""

    __slots__ = ("left", "taken")

    def __init__(self) -> None:
        self.left = FULL
        self.taken = 0

    def take(self, code: str) -> bool:
        """Pay for a retry, if it can be paid. Time-outs cost double: they have kept the server busy all the while."""
        cost = TIMEOUT_COST if code == Code.TIMEOUT else COST
        if self.left < cost and self.taken >= FREE:
            return False
        self.left = max(0.0, self.left - cost)
        self.taken += 1
        return True

    def succeeded(self) -> None:
        self.left = min(FULL, self.left + BACK)
