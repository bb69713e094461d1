"""What HTTP errors mean: a table of answers as servers give them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.providers.taxonomy import KEY_HINT, MODEL_HINT, QUOTA_HINT, URL_HINT, classify, classify_inner
from fanfold.spec.calls import Scope, Told
from fanfold.spec.errors import Code

CELL, STEP, LANE, ENDPOINT, ACCOUNT = Scope.CELL, Scope.STEP, Scope.LANE, Scope.ENDPOINT, Scope.ACCOUNT
BAD = Code.BAD_REQUEST


def error(message="", kind="", code=None, param=None):
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


GEMINI_MINUTE = {
    "error": {
        "code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota, please check your plan and billing details. Please retry in 47.43s.",
        "details": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}, {"retryDelay": "47s"}],
    }
}  # fmt: skip
GEMINI_DAY = {
    "error": {
        "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded. Please retry in 47.43s.",
        "details": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
    }
}  # fmt: skip

TABLE = [
    # keys
    (401, error("Incorrect API key provided", "invalid_request_error", "invalid_api_key"), Code.AUTH, ACCOUNT, KEY_HINT),
    (401, b"", Code.AUTH, ACCOUNT, KEY_HINT),
    (403, {"message": "forbidden"}, Code.AUTH, LANE, KEY_HINT),
    (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}], Code.AUTH, ACCOUNT, KEY_HINT),
    (403, {"error": {"message": "Requests are blocked.", "details": [{"reason": "API_KEY_SERVICE_BLOCKED"}]}}, Code.AUTH, ACCOUNT, KEY_HINT),
    (403, {"error": {"message": "Your API key was reported as leaked. Use another."}}, Code.AUTH, ACCOUNT, KEY_HINT),
    (403, {"error": {"message": "Enable it.", "details": [{"reason": "BILLING_DISABLED"}]}}, Code.QUOTA, ACCOUNT, QUOTA_HINT),
    # money
    (402, {"error": {"message": "Insufficient Balance"}}, Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (402, b"pay up", Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (429, error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (429, error("…", "insufficient_quota", "credit_balance_exhausted"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (429, error("…", "", "organization_spend_limit_exceeded"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (429, error("…", "", "project_spend_limit_exceeded"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (429, {"error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}}, Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (429, GEMINI_DAY, Code.QUOTA, LANE, QUOTA_HINT),
    (429, error("Quota exceeded for metric: requests, limit: 0"), Code.QUOTA, LANE, QUOTA_HINT),
    (400, error("Your credit balance is too low to access the API"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (403, error("…", "billing_not_active"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    (400, error("Budget has been exceeded", "budget_exceeded"), Code.QUOTA, ACCOUNT, QUOTA_HINT),
    # limits
    (429, error("Rate limit reached. Please try again in 41.724s.", "tokens", "rate_limit_exceeded"), Code.RATE_LIMITED, CELL, ""),
    (429, GEMINI_MINUTE, Code.RATE_LIMITED, CELL, ""),
    (429, error("Limit 20, Used 20 on limit: 05"), Code.RATE_LIMITED, CELL, ""),
    (429, b"slow down", Code.RATE_LIMITED, CELL, ""),
    (429, {"message": "Too many tokens, please wait before trying again."}, Code.RATE_LIMITED, CELL, ""),
    (429, error("Rate limit reached on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s."), Code.RATE_LIMITED, CELL, ""),
    (429, error("Quota exceeded for metric: input_token_count, limit: 250000\nPlease retry in 3s."), Code.RATE_LIMITED, CELL, ""),
    # length
    (429, error("Request too large for gpt-4: Limit 10000, Requested 12000", "tokens", "rate_limit_exceeded"), Code.TOO_LONG, CELL, None),
    (400, error("…", "invalid_request_error", "context_length_exceeded", "messages"), Code.TOO_LONG, CELL, None),
    (400, error("This model's maximum context length is 4096 tokens"), Code.TOO_LONG, CELL, None),
    (400, {"message": "The decoder prompt (length 9000) is longer than the maximum model length of 4096"}, Code.TOO_LONG, CELL, None),
    (400, error("Prompt is too long: 210000 tokens > 200000 maximum"), Code.TOO_LONG, CELL, None),
    (400, {"message": "Input is too long for requested model."}, Code.TOO_LONG, CELL, None),
    (400, {"error": "the request exceeds the available context size", "type": "exceed_context_size_error"}, Code.TOO_LONG, CELL, None),
    (400, {"error": {"message": "The input token count (1048577) exceeds the maximum number of tokens allowed"}}, Code.TOO_LONG, CELL, None),
    (413, error("Request too large for model"), Code.TOO_LONG, CELL, None),
    (429, error("on tokens per min (TPM): Limit 10000, Requested 12000."), Code.TOO_LONG, CELL, None),
    (429, error("on tokens per min (TPM): Limit 10000, Used 9000, Requested 2000. Try again in 6s"), Code.RATE_LIMITED, CELL, ""),
    (413, b"<html>413 Request Entity Too Large", BAD, CELL, ""),
    # filters
    (400, error("The response was filtered due to the prompt", "", "content_filter"), Code.FILTERED, CELL, None),
    (400, error("Your request was rejected as a result of our safety system"), Code.FILTERED, CELL, None),
    (403, error("Your input was flagged"), Code.FILTERED, CELL, None),
    # schema and parameters
    (400, error("Invalid schema for response_format 'x'", "", "invalid_json_schema", "text.format.schema"), BAD, STEP, None),
    (400, error("Unsupported parameter: 'max_tokens' is not supported with this model", "", "unsupported_parameter"), BAD, STEP, None),
    (400, error("Unsupported value: 'temperature' does not support 0.2", "", "unsupported_value", "temperature"), BAD, STEP, None),
    (400, error("Invalid value", "invalid_request_error", None, "top_p"), BAD, STEP, None),
    (400, error("Unrecognized request argument supplied: foo"), BAD, STEP, None),
    (400, error("This response_format type is unavailable now"), BAD, STEP, None),
    (422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}, BAD, STEP, None),
    (422, {"detail": [{"loc": ["body", "messages", 0], "msg": "Input should be a string"}]}, BAD, CELL, ""),
    (400, error("Invalid type for 'messages[0].content'", "", None, "messages.[0].content"), BAD, CELL, ""),
    (400, error("something else"), BAD, CELL, ""),
    (400, b"", BAD, CELL, ""),
    # models
    (404, error("The model `gpt-9` does not exist", "", "model_not_found"), BAD, LANE, MODEL_HINT),
    (403, error("Project does not have access to model `o3`", "", "model_not_found"), BAD, LANE, MODEL_HINT),
    (404, {"error": "model 'llama9' not found, try pulling it first"}, BAD, LANE, MODEL_HINT),
    (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, BAD, LANE, MODEL_HINT),
    (400, error("gpt-9 is not a valid model ID"), BAD, LANE, MODEL_HINT),
    (400, error("The model `x` has been decommissioned", "", "model_decommissioned"), BAD, LANE, MODEL_HINT),
    (404, error("The model `text-davinci-003` has been deprecated"), BAD, LANE, MODEL_HINT),
    (400, {"message": "Invalid model: mistral-huge", "type": "invalid_model", "code": "1500"}, BAD, LANE, MODEL_HINT),
    (400, error("unknown", "", None, "model"), BAD, LANE, MODEL_HINT),
    (410, b"gone", BAD, LANE, MODEL_HINT),
    # addresses
    (404, b"404 page not found", BAD, LANE, URL_HINT),
    (404, {"detail": "Not Found"}, BAD, LANE, URL_HINT),
    (404, error("Invalid URL (POST /chat/completions)", "invalid_request_error"), BAD, LANE, URL_HINT),
    (405, {"detail": "Method Not Allowed"}, BAD, LANE, URL_HINT),
    (307, b"", BAD, ENDPOINT, None),
    # passing troubles
    (408, b"", Code.TRANSIENT, CELL, ""), (409, b"", Code.TRANSIENT, CELL, ""), (425, b"", Code.TRANSIENT, CELL, ""),
    (500, error("The server had an error", "server_error"), Code.TRANSIENT, CELL, ""),
    (502, b"<html>bad gateway", Code.TRANSIENT, CELL, ""), (503, {"error": "Loading model"}, Code.TRANSIENT, CELL, ""),
    (504, b"", Code.TRANSIENT, CELL, ""), (520, b"", Code.TRANSIENT, CELL, ""),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Code.TRANSIENT, CELL, ""),
    # the rest
    (418, b"a teapot", BAD, CELL, ""), (422, b"", BAD, CELL, ""), (451, b"", BAD, CELL, ""), (600, b"", BAD, CELL, ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "code", "scope", "hint"), TABLE, ids=[f"{row[0]}-{n}" for n, row in enumerate(TABLE)])
def test_table(status, body, code, scope, hint):
    fault = classify(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (fault.code, fault.scope, fault.status) == (code, scope, status), fault
    assert fault.hint == hint if hint is not None else fault.hint
    assert str(status) in fault.message


def test_a_refused_parameter_is_named():
    fault = classify(400, {}, json.dumps(error("Invalid value", param="top_p")).encode())
    assert fault.scope is STEP
    assert "top_p" in fault.message + fault.hint


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (429, "false", Code.QUOTA), (503, "false", Code.BAD_REQUEST), (500, "FALSE", Code.BAD_REQUEST),
        (429, "true", Code.RATE_LIMITED), (503, "true", Code.TRANSIENT), (400, "true", Code.BAD_REQUEST), (401, "true", Code.AUTH),
    ],
)  # fmt: skip
def test_the_server_knows_whether_to_try_again(status, said, code):
    fault = classify(status, {"x-should-retry": said}, b"")
    assert (fault.code, fault.headers) == (code, {"x-should-retry": said})


@pytest.mark.parametrize(
    ("status", "body", "overload"),
    [
        (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, True), (503, b"", True), (529, b"", True),
        (503, error("The engine is currently overloaded", "server_error", "slow_down"), True),
        (429, error("Engine is overloaded", "", "engine_overloaded"), True), (500, error("The model is overloaded. Please try again later."), True),
        (500, b"", False), (502, b"", False), (504, b"", False), (408, b"", False), (429, b"slow down", False), (429, b"", False),
        (400, error("overloaded"), False),
    ],
)  # fmt: skip
def test_overload_is_everybodys(status, body, overload):
    fault = classify(status, {"retry-after": "3"}, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert fault.overload is overload
    assert fault.code == (Code.TRANSIENT if overload else fault.code)
    assert fault.retry_after_s == (3 if fault.code in (Code.TRANSIENT, Code.RATE_LIMITED) else None)


def test_a_server_that_says_to_try_again_does_not_make_money():
    """x-should-retry goes before what is passing, never before what is final."""
    for body, code in [
        (error("You exceeded your current quota", "insufficient_quota"), Code.QUOTA),
        (error("Request too large for gpt-4: Limit 10, Requested 12"), Code.TOO_LONG),
        (error("Rate limit reached", "requests", "rate_limit_exceeded"), Code.RATE_LIMITED),
    ]:
        assert classify(429, {"x-should-retry": "true"}, json.dumps(body).encode()).code == code


def test_a_refusal_says_which_limit_and_how_much():
    words = (
        "Rate limit reached for gpt-4o on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms."
    )
    fault = classify(
        429, {"x-ratelimit-remaining-tokens": "77", "x-ratelimit-limit-tokens": "1000"}, json.dumps(error(words)).encode()
    )
    assert fault.refused == "requests"
    assert fault.told == (
        Told(counts="tokens", limit=1000, remaining=77),
        Told(counts="requests", limit=500),
    )
    assert classify(503, {"x-ratelimit-remaining-tokens": "77"}, b"").told == (Told(counts="tokens", remaining=77),)


def test_waits_and_limits_are_passed_on():
    headers = {
        "retry-after": "7",
        "x-ratelimit-remaining-tokens": "0",
        "content-type": "text/plain",
        "anthropic-ratelimit-x": "1" * 900,
    }
    fault = classify(429, headers, b"")
    assert fault.retry_after_s == 7
    assert fault.headers == {"retry-after": "7", "x-ratelimit-remaining-tokens": "0", "anthropic-ratelimit-x": "1" * 200}


INNER = [
    ({"error": {"code": 429, "message": "slow"}}, Code.RATE_LIMITED),
    ({"error": {"code": "429", "message": "slow"}}, Code.RATE_LIMITED),
    ({"error": {"type": "rate_limit_exceeded"}}, Code.RATE_LIMITED),
    ({"error": {"type": "insufficient_quota"}}, Code.QUOTA),
    ({"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "overloaded"}}}, Code.TRANSIENT),
    ({"error": {"type": "server_error"}}, Code.TRANSIENT),
    ({"error": {"type": "overloaded_error"}}, Code.TRANSIENT),
    ({"error": {"code": "context_length_exceeded"}}, Code.TOO_LONG),
    ({"error": {"code": "content_filter"}}, Code.FILTERED),
    ({"error": {"type": "authentication_error"}}, Code.AUTH),
    ({"error": "something"}, Code.MALFORMED),
    ({"error": {"message": None}}, Code.MALFORMED),
]


@pytest.mark.parametrize(("body", "code"), INNER, ids=range(len(INNER)))
def test_errors_inside_a_success(body, code):
    assert classify_inner({}, json.dumps(body).encode()).code == code


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["error", "429", "model_not_found"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "detail", "message", "code", "type", "param", "loc", "metadata", "raw"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.integers(0, 999), json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_any_body_gives_a_fault(status, body):
    for fault in (classify(status, {}, body), classify_inner({}, body)):
        assert Code(fault.code)
        assert fault.message and len(fault.message) < 700
        assert fault.message.isprintable()
        msgspec.json.encode(fault)
