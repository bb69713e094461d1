"""What responses say of limits, as the providers write it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.providers.chat import decode
from fanfold.providers.limits import refused, told, told_in
from fanfold.providers.openai import limited_by_the_day
from fanfold.providers.reading import parse
from fanfold.spec.calls import Message, Request, Told

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
R, T, I, O = "requests", "tokens", "input tokens", "output tokens"  # noqa: E741


def said(counts, limit=None, remaining=None, reset=None, span=60):
    return Told(counts=counts, limit=limit, remaining=remaining, reset_s=reset, span_s=span)


OPENAI = {
    "x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499", "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "30000", "x-ratelimit-remaining-tokens": "29000", "x-ratelimit-reset-tokens": "6m0s",
    "x-ratelimit-limit-tokens_usage_based": "7", "x-request-id": "x",
}  # fmt: skip
ANTHROPIC = {
    "date": DATE, "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:01Z",
    "anthropic-ratelimit-input-tokens-limit": "40000", "anthropic-ratelimit-input-tokens-remaining": "39000",
    "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:27:59Z",
    "anthropic-ratelimit-output-tokens-limit": "8000", "anthropic-ratelimit-output-tokens-remaining": "8000",
    "anthropic-ratelimit-tokens-limit": "48000", "anthropic-ratelimit-tokens-remaining": "47000",
    "anthropic-priority-input-tokens-limit": "9",
}  # fmt: skip
TABLE = [
    ("OpenAI", OPENAI, (said(R, 500, 499, 0.12), said(T, 30000, 29000, 360.0))),
    ("Azure, whole seconds", {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "7"}, (said(R, 10, 0, 7.0),)),
    ("Azure, unknown", {"x-ratelimit-limit-requests": "-1", "x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "0"}, ()),
    ("Anthropic", ANTHROPIC, (said(I, 40000, 39000), said(O, 8000, 8000), said(R, 50, 49, 1.0), said(T, 48000, 47000))),
    ("Anthropic, without its date", {k: v for k, v in ANTHROPIC.items() if "requests" in k}, (said(R, 50, 49),)),
    ("Mistral", {"x-ratelimit-limit-tokens-minute": "500000", "x-ratelimit-remaining-tokens-minute": "499", "x-ratelimit-limit-req-minute": "60"}, (said(R, 60), said(T, 500000, 499))),
    ("Mistral, older", {"x-ratelimitbysize-limit-minute": "500", "x-ratelimitbysize-remaining-minute": "4", "ratelimitbysize-reset": "32"}, (said(T, 500, 4, 32.0),)),
    ("Cerebras", {"x-ratelimit-limit-requests-day": "14400", "x-ratelimit-remaining-requests-day": "14399", "x-ratelimit-reset-requests-day": "33011.382867",
                  "x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-reset-tokens-minute": "11.38"}, (said(R, 14400, 14399, 33011.382867, 86400), said(T, 60000, None, 11.38))),
    ("full again", {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "0s"}, (said(R, None, 5, 0.0),)),
    ("a date in seconds", {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1792567680"}, (said(R, None, 5),)),
    ("no kind", {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "4", "ratelimit-policy": "5;w=60"}, ()),
    ("a word that is not known", {"x-ratelimit-limit-requests-month": "5", "x-ratelimit-limit-images": "5", "x-ratelimit-limit-project-tokens": "5"}, ()),
    ("nonsense", {"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "nan", "x-ratelimit-reset-requests": "soon"}, ()),
    ("a limit of nothing", {"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"}, (said(R, None, 0),)),
    ("by the second", {"x-ratelimit-limit-requests-second": "1"}, (said(R, 1, span=1),)),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_headers(headers, expected):
    assert told(headers) == expected


def test_groq_limits_requests_by_the_day():
    headers = {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-requests": "2m59.56s",
    }
    by_day = (said(R, 14400, 14370, 179.56, 86400),)
    assert told(headers, requests_per="day") == by_day
    body = b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}'
    request = Request(model="m", messages=(Message(role="user", content="x"),))
    assert limited_by_the_day(decode(200, headers, body, request)).told == by_day
    assert decode(200, headers, body, request).told == (said(R, 14400, 14370, 179.56),)
    words = b'{"error": {"message": "Rate limit reached on tokens per minute (TPM): Limit 6000, Used 5990, Requested 60."}}'
    assert limited_by_the_day(decode(429, headers, words, request)).told == (*by_day, said(T, 6000))


def test_answers_and_faults_tell():
    request = Request(model="m", messages=(Message(role="user", content="x"),))
    for body in (b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}', b"no json"):
        assert decode(200, OPENAI, body, request).told == told(OPENAI)


GEMINI = {
    "error": {
        "code": 429,
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {"quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier", "quotaValue": "250000"},
                    {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "15"},
                ],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.8s"},
        ],
    }
}
WORDS = [
    ({}, "Rate limit reached for gpt-4 on requests per min (RPM): Limit 3, Used 3, Requested 1.", R, (said(R, 3),)),
    ({}, "Rate limit reached for gpt-4 on tokens per min (TPM): Limit 10,000, Used 8782, Requested 8172.", T, (said(T, 10000),)),
    ({}, "Rate limit reached on requests per day (RPD): Limit 200, Used 200", R, (said(R, 200, span=86400),)),
    ({}, "Rate limit reached for x on requests per min. Limit: 3 / min.", R, (said(R, 3),)),
    ({}, "This request would exceed your organization's rate limit of 40,000 input tokens per minute (org: x).", I, (said(I, 40000),)),
    ({}, "would exceed the rate limit of 8,000 output tokens per minute", O, (said(O, 8000),)),
    ({}, "exceeded token rate limit", "", ()),
    ({"error": {"type": "tokens"}}, "Rate limit reached", T, ()),
    ({"error": {"type": "rate_limit_error"}}, "no", "", ()),
    (GEMINI, "You exceeded your current quota", I, (said(I, 250000), said(R, 15))),
    ([GEMINI], "You exceeded your current quota", I, (said(I, 250000), said(R, 15))),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words", "kind", "limits"), WORDS, ids=range(len(WORDS)))
def test_words(error, words, kind, limits):
    assert refused(error, words) == kind
    assert told_in(error, words) == limits


def test_what_has_nothing_left_refused():
    assert refused({}, "no", (said(R, 5, 0), said(T, 5, 3))) == R
    assert refused({}, "no", (said(R, 5, 0), said(T, 5, 0))) == ""


names = st.lists(
    st.sampled_from(
        [
            "x",
            "ratelimit",
            "anthropic",
            "limit",
            "remaining",
            "reset",
            "requests",
            "tokens",
            "input",
            "day",
            "ratelimitbysize",
            "é",
        ]
    ),
    max_size=7,
).map("-".join)
values = (
    st.text(max_size=30)
    | st.from_regex(r"\A-?[0-9]{0,30}(\.[0-9]{0,9})?(ms|s|m)?\Z")
    | st.just(DATE)
    | st.sampled_from(["1e999", "٣"])
)


@given(st.dictionaries(names, values, max_size=8) | st.just({"date": DATE}))
def test_any_headers(headers):
    for limit in (*told(headers), *told(headers, requests_per="day")):
        assert limit.limit is None or limit.limit > 0
        assert limit.remaining is None or limit.remaining >= 0
        assert limit.reset_s is None or limit.reset_s >= 0
        msgspec.json.encode(limit)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=20) | st.sampled_from(["InputTokensPerMinute", "requests"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "details", "violations", "quotaId", "quotaValue", "type"]), inner)
    ),
    max_leaves=12,
)


@given(json_values | st.binary(max_size=50).map(parse), st.text(max_size=200))
def test_any_error(error, words):
    assert refused(error, words) in ("", R, T, I, O)
    assert all(limit.limit for limit in told_in(error, words))
