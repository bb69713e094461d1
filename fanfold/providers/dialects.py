"""Schemas as providers other than OpenAI take them.

Anthropic enforces closed objects with few optional properties and no recursion; Gemini reads JSON Schema less some words, and
writes properties in alphabetical order unless it is told another. What neither can enforce is told in words, and checked
against the original schema anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanfold.providers.schema import DEEPEST, TOLD, Schema, Strict, strict_subset, target, tell_in_words

MOST_OPTIONAL, MOST_UNIONS = 24, 16
"""Of a whole schema: what Anthropic compiles at most."""
_READ = ("type", "title", "description", "minItems", "maxItems", "minimum", "maximum")
_FORMATS = frozenset({"date-time", "date", "time"})


def anthropic_subset(schema: Mapping[str, Any]) -> Strict:
    """Closed objects, optional properties left optional. strict: it can be enforced."""
    found = strict_subset(schema, optional=True)
    optional = sum(len(node["properties"]) - len(node["required"]) for node in _nodes(found.schema) if "properties" in node)
    unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in _nodes(found.schema))
    fits = optional <= MOST_OPTIONAL and unions <= MOST_UNIONS and not _recursive(found.schema)
    return Strict(found.schema, found.strict and fits, found.nulls)


def gemini_subset(schema: Mapping[str, Any]) -> Schema:
    """What `responseJsonSchema` reads. Never raises: what it does not read is left out."""
    root = target(schema, schema["$ref"]) if "$ref" in schema else schema
    converted = _gemini(root, 0)
    for name in ("$defs", "definitions"):
        if isinstance(schema.get(name), Mapping):
            converted["$defs"] = {key: _gemini(value, 1) for key, value in schema[name].items()}
    return converted


def _nodes(schema: Any, depth: int = 0) -> Iterator[Schema]:
    """A converted schema and every schema within it."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return
    yield schema
    for holder in ("properties", "$defs", "definitions"):
        for inner in schema.get(holder, {}).values():
            yield from _nodes(inner, depth + 1)
    for inner in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        yield from _nodes(inner, depth + 1)


def _recursive(root: Schema) -> bool:
    """Whether some definition leads back to itself."""
    leads = {"#": _references({name: value for name, value in root.items() if name not in ("$defs", "definitions")})}
    for holder in ("$defs", "definitions"):
        for name, value in root.get(holder, {}).items():
            leads[f"#/{holder}/{name}"] = _references(value)
    settled: set[str] = set()
    while free := [name for name, to in leads.items() if name not in settled and not (to & leads.keys()) - settled]:
        settled.update(free)
    return len(settled) < len(leads)


def _references(schema: Any) -> set[str]:
    return {node["$ref"] for node in _nodes(schema) if isinstance(node.get("$ref"), str)}


def _gemini(schema: Any, depth: int) -> Schema:
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return {}
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"].replace("#/definitions/", "#/$defs/")}  # nothing may stand beside it
    parts = schema.get("allOf")
    if isinstance(parts, list) and len(parts) == 1:  # how some generators attach a description to a reference
        inner, outer = _gemini(parts[0], depth + 1), _gemini({k: v for k, v in schema.items() if k != "allOf"}, depth + 1)
        return inner if "$ref" in inner else {**inner, **outer}
    out: Schema = {name: schema[name] for name in _READ if name in schema}
    if isinstance(schema.get("format"), str) and schema["format"] in _FORMATS:
        out["format"] = schema["format"]
    _gemini_choices(schema, out, depth)
    _gemini_object(schema, out, depth)
    if isinstance(schema.get("items"), Mapping):
        out["items"] = _gemini(schema["items"], depth + 1)
    if isinstance(schema.get("prefixItems"), list):
        out["prefixItems"] = [_gemini(item, depth + 1) for item in schema["prefixItems"]]
    tell_in_words(schema, out, [name for name in TOLD if name not in out])
    return out


def _gemini_choices(schema: Mapping[str, Any], out: Schema, depth: int) -> None:
    """Enumerations are of strings and numbers only; null is a type of its own."""
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(choices, list):
        said = [choice for choice in choices if isinstance(choice, str | int | float) and not isinstance(choice, bool)]
        if said and len(said) == len([choice for choice in choices if choice is not None]):
            out["enum"] = said
            if "type" not in out and all(isinstance(choice, str) for choice in said):
                out["type"] = "string"
        if None in choices and isinstance(out.get("type"), str) and out["type"] != "null":
            out["type"] = [out["type"], "null"]
    options = [option for word in ("anyOf", "oneOf") if isinstance(schema.get(word), list) for option in schema[word]]
    if options:
        out["anyOf"] = [_gemini(option, depth + 1) for option in options]


def _gemini_object(schema: Mapping[str, Any], out: Schema, depth: int) -> None:
    properties, extra = schema.get("properties"), schema.get("additionalProperties")
    if isinstance(properties, Mapping) and properties:
        out["properties"] = {name: _gemini(value, depth + 1) for name, value in properties.items()}
        out["propertyOrdering"] = list(properties)
        required = schema.get("required")
        out["required"] = [name for name in properties if isinstance(required, list) and name in required]
    if isinstance(extra, bool):
        out["additionalProperties"] = extra
    elif isinstance(extra, Mapping):
        out["additionalProperties"] = _gemini(extra, depth + 1)
