"""Plans without Python: a YAML (or JSON) file read into a Plan. No code in it; mistakes are named by their path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from fanfold.core.checks import NAMED
from fanfold.files import Rows, parse_yaml, read_text
from fanfold.spec.errors import PlanError
from fanfold.spec.names import field_exists
from fanfold.spec.plan import UNSET, Axis, Candidates, Facets, Judge, Markdown, Plan, Step, Unique

PLAN_KEYS = ("name", "axes", "given", "steps", "model", "concurrent")
STEP_KEYS = (
    "prompt", "system", "output", "over", "needs", "model", "unique", "facets", "candidates", "checks", "judge", "attempts", "at_least", "fallback",
    "required", "weight", "priority", "timeout_s", "retry_timeout_share", "sampling", "items_per_call",
)  # fmt: skip
JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
PLAIN = {
    "str": str, "text": str, "string": str, "markdown": Markdown, "int": int, "integer": int, "float": float, "number": float,
    "bool": bool, "boolean": bool,
}  # fmt: skip


def load_plan(path: str | Path, given: Mapping[str, Any] | None = None) -> Plan:
    """Read a plan file; `given` overrides its givens. Raises PlanError."""
    return plan_from(parse_yaml(read_text(path), str(path)), given, Path(path).parent)


def plan_from(data: Any, given: Mapping[str, Any] | None = None, folder: Path | None = None) -> Plan:
    """A plan out of plain data. folder: where files of rows are looked for; None: plans from elsewhere name no files."""
    _keys(data, PLAN_KEYS, "plan")
    steps = data.get("steps")
    if not isinstance(steps, Mapping) or not steps:
        raise PlanError("steps", "a plan has steps, by name", "write steps: {haiku: {prompt: …}}")
    givens = dict(_mapping(data.get("given"), "given"))
    for name, value in (given or {}).items():
        if name not in givens:
            raise PlanError(f"--set {name}", "is not a given of the plan", _choices(name, givens))
        givens[name] = _like(givens[name], value)
    axes = _mapping(data.get("axes"), "axes")
    concurrent = data.get("concurrent")
    if concurrent is not None and (isinstance(concurrent, bool) or not isinstance(concurrent, int) or concurrent < 1):
        raise PlanError("concurrent", f"a whole number from 1 is needed, not {concurrent!r}")
    return Plan(
        name=str(data.get("name") or "plan"),
        steps=[_step(str(name), words, givens, folder) for name, words in steps.items()],
        axes=[_axis(str(name), value, givens, folder) for name, value in axes.items()],
        given=givens,
        model=data.get("model"),
        concurrent=concurrent,
    )


def _like(old: Any, new: Any) -> Any:
    """A text from the command line as the kind of value that the plan has there."""
    if not isinstance(new, str) or isinstance(old, str):
        return new
    return parse_yaml(new, "--set")


def _keys(data: Any, known: Sequence[str], path: str) -> None:
    if data is None:
        raise PlanError(path, "is empty", f"it holds words such as {', '.join(known[:4])}")
    if not isinstance(data, Mapping):
        raise PlanError(path, f"is a mapping of words to values, not {type(data).__name__}")
    for key in data:
        if key not in known:
            raise PlanError(f"{path}.{key}" if path != "plan" else str(key), "is not a word of a plan", _choices(str(key), known))


def _choices(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else "there is " + (", ".join(known) or "none")


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PlanError(path, f"is a mapping, not {type(value).__name__}")
    return value


# ---------------------------------------------------------------- axes


def _axis(name: str, value: Any, given: Mapping[str, Any], folder: Path | None) -> Axis:
    """A list, `1..5`, `{count: 20}`, `{each: outline.sections}`, `{file: rows.csv}`, or `{given}`: the value of a given."""
    path = f"axes.{name}"
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        value = _given(value[1:-1], given, path)
    if isinstance(value, Mapping):
        if set(value) == {"count"}:
            return Axis(name, count=_whole(_resolved(value["count"], given, path), f"{path}.count"))
        if set(value) == {"each"}:
            return Axis(name, each=str(value["each"]))
        if set(value) == {"file"}:
            return Axis(name, _rows(str(value["file"]), f"{path}.file", folder))
        if len(value) == 1 and next(iter(value.values())) is None:  # YAML reads {days} as {days: null}
            return _axis(name, _given(str(next(iter(value))), given, path), {}, folder)
        raise PlanError(path, "an axis is a list, 1..5, {count: 20}, {each: step.field} or {file: rows.csv}")
    if isinstance(value, str):
        return Axis(name, _range(value, given, path))
    if isinstance(value, int) and not isinstance(value, bool):
        return Axis(name, range(1, _whole(value, path) + 1))
    if not isinstance(value, list):
        raise PlanError(path, f"the values of an axis are a list, not {value!r}", "write [a, b], 1..5 or {count: 20}")
    return Axis(name, value)


def _given(name: str, given: Mapping[str, Any], path: str) -> Any:
    if name not in given:
        raise PlanError(path, f"{{{name}}} is not a given", _choices(name, given))
    return given[name]


def _resolved(value: Any, given: Mapping[str, Any], path: str) -> Any:
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value.values())) is None:
        return _given(str(next(iter(value))), given, path)
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return _given(value[1:-1], given, path)
    return value


def _whole(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PlanError(path, f"a whole number is needed, not {value!r}")
    return value


def _range(text: str, given: Mapping[str, Any], path: str) -> range:
    ends = text.split("..")
    if len(ends) == 2:
        try:
            first, last = (int(_resolved(end.strip(), given, path)) for end in ends)
        except (ValueError, TypeError):
            first, last = 1, 0
        if first <= last:
            return range(first, last + 1)
    raise PlanError(path, f"{text!r} is not a range", "write 1..5, or a list")


# ---------------------------------------------------------------- steps


def _step(name: str, words: Any, given: Mapping[str, Any], folder: Path | None) -> Step:
    path = f"steps.{name}"
    _keys(words, STEP_KEYS, path)
    if not isinstance(words.get("prompt"), str):
        raise PlanError(f"{path}.prompt", "a step has a prompt: a text")
    plain = {
        key: words[key]
        for key in words
        if key not in ("output", "unique", "checks", "judge", "over", "needs", "fallback", "facets", "candidates")
    }
    output = type_from(words.get("output", "str"), f"{path}.output", name)
    return Step(
        name,
        output=output,
        over=_names(words.get("over"), f"{path}.over"),
        needs=_names(words.get("needs"), f"{path}.needs"),
        unique=_unique(words.get("unique"), f"{path}.unique"),
        facets=_facets(words.get("facets"), f"{path}.facets"),
        candidates=_candidates(words.get("candidates"), f"{path}.candidates", given, folder),
        checks=[
            _check(check, f"{path}.checks[{i}]", output) for i, check in enumerate(_list(words.get("checks"), f"{path}.checks"))
        ],
        judge=_judge(words.get("judge"), f"{path}.judge", name),
        fallback=words.get("fallback", UNSET),
        **plain,
    )


def _list(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise PlanError(path, f"is a list, not {type(value).__name__}")
    return value


def _names(value: Any, path: str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, _list(value, path)))


def _unique(value: Any, path: str) -> Unique | str | None:
    if value is None or isinstance(value, str):
        return value
    if value is True:
        return Unique()
    if isinstance(value, Mapping) and "key" in value:
        raise PlanError(f"{path}.key", "a key is a function, and a plan file holds no code", "write by: the name of a field")
    _keys(value, ("by", "near", "within"), path)
    near = value.get("near", 1.0)
    if isinstance(near, bool) or not isinstance(near, int | float):
        raise PlanError(f"{path}.near", f"a number is needed, not {near!r}")
    return Unique(by=value.get("by"), near=float(near), within=value.get("within", "run"))


def _facets(value: Any, path: str) -> Facets | Mapping[str, Any] | str | None:
    """`{tone: [calm, angry]}`, the name of a step that proposes them, or `{values: …, infeasible: [{tone: calm, topic: war}]}`."""
    if not isinstance(value, Mapping) or "infeasible" not in value or isinstance(value.get("values"), list):
        return value  # type: ignore[no-any-return]
    _keys(value, ("values", "infeasible"), path)
    return Facets(value.get("values", {}), value["infeasible"] or ())


def _candidates(value: Any, path: str, given: Mapping[str, Any], folder: Path | None) -> Candidates | None:
    """`[a, b]`, `{file: seeds.csv}`, `{values: …}` or `{given}`, each one a cell; with `take: 3`, up to three."""
    if value is None:
        return None
    if isinstance(value, str) or (isinstance(value, Mapping) and list(value.values()) == [None]):
        return Candidates(_resolved(value, given, path), take=1)
    if not isinstance(value, Mapping):
        return Candidates(value, take=1)
    _keys(value, ("values", "file", "take"), path)
    if ("file" in value) == ("values" in value):
        raise PlanError(path, "candidates are values or a file", "write [a, b], {file: seeds.csv} or {values: [a, b], take: 2}")
    source = _resolved(value["values"], given, path) if "values" in value else _rows(str(value["file"]), f"{path}.file", folder)
    return Candidates(source, take=value.get("take", 1))


def _rows(name: str, path: str, folder: Path | None) -> Rows:
    if folder is None:
        raise PlanError(path, "a plan from elsewhere names no files", "write the values into the plan")
    return Rows(folder / name)


def _judge(value: Any, path: str, step: str) -> Judge | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = {"prompt": value}
    _keys(value, ("prompt", "model", "output", "accept", "versus"), path)
    if not isinstance(value.get("prompt"), str):
        raise PlanError(f"{path}.prompt", "a judge has a prompt: a text")
    output = value.get("output")
    shape = None if output is None else type_from(output, f"{path}.output", f"{step}_judge")
    accept = None if value.get("accept") is None else _accept(value["accept"], f"{path}.accept", shape)
    return Judge(value["prompt"], value.get("model"), shape, accept, value.get("versus"))


def _accept(value: Any, path: str, output: Any) -> Callable[[Any], bool]:
    """A named check of the judge's answer, e.g. `{number: {min: 7, of: score}}`."""
    check = _check(value, path, output)
    return lambda verdict: check(verdict) is None


def _check(value: Any, path: str, output: Any) -> Callable[[Any], Any]:
    """A named check: `no_repeats`, or `{length: {max: 60, of: title}}`, or `{one_of: [a, b]}` for its first parameter."""
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise PlanError(path, "a check is one name with its parameters", "write {length: {max: 60}}")
    name, parameters = next(iter(value.items()))
    if name not in NAMED:
        raise PlanError(path, f"there is no check {name!r}", _choices(str(name), NAMED))
    try:
        made = NAMED[name](**parameters) if isinstance(parameters, Mapping) else NAMED[name](parameters)
    except (TypeError, ValueError) as error:
        raise PlanError(f"{path}.{name}", str(error).replace(f"{name}() ", "")) from error
    if isinstance(parameters, Mapping) and parameters.get("of") is not None:
        field_exists(output, tuple(str(parameters["of"]).split(".")), f"{path}.{name}.of")
    made.__name__ = str(name)
    return made


# ---------------------------------------------------------------- types


def type_from(value: Any, path: str, name: str) -> Any:
    """`str`, `markdown`, `list[str]`, `[a, b]` (one of these), a mapping of fields, or a JSON Schema, as a type."""
    if isinstance(value, str):
        return _named_type(value, path)
    if isinstance(value, list):
        if not value or not all(isinstance(option, str | int | bool) for option in value):
            raise PlanError(path, "a choice is a list of texts or whole numbers")
        return Literal[tuple(value)]
    if isinstance(value, Mapping):
        return value if _is_schema(value) else _model(value, path, name)
    raise PlanError(
        path, f"{value!r} is not a type", "write str, markdown, int, list[str], [a, b], a mapping of fields, or a JSON Schema"
    )


def _is_schema(value: Mapping[str, Any]) -> bool:
    return any(word in value for word in ("$schema", "$ref", "$defs", "anyOf", "oneOf", "allOf")) or (
        value.get("type") in JSON_TYPES
        and ("properties" in value or value["type"] != "object" or len(value) == 1)
        and _only_schema(value)
    )


def _only_schema(value: Mapping[str, Any]) -> bool:
    """`{type: string}` alone is a schema; `{type: str, name: str}` is a mapping with a field called type."""
    return "properties" in value or not any(isinstance(v, str) and v in PLAIN for k, v in value.items() if k != "type")


def _named_type(text: str, path: str) -> Any:
    word = text.strip()
    optional = word.endswith("?")
    word = word.removesuffix("?").strip()
    if word.startswith("list[") and word.endswith("]"):
        found: Any = list[_named_type(word[5:-1], path)]  # type: ignore[misc]
    elif word in PLAIN:
        found = PLAIN[word]
    else:
        raise PlanError(
            path, f"there is no type {text!r}", "one of str, markdown, int, float, bool, list[…], with ? for optional"
        )
    return found | None if optional else found


def _model(fields: Mapping[str, Any], path: str, name: str) -> Any:
    from pydantic import ConfigDict, create_model

    made: dict[str, Any] = {}
    for field, kind in fields.items():
        if not isinstance(field, str) or not field.isidentifier() or field.startswith("_"):
            raise PlanError(f"{path}.{field}", "is not a usable field name", "use letters, digits and underscores")
        made[field] = (type_from(kind, f"{path}.{field}", f"{name}_{field}"), ...)
    if not made:
        raise PlanError(path, "has no fields")
    try:
        return create_model(name[:1].upper() + name[1:], __config__=ConfigDict(extra="ignore", protected_namespaces=()), **made)
    except (NameError, ValueError, TypeError) as error:
        raise PlanError(path, str(error)) from error
