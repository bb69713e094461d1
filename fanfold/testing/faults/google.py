"""Gemini's responses, as the fault server says them."""

from __future__ import annotations

from typing import Any

from fanfold.testing.faults.dialect import USED, Dialect, wire_event

_GOOGLE_FINISHES = {
    "stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "odd": "MALFORMED_FUNCTION_CALL", None: None,
}  # fmt: skip
_GOOGLE_KINDS = {
    "rate": "RESOURCE_EXHAUSTED", "overloaded": "UNAVAILABLE", "billing": "FAILED_PRECONDITION", "key": "UNAUTHENTICATED",
    "permission": "PERMISSION_DENIED", "missing": "NOT_FOUND", "internal": "INTERNAL", "invalid": "INVALID_ARGUMENT",
}  # fmt: skip


def google_response(text: Any, finish: str | None = "stop", used: tuple[Any, Any] = USED, **more: Any) -> dict[str, Any]:
    """A response. Keyword arguments replace or add fields of it."""
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = _GOOGLE_FINISHES[finish]
    tokens_in, tokens_out = used
    thoughts = 2 if isinstance(tokens_out, int) and tokens_out > 2 else 0
    said = {
        "promptTokenCount": tokens_in, "candidatesTokenCount": tokens_out - thoughts if thoughts else tokens_out,
        "thoughtsTokenCount": thoughts or None, "cachedContentTokenCount": 3 if tokens_in == USED[0] else None,
    }  # fmt: skip
    usage = {name: value for name, value in said.items() if value is not None}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1", **more}


def google_last(finish: str | None) -> tuple[bytes, ...]:
    """The last chunk says why it is the last."""
    return () if finish is None else (wire_event(google_response("", finish)),)


def google_error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _GOOGLE_KINDS[kind]}}


GOOGLE = Dialect(
    name="google", whole=google_response, first=wire_event(google_response("", None)), piece=lambda text: wire_event(google_response(text, None)),
    last=google_last, pings=(), error=google_error,
    odd={
        "choices_null": google_response("", candidates=None), "choices_empty": google_response("", candidates=[]),
        "message_null": google_response("", candidates=[{"content": None, "finishReason": "STOP"}]),
        "content_null": google_response(None),
        "refusal": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 11}},
    },
    limits={},
)  # fmt: skip
