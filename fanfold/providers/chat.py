"""Reading chat completions: a whole response, or a stream of pieces. Pure, and total on arbitrary bytes.

An answer is accepted only when the model is said to have ended it. How the endings are read:

| ending                                              | becomes                                   |
|-----------------------------------------------------|-------------------------------------------|
| finish reason "stop" (or a server's word for it)    | Answer, with or without `[DONE]`          |
| "length"                                            | truncated (too_long if nothing was written) |
| "content_filter", or a refusal                      | filtered                                  |
| an error document, "error"                          | what the error says, else malformed       |
| no finish reason (`[DONE]` or a clean end, or "")   | truncated                                 |
| the connection breaks before a finish reason        | what the network says: transient, timeout |
| nothing but white space                             | malformed                                 |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fanfold.providers.limits import told
from fanfold.providers.reading import Unreadable, content, field, parse, quoted, text
from fanfold.providers.taxonomy import classify, classify_inner, limit_headers
from fanfold.providers.usage import reported
from fanfold.providers.wire import Heed
from fanfold.spec.calls import Answer, Fault, Request, Usage
from fanfold.spec.errors import Code

_ENDED = frozenset({"stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"})
_CUT = frozenset({"length", "max_tokens", "model_length", "max_output_tokens"})
_FILTERED = frozenset({"content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content", "sensitive"})
_BROKEN = frozenset({"error", "abort", "network_error", "insufficient_system_resource", "cancelled"})
_ROOM_HINT = "raise max_tokens in the step's sampling"


class Completion(msgspec.Struct):
    """What a response said, however it came."""

    text: str = ""
    finish: str = ""
    refusal: str = ""
    request_id: str = ""
    usage: Any = None


def decode(status: int, headers: Mapping[str, str], body: bytes, request: Request) -> Answer | Fault:
    """A whole response. headers: lower-case names."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    found = parse(body)
    if found is Unreadable:
        return _fault(Code.MALFORMED, _not_json(headers, body), Usage(), headers)
    choice = field(found, "choices", 0)
    if field(found, "error") or field(choice, "error"):
        return classify_inner(headers, body if field(found, "error") else msgspec.json.encode(choice))
    if not isinstance(choice, dict):
        return _fault(Code.MALFORMED, f"no choices: {quoted(body)}", _usage(field(found, "usage"), request, ""), headers)
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


def judge(said: Completion, headers: Mapping[str, str], request: Request) -> Answer | Fault:
    """The one place that decides whether an answer has ended well."""
    usage = _usage(said.usage, request, said.text + said.refusal)
    finish = said.finish.strip().lower()
    if said.refusal or finish in _FILTERED:
        return _fault(Code.FILTERED, f"the model refused: {quoted(said.refusal or said.finish)}", usage, headers)
    if finish in _CUT:
        if not said.text and field(said.usage, "completion_tokens") == 0:
            return _fault(Code.TOO_LONG, "the prompt left no room for an answer", usage, headers)
        return _fault(Code.TRUNCATED, f"the answer was cut off ({finish})", usage, headers, _ROOM_HINT)
    if finish in _BROKEN:
        return _fault(Code.TRANSIENT, f"the server broke the answer off ({finish})", usage, headers)
    if not finish:
        return _fault(Code.TRUNCATED, "the answer ended without saying that it was complete", usage, headers)
    if finish not in _ENDED:
        return _fault(Code.MALFORMED, f"the answer ended with {quoted(said.finish, 40)!r}", usage, headers)
    if not said.text.strip():
        return _fault(Code.MALFORMED, "empty answer", usage, headers)
    request_id = quoted(headers.get("x-request-id", "") or said.request_id, 128)
    return Answer(
        text=said.text, usage=usage, finish="stop", request_id=request_id, headers=limit_headers(headers), told=told(headers)
    )


class ChatStream:
    """Folds the events of one stream. `feed` each event's data, then ask `end`."""

    __slots__ = ("_bad", "_done", "_error", "_said", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._said = Completion()
        self._error = b""  # an error document, as it came
        self._bad = b""  # an event that was no JSON object
        self._done = False

    @property
    def text(self) -> str:
        return "".join(self._texts)

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
            self._texts.append(piece)
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
        usage = _usage(said.usage, request, said.text + said.refusal)
        if self._error:
            return msgspec.structs.replace(classify_inner(headers, hide(self._error)), usage=usage)
        if self._bad:
            return _fault(Code.MALFORMED, f"an event that is no JSON: {quoted(hide(self._bad))}", usage, headers)
        if broken is not None and not said.finish:
            return broken
        if broken is None and not self._done and not said.finish and not said.text:
            return _fault(Code.TRANSIENT, "the stream ended before it brought anything", usage, headers)
        return judge(said, headers, request)


def _usage(found: Any, request: Request, written: str) -> Usage:
    return reported(
        field(found, "prompt_tokens"), field(found, "completion_tokens"), field(found, "total_tokens"),
        field(found, "prompt_tokens_details", "cached_tokens"), request, written,
    )  # fmt: skip


def _fault(code: Code, message: str, usage: Usage, headers: Mapping[str, str], hint: str = "") -> Fault:
    return Fault(
        code=code, message=message, hint=hint, usage=usage, headers=limit_headers(headers), told=told(headers), status=200
    )


def _not_json(headers: Mapping[str, str], body: bytes) -> str:
    kind = quoted(headers.get("content-type", ""), 60) or "no content type"
    return f"not JSON ({kind}): {quoted(body) or 'an empty body'}"
