"""User code runs here and nowhere else: prompts, checks, functions, fallbacks. Whatever it raises becomes data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from time import perf_counter
from typing import Any

from fanfold.spec.ports import Clock

SLOW_S = 0.005


class UserCode:
    """Synchronous code is called in place until it has once been slow; from then on beside the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slow: set[int] = set()

    async def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        """Raises what the function raises; SystemExit as RuntimeError, for a check may not end the program."""
        try:
            if id(function) in self._slow:
                result = await self._clock.offload(function, *args)
            else:
                began = perf_counter()
                result = function(*args)
                if perf_counter() - began > SLOW_S:
                    self._slow.add(id(function))
            return await result if inspect.isawaitable(result) else result
        except SystemExit as error:
            raise RuntimeError(f"called sys.exit({error.code!r})") from error

    async def beside(self, function: Callable[..., Any], *args: Any) -> Any:
        """For code that is expected to take its time: a step's function."""
        if inspect.iscoroutinefunction(function):
            return await function(*args)
        try:
            result = await self._clock.offload(function, *args)
            return await result if inspect.isawaitable(result) else result
        except SystemExit as error:
            raise RuntimeError(f"called sys.exit({error.code!r})") from error


def described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
