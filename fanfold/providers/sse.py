"""Server-sent events, by the WHATWG rules ("9.2.6 Interpreting an event stream"), from bytes in any pieces.

Lines end with LF, CRLF or CR; one leading BOM is dropped; comments, `id` and `retry` are read over (nothing reconnects
here); an event cut off by the end of the stream is never told. Data stays bytes: a code point cut in two is whole again
when its line is, and invalid UTF-8 is left for the JSON parser to refuse instead of being replaced unseen.
"""

from __future__ import annotations

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """name: the `event` field, b"message" when it was not given. data: the `data` lines, joined by newlines."""

    name: bytes
    data: bytes


class EventParser:
    """Feed it what arrives; it answers with the events that are complete."""

    __slots__ = ("_after_cr", "_data", "_fresh", "_name", "_tail", "held")

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # pieces of the line that has not ended
        self._data: list[bytes] = []
        self._name = b""
        self._fresh = True  # no line has ended yet: a BOM may come
        self._after_cr = False
        self.held = 0
        """Bytes of the event that has not ended."""

    def feed(self, chunk: bytes) -> list[Event]:
        lines = self._lines(chunk)
        if not lines:
            return []
        events: list[Event] = []
        for line in lines:
            if line:
                self._field(line)
            else:
                self._dispatch(events)
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes."""
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk[-1] == 13
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        self.held += len(lines[-1])
        if len(lines) == 1:
            self._tail.append(chunk)
            return []
        if self._tail:
            self._tail.append(lines[0])
            lines[0] = b"".join(self._tail)
        last = lines.pop()
        self._tail = [last] if last else []
        if self._fresh:
            self._fresh = False
            lines[0] = lines[0].removeprefix(_BOM)
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
            self.held += len(value)
        elif name == b"event":
            self._name = value

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            events.append(Event(self._name or b"message", b"\n".join(self._data)))
            self._data = []
        self._name = b""
        self.held = sum(map(len, self._tail))
