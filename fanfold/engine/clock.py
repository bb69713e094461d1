"""Time on a real event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class LoopClock:
    """The running loop's own time, in microseconds."""

    def now(self) -> int:
        return round(asyncio.get_running_loop().time() * 1_000_000)

    async def quiet(self) -> None:
        """On a real clock an instant is never over: whatever has come is a batch."""

    async def offload(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.to_thread(function, *args)
