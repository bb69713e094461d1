"""The server, as the official client and a bare socket see it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest
from pydantic import BaseModel

from fanfold.providers.anthropic import Anthropic
from fanfold.providers.google import Google
from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
from fanfold.sim.provider import SimProvider
from fanfold.sim.server import start
from fanfold.sim.simulation import go_duration
from fanfold.sim.world import FAULTS, World
from fanfold.spec.calls import Answer, Message, Request, Scope
from fanfold.testing.virtual import run

ASK = [{"role": "user", "content": "Write about whales."}]
FAST = {"fixed_s": 0.02}


class Dish(BaseModel):
    title: str
    minutes: int


SCHEMA = {**Dish.model_json_schema(), "additionalProperties": False}


@asynccontextmanager
async def serving(world=None, **options):
    running = await start(world or World(**FAST), **options)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def official(world=None, key="any", **options):
    async with (
        serving(world, **options) as running,
        openai.AsyncOpenAI(api_key=key, base_url=running.url, max_retries=0, timeout=5) as client,
    ):
        yield client, running


async def until(true):
    """Give the server its turns until something is true of its counters."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(0.005)


# ---------------------------------------------------------------- the official client


async def test_plain():
    async with official() as (client, running):
        response = await client.chat.completions.with_raw_response.create(model="gpt-x", messages=ASK)
        completion = response.parse()
        assert response.headers["x-request-id"].startswith("req_")
        assert completion.model == "gpt-x" and completion.id.startswith("chatcmpl-")
        choice = completion.choices[0]
        assert (choice.finish_reason, choice.message.role, choice.index) == ("stop", "assistant", 0)
        assert "whales" in choice.message.content.lower()
        assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
        assert running.stats.answered == 1


async def test_streaming():
    async with official() as (client, _):
        plain = await client.chat.completions.create(model="m", messages=ASK, seed=4)
    async with official() as (client, _):
        stream = await client.chat.completions.create(
            model="m", messages=ASK, seed=4, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == plain.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks[:-1]][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage == plain.usage
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"} and len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) <= 15


async def test_typed_answers():
    async with official() as (client, _):
        parsed = await client.chat.completions.parse(model="m", messages=ASK, response_format=Dish)
        assert isinstance(parsed.choices[0].message.parsed, Dish)
        anything = await client.chat.completions.create(model="m", messages=ASK, response_format={"type": "json_object"})
        assert isinstance(json.loads(anything.choices[0].message.content), dict)


async def test_max_tokens():
    async with official() as (client, _):
        for name in ("max_tokens", "max_completion_tokens"):
            completion = await client.chat.completions.create(model="m", messages=ASK, **{name: 10})
            assert completion.choices[0].finish_reason == "length" and completion.usage.completion_tokens == 10


async def test_errors_become_the_clients_exceptions():
    async with official(World(rpm=1, refused_cost=0, **FAST), models=["m"], api_key="secret", key="secret") as (client, running):
        await client.chat.completions.create(model="m", messages=ASK)
        with pytest.raises(openai.RateLimitError) as limited:
            await client.chat.completions.create(model="m", messages=ASK)
        assert limited.value.code == "rate_limit_exceeded" and limited.value.type == "requests"
        assert "Limit 1, Used 1, Requested 1. Please try again in " in limited.value.message
        headers = limited.value.response.headers
        assert 59_000 < int(headers["retry-after-ms"]) <= 60_000 and headers["retry-after"] == "60"
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="n", messages=ASK)
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.AuthenticationError) as denied:
            await client.with_options(api_key="wrong").chat.completions.create(model="m", messages=ASK)
        assert denied.value.code == "invalid_api_key"
        assert [model.id async for model in client.models.list()] == ["m"]
        assert (await client.models.retrieve("m")).id == "m"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("missing")
        assert running.stats.refused == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", openai.RateLimitError), ("quota", openai.RateLimitError), ("500", openai.InternalServerError),
        ("503", openai.InternalServerError), ("reset", openai.APIConnectionError), ("hang", openai.APITimeoutError),
        ("no_terminal", openai.APIConnectionError),
    ],
)  # fmt: skip
async def test_faults_as_the_client_knows_them(fault, error):
    async with official(World(faults={fault: 1.0}, **FAST)) as (client, running):
        with pytest.raises(error):
            await client.with_options(timeout=0.3).chat.completions.create(model="m", messages=ASK)
    assert running.stats.faults == {fault: 1} and running.stats.in_flight == 0


# ---------------------------------------------------------------- bare HTTP


@asynccontextmanager
async def bare(world=None, **options):
    async with serving(world, **options) as running, aiohttp.ClientSession() as session:

        async def post(body, path="/chat/completions", **more):
            data = body if isinstance(body, bytes) else json.dumps({"model": "m", "messages": ASK, **body}).encode()
            async with session.post(running.url + path, data=data, **more) as response:
                return response.status, response.headers, await response.read()

        yield post, running, session


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{nonsense", None),
        (b'{"model": "m"}', "messages"),
        (b'{"messages": []}', "model"),
        (b'{"model": "m", "messages": [{"content": "x"}]}', "messages[0].role"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}}, "response_format.json_schema.name"),
        ({"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "strict": True, "schema": Dish.model_json_schema()}}}, "response_format"),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused(body, param):
    async with bare() as (post, running, _):
        status, headers, said = await post(body)
        error = json.loads(said)["error"]
        assert status == 400 and headers["content-type"].startswith("application/json")
        assert error["type"] == "invalid_request_error" and error["param"] == param and error["message"]
        assert running.stats.requests == 0


async def test_content_in_parts_and_no_content():
    parts = [{"role": "user", "content": [{"type": "text", "text": "Write about "}, {"type": "text", "text": "lighthouses."}]}]
    async with bare() as (post, _, _):
        _, _, said = await post({"messages": [*parts, {"role": "assistant", "content": None}]})
        assert "lighthouses" in json.loads(said)["choices"][0]["message"]["content"].lower()


async def test_other_places():
    async with bare() as (post, _, _):
        status, _, said = await post({}, "/completions")
        assert status == 404 and "Invalid URL (POST /v1/completions)" in json.loads(said)["error"]["message"]
        status, _, _ = await post({"model": "missing-model"})
        assert status == 404


async def test_limit_headers():
    async with bare(World(rpm=100, tpm=60_000, **FAST)) as (post, _, _):
        _, headers, _ = await post({"max_tokens": 1000})
        assert headers["x-ratelimit-limit-requests"] == "100" and headers["x-ratelimit-remaining-requests"] == "99"
        assert 59_000 <= int(headers["x-ratelimit-remaining-tokens"]) < 59_500, (
            "what has come back meanwhile depends on the machine"
        )
        assert headers["x-ratelimit-reset-tokens"].startswith("9") or headers["x-ratelimit-reset-tokens"] == "1s"
    async with bare(World(rpm=1, headers=False, **FAST)) as (post, _, _):
        for status in (200, 429):
            found, headers, said = await post({})
            assert found == status and not [name for name in headers if "ratelimit" in name.lower() or "retry" in name.lower()]
        assert b"Please try again in " in said


async def test_stats():
    async with bare() as (post, running, session):
        await post({})
        root = running.url.removesuffix("/v1")
        async with session.get(root + "/stats") as response:
            stats = await response.json()
        assert (stats["requests"], stats["answered"], stats["in_flight"]) == (1, 1, 0)
        async with session.post(root + "/stats/reset") as response:
            assert (await response.json())["requests"] == 0
        await post({})
        assert running.stats.requests == 1


async def test_a_client_that_leaves_frees_its_call():
    async with bare(World(fixed_s=30.0)) as (post, running, _):
        calls = [asyncio.create_task(post({"stream": stream})) for stream in (False, True, False)]
        await until(lambda: running.stats.in_flight == 3)
        for call in calls:
            call.cancel()
        await until(lambda: running.stats.in_flight == 0)
        assert running.stats.cancelled == 3
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_client_that_has_heard_enough_is_no_error(caplog, monkeypatch):
    """It is gone between two pieces: the second cannot be written."""
    written: list[bytes] = []
    write = aiohttp.web.StreamResponse.write

    async def gone(response, data):
        if written:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        written.append(data)
        await write(response, data)

    monkeypatch.setattr(aiohttp.web.StreamResponse, "write", gone)
    async with bare() as (post, running, _):
        with pytest.raises(aiohttp.ClientError):
            await post({"stream": True})
        assert running.stats.cancelled == 1 and running.stats.in_flight == 0
    assert written and not caplog.records


@pytest.mark.parametrize(
    ("fault", "status", "kind", "said"),
    [
        ("html", 200, "text/html", b"<!DOCTYPE html>"),
        ("empty", 200, "application/json", b'"choices":[]'),
        ("truncated", 200, "application/json", b'"finish_reason":"length"'),
        ("filter", 200, "application/json", b'"finish_reason":"content_filter"'),
        ("quota", 429, "application/json", b'"code":"insufficient_quota"'),
        ("529", 529, "application/json", b"overloaded"),
    ],
)
async def test_faults_on_the_wire(fault, status, kind, said):
    async with bare(World(faults={fault: 1.0}, **FAST)) as (post, _, _):
        found, headers, body = await post({})
        assert found == status and headers["content-type"].startswith(kind) and said in body


async def test_streams_that_do_not_end_well():
    async with bare(World(faults={"no_terminal": 1.0}, **FAST)) as (post, _, _):
        status, _, body = await post({"stream": True})
        assert status == 200 and b"[DONE]" not in body and b'"finish_reason":"stop"' not in body
    async with bare(World(faults={"reset": 1.0}, **FAST)) as (post, _, _):
        with pytest.raises(aiohttp.ClientError):
            await post({"stream": True})
    async with bare(World(faults={"stall": 1.0}, **FAST)) as (post, _, _):
        with pytest.raises(TimeoutError):
            await post({"stream": True}, timeout=aiohttp.ClientTimeout(total=0.3))


# ---------------------------------------------------------------- in process and over HTTP


def fields(text):
    """Of a JSON object; None for what is none."""
    try:
        return set(json.loads(text))
    except ValueError:
        return None


@pytest.mark.parametrize("adapter", [OpenAI, Anthropic, Google])
@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_is_the_same_in_process_and_over_http(stream, adapter):
    """What our own adapters make of the server is what the provider in process says, for every fault and none."""
    request = Request(
        model="m", messages=(Message("user", "Write about whales."),), schema=SCHEMA, schema_name="Dish", stream=stream,
        timeout_s=1.5, idle_s=0.8,
    )  # fmt: skip

    async def over_http(world):
        wire = Wire()
        async with serving(world) as running:
            outcome = await adapter(wire, running.url, "any").call(request, lambda chunk: None)
            await wire.close()
        return outcome

    async def all_over_http(worlds):
        return await asyncio.gather(*map(over_http, worlds))

    worlds = [World(faults={fault: 1.0} if fault else {}, **FAST) for fault in ("", *FAULTS)]
    for world, http in zip(worlds, asyncio.run(all_over_http(worlds)), strict=True):
        in_process = run(SimProvider(world).call(request, lambda chunk: None))
        assert type(http) is type(in_process), (http, in_process)
        if isinstance(http, Answer) and adapter is OpenAI:
            assert (http.text, http.usage) == (in_process.text, in_process.usage)
        elif isinstance(http, Answer):  # its schema is another one on the wire, and so is what is drawn
            assert fields(http.text) == fields(in_process.text) and http.usage.exact
        else:
            scopes = {http.scope, in_process.scope}
            alike = len(scopes) == 1 or scopes == {Scope.LANE, Scope.ACCOUNT}  # Google has quotas by model, too
            assert http.code == in_process.code and alike, (http, in_process)


# ---------------------------------------------------------------- listening


async def test_a_port_in_use():
    async with serving() as running:
        with pytest.raises(OSError, match="in use"):
            await start(World(), port=running.port)


async def test_stopping_cuts_off_what_is_in_the_air():
    running = await start(World(fixed_s=600.0))
    async with aiohttp.ClientSession() as session:
        call = asyncio.create_task(session.post(running.url + "/chat/completions", json={"model": "m", "messages": ASK}))
        await until(lambda: running.stats.in_flight == 1)
        async with asyncio.timeout(5):
            await running.stop()
            with pytest.raises(aiohttp.ClientError):
                await call


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serving_a_process_ends_on_a_signal(number):
    code = (
        "from fanfold.sim.server import serve_forever; from fanfold.sim.world import World;"
        "serve_forever(World(), port=0, announce=lambda url: print(url, flush=True))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    async with aiohttp.ClientSession() as session, session.get(url + "/models") as response:
        assert response.status == 200
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 10) == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (0.012, "12ms"), (0.0001, "1ms"), (1, "1s"), (1.5, "1.5s"), (60, "1m0s"), (360, "6m0s"), (3661.25, "1h1m1.25s")],
)
def test_durations_as_go_writes_them(seconds, said):
    assert go_duration(seconds) == said
