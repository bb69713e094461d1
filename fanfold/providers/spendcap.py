"""A spending limit that does not say its name.

Where a refusal usually says how long to wait, one that says nothing (no `retry-after`, no limits, no words about one) is a limit
on spending when a call that was made after it is answered in the same way. (ALGORITHMS A.3)
"""

from __future__ import annotations

import asyncio

import msgspec

from fanfold.providers.taxonomy import QUOTA_HINT
from fanfold.spec.calls import Answer, Fault, Scope
from fanfold.spec.errors import Code


class SpendCap:
    """Of one account: when each model first said no without a word."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def start(self) -> float:
        """Of a call; for `judge`."""
        return asyncio.get_running_loop().time()

    def judge(self, model: str, outcome: Answer | Fault, began: float) -> Answer | Fault:
        """The outcome of a call that began then."""
        if isinstance(outcome, Answer):
            self._since.pop(model, None)
            return outcome
        if outcome.code != Code.RATE_LIMITED or outcome.retry_after_s is not None or outcome.told or outcome.refused:
            return outcome
        first = self._since.setdefault(model, asyncio.get_running_loop().time())
        if began <= first:
            return outcome
        return msgspec.structs.replace(outcome, code=Code.QUOTA, scope=Scope.LANE, hint=QUOTA_HINT)
