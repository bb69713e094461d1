"""One admitted call over a real socket, to whatever end its script has for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web

from fanfold.sim.playback import Playback
from fanfold.sim.server.voice import Voice
from fanfold.sim.simulation import Script, Simulation
from fanfold.sim.world import STATUSES

_JSON = "application/json"
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>"
_UNWRITTEN = frozenset({*STATUSES, "quota", "html", "hang"})


class Exchange:
    def __init__(self, simulation: Simulation, script: Script, voice: Voice, request: web.Request) -> None:
        self._simulation, self._stats, self._script = simulation, simulation.stats, script
        self._voice, self._request = voice, request
        self._playback = Playback(simulation, script, asyncio.sleep, whole=not voice.request.stream)

    async def answer(self) -> web.StreamResponse:
        script = self._script
        try:
            response = await self._answer()
        except asyncio.CancelledError:
            self._stats.left(script.fault)
            raise
        except (
            ConnectionError
        ):  # the client left while it was written to, as one does that has heard enough: nothing is wrong here
            self._stats.left(script.fault)
            if self._request.transport is not None:
                self._request.transport.close()
            return web.Response()
        finally:
            self._simulation.settle(script, self._playback.tokens_sent, now())
        self._stats.ended(script.fault or ("truncated" if script.finish == "length" else ""))
        return response

    async def _answer(self) -> web.StreamResponse:
        fault = self._script.fault
        if fault in _UNWRITTEN:
            return await self._unwritten(fault)
        if self._voice.request.stream:
            return await self._streamed(fault)
        if fault == "reset":
            await self._playback.pause(self._script.timing.first_s / 2)
            return self._broken()
        if fault == "stall":
            return await self._short(stay=True)
        await self._playback.finish()
        if fault == "no_terminal":
            return await self._short(stay=False)
        return document(self._voice.whole(self._script), 200, self._headers())

    async def _unwritten(self, fault: str) -> web.StreamResponse:
        if fault == "hang":
            await self._playback.silence()
        await self._playback.pause(self._simulation.world.refusal_s)
        if fault == "html":
            return web.Response(body=_PAGE, content_type="text/html", headers=self._headers())
        status, body = self._voice.failure(fault, self._script, hint=self._simulation.hint != "none")
        return document(body, status, self._headers(self._script.wait_s if fault == "429" else None))

    async def _streamed(self, fault: str) -> web.StreamResponse:
        response = self._response("text/event-stream; charset=utf-8")
        total = len(self._playback.pieces)
        for number in range(total // 2 if fault in ("reset", "stall") else total):
            text = await self._playback.reach()
            if number == 0:
                await response.prepare(self._request)
            await response.write((b"" if number else self._voice.first(self._script)) + self._voice.piece(self._script, text))
        if fault == "stall":
            await self._playback.silence()
        if fault == "reset":
            return self._broken()
        if fault != "no_terminal":
            await response.write(self._voice.last(self._script))
        await response.write_eof()
        return response

    async def _short(self, *, stay: bool) -> web.StreamResponse:
        """Headers that promise more than comes: half of the body, then silence or the end of the connection."""
        body = self._voice.whole(self._script)
        response = self._response(_JSON, {"Content-Length": str(len(body))})
        await response.prepare(self._request)
        await response.write(body[: len(body) // 2])
        if stay:
            await self._playback.silence()
        if self._request.transport is not None:
            self._request.transport.close()
        return response

    def _broken(self) -> web.StreamResponse:
        """The connection is reset; what is returned goes nowhere."""
        transport = self._request.transport
        if transport is not None:
            reset_on_close(transport.get_extra_info("socket"))
            transport.abort()
        return web.Response()

    def _response(self, content_type: str, more: dict[str, Any] | None = None) -> web.StreamResponse:
        return web.StreamResponse(headers={**self._headers(), "Content-Type": content_type, **(more or {})})

    def _headers(self, wait_s: float | None = None) -> dict[str, str]:
        return self._voice.headers(self._simulation, now(), wait_s, self._script)


def reset_on_close(connection: socket.socket | None) -> None:
    """Closing sends a reset, as a peer that has died does, instead of an orderly end."""
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def document(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type=_JSON, headers=headers)


def now() -> float:
    return asyncio.get_running_loop().time()
