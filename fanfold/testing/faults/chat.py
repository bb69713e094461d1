"""OpenAI's chat completions, as the fault server says them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fanfold.testing.faults.dialect import TEXT, USED, Dialect
from fanfold.testing.faults.exchange import STREAM_HEAD, Mode, by_request, repeat, reply, stream

LIMITS = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499", "x-ratelimit-reset-requests": "120ms"}


def completion(text: Any = TEXT, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """A chat completion. Keyword arguments replace or add fields of it; None takes one out."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}, **more,
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None or name == "choices"}


def error(message: str, kind: str = "invalid_request_error", code: Any = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def event(delta: Mapping[str, Any] | None = None, finish: Any = None, **more: Any) -> bytes:
    """One event of a stream; without a delta only what is given by keyword."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": choices, **more}, ensure_ascii=False).encode() + b"\n\n"


_DONE = b"data: [DONE]\n\n"
_FIRST = event({"role": "assistant", "content": ""})
_SECOND, _THIRD = event({"content": TEXT[:11]}), event({"content": TEXT[11:]})
_FINISH = event({}, "stop")
_USAGE = event(None, usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
_GOOD = (_FIRST, _SECOND, _THIRD, _FINISH, _USAGE, _DONE)
_QUOTA = error("You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota")
_TOO_LONG = error("This model's maximum context length is 4096 tokens.", code="context_length_exceeded")
_SCHEMA = error("Invalid schema for response_format 'answer'", code="invalid_json_schema", param="response_format")
_LIMIT = error("Rate limit reached for m on requests per min (RPM): Limit 3, Used 3.", "requests", "rate_limit_exceeded")
_OVERLOADED = error("Overloaded", "overloaded_error", "overloaded")

_STREAM_MODES: dict[str, Mode] = {
    "cut": stream(_FIRST, _SECOND, _THIRD[:20], then="close"),
    "cut_clean": stream(_FIRST, _SECOND, _THIRD[:20]),
    "no_finish": stream(_FIRST, _SECOND, _THIRD),
    "done_without_finish": stream(_FIRST, _SECOND, _THIRD, _DONE),
    "finish_without_done": stream(*_GOOD[:-1]),
    "empty_finish": stream(_FIRST, event({"content": TEXT[:11]}, ""), event({"content": TEXT[11:]}, ""), _FINISH, _USAGE, _DONE),
    "empty_finish_only": stream(_FIRST, _SECOND, _THIRD, event({}, ""), _DONE),
    "usage_last": stream(_FIRST, _SECOND, _THIRD, _FINISH, _USAGE),
    "error_event": stream(_FIRST, _SECOND, b"data: " + json.dumps(_LIMIT).encode() + b"\n\n", _DONE),
    "overloaded_event": stream(_FIRST, _SECOND, b"data: " + json.dumps(_OVERLOADED).encode() + b"\n\n", _DONE),
    "byte_split": stream(*_GOOD, split=1),
    "crlf": stream(*(piece.replace(b"\n", b"\r\n") for piece in _GOOD)),
    "cr": stream(*(piece.replace(b"\n", b"\r") for piece in _GOOD)),
    "pings": stream(b"\xef\xbb\xbf: hi\n\n", _FIRST, b": ping\n\n", _SECOND, b"data:\n\n", _THIRD, _FINISH, _USAGE, _DONE),
    "pings_only": repeat(STREAM_HEAD, b"8\r\n: ping\n\n\r\n"),
    "silent_stream": stream(_FIRST, _SECOND, then="hang"),
    "silent_after_done": stream(*_GOOD, then="hang"),
    "rst_stream": stream(_FIRST, _SECOND, then="reset"),
    "length_stream": stream(_FIRST, _SECOND, event({}, "length"), _DONE),
    "filtered_stream": stream(_FIRST, event({}, "content_filter"), _DONE),
    "empty_stream": stream(),
    "stopped_empty": stream(_FIRST, _FINISH, _DONE),
    "no_json_event": stream(_FIRST, b"data: {oops\n\n", _FINISH, _DONE),
    "bad_utf8_event": stream(_FIRST, b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', _FINISH, _DONE),
    "endless_stream": repeat(STREAM_HEAD, b"%x\r\n%s\r\n" % (len(_SECOND) * 1000, _SECOND * 1000), 0),
    "endless_event": repeat(STREAM_HEAD, b"10000\r\n%s\r\n" % (b"data: " + b"x" * 65530), 0),
    "mislabelled": reply(200, b"".join(_GOOD), {"Content-Type": "text/plain"}),
}  # fmt: skip
"""Answers in pieces, whatever the request asked for."""

CHAT_MODES: dict[str, Mode] = {
    "good": by_request(reply(200, completion(), LIMITS), stream(*_GOOD)),
    "not_streamed": reply(200, completion(), LIMITS),
    "short_body": reply(200, completion(), length=1000),
    "choices_null": reply(200, completion(choices=None)),
    "choices_empty": reply(200, completion(choices=[])),
    "message_null": reply(200, completion(choices=[{"message": None, "finish_reason": "stop"}])),
    "content_null": reply(200, completion(None)),
    "empty": reply(200, completion(" \n")),
    "no_finish_reason": reply(200, completion(finish=None)),
    "odd_finish": reply(200, completion(finish="tool_calls")),
    "error_in_200": reply(200, _LIMIT),
    "length": reply(200, completion('{"name": "Half a', "length")),
    "length_zero": reply(200, completion("", "length", usage={"prompt_tokens": 4096, "completion_tokens": 0})),
    "content_filter": reply(200, completion("", "content_filter")),
    "refusal": reply(200, completion(choices=[{"message": {"refusal": "I cannot do that."}, "finish_reason": "stop"}])),
    "no_usage": reply(200, completion(usage=None)),
    "zero_usage": reply(200, completion(usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})),
    "odd_usage": reply(200, completion(usage={"prompt_tokens": -5, "completion_tokens": "7", "total_tokens": True})),
    "quota429": reply(429, _QUOTA),
    "402": reply(402, error("Insufficient Balance")),
    "429": reply(429, _LIMIT),
    "429_wait": reply(429, _LIMIT, {"Retry-After": "1", **LIMITS}),
    "429_text": reply(429, error("Rate limit reached. Please try again in 41.724s.", "tokens", "rate_limit_exceeded")),
    "429_final": reply(429, _LIMIT, {"x-should-retry": "false"}),
    "401": reply(401, error("Incorrect API key provided: sk-test-0123456789.", code="invalid_api_key")),
    "403": reply(403, error("Not allowed")),
    "404_model": reply(404, error("The model `m` does not exist or you do not have access to it.", code="model_not_found")),
    "400": reply(400, error("messages[0].content is odd", param="messages.[0].content")),
    "400_schema": reply(400, _SCHEMA),
    "too_long": reply(400, _TOO_LONG),
    "429_too_large": reply(429, error("Request too large for m: Limit 6000, Requested 8000.", "tokens", "rate_limit_exceeded")),
    "422": reply(422, {"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "missing"}]}),
    "500": reply(500, error("The server had an error", "server_error")),
    "503": reply(503, error("Loading model", "unavailable_error"), {"Retry-After": "3"}),
    "529": reply(529, error("Overloaded", "overloaded_error")),
    **_STREAM_MODES,
}  # fmt: skip

_FINISHES = {"stop": "stop", "length": "length", "filter": "content_filter", "odd": "tool_calls", None: None}
_KINDS = {
    "rate": ("requests", "rate_limit_exceeded"), "overloaded": ("overloaded_error", "overloaded"), "key": ("", "invalid_api_key"),
    "billing": ("billing_error", ""), "missing": ("", "model_not_found"), "internal": ("server_error", ""),
}  # fmt: skip


def chat_answer(text: Any, finish: str | None = "stop", used: tuple[Any, Any] = USED, **more: Any) -> dict[str, Any]:
    """A chat completion by the words of `Dialect.whole`."""
    counts = {name: count for name, count in zip(("prompt_tokens", "completion_tokens"), used, strict=True) if count is not None}
    return completion(text, _FINISHES[finish], **{"usage": counts or None, **more})


def chat_last(finish: str | None) -> tuple[bytes, ...]:
    return (_DONE,) if finish is None else (event({}, _FINISHES[finish]), _USAGE, _DONE)


def chat_error(status: int, kind: str, message: str) -> dict[str, Any]:
    named, code = _KINDS.get(kind, ("invalid_request_error", ""))
    return error(message, named, code)


CHAT = Dialect(
    name="openai", whole=chat_answer, first=_FIRST, piece=lambda text: event({"content": text}), last=chat_last, pings=(),
    error=chat_error, odd={}, limits=LIMITS, own=CHAT_MODES,
)  # fmt: skip
