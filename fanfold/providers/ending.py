"""The one place that decides whether an answer has ended well, whatever dialect it came in.

An answer is accepted only when the model is said to have ended it. How the endings are read:

| ending                                                  | becomes                                     |
|---------------------------------------------------------|---------------------------------------------|
| "stop" (or a server's word for it)                      | Answer                                      |
| "length", or a word for it                              | truncated (too_long if nothing was written) |
| the context is full                                     | too_long                                    |
| a filter's word, or a refusal                           | filtered                                    |
| "error", or a word for it                               | transient                                   |
| no word at all                                          | transient: something was lost on the way    |
| a word that is not known; nothing but white space       | malformed                                   |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fanfold.providers.limits import told
from fanfold.providers.reading import field, quoted
from fanfold.providers.taxonomy import LONG_HINT, limit_headers
from fanfold.providers.usage import reported
from fanfold.spec.calls import Answer, Fault, Request, Scope, Usage
from fanfold.spec.errors import Code

_ENDED = frozenset({"stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"})
_CUT = frozenset({"length", "max_tokens", "model_length", "max_output_tokens", "continuation"})
_FULL = frozenset({"model_context_window_exceeded"})
_FILTERED = frozenset({
    "content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content", "sensitive", "spii", "language",
    "escalation", "model_armor", "image_safety", "jailbreak",
})  # fmt: skip
_BROKEN = frozenset({"error", "abort", "network_error", "insufficient_system_resource", "cancelled", "pause_turn"})
_ROOM_HINT = "raise max_tokens in the step's sampling"
_REQUEST_IDS = ("x-request-id", "request-id")


class Completion(msgspec.Struct):
    """What a response said, however it came. usage: by the names of a chat completion."""

    text: str = ""
    finish: str = ""
    refusal: str = ""
    request_id: str = ""
    usage: Any = None


def judge(said: Completion, headers: Mapping[str, str], request: Request) -> Answer | Fault:
    """The outcome of a call. headers: lower-case names."""
    usage = used(said.usage, request, said.text + said.refusal)
    finish = said.finish.strip().lower()
    if said.refusal or finish in _FILTERED:
        return fault(Code.FILTERED, f"the model refused: {quoted(said.refusal or said.finish)}", usage, headers)
    if finish in _FULL:
        return fault(Code.TOO_LONG, "the answer filled up what the model can hold", usage, headers, LONG_HINT)
    if finish in _CUT:
        if not said.text and field(said.usage, "completion_tokens") == 0:
            return fault(Code.TOO_LONG, "the prompt left no room for an answer", usage, headers)
        cut = fault(Code.TRUNCATED, f"the answer was cut off ({finish})", usage, headers, _ROOM_HINT)
        return msgspec.structs.replace(cut, text=said.text)
    if finish in _BROKEN:
        return fault(Code.TRANSIENT, f"the server broke the answer off ({finish})", usage, headers)
    if not finish:
        return fault(Code.TRANSIENT, "the answer ended without saying that it was complete", usage, headers)
    if finish not in _ENDED:
        return fault(Code.MALFORMED, f"the answer ended with {quoted(said.finish, 40)!r}", usage, headers)
    if not said.text.strip():
        return fault(Code.MALFORMED, "empty answer", usage, headers)
    request_id = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), said.request_id)
    return Answer(
        text=said.text, usage=usage, finish="stop", request_id=quoted(request_id, 128), headers=limit_headers(headers),
        told=told(headers),
    )  # fmt: skip


def used(found: Any, request: Request, written: str) -> Usage:
    """Tokens by a chat completion's `usage`."""
    return reported(
        field(found, "prompt_tokens"), field(found, "completion_tokens"), field(found, "total_tokens"),
        field(found, "prompt_tokens_details", "cached_tokens"), request, written,
    )  # fmt: skip


def fault(code: Code, message: str, usage: Usage, headers: Mapping[str, str], hint: str = "") -> Fault:
    """A Fault of a response that came with status 200."""
    return Fault(
        code=code, message=message, hint=hint, usage=usage, headers=limit_headers(headers), told=told(headers), status=200
    )


def not_json(headers: Mapping[str, str], body: bytes) -> Fault:
    """JSON that is broken; or something else than a model's server has answered: a login page, a proxy."""
    kind = quoted(headers.get("content-type", ""), 60) or "no content type"
    found = fault(Code.MALFORMED, f"not JSON ({kind}): {quoted(body) or 'an empty body'}", Usage(), headers)
    if body.lstrip()[:1] in (b"{", b"["):
        return found
    hint = "is this a model server? check the base URL, and what stands in between"
    return msgspec.structs.replace(found, hint=hint, scope=Scope.ENDPOINT)
