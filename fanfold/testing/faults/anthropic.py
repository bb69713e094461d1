"""Anthropic's messages, as the fault server says them."""

from __future__ import annotations

from typing import Any

from fanfold.testing.faults.dialect import USED, Dialect, wire_event

_ANTHROPIC_STOPS = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal", "odd": "tool_use", None: None}
_ANTHROPIC_KINDS = {
    "rate": "rate_limit_error", "overloaded": "overloaded_error", "billing": "billing_error", "key": "authentication_error",
    "permission": "permission_error", "missing": "not_found_error", "internal": "api_error", "invalid": "invalid_request_error",
}  # fmt: skip


def _anthropic_usage(used: tuple[Any, Any]) -> dict[str, Any]:
    """Tokens that went in: most of them fresh, some written to the cache, some read from it."""
    fresh, out = used
    split = isinstance(fresh, int) and fresh > 4
    cache = {"cache_creation_input_tokens": 1, "cache_read_input_tokens": 3} if split else {}
    said = {"input_tokens": fresh - 4 if split else fresh, "output_tokens": out, **cache}
    return {name: value for name, value in said.items() if value is not None}


def anthropic_message(text: Any, finish: str | None = "stop", used: tuple[Any, Any] = USED, **more: Any) -> dict[str, Any]:
    """A message. Keyword arguments replace or add fields of it."""
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}],
        "stop_reason": _ANTHROPIC_STOPS[finish], "stop_sequence": None, "usage": _anthropic_usage(used), **more,
    }  # fmt: skip


def anthropic_event(kind: str, **more: Any) -> bytes:
    return wire_event({"type": kind, **more}, kind)


def anthropic_text(text: str) -> bytes:
    return anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def anthropic_last(finish: str | None) -> tuple[bytes, ...]:
    """How a stream ends; without a reason: only its last event."""
    delta = {"stop_reason": _ANTHROPIC_STOPS[finish], "stop_sequence": None}
    reason = anthropic_event("message_delta", delta=delta, usage={"output_tokens": USED[1]})
    stop = anthropic_event("message_stop")
    return (stop,) if finish is None else (anthropic_event("content_block_stop", index=0), reason, stop)


def anthropic_error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _ANTHROPIC_KINDS[kind], "message": message}, "request_id": "req_1"}


ANTHROPIC_FIRST = anthropic_event(
    "message_start", message={**anthropic_message("", None, (11, 1)), "content": []}
) + anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
ANTHROPIC = Dialect(
    name="anthropic", whole=anthropic_message, first=ANTHROPIC_FIRST, piece=anthropic_text, last=anthropic_last,
    pings=(anthropic_event("ping"),), error=anthropic_error,
    odd={
        "choices_null": anthropic_message("", content=None), "choices_empty": anthropic_message("", content=[]),
        "message_null": anthropic_message("", content=[None]), "content_null": anthropic_message(None),
        "refusal": anthropic_message("No.", "filter", stop_details={"type": "refusal", "explanation": "I cannot do that."}),
    },
    limits={
        "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:01Z", "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
    },
)  # fmt: skip
