"""Anthropic's Messages API as a server reads and writes it. Bytes in, bytes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Literal

import msgspec
from aiohttp import web

from fanfold.sim.server.closed import unenforceable
from fanfold.sim.server.voice import Refused, decoded, encode, event
from fanfold.sim.simulation import Refusal, Script, Simulation
from fanfold.spec.calls import Message, Request

_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_REASONS = {
    "500": ("api_error", "Internal server error"), "502": ("api_error", "Bad gateway"),
    "503": ("api_error", "Service unavailable"), "529": ("overloaded_error", "Overloaded"),
}  # fmt: skip
_QUOTA = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
)
_ROUNDED = 10_000  # remainders of larger limits are told to the nearest thousand


class Block(msgspec.Struct):
    type: str
    text: str = ""


class Said(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: str | list[Block]


class Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct):
    format: Format | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class Tool(msgspec.Struct):
    name: str
    input_schema: dict[str, Any]
    description: str = ""


class Choice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""


class Body(msgspec.Struct):
    """What a message asks for. Fields that are not here are read over."""

    model: str
    max_tokens: int
    messages: list[Said]
    system: str | list[Block] = ""
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    output_config: OutputConfig | None = None
    tools: list[Tool] | None = None
    tool_choice: Choice | None = None


_decode = msgspec.json.Decoder(Body).decode


class Messages:
    """The voice of messages. An answer is a text, or the input of the tool that must be used."""

    def __init__(self, body: Body) -> None:
        self._model = body.model
        choice = body.tool_choice
        self._tool = next(
            (tool for tool in body.tools or () if choice and choice.type == "tool" and tool.name == choice.name), None
        )
        self.request = _as_request(body, self._tool)

    def whole(self, script: Script) -> bytes:
        content = [] if script.fault == "empty" else [self._block(script, script.text)]
        return encode({**self._message(script), "content": content, "stop_reason": self._stop(script), "usage": usage(script)})

    def first(self, script: Script) -> bytes:
        message = {**self._message(script), "content": [], "stop_reason": None, "usage": {**usage(script), "output_tokens": 1}}
        block = self._block(script, "")
        start = {"type": "content_block_start", "index": 0, "content_block": block}
        return _event("message_start", message=message) + event(start, "content_block_start") + _event("ping")

    def piece(self, script: Script, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text} if self._tool is None else {"type": "input_json_delta", "partial_json": text}
        return _event("content_block_delta", index=0, delta=delta)

    def last(self, script: Script) -> bytes:
        delta = {"stop_reason": self._stop(script), "stop_sequence": None}
        return (
            _event("content_block_stop", index=0)
            + _event("message_delta", delta=delta, usage={"output_tokens": script.tokens_out})
            + _event("message_stop")
        )

    def failure(self, fault: str, script: Script, *, hint: bool) -> tuple[int, bytes]:
        if fault == "429":
            return 429, error_body(
                "rate_limit_error", "This request would exceed your account's rate limit. Please try again later."
            )
        if fault == "quota":
            return 400, error_body("invalid_request_error", _QUOTA)
        return int(fault), error_body(*_REASONS[fault])

    def refusal(self, refusal: Refusal, *, hint: bool) -> tuple[int, bytes]:
        if refusal.wait_s is None:
            message = f"prompt is too long: {refusal.requested} tokens > {refusal.limit} maximum"
            return 400, error_body("invalid_request_error", message)
        limit = f"{refusal.limit:,} {refusal.kind} per minute"
        return 429, error_body("rate_limit_error", f"This request would exceed your organization's rate limit of {limit}.")

    def headers(self, simulation: Simulation, now: float, wait_s: float | None, script: Script | None) -> dict[str, str]:
        """Resets are moments, in whole seconds, by the clock of the `Date` header."""
        found = {} if script is None else {"request-id": script.request_id}
        for level in simulation.limits(now):
            name = f"anthropic-ratelimit-{level.kind}"
            reset = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=ceil(level.full_in_s))
            remaining = level.remaining
            if level.kind == "tokens" and level.limit >= _ROUNDED:
                remaining = min(level.limit, round(remaining, -3))
            found[f"{name}-limit"] = str(level.limit)
            found[f"{name}-remaining"] = str(remaining)
            found[f"{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
        if wait_s is not None and simulation.hint != "none":
            found["retry-after"] = str(max(1, ceil(wait_s)))
        return found

    def _message(self, script: Script) -> dict[str, Any]:
        return {
            "id": f"msg_{script.number:012x}", "type": "message", "role": "assistant", "model": self._model,
            "stop_sequence": None, "stop_details": None,
        }  # fmt: skip

    def _block(self, script: Script, text: str) -> dict[str, Any]:
        if self._tool is None:
            return {"type": "text", "text": text}
        try:
            value = msgspec.json.decode(text) if text else {}
        except msgspec.DecodeError:  # an answer that is no JSON: a tool's input is an object all the same
            value = {"text": text}
        return {"type": "tool_use", "id": f"toolu_{script.number:012x}", "name": self._tool.name, "input": value}

    def _stop(self, script: Script) -> str:
        return "tool_use" if self._tool is not None and script.finish == "stop" else _STOPS[script.finish]


class AnthropicDoor:
    """Lets messages in."""

    def authorize(self, request: web.Request, key: str) -> None:
        said = request.headers.get("x-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        if said != key:
            raise refused(401, "invalid x-api-key" if said else "x-api-key header is required", "authentication_error")

    def read(self, request: web.Request, raw: bytes) -> Messages:
        if not request.headers.get("anthropic-version"):
            raise refused(400, "anthropic-version: header is required")
        body: Body = decoded(_decode, raw, _misread)
        _check(body)
        return Messages(body)

    def no_model(self, name: str) -> Refused:
        return refused(404, f"model: {name}", "not_found_error")

    def failed(self, message: str) -> Refused:
        return refused(500, message, "api_error")


def refused(status: int, message: str, kind: str = "invalid_request_error") -> Refused:
    return Refused(status, error_body(kind, message))


def error_body(kind: str, message: str) -> bytes:
    return encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": None})


def usage(script: Script) -> dict[str, Any]:
    return {
        "input_tokens": script.tokens_in, "output_tokens": script.tokens_out, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "service_tier": "standard",
    }  # fmt: skip


def _misread(words: str) -> Refused:
    return refused(400, words)


def _event(kind: str, **more: Any) -> bytes:
    return event({"type": kind, **more}, kind)


def _check(body: Body) -> None:
    if not body.messages:
        raise refused(400, "messages: at least one message is required")
    if body.max_tokens < 1:
        raise refused(400, "max_tokens: Input should be greater than or equal to 1")
    if body.temperature is not None and not 0 <= body.temperature <= 1:
        raise refused(400, "temperature: range: 0..1")
    names = [tool.name for tool in body.tools or ()]
    if body.tool_choice is not None and body.tool_choice.type == "tool" and body.tool_choice.name not in names:
        raise refused(400, f"tool_choice: Tool '{body.tool_choice.name}' not found in provided tools")
    for tool in body.tools or ():
        if tool.input_schema.get("type") != "object":
            raise refused(400, "tools.0.custom.input_schema.type: Field required")
    form = body.output_config and body.output_config.format
    if form and (fault := unenforceable(form.schema)) is not None:
        raise refused(400, f"output_config.format.schema: {fault}")


def _as_request(body: Body, tool: Tool | None) -> Request:
    form = body.output_config.format if body.output_config is not None else None
    system = _text(body.system)
    messages = [Message("system", system)] if system else []
    messages += [Message(said.role, _text(said.content)) for said in body.messages]
    schema = tool.input_schema if tool is not None else form.schema if form is not None else None
    return Request(
        model=body.model, messages=tuple(messages), schema=schema, schema_name="answer" if tool is None else tool.name,
        sampling={"max_tokens": body.max_tokens}, stream=body.stream,
    )  # fmt: skip


def _text(content: str | list[Block]) -> str:
    return content if isinstance(content, str) else "".join(block.text for block in content)
