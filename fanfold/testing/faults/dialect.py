"""The same faults in the words of each dialect.

A `Dialect` is what answers, streams and errors look like; `modes` makes all modes of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fanfold.testing.faults.exchange import STREAM_HEAD, Body, Exchange, Mode, by_request, chunk, in_turn, repeat, reply, stream
from fanfold.testing.faults.network import NETWORK_MODES

TEXT = "All good: été 🌱"
USED = (11, 7)
NOT_TOLD: tuple[Any, Any] = (None, None)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """whole: (text, finish, (tokens in, tokens out)) -> an answer; finish: "stop", "length", "filter", "odd" or None.

    first: events before the text. piece: text -> event. last: finish -> events at the end. pings: events without content.
    error: (status, kind, message) -> a document. odd: answers whose shape is wrong, by the mode's name. limits: headers.
    own: modes that only this dialect has, or has in other words.
    """

    name: str
    whole: Callable[..., dict[str, Any]]
    first: bytes
    piece: Callable[[str], bytes]
    last: Callable[[str | None], tuple[bytes, ...]]
    pings: tuple[bytes, ...]
    error: Callable[[int, str, str], dict[str, Any]]
    odd: Mapping[str, dict[str, Any]]
    limits: Mapping[str, str]
    own: Mapping[str, Mode] = field(default_factory=dict)


def modes(dialect: Dialect) -> dict[str, Mode]:
    """Every mode of the fault server, in this dialect."""
    return {**NETWORK_MODES, **_streams(dialect), **_answers(dialect), **_said(dialect), **_errors(dialect), **dialect.own}


def _answers(d: Dialect) -> dict[str, Mode]:
    good = d.whole(TEXT, "stop", USED)
    written = json.dumps(good).encode()

    async def close_quietly(exchange: Exchange) -> None:
        """A good answer that promises to keep the connection, which is then closed all the same."""
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
        "bom": _BOM + written,
        "trailing": written + b"\nThat is all.",
        "fenced": b"```json\n" + written + b"\n```",
        "surrogate": d.whole("half \ud800 a pair", "stop", USED),
        "nul": d.whole("a\0b", "stop", USED),
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
        "echo": _echo(d),
    }


def _said(d: Dialect) -> dict[str, Mode]:
    """Good answers in every respect but what the model has said, where `{"name": str, "grams": float}` was asked for."""
    texts = {
        "said_well": '{"name": "Leek", "grams": 1.5}',
        "said_in_a_fence": 'Here it is:\n```json\n{"name": "Leek", "grams": 1.5}\n```\nEnjoy!',
        "said_nan": '{"name": "Leek", "grams": NaN}',
        "said_infinite": '{"name": "Leek", "grams": -Infinity}',
        "said_overflowing": '{"name": "Leek", "grams": 1e999}',
        "said_twice": '{"name": "Leek", "grams": 1.5, "name": "Fig"}',
        "said_huge": '{"name": "Leek", "grams": ' + "9" * 5000 + "}",
        "said_deep": '{"name": ' + "[" * 100_000 + "]" * 100_000 + ', "grams": 1}',
        "said_half": '{"name": "Leek", "gra',
        "said_surrogate": '{"name": "Le\\ud800ek", "grams": 1.5}',
        "said_nul": '{"name": "Le\\u0000ek", "grams": 1.5}',
        "said_nothing": "null",
    }
    return {name: reply(200, d.whole(text, "stop", USED)) for name, text in texts.items()}


def _echo(d: Dialect) -> Mode:
    """Says the last word of the prompt, the earlier the later."""

    async def mode(exchange: Exchange) -> None:
        await asyncio.sleep(0.05 / exchange.nth)
        await reply(200, d.whole(prompt_of(exchange.body).split()[-1], "stop", USED))(exchange)

    return mode


def prompt_of(body: bytes) -> str:
    """The last message of a request, whatever its dialect."""
    asked = json.loads(body)
    last = (asked.get("messages") or asked["contents"])[-1]
    return str(last["content"] if "content" in last else last["parts"][0]["text"])


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
        "pings": stream(_BOM + b": hi\n\n", first, b": ping\n\n", second, *d.pings, b"data:\n\n", *good[2:]),
        "pings_only": repeat(STREAM_HEAD + chunk(first), chunk(b"".join((b": ping\n\n", *d.pings)))),
        "silent_stream": stream(first, second, then="hang"),
        "silent_after_done": stream(*good, then="hang"),
        "rst_stream": stream(first, second, then="reset"),
        "length_stream": stream(first, second, *d.last("length")),
        "filtered_stream": stream(first, *d.last("filter")),
        "stopped_empty": stream(first, *d.last("stop")),
        "empty_stream": stream(),
        "no_json_event": stream(first, b"data: {oops\n\n", *d.last("stop")),
        "bad_utf8_event": stream(first, d.piece("@").replace(b"@", b"\xff"), *d.last("stop")),
        "endless_stream": repeat(STREAM_HEAD, chunk(many), 0),
        "endless_event": repeat(STREAM_HEAD, chunk(b"data: " + b"x" * 65530), 0),
        "mislabelled": reply(200, b"".join(good), {"Content-Type": "text/plain"}),
    }


def _errors(d: Dialect) -> dict[str, Mode]:
    said = {
        "402": (402, "billing", "Payment is needed."), "429": (429, "rate", "Slow down."), "401": (401, "key", "Wrong key."),
        "403": (403, "permission", "Not allowed."), "404_model": (404, "missing", "model: m"), "500": (500, "internal", "Oh."),
        "400": (400, "invalid", "messages.0.content: odd"), "529": (529, "overloaded", "Overloaded"),
        "too_long": (400, "invalid", "prompt is too long: 210000 tokens > 200000 maximum"),
        "429_text": (429, "rate", "Please retry in 41.724s."), "422": (422, "invalid", "messages: field required"),
        "400_schema": (400, "invalid", "temperature: it is not supported for this model"),
        "400_key": (400, "invalid", "API key not valid. Please pass a valid API key."),
        "400_retired": (400, "invalid", "The model m has been deprecated, use another one."),
        "403_leaked": (403, "permission", "Your API key was reported as leaked. Please use another API key."),
        "403_billing": (403, "permission", "Your credit balance is too low, go to billing details."),
        "quota429": (429, "rate", "You exceeded your current quota, please check your plan and billing details."),
        "429_too_large": (429, "rate", "Request too large for m: Limit 6000, Requested 8000."),
    }  # fmt: skip
    slow, limited = d.error(429, "rate", "Slow down."), {}
    for name, wait in WAITS.items():
        limited[name] = reply(429, slow, {"Retry-After": wait, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"})
    return {
        **{name: reply(status, d.error(status, kind, words)) for name, (status, kind, words) in said.items()},
        **limited,
        "429_wait": reply(429, slow, {"Retry-After": "1", **d.limits}),
        "429_final": reply(429, slow, {"x-should-retry": "false"}),
        "503": reply(503, d.error(503, "overloaded", "Busy."), {"Retry-After": "3"}),
        "revoked": in_turn(*[reply(200, d.whole(TEXT, "stop", USED))] * 3, last=reply(401, d.error(401, "key", "Wrong key."))),
    }


WAITS = {
    "429_day": "86400", "429_negative": "-5", "429_nan": "nan", "429_past": "Wed, 21 Oct 2015 07:28:00 GMT",
    "429_future": "Fri, 21 Oct 2095 07:28:00 GMT", "429_endless": "9" * 10_000,
}  # fmt: skip
"""What a Retry-After may say, at a server whose clock is in 2026."""


def wire_event(document: Mapping[str, Any], name: str = "") -> bytes:
    """An event with a name, if it has one."""
    said = f"event: {name}\n".encode() if name else b""
    return said + b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"
