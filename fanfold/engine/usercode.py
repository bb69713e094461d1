"""User code runs here and nowhere else: prompts, checks, functions, fallbacks. Whatever it raises becomes data."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from fanfold.spec.hidden import redact
from fanfold.spec.ports import Clock

SLOW_S = 0.005
OFTEN = 2  # times of being slow that are no accident
LONGEST = 8_000  # characters of a message


class UserCode:
    """Synchronous code is called in place until it has once been slow; from then on beside the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slow: dict[int, int] = {}  # times that a function was

    async def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        """Raises an Exception for whatever the function raises, SystemExit and the like too: it may not end the program."""
        if id(function) in self._slow:
            return await self.beside(function, *args)
        began = perf_counter()
        result = await _awaited(_outcome(function, args))
        self._took(function, began)
        return result

    def _took(self, function: Callable[..., Any], began: float) -> None:
        if perf_counter() - began > SLOW_S:
            self._slow[id(function)] = self._slow.get(id(function), 0) + 1

    def cheap_first(self, functions: Iterable[Callable[..., Any]]) -> list[Callable[..., Any]]:
        """In the order given, but those that have been slow after all others, and asynchronous ones last."""
        return sorted(functions, key=self._price)

    def _price(self, function: Callable[..., Any]) -> int:
        """Slow once is nothing: at its first call a function may load what it needs."""
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
            return 2
        return int(self._slow.get(id(function), 0) >= OFTEN)

    async def beside(self, function: Callable[..., Any], *args: Any) -> Any:
        """For code that is expected to take its time: a step's function."""
        if inspect.iscoroutinefunction(function):
            return await _awaited(_outcome(function, args))
        return await _awaited(await self._clock.offload(self._timed, function, args))

    def _timed(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
        began = perf_counter()
        outcome = _outcome(function, args)
        self._took(function, began)
        return outcome


Outcome = tuple[Any, BaseException | None]


def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    """What a call gave, or what it raised, as data: some exceptions cannot cross a thread or a future."""
    try:
        return function(*args), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - users raise anything
        return None, error


async def _awaited(outcome: Outcome) -> Any:
    result, error = outcome
    if error is None and inspect.isawaitable(result):
        try:
            return await result
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # it is we who are cancelled, not something of the user's
            error = cancelled
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001
            error = raised
    if error is None:
        return result
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        raise error
    raise RuntimeError(described(error)) from error


def described(error: BaseException) -> str:
    """An error in words that can be written anywhere, without keys."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - even __str__ is users' code
        text = ""
    return sayable(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def sayable(text: str) -> str:
    """Somebody else's words, as they can be written anywhere: without keys, half characters or more than is read."""
    if len(text) > LONGEST:
        text = redact(text[: 2 * LONGEST])[:LONGEST] + "…"
    return printable(redact(text))


def printable(text: str) -> str:
    """The same text; half characters, which no file can hold, written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
