"""Users' own clients: the official ones, on the loopback, through the suite that our own adapters pass."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import anthropic
import openai
import pytest
from google import genai
from google.auth.credentials import Credentials
from pydantic import BaseModel

from fanfold import Engine, Plan, PlanError, Step
from fanfold.providers.anthropic import Anthropic
from fanfold.providers.carrier import Carrier
from fanfold.providers.google import Google
from fanfold.providers.openai import OpenAI
from fanfold.providers.sdk import sdk_of, sdks_of
from fanfold.sim.server import start
from fanfold.sim.world import World
from fanfold.spec.errors import Code
from fanfold.testing.faultserver import ANTHROPIC, GOOGLE, FaultServer, modes
from fanfold.testing.providers import BROKEN, GOOD, KEY, PLAIN, STREAMED_ELSEWHERE, ProviderConformance

THEIRS = {**PLAIN, "huge_header": BROKEN}
"""Their HTTP library says of a head that is too long only that it cannot be read."""


GOOGLES = {**PLAIN, "many_headers": BROKEN, "redirect": GOOD}
"""Theirs follows where it is sent."""


def adapter(kind, client):
    sdk = sdk_of(client)
    return kind(Carrier(sdk), sdk.base_url, sdk.key)


class TestOpenAI(ProviderConformance):
    plain = THEIRS

    @asynccontextmanager
    async def provider(self, base_url):
        web = openai.DefaultAsyncHttpxClient(verify=False)  # reading certificates takes longer than the deadlines here
        async with openai.AsyncOpenAI(base_url=base_url, api_key=KEY, http_client=web) as client:
            yield adapter(OpenAI, client)


class TestAnthropic(ProviderConformance):
    plain = THEIRS
    modes = modes(ANTHROPIC)
    streamed = STREAMED_ELSEWHERE

    @asynccontextmanager
    async def provider(self, base_url):
        web = anthropic.DefaultAsyncHttpxClient(verify=False)
        async with anthropic.AsyncAnthropic(base_url=base_url, api_key=KEY, http_client=web) as client:
            yield adapter(Anthropic, client)


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
class TestGoogle(ProviderConformance):
    modes = modes(GOOGLE)
    plain = GOOGLES
    streamed = STREAMED_ELSEWHERE
    tells_limits = False

    @asynccontextmanager
    async def provider(self, base_url):
        root = base_url.removesuffix("/v1")
        client = genai.Client(
            api_key=KEY, http_options={"base_url": root, "async_client_args": {"ssl": False}, "client_args": {"verify": False}}
        )
        yield adapter(Google, client)
        await client.aio.aclose()


class Dish(BaseModel):
    title: str
    minutes: int


PLAN = Plan("dinners", [Step("dish", "A dish, number {n}.", output=Dish, over="n", unique="title")], {"n": range(8)})
MODELS = {"openai": "openai/m", "anthropic": "anthropic/claude-sonnet-5", "google": "google/gemini-3"}


def client_of(kind, running, **more):
    if kind == "openai":
        return openai.AsyncOpenAI(base_url=running.url, api_key=KEY, max_retries=7, **more)
    if kind == "anthropic":
        return anthropic.AsyncAnthropic(base_url=running.root, api_key=KEY, max_retries=7, **more)
    return genai.Client(api_key=KEY, http_options={"base_url": running.root, "retry_options": {"attempts": 7}})


async def closed(client):
    await (client.aio.aclose() if isinstance(client, genai.Client) else client.close())


@asynccontextmanager
async def serving(**world):
    running = await start(World(**{"fixed_s": 0.01, **world}), api_key=KEY)
    try:
        yield running
    finally:
        await running.stop()


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
@pytest.mark.parametrize("kind", list(MODELS))
async def test_a_run_through_ones_own_client(kind):
    """Streamed answers too (the title is looked for while it is written); the client stays open, and two engines may use it."""
    async with serving() as running:
        client = client_of(kind, running)
        for _ in range(2):
            async with Engine(MODELS[kind], store=":memory:", seed=1, client=client) as engine:
                result = await engine.run(PLAN)
            assert result.exit_code == 0 and len({dish.title for dish in result.values}) == 8
        await closed(client)
        assert running.stats.in_flight == 0


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize("retries", [0, 2])
async def test_only_the_engine_retries(kind, retries):
    """However often the client would: what the server has seen is what the engine has asked for."""
    plan = Plan("one", [Step("word", "Say it.")])
    async with serving(faults={"500": 1.0}) as running:
        client = client_of(kind, running)
        async with Engine(MODELS[kind], store=":memory:", seed=1, client=client, retries=retries) as engine:
            result = await engine.run(plan)
        await closed(client)
        assert result.errors[0].code == Code.TRANSIENT and running.stats.requests == 1 + retries == result.report["calls"]


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
@pytest.mark.parametrize("kind", list(MODELS))
async def test_a_wait_that_a_server_asks_for_is_waited_for(kind):
    """A 429 through the client is a 429: it costs neither an attempt nor a retry."""
    async with serving(faults={"429": 0.5}, retry_after_s=(0.05, 0.1), seed=3) as running:
        client = client_of(kind, running)
        async with Engine(MODELS[kind], store=":memory:", seed=1, client=client, retries=0, attempts=3) as engine:
            result = await engine.run(PLAN)
        await closed(client)
        assert result.exit_code == 0 and result.report["rate_limited"] >= 1 and result.report["retries"] == 0


async def test_several_clients_serve_a_chain():
    async with serving() as running, serving(faults={"500": 1.0}) as broken:
        clients = [client_of("openai", broken), client_of("anthropic", running)]
        async with Engine("openai/missing-m | anthropic/m", store=":memory:", seed=1, client=clients) as engine:
            result = await engine.run(PLAN)
        for client in clients:
            await client.close()
        assert result.exit_code == 0 and running.stats.answered >= 8


async def test_a_client_made_from_openais():
    """Azure's names the deployment in the path, and its version behind it."""
    seen = []

    async def look(request):
        seen.append((request.url.path, dict(request.url.params), request.headers.get("api-key")))

    async with serving() as running:
        web = openai.DefaultAsyncHttpxClient(event_hooks={"request": [look]})
        client = openai.AsyncAzureOpenAI(
            azure_endpoint=running.root, azure_deployment=None, api_version="2030-01-01", api_key=KEY, http_client=web
        )
        async with Engine("openai/gpt-x", store=":memory:", client=client, retries=0) as engine:
            await engine.run(Plan("one", [Step("word", "Say it.")]))
        await client.close()
    assert seen == [("/openai/deployments/gpt-x/chat/completions", {"api-version": "2030-01-01"}, KEY)]


async def test_a_client_made_from_anthropics():
    """Vertex AI's names model and deed in the path, and shows an access token."""
    seen = []

    async def look(request):
        seen.append((request.url.path, request.headers.get("authorization"), json.loads(request.content).get("model")))

    async with serving() as running:
        client = anthropic.AsyncAnthropicVertex(
            region="eu", project_id="p", access_token="token-0123456789", base_url=running.root,
            http_client=anthropic.DefaultAsyncHttpxClient(event_hooks={"request": [look]}),
        )  # fmt: skip
        for plan in (Plan("one", [Step("word", "Say it.")]), PLAN):
            async with Engine("anthropic/claude-x", store=":memory:", client=client, retries=0, attempts=1) as engine:
                await engine.run(plan)
        await client.close()
    path = "/projects/p/locations/eu/publishers/anthropic/models/claude-x"
    assert {each[0] for each in seen} == {f"{path}:rawPredict", f"{path}:streamRawPredict"}
    assert {each[1:] for each in seen} == {("Bearer token-0123456789", None)}


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
async def test_googles_client_for_vertex():
    """The same requests, below the project's address."""
    paths = []

    async def hear(exchange):
        paths.append((exchange.path, exchange.headers.get("authorization")))
        await modes(GOOGLE)["good"](exchange)

    class Token(Credentials):
        def refresh(self, request):
            self.token, self.expiry = "token-0123456789", None

    async with FaultServer({"good": hear}) as server:
        client = genai.Client(
            vertexai=True,
            project="p",
            location="eu",
            credentials=Token(),
            http_options={"base_url": server.url("good").removesuffix("/v1")},
        )
        async with Engine("google/gemini-3", store=":memory:", client=client, retries=0) as engine:
            result = await engine.run(Plan("one", [Step("word", "Say it.")]))
        await client.aio.aclose()
    assert result.ok
    ((path, shown),) = paths
    assert (
        path.endswith("/projects/p/locations/eu/publishers/google/models/gemini-3:generateContent")
        and shown == "Bearer token-0123456789"
    )


async def test_a_client_that_was_closed_says_so_once():
    async with serving() as running:
        client = client_of("openai", running)
        await client.close()
        async with Engine("openai/m", store=":memory:", client=client) as engine:
            result = await engine.run(PLAN)
    assert {error.code for error in result.errors} == {Code.INTERNAL} and "closed" in result.errors[0].message
    assert running.stats.requests == 0


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (openai.OpenAI(api_key=KEY), "OpenAI is a synchronous client"),
        (anthropic.Anthropic(api_key=KEY), "Anthropic is a synchronous client"),
        (object(), "object is no client that is known here"),
        ("sk-1", "str is no client"),
        ([openai.AsyncOpenAI(api_key=KEY), openai.AsyncOpenAI(api_key=KEY)], "two clients are for openai"),
    ],
)
def test_what_is_no_client(client, said):
    with pytest.raises(PlanError, match=said):
        Engine("openai/m", store=":memory:", client=client)


async def test_what_a_client_does_not_go_with():
    client = openai.AsyncOpenAI(api_key=KEY)
    for more in ({"base_url": "http://x/v1"}, {"api_key": "k"}):
        with pytest.raises(PlanError, match="its own address and key"):
            Engine("openai/m", store=":memory:", client=client, **more)
    async with Engine(store=":memory:", client=client) as engine:
        with pytest.raises(PlanError, match="no model is named for the client of openai"):
            engine.start(PLAN)


def test_clients_are_shown_without_their_keys():
    for sdk in sdks_of(
        [openai.AsyncOpenAI(api_key=KEY), anthropic.AsyncAnthropic(api_key=KEY), genai.Client(api_key=KEY)]
    ).values():
        assert KEY not in repr(sdk) + repr(Carrier(sdk)) + str(sdk.key)
