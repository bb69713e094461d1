"""Checks by name, as a plan file asks for them: `no_repeats`, `{length: {max: 60, of: title}}`, or `{excludes: [a, b]}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from fanfold.core.checks import NAMED, Check
from fanfold.planfile.reading import Scope, choices
from fanfold.planfile.types import linear, schema_check
from fanfold.spec.errors import PlanError
from fanfold.spec.names import field_exists
from fanfold.spec.template import dig

Made = Callable[[Any], Any]


def matches(pattern: str, of: str | None = None) -> Check:
    """The whole text fits a pattern: a regular expression without look-around and references, so that no answer can make it slow."""
    from pydantic_core import SchemaValidator, ValidationError, core_schema

    whole = SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{linear(pattern, '')})\z", regex_engine="rust-regex"))
    path = tuple(of.split(".")) if of else ()

    def check(value: Any) -> str | None:
        try:
            whole.validate_python(str(dig(value, path)))
        except ValidationError:
            return f"{of or 'the text'} must match {pattern}"
        return None

    return check


def json_schema(schema: Mapping[str, Any], of: str | None = None) -> Check:
    """The value fits a JSON Schema: for what a type cannot say (the extra `schema`)."""
    from fanfold.engine.schemas import check_schema
    from fanfold.engine.shapes import plain

    if not isinstance(schema, Mapping):
        raise ValueError("give the schema as a mapping")
    check_schema(schema, "schema")
    try:
        fits = schema_check(schema)
    except ImportError as error:
        raise ValueError("a JSON Schema needs the extra `schema`: pip install 'fanfold[schema]'") from error
    path = tuple(of.split(".")) if of else ()

    def check(value: Any) -> str | None:
        try:
            fits(plain(dig(value, path)))
        except ValueError as error:
            return f"{of or 'the answer'}: {error}"
        return None

    return check


CHECKS: Mapping[str, Callable[..., Check]] = {**NAMED, "matches": matches, "json_schema": json_schema}


def check_from(value: Any, path: str, output: Any, scope: Scope) -> Made:
    """The check that is asked for. output: the type it is about. Raises PlanError."""
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise PlanError(path, "a check is one name with its parameters", "write {length: {max: 60}}")
    name, given = next(iter(value.items()))
    if name not in CHECKS:
        raise PlanError(path, f"there is no check {name!r}", choices(str(name), CHECKS))
    path = f"{path}.{name}"
    words = _parameters(str(name), given, path, scope)
    _known(str(name), words, path)
    try:
        made = CHECKS[name](**words)
    except PlanError as error:
        raise PlanError(".".join(filter(None, (path, error.path))), error.message, error.hint) from error
    except (TypeError, ValueError, KeyError) as error:
        raise PlanError(path, str(error).replace(f"{name}() ", "")) from error
    if words.get("of") is not None:
        field_exists(output, tuple(str(words["of"]).split(".")), f"{path}.of")
    made.__name__ = str(name)
    return made


def _parameters(name: str, given: Any, path: str, scope: Scope) -> dict[str, Any]:
    """By name; what is no mapping of parameters is the first one."""
    if isinstance(given, Mapping) and list(given.values()) != [None]:
        bare = name == "json_schema" and "schema" not in given
        if not bare:
            return {str(key): scope.resolved(value, f"{path}.{key}") for key, value in given.items()}
    if given is None or given is True:
        return {}
    first = next(iter(signature(CHECKS[name]).parameters))
    return {first: scope.resolved(given, path)}


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "int | None": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    "float | None": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "str | None": lambda value: isinstance(value, str),
    "Sequence[Any]": lambda value: isinstance(value, list | tuple),
}
_CALLED = {
    "int | None": "a whole number from 0",
    "int": "a whole number from 0",
    "float | None": "a number",
    "Sequence[Any]": "a list",
}


def _known(name: str, words: Mapping[str, Any], path: str) -> None:
    """Raises PlanError for a parameter that the check does not have, or of another kind."""
    known = signature(CHECKS[name]).parameters
    for key, value in words.items():
        if key not in known:
            raise PlanError(path, f"{key!r} is no parameter of {name}", choices(key, dict(known)))
        kind = str(known[key].annotation)
        if value is not None and kind in _KINDS and not _KINDS[kind](value):
            raise PlanError(f"{path}.{key}", f"{_CALLED.get(kind, 'a text')} is needed, not {value!r}")
    missing = [key for key, parameter in known.items() if parameter.default is Parameter.empty and key not in words]
    if missing:
        raise PlanError(path, f"the check needs {missing[0]!r}", f"write {{{name}: {{{missing[0]}: …}}}}")
