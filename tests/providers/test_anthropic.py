"""The adapter for Anthropic: the conformance suite, then what is its own."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from fanfold.providers.anthropic import FORMAT, OLD_ROOM, PROFILE, ROOM, TOOL, WORDS, Anthropic, encode, first_form, room_for
from fanfold.providers.dialects import anthropic_subset
from fanfold.providers.messages import MessageStream, decode, tokens
from fanfold.providers.spendcap import SpendCap
from fanfold.providers.sse import EventParser
from fanfold.providers.wire import Heed, Wire
from fanfold.spec.calls import Answer, Fault, Message, Scope, Told, Usage
from fanfold.spec.errors import Code, PlanError
from fanfold.spec.ports import Provider
from fanfold.testing.faults.anthropic import (
    ANTHROPIC,
    ANTHROPIC_FIRST,
    anthropic_error,
    anthropic_event,
    anthropic_last,
    anthropic_message,
    anthropic_text,
)
from fanfold.testing.faults.dialect import TEXT, modes
from fanfold.testing.faults.exchange import by_request, reply, stream
from fanfold.testing.faultserver import FaultServer
from fanfold.testing.providers import KEY, STREAMED_ELSEWHERE, ProviderConformance, request

SCHEMA = {
    "title": "Recipe",
    "type": "object",
    "properties": {"name": {"type": "string"}, "note": {"type": "string", "maxLength": 80}},
    "required": ["name"],
}
MODES = modes(ANTHROPIC)


@asynccontextmanager
async def anthropic(base_url, key=KEY):
    wire = Wire(connections=20, body_limit=1 << 20)
    try:
        yield Anthropic(wire, base_url, key)
    finally:
        await wire.close()


class TestConformance(ProviderConformance):
    modes = MODES
    streamed = STREAMED_ELSEWHERE

    def provider(self, base_url):
        return anthropic(base_url)


def unheard(chunk):
    raise AssertionError("nothing was to be heard")


async def answered(mode, asked, heard=unheard):
    """The outcome of one call to a server with one mode, and what it was sent."""
    async with FaultServer({"it": mode}) as server, anthropic(server.url("it")) as provider:
        outcome = await provider.call(asked, heard)
        return outcome, server.requests["it"]


def tool_message(value, **more):
    block = {"type": "tool_use", "id": "toolu_1", "name": "Recipe", "input": value}
    return anthropic_message("", stop_reason="tool_use", content=[block], **more)


def test_it_is_a_provider():
    provider: Provider = Anthropic(Wire(), PROFILE.base_url, KEY)
    assert repr(provider) == "<Anthropic <Account api.anthropic.com:443 with a key>>"
    with pytest.raises(PlanError):
        Anthropic(Wire(), PROFILE.base_url, KEY + "\n")


# ---------------------------------------------------------------- what goes out


async def test_what_goes_out():
    asked = request(sampling={"temperature": 0.2, "max_tokens": 50, "seed": 7, "stop": "END", "top_k": 3}, schema=SCHEMA)
    _, sent = await answered(reply(200, anthropic_message("{}")), asked)
    assert json.loads(sent.body) == {
        "model": "m", "temperature": 0.2, "max_tokens": 50, "stop_sequences": ["END"], "top_k": 3,
        "messages": [{"role": "user", "content": "Say it."}],
        "output_config": {"format": {"type": "json_schema", "schema": {
            "title": "Recipe", "type": "object", "required": ["name"], "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "note": {"type": "string", "description": "At most 80 characters"}},
        }}},
    }  # fmt: skip
    assert sent.path == "/mode/it/v1/messages", "the version is not said twice"
    assert sent.headers["x-api-key"] == KEY and sent.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in sent.headers


async def test_a_base_url_without_a_version():
    async with FaultServer({"it": reply(200, anthropic_message("x"))}) as server:
        async with anthropic(server.url("it").removesuffix("/v1"), None) as provider:
            assert isinstance(await provider.call(request(), unheard), Answer)
        assert server.requests["it"].path == "/mode/it/v1/messages"
        assert "x-api-key" not in server.requests["it"].headers


def test_system_prompts_stand_apart():
    turns = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes?"), Message("system", "In French."))
    body = json.loads(encode(request_of(*turns)))
    assert body["system"] == "Be brief.\n\nIn French."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"]
    body = json.loads(encode(request_of(Message("system", "A"), Message("system", "B"))))
    assert (body["system"], body["messages"]) == ("A", [{"role": "user", "content": "B"}]), "a conversation is never empty"


def request_of(*messages, **more):
    asked = request(**more)
    return type(asked)(model=asked.model, messages=messages, sampling=asked.sampling, schema=asked.schema)


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        ({}, {"max_tokens": ROOM}),
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 1.7}, {"max_tokens": ROOM, "temperature": 1}),
        ({"seed": 5, "n": 1, "presence_penalty": 0}, {"max_tokens": ROOM}),
        ({"stop": ["a", "b"], "stream": True, "model": "other"}, {"max_tokens": ROOM, "stop_sequences": ["a", "b"]}),
        ({"user": "u", "reasoning_effort": "low"}, {"max_tokens": ROOM, "metadata": {"user_id": "u"}, "output_config": {"effort": "low"}}),
        ({"thinking": {"type": "disabled"}}, {"max_tokens": ROOM, "thinking": {"type": "disabled"}}),
    ],
)  # fmt: skip
def test_how_sampling_is_said(sampling, sent):
    body = json.loads(encode(request(sampling=sampling)))
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == sent


def test_effort_and_format_go_together():
    asked = request(sampling={"reasoning_effort": "low"}, schema=SCHEMA)
    assert set(json.loads(encode(asked, anthropic_subset(SCHEMA)))["output_config"]) == {"effort", "format"}


async def test_words_without_a_counterpart_are_refused():
    outcome, _ = await refused_early({"frequency_penalty": 0.5})
    assert (outcome.code, outcome.scope) == (Code.BAD_REQUEST, Scope.STEP)
    assert outcome.message == "Anthropic's models take no frequency_penalty" and "sampling" in outcome.hint


async def refused_early(sampling):
    async with FaultServer(MODES) as server, anthropic(server.url("good")) as provider:
        outcome = await provider.call(request(sampling=sampling), unheard)
        assert server.hits["good"] == 0
        return outcome, server


def test_room():
    assert room_for("claude-3-haiku-20240307") == OLD_ROOM and room_for("claude-sonnet-5") == ROOM


# ---------------------------------------------------------------- the shape of answers


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("claude-3-5-haiku-latest", TOOL), ("claude-sonnet-4-20250514", TOOL), ("claude-opus-4-1", TOOL), ("claude-2.1", TOOL),
        ("claude-sonnet-4-5", FORMAT), ("claude-opus-4-8", FORMAT), ("claude-opus-4-10", FORMAT), ("claude-fable-5-2", FORMAT),
    ],
)  # fmt: skip
def test_older_models_answer_by_a_tool(model, form):
    assert first_form(model, anthropic_subset(SCHEMA)) == form
    assert first_form(model, anthropic_subset({"type": "object"})) == TOOL, "a free-form object cannot be enforced"


async def test_an_answer_by_a_tool():
    free = {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": {"type": "string"}}
    for mode in (reply(200, tool_message({"name": "Soup"})), stream(*tool_stream('{"name"', ': "Soup"}'))):
        heard = []
        asked = request(schema=free, schema_name="A Recipe", stream=True)
        outcome, sent = await answered(mode, asked, heard.append)
        assert json.loads(outcome.text) == {"name": "Soup"} and outcome.finish == "stop"
        assert "".join(chunk.text for chunk in heard) == outcome.text
        body = json.loads(sent.body)
        assert body["tool_choice"] == {"type": "tool", "name": "A_Recipe", "disable_parallel_tool_use": True}
        assert body["tools"][0]["name"] == "A_Recipe" and body["tools"][0]["input_schema"]["additionalProperties"] == {
            "type": "string"
        }
        assert "output_config" not in body


def tool_stream(*pieces, before=()):
    block = {"type": "tool_use", "id": "toolu_1", "name": "Recipe", "input": {}}
    yield from (ANTHROPIC_FIRST, *map(anthropic_text, before))
    yield anthropic_event("content_block_start", index=1, content_block=block)
    for piece in pieces:
        yield anthropic_event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": piece})
    yield anthropic_event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 7})
    yield anthropic_event("message_stop")


async def test_text_beside_a_tool_is_not_the_answer():
    heard = []
    asked = request(schema={"type": "object"}, stream=True)
    outcome, _ = await answered(stream(*tool_stream("", "{}", before=["Let me see."])), asked, heard.append)
    assert outcome.text == "{}" and [chunk.text for chunk in heard] == ["{}"]
    heard.clear()
    outcome, _ = await answered(stream(*tool_stream()), asked, heard.append)
    assert outcome.text == "{}" and [chunk.text for chunk in heard] == ["{}"], "an input in one piece"
    heard.clear()
    outcome, _ = await answered(stream(ANTHROPIC_FIRST, anthropic_text('{"a": 1}'), *anthropic_last("stop")), asked, heard.append)
    assert outcome.text == '{"a": 1}' and [chunk.text for chunk in heard] == ['{"a": 1}'], "the tool was not used"


async def test_a_form_that_is_refused_is_not_asked_for_again():
    """A format that the model does not take, then a tool that it cannot be made to use: the shape is told in words."""
    words = {
        FORMAT: "output_config.format.schema: Invalid schema: The compiled grammar is too large",
        TOOL: "tool_choice forces tool use is not compatible with this model",
    }
    asked = []

    async def mode(exchange):
        body = json.loads(exchange.body)
        form = FORMAT if "output_config" in body else TOOL if "tools" in body else WORDS
        asked.append(form)
        if form == WORDS:
            assert '"maxLength"' not in body["system"] and "At most 80 characters" in body["system"]
            await reply(200, anthropic_message("{}"))(exchange)
        else:
            await reply(400, anthropic_error(400, "invalid", words[form]))(exchange)

    async with FaultServer({"it": mode}) as server, anthropic(server.url("it")) as provider:
        several = await asyncio.gather(*(provider.call(request(schema=SCHEMA), unheard) for _ in range(3)))
        assert {(fault.code, fault.scope) for fault in several} == {(Code.TRANSIENT, Scope.CELL)}
        outcomes = [await provider.call(request(schema=SCHEMA), unheard) for _ in range(3)]
    assert outcomes[0].code == Code.TRANSIENT and all(isinstance(outcome, Answer) for outcome in outcomes[1:])
    assert asked == [FORMAT] * 3 + [TOOL, WORDS, WORDS]


async def test_other_refusals_keep_their_form():
    refusal = reply(400, anthropic_error(400, "invalid", "`temperature` is deprecated for this model."))
    outcome, _ = await answered(refusal, request(schema=SCHEMA))
    assert (outcome.code, outcome.scope) == (Code.BAD_REQUEST, Scope.STEP)


# ---------------------------------------------------------------- what comes back


def test_usage_counts_all_that_went_in():
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 5}
    outcome = decode(200, {}, json.dumps(anthropic_message("x", usage=usage)).encode(), request())
    assert outcome.usage == Usage(tokens_in=60, tokens_out=5, tokens_cached=30)
    for odd in (
        {"input_tokens": -1, "output_tokens": 2},
        {"input_tokens": "many"},
        {},
        None,
        {"input_tokens": 3, "cache_read_input_tokens": "x"},
    ):
        assert not decode(200, {}, json.dumps(anthropic_message("x", usage=odd)).encode(), request()).usage.exact
    assert tokens({"input_tokens": 0, "cache_read_input_tokens": 9, "output_tokens": 1})["prompt_tokens"] == 9


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("end_turn", ""), ("stop_sequence", ""), ("max_tokens", Code.TRUNCATED), ("refusal", Code.FILTERED),
        ("tool_use", Code.MALFORMED), ("pause_turn", Code.TRANSIENT), ("model_context_window_exceeded", Code.TOO_LONG),
        (None, Code.TRANSIENT), ("something_new", Code.MALFORMED),
    ],
)  # fmt: skip
def test_stop_reasons(reason, code):
    whole = decode(200, {}, json.dumps(anthropic_message("x", stop_reason=reason)).encode(), request())
    last = anthropic_event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 1})
    streamed = folded(ANTHROPIC_FIRST, anthropic_text("x"), last, anthropic_event("message_stop"))
    for outcome in (whole, streamed):
        assert getattr(outcome, "code", "") == code, outcome


def folded(*pieces, broken=None):
    reading = MessageStream()
    for event in EventParser().feed(b"".join(pieces)):
        if reading.feed(event.data, event.name)[0] is Heed.END:
            break
    return reading.end({}, request(), broken)


LOST = Fault(code=Code.TRANSIENT, message="the connection was lost")


@pytest.mark.parametrize(
    ("finish", "broken", "code"),
    [
        ("stop", None, Code.TRANSIENT), ("stop", LOST, Code.TRANSIENT),
        ("length", None, Code.TRUNCATED), ("length", LOST, Code.TRUNCATED), ("filter", LOST, Code.FILTERED),
    ],
)  # fmt: skip
def test_without_message_stop_it_is_no_answer(finish, broken, code):
    assert folded(ANTHROPIC_FIRST, anthropic_text("x"), *anthropic_last(finish)[:-1], broken=broken).code == code


def test_overload_in_mid_stream():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    outcome = folded(ANTHROPIC_FIRST, anthropic_text("Some of it"), anthropic_event("error", **error))
    assert (outcome.code, outcome.overload, outcome.status) == (Code.TRANSIENT, True, 529)
    assert outcome.usage.tokens_in == 11, "what was said of usage before is kept"
    assert outcome.usage.tokens_out > 1 and not outcome.usage.exact, "but for the count of an answer that had only begun"


def test_thinking_is_no_silence_and_no_answer():
    reading = MessageStream()
    for kind, name in (("thinking_delta", "thinking"), ("signature_delta", "signature")):
        delta = anthropic_event("content_block_delta", index=0, delta={"type": kind, name: "hm"})
        assert reading.feed(EventParser().feed(delta)[0].data) == (Heed.CONTENT, "")
    ping = EventParser().feed(anthropic_event("ping"))[0]
    assert reading.feed(ping.data, ping.name) == (Heed.NOTHING, "") and reading.text == ""


@pytest.mark.parametrize(
    ("status", "kind", "message", "code", "scope"),
    [
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", Code.QUOTA, Scope.ACCOUNT),
        (400, "invalid_request_error", "max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens for m", Code.BAD_REQUEST, Scope.STEP),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9 > 10", Code.TOO_LONG, Scope.CELL),
        (400, "invalid_request_error", "Thinking may not be enabled when tool_choice forces tool use.", Code.BAD_REQUEST, Scope.STEP),
        (401, "authentication_error", "invalid x-api-key", Code.AUTH, Scope.ACCOUNT),
        (403, "permission_error", "Not yours.", Code.AUTH, Scope.LANE),
        (404, "not_found_error", "model: claude-nine", Code.BAD_REQUEST, Scope.LANE),
        (413, "request_too_large", "Request exceeds the maximum size", Code.TOO_LONG, Scope.CELL),
        (402, "billing_error", "Pay first.", Code.QUOTA, Scope.ACCOUNT),
        (429, "rate_limit_error", "This request would exceed your account's rate limit.", Code.RATE_LIMITED, Scope.CELL),
        (500, "api_error", "Internal server error", Code.TRANSIENT, Scope.CELL),
        (504, "timeout_error", "Timed out", Code.TRANSIENT, Scope.CELL),
        (529, "overloaded_error", "Overloaded", Code.TRANSIENT, Scope.CELL),
    ],
)  # fmt: skip
def test_errors_by_their_type(status, kind, message, code, scope):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    found = decode(status, {}, body, request())
    assert (found.code, found.scope, found.overload) == (code, scope, status == 529), found


def test_a_spend_cap_by_its_code():
    error = {"type": "rate_limit_error", "message": "Spent.", "details": {"error_code": "enforced_spend_limit_reached"}}
    assert decode(429, {}, json.dumps({"type": "error", "error": error}).encode(), request()).code == Code.QUOTA


async def test_a_spend_cap_that_does_not_say_so():
    bare = Fault(code=Code.RATE_LIMITED, message="no")
    cap = SpendCap()
    began, together = cap.start(), cap.start()
    assert cap.judge("m", bare, began) is bare and cap.judge("m", bare, together) is bare, "these were in the air already"
    await asyncio.sleep(0.001)
    spent = cap.judge("m", bare, cap.start())
    assert (spent.code, spent.scope) == (Code.QUOTA, Scope.LANE) and spent.hint
    assert cap.judge("other", bare, cap.start()) is bare
    cap.judge("m", Answer(text="x", usage=Usage()), began)
    assert cap.judge("m", bare, cap.start()) is bare, "an answer has cleared it"
    for more in ({"retry_after_s": 1.0}, {"told": (Told(counts="requests", limit=5),)}, {"refused": "tokens"}):
        said = Fault(code=Code.RATE_LIMITED, **more)
        assert cap.judge("m", said, cap.start()) is said


async def test_limits_are_learned_from_headers():
    limits = {
        "date": "Wed, 21 Oct 2026 07:28:00 GMT", "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000", "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:02Z",
        "request-id": "req_7",
    }  # fmt: skip
    outcome = decode(200, limits, json.dumps(anthropic_message(TEXT)).encode(), request())
    assert outcome.told == (Told(counts="input tokens", span_s=60, limit=40000, remaining=39000, reset_s=2.0),)
    assert outcome.request_id == "req_7"


async def test_what_is_said_about_a_refused_key():
    for key, hint in ((KEY, "check the API key, and what it may do (ANTHROPIC_API_KEY)"), (None, "set ANTHROPIC_API_KEY")):
        async with FaultServer(MODES) as server, anthropic(server.url("401"), key) as provider:
            assert (await provider.call(request(), unheard)).hint == hint


async def test_a_server_that_repeats_the_key_is_not_repeated():
    echo = anthropic_error(401, "key", f"wrong key {KEY}")
    event = b"event: error\ndata: " + json.dumps(echo).encode() + b"\n\n"
    for mode in (reply(401, echo), by_request(reply(200, echo), stream(event))):
        outcome, _ = await answered(mode, request(stream=True))
        assert isinstance(outcome, Fault) and "sk-" not in outcome.message and "[key]" in outcome.message
