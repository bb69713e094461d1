"""Reading what a stranger sent: nothing here raises, whatever the bytes are."""

from __future__ import annotations

from typing import Any

import msgspec

QUOTED = 200  # characters of a body that a message shows
_decoder = msgspec.json.Decoder()


class Unreadable:
    """What `parse` answers for bytes that are no JSON. A class, so that JSON's own null stays apart."""


def parse(body: bytes) -> Any:
    """JSON, or Unreadable. NaN, lone surrogates, bad UTF-8, too deep nesting and numbers out of range are no JSON."""
    try:
        return _decoder.decode(body)
    except (ValueError, RecursionError):
        return Unreadable


def quoted(text: str | bytes, limit: int = QUOTED) -> str:
    """The start of a text, safe to print: one line, no control characters, no lone surrogates."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("utf-8", "replace")
    short = " ".join(text[: 2 * limit].split())
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in short)
    return shown if len(shown) <= limit and len(text) <= 2 * limit else shown[:limit] + "…"


def field(value: Any, *path: str | int) -> Any:
    """Follow names and numbers into parsed JSON; None where there is nothing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def text(value: Any) -> str:
    """A string as it is, anything else as an empty one."""
    return value if isinstance(value, str) else ""


def content(value: Any) -> str:
    """The text of a message's content: a string, or the text parts of a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text(field(part, "text")) for part in value if field(part, "type") in ("text", "output_text"))
    return ""


class Pieces:
    """A text that comes in many small pieces: they are joined as they come, since each alone takes ten times its letters."""

    __slots__ = ("_joined", "_loose")
    AT_ONCE = 1024

    def __init__(self) -> None:
        self._joined: list[str] = []
        self._loose: list[str] = []

    def add(self, piece: str) -> None:
        self._loose.append(piece)
        if len(self._loose) >= self.AT_ONCE:
            self._joined.append("".join(self._loose))
            self._loose.clear()

    @property
    def text(self) -> str:
        return "".join((*self._joined, *self._loose))
