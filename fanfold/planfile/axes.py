"""Axes as a plan file writes them: `[a, b]`, `1..5`, `{count: 20}`, `{each: outline.sections}`, `{file: rows.csv}`, `{given}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.planfile.reading import Scope, choices, whole
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Axis

WAYS = ("count", "each", "file", "values")


def axis_from(name: str, value: Any, scope: Scope) -> Axis:
    """Raises PlanError."""
    path = f"axes.{name}"
    value = scope.resolved(value, path)
    if isinstance(value, Mapping):
        return _way(name, value, scope, path)
    if isinstance(value, str):
        return Axis(name, _range(value, scope, path))
    if isinstance(value, int) and not isinstance(value, bool):
        return Axis(name, range(1, _from_one(value, path) + 1))
    if not isinstance(value, list):
        raise PlanError(path, f"the values of an axis are a list, not {value!r}", "write [a, b], 1..5 or {count: 20}")
    return Axis(name, value)


def _way(name: str, value: Mapping[str, Any], scope: Scope, path: str) -> Axis:
    if len(value) != 1 or next(iter(value)) not in WAYS:
        wrong = next((str(key) for key in value if key not in WAYS), "")
        hint = choices(wrong, WAYS) if wrong else "name one of them"
        raise PlanError(path, "an axis is a list, 1..5, {count: 20}, {each: step.field} or {file: rows.csv}", hint)
    ((way, said),) = value.items()
    if way == "count":
        return Axis(name, count=whole(scope.resolved(said, f"{path}.count"), f"{path}.count"))
    if way == "each":
        return Axis(name, each=str(said))
    if way == "values":
        return axis_from(name, said, scope)
    return Axis(name, scope.rows(scope.resolved(said, f"{path}.file"), f"{path}.file"))


def _from_one(value: int, path: str) -> int:
    if value < 1:
        raise PlanError(path, f"a whole number from 1 is needed, not {value}", "write 3 for 1, 2, 3, or a list")
    return value


def _range(text: str, scope: Scope, path: str) -> range:
    ends = text.split("..")
    if len(ends) == 2:
        try:
            first, last = (int(scope.resolved(end.strip(), path)) for end in ends)
        except (ValueError, TypeError):
            first, last = 1, 0
        if first <= last:
            return range(first, last + 1)
    raise PlanError(path, f"{text!r} is not a range", "write 1..5, or a list")
