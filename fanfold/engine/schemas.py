"""A JSON Schema that is looked at before anything is called: nothing is fetched, and what nothing can satisfy is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanfold.spec.errors import PlanError

DEEPEST = 100
MOST_CHOICES = 200
MOST_PLACES = 20_000
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_BOUNDS = (
    ("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"),
)  # fmt: skip


def check_schema(schema: Mapping[str, Any], path: str) -> None:
    """Raises PlanError with the place in the schema."""
    waiting: list[tuple[Any, str, int]] = [(schema, path, 0)]
    places = 0
    while waiting:
        part, where, depth = waiting.pop()
        places += 1
        if depth > DEEPEST or places > MOST_PLACES:
            what = "is nested too deep" if depth > DEEPEST else f"has more than {MOST_PLACES:,} parts"
            raise PlanError(path, f"the schema {what}", "ask for less in one answer")
        if isinstance(part, Mapping):
            _check_words(part, where)
            _check_ref(schema, part, where)
            waiting += [(inner, f"{where}.{name}", depth + 1) for name, inner in _below(part)]
    if _endless(schema, schema, frozenset()):
        raise PlanError(path, "no answer could ever end: what it requires requires itself", "make the inner one optional")


def _below(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas inside a schema, with their places."""
    for word in ("properties", "$defs", "definitions", "patternProperties"):
        inner = part.get(word)
        if isinstance(inner, Mapping):
            yield from ((f"{word}.{name}", value) for name, value in inner.items())
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if isinstance(part.get(word), list):
            yield from ((f"{word}[{i}]", value) for i, value in enumerate(part[word]))
    for word in ("items", "additionalProperties", "not", "contains", "if", "then", "else"):
        if isinstance(part.get(word), Mapping):
            yield word, part[word]


def _check_words(part: Mapping[str, Any], where: str) -> None:
    kinds = part.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in TYPES:
            raise PlanError(f"{where}.type", f"there is no type {kind!r}", "one of " + ", ".join(TYPES))
    for word in ("enum", "anyOf", "oneOf"):
        if part.get(word) == []:
            raise PlanError(f"{where}.{word}", "nothing satisfies it: there is no choice", "name one at least")
        if word != "enum" and isinstance(part.get(word), list) and len(part[word]) > MOST_CHOICES:
            raise PlanError(
                f"{where}.{word}", f"has {len(part[word]):,} choices, at most {MOST_CHOICES}", "ask for less in one answer"
            )
    if part.get("not") in ({}, True):
        raise PlanError(f"{where}.not", "nothing satisfies it", "leave it out")
    for least, most in _BOUNDS:
        low, high = part.get(least), part.get(most)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise PlanError(f"{where}.{least}", f"nothing satisfies it: {least} is {low}, {most} is {high}", "swap them")


def _check_ref(schema: Mapping[str, Any], part: Mapping[str, Any], where: str) -> None:
    """A reference leads, inside the schema, to something else than references."""
    seen = set()
    while isinstance(part, Mapping) and isinstance(ref := part.get("$ref"), str):
        if not ref.startswith("#"):
            raise PlanError(f"{where}.$ref", "leads elsewhere, and nothing is fetched", "put it into the schema's own $defs")
        if ref in seen:
            raise PlanError(f"{where}.$ref", f"{ref} leads back to itself", "say what it is")
        seen.add(ref)
        part = _target(schema, ref, where)


def _target(schema: Mapping[str, Any], ref: str, where: str) -> Any:
    found: Any = schema
    for name in ref.lstrip("#").strip("/").split("/") if ref not in ("#", "#/") else ():
        name = name.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise PlanError(f"{where}.$ref", f"{ref} leads nowhere", "put it into the schema's own $defs")
        found = found[name]
    return found


def _endless(schema: Mapping[str, Any], part: Any, above: frozenset[str]) -> bool:
    """Whether every value of it would have to hold another one of the same."""
    if not isinstance(part, Mapping):
        return False
    if isinstance(ref := part.get("$ref"), str):
        return ref in above or _endless(schema, _target(schema, ref, ""), above | {ref})
    if part.get("type") == "object" and isinstance(part.get("properties"), Mapping):
        needed = part.get("required") or ()
        return any(_endless(schema, part["properties"].get(name), above) for name in needed)
    if part.get("type") == "array" and part.get("minItems"):
        return _endless(schema, part.get("items"), above)
    for word in ("anyOf", "oneOf"):
        if isinstance(part.get(word), list):
            return all(_endless(schema, choice, above) for choice in part[word])
    return False
