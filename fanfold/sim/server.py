"""The simulated provider as an OpenAI-compatible HTTP server: real sockets, real headers, real faults."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from fanfold.sim import chat
from fanfold.sim.content import ContentError, Contents
from fanfold.sim.playback import Playback
from fanfold.sim.provider import retry_headers
from fanfold.sim.simulation import Refusal, Script, Simulation, go_duration
from fanfold.sim.stats import Stats
from fanfold.sim.world import STATUSES, World

DEFAULT_MODEL = "default"
MISSING = "missing"  # a model whose name starts so is never there
_LARGEST_BODY = 64 * 1024 * 1024
_STOP_S = 0.05  # calls in the air are cut off when the server stops
_JSON = "application/json"
_REASONS = {
    "500": ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    "502": ("Bad gateway.", "server_error", None),
    "503": ("The engine is currently overloaded, please try again later", "server_error", "service_unavailable"),
    "529": ("Overloaded", "overloaded_error", "overloaded"),
}
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Running:
    """A server that listens. url: its base URL, as an OpenAI client wants it."""

    host: str
    port: int
    stats: Stats
    _runner: web.AppRunner

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    async def stop(self) -> None:
        """Close the port, and cut off what is in the air."""
        await self._runner.cleanup()


async def start(
    world: World, host: str = "127.0.0.1", port: int = 0, *, api_key: str | None = None, models: Sequence[str] | None = None
) -> Running:
    """Listen. port: 0 for any. api_key: the only one accepted; None: any, or none. models: the only ones known; None: all.

    Raises OSError when the port cannot be had.
    """
    service = Service(world, api_key, models)
    runner = web.AppRunner(
        service.application(), access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_S, keepalive_timeout=75
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=4096).start()
    except BaseException:
        await runner.cleanup()
        raise
    return Running(host, runner.addresses[0][1], service.stats, runner)


def serve_forever(
    world: World,
    host: str = "127.0.0.1",
    port: int = 8100,
    *,
    api_key: str | None = None,
    models: Sequence[str] | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. announce: told the base URL once it listens. Raises OSError when the port cannot be had."""

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        running = await start(world, host, port, api_key=api_key, models=models)
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stopped.set)
            if announce is not None:
                announce(running.url)
            await stopped.wait()
        finally:
            await running.stop()

    asyncio.run(main())


class Service:
    """The routes, and what they share."""

    def __init__(self, world: World, api_key: str | None, models: Sequence[str] | None) -> None:
        self._world, self._api_key, self._models = world, api_key, models
        self._simulation = Simulation(world, Contents())
        self.stats = self._simulation.stats

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self._guarded(self._chat))
        app.router.add_get("/v1/models", self._guarded(self._list))
        app.router.add_get("/v1/models/{name:.+}", self._guarded(self._model))
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/stats/reset", self._reset)
        app.router.add_route("*", "/{path:.*}", self._elsewhere)
        return app

    def _guarded(self, handler: Handler) -> Handler:
        """With the key checked, and refusals written as documents."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._authorize(request)
                return await handler(request)
            except chat.Refused as refused:
                return _document(refused.body, refused.status)

        return guarded

    def _authorize(self, request: web.Request) -> None:
        if self._api_key is None:
            return
        said = request.headers.get("Authorization", "")
        if said == f"Bearer {self._api_key}":
            return
        message = "Incorrect API key provided." if said else "You didn't provide an API key."
        raise chat.Refused(401, message, code="invalid_api_key")

    # ---------------------------------------------------------------- models, counters, nothing

    def _known(self, name: str) -> None:
        if name.startswith(MISSING) or (self._models is not None and name not in self._models):
            message = f"The model `{name}` does not exist or you do not have access to it."
            raise chat.Refused(404, message, param="model", code="model_not_found")

    async def _list(self, request: web.Request) -> web.StreamResponse:
        names = self._models if self._models is not None else [DEFAULT_MODEL]
        return _document(chat.encode({"object": "list", "data": [chat.model_document(name) for name in names]}))

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self._known(name)
        return _document(chat.encode(chat.model_document(name)))

    async def _stats(self, request: web.Request) -> web.StreamResponse:
        return _document(chat.encode(self.stats.as_dict()))

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        self.stats.reset()
        return await self._stats(request)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        message = f"Invalid URL ({request.method} {request.path})"
        return _document(chat.error_body(message, "invalid_request_error", code="unknown_url"), 404)

    # ---------------------------------------------------------------- chat

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = chat.read(await request.read())
        self._known(body.model)
        try:
            script = self._simulation.begin(chat.as_request(body), _now())
        except ContentError as error:
            raise chat.Refused(500, str(error), kind="server_error") from error
        if isinstance(script, Refusal):
            headers = self._headers(script.wait_s)
            await asyncio.sleep(self._world.refusal_s)
            return _document(chat.refusal_body(script, body.model), 429, headers)
        with self.stats.flight():
            return await Call(self._simulation, script, body, request, self._headers).answer()

    def _headers(self, wait_s: float | None = None) -> dict[str, str]:
        headers = self._simulation.limit_headers(_now())
        if wait_s is not None and self._world.headers:
            headers |= retry_headers(wait_s)
        return headers


class Call:
    """One admitted call, to its end over the socket. `headers` gives those of the limits, as they are when it answers."""

    def __init__(
        self, simulation: Simulation, script: Script, body: chat.Body, request: web.Request, headers: Callable[..., dict[str, str]]
    ) -> None:
        self._stats, self._script, self._body, self._request, self._limits = simulation.stats, script, body, request, headers
        self._simulation = simulation
        self._playback = Playback(simulation, script, asyncio.sleep, whole=not body.stream)

    async def answer(self) -> web.StreamResponse:
        script = self._script
        try:
            response = await (self._wordless() if script.fault in _UNWRITTEN else self._written())
        except (asyncio.CancelledError, ConnectionError):
            self._stats.cancelled += 1
            raise
        finally:
            self._simulation.settle(script, self._playback.tokens_sent, _now())
        if script.fault:
            self._stats.fault(script.fault)
        elif script.finish == "length":
            self._stats.fault("truncated")
        else:
            self._stats.answered += 1
        return response

    async def _wordless(self) -> web.StreamResponse:
        script, fault = self._script, self._script.fault
        if fault == "hang":
            await self._playback.silence()
        if fault == "reset" and not self._body.stream:
            await self._playback.pause(script.timing.first_s / 2)
            return self._abort()
        await self._playback.pause(self._simulation.world.refusal_s)
        if fault == "html":
            return web.Response(body=_PAGE, content_type="text/html", headers=self._headers())
        if fault == "429":
            message = f"Rate limit reached for {self._body.model}. Please try again in {go_duration(script.wait_s)}."
            body = chat.error_body(message, "requests", code="rate_limit_exceeded")
            return _document(body, 429, self._headers(script.wait_s))
        if fault == "quota":
            return _document(chat.error_body(_QUOTA, "insufficient_quota", code="insufficient_quota"), 429, self._headers())
        message, kind, code = _REASONS[fault]
        return _document(chat.error_body(message, kind, code=code), int(fault), self._headers())

    async def _written(self) -> web.StreamResponse:
        if self._body.stream:
            return await self._streamed()
        if self._script.fault == "stall":
            return await self._short(stay=True)
        await self._playback.finish()
        if self._script.fault == "no_terminal":
            return await self._short(stay=False)
        return _document(chat.completion(self._script, self._body.model), 200, self._headers())

    async def _short(self, *, stay: bool) -> web.StreamResponse:
        """Headers that promise more than comes: half of the body, then silence or the end of the connection."""
        body = chat.completion(self._script, self._body.model)
        response = web.StreamResponse(headers={**self._headers(), "Content-Type": _JSON, "Content-Length": str(len(body))})
        await response.prepare(self._request)
        await response.write(body[: len(body) // 2])
        if stay:
            await self._playback.silence()
        return self._abort(gently=True)

    async def _streamed(self) -> web.StreamResponse:
        script, options = self._script, self._body.stream_options
        stream = chat.Stream(script, self._body.model, usage=options is not None and options.include_usage)
        response = web.StreamResponse(headers={**self._headers(), "Content-Type": "text/event-stream; charset=utf-8"})
        broken = script.fault in ("reset", "stall")
        pieces = self._playback.pieces[: len(self._playback.pieces) // 2] if broken else self._playback.pieces
        if script.fault == "empty":
            pieces = []
        for number, _ in enumerate(pieces):
            piece = stream.piece(await self._playback.reach())
            if number == 0:
                await response.prepare(self._request)
                piece = stream.start() + piece
            await response.write(piece)
        if script.fault == "stall":
            await self._playback.silence()
        if script.fault == "reset":
            return self._abort()
        if script.fault != "no_terminal":
            await response.write(stream.end())
        await response.write_eof()
        return response

    def _headers(self, wait_s: float | None = None) -> dict[str, str]:
        return {"x-request-id": self._script.request_id, "openai-processing-ms": "0", **self._limits(wait_s)}

    def _abort(self, *, gently: bool = False) -> web.StreamResponse:
        """Break the connection: with a reset, or by closing it after what has been written."""
        transport = self._request.transport
        if transport is not None:
            transport.close() if gently else transport.abort()
        raise ConnectionResetError("the simulated connection broke")


_UNWRITTEN = frozenset({*STATUSES, "quota", "html", "hang"})


def _document(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type=_JSON, headers=headers)


def _now() -> float:
    return asyncio.get_running_loop().time()


__all__: Sequence[Any] = ["Running", "serve_forever", "start"]
