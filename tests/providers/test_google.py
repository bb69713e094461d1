"""The adapter for Google: the conformance suite, then what is its own."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from fanfold.providers.candidates import CandidateStream, decode
from fanfold.providers.dialects import gemini_subset
from fanfold.providers.google import PROFILE, Google, encode
from fanfold.providers.sse import EventParser
from fanfold.providers.wire import Heed, Wire
from fanfold.spec.calls import Answer, Fault, Message, Scope, Told, Usage
from fanfold.spec.errors import Code, PlanError
from fanfold.spec.ports import Provider
from fanfold.testing.faults.dialect import TEXT, modes
from fanfold.testing.faults.exchange import reply, stream
from fanfold.testing.faults.google import GOOGLE, google_error, google_response
from fanfold.testing.faultserver import FaultServer
from fanfold.testing.providers import KEY, SHORT_S, STREAMED_ELSEWHERE, ProviderConformance, request

SCHEMA = {
    "title": "Recipe",
    "type": "object",
    "properties": {"name": {"type": "string"}, "a_note": {"type": "string", "maxLength": 80}},
    "required": ["name"],
}
MODES = modes(GOOGLE)


@asynccontextmanager
async def google(base_url, key=KEY):
    wire = Wire(connections=20, body_limit=1 << 20)
    try:
        yield Google(wire, base_url, key)
    finally:
        await wire.close()


class TestConformance(ProviderConformance):
    modes = MODES
    tells_limits = False
    streamed = {name: expected for name, expected in STREAMED_ELSEWHERE.items() if name != "silent_after_done"}  # noqa: RUF012

    def provider(self, base_url):
        return google(base_url)


def unheard(chunk):
    raise AssertionError("nothing was to be heard")


async def answered(mode, asked, heard=unheard):
    """The outcome of one call to a server with one mode, and what it was sent."""
    async with FaultServer({"it": mode}) as server, google(server.url("it")) as provider:
        outcome = await provider.call(asked, heard)
        return outcome, server.requests["it"]


def event(document):
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def test_it_is_a_provider():
    provider: Provider = Google(Wire(), PROFILE.base_url, KEY)
    assert repr(provider) == "<Google <Account generativelanguage.googleapis.com:443 with a key>>"
    with pytest.raises(PlanError):
        Google(Wire(), PROFILE.base_url, KEY + "\n")


# ---------------------------------------------------------------- what goes out


async def test_what_goes_out():
    asked = request(sampling={"temperature": 0.2, "max_tokens": 50, "seed": 7, "stop": "END", "top_p": 0.9}, schema=SCHEMA)
    _, sent = await answered(reply(200, google_response("{}")), asked)
    assert json.loads(sent.body) == {
        "contents": [{"role": "user", "parts": [{"text": "Say it."}]}],
        "generationConfig": {
            "temperature": 0.2, "maxOutputTokens": 50, "seed": 7, "stopSequences": ["END"], "topP": 0.9,
            "responseMimeType": "application/json",
            "responseJsonSchema": {
                "title": "Recipe", "type": "object", "required": ["name"], "propertyOrdering": ["name", "a_note"],
                "properties": {"name": {"type": "string"}, "a_note": {"type": "string", "description": "At most 80 characters"}},
            },
        },
    }  # fmt: skip
    assert sent.path == "/mode/it/v1/models/m:generateContent", "the version is not said twice"
    assert sent.headers["x-goog-api-key"] == KEY and KEY not in sent.path


@pytest.mark.parametrize(
    ("base", "model", "stream", "url"),
    [
        ("https://x.test", "gemini-3", False, "https://x.test/v1beta/models/gemini-3:generateContent"),
        ("https://x.test/", "tunedModels/mine", False, "https://x.test/v1beta/tunedModels/mine:generateContent"),
        ("https://x.test/v1alpha", "models/g", False, "https://x.test/v1alpha/models/g:generateContent"),
        ("https://x.test/p", "g", True, "https://x.test/p/v1beta/models/g:streamGenerateContent?alt=sse"),
        ("https://x.test/p?a=b", "g", True, "https://x.test/p/v1beta/models/g:streamGenerateContent?a=b&alt=sse"),
        ("https://x.test", "a b?c:d", False, "https://x.test/v1beta/models/a%20b%3Fc%3Ad:generateContent"),
    ],
)  # fmt: skip
async def test_addresses(base, model, stream, url):
    assert Google(Wire(), base, KEY)._target(model, stream=stream).url == url


def test_system_prompts_stand_apart():
    turns = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes?"), Message("system", "In French."))
    asked = request()
    body = json.loads(encode(type(asked)(model="m", messages=turns)))
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nIn French."}]}
    assert [turn["role"] for turn in body["contents"]] == ["user", "model"]
    body = json.loads(encode(type(asked)(model="m", messages=turns[:1])))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Be brief."}]}]}, "a conversation is never empty"


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        ({}, {}),
        ({"max_completion_tokens": 9}, {"generationConfig": {"maxOutputTokens": 9}}),
        ({"presence_penalty": 0.5, "frequency_penalty": 0.1}, {"generationConfig": {"presencePenalty": 0.5, "frequencyPenalty": 0.1}}),
        ({"thinkingConfig": {"thinkingBudget": 0}}, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
        ({"safetySettings": []}, {"safetySettings": []}),
        ({"model": "x", "candidateCount": 3, "n": 2, "user": "u", "stop": ["a"]}, {"generationConfig": {"stopSequences": ["a"]}}),
    ],
)  # fmt: skip
def test_how_sampling_is_said(sampling, sent):
    body = json.loads(encode(request(sampling=sampling)))
    assert {name: value for name, value in body.items() if name != "contents"} == sent


async def test_words_without_a_counterpart_are_refused():
    async with FaultServer(MODES) as server, google(server.url("good")) as provider:
        outcome = await provider.call(request(sampling={"logit_bias": {"1": 2}}), unheard)
        assert (outcome.code, outcome.scope, server.hits["good"]) == (Code.BAD_REQUEST, Scope.STEP, 0)


async def test_a_schema_that_is_refused_is_told_in_words():
    words = "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth."
    bodies = []

    async def mode(exchange):
        bodies.append(body := json.loads(exchange.body))
        refused = "responseJsonSchema" in body["generationConfig"]
        await reply(400, google_error(400, "invalid", words))(exchange) if refused else await reply(200, google_response("{}"))(
            exchange
        )

    async with FaultServer({"it": mode}) as server, google(server.url("it")) as provider:
        outcomes = [await provider.call(request(schema=SCHEMA), unheard) for _ in range(2)]
    assert outcomes[0].code == Code.TRANSIENT and isinstance(outcomes[1], Answer)
    assert bodies[1]["generationConfig"] == {"responseMimeType": "application/json"}
    assert "At most 80 characters" in bodies[1]["systemInstruction"]["parts"][0]["text"]


# ---------------------------------------------------------------- schemas


@pytest.mark.parametrize(
    ("schema", "converted"),
    [
        ({"type": "string", "format": "email"}, {"type": "string", "description": "Format email"}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "description": "How many"},
         {"type": "integer", "minimum": 1, "description": "How many (less than 9)"}),
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"enum": ["a", "b"], "type": "string", "default": "a"}, {"type": "string", "enum": ["a", "b"]}),
        ({"enum": ["a", None], "type": "string"}, {"type": ["string", "null"], "enum": ["a"]}),
        ({"const": True, "type": "boolean"}, {"type": "boolean"}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"$ref": "#/$defs/X", "description": "lost"}, {"$ref": "#/$defs/X"}),
        ({"allOf": [{"$ref": "#/$defs/X"}], "description": "lost"}, {"$ref": "#/$defs/X"}),
        ({"allOf": [{"type": "string"}], "description": "kept"}, {"type": "string", "description": "kept"}),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2, "uniqueItems": True},
         {"type": "array", "items": {"type": "number"}, "minItems": 2, "description": "No item twice"}),
        ({"type": "array", "prefixItems": [{"type": "number"}]}, {"type": "array", "prefixItems": [{"type": "number"}]}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "object", "additionalProperties": {"type": "string"}}),
        ({"type": "object", "properties": {"b": {}, "a": 3}, "required": ["a", "gone"], "additionalProperties": False},
         {"type": "object", "properties": {"b": {}, "a": {}}, "propertyOrdering": ["b", "a"], "required": ["a"], "additionalProperties": False}),
    ],
)  # fmt: skip
def test_what_gemini_reads_of_a_schema(schema, converted):
    assert gemini_subset({"type": "object", "properties": {"x": schema}})["properties"]["x"] == converted


def test_a_reference_at_the_root():
    schema = {
        "$ref": "#/definitions/X",
        "definitions": {"X": {"type": "object", "properties": {"y": {"$ref": "#/definitions/X"}}}},
    }
    converted = gemini_subset(schema)
    assert converted["type"] == "object" and converted["$defs"]["X"]["properties"]["y"] == {"$ref": "#/$defs/X"}


# ---------------------------------------------------------------- what comes back


def test_usage_counts_thoughts_as_output():
    usage = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 40,
        "cachedContentTokenCount": 6,
        "totalTokenCount": 53,
    }
    outcome = decode(200, {}, json.dumps(google_response("x", usageMetadata=usage)).encode(), request())
    assert outcome.usage == Usage(tokens_in=10, tokens_out=43, tokens_cached=6)
    for odd in ({"promptTokenCount": -1}, {"promptTokenCount": "9", "candidatesTokenCount": 1}, {}, None):
        assert not decode(200, {}, json.dumps(google_response("x", usageMetadata=odd)).encode(), request()).usage.exact


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("STOP", ""), ("MAX_TOKENS", Code.TRUNCATED), ("SAFETY", Code.FILTERED), ("RECITATION", Code.FILTERED),
        ("PROHIBITED_CONTENT", Code.FILTERED), ("BLOCKLIST", Code.FILTERED), ("SPII", Code.FILTERED),
        ("MALFORMED_FUNCTION_CALL", Code.MALFORMED), ("OTHER", Code.MALFORMED), (None, Code.TRANSIENT), ("NEW", Code.MALFORMED),
    ],
)  # fmt: skip
def test_finish_reasons(reason, code):
    response = google_response("x", None)
    if reason:
        response["candidates"][0]["finishReason"] = reason
    for outcome in (decode(200, {}, json.dumps(response).encode(), request()), folded(event(response))):
        assert getattr(outcome, "code", "") == code, outcome


def folded(*pieces, broken=None):
    reading = CandidateStream()
    for said in EventParser().feed(b"".join(pieces)):
        if reading.feed(said.data, said.name)[0] is Heed.END:
            break
    return reading.end({}, request(), broken)


LOST = Fault(code=Code.TRANSIENT, message="the connection was lost")


def test_a_finish_reason_is_the_end_and_yet_not_the_last_word():
    one, last = event(google_response("Hel", None)), event(google_response("lo", "stop"))
    late = event(google_response("!", None, (11, 9)))
    assert folded(one, last, broken=LOST).text == "Hello", "the connection may break after it"
    outcome = folded(one, last, late)
    assert (outcome.text, outcome.usage.tokens_out) == ("Hello!", 9), "nothing that comes after it is lost"
    assert folded(one, broken=LOST) is LOST
    assert folded(one).code == Code.TRANSIENT and folded().code == Code.TRANSIENT


def test_blocked_prompts():
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    for outcome in (decode(200, {}, json.dumps(blocked).encode(), request()), folded(event(blocked))):
        assert outcome.code == Code.FILTERED and "SAFETY" in outcome.message
    unspecified = {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}
    assert decode(200, {}, json.dumps(unspecified).encode(), request()).code == Code.MALFORMED


def test_thoughts_are_no_silence_and_no_answer():
    response = google_response("", None)
    response["candidates"][0]["content"]["parts"] = [{"text": "hm", "thought": True}]
    reading = CandidateStream()
    assert reading.feed(json.dumps(response).encode()) == (Heed.CONTENT, "") and reading.text == ""


async def test_a_stream_that_stays_open_after_its_end():
    asked = request(stream=True, idle_s=SHORT_S)
    outcome, _ = await answered(MODES["silent_after_done"], asked, lambda chunk: None)
    assert isinstance(outcome, Answer) and outcome.text == TEXT


def google_said(status, code, message, *details):
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": list(details)}}).encode()


def quota(*ids, value="50"):
    violations = [{"quotaMetric": "m", "quotaId": name, "quotaValue": value} for name in ids]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.837906927s"}
BY_MINUTE, BY_DAY = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "code", "message", "found", "scope"),
    [
        ("INVALID_ARGUMENT", 400, "API key not valid. Please pass a valid API key.", Code.AUTH, Scope.ACCOUNT),
        ("INVALID_ARGUMENT", 400, "The specified schema produces a constraint that has too many states for serving.", Code.BAD_REQUEST, Scope.STEP),
        ("INVALID_ARGUMENT", 400, "Invalid JSON payload received. Unknown name \"x\" at 'generation_config'", Code.BAD_REQUEST, Scope.STEP),
        ("INVALID_ARGUMENT", 400, "The input token count (9000000) exceeds the maximum number of tokens allowed (1048576).", Code.TOO_LONG, Scope.CELL),
        ("INVALID_ARGUMENT", 400, "contents is not specified", Code.BAD_REQUEST, Scope.CELL),
        ("PERMISSION_DENIED", 403, "Generative Language API has not been used in project 1 before", Code.AUTH, Scope.ACCOUNT),
        ("NOT_FOUND", 404, "models/gemini-9 is not found for API version v1beta", Code.BAD_REQUEST, Scope.LANE),
        ("RESOURCE_EXHAUSTED", 429, "Resource has been exhausted (e.g. check quota).", Code.RATE_LIMITED, Scope.CELL),
        ("RESOURCE_EXHAUSTED", 429, EXCEEDED + " limit: 0, model: gemini-3-pro\nPlease retry in 20.04s.", Code.QUOTA, Scope.LANE),
        ("INTERNAL", 500, "An internal error has occurred.", Code.TRANSIENT, Scope.CELL),
        ("UNAVAILABLE", 503, "The model is overloaded. Please try again later.", Code.TRANSIENT, Scope.CELL),
        ("DEADLINE_EXCEEDED", 504, "Deadline expired.", Code.TRANSIENT, Scope.CELL),
    ],
)  # fmt: skip
def test_errors_by_their_status(status, code, message, found, scope):
    outcome = decode(code, {}, google_said(status, code, message), request())
    assert (outcome.code, outcome.scope, outcome.overload) == (found, scope, code == 503), outcome


def test_quotas_by_the_minute_and_by_the_day():
    by_minute = decode(429, {}, google_said("RESOURCE_EXHAUSTED", 429, EXCEEDED, quota(BY_MINUTE), RETRY), request())
    assert (by_minute.code, by_minute.retry_after_s, by_minute.refused) == (Code.RATE_LIMITED, 45.837906927, "requests")
    assert by_minute.told == (Told(counts="requests", span_s=60, limit=50),)
    no_wait = {**RETRY, "retryDelay": "0s"}
    worded = decode(429, {}, google_said("RESOURCE_EXHAUSTED", 429, "Please retry in 7.5s.", no_wait), request())
    assert worded.retry_after_s == 7.5, "a delay of nothing says nothing"
    tokens = quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", value="250000")
    by_tokens = decode(429, {}, google_said("RESOURCE_EXHAUSTED", 429, EXCEEDED, tokens, RETRY), request())
    assert by_tokens.told == (Told(counts="input tokens", span_s=60, limit=250_000),) and by_tokens.refused == "input tokens"
    by_day = decode(429, {}, google_said("RESOURCE_EXHAUSTED", 429, EXCEEDED, quota(BY_DAY), RETRY), request())
    assert (by_day.code, by_day.scope) == (Code.QUOTA, Scope.LANE)


async def test_an_error_that_comes_as_a_list():
    said = json.dumps([{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}]).encode()
    for outcome in (decode(503, {}, said, request()), decode(200, {}, said, request())):
        assert (outcome.code, outcome.overload) == (Code.TRANSIENT, True)


async def test_what_is_said_about_a_refused_key():
    for key, hint in ((KEY, "check the API key, and what it may do (GEMINI_API_KEY)"), (None, "set GEMINI_API_KEY")):
        async with FaultServer(MODES) as server, google(server.url("401"), key) as provider:
            assert (await provider.call(request(), unheard)).hint == hint


async def test_a_server_that_repeats_the_key_is_not_repeated():
    echo = google_error(401, "key", f"wrong key {KEY}")
    for mode in (reply(401, echo), stream(event(echo))):
        outcome, _ = await answered(mode, request(stream=True))
        assert isinstance(outcome, Fault) and "sk-" not in outcome.message and "[key]" in outcome.message


async def test_a_key_in_the_path_of_no_request():
    async with FaultServer(MODES) as server, google(server.url("good")) as provider:
        heard = []
        await asyncio.gather(*(provider.call(request(stream=n % 2 == 0), heard.append) for n in range(4)))
        assert server.requests["good"].headers["x-goog-api-key"] == KEY and KEY not in server.requests["good"].path
