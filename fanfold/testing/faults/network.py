"""Faults below every dialect: connections that break or stall, bodies that never end, and servers that are no model's."""

from __future__ import annotations

import zlib

from fanfold.testing.faults.exchange import JSON_HEAD, Exchange, Mode, chunk, raw, redirect, repeat, reply

HTML = b"<!doctype html><title>Log in</title><script>alert(1)</script>"
_PART = b'{"id": "1", "choices": [{"message": {"content": "Half'
_BIG = 200 << 20


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


NETWORK_MODES: dict[str, Mode] = {
    "rst": _rst,
    "rst_body": raw(JSON_HEAD + b"Content-Length: 1000\r\n\r\n" + _PART, "reset"),
    "hang": _hang,
    "head_then_hang": raw(JSON_HEAD + b"Content-Length: 100\r\n\r\n", "hang"),
    "drip": repeat(JSON_HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    "bad_chunk": raw(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"cho\r\nZZZ\r\n"),
    "early_chunk_end": raw(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(_PART) + b"0\r\n\r\n"),
    "no_chunk_end": raw(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(_PART)),
    "not_http": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "html200": reply(200, HTML, {"Content-Type": "text/html"}),
    "html200_as_json": reply(200, HTML),
    "html502": reply(502, HTML, {"Content-Type": "text/html"}),
    "nothing": reply(200, b""),
    "null": reply(200, b"null"),
    "string": reply(200, b'"x"'),
    "list": reply(200, b"[]"),
    "object": reply(200, b"{}"),
    "strange_error_in_200": reply(200, {"error": "something went wrong"}),
    "nan": reply(200, b'{"choices": NaN}'),
    "infinite": reply(200, b'{"choices": 1e999}'),
    "deep": reply(200, b"[" * 100_000 + b"]" * 100_000),
    "huge_number": reply(200, b'{"choices": ' + b"9" * 5000 + b"}"),
    "redirect": redirect(307),
    "redirect_308": redirect(308),
    "redirect_down": redirect(302, "http://plain.example/v1"),
    "gzip_bomb": _bomb,
    "huge_header": raw(b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * (2 << 20) + b"\r\n\r\n"),
    "many_headers": raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n"),
    "huge_body": repeat(JSON_HEAD + b"Content-Length: %d\r\n\r\n" % _BIG, b" " * 65536, 0),
    "endless": repeat(JSON_HEAD + b"\r\n", b" " * 65536, 0),
    "404_path": reply(404, b"404 page not found", {"Content-Type": "text/plain"}),
}  # fmt: skip
