"""Time on a real event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


CLOSE_S = 0.006  # batches that come within this of each other are a stream
STREAM = 4  # so many close batches make one
LINGER_S = 0.002  # in a stream, how long a batch waits for more: one commit then serves several facts


class LoopClock:
    """The running loop's own time, in microseconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._close = 0

    def now(self) -> int:
        return round(asyncio.get_running_loop().time() * 1_000_000)

    async def quiet(self, *, answered: bool) -> None:
        """On a real clock an instant is never over: whatever has come is a batch. Only under load it is worth waiting for more:
        a call alone, a small fan-out and a chain are never delayed.
        """
        now = asyncio.get_running_loop().time()
        self._close = self._close + 1 if answered and now - self._last < CLOSE_S else 0
        if self._close >= STREAM:
            await asyncio.sleep(LINGER_S)
            now += LINGER_S
        self._last = now

    async def offload(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.to_thread(function, *args)
