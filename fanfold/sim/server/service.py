"""The routes of the simulated provider: chat, models, counters, and OpenAI's own words for everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase

from aiohttp import web

from fanfold.sim.content import ContentError, Contents
from fanfold.sim.server import chat
from fanfold.sim.server.exchange import Exchange, document, now
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
            admitted = False
            try:
                self._authorize(request)
                admitted = True
                return await handler(request)
            except chat.Refused as refused:
                if not admitted:
                    self.stats.requests += 1
                    self.stats.turned_away += 1
                return document(refused.body, refused.status)

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
        if name.startswith(MISSING) or (self._models is not None and not any(fnmatchcase(name, m) for m in self._models)):
            message = f"The model `{name}` does not exist or you do not have access to it."
            raise chat.Refused(404, message, param="model", code="model_not_found")

    async def _list(self, request: web.Request) -> web.StreamResponse:
        names = [name.removesuffix("*") for name in self._models] if self._models is not None else [DEFAULT_MODEL]
        return document(chat.encode({"object": "list", "data": [chat.model_document(name) for name in names]}))

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self._known(name)
        return document(chat.encode(chat.model_document(name)))

    async def _stats(self, request: web.Request) -> web.StreamResponse:
        return document(chat.encode(self.stats.as_dict()))

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        self.stats.reset()
        return await self._stats(request)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        message = f"Invalid URL ({request.method} {request.path})"
        return document(chat.error_body(message, "invalid_request_error", code="unknown_url"), 404)

    # ---------------------------------------------------------------- chat

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = chat.read(await request.read())
        self._known(body.model)
        try:
            script = self._simulation.begin(chat.as_request(body), now())
        except ContentError as error:
            raise chat.Refused(500, str(error), kind="server_error") from error
        if isinstance(script, Refusal):
            headers = self._simulation.refusal_headers(now(), script.wait_s)
            await asyncio.sleep(self._world.refusal_s)
            return document(chat.refusal_body(script, body.model), 429, headers)
        with self.stats.flight():
            return await Exchange(self._simulation, script, body, request).answer()
