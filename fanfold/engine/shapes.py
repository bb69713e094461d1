"""Typed outputs: what is asked of a model as JSON Schema, and how its text becomes a value, or a reason why not."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from fanfold.engine.doubles import doubled
from fanfold.engine.fences import unfenced
from fanfold.engine.schemas import check_schema
from fanfold.engine.usercode import printable
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Markdown, Unique
from fanfold.spec.template import NoSuchField, dig

logger = logging.getLogger("fanfold")

_FENCE = re.compile(r"```[ \t]*([\w-]*)[ \t]*\r?\n(.*?)\r?\n?```", re.DOTALL)
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_HUGE = re.compile(r"[0-9][eE]\+?[0-9]{3}")


def _odd_numbers(text: str) -> bool:
    """Whether a text may hold numbers that JSON does not know, or that no float can hold. Plain searches: one pattern takes 5 × as long."""
    return "NaN" in text or "Infinity" in text or _HUGE.search(text) is not None


class Unfit(ValueError):
    """An answer that does not have its step's shape. The text says why, so that the model can mend it."""


class Text:
    """A text, or Markdown out of its fence."""

    schema: dict[str, Any] | None = None
    name = "text"

    def __init__(self, *, markdown: bool) -> None:
        self._markdown = markdown

    def parse(self, text: str) -> tuple[Any, bytes]:
        text = text.strip()
        if self._markdown:
            text = unfenced(text)
        if not text:
            raise Unfit("the answer is empty")
        return (Markdown(text) if self._markdown else text), bytes(to_json(text))

    def conform(self, value: Any) -> tuple[Any, bytes]:
        """A value that the user's code gave."""
        if not isinstance(value, str):
            raise Unfit(f"a text is needed, not {type(value).__name__}: declare the output")
        return (Markdown(value) if self._markdown else value), bytes(to_json(printable(value)))

    def decode(self, data: bytes) -> Any:
        text = from_json(data)
        return Markdown(text) if self._markdown and isinstance(text, str) else text


class Typed:
    """Anything Pydantic knows. A root that is not an object is asked for inside one, as `{"value": …}`."""

    def __init__(self, output: Any, path: str) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(output)
            schema = self._adapter.json_schema()
        except PydanticUserError as error:
            raise PlanError(path, f"{output!r} is not a type that can be asked for", error.message.splitlines()[0]) from error
        self.wrapped = not (schema.get("type") == "object" or _refers_to_object(schema))
        self.name = str(schema.get("title") or getattr(output, "__name__", "answer"))
        self.schema: dict[str, Any] | None = _wrap(schema) if self.wrapped else schema

    def written_schema(self) -> dict[str, Any]:
        """Of values as they are written out: what is computed stands in it, too."""
        try:
            schema = self._adapter.json_schema(mode="serialization")
        except PydanticUserError:
            return self.schema or {}
        return _wrap(schema) if self.wrapped else schema

    def parse(self, text: str) -> tuple[Any, bytes]:
        """The value, and the answer's own JSON: reading that again gives the same value, whatever the type's validators do."""
        _refuse_doubles(text)
        if not self.wrapped and not _odd_numbers(text):
            try:  # the common case in one pass
                return self._adapter.validate_json(text), text.strip().encode()
            except ValidationError as error:
                if error.errors(include_url=False)[0]["type"] != "json_invalid":
                    raise Unfit("it does not fit the schema: " + _reasons(error)) from error
        return self._validate(data_in(text))

    def _validate(self, data: Any) -> tuple[Any, bytes]:
        if self.wrapped and isinstance(data, dict) and set(data) == {"value"}:
            data = data["value"]
        encoded = bytes(to_json(data))
        try:
            return self._adapter.validate_json(encoded), encoded
        except ValidationError as error:
            raise Unfit("it does not fit the schema: " + _reasons(error)) from error

    def conform(self, value: Any) -> tuple[Any, bytes]:
        """A value that the user's code gave, as the type has it. Raises Unfit for what could not be read again."""
        try:
            value = self._adapter.validate_python(value)
            data = bytes(self._adapter.dump_json(value, by_alias=True, round_trip=True))
            return self.decode(data), data
        except ValidationError as error:
            raise Unfit("it does not fit the output: " + _reasons(error)) from error
        except (PydanticSerializationError, ValueError, TypeError) as error:
            raise Unfit(f"it cannot be written as JSON: {error}") from error

    def decode(self, data: bytes) -> Any:
        return self._adapter.validate_json(data)


class Schemed:
    """A raw JSON Schema: the value stays plain data."""

    def __init__(self, schema: Mapping[str, Any], path: str) -> None:
        try:
            import jsonschema_rs
        except ImportError as error:
            raise PlanError(
                path, "an output given as JSON Schema needs the extra `schema`", "pip install 'fanfold[schema]'"
            ) from error
        plain = dict(schema)
        try:
            self._validator = jsonschema_rs.validator_for(plain)
        except (ValueError, TypeError) as error:
            raise PlanError(path, f"not a valid JSON Schema: {str(error).splitlines()[0]}") from error
        self.wrapped = not (plain.get("type") == "object" or "properties" in plain)
        self.name = str(plain.get("title") or "answer")
        self.schema: dict[str, Any] | None = _wrap(plain) if self.wrapped else plain

    def written_schema(self) -> dict[str, Any]:
        """Unless it says otherwise, a schema allows further fields."""
        return {"additionalProperties": True, **(self.schema or {})}

    def parse(self, text: str) -> tuple[Any, bytes]:
        _refuse_doubles(text)
        data = data_in(text)
        if self.wrapped and isinstance(data, dict) and set(data) == {"value"}:
            data = data["value"]
        return self.conform(data)

    def conform(self, data: Any) -> tuple[Any, bytes]:
        """A value that came as data. Raises Unfit for what does not fit the schema."""
        error = next(iter(self._validator.iter_errors(data)), None)
        if error is not None:
            where = ".".join(map(str, error.instance_path))
            raise Unfit(f"it does not fit the schema: {where + ': ' if where else ''}{error.message}")
        try:
            return data, bytes(to_json(data))
        except PydanticSerializationError as failure:
            raise Unfit(f"it cannot be written as JSON: {failure}") from failure

    def decode(self, data: bytes) -> Any:
        return from_json(data)


Shape = Text | Typed | Schemed


def shape_of(output: Any, path: str) -> Shape:
    """Raises PlanError at `path` for what cannot be an output."""
    if output is str or output is Markdown:
        return Text(markdown=output is Markdown)
    if isinstance(output, Mapping):
        check_schema(output, path)
        return Schemed(output, path)
    return Typed(output, path)


def identity_first(shape: Shape, unique: Unique | None) -> dict[str, Any] | None:
    """The schema as it is sent: the field that identifies the value comes first, so that it streams first."""
    schema = shape.schema
    if schema is None or unique is None or unique.by is None:
        return schema
    field = unique.by.split(".")[0]
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or field not in properties:
        return schema
    return {**schema, "properties": {field: properties[field], **properties}}


def key_of(value: Any, unique: Unique) -> tuple[str, bool]:
    """What identifies a value, as text, and whether it counts to the letter. Raises Unfit when the field is not there."""
    try:
        part = dig(value, tuple(unique.by.split("."))) if unique.by else value
    except NoSuchField as error:
        raise Unfit(f"its identity {unique.by!r} is missing: {error}") from error
    return key_text(part)


def key_text(part: Any) -> tuple[str, bool]:
    """Texts are compared as people would; numbers, lists and objects to the letter."""
    return (printable(part), False) if isinstance(part, str) else (to_json(part, fallback=str).decode(), True)


def length_of(value: Any, path: tuple[str, ...]) -> int:
    """The size of the list that a dynamic axis finds in a value. Raises Unfit when there is none."""
    return len(list_in(value, path))


def list_in(value: Any, path: tuple[str, ...]) -> list[Any]:
    try:
        found = dig(value, path)
    except NoSuchField as error:
        raise Unfit(f"the list {'.'.join(path)!r} is missing: {error}") from error
    if not isinstance(found, list | tuple):
        raise Unfit(f"{'.'.join(path) or 'the answer'} is not a list")
    return list(found)


def plain(value: Any) -> Any:
    """A value as plain JSON data."""
    return from_json(to_json(value, by_alias=True, inf_nan_mode="null", fallback=str))


def text_of(value: Any) -> str:
    """A value inside a prompt: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else to_json(value, by_alias=True).decode()


def _refers_to_object(schema: Mapping[str, Any]) -> bool:
    ref = str(schema.get("$ref", ""))
    target = schema.get("$defs", {}).get(ref.rsplit("/", 1)[-1], {}) if ref else {}
    return bool(target.get("type") == "object")


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    inner = {k: v for k, v in schema.items() if k != "$defs"}
    wrapped: dict[str, Any] = {"type": "object", "title": str(schema.get("title", "answer")), "properties": {"value": inner}}
    wrapped |= {"required": ["value"], "additionalProperties": False}
    return {**wrapped, "$defs": schema["$defs"]} if "$defs" in schema else wrapped


def _candidates(text: str) -> list[str]:
    """The whole answer, and each fenced block in it."""
    return [text.strip().removeprefix("\ufeff"), *(m.group(2) for m in _FENCE.finditer(text))]


def _refuse_doubles(text: str) -> None:
    """Raises Unfit for an answer in which an object names a field twice."""
    if (name := doubled(_candidates(text) if "```" in text else (text,))) is not None:
        raise Unfit(f"it names the field {printable(name)!r} twice")


def data_in(text: str) -> Any:
    """The JSON in an answer: whole, in a fence, or mended. Raises Unfit when there is none."""
    for candidate in _candidates(text):
        try:
            return _loads(candidate)
        except ValueError:
            continue
    data = _mended(text)
    if data is None:
        raise Unfit(f"it is not valid JSON: {text.strip()[:80]!r}")
    return data


def _loads(text: str) -> Any:
    """Raises ValueError for what is no JSON, numbers beyond all bounds too."""
    data = from_json(text, allow_inf_nan=False)
    if _odd_numbers(text) and "Infinity" in to_json(data, inf_nan_mode="constants").decode():
        raise ValueError("a number is too large")
    return data


def _mended(text: str) -> Any | None:
    """The last resort for an answer that nearly parses: single quotes, trailing commas, comments. None when it is not whole.

    What was cut short is never mended: its brackets do not close.
    """
    import json_repair

    whole = _outermost(text)
    if whole is None or _odd_numbers(whole) or len(whole) > 1_000_000:
        return None
    try:
        data = json_repair.loads(whole, skip_json_loads=True)
        if not isinstance(data, dict | list) or not data:
            return None
        logger.info("an answer was nearly JSON, and was mended: %.200s", whole)
        return _loads(to_json(data).decode())
    except (ValueError, RecursionError):
        return None


def _outermost(text: str) -> str | None:
    """From the first bracket to the one that closes it, strings in double quotes passed over. None when nothing closes it."""
    start = min((i for i in (text.find("{"), text.find("[")) if i >= 0), default=-1)
    if start < 0:
        return None
    open_brackets: list[str] = []
    for match in _MARKS.finditer(text, start):
        mark = match.group()
        if mark in "{[":
            open_brackets.append("}" if mark == "{" else "]")
        elif mark in "}]":
            if mark != open_brackets.pop():
                return None
            if not open_brackets:
                return text[start : match.end()]
    return None


def _reasons(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{'.'.join(map(str, e['loc'])) or 'the answer'}: {e['msg']}" for e in found[:5]]
    more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(texts) + more
