"""The OpenAI wire format as a server reads and writes it: bodies, chunks and error documents. Bytes in, bytes out."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from fanfold.sim.simulation import Refusal, Script, refusal_text
from fanfold.spec.calls import Message, Request

encode = msgspec.json.Encoder().encode

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


class Refused(Exception):
    """A request that is answered with an error document."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.body = status, error_body(message, kind, param=param, code=code)


def _wrong(param: str, message: str, code: str) -> Refused:
    return Refused(400, message, param=param, code=code)


def _missing(param: str) -> Refused:
    return _wrong(param, f"Missing required parameter: '{param}'.", "missing_required_parameter")


def read(raw: bytes) -> Body:
    """Raises Refused with status 400 for what is no chat completion."""
    try:
        body = _decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"We could not parse the JSON body of your request. ({error})") from error
    _check(body)
    return body


def _invalid(error: str) -> Refused:
    missing, path = _MISSING_FIELD.search(error), _PATH.search(error)
    where = path.group(1) if path else ""
    if missing is not None:
        return _missing(f"{where}.{missing.group(1)}".lstrip("."))
    return Refused(400, f"Invalid type or value: {error}", param=where or None, code="invalid_value")


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


def not_strict(schema: Any, context: tuple[str, ...]) -> str | None:
    """What OpenAI has against a schema that claims to be strict: each object closed, and all its properties required."""
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties", {})
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False:
            return f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        for name in properties:
            if name not in schema.get("required", ()):
                return f"In context={context}, 'required' is required to be supplied and to include '{name}'."
    inner: list[tuple[tuple[str, ...], Any]] = [(("properties", name), value) for name, value in properties.items()]
    inner += [(("$defs", name), value) for name, value in schema.get("$defs", {}).items()]
    inner += [(("anyOf", str(i)), value) for i, value in enumerate(schema.get("anyOf", ()))]
    inner += [(("items",), schema["items"])] if "items" in schema else []
    found = (not_strict(value, (*context, *step)) for step, value in inner)
    return next((fault for fault in found if fault is not None), None)


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


def completion(script: Script, model: str) -> bytes:
    choices: list[Any] = []
    if script.fault != "empty":
        message: dict[str, Any] = {"role": "assistant", "content": script.text, "refusal": None, "annotations": []}
        choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": script.finish}]
    return encode({**_envelope(script, model, "chat.completion"), "choices": choices, "usage": usage(script)})


class Stream:
    """The events of one streamed answer."""

    def __init__(self, script: Script, model: str, *, usage: bool) -> None:
        self._envelope = _envelope(script, model, "chat.completion.chunk")
        self._script, self._usage = script, usage

    def start(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def end(self) -> bytes:
        """Finish reason, usage if it was asked for, and the terminal signal."""
        last = self._chunk({}, self._script.finish)
        if self._usage:
            last += event({**self._envelope, "choices": [], "usage": usage(self._script)})
        return last + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._envelope, "choices": [choice]}
        return event({**chunk, "usage": None} if self._usage else chunk)


def event(data: Any) -> bytes:
    return b"data: " + encode(data) + b"\n\n"


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


def refusal_body(refusal: Refusal, model: str) -> bytes:
    return error_body(refusal_text(refusal, model), refusal.kind, code="rate_limit_exceeded")


def model_document(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "fanfold"}


def _envelope(script: Script, model: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{script.number:012x}", "object": kind, "created": CREATED, "model": model,
        "service_tier": "default", "system_fingerprint": "fp_simulated",
    }  # fmt: skip
