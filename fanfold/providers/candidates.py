"""Reading Gemini's responses: a whole one, or a stream of them. Pure, and total on arbitrary bytes.

How their endings are read beyond what `ending` says of all dialects:

| ending                                                 | becomes                                   |
|--------------------------------------------------------|-------------------------------------------|
| a finish reason (a stream has no other terminal event) | what it says                              |
| a blocked prompt: `promptFeedback.blockReason`         | filtered                                  |
| a function call that nobody asked for                  | malformed                                 |
| an error document                                      | what the error says, else malformed       |
| a clean end without a finish reason                    | truncated                                 |
| the connection breaks before a finish reason           | what the network says: transient, timeout |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fanfold.providers.ending import Completion, fault, judge, not_json, used
from fanfold.providers.reading import Pieces, Unreadable, field, parse, quoted, text
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
    if isinstance(found, list) and found and field(found[0], "error"):
        found = found[0]  # how a stream that was not asked for begins to fail
    if field(found, "error"):
        return classify_inner(headers, msgspec.json.encode(found))
    usage, candidate = tokens(field(found, "usageMetadata")), field(found, "candidates", 0)
    blocked = _blocked(found)
    if not isinstance(candidate, dict) and not blocked:
        return fault(Code.MALFORMED, f"no candidates: {quoted(body)}", used(usage, request, ""), headers)
    said = Completion(
        text=_written(candidate), finish=text(field(candidate, "finishReason")), refusal=blocked,
        request_id=text(field(found, "responseId")), usage=usage,
    )  # fmt: skip
    return judge(said, headers, request)


class CandidateStream:
    """Folds the events of one stream. `feed` each event's data, then ask `end`."""

    __slots__ = ("_bad", "_error", "_said", "_texts")

    def __init__(self) -> None:
        self._texts = Pieces()
        self._said = Completion()
        self._error = b""  # an error document, as it came
        self._bad = b""  # an event that was no JSON object

    @property
    def text(self) -> str:
        return self._texts.text

    def feed(self, data: bytes, name: bytes = b"message") -> tuple[Heed, str]:
        """What the event was, and the text it brought. name: its `event` field.

        A finish reason does not end the stream: some models say it before the last text or the last usage. What comes, comes soon.
        """
        if self._error or self._bad:
            return Heed.END, ""
        if not data.strip():
            return Heed.NOTHING, ""
        found = parse(data)
        if not isinstance(found, dict):
            self._bad = data
            return Heed.END, ""
        if found.get("error") or name == b"error":
            self._error = data
            return Heed.END, ""
        return self._response(found)

    def _response(self, found: dict[str, Any]) -> tuple[Heed, str]:
        said, candidate = self._said, field(found, "candidates", 0)
        said.refusal = _blocked(found) or said.refusal
        said.finish = text(field(candidate, "finishReason")) or said.finish
        said.request_id = said.request_id or text(found.get("responseId"))
        if isinstance(found.get("usageMetadata"), dict):
            said.usage = tokens(found["usageMetadata"])  # each chunk counts from the start
        piece = _written(candidate)
        if piece:
            self._texts.add(piece)
        if said.finish:
            return Heed.ENDING, piece
        if piece:
            return Heed.CONTENT, piece
        alive = any(text(field(part, "text")) or field(part, "thoughtSignature") for part in _parts(candidate))
        return (Heed.CONTENT if alive else Heed.NOTHING), ""  # thinking is not part of the answer, and yet no silence

    def end(
        self, headers: Mapping[str, str], request: Request, broken: Fault | None = None, hide: Callable[[bytes], bytes] = bytes
    ) -> Answer | Fault:
        """The outcome. broken: how the network ended the stream, if it did. hide: takes the key out of a server's words."""
        said = self._said
        said.text = self.text
        usage = used(said.usage, request, said.text)
        if self._error:
            return msgspec.structs.replace(classify_inner(headers, hide(self._error)), usage=usage)
        if self._bad:
            return fault(Code.MALFORMED, f"an event that is no JSON: {quoted(hide(self._bad))}", usage, headers)
        if not said.finish and not said.refusal:
            if broken is not None:
                return broken
            if not said.text:
                return fault(Code.TRANSIENT, "the stream ended before it brought anything", usage, headers)
        return judge(said, headers, request)


def tokens(usage: Any) -> dict[str, Any]:
    """Google's counts by the names of a chat completion. Thinking is charged as output, and counted apart from it."""
    out = [field(usage, name) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
    fed = [field(usage, name) for name in ("promptTokenCount", "toolUsePromptTokenCount")]
    return {
        "prompt_tokens": _sum(fed), "completion_tokens": _sum(out), "total_tokens": field(usage, "totalTokenCount"),
        "prompt_tokens_details": {"cached_tokens": field(usage, "cachedContentTokenCount")},
    }  # fmt: skip


def _sum(counts: list[Any]) -> Any:
    """Counts that are 0 are left out; one that is no count makes the sum unknown."""
    said = [count for count in counts if count is not None]
    sound = said and all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in said)
    return sum(said) if sound else None


def _blocked(found: Any) -> str:
    reason = text(field(found, "promptFeedback", "blockReason"))
    return "" if reason in ("", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED") else f"blocked: {reason}"


def _parts(candidate: Any) -> list[Any]:
    parts = field(candidate, "content", "parts")
    return parts if isinstance(parts, list) else []


def _written(candidate: Any) -> str:
    """The text of a candidate, without its thoughts."""
    return "".join(text(field(part, "text")) for part in _parts(candidate) if field(part, "thought") is not True)
