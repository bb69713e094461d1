"""A provider that says what a script tells it to: for tests of ours, and of users."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanfold.spec.calls import Answer, Chunk, Fault, Request, Usage


@dataclass(frozen=True)
class Says:
    """One scripted answer. latency_s: until its end; first_s: until its first piece, when it is asked to stream."""

    value: Any = "ok"
    latency_s: float = 1.0
    first_s: float | None = None
    usage: Usage = field(default_factory=lambda: Usage(tokens_in=10, tokens_out=10))
    pieces: int = 4

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else json.dumps(self.value)


@dataclass(frozen=True)
class Fails:
    """One scripted fault, after a while."""

    fault: Fault
    latency_s: float = 0.1


Script = Callable[[Request, int], Says | Fails]


class ScriptedProvider:
    """Answers by a function (request, number of the call) or from a list, in order; the last entry repeats.

    calls: every request it was sent. in_flight, max_in_flight: now, and at most.
    """

    def __init__(self, script: Script | Iterable[Says | Fails | Any]) -> None:
        if callable(script):
            self._script: Script = script
        else:
            entries = [entry if isinstance(entry, Says | Fails) else Says(entry) for entry in script]
            self._script = lambda request, number: entries[min(number, len(entries) - 1)]
        self.calls: list[Request] = []
        self.started: list[float] = []
        self.in_flight = self.max_in_flight = self.cancelled = 0

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        number = len(self.calls)
        self.calls.append(request)
        self.started.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._play(self._script(request, number), request, heard)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    async def _play(self, entry: Says | Fails, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        if isinstance(entry, Fails):
            await asyncio.sleep(entry.latency_s)
            return entry.fault
        if not request.stream:
            await asyncio.sleep(entry.latency_s)
            return Answer(text=entry.text, usage=entry.usage)
        first = entry.latency_s * 0.3 if entry.first_s is None else entry.first_s
        await asyncio.sleep(first)
        rest = (entry.latency_s - first) / max(1, entry.pieces)
        for piece in _cut(entry.text, entry.pieces):
            heard(Chunk(piece))
            await asyncio.sleep(rest)
        return Answer(text=entry.text, usage=entry.usage)

    async def close(self) -> None:
        """Nothing is held."""


def _cut(text: str, pieces: int) -> Sequence[str]:
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[i : i + size] for i in range(0, len(text), size)]
