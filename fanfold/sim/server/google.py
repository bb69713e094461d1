"""Google's Gemini API as a server reads and writes it. Bytes in, bytes out."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from aiohttp import web

from fanfold.sim.server.voice import Refused, decoded, encode, event
from fanfold.sim.simulation import Refusal, Script, Simulation
from fanfold.spec.calls import Message, Request

_FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_REASONS = {
    "500": (500, "INTERNAL", "An internal error has occurred. Please retry or report in https://developers.generativeai.google"),
    "502": (502, "UNKNOWN", "Bad gateway."), "503": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "529": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
}  # fmt: skip
_EXCEEDED = "You exceeded your current quota, please check your plan and billing details."
_QUOTAS = {
    "requests": "GenerateRequestsPerMinutePerProjectPerModel", "tokens": "GenerateContentInputTokensPerModelPerMinute",
    "day": "GenerateRequestsPerDayPerProjectPerModel",
}  # fmt: skip
_TYPES = "type.googleapis.com/google.rpc."
_ANY_OBJECT = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


class Part(msgspec.Struct, rename="camel"):
    text: str = ""


class Content(msgspec.Struct, rename="camel"):
    parts: list[Part]
    role: Literal["user", "model", ""] | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


class Config(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: int | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum"] = "text/plain"
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    thinking_config: dict[str, Any] | None = None


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a call asks for. Fields that are not here are refused, as Google does."""

    contents: list[Content]
    system_instruction: Content | None = None
    generation_config: Config = msgspec.field(default_factory=Config)
    safety_settings: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None


_decode = msgspec.json.Decoder(Body).decode


class Candidates:
    """The voice of Gemini. Each event of a stream is a response of its own."""

    def __init__(self, body: Body, model: str, *, stream: bool) -> None:
        self._model = model
        self.request = _as_request(body, model, stream=stream)

    def whole(self, script: Script) -> bytes:
        if script.fault == "empty":
            return encode({"usageMetadata": usage(script, 0), "modelVersion": self._model})
        return encode(self._response(script, script.text, script.tokens_out, _FINISHES[script.finish]))

    def first(self, script: Script) -> bytes:
        return b""

    def piece(self, script: Script, text: str) -> bytes:
        return event(self._response(script, text, 1))

    def last(self, script: Script) -> bytes:
        return event(self._response(script, "", script.tokens_out, _FINISHES[script.finish]))

    def failure(self, fault: str, script: Script, *, hint: bool) -> tuple[int, bytes]:
        if fault == "429":
            return 429, exhausted(self._model, "requests", None, script.wait_s if hint else None)
        if fault == "quota":
            return 429, exhausted(self._model, "day", 50, None)
        status, name, message = _REASONS[fault]
        return status, error_body(status, name, message)

    def refusal(self, refusal: Refusal, *, hint: bool) -> tuple[int, bytes]:
        if refusal.wait_s is None:
            message = (
                f"The input token count ({refusal.requested}) exceeds the maximum number of tokens allowed ({refusal.limit})."
            )
            return 400, error_body(400, "INVALID_ARGUMENT", message)
        return 429, exhausted(self._model, refusal.kind, refusal.limit, refusal.wait_s if hint else None)

    def headers(self, simulation: Simulation, now: float, wait_s: float | None, script: Script | None) -> dict[str, str]:
        """None that would say anything of limits."""
        return {"server-timing": "gfet4t7; dur=0"}

    def _response(self, script: Script, text: str, tokens_out: int, finish: str | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        said = {"candidates": [candidate], "usageMetadata": usage(script, tokens_out), "modelVersion": self._model}
        return {**said, "responseId": f"r{script.number:012x}"}


class GoogleDoor:
    """Lets calls in. The model and whether to stream stand in the address."""

    def authorize(self, request: web.Request, key: str) -> None:
        said = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not said:
            raise refused(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers. Please use API Key.")
        if said != key:
            info = {"@type": f"{_TYPES}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            raise refused(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info)

    def read(self, request: web.Request, raw: bytes) -> Candidates:
        model, _, verb = request.match_info["call"].rpartition(":")
        stream = verb == "streamGenerateContent"
        if stream and request.query.get("alt") != "sse":
            raise refused(400, "INVALID_ARGUMENT", "Only streams with alt=sse are simulated.")
        body: Body = decoded(_decode, raw, _misread)
        _check(body)
        return Candidates(body, model, stream=stream)

    def no_model(self, name: str) -> Refused:
        return refused(
            404, "NOT_FOUND", f"models/{name} is not found for API version v1beta, or is not supported for generateContent."
        )

    def failed(self, message: str) -> Refused:
        return refused(500, "INTERNAL", message)


def refused(code: int, status: str, message: str, *details: dict[str, Any]) -> Refused:
    return Refused(code, error_body(code, status, message, *details))


def error_body(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    error = {"code": code, "message": message, "status": status}
    return encode({"error": {**error, "details": details} if details else error})


def exhausted(model: str, kind: str, limit: int | None, wait_s: float | None) -> bytes:
    """A 429: which quota it was, and when to come back if that is told."""
    violation = {"quotaId": _QUOTAS[kind], "quotaDimensions": {"location": "global", "model": model}}
    if limit is not None:
        violation["quotaValue"] = str(limit)
    details: list[dict[str, Any]] = [{"@type": f"{_TYPES}QuotaFailure", "violations": [violation]}]
    message = _EXCEEDED
    if wait_s is not None:
        message += f" Please retry in {wait_s:.9f}s."
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{wait_s:.9f}s"})
    return error_body(429, "RESOURCE_EXHAUSTED", message, *details)


def usage(script: Script, tokens_out: int) -> dict[str, Any]:
    said = {"promptTokenCount": script.tokens_in, "totalTokenCount": script.tokens_in + tokens_out}
    return {**said, "candidatesTokenCount": tokens_out} if tokens_out else said


def _misread(words: str) -> Refused:
    return refused(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {words}")


def _check(body: Body) -> None:
    config = body.generation_config
    if not body.contents:
        raise refused(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified")
    if config.max_output_tokens is not None and config.max_output_tokens < 1:
        raise refused(400, "INVALID_ARGUMENT", "max_output_tokens must be positive.")
    if config.response_schema is not None and config.response_json_schema is not None:
        raise refused(400, "INVALID_ARGUMENT", "Only one of response_schema and response_json_schema may be set.")
    if (config.response_schema or config.response_json_schema) and config.response_mime_type == "text/plain":
        raise refused(400, "INVALID_ARGUMENT", "response_mime_type must be application/json when a response schema is set.")


def _as_request(body: Body, model: str, *, stream: bool) -> Request:
    config, system = body.generation_config, body.system_instruction
    messages = [Message("system", system.text)] if system is not None else []
    messages += [Message("assistant" if said.role == "model" else "user", said.text) for said in body.contents]
    schema = config.response_json_schema or _as_json_schema(config.response_schema)
    if schema is None and config.response_mime_type == "application/json":
        schema = _ANY_OBJECT
    sampling = {} if config.max_output_tokens is None else {"max_tokens": config.max_output_tokens}
    return Request(model=model, messages=tuple(messages), schema=schema, sampling=sampling, stream=stream)


def _as_json_schema(schema: Any) -> Any:
    """Google's older dialect names types in capitals, and says `nullable`."""
    if isinstance(schema, list):
        return [_as_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        name: value if name in ("enum", "required", "description") else _as_json_schema(value) for name, value in schema.items()
    }
    if isinstance(found.get("type"), str):
        found["type"] = found["type"].lower()
    return found
