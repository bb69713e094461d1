"""One request, and what a mode may do with it: answer, break off, be silent, or never end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

_DRIP_S = 0.02
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass
class Exchange:
    """One request, and the connection to answer it on. nth: of its mode, from 1. keep: the connection may serve another request."""

    mode: str
    origin: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    path: str = ""
    nth: int = 1
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
        await exchange.send(STREAM_HEAD)
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


def in_turn(*modes: Mode, last: Mode) -> Mode:
    """Each of them for one request, then the last one for all others."""

    async def mode(exchange: Exchange) -> None:
        await (modes[exchange.nth - 1] if exchange.nth <= len(modes) else last)(exchange)

    return mode


def redirect(status: int, location: str = "") -> Mode:
    """To another address; without one to this server's good mode."""

    async def mode(exchange: Exchange) -> None:
        target = location or f"{exchange.origin}/mode/good/v1/chat/completions?key=in-the-query"
        await reply(status, b"", {"Location": target})(exchange)

    return mode


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
