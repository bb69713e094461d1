"""Reading chat completions: a whole response, or a stream of pieces. Pure, and total on arbitrary bytes.

How their endings are read beyond what `ending` says of all dialects:

| ending                                              | becomes                                   |
|-----------------------------------------------------|-------------------------------------------|
| a finish reason, with or without `[DONE]`           | what it says                              |
| an error document                                   | what the error says, else malformed       |
| no finish reason (`[DONE]` or a clean end, or "")   | truncated                                 |
| the connection breaks before a finish reason        | what the network says: transient, timeout |
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


def decode(status: int, headers: Mapping[str, str], body: bytes, request: Request) -> Answer | Fault:
    """A whole response. headers: lower-case names."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    found = parse(body)
    if found is Unreadable:
        return not_json(headers, body)
    choice = field(found, "choices", 0)
    if field(found, "error") or field(choice, "error"):
        return classify_inner(headers, body if field(found, "error") else msgspec.json.encode(choice))
    if not isinstance(choice, dict):
        return fault(Code.MALFORMED, f"no choices: {quoted(body)}", used(field(found, "usage"), request, ""), headers)
    message = choice.get("message")
    return judge(
        Completion(
            text=content(field(message, "content")) or text(choice.get("text")),
            finish=text(choice.get("finish_reason")),
            refusal=text(field(message, "refusal")),
            request_id=text(found.get("id")),
            usage=found.get("usage"),
        ),
        headers,
        request,
    )


class ChatStream:
    """Folds the events of one stream. `feed` each event's data, then ask `end`."""

    __slots__ = ("_bad", "_done", "_error", "_said", "_texts")

    def __init__(self) -> None:
        self._texts = Pieces()
        self._said = Completion()
        self._error = b""  # an error document, as it came
        self._bad = b""  # an event that was no JSON object
        self._done = False

    @property
    def text(self) -> str:
        return self._texts.text

    def feed(self, data: bytes, name: bytes = b"message") -> tuple[Heed, str]:
        """What the event was, and the text it brought. name: its `event` field."""
        if self._done:
            return Heed.END, ""
        if data == b"[DONE]" or data.strip() == b"[DONE]":
            return self._ended()
        if not data.strip():
            return Heed.NOTHING, ""  # a ping that should have been a comment
        found = parse(data)
        if not isinstance(found, dict):
            self._bad = data
            return self._ended()
        choice = self._choice(found)
        if found.get("error") or field(choice, "error") or name == b"error" or found.get("object") == "error":
            self._error = data if choice is None or found.get("error") else msgspec.json.encode(choice)
            return self._ended()
        if found.get("usage"):
            self._said.usage = found["usage"]
        if not self._said.request_id:
            self._said.request_id = text(found.get("id"))
        return self._piece(choice)

    def _ended(self) -> tuple[Heed, str]:
        self._done = True
        return Heed.END, ""

    def _choice(self, found: dict[str, Any]) -> Any:
        """The first choice, wherever it stands; there is none in a chunk that brings only usage."""
        choices = found.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                return choice
        return None

    def _piece(self, choice: Any) -> tuple[Heed, str]:
        if choice is None:
            return Heed.NOTHING, ""
        if text(choice.get("finish_reason")):  # an empty one is no end
            self._said.finish = choice["finish_reason"]
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = {}
        piece = content(delta.get("content")) or text(choice.get("text"))
        if piece:
            self._texts.add(piece)
            return Heed.CONTENT, piece
        refusal = text(delta.get("refusal"))
        self._said.refusal += refusal
        # thinking is not part of the answer, and yet no silence
        alive = refusal or delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")
        return (Heed.CONTENT if alive else Heed.NOTHING), ""

    def end(
        self, headers: Mapping[str, str], request: Request, broken: Fault | None = None, hide: Callable[[bytes], bytes] = bytes
    ) -> Answer | Fault:
        """The outcome. broken: how the network ended the stream, if it did. hide: takes the key out of a server's words."""
        said = self._said
        said.text = self.text
        usage = used(said.usage, request, said.text + said.refusal)
        if self._error:
            return msgspec.structs.replace(classify_inner(headers, hide(self._error)), usage=usage)
        if self._bad:
            return fault(Code.MALFORMED, f"an event that is no JSON: {quoted(hide(self._bad))}", usage, headers)
        if broken is not None and not said.finish:
            return broken
        if broken is None and not self._done and not said.finish and not said.text:
            return fault(Code.TRANSIENT, "the stream ended before it brought anything", usage, headers)
        return judge(said, headers, request)
