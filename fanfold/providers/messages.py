"""Reading Anthropic's messages: a whole response, or a stream of events. Pure, and total on arbitrary bytes.

How their endings are read beyond what `ending` says of all dialects:

| ending                                                   | becomes                                   |
|----------------------------------------------------------|-------------------------------------------|
| `message_stop` after a stop reason                       | what the reason says                      |
| "tool_use", and the tool is ours                         | Answer: the tool's input                  |
| an `error` event, as "overloaded" in mid-stream          | what the error says, else malformed       |
| a clean end without `message_stop`                       | truncated                                 |
| the connection breaks before `message_stop`              | what the network says: transient, timeout |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fanfold.providers.ending import Completion, fault, judge, not_json, used
from fanfold.providers.reading import Pieces, Unreadable, content, field, parse, quoted, text
from fanfold.providers.taxonomy import classify, classify_inner
from fanfold.providers.wire import Heed
from fanfold.spec.calls import Answer, Fault, Request
from fanfold.spec.errors import Code

_TOOL, _ENDINGS = "tool_use", frozenset({"end_turn", "stop_sequence", "tool_use"})


def decode(status: int, headers: Mapping[str, str], body: bytes, request: Request) -> Answer | Fault:
    """A whole response. headers: lower-case names."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    found = parse(body)
    if found is Unreadable:
        return not_json(headers, body)
    if field(found, "error") or field(found, "type") == "error":
        return classify_inner(headers, body)
    usage = tokens(field(found, "usage"))
    blocks = field(found, "content")
    if not isinstance(blocks, list):
        return fault(Code.MALFORMED, f"no content: {quoted(body)}", used(usage, request, ""), headers)
    tool = next((block for block in blocks if field(block, "type") == _TOOL), None)
    written = content(blocks) if tool is None else _written(tool.get("input"))
    said = Completion(
        text=written, finish=_finish(field(found, "stop_reason"), told_by_tool=tool is not None),
        refusal=_refusal(found), request_id=text(found.get("id")), usage=usage,
    )  # fmt: skip
    return judge(said, headers, request)


class MessageStream:
    """Folds the events of one stream. `feed` each event's data, then ask `end`."""

    __slots__ = ("_bad", "_block", "_counted", "_done", "_error", "_holds", "_input", "_said", "_texts", "_tool", "_usage")

    def __init__(self, *, tool: bool = False) -> None:
        """tool: the answer is asked for as a tool's input, so that text beside it is not told."""
        self._holds = tool
        self._texts = Pieces()
        self._tool = Pieces()  # pieces of the tool's input
        self._input: Any = None  # as the block began, when no pieces follow
        self._block: Any = None  # the index of the tool's block
        self._said = Completion()
        self._usage: dict[str, Any] = {}
        self._counted = False  # the tokens of the whole answer, not only of its beginning
        self._error = b""  # an error document, as it came
        self._bad = b""  # an event that was no JSON object
        self._done = False

    @property
    def text(self) -> str:
        if self._block is None:
            return self._texts.text
        return self._tool.text or _written(self._input)

    def feed(self, data: bytes, name: bytes = b"message") -> tuple[Heed, str]:
        """What the event was, and the text it brought. name: its `event` field."""
        if self._done:
            return Heed.END, ""
        if not data.strip():
            return Heed.NOTHING, ""
        found = parse(data)
        if not isinstance(found, dict):
            self._bad, self._done = data, True
            return Heed.END, ""
        kind = found.get("type")
        if kind == "error" or name == b"error" or found.get("error"):
            self._error, self._done = data, True
            return Heed.END, ""
        return self._event(kind, found)

    def _event(self, kind: Any, found: dict[str, Any]) -> tuple[Heed, str]:
        if kind == "content_block_delta":
            return self._delta(found.get("delta"), found.get("index"))
        if kind == "content_block_start":
            return self._start(found.get("content_block"), found.get("index"))
        if kind == "message_start":
            self._said.request_id = text(field(found, "message", "id"))
            self._count(field(found, "message", "usage"))
        elif kind == "message_delta":
            self._said.finish = text(field(found, "delta", "stop_reason")) or self._said.finish
            self._said.refusal = _refusal(found.get("delta")) or self._said.refusal
            self._count(found.get("usage"))
            self._counted = True
        elif kind == "message_stop":
            self._done = True
            return Heed.END, ""
        return Heed.NOTHING, ""  # a ping, the end of a block, or a kind of event that is newer than this

    def _start(self, block: Any, index: Any) -> tuple[Heed, str]:
        if field(block, "type") == _TOOL and self._block is None:
            self._block, self._input = index, field(block, "input")
        return self._text(text(field(block, "text")))

    def _delta(self, delta: Any, index: Any) -> tuple[Heed, str]:
        kind = field(delta, "type")
        if kind == "text_delta":
            return self._text(text(field(delta, "text")))
        if kind == "input_json_delta" and index == self._block and self._block is not None:
            piece = text(field(delta, "partial_json"))
            if piece:
                self._tool.add(piece)
            return (Heed.CONTENT, piece) if piece else (Heed.NOTHING, "")
        alive = field(delta, "thinking") or field(delta, "signature")  # thinking is not part of the answer, and yet no silence
        return (Heed.CONTENT if alive else Heed.NOTHING), ""

    def _text(self, piece: str) -> tuple[Heed, str]:
        if not piece:
            return Heed.NOTHING, ""
        self._texts.add(piece)
        return Heed.CONTENT, "" if self._holds else piece

    def _count(self, usage: Any) -> None:
        """Counts are cumulative: the last of each holds."""
        if isinstance(usage, dict):
            self._usage.update((name, value) for name, value in usage.items() if value is not None)

    def end(
        self, headers: Mapping[str, str], request: Request, broken: Fault | None = None, hide: Callable[[bytes], bytes] = bytes
    ) -> Answer | Fault:
        """The outcome. broken: how the network ended the stream, if it did. hide: takes the key out of a server's words."""
        said = self._said
        counts = self._usage if self._counted else {**self._usage, "output_tokens": None}
        said.text, said.usage = self.text, tokens(counts)
        usage = used(said.usage, request, said.text)
        if self._error:
            return msgspec.structs.replace(classify_inner(headers, hide(self._error)), usage=usage)
        if self._bad:
            return fault(Code.MALFORMED, f"an event that is no JSON: {quoted(hide(self._bad))}", usage, headers)
        if not self._done and said.finish in _ENDINGS:
            said.finish = ""  # it is over only when the server says so
        if broken is not None and not said.finish and not self._done:
            return broken
        if broken is None and not self._done and not said.finish and not said.text:
            return fault(Code.TRANSIENT, "the stream ended before it brought anything", usage, headers)
        said.finish = _finish(said.finish, told_by_tool=self._block is not None)
        return judge(said, headers, request)


def tokens(usage: Any) -> dict[str, Any]:
    """Anthropic's counts by the names of a chat completion: there, input is what was neither read from a cache nor written to one."""
    cached, written = field(usage, "cache_read_input_tokens"), field(usage, "cache_creation_input_tokens")
    fresh = field(usage, "input_tokens")
    parts = [part for part in (fresh, cached, written) if part is not None]
    sound = fresh is not None and all(isinstance(part, int) and part >= 0 for part in parts)
    return {
        "prompt_tokens": sum(parts) if sound else fresh, "completion_tokens": field(usage, "output_tokens"),
        "prompt_tokens_details": {"cached_tokens": cached},
    }  # fmt: skip


def _finish(reason: Any, *, told_by_tool: bool) -> str:
    return "stop" if reason == _TOOL and told_by_tool else text(reason)


def _refusal(holder: Any) -> str:
    """The model's reason, if it refused and gave one."""
    if field(holder, "stop_reason") != "refusal":
        return ""
    return text(field(holder, "stop_details", "explanation")) or text(field(holder, "stop_details", "category"))


def _written(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()
