"""The routes of the simulated provider: calls in each dialect, models, counters, and OpenAI's own words for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from aiohttp import web

from fanfold.sim.content import ContentError, Contents
from fanfold.sim.server import chat
from fanfold.sim.server.anthropic import AnthropicDoor
from fanfold.sim.server.exchange import Exchange, document, now
from fanfold.sim.server.google import GoogleDoor
from fanfold.sim.server.voice import Door, Refused, encode
from fanfold.sim.simulation import Refusal, Simulation
from fanfold.sim.world import World

DEFAULT_MODEL = "default"
MISSING = "missing"  # a model whose name starts so is never there
_LARGEST_BODY = 64 * 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """The routes, and what they share."""

    def __init__(self, world: World, api_key: str | None, models: Sequence[str] | None) -> None:
        self._world, self._api_key, self._models = world, api_key, models
        contents = Contents()
        self._chat = Simulation(world, contents)
        self.stats = self._chat.stats
        self._others = {"actual": self._account(contents, "actual"), "input": self._account(contents, "reserve")}
        self._door = chat.ChatDoor()

    def _account(self, contents: Contents, charge: str) -> Simulation:
        """Another provider's account: limits of its own, charged in its way, and counted with the rest."""
        account = Simulation(replace(self._world, charge=charge), contents)
        account.stats = self.stats
        return account

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY)
        for path, door, account in (
            ("/v1/chat/completions", self._door, self._chat),
            ("/v1/messages", AnthropicDoor(), self._others["actual"]),
            (
                "/{version:v1|v1beta|v1alpha}/models/{call:.+:(?:generateContent|streamGenerateContent)}",
                GoogleDoor(),
                self._others["input"],
            ),
        ):
            app.router.add_post(path, self._guarded(door, self._calls(door, account)))
        app.router.add_get("/v1/models", self._guarded(self._door, self._list))
        app.router.add_get("/v1/models/{name:.+}", self._guarded(self._door, self._model))
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/stats/reset", self._reset)
        app.router.add_route("*", "/{path:.*}", self._elsewhere)
        return app

    def _guarded(self, door: Door, handler: Handler) -> Handler:
        """With the key checked, and refusals written as documents."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            admitted = False
            try:
                if self._api_key is not None:
                    door.authorize(request, self._api_key)
                admitted = True
                return await handler(request)
            except Refused as refused:
                if not admitted:
                    self.stats.requests += 1
                    self.stats.turned_away += 1
                return document(refused.body, refused.status)

        return guarded

    # ---------------------------------------------------------------- models, counters, nothing

    def _known(self, name: str, door: Door) -> None:
        if name.startswith(MISSING) or (self._models is not None and not any(fnmatchcase(name, m) for m in self._models)):
            raise door.no_model(name)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        names = [name.removesuffix("*") for name in self._models] if self._models is not None else [DEFAULT_MODEL]
        return document(encode({"object": "list", "data": [chat.model_document(name) for name in names]}))

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self._known(name, self._door)
        return document(encode(chat.model_document(name)))

    async def _stats(self, request: web.Request) -> web.StreamResponse:
        return document(encode(self.stats.as_dict()))

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        self.stats.reset()
        return await self._stats(request)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        message = f"Invalid URL ({request.method} {request.path})"
        return document(chat.error_body(message, "invalid_request_error", code="unknown_url"), 404)

    # ---------------------------------------------------------------- calls

    def _calls(self, door: Door, account: Simulation) -> Handler:
        """The calls of one dialect."""

        async def call(request: web.Request) -> web.StreamResponse:
            voice = door.read(request, await request.read())
            self._known(voice.request.model, door)
            try:
                script = account.begin(voice.request, now())
            except ContentError as error:
                raise door.failed(str(error)) from error
            if isinstance(script, Refusal):
                status, body = voice.refusal(script, hint=account.hint != "none")
                headers = voice.headers(account, now(), script.wait_s, None)
                await asyncio.sleep(self._world.refusal_s)
                return document(body, status, headers)
            with self.stats.flight():
                return await Exchange(account, script, voice, request).answer()

        return call
