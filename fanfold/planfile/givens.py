"""The values that a plan may be run with: `given`, by their defaults, and `parameters`, which say more of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fanfold.files import parse_yaml
from fanfold.planfile.reading import choices, keys, listed, mapping, number, text
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import UNSET

PARAMETER_KEYS = ("type", "default", "help", "min", "max", "choices")
KINDS = {"str": "text", "text": "text", "int": "integer", "float": "number", "bool": "flag", "list": "list", "mapping": "mapping"}
"""What a parameter's type may be, and the kind of value that it means."""
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Given:
    """One of them. kind: text, integer, number, flag, list, mapping or any. default: UNSET where one has to be given."""

    name: str
    kind: str
    default: Any = UNSET
    help: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[Any, ...] = ()


def declared(data: Mapping[str, Any]) -> dict[str, Given]:
    """All of a plan, in the order of the file. Raises PlanError."""
    found = {str(name): Given(str(name), _kind(value), value) for name, value in mapping(data.get("given"), "given").items()}
    for name, words in mapping(data.get("parameters"), "parameters").items():
        path = f"parameters.{name}"
        if name in found:
            raise PlanError(path, f"{name!r} is a given, too", "leave it out of given: its default stands here")
        if not str(name).isidentifier():
            raise PlanError(path, f"{name!r} is not a usable name", "use letters, digits and underscores")
        found[str(name)] = _parameter(str(name), words, path)
    return found


def values(all_of: Mapping[str, Given], told: Mapping[str, Any] | None) -> dict[str, Any]:
    """What prompts may name: as told, else as by default. Raises PlanError for one that is missing, or not of its kind."""
    told = told or {}
    for name in told:
        if name not in all_of:
            raise PlanError(f"--set {name}", "is not a given of the plan", choices(name, all_of))
    found: dict[str, Any] = {}
    for name, given in all_of.items():
        if name in told:
            found[name] = _read(given, told[name], f"--set {name}")
        elif given.default is UNSET:
            said = f" ({given.help})" if given.help else ""
            raise PlanError(f"parameters.{name}", f"has no default, and is not given{said}", f"give --{name.replace('_', '-')} …")
        else:
            found[name] = given.default
    return found


def _kind(value: Any) -> str:
    for kind, types in (
        ("flag", bool), ("text", str), ("integer", int), ("number", float), ("list", list), ("mapping", Mapping),
    ):  # fmt: skip
        if isinstance(value, types):
            return kind
    return "any"


def _parameter(name: str, words: Any, path: str) -> Given:
    """`int`, or `{type: int, default: 7, min: 1, max: 31, choices: …, help: …}`."""
    if isinstance(words, str):
        words = {"type": words}
    keys(words, PARAMETER_KEYS, path)
    default = words.get("default", UNSET)
    allowed = tuple(listed(words.get("choices"), f"{path}.choices"))
    if "choices" in words and not allowed:
        raise PlanError(f"{path}.choices", "there is no choice", "name one at least")
    if "type" in words and words["type"] not in KINDS:
        raise PlanError(f"{path}.type", f"there is no type {words['type']!r}", "one of " + ", ".join(KINDS))
    example = allowed[0] if allowed else "" if default is UNSET else default
    kind = KINDS[words["type"]] if "type" in words else _kind(example)
    ends = {key: number(words[key], f"{path}.{key}") for key in ("min", "max") if words.get(key) is not None}
    if ends and kind not in ("integer", "number"):
        raise PlanError(f"{path}.{next(iter(ends))}", "only a number has bounds", "write type: int")
    if len(ends) == 2 and ends["min"] > ends["max"]:
        raise PlanError(f"{path}.min", f"min {ends['min']} is above max {ends['max']}")
    said = text(words.get("help", ""), f"{path}.help")
    given = Given(name, kind, UNSET, said, ends.get("min"), ends.get("max"), allowed)
    if default is UNSET:
        return given
    return Given(name, kind, _read(given, default, f"{path}.default"), said, given.least, given.most, allowed)


# ---------------------------------------------------------------- values


def _read(given: Given, value: Any, path: str) -> Any:
    """A value, or its text from the command line, as the kind that it is to be."""
    found = _of_kind(given, value, path)
    if given.choices and found not in given.choices:
        raise PlanError(path, f"{found!r} is not a choice", "one of " + ", ".join(map(str, given.choices)))
    if given.least is not None and found < given.least:
        raise PlanError(path, f"is {found}, at least {given.least:g} is needed")
    if given.most is not None and found > given.most:
        raise PlanError(path, f"is {found}, at most {given.most:g} is allowed")
    return found


def _of_kind(given: Given, value: Any, path: str) -> Any:
    kind = given.kind
    if kind == "any":
        return parse_yaml(value, path) if isinstance(value, str) else value
    if isinstance(value, str) and kind != "text":
        return _parsed(kind, value, path)
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if _kind(value) != kind:
        raise PlanError(path, f"{_CALLED[kind]} is needed, not {value!r}")
    return value


_CALLED = {
    "text": "a text", "integer": "a whole number", "number": "a number", "flag": "true or false", "list": "a list", "mapping": "a mapping",
}  # fmt: skip


def _parsed(kind: str, said: str, path: str) -> Any:
    """A text from the command line. A list is `[a, b]` or `a, b`."""
    try:
        if kind == "integer":
            return int(said)
        if kind == "number":
            return float(said)
    except ValueError:
        raise PlanError(path, f"{_CALLED[kind]} is needed, not {said!r}") from None
    if kind == "flag":
        found: Any = _FLAGS.get(said.strip().lower())
    elif kind == "list" and not said.lstrip().startswith("["):
        found = [parse_yaml(part, path) if part.strip() else "" for part in said.split(",")] if said.strip() else []
    else:
        found = parse_yaml(said, path)
    if _kind(found) != kind:
        raise PlanError(path, f"{_CALLED[kind]} is needed, not {said!r}", "write [a, b] or a, b" if kind == "list" else "")
    return found
