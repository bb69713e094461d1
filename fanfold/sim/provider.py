"""The simulated provider in process: no sockets, no clock of its own, so that it runs in virtual time as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from fanfold.sim.content import ContentError, ContentFunction, Contents
from fanfold.sim.playback import Overdue, Playback, Sleep
from fanfold.sim.simulation import Refusal, Script, Simulation, go_duration, refusal_text
from fanfold.sim.stats import Stats
from fanfold.sim.world import STATUSES, World
from fanfold.spec.calls import Answer, Chunk, Fault, Request, Scope, Usage
from fanfold.spec.errors import Code

GRACE_S = 1.0  # the core keeps the deadline; this is the second line


class SimProvider:
    """A model that needs no key and costs nothing. The same world gives the same answers to the same set of requests.

    sleep: how to wait. contents: title -> content function, instead of those that applications bring along.
    """

    def __init__(
        self, world: World, *, sleep: Sleep = asyncio.sleep, contents: Mapping[str, ContentFunction] | None = None
    ) -> None:
        self._sleep = sleep
        self._simulation = Simulation(world, Contents(contents))

    @property
    def stats(self) -> Stats:
        return self._simulation.stats

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        simulation = self._simulation
        try:
            script = simulation.begin(request, _now())
        except ContentError as error:
            return Fault(code=Code.INTERNAL, message=str(error))
        except (TypeError, ValueError) as error:
            return Fault(code=Code.BAD_REQUEST, message=f"the request cannot be written as JSON: {error}")
        if isinstance(script, Refusal):
            headers = self._headers(script.wait_s)
            await self._sleep(simulation.world.refusal_s)
            return _refused(script, request.model, headers)
        with simulation.stats.flight():
            return await self._play(script, request, heard)

    async def close(self) -> None:
        """Nothing is held."""

    async def _play(self, script: Script, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        playback = Playback(
            self._simulation, script, self._sleep, whole=not request.stream, deadline_s=request.timeout_s + GRACE_S
        )
        listener = heard if request.stream else None
        try:
            outcome = await self._outcome(script, playback, listener, request.idle_s + GRACE_S)
        except Overdue:
            outcome = Fault(code=Code.TIMEOUT, message="no complete answer within the deadline", usage=_spent(script, playback))
        except asyncio.CancelledError:
            self.stats.left(script.fault)
            raise
        finally:
            self._simulation.settle(script, playback.tokens_sent, _now())
        self.stats.ended(script.fault or (str(outcome.code) if isinstance(outcome, Fault) else ""))
        return outcome

    async def _outcome(
        self, script: Script, playback: Playback, heard: Callable[[Chunk], None] | None, idle_s: float
    ) -> Answer | Fault:
        match script.fault:
            case "hang":
                await playback.silence()
            case "stall":
                await self._listen(playback, heard, len(playback.pieces) // 2)
                await playback.silence(idle_s if heard else float("inf"))
            case "reset":
                await playback.pause(script.timing.first_s / 2)
                await self._listen(playback, heard, len(playback.pieces) // 2)
                message = "the connection was reset"
                return Fault(code=Code.TRANSIENT, message=message, usage=_spent(script, playback))
            case "no_terminal":
                await self._listen(playback, heard, len(playback.pieces))
                message = "the answer ended without a terminal signal"
                return Fault(code=Code.TRANSIENT, message=message, usage=_spent(script, playback))
            case "" | "malformed" | "truncated" | "filter":
                await self._listen(playback, heard, len(playback.pieces))
                return self._answer(script)
        await playback.pause(self._simulation.world.refusal_s)
        return self._wordless(script)

    async def _listen(self, playback: Playback, heard: Callable[[Chunk], None] | None, pieces: int) -> None:
        while playback.sent < pieces:
            piece = await playback.reach()
            if heard is not None and piece:
                heard(Chunk(piece))

    def _answer(self, script: Script) -> Answer | Fault:
        usage = Usage(tokens_in=script.tokens_in, tokens_out=script.tokens_out)
        headers = self._headers()
        if script.finish == "length":
            return Fault(
                code=Code.TRUNCATED, message="the answer reached its token limit", usage=usage, headers=headers, text=script.text
            )
        if script.finish == "content_filter":
            return Fault(code=Code.FILTERED, message="the provider filtered the answer", usage=usage, headers=headers)
        return Answer(text=script.text, usage=usage, finish=script.finish, request_id=script.request_id, headers=headers)

    def _wordless(self, script: Script) -> Fault:
        if script.fault == "429":
            headers = self._headers(script.wait_s)
            message = f"HTTP 429: Rate limit reached. Please try again in {go_duration(script.wait_s)}."
            return Fault(code=Code.RATE_LIMITED, message=message, retry_after_s=script.wait_s, headers=headers, status=429)
        if script.fault in STATUSES:
            return Fault(code=Code.TRANSIENT, message=f"HTTP {script.fault}: simulated", status=int(script.fault))
        if script.fault == "quota":
            message, hint = "HTTP 429: the simulated quota is used up", "it is a drawn fault: leave it out of `faults`"
            return Fault(code=Code.QUOTA, message=message, hint=hint, scope=Scope.ACCOUNT, status=429)
        what, scope = {
            "empty": ("the answer has no choices", Scope.CELL),
            "html": ("a page of text/html instead of an answer", Scope.ENDPOINT),
        }[script.fault]
        return Fault(code=Code.MALFORMED, message=what, status=200, scope=scope)

    def _headers(self, wait_s: float | None = None) -> dict[str, str]:
        return self._simulation.refusal_headers(_now(), wait_s)


def _refused(refusal: Refusal, model: str, headers: dict[str, str]) -> Fault:
    message = "HTTP 429: " + refusal_text(refusal, model)
    if refusal.wait_s is None:
        return Fault(code=Code.TOO_LONG, message=message, hint="ask for fewer tokens", headers=headers, status=429)
    return Fault(code=Code.RATE_LIMITED, message=message, retry_after_s=refusal.wait_s, headers=headers, status=429)


def _spent(script: Script, playback: Playback) -> Usage:
    return Usage(tokens_in=script.tokens_in, tokens_out=playback.tokens_sent, exact=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
