"""A JSON Schema in the strict subset that providers enforce while the model writes.

OpenAI's rules: every object lists all its properties as required and allows no others; an optional property is one that may
be null; bounds and formats are not enforced, so they are told in words. The order of properties is kept: the model writes
in that order. What cannot be said (free-form objects) makes the whole schema `strict: false`. Whatever comes back is
validated against the original schema anyway, after `without_added_nulls`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

Schema = dict[str, Any]

_KEPT = frozenset({"type", "enum", "const", "description"})
TOLD = {
    "minLength": "at least {} characters", "maxLength": "at most {} characters", "pattern": "matches the pattern {}",
    "format": "format {}", "minimum": "at least {}", "maximum": "at most {}", "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}", "multipleOf": "a multiple of {}", "minItems": "at least {} items",
    "maxItems": "at most {} items", "minProperties": "at least {} properties", "maxProperties": "at most {} properties",
}  # fmt: skip
_UNSAID = frozenset({
    "not", "if", "dependentRequired", "dependentSchemas", "patternProperties", "propertyNames", "contains", "prefixItems",
    "unevaluatedProperties",
})  # fmt: skip
"""Constraints that neither the subset nor a few words can carry."""
DEEPEST = 64
MOST_KNOWN = 256  # schemas that are remembered; a run has a few
T = TypeVar("T")


class Strict(msgspec.Struct, frozen=True):
    """schema: the converted schema. strict: whether the provider can be told to enforce it.

    nulls: some property that may be absent can now come as null instead.
    """

    schema: Schema
    strict: bool
    nulls: bool


def strict_subset(schema: Mapping[str, Any], *, optional: bool = False) -> Strict:
    """Convert. Never raises for odd schemas: what it does not understand is left out, and the whole is not strict.

    optional: properties may stay optional, as other providers allow, instead of becoming required and null.
    """
    writer = _Writer(schema, optional=optional)
    root = target(schema, schema["$ref"]) if "$ref" in schema else schema
    converted = writer.convert(root, 0)
    for name in ("$defs", "definitions"):
        if isinstance(schema.get(name), Mapping):
            converted[name] = {key: writer.convert(value, 1) for key, value in schema[name].items()}
    for holder in (root, schema):
        if isinstance(holder, Mapping) and isinstance(holder.get("title"), str):
            converted["title"] = holder["title"]
    return Strict(converted, writer.strict and converted.get("type") == "object", writer.nulls)


def without_added_nulls(value: Any, schema: Any, root: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """An answer with nulls taken out where its original schema has an optional property that may not be null."""
    root = schema if root is None else root
    if depth > DEEPEST or not isinstance(value, dict | list):
        return value
    for form in _forms(schema, root, depth):
        if isinstance(value, dict) and isinstance(form.get("properties"), Mapping):
            value = _pruned(value, form, root, depth)
        elif isinstance(value, list) and isinstance(form.get("items"), Mapping):
            value = [without_added_nulls(item, form["items"], root, depth + 1) for item in value]
    return value


def response_name(name: str) -> str:
    """A schema's name as providers accept it: letters, digits, _ and -, at most 64."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:64] or "answer"


class Once(Generic[T]):
    """Converts each schema once: the cells of a step share it. The schema is kept too, so that its id stays its own."""

    __slots__ = ("_convert", "_known")

    def __init__(self, convert: Callable[[Schema], T]) -> None:
        self._convert = convert
        self._known: dict[int, tuple[Schema, T]] = {}

    def __call__(self, schema: Schema) -> T:
        known = self._known.get(id(schema))
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[id(schema)] = (schema, self._convert(schema))
        return known[1]


class _Writer:
    def __init__(self, root: Mapping[str, Any], *, optional: bool) -> None:
        self._root, self._optionals = root, optional
        self.strict = True
        self.nulls = False

    def convert(self, schema: Any, depth: int) -> Schema:
        if not isinstance(schema, Mapping) or not schema or depth > DEEPEST:
            self.strict = False  # "anything", or a shape that is no schema
            return {}
        out: Schema = {key: value for key, value in schema.items() if key in _KEPT}
        self._unions(schema, out, depth)
        if "properties" in schema or _is(schema, "object"):
            self._object(schema, out, depth)
        if "items" in schema or _is(schema, "array"):
            out.setdefault("type", "array")
            out["items"] = self.convert(schema.get("items"), depth + 1)
        self._tell(schema, out)
        if "$ref" in schema:
            self._reference(schema["$ref"], out)
        if _UNSAID & schema.keys():
            self.strict = False
        return out

    def _reference(self, reference: Any, out: Schema) -> None:
        if target(self._root, reference) is None:
            self.strict = False  # elsewhere: nothing is ever fetched
        elif out:
            out["anyOf"] = [{"$ref": reference}]  # a reference stands alone, so what is said about it goes around it
        else:
            out["$ref"] = reference

    def _unions(self, schema: Mapping[str, Any], out: Schema, depth: int) -> None:
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                out["anyOf"] = out.get("anyOf", []) + [self.convert(option, depth + 1) for option in schema[word]]
        parts = schema.get("allOf")
        if isinstance(parts, list) and len(parts) == 1:  # how some generators attach a description to a reference
            out.update({key: value for key, value in self.convert(parts[0], depth + 1).items() if key not in out})
        elif parts is not None:
            self.strict = False

    def _object(self, schema: Mapping[str, Any], out: Schema, depth: int) -> None:
        properties, extra = schema.get("properties"), schema.get("additionalProperties")
        if not isinstance(properties, Mapping):
            properties = {}
        free = isinstance(extra, Mapping) or (not properties and extra is not False)
        required = schema.get("required")
        required = required if isinstance(required, list) else []
        out.setdefault("type", "object")
        out["properties"] = {
            name: self._required(value, depth) if name in required else self._optional(value, depth)
            for name, value in properties.items()
        }
        out["required"] = [name for name in properties if name in required] if self._optionals else list(properties)
        out["additionalProperties"] = free
        if free:
            self.strict = False
            if isinstance(extra, Mapping) and extra:
                out["additionalProperties"] = self.convert(extra, depth + 1)

    def _required(self, schema: Any, depth: int) -> Schema:
        return self.convert(schema, depth + 1)

    def _optional(self, schema: Any, depth: int) -> Schema:
        converted = self.convert(schema, depth + 1)
        if self._optionals or _nullable(schema, self._root):
            return converted
        self.nulls = True
        return _or_null(converted)

    def _tell(self, schema: Mapping[str, Any], out: Schema) -> None:
        tell_in_words(schema, out, TOLD)


def tell_in_words(schema: Mapping[str, Any], out: Schema, bounds: Iterable[str]) -> None:
    """Add to the description what cannot be enforced: those of `bounds` that the schema has."""
    words = [TOLD[name].format(_shown(schema[name])) for name in bounds if schema.get(name) is not None]
    if schema.get("uniqueItems") is True:
        words.append("no item twice")
    if words:
        said, told = schema.get("description"), "; ".join(words)
        out["description"] = f"{said} ({told})" if isinstance(said, str) and said else told[0].upper() + told[1:]


def _or_null(schema: Schema) -> Schema:
    """The same, or null."""
    kind = schema.get("type")
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if isinstance(kind, str | list) and "const" not in schema:
        nullable = {**schema, "type": [*([kind] if isinstance(kind, str) else kind), "null"]}
        return {**nullable, "enum": [*schema["enum"], None]} if isinstance(schema.get("enum"), list) else nullable
    described = {"description": schema["description"]} if "description" in schema else {}
    bare = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [bare, {"type": "null"}], **described}


def _forms(schema: Any, root: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """A schema, what it refers to, and the members of its unions."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for option in schema[word] if isinstance(schema.get(word), list) else ():
            yield from _forms(option, root, depth + 1)
    if "$ref" in schema:
        yield from _forms(target(root, schema["$ref"]), root, depth + 1)


def _nullable(schema: Any, root: Mapping[str, Any]) -> bool:
    for form in _forms(schema, root, 0):
        if _is(form, "null") or (isinstance(form.get("enum"), list) and None in form["enum"]):
            return True
    return False


def _pruned(value: dict[str, Any], form: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = form["properties"]
    required = form.get("required") or ()
    return {
        name: without_added_nulls(item, properties.get(name), root, depth + 1)
        for name, item in value.items()
        if item is not None or name not in properties or name in required or _nullable(properties[name], root)
    }


def target(root: Mapping[str, Any], reference: Any) -> Any:
    """What a local reference points at; None for any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _is(schema: Mapping[str, Any], kind: str) -> bool:
    found = schema.get("type")
    return found == kind or (isinstance(found, list) and kind in found)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
