"""The adapter for OpenAI and servers like it: the conformance suite, then what is its own."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import msgspec
import pytest

from fanfold.providers.openai import PROFILE, OpenAI, encode
from fanfold.providers.wire import Wire
from fanfold.spec.calls import Answer, Fault, Message
from fanfold.spec.errors import Code, PlanError
from fanfold.spec.ports import Provider
from fanfold.testing.faults.chat import completion, event
from fanfold.testing.faults.exchange import reply, stream
from fanfold.testing.faultserver import MODES, FaultServer
from fanfold.testing.providers import KEY, ProviderConformance, request

SCHEMA = {
    "title": "Recipe",
    "type": "object",
    "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
    "required": ["name"],
}


@asynccontextmanager
async def openai(base_url, key=KEY):
    wire = Wire(connections=20, body_limit=1 << 20)
    try:
        yield OpenAI(wire, base_url, key)
    finally:
        await wire.close()


class TestConformance(ProviderConformance):
    def provider(self, base_url):
        return openai(base_url)


def unheard(chunk):
    raise AssertionError("nothing was to be heard")


async def answered(mode, asked, heard=unheard):
    """The outcome of one call to a server with one mode, and what it was sent."""
    async with FaultServer({"it": mode}) as server, openai(server.url("it")) as provider:
        outcome = await provider.call(asked, heard)
        return outcome, server.requests["it"]


def test_it_is_a_provider():
    provider: Provider = OpenAI(Wire(), PROFILE.base_url, KEY)
    assert repr(provider) == "<OpenAI <Account api.openai.com:443 with a key>>"
    with pytest.raises(PlanError):
        OpenAI(Wire(), PROFILE.base_url, KEY + "\n")


async def test_what_goes_out():
    asked = request(
        sampling={"temperature": 0.2, "max_tokens": 50, "seed": 7, "stop": None}, schema=SCHEMA, schema_name="My Recipe"
    )
    _, sent = await answered(reply(200, completion("{}")), asked)
    body = json.loads(sent.body)
    assert body == {
        "temperature": 0.2, "max_tokens": 50, "seed": 7, "model": "m",
        "messages": [{"role": "user", "content": "Say it."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "My_Recipe", "strict": True,
                "schema": {
                    "title": "Recipe", "type": "object", "required": ["name", "note"], "additionalProperties": False,
                    "properties": {"name": {"type": "string"}, "note": {"type": ["string", "null"]}},
                },
            },
        },
    }  # fmt: skip
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == ["name", "note"]
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert int(sent.headers["content-length"]) == len(sent.body)


async def test_without_a_key_no_header():
    async with FaultServer() as server, openai(server.url("good"), None) as provider:
        assert isinstance(await provider.call(request(), unheard), Answer)
        assert "authorization" not in server.requests["good"].headers


def test_sampling_cannot_change_what_is_ours():
    asked = request(sampling={"stream": True, "model": "other", "messages": [], "n": 5, "top_k": 3})
    body = json.loads(encode(asked))
    assert body == {"top_k": 3, "model": "m", "messages": [{"role": "user", "content": "Say it."}]}


def test_streams_are_asked_for_with_their_usage():
    body = json.loads(encode(request(stream=True)))
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        ({"max_tokens": 50}, {"max_completion_tokens": 50}),
        ({"max_tokens": 50, "max_completion_tokens": 60}, {"max_completion_tokens": 60}),
        ({"max_completion_tokens": 60}, {"max_completion_tokens": 60}),
        ({}, {}),
    ],
)
def test_openai_itself_has_renamed_max_tokens(sampling, sent):
    body = json.loads(encode(request(sampling=sampling), own=True))
    assert {name: value for name, value in body.items() if name.startswith("max")} == sent


async def test_nulls_that_only_the_strict_subset_asked_for_are_taken_out():
    asked = request(schema=SCHEMA)
    outcome, _ = await answered(reply(200, completion('{"name": "Soup", "note": null}')), asked)
    assert outcome.text == '{"name":"Soup"}'
    for text in ('{"name": "Soup", "note": "hot"}', "no JSON"):
        outcome, _ = await answered(reply(200, completion(text)), asked)
        assert outcome.text == text, "anything else stays as the model wrote it"


async def test_a_schema_is_converted_once(monkeypatch):
    calls = []
    from fanfold.providers import openai as module

    convert = module.strict_subset
    monkeypatch.setattr(module, "strict_subset", lambda schema: calls.append(1) or convert(schema))
    async with FaultServer() as server, openai(server.url("good")) as provider:
        for _ in range(3):
            await provider.call(request(schema=SCHEMA), unheard)
    assert len(calls) == 1


async def test_a_fault_in_mid_stream_tells_what_was_written():
    heard = []
    mode = stream(event({"content": "Hello, "}), event({"content": "world of words"}), then="reset")
    outcome, _ = await answered(mode, request(stream=True), heard.append)
    assert isinstance(outcome, Fault) and outcome.code == Code.TRANSIENT
    assert [chunk.text for chunk in heard] == ["Hello, ", "world of words"]
    assert outcome.usage.tokens_out >= 5 and not outcome.usage.exact


async def test_a_server_that_repeats_the_key_is_not_repeated():
    echo = {"error": {"message": "x" * 480 + f" wrong key {KEY} and Bearer {KEY}"}}
    said = json.dumps(echo).encode()
    for mode in (
        reply(401, echo),
        reply(200, echo),
        reply(200, said[:-2]),
        stream(b"data: " + said + b"\n\n"),
        stream(b"data: " + said[:-2] + b"\n\n"),
    ):
        outcome, _ = await answered(mode, request(stream=True))
        assert isinstance(outcome, Fault)
        assert "sk-" not in outcome.message


async def test_a_listener_that_fails_is_not_the_networks_fault():
    def listener(chunk):
        raise ZeroDivisionError

    async with FaultServer() as server, openai(server.url("good")) as provider:
        with pytest.raises(ZeroDivisionError):
            await provider.call(request(stream=True), listener)
        assert isinstance(await provider.call(request(), unheard), Answer), "and the pool is well"


async def test_what_is_said_about_a_refused_key():
    for key, hint in ((KEY, "check the API key, and what it may do (OPENAI_API_KEY)"), (None, "set OPENAI_API_KEY")):
        async with FaultServer() as server, openai(server.url("401"), key) as provider:
            assert (await provider.call(request(), unheard)).hint == hint


async def test_headers_that_are_no_text_can_be_written_down():
    odd = "\udcff\udcfe".encode("utf-8", "surrogateescape").decode("latin-1")

    async def mode(exchange):
        body = json.dumps(completion()).encode()
        head = f"HTTP/1.1 200 OK\r\nX-Request-Id: {odd}\r\nX-RateLimit-Odd: {odd}\r\nContent-Length: {len(body)}\r\n\r\n"
        await exchange.send(head.encode("latin-1") + body)

    outcome, _ = await answered(mode, request())
    assert isinstance(outcome, Answer)
    msgspec.json.encode(outcome)


async def test_redirects_are_never_followed():
    async with FaultServer() as server, openai(server.url("redirect")) as provider:
        outcome = await provider.call(request(), unheard)
    assert outcome.code == Code.BAD_REQUEST
    assert server.hits == {"redirect": 1}


async def test_dense_and_odd_texts_arrive_as_they_were_sent():
    text = 'été 🌱 日本語 \x00 \u202e \\ " \n'
    outcome, sent = await answered(reply(200, completion(text)), request())
    assert outcome.text == text
    asked = request()
    body = json.loads(encode(type(asked)(model="m", messages=(Message("user", text),))))
    assert body["messages"][0]["content"] == text
    assert MODES and sent.mode == "it"
