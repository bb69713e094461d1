"""One admitted call over a real socket, to whatever end its script has for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web

from fanfold.sim.playback import Playback
from fanfold.sim.server import chat
from fanfold.sim.simulation import Script, Simulation, go_duration
from fanfold.sim.world import STATUSES

_JSON = "application/json"
_REASONS = {
    "500": ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    "502": ("Bad gateway.", "server_error", None),
    "503": ("The engine is currently overloaded, please try again later", "server_error", "service_unavailable"),
    "529": ("Overloaded", "overloaded_error", "overloaded"),
}
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>"
_UNWRITTEN = frozenset({*STATUSES, "quota", "html", "hang"})


class Exchange:
    def __init__(self, simulation: Simulation, script: Script, body: chat.Body, request: web.Request) -> None:
        self._simulation, self._stats, self._script = simulation, simulation.stats, script
        self._body, self._request = body, request
        self._playback = Playback(simulation, script, asyncio.sleep, whole=not body.stream)

    async def answer(self) -> web.StreamResponse:
        script = self._script
        try:
            response = await self._answer()
        except (asyncio.CancelledError, ConnectionError):
            self._stats.left(script.fault)
            raise
        finally:
            self._simulation.settle(script, self._playback.tokens_sent, now())
        self._stats.ended(script.fault or ("truncated" if script.finish == "length" else ""))
        return response

    async def _answer(self) -> web.StreamResponse:
        fault = self._script.fault
        if fault in _UNWRITTEN:
            return await self._unwritten(fault)
        if self._body.stream:
            return await self._streamed(fault)
        if fault == "reset":
            await self._playback.pause(self._script.timing.first_s / 2)
            return self._broken()
        if fault == "stall":
            return await self._short(stay=True)
        await self._playback.finish()
        if fault == "no_terminal":
            return await self._short(stay=False)
        return document(chat.completion(self._script, self._body.model), 200, self._headers())

    async def _unwritten(self, fault: str) -> web.StreamResponse:
        if fault == "hang":
            await self._playback.silence()
        await self._playback.pause(self._simulation.world.refusal_s)
        if fault == "html":
            return web.Response(body=_PAGE, content_type="text/html", headers=self._headers())
        if fault == "429":
            message = f"Rate limit reached for {self._body.model}. Please try again in {go_duration(self._script.wait_s)}."
            body = chat.error_body(message, "requests", code="rate_limit_exceeded")
            return document(body, 429, self._headers(self._script.wait_s))
        if fault == "quota":
            return document(chat.error_body(_QUOTA, "insufficient_quota", code="insufficient_quota"), 429, self._headers())
        message, kind, code = _REASONS[fault]
        return document(chat.error_body(message, kind, code=code), int(fault), self._headers())

    async def _streamed(self, fault: str) -> web.StreamResponse:
        options = self._body.stream_options
        stream = chat.Stream(self._script, self._body.model, usage=options is not None and options.include_usage)
        response = self._response("text/event-stream; charset=utf-8")
        total = len(self._playback.pieces)
        for number in range(total // 2 if fault in ("reset", "stall") else total):
            text = await self._playback.reach()
            if number == 0:
                await response.prepare(self._request)
            await response.write((b"" if number else stream.start()) + stream.piece(text))
        if fault == "stall":
            await self._playback.silence()
        if fault == "reset":
            return self._broken()
        if fault != "no_terminal":
            await response.write(stream.end())
        await response.write_eof()
        return response

    async def _short(self, *, stay: bool) -> web.StreamResponse:
        """Headers that promise more than comes: half of the body, then silence or the end of the connection."""
        body = chat.completion(self._script, self._body.model)
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
        limits = self._simulation.refusal_headers(now(), wait_s)
        return {"x-request-id": self._script.request_id, "openai-processing-ms": "0", **limits}


def reset_on_close(connection: socket.socket | None) -> None:
    """Closing sends a reset, as a peer that has died does, instead of an orderly end."""
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def document(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type=_JSON, headers=headers)


def now() -> float:
    return asyncio.get_running_loop().time()
