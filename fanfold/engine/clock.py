"""Time on a real event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


LINGER_S = 0.004  # under load, how long a batch waits for more: one commit then serves several facts
LOAD_S = 0.006  # that is when batches come, on average, closer together than this
CALM_S = 0.05  # the average at the start, and the most that one pause counts
WEIGHT = 1 / 8  # of the newest gap in the average


class LoopClock:
    """The running loop's own time, in microseconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._gap = CALM_S

    def now(self) -> int:
        return round(asyncio.get_running_loop().time() * 1_000_000)

    async def quiet(self, *, answered: bool) -> None:
        """On a real clock an instant is never over: whatever has come is a batch. Only under load it is worth waiting for more:
        a call alone, a small fan-out and a chain are never delayed.
        """
        if not answered:
            return
        now = asyncio.get_running_loop().time()
        self._gap += WEIGHT * (min(now - self._last, CALM_S) - self._gap)
        if self._gap < LOAD_S:
            await asyncio.sleep(LINGER_S)
            now += LINGER_S
        self._last = now

    async def offload(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.to_thread(function, *args)
