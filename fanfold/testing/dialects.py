"""The modes of the fault server in the dialects of Anthropic and Google: the same faults, said in their words.

A `Dialect` is what answers, streams and errors look like; `modes` makes all modes of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fanfold.testing.faultserver import MODES, TEXT, Body, Exchange, Mode, by_request, repeat, reply, stream

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
USED = (11, 7)
NOT_TOLD: tuple[Any, Any] = (None, None)


@dataclass(frozen=True)
class Dialect:
    """whole: (text, finish, (tokens in, tokens out)) -> an answer; finish: "stop", "length", "filter", "odd" or None.

    first: events before the text. piece: text -> event. last: finish -> events at the end. pings: events without content.
    error: (status, kind, message) -> a document. odd: answers whose shape is wrong, by the mode's name. limits: headers.
    """

    whole: Callable[..., dict[str, Any]]
    first: bytes
    piece: Callable[[str], bytes]
    last: Callable[[str | None], tuple[bytes, ...]]
    pings: tuple[bytes, ...]
    error: Callable[[int, str, str], dict[str, Any]]
    odd: Mapping[str, dict[str, Any]]
    limits: Mapping[str, str]


def modes(dialect: Dialect) -> dict[str, Mode]:
    """Every mode of the fault server, in this dialect."""
    return {**MODES, **_streams(dialect), **_answers(dialect), **_errors(dialect)}


def _answers(d: Dialect) -> dict[str, Mode]:
    good = d.whole(TEXT, "stop", USED)
    written = json.dumps(good).encode()

    async def close_quietly(exchange: Exchange) -> None:
        await reply(200, good)(exchange)
        exchange.keep = False

    bodies: dict[str, Body] = {
        **d.odd,
        "empty": d.whole(" \n", "stop", USED),
        "no_finish_reason": d.whole(TEXT, None, USED),
        "odd_finish": d.whole(TEXT, "odd", USED),
        "length": d.whole('{"name": "Half a', "length", USED),
        "length_zero": d.whole("", "length", (4096, 0)),
        "content_filter": d.whole("", "filter", USED),
        "truncated_json": written[:-20],
        "surrogate": d.whole("half \ud800 a pair", "stop", USED),
        "bad_utf8": json.dumps(d.whole("@", "stop", USED)).encode().replace(b"@", b"\xff\xfe"),
        "no_usage": d.whole(TEXT, "stop", NOT_TOLD),
        "zero_usage": d.whole(TEXT, "stop", (0, 0)),
        "odd_usage": d.whole(TEXT, "stop", (-5, "7")),
        "error_in_200": d.error(429, "rate", "Slow down."),
    }
    return {
        **{name: reply(200, body) for name, body in bodies.items()},
        "good": by_request(reply(200, good, d.limits), stream(*_good(d))),
        "not_streamed": reply(200, good, d.limits),
        "short_body": reply(200, good, length=len(written) + 1000),
        "close_quietly": close_quietly,
    }


def _good(d: Dialect) -> tuple[bytes, ...]:
    return (d.first, d.piece(TEXT[:11]), d.piece(TEXT[11:]), *d.last("stop"))


def _streams(d: Dialect) -> dict[str, Mode]:
    good, (first, second, third) = _good(d), _good(d)[:3]
    failed = b"data: " + json.dumps(d.error(429, "rate", "Slow down.")).encode() + b"\n\n"
    overloaded = b"event: error\ndata: " + json.dumps(d.error(529, "overloaded", "Overloaded")).encode() + b"\n\n"
    many = second * 1000
    return {
        "cut": stream(first, second, third[: len(third) // 2], then="close"),
        "cut_clean": stream(first, second, third[: len(third) // 2]),
        "no_finish": stream(first, second, third),
        "done_without_finish": stream(first, second, third, *d.last(None)),
        "finish_without_done": stream(*good[:-1]),
        "error_event": stream(first, second, failed),
        "overloaded_event": stream(first, second, overloaded),
        "byte_split": stream(*good, split=1),
        "crlf": stream(*(piece.replace(b"\n", b"\r\n") for piece in good)),
        "cr": stream(*(piece.replace(b"\n", b"\r") for piece in good)),
        "pings": stream(b"\xef\xbb\xbf: hi\n\n", first, b": ping\n\n", second, *d.pings, b"data:\n\n", *good[2:]),
        "pings_only": repeat(STREAM_HEAD + _chunk(first), _chunk(b"".join((b": ping\n\n", *d.pings)))),
        "silent_stream": stream(first, second, then="hang"),
        "silent_after_done": stream(*good, then="hang"),
        "rst_stream": stream(first, second, then="reset"),
        "length_stream": stream(first, second, *d.last("length")),
        "filtered_stream": stream(first, *d.last("filter")),
        "stopped_empty": stream(first, *d.last("stop")),
        "no_json_event": stream(first, b"data: {oops\n\n", *d.last("stop")),
        "bad_utf8_event": stream(first, d.piece("@").replace(b"@", b"\xff"), *d.last("stop")),
        "endless_stream": repeat(STREAM_HEAD, _chunk(many), 0),
        "mislabelled": reply(200, b"".join(good), {"Content-Type": "text/plain"}),
    }


def _errors(d: Dialect) -> dict[str, Mode]:
    said = {
        "402": (402, "billing", "Payment is needed."), "429": (429, "rate", "Slow down."), "401": (401, "key", "Wrong key."),
        "403": (403, "permission", "Not allowed."), "404_model": (404, "missing", "model: m"), "500": (500, "internal", "Oh."),
        "400": (400, "invalid", "messages.0.content: odd"), "529": (529, "overloaded", "Overloaded"),
        "too_long": (400, "invalid", "prompt is too long: 210000 tokens > 200000 maximum"),
        "429_text": (429, "rate", "Please retry in 41.724s."),
    }  # fmt: skip
    found = {name: reply(status, d.error(status, kind, words)) for name, (status, kind, words) in said.items()}
    slow = d.error(429, "rate", "Slow down.")
    return {
        **found,
        "429_wait": reply(429, slow, {"Retry-After": "1", **d.limits}),
        "429_final": reply(429, slow, {"x-should-retry": "false"}),
        "503": reply(503, d.error(503, "overloaded", "Busy."), {"Retry-After": "3"}),
    }


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(document: Mapping[str, Any], name: str = "") -> bytes:
    said = f"event: {name}\n".encode() if name else b""
    return said + b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


# ==================================================================== Anthropic

_ANTHROPIC_STOPS = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal", "odd": "tool_use", None: None}
_ANTHROPIC_KINDS = {
    "rate": "rate_limit_error", "overloaded": "overloaded_error", "billing": "billing_error", "key": "authentication_error",
    "permission": "permission_error", "missing": "not_found_error", "internal": "api_error", "invalid": "invalid_request_error",
}  # fmt: skip


def _anthropic_usage(used: tuple[Any, Any]) -> dict[str, Any]:
    """Tokens that went in: most of them fresh, some written to the cache, some read from it."""
    fresh, out = used
    split = isinstance(fresh, int) and fresh > 4
    cache = {"cache_creation_input_tokens": 1, "cache_read_input_tokens": 3} if split else {}
    said = {"input_tokens": fresh - 4 if split else fresh, "output_tokens": out, **cache}
    return {name: value for name, value in said.items() if value is not None}


def anthropic_message(text: Any, finish: str | None = "stop", used: tuple[Any, Any] = USED, **more: Any) -> dict[str, Any]:
    """A message. Keyword arguments replace or add fields of it."""
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}],
        "stop_reason": _ANTHROPIC_STOPS[finish], "stop_sequence": None, "usage": _anthropic_usage(used), **more,
    }  # fmt: skip


def anthropic_event(kind: str, **more: Any) -> bytes:
    return _event({"type": kind, **more}, kind)


def anthropic_text(text: str) -> bytes:
    return anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def anthropic_last(finish: str | None) -> tuple[bytes, ...]:
    """How a stream ends; without a reason: only its last event."""
    delta = {"stop_reason": _ANTHROPIC_STOPS[finish], "stop_sequence": None}
    reason = anthropic_event("message_delta", delta=delta, usage={"output_tokens": USED[1]})
    stop = anthropic_event("message_stop")
    return (stop,) if finish is None else (anthropic_event("content_block_stop", index=0), reason, stop)


def anthropic_error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _ANTHROPIC_KINDS[kind], "message": message}, "request_id": "req_1"}


ANTHROPIC_FIRST = anthropic_event(
    "message_start", message={**anthropic_message("", None, (11, 1)), "content": []}
) + anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
ANTHROPIC = Dialect(
    whole=anthropic_message, first=ANTHROPIC_FIRST, piece=anthropic_text, last=anthropic_last,
    pings=(anthropic_event("ping"),), error=anthropic_error,
    odd={
        "choices_null": anthropic_message("", content=None), "choices_empty": anthropic_message("", content=[]),
        "message_null": anthropic_message("", content=[None]), "content_null": anthropic_message(None),
        "refusal": anthropic_message("No.", "filter", stop_details={"type": "refusal", "explanation": "I cannot do that."}),
    },
    limits={
        "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:01Z", "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
    },
)  # fmt: skip

# ==================================================================== Google

_GOOGLE_FINISHES = {
    "stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "odd": "MALFORMED_FUNCTION_CALL", None: None,
}  # fmt: skip
_GOOGLE_KINDS = {
    "rate": "RESOURCE_EXHAUSTED", "overloaded": "UNAVAILABLE", "billing": "FAILED_PRECONDITION", "key": "UNAUTHENTICATED",
    "permission": "PERMISSION_DENIED", "missing": "NOT_FOUND", "internal": "INTERNAL", "invalid": "INVALID_ARGUMENT",
}  # fmt: skip


def google_response(text: Any, finish: str | None = "stop", used: tuple[Any, Any] = USED, **more: Any) -> dict[str, Any]:
    """A response. Keyword arguments replace or add fields of it."""
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = _GOOGLE_FINISHES[finish]
    tokens_in, tokens_out = used
    thoughts = 2 if isinstance(tokens_out, int) and tokens_out > 2 else 0
    said = {
        "promptTokenCount": tokens_in, "candidatesTokenCount": tokens_out - thoughts if thoughts else tokens_out,
        "thoughtsTokenCount": thoughts or None, "cachedContentTokenCount": 3 if tokens_in == USED[0] else None,
    }  # fmt: skip
    usage = {name: value for name, value in said.items() if value is not None}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1", **more}


def google_last(finish: str | None) -> tuple[bytes, ...]:
    """The last chunk says why it is the last."""
    return () if finish is None else (_event(google_response("", finish)),)


def google_error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _GOOGLE_KINDS[kind]}}


GOOGLE = Dialect(
    whole=google_response, first=_event(google_response("", None)), piece=lambda text: _event(google_response(text, None)),
    last=google_last, pings=(), error=google_error,
    odd={
        "choices_null": google_response("", candidates=None), "choices_empty": google_response("", candidates=[]),
        "message_null": google_response("", candidates=[{"content": None, "finishReason": "STOP"}]),
        "content_null": google_response(None),
        "refusal": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 11}},
    },
    limits={},
)  # fmt: skip
