"""Columns of a table: their names and kinds, known from a schema before there are values, or seen from values.

A kind is "null" (nothing seen), "bool", "int", "float", "text", ("list", kind), ("struct", {name: kind}), or "json": anything, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

Kind: TypeAlias = Any

NULL, BOOL, INT, FLOAT, TEXT, JSON = "null", "bool", "int", "float", "text", "json"
MORE = "more"
"""What an answer has beside the fields that its schema names."""
_SIMPLE = {"string": TEXT, "integer": INT, "number": FLOAT, "boolean": BOOL, "null": NULL}
_LONG = 1 << 63


class Column(NamedTuple):
    name: str
    kind: Kind


def seen(value: Any) -> Kind:
    """The kind of one value of plain data."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT if -_LONG <= value < _LONG else JSON
    if isinstance(value, float):
        return FLOAT
    if isinstance(value, str):
        return TEXT
    if isinstance(value, list | tuple):
        inner = NULL
        for item in value:
            inner = both(inner, seen(item))
        return ("list", inner)
    return JSON


def both(one: Kind, other: Kind) -> Kind:
    """The kind of a column that holds values of both."""
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    if {str(one), str(other)} == {INT, FLOAT}:
        return FLOAT
    if isinstance(one, tuple) and isinstance(other, tuple) and one[0] == other[0] == "list":
        return ("list", both(one[1], other[1]))
    return JSON


def merged(columns: Iterable[Column]) -> list[Column]:
    """One of each name, in the order of their first."""
    found: dict[str, Kind] = {}
    for name, kind in columns:
        found[name] = both(found[name], kind) if name in found else kind
    return [Column(name, kind) for name, kind in found.items()]


def columns_of_rows(rows: Iterable[Mapping[str, Any]]) -> list[Column]:
    return merged(Column(str(name), seen(value)) for row in rows for name, value in row.items())


# -------------------------------------------------------------------- from a JSON Schema


def fields_of(schema: Mapping[str, Any] | None) -> list[tuple[tuple[str, ...], Kind]]:
    """The columns of answers with this schema, by the path to each: objects of known fields are laid flat. A text has one: `value`.

    Where further fields may come, a last column is for these (`MORE`).
    """
    if schema is None:
        return [(("value",), TEXT)]
    kind = _kind(schema, schema.get("$defs", {}), (), top=True)
    return list(_flat(kind, ())) if isinstance(kind, tuple) and kind[0] == "struct" else [(("value",), kind)]


def _flat(kind: Kind, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Kind]]:
    if path and not (isinstance(kind, tuple) and kind[0] == "struct"):
        yield path, kind
        return
    for name, inner in kind[1].items():
        yield from _flat(inner, (*path, name))


def _kind(schema: Any, defs: Mapping[str, Any], inside: tuple[str, ...], *, top: bool = False) -> Kind:
    if not isinstance(schema, Mapping):
        return JSON
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return JSON if name in inside or name not in defs else _kind(defs[name], defs, (*inside, name), top=top)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _any([_kind(each, defs, inside) for each in schema[word]])
    if len(schema.get("allOf", ())) == 1:
        return _kind(schema["allOf"][0], defs, inside, top=top)
    if "const" in schema or "enum" in schema:
        return _any([seen(value) for value in schema.get("enum", [schema.get("const")])])
    named = schema.get("type")
    if isinstance(named, list):
        return _any([_kind({**schema, "type": each}, defs, inside) for each in named])
    if named == "array":
        return ("list", _kind(schema["items"], defs, inside)) if isinstance(schema.get("items"), Mapping) else JSON
    return _struct(schema, defs, inside, top) if schema.get("properties") else _SIMPLE.get(str(named), JSON)


def _struct(schema: Mapping[str, Any], defs: Mapping[str, Any], inside: tuple[str, ...], top: bool) -> Kind:
    fields = {str(name): _kind(each, defs, inside) for name, each in schema["properties"].items()}
    if schema.get("additionalProperties", False) is False:
        return ("struct", fields)
    return ("struct", {**fields, MORE: JSON}) if top and MORE not in fields else JSON


def _any(kinds: list[Kind]) -> Kind:
    found = NULL
    for kind in kinds:
        found = both(found, kind)
    return found
