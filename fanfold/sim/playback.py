"""An answer on its way: which piece is due when, with nobody's clock but the loop's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

from fanfold.sim.simulation import Script, Simulation

PIECES = 12  # at most, per call: enough to see it stream, few enough to stay cheap
OPENING, SMALL = (
    6,
    16,
)  # the first few of these have so many characters, as tokens come: what stands there is known before much is made
_LEAST = 4  # characters in a piece

Sleep = Callable[[float], Awaitable[object]]


class Overdue(Exception):
    """The deadline has passed, and the answer is not complete."""


class Playback:
    """The pieces of one answer: the first at the time to first token, the last at its end.

    whole: nobody listens, so it is one piece, unless the service can saturate, which is felt on the way.
    deadline_s: seconds from now at which `Overdue` is raised.
    """

    def __init__(self, simulation: Simulation, script: Script, sleep: Sleep, *, whole: bool, deadline_s: float = inf) -> None:
        self._simulation, self._script, self._sleep = simulation, script, sleep
        self._time = asyncio.get_running_loop().time
        self._due = self._time()
        self._deadline = self._due + deadline_s
        self.pieces = [script.text] if whole and simulation.world.capacity is None else cut(script.text)
        self.sent = 0
        self._said = 0  # characters

    async def reach(self) -> str:
        """Wait for the next piece."""
        timing, piece = self._script.timing, self.pieces[self.sent]
        if self.sent == 0:
            self._due += timing.first_s
        if len(self.pieces) == 1:
            self._due += timing.rest_s * self._simulation.stretch()
        elif self.sent > 0:
            share = len(piece) / (len(self._script.text) - len(self.pieces[0]))
            self._due += timing.rest_s * share * self._simulation.stretch()
        await self._until(self._due)
        self.sent += 1
        self._said += len(piece)
        return piece

    async def finish(self) -> None:
        """Wait for the pieces that are left."""
        while self.sent < len(self.pieces):
            await self.reach()

    async def pause(self, seconds: float) -> None:
        """A silence, without an answer."""
        self._due += seconds
        await self._until(self._due)

    async def silence(self, longest_s: float = inf) -> None:
        """Nothing more comes. Raises Overdue after `longest_s` or at the deadline; without either it never ends."""
        end = min(self._deadline, self._time() + longest_s)
        while (left := end - self._time()) > 0:
            await self._sleep(min(left, 3600.0))
        raise Overdue

    @property
    def tokens_sent(self) -> int:
        """Of the answer's tokens, those that have been made."""
        if self.sent == len(self.pieces):
            return self._script.tokens_out
        return self._script.tokens_out * self._said // max(1, len(self._script.text))

    async def _until(self, due: float) -> None:
        if due > self._deadline:
            await self.silence()
        await self._sleep(max(0.0, due - self._time()))


def cut(text: str) -> list[str]:
    """At most `PIECES` pieces, never none: a few small ones, and what is left in about equal parts; a short text in equal parts."""
    size = max(_LEAST, -(-len(text) // PIECES))
    if size <= SMALL:
        return [text[i : i + size] for i in range(0, len(text), size)] or [""]
    start = OPENING * SMALL
    size = -(-(len(text) - start) // (PIECES - OPENING))
    return [text[i : i + SMALL] for i in range(0, start, SMALL)] + [text[i : i + size] for i in range(start, len(text), size)]
