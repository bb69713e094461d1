"""A server that fails on purpose: raw TCP on the loopback, one fault a mode, chosen by the path of the request.

    async with FaultServer() as server:
        provider = OpenAI(wire, server.url("rst"), "sk-test")
        ...
        assert server.hits["rst"] == 1

`hits` counts the requests that arrived, which is the truth about retries. The answers speak OpenAI's chat completions;
`FaultServer({**MODES, "mine": reply(200, b"…")})` adds modes; `dialects` has those that speak another dialect.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

TEXT = "All good: été 🌱"
LIMITS = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499", "x-ratelimit-reset-requests": "120ms"}
_DRIP_S = 0.02


@dataclass
class Exchange:
    """One request, and the connection to answer it on. keep: the connection may serve another request."""

    mode: str
    origin: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    path: str = ""
    keep: bool = True

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Mode", *(f"{name}: {value}" for name, value in headers.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def gone(self) -> None:
        """Wait until the client has closed."""
        self.keep = False
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.keep = False
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Mode = Callable[[Exchange], Awaitable[None]]

# ---------------------------------------------------------------- what modes are made of


Body = bytes | dict[str, Any]


def reply(status: int, body: Body, headers: Mapping[str, str] | None = None, *, length: int | None = None) -> Mode:
    """A response with a body. length: the Content-Length to claim; a wrong one ends the connection."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def mode(exchange: Exchange) -> None:
        claimed = len(data) if length is None else length
        await exchange.head(status, {"Content-Type": "application/json", "Content-Length": str(claimed), **(headers or {})})
        await exchange.send(data)
        exchange.keep = length is None

    return mode


def raw(data: bytes, then: str = "close") -> Mode:
    """Bytes as they are, then "close", "hang" or "reset"."""

    async def mode(exchange: Exchange) -> None:
        exchange.keep = False
        await exchange.send(data)
        if then == "hang":
            await exchange.gone()
        elif then == "reset":
            await asyncio.sleep(_DRIP_S)  # what was sent arrives first
            exchange.reset()

    return mode


def repeat(head: bytes, piece: bytes, pause_s: float = _DRIP_S) -> Mode:
    """The same piece again and again, until the client has had enough."""

    async def mode(exchange: Exchange) -> None:
        exchange.keep = False
        await exchange.send(head)
        with contextlib.suppress(ConnectionError):
            while not exchange.reader.at_eof():
                await exchange.send(piece)
                await asyncio.sleep(pause_s)

    return mode


def stream(*pieces: bytes, then: str = "end", split: int = 0) -> Mode:
    """A chunked event stream. then: "end" well, "close", "hang", or "reset". split: bytes a chunk, 0 for a piece each."""

    async def mode(exchange: Exchange) -> None:
        await exchange.send(_STREAM_HEAD)
        data = b"".join(pieces)
        for piece in [data[i : i + split] for i in range(0, len(data), split)] if split else pieces:
            await exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            await asyncio.sleep(0)
        if then == "end":
            await exchange.send(b"0\r\n\r\n")
        else:
            await raw(b"", then)(exchange)

    return mode


def by_request(plain: Mode, streamed: Mode) -> Mode:
    """The one or the other, as the request asks."""

    async def mode(exchange: Exchange) -> None:
        wanted = b'"stream":true' in exchange.body.replace(b" ", b"") or ":streamGenerateContent" in exchange.path
        await (streamed if wanted else plain)(exchange)

    return mode


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


def _zip_bomb() -> bytes:
    """32 MiB of spaces in 32 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(32)), packer.flush()])


async def _bomb(exchange: Exchange) -> None:
    await reply(200, _zip_bomb(), {"Content-Encoding": "gzip"})(exchange)


async def _hang(exchange: Exchange) -> None:
    await exchange.gone()


async def _rst(exchange: Exchange) -> None:
    exchange.reset()


async def _redirect(exchange: Exchange) -> None:
    await reply(307, b"", {"Location": f"{exchange.origin}/mode/good/v1/chat/completions?key=in-the-query"})(exchange)


async def _close_quietly(exchange: Exchange) -> None:
    """A good answer that promises to keep the connection, which is then closed all the same."""
    await reply(200, completion())(exchange)
    exchange.keep = False


# ---------------------------------------------------------------- the modes

_HTML = b"<!doctype html><title>Log in</title><script>alert(1)</script>"
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
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

STREAM_MODES: dict[str, Mode] = {
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
    "pings_only": repeat(_STREAM_HEAD, b"8\r\n: ping\n\n\r\n"),
    "silent_stream": stream(_FIRST, _SECOND, then="hang"),
    "silent_after_done": stream(*_GOOD, then="hang"),
    "rst_stream": stream(_FIRST, _SECOND, then="reset"),
    "length_stream": stream(_FIRST, _SECOND, event({}, "length"), _DONE),
    "filtered_stream": stream(_FIRST, event({}, "content_filter"), _DONE),
    "empty_stream": stream(),
    "stopped_empty": stream(_FIRST, _FINISH, _DONE),
    "no_json_event": stream(_FIRST, b"data: {oops\n\n", _FINISH, _DONE),
    "bad_utf8_event": stream(_FIRST, b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', _FINISH, _DONE),
    "endless_stream": repeat(_STREAM_HEAD, b"%x\r\n%s\r\n" % (len(_SECOND) * 1000, _SECOND * 1000), 0),
    "endless_event": repeat(_STREAM_HEAD, b"10000\r\n%s\r\n" % (b"data: " + b"x" * 65530), 0),
    "mislabelled": reply(200, b"".join(_GOOD), {"Content-Type": "text/plain"}),
}  # fmt: skip
"""Answers in pieces, whatever the request asked for."""

MODES: dict[str, Mode] = {
    "good": by_request(reply(200, completion(), LIMITS), stream(*_GOOD)),
    "not_streamed": reply(200, completion(), LIMITS),
    "close_quietly": _close_quietly,
    "rst": _rst,
    "hang": _hang,
    "head_then_hang": raw(_JSON_HEAD + b"Content-Length: 100\r\n\r\n", "hang"),
    "drip": repeat(_JSON_HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    "short_body": reply(200, completion(), length=1000),
    "bad_chunk": raw(_JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"cho\r\nZZZ\r\n"),
    "not_http": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "html200": reply(200, _HTML, {"Content-Type": "text/html"}),
    "html200_as_json": reply(200, _HTML),
    "html502": reply(502, _HTML, {"Content-Type": "text/html"}),
    "nothing": reply(200, b""),
    "null": reply(200, b"null"),
    "string": reply(200, b'"x"'),
    "list": reply(200, b"[]"),
    "object": reply(200, b"{}"),
    "choices_null": reply(200, completion(choices=None)),
    "choices_empty": reply(200, completion(choices=[])),
    "message_null": reply(200, completion(choices=[{"message": None, "finish_reason": "stop"}])),
    "content_null": reply(200, completion(None)),
    "empty": reply(200, completion(" \n")),
    "no_finish_reason": reply(200, completion(finish=None)),
    "odd_finish": reply(200, completion(finish="tool_calls")),
    "error_in_200": reply(200, _LIMIT),
    "strange_error_in_200": reply(200, {"error": "something went wrong"}),
    "length": reply(200, completion('{"name": "Half a', "length")),
    "length_zero": reply(200, completion("", "length", usage={"prompt_tokens": 4096, "completion_tokens": 0})),
    "content_filter": reply(200, completion("", "content_filter")),
    "refusal": reply(200, completion(choices=[{"message": {"refusal": "I cannot do that."}, "finish_reason": "stop"}])),
    "truncated_json": reply(200, json.dumps(completion()).encode()[:-20]),
    "nan": reply(200, b'{"choices": NaN}'),
    "deep": reply(200, b"[" * 100_000 + b"]" * 100_000),
    "huge_number": reply(200, b'{"choices": ' + b"9" * 5000 + b"}"),
    "surrogate": reply(200, completion("half \ud800 a pair")),
    "bad_utf8": reply(200, json.dumps(completion("@")).encode().replace(b"@", b"\xff\xfe")),
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
    "404_path": reply(404, b"404 page not found", {"Content-Type": "text/plain"}),
    "400": reply(400, error("messages[0].content is odd", param="messages.[0].content")),
    "400_schema": reply(400, _SCHEMA),
    "too_long": reply(400, _TOO_LONG),
    "429_too_large": reply(429, error("Request too large for m: Limit 6000, Requested 8000.", "tokens", "rate_limit_exceeded")),
    "422": reply(422, {"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "missing"}]}),
    "500": reply(500, error("The server had an error", "server_error")),
    "503": reply(503, error("Loading model", "unavailable_error"), {"Retry-After": "3"}),
    "529": reply(529, error("Overloaded", "overloaded_error")),
    "redirect": _redirect,
    "gzip_bomb": _bomb,
    "huge_header": raw(b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * (2 << 20) + b"\r\n\r\n"),
    "many_headers": raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n"),
    "endless": repeat(_JSON_HEAD + b"\r\n", b" " * 65536, 0),
    **STREAM_MODES,
}  # fmt: skip


# ---------------------------------------------------------------- the server


@dataclass
class FaultServer:
    """modes: name -> mode. hits: requests by mode. requests: the last body each mode received. connections: opened so far."""

    modes: Mapping[str, Mode] = field(default_factory=lambda: MODES)
    hits: Counter[str] = field(default_factory=Counter)
    requests: dict[str, Exchange] = field(default_factory=dict)
    connections: int = 0
    port: int = 0

    def url(self, mode: str) -> str:
        """The base URL under which everything fails in this mode."""
        return f"http://127.0.0.1:{self.port}/mode/{mode}/v1"

    async def arrived(self, mode: str) -> None:
        """Wait for the first request in this mode."""
        while not self.hits[mode]:
            self._arrival.clear()
            await self._arrival.wait()

    async def quiet(self) -> None:
        """Wait until every client has gone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrival = asyncio.Event()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away: most modes make it
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request. Whether another may follow on this connection."""
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in rest if header)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = line.split(" ")[1]
        mode = (path.split("/") + [""] * 3)[2]
        exchange = Exchange(mode, f"http://127.0.0.1:{self.port}", headers, body, reader, writer, path)
        self.hits[mode] += 1
        self.requests[mode] = exchange
        self._arrival.set()
        await self.modes.get(mode, reply(404, error(f"no mode {mode!r}")))(exchange)
        return exchange.keep
