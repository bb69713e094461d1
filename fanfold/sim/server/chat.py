"""The OpenAI wire format as a server reads and writes it: bodies, chunks and error documents. Bytes in, bytes out."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
from aiohttp import web

from fanfold.sim.server.closed import not_strict
from fanfold.sim.server.voice import Refused, encode, event
from fanfold.sim.simulation import Refusal, Script, Simulation, go_duration, refusal_text
from fanfold.spec.calls import Message, Request

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PATH = re.compile(r"`\$\.?([^`]*)`")
_MISSING_FIELD = re.compile(r"missing required field `(\w+)`")
_ANY_OBJECT = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "summary": {"type": "string"},
        "items": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["title", "summary", "items"],
}
CREATED = 1_700_000_000  # seconds since the epoch: answers do not depend on when they are asked for

_REASONS = {
    "500": ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    "502": ("Bad gateway.", "server_error", None),
    "503": ("The engine is currently overloaded, please try again later", "server_error", "service_unavailable"),
    "529": ("Overloaded", "overloaded_error", "overloaded"),
}
_QUOTA = "You exceeded your current quota, please check your plan and billing details."


class Part(msgspec.Struct):
    type: str
    text: str = ""


class Said(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class Shape(msgspec.Struct):
    name: str
    schema: dict[str, Any] = {}
    strict: bool | None = None


class Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: Shape | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Body(msgspec.Struct):
    """What a chat completion asks for. Fields that are not here are read over."""

    model: str
    messages: list[Said]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    response_format: Format | None = None
    n: int | None = 1
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None


_SAMPLING = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop")
_decode = msgspec.json.Decoder(Body).decode


def refused(
    status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Refused:
    return Refused(status, error_body(message, kind, param=param, code=code))


def _wrong(param: str, message: str, code: str) -> Refused:
    return refused(400, message, param=param, code=code)


def _missing(param: str) -> Refused:
    return _wrong(param, f"Missing required parameter: '{param}'.", "missing_required_parameter")


def read(raw: bytes) -> Body:
    """Raises Refused with status 400 for what is no chat completion."""
    try:
        body = _decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(400, f"We could not parse the JSON body of your request. ({error})") from error
    _check(body)
    return body


def _invalid(error: str) -> Refused:
    missing, path = _MISSING_FIELD.search(error), _PATH.search(error)
    where = path.group(1) if path else ""
    if missing is not None:
        return _missing(f"{where}.{missing.group(1)}".lstrip("."))
    return refused(400, f"Invalid type or value: {error}", param=where or None, code="invalid_value")


def _check(body: Body) -> None:
    if not body.messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise _wrong("messages", message, "empty_array")
    if body.n not in (None, 1):
        raise _wrong("n", "Only n=1 is supported by the simulated provider.", "unsupported_value")
    for name in ("max_tokens", "max_completion_tokens"):
        value = getattr(body, name)
        if value is not None and value < 1:
            message = f"Invalid '{name}': integer below minimum value. Expected a value >= 1."
            raise _wrong(name, message, "integer_below_min_value")
    form = body.response_format
    if form is not None and form.type == "json_schema":
        if form.json_schema is None:
            raise _missing("response_format.json_schema")
        _check_shape(form.json_schema)


def _check_shape(shape: Shape) -> None:
    if _NAME.fullmatch(shape.name) is None:
        param = "response_format.json_schema.name"
        raise _wrong(param, f"Invalid '{param}': string does not match pattern '^[a-zA-Z0-9_-]+$'.", "invalid_value")
    if shape.strict and (fault := not_strict(shape.schema, ())) is not None:
        raise _wrong("response_format", f"Invalid schema for response_format '{shape.name}': {fault}", "invalid_json_schema")


def as_request(body: Body) -> Request:
    form = body.response_format
    schema, name = None, "answer"
    if form is not None and form.json_schema is not None and form.type == "json_schema":
        schema, name = form.json_schema.schema, form.json_schema.name
    elif form is not None and form.type == "json_object":
        schema = _ANY_OBJECT
    sampling = {key: value for key in _SAMPLING if (value := getattr(body, key)) is not None}
    messages = tuple(Message(said.role, said.text) for said in body.messages)
    return Request(
        model=body.model, messages=messages, schema=schema, schema_name=name, sampling=sampling, stream=bool(body.stream)
    )


class Chat:
    """The voice of chat completions."""

    def __init__(self, body: Body) -> None:
        self._model = body.model
        self._counts = body.stream_options is not None and body.stream_options.include_usage
        self.request = as_request(body)

    def whole(self, script: Script) -> bytes:
        choices: list[Any] = []
        if script.fault != "empty":
            message: dict[str, Any] = {"role": "assistant", "content": script.text, "refusal": None, "annotations": []}
            choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": script.finish}]
        return encode({**self._envelope(script, "chat.completion"), "choices": choices, "usage": usage(script)})

    def first(self, script: Script) -> bytes:
        return self._chunk(script, {"role": "assistant", "content": "", "refusal": None})

    def piece(self, script: Script, text: str) -> bytes:
        return self._chunk(script, {"content": text})

    def last(self, script: Script) -> bytes:
        end = self._chunk(script, {}, script.finish)
        if self._counts:
            end += event({**self._envelope(script, "chat.completion.chunk"), "choices": [], "usage": usage(script)})
        return end + b"data: [DONE]\n\n"

    def failure(self, fault: str, script: Script, *, hint: bool) -> tuple[int, bytes]:
        if fault == "429":
            message = f"Rate limit reached for {self._model}. Please try again in {go_duration(script.wait_s)}."
            return 429, error_body(message, "requests", code="rate_limit_exceeded")
        if fault == "quota":
            return 429, error_body(_QUOTA, "insufficient_quota", code="insufficient_quota")
        message, kind, code = _REASONS[fault]
        return int(fault), error_body(message, kind, code=code)

    def refusal(self, refusal: Refusal, *, hint: bool) -> tuple[int, bytes]:
        return 429, error_body(refusal_text(refusal, self._model), refusal.kind, code="rate_limit_exceeded")

    def headers(self, simulation: Simulation, now: float, wait_s: float | None, script: Script | None) -> dict[str, str]:
        limits = simulation.refusal_headers(now, wait_s)
        return limits if script is None else {"x-request-id": script.request_id, "openai-processing-ms": "0", **limits}

    def _chunk(self, script: Script, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._envelope(script, "chat.completion.chunk"), "choices": [choice]}
        return event({**chunk, "usage": None} if self._counts else chunk)

    def _envelope(self, script: Script, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{script.number:012x}", "object": kind, "created": CREATED, "model": self._model,
            "service_tier": "default", "system_fingerprint": "fp_simulated",
        }  # fmt: skip


class ChatDoor:
    """Lets chat completions in."""

    def authorize(self, request: web.Request, key: str) -> None:
        said = request.headers.get("Authorization", "")
        if said != f"Bearer {key}":
            message = "Incorrect API key provided." if said else "You didn't provide an API key."
            raise refused(401, message, code="invalid_api_key")

    def read(self, request: web.Request, raw: bytes) -> Chat:
        return Chat(read(raw))

    def no_model(self, name: str) -> Refused:
        message = f"The model `{name}` does not exist or you do not have access to it."
        return refused(404, message, param="model", code="model_not_found")

    def failed(self, message: str) -> Refused:
        return refused(500, message, kind="server_error")


def usage(script: Script) -> dict[str, Any]:
    return {
        "prompt_tokens": script.tokens_in,
        "completion_tokens": script.tokens_out,
        "total_tokens": script.tokens_in + script.tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def error_body(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> bytes:
    return encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def model_document(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "fanfold"}
