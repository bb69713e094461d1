"""Output types as a plan file writes them.

`str`, `list[int]`, `date?`, `1..5`, `[a, b]` (one of these), `{title: str}` (fields), `[{title: str}]` (a list of such),
`{type: int, min: 1, description: …}` (a type with bounds), or a JSON Schema.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional, get_args, get_origin

from fanfold.planfile.reading import keys, number, text, whole
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Markdown

JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
PLAIN: Mapping[str, Any] = {
    "str": str, "text": str, "string": str, "markdown": Markdown, "int": int, "integer": int, "float": float, "number": float,
    "bool": bool, "boolean": bool, "date": datetime.date, "datetime": datetime.datetime, "time": datetime.time,
}  # fmt: skip
DESCRIBED = ("type", "description", "min", "max", "pattern", "optional")
HINT = "one of str, markdown, int, float, bool, date, datetime, time, list[…], 1..5, with ? for optional"
RANGE = re.compile(r"(-?[0-9]+)\.\.(-?[0-9]+)")
_LONGEST_PATTERN = 1_000


def type_from(value: Any, path: str, name: str) -> Any:
    """The type that a value of a plan file means. name: of a mapping of fields, as the model reads it. Raises PlanError."""
    if isinstance(value, str):
        return _named(value, path)
    if isinstance(value, list):
        return _list_type(value, path, name)
    if isinstance(value, Mapping):
        if is_described(value):
            return _described(value, path, name)
        return value if is_schema(value) else _model(value, path, name)
    hint = "write str, markdown, int, list[str], [a, b], a mapping of fields, or a JSON Schema"
    raise PlanError(path, f"{value!r} is not a type", hint)


def is_optional(kind: Any) -> bool:
    return type(None) in get_args(kind) or (get_origin(kind) is Annotated and is_optional(get_args(kind)[0]))


# ---------------------------------------------------------------- words


def _named(written: str, path: str) -> Any:
    word = written.strip()
    optional = word.endswith("?")
    word = word.removesuffix("?").strip()
    ends = RANGE.fullmatch(word)
    if word.startswith("list[") and word.endswith("]"):
        found: Any = list[_named(word[5:-1], path)]  # type: ignore[misc]
    elif ends:
        found = _between(int(ends[1]), int(ends[2]), path)
    elif word in PLAIN:
        found = PLAIN[word]
    else:
        raise PlanError(path, f"there is no type {written!r}", HINT)
    return _or_none(found) if optional else found


def _or_none(kind: Any) -> Any:
    return Optional[kind]  # noqa: UP045 - an annotated type knows no |


def _between(least: int, most: int, path: str) -> Any:
    from pydantic import Field

    if least > most:
        raise PlanError(path, f"{least}..{most} is not a range: it ends before it begins")
    return Annotated[int, Field(ge=least, le=most)]


def _list_type(value: list[Any], path: str, name: str) -> Any:
    """`[a, b]`: one of these. `[{title: str}]` and `[[a, b]]`: a list of such."""
    if len(value) == 1 and isinstance(value[0], Mapping | list):
        return list[type_from(value[0], f"{path}[0]", name)]  # type: ignore[misc]
    if not value or not all(isinstance(option, str | int | bool) for option in value):
        raise PlanError(
            path, "a choice is a list of texts or whole numbers", "write [calm, angry]; a list of mappings is [{title: str}]"
        )
    if len(value) != len({(type(option), option) for option in value}):
        raise PlanError(path, "a choice names a value twice", "name each once")
    if len(value) == 1 and value[0] in PLAIN:
        raise PlanError(path, f"[{value[0]}] is a choice of one", f"write list[{value[0]}] for a list")
    return Literal[tuple(value)]


# ---------------------------------------------------------------- bounds and descriptions


def is_described(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping is one type with its bounds, not fields of which one is called type.

    `{type: int, min: 1}` is, for 1 is no type; `{type: str, min: str}` are two fields; `{type: string}` is a JSON Schema.
    """
    more = [key for key in value if key != "type"]
    return (
        "type" in value
        and bool(more)
        and all(key in DESCRIBED for key in more)
        and not all(isinstance(value[key], str) and _reads_as_type(value[key]) for key in more)
    )


def _reads_as_type(word: str) -> bool:
    bare = word.strip().removesuffix("?")
    return bare in PLAIN or RANGE.fullmatch(bare) is not None or (bare.startswith("list[") and bare.endswith("]"))


def _described(value: Mapping[str, Any], path: str, name: str) -> Any:
    from pydantic import Field, TypeAdapter
    from pydantic_core import SchemaError

    keys(value, DESCRIBED, path)
    inner = type_from(value["type"], f"{path}.type", name)
    kind = json_schema_type(inner) if isinstance(inner, Mapping) else inner
    optional = value.get("optional", False)
    if not isinstance(optional, bool):
        raise PlanError(f"{path}.optional", f"true or false is needed, not {optional!r}")
    words: dict[str, Any] = {**_bounds(value, kind, path), **_pattern(value, kind, path)}
    if value.get("description") is not None:
        words["description"] = text(value["description"], f"{path}.description")
    made: Any = Annotated[kind, Field(**words)]
    try:
        TypeAdapter(made)
    except (SchemaError, TypeError) as error:
        raise PlanError(path, f"cannot be asked for: {str(error).splitlines()[0]}") from error
    return _or_none(made) if optional else made


def _bounds(value: Mapping[str, Any], kind: Any, path: str) -> dict[str, Any]:
    """`min` and `max`: of a number itself, of a text its characters, of a list its items."""
    if "min" not in value and "max" not in value:
        return {}
    bare = next((arg for arg in get_args(kind) if arg is not type(None)), kind) if is_optional(kind) else kind
    if bare in (int, float):
        least, most = ("ge", "le")
        ends = {key: number(value[key], f"{path}.{key}") for key in ("min", "max") if key in value}
    elif bare in (str, Markdown) or get_origin(bare) is list:
        least, most = ("min_length", "max_length")
        ends = {key: whole(value[key], f"{path}.{key}", 0) for key in ("min", "max") if key in value}
    else:
        raise PlanError(
            f"{path}.{'min' if 'min' in value else 'max'}", "numbers, texts and lists have bounds, other types have none"
        )
    if len(ends) == 2 and ends["min"] > ends["max"]:
        raise PlanError(f"{path}.min", f"min {ends['min']} is above max {ends['max']}")
    return {{"min": least, "max": most}[key]: end for key, end in ends.items()}


def _pattern(value: Mapping[str, Any], kind: Any, path: str) -> dict[str, Any]:
    if value.get("pattern") is None:
        return {}
    if kind is not str:
        raise PlanError(f"{path}.pattern", "only a text has a pattern", "write type: str")
    return {"pattern": linear(value["pattern"], f"{path}.pattern")}


def linear(pattern: Any, path: str) -> str:
    """A pattern that takes time in proportion to the text, whatever the text: the kind that knows no look-around and no references.

    Raises PlanError for any other one: it could be made to take for ever by an answer.
    """
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    text(pattern, path)
    if len(pattern) > _LONGEST_PATTERN:
        raise PlanError(path, f"the pattern has {len(pattern):,} characters, at most {_LONGEST_PATTERN:,} are taken")
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        why = next((line for line in str(error).splitlines() if line.strip().startswith("error:")), "it cannot be read").strip()
        hint = "look-around and back-references are not known" if "look" in why or "backref" in why else "mend the pattern"
        raise PlanError(path, f"{pattern!r} is not a pattern: {why.removeprefix('error: ')}", hint) from None
    return str(pattern)


# ---------------------------------------------------------------- JSON Schema


def is_schema(value: Mapping[Any, Any]) -> bool:
    return any(word in value for word in ("$schema", "$ref", "$defs", "anyOf", "oneOf", "allOf")) or (
        value.get("type") in JSON_TYPES
        and ("properties" in value or value["type"] != "object" or len(value) == 1)
        and _only_schema(value)
    )


def _only_schema(value: Mapping[Any, Any]) -> bool:
    """`{type: string}` alone is a schema; `{type: str, name: str}` is a mapping with a field called type."""
    return "properties" in value or not any(isinstance(v, str) and v in PLAIN for k, v in value.items() if k != "type")


def json_schema_type(schema: Mapping[str, Any]) -> Any:
    """A JSON Schema inside a mapping of fields, as a type: the value stays plain data."""
    from pydantic import AfterValidator, WithJsonSchema

    return Annotated[Any, AfterValidator(schema_check(schema)), WithJsonSchema(dict(schema))]


def schema_check(schema: Mapping[str, Any]) -> Any:
    """value -> the same value. It raises ValueError with the reason, and ImportError here without the extra `schema`."""
    import jsonschema_rs

    validator = jsonschema_rs.validator_for(dict(schema))

    def check(value: Any) -> Any:
        found = next(iter(validator.iter_errors(value)), None)
        if found is not None:
            where = ".".join(map(str, found.instance_path))
            raise ValueError(f"{where}: {found.message}" if where else found.message)
        return value

    return check


# ---------------------------------------------------------------- fields


def _model(fields: Mapping[Any, Any], path: str, name: str) -> Any:
    from pydantic import ConfigDict, create_model

    made: dict[str, Any] = {}
    for field, kind in fields.items():
        if not isinstance(field, str) or not field.isidentifier() or field.startswith("_"):
            raise PlanError(f"{path}.{field}", "is not a usable field name", "use letters, digits and underscores")
        found = type_from(kind, f"{path}.{field}", f"{name}_{field}")
        if isinstance(found, Mapping):
            found = _inner_schema(found, f"{path}.{field}")
        made[field] = (found, None if is_optional(found) else ...)
    if not made:
        raise PlanError(path, "has no fields")
    try:
        return create_model(name[:1].upper() + name[1:], __config__=ConfigDict(extra="ignore", protected_namespaces=()), **made)
    except (NameError, ValueError, TypeError) as error:
        raise PlanError(path, str(error)) from error


def _inner_schema(schema: Mapping[str, Any], path: str) -> Any:
    from fanfold.engine.schemas import check_schema

    check_schema(schema, path)
    if "$defs" in schema or "$ref" in schema:
        raise PlanError(path, "a schema inside a mapping of fields has no $ref", "write the whole output as one JSON Schema")
    try:
        return json_schema_type(schema)
    except ImportError as error:
        raise PlanError(path, "a JSON Schema needs the extra `schema`", "pip install 'fanfold[schema]'") from error
    except (ValueError, TypeError) as error:
        raise PlanError(path, f"not a valid JSON Schema: {str(error).splitlines()[0]}") from error
