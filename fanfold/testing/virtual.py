"""Virtual time: an event loop whose clock jumps to the next timer when nothing is runnable.

A whole run takes the time of its Python code; latencies cost nothing, and the order of events depends on nothing but the
program and its seed. Nothing runnable and no timer is a `Deadlock`: a liveness test for free.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from math import ceil
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Everybody waits, and no timer is set: nothing will ever happen again."""


class _Selector(selectors.BaseSelector):
    """No sockets; to wait is to let the clock jump."""

    def __init__(self) -> None:
        self._map: dict[Any, selectors.SelectorKey] = {}
        self.jump: Callable[[float | None], None] = lambda timeout: None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._map[fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._map.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._map

    def select(self, timeout: float | None = None) -> list[Any]:
        self.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = _Selector()
        selector.jump = self._jump
        self._virtual = 0.0
        self._quiet: list[asyncio.Future[None]] = []
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual

    def _jump(self, timeout: float | None) -> None:
        if timeout == 0:
            return
        if self._quiet:  # the instant is exhausted: let those go on who waited for that, before time moves
            waiting, self._quiet = self._quiet, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)
            return
        if timeout is None:
            if not self._stopping:  # type: ignore[attr-defined]
                raise Deadlock("nothing is runnable, and no timer is set")
            return
        self._virtual = max(self._virtual, self._scheduled[0]._when)  # type: ignore[attr-defined]

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """Timers stand on whole microseconds, rounded up: sums of floats would make two instants of one, or of two none."""
        exact = ceil(when * 1e6 - 1e-3) / 1e6
        if exact <= self._virtual < when:
            exact = (round(self._virtual * 1e6) + 1) / 1e6  # the shortest time there is: who waits for it must get on
        return super().call_at(exact, callback, *args, context=context)

    async def quiet(self) -> None:
        """Return when nothing else can happen at this instant."""
        future: asyncio.Future[None] = self.create_future()
        self._quiet.append(future)
        await future

    def _write_to_self(self) -> None:
        """There is no selector to wake."""


class VirtualClock:
    """The clock of a `VirtualLoop`: exact microseconds, batches that close when their instant is over, no threads."""

    def now(self) -> int:
        return round(asyncio.get_running_loop().time() * 1_000_000)

    async def quiet(self, *, answered: bool) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "VirtualClock needs the loop of fanfold.testing.virtual.run"
        await loop.quiet()

    async def offload(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time. An exception that no task retrieves fails it."""
    loop = VirtualLoop()
    lost: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: lost.append(context))
    try:
        asyncio.set_event_loop(loop)
        result = loop.run_until_complete(main)
        leftover = [task for task in asyncio.all_tasks(loop) if not task.done()]
        assert not leftover, f"tasks were left behind: {leftover}"
        assert not lost, f"errors were lost: {lost}"
        return result
    finally:
        asyncio.set_event_loop(None)
        loop.close()
