"""The server in the dialects of Anthropic and Google, as their official clients see it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import aiohttp
import anthropic
import httpx2
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from fanfold.sim.server import start
from fanfold.sim.world import World

ASK = [{"role": "user", "content": "Write about whales."}]
FAST = {"fixed_s": 0.02}
KEY = "secret"


class Dish(BaseModel):
    title: str
    minutes: int


@asynccontextmanager
async def serving(**world):
    running = await start(World(**{**FAST, **world}), api_key=KEY)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def claude(key=KEY, **world):
    async with (
        serving(**world) as running,
        anthropic.AsyncAnthropic(api_key=key, base_url=running.root, max_retries=0, timeout=5) as client,
    ):
        yield client, running


@asynccontextmanager
async def gemini(key=KEY, **world):
    async with serving(**world) as running, httpx2.AsyncClient() as http:
        options = types.HttpOptions(base_url=running.root, timeout=5000, httpx_async_client=http)
        with genai.Client(api_key=key, http_options=options) as client:
            yield client.aio.models, running


# ---------------------------------------------------------------- Anthropic's client


async def test_a_message():
    async with claude(rpm=50, tpm=60_000) as (client, running):
        response = await client.messages.with_raw_response.create(
            model="claude-x", max_tokens=500, messages=ASK, system="Be brief."
        )
        message = await response.parse()
        assert (message.type, message.role, message.model, message.stop_reason) == (
            "message",
            "assistant",
            "claude-x",
            "end_turn",
        )
        assert [block.type for block in message.content] == ["text"] and "whales" in message.content[0].text.lower()
        assert message.usage.input_tokens == running.stats.tokens_in and message.usage.output_tokens == running.stats.tokens_out
        headers = response.headers
        assert headers["request-id"].startswith("req_")
        assert headers["anthropic-ratelimit-requests-limit"] == "50" and headers["anthropic-ratelimit-requests-remaining"] == "49"
        assert headers["anthropic-ratelimit-tokens-remaining"] == "60000", "to the nearest thousand"
        assert (
            headers["anthropic-ratelimit-tokens-reset"].endswith("Z") and len(headers["anthropic-ratelimit-tokens-reset"]) == 20
        )


async def test_a_stream_of_events():
    async with claude() as (client, _):
        plain = await client.messages.create(model="m", max_tokens=500, messages=ASK)
    async with claude() as (client, _), client.messages.stream(model="m", max_tokens=500, messages=ASK) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert final.content[0].text == plain.content[0].text and final.usage.output_tokens == plain.usage.output_tokens
    assert (kinds[0], kinds[1], kinds[-1]) == ("message_start", "content_block_start", "message_stop")
    assert final.stop_reason == "end_turn" and "content_block_delta" in kinds


async def test_messages_with_a_shape():
    async with claude() as (client, _):
        parsed = await client.messages.parse(model="m", max_tokens=500, messages=ASK, output_format=Dish)
        assert isinstance(parsed.parsed_output, Dish)
        tool = {"name": "dish", "description": "A dish.", "input_schema": Dish.model_json_schema()}
        forced = await client.messages.create(
            model="m", max_tokens=500, messages=ASK, tools=[tool], tool_choice={"type": "tool", "name": "dish"}
        )
        assert forced.stop_reason == "tool_use" and forced.content[0].type == "tool_use"
        assert Dish.model_validate(forced.content[0].input)
        async with client.messages.stream(
            model="m", max_tokens=500, messages=ASK, tools=[tool], tool_choice={"type": "tool", "name": "dish"}
        ) as stream:
            streamed = await stream.get_final_message()
        assert Dish.model_validate(streamed.content[0].input)


async def test_a_message_that_is_cut_off():
    async with claude() as (client, _):
        message = await client.messages.create(model="m", max_tokens=3, messages=ASK)
        assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)
    async with claude(faults={"filter": 1.0}) as (client, _):
        assert (await client.messages.create(model="m", max_tokens=500, messages=ASK)).stop_reason == "refusal"


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        ("429", anthropic.RateLimitError, "rate_limit_error"), ("quota", anthropic.BadRequestError, "invalid_request_error"),
        ("500", anthropic.InternalServerError, "api_error"), ("529", anthropic.APIStatusError, "overloaded_error"),
        ("reset", anthropic.APIConnectionError, None), ("hang", anthropic.APITimeoutError, None),
    ],
)  # fmt: skip
async def test_faults_as_anthropics_client_knows_them(fault, error, kind):
    async with claude(faults={fault: 1.0}) as (client, running):
        with pytest.raises(error) as raised:
            await client.with_options(timeout=0.3).messages.create(model="m", max_tokens=9, messages=ASK)
    assert kind is None or raised.value.body["error"]["type"] == kind
    assert running.stats.faults == {fault: 1} and running.stats.in_flight == 0


async def test_refusals_as_anthropics_client_knows_them():
    async with claude(rpm=1, refused_cost=0) as (client, _):
        await client.messages.create(model="m", max_tokens=9, messages=ASK)
        with pytest.raises(anthropic.RateLimitError, match="rate limit of 1 requests per minute") as limited:
            await client.messages.create(model="m", max_tokens=9, messages=ASK)
        assert limited.value.response.headers["retry-after"] == "60"
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(model="missing-x", max_tokens=9, messages=ASK)
        with pytest.raises(anthropic.AuthenticationError):
            await client.with_options(api_key="wrong").messages.create(model="m", max_tokens=9, messages=ASK)
    async with claude(tpm=5) as (client, _):
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "x" * 400}])


# ---------------------------------------------------------------- Google's client


async def test_a_response():
    async with gemini() as (models, running):
        response = await models.generate_content(
            model="gemini-x", contents="Write about whales.",
            config=types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.3, seed=4, stop_sequences=["END"]),
        )  # fmt: skip
        assert "whales" in response.text.lower() and response.model_version == "gemini-x" and response.response_id
        assert response.candidates[0].finish_reason == types.FinishReason.STOP
        usage = response.usage_metadata
        assert (usage.prompt_token_count, usage.candidates_token_count) == (running.stats.tokens_in, running.stats.tokens_out)
        assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count


async def test_a_stream_of_responses():
    async with gemini() as (models, _):
        plain = await models.generate_content(model="m", contents="Write about whales.")
    async with gemini() as (models, _):
        chunks = [chunk async for chunk in await models.generate_content_stream(model="m", contents="Write about whales.")]
    assert len(chunks) > 2 and "".join(chunk.text or "" for chunk in chunks) == plain.text
    assert [bool(chunk.candidates[0].finish_reason) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].usage_metadata.candidates_token_count == plain.usage_metadata.candidates_token_count


async def test_responses_with_a_shape():
    async with gemini() as (models, _):
        for shape in ({"response_schema": Dish}, {"response_json_schema": Dish.model_json_schema()}):
            config = types.GenerateContentConfig(response_mime_type="application/json", **shape)
            response = await models.generate_content(model="m", contents="Write about whales.", config=config)
            assert Dish.model_validate_json(response.text)


async def test_a_response_that_is_cut_off_or_blocked():
    async with gemini() as (models, _):
        config = types.GenerateContentConfig(max_output_tokens=3)
        cut = await models.generate_content(model="m", contents="Write about whales.", config=config)
        assert cut.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS and cut.usage_metadata.candidates_token_count == 3
    async with gemini(faults={"filter": 1.0}) as (models, _):
        blocked = await models.generate_content(model="m", contents="Write about whales.")
        assert blocked.candidates[0].finish_reason == types.FinishReason.SAFETY


@pytest.mark.parametrize(
    ("fault", "error", "code", "status"),
    [
        ("429", errors.ClientError, 429, "RESOURCE_EXHAUSTED"), ("quota", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("500", errors.ServerError, 500, "INTERNAL"), ("503", errors.ServerError, 503, "UNAVAILABLE"),
        ("529", errors.ServerError, 503, "UNAVAILABLE"),
    ],
)  # fmt: skip
async def test_faults_as_googles_client_knows_them(fault, error, code, status):
    async with gemini(faults={fault: 1.0}) as (models, running):
        with pytest.raises(error) as raised:
            await models.generate_content(model="m", contents="Write about whales.")
    assert (raised.value.code, raised.value.status) == (code, status)
    assert running.stats.faults == {fault: 1} and running.stats.in_flight == 0


async def test_refusals_as_googles_client_knows_them():
    async with gemini(rpm=1, refused_cost=0) as (models, _):
        await models.generate_content(model="m", contents="Write about whales.")
        with pytest.raises(errors.ClientError, match="Please retry in 59"):
            await models.generate_content(model="m", contents="Write about whales.")
        with pytest.raises(errors.ClientError, match="models/missing-x is not found") as unknown:
            await models.generate_content(model="missing-x", contents="Write about whales.")
        assert unknown.value.status == "NOT_FOUND"
    async with gemini(key="wrong") as (models, _):
        with pytest.raises(errors.ClientError, match="API key not valid") as denied:
            await models.generate_content(model="m", contents="Write about whales.")
        assert denied.value.status == "INVALID_ARGUMENT"
    async with gemini(tpm=5) as (models, _):
        with pytest.raises(errors.ClientError, match="exceeds the maximum number of tokens"):
            await models.generate_content(model="m", contents="x" * 400)


# ---------------------------------------------------------------- bare HTTP

VERSION = {"anthropic-version": "2023-06-01", "x-api-key": KEY}
CLOSED = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
MESSAGE = {"model": "m", "max_tokens": 9, "messages": ASK}


async def posted(path, body, headers, **world):
    async with serving(**world) as running, aiohttp.ClientSession() as session:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with session.post(running.root + path, data=data, headers=headers) as response:
            return response.status, response.headers, await response.json()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{nonsense", ""), ({"model": "m", "messages": ASK}, "max_tokens"), ({**MESSAGE, "messages": []}, "at least one message"),
        ({**MESSAGE, "messages": [{"role": "system", "content": "x"}]}, "role"), ({**MESSAGE, "max_tokens": 0}, "max_tokens"),
        ({**MESSAGE, "temperature": 1.5}, "temperature"), ({**MESSAGE, "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice"),
        ({**MESSAGE, "tools": [{"name": "x", "input_schema": {}}]}, "input_schema"),
        ({**MESSAGE, "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
        ({**MESSAGE, "output_config": {"format": {"type": "json_schema", "schema": {
            **CLOSED, "properties": {"n": {"type": "integer", "minimum": 1}}}}}}, "'minimum' is not supported"),
    ],
)  # fmt: skip
async def test_what_is_no_message_is_refused(body, words):
    status, _, said = await posted("/v1/messages", body, VERSION)
    assert (status, said["type"], said["error"]["type"]) == (400, "error", "invalid_request_error") and words in said["error"][
        "message"
    ]


async def test_a_version_must_be_named():
    status, _, said = await posted("/v1/messages", MESSAGE, {"x-api-key": KEY})
    assert status == 400 and "anthropic-version" in said["error"]["message"]


CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{nonsense", "Invalid JSON payload"), ({"contents": []}, "contents is not specified"), ({**CONTENTS, "messages": []}, "messages"),
        ({**CONTENTS, "generationConfig": {"max_tokens": 9}}, "max_tokens"), ({**CONTENTS, "generationConfig": {"maxOutputTokens": 0}}, "positive"),
        ({**CONTENTS, "generationConfig": {"responseJsonSchema": CLOSED}}, "response_mime_type"),
        ({**CONTENTS, "generationConfig": {"responseJsonSchema": CLOSED, "responseSchema": CLOSED}}, "Only one of"),
    ],
)  # fmt: skip
async def test_what_is_no_content_is_refused(body, words):
    status, _, said = await posted("/v1beta/models/m:generateContent", body, {"x-goog-api-key": KEY})
    assert (status, said["error"]["code"], said["error"]["status"]) == (400, 400, "INVALID_ARGUMENT") and words in said["error"][
        "message"
    ]


async def test_google_tells_of_limits_in_errors_only():
    path, key = "/v1beta/models/m:generateContent", {"x-goog-api-key": KEY}
    status, headers, _ = await posted(path, CONTENTS, key, rpm=5)
    assert status == 200 and not [name for name in headers if "ratelimit" in name.lower() or "retry" in name.lower()]
    _, _, said = await posted(path, CONTENTS, key, faults={"quota": 1.0})
    assert "PerDay" in said["error"]["details"][0]["violations"][0]["quotaId"]
    _, _, said = await posted(path, CONTENTS, key, faults={"429": 1.0}, hint="none")
    assert [detail["@type"].rpartition(".")[2] for detail in said["error"]["details"]] == ["QuotaFailure"]
    status, _, said = await posted("/v1beta/models/m:streamGenerateContent", CONTENTS, key)
    assert status == 400 and "alt=sse" in said["error"]["message"]
    status, _, said = await posted("/v1beta/models/m:generateContent?key=secret", CONTENTS, {})
    assert status == 200
