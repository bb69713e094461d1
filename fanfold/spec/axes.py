"""The axes of a plan, in all the ways a user may write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from fanfold.spec.compiled import CompiledAxis, CompiledPlan, CompiledStep
from fanfold.spec.errors import PlanError
from fanfold.spec.names import check_names, field_exists, near
from fanfold.spec.plan import Axis, Plan, Step

DATA_FILES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".gz")
MOST_CELLS = 10_000_000  # of one step, as far as it is known beforehand


def axes_of(plan: Plan) -> dict[str, CompiledAxis]:
    declared = list(_declared(plan.axes, "axes"))
    check_names(declared, "axes")
    axes = {axis.name: _axis(axis) for axis in declared}
    for step in plan.steps:
        over = [step.over] if isinstance(step.over, Axis) else step.over
        for axis in over if isinstance(over, Mapping | list | tuple) else ():
            for found in _declared([axis] if not isinstance(over, Mapping) else {axis: over[axis]}, "over"):
                if found.name in axes and axes[found.name] != _axis(found):
                    raise PlanError(f"steps.{step.name}.over", f"axis {found.name!r} is declared twice", "declare it once")
                check_names([found], f"steps.{step.name}.over")
                axes.setdefault(found.name, _axis(found))
    return axes


def _declared(axes: Any, path: str) -> Iterator[Axis]:
    """Axis objects in what a user may write: a sequence of them, or a mapping name -> values, count or each."""
    if isinstance(axes, Mapping):
        for name, value in axes.items():
            if isinstance(value, Axis):
                yield replace(value, name=name)
            elif isinstance(value, Mapping) and set(value) <= {"count", "each", "values"} and value:
                yield Axis(name, **value)
            else:
                yield Axis(name, value)
    elif isinstance(axes, str) or not isinstance(axes, Iterable):
        raise PlanError(path, f"axes must be a list of Axis or a mapping, not {type(axes).__name__}")
    else:
        for axis in axes:
            if isinstance(axis, Axis):
                yield axis
            elif path != "over":
                raise PlanError(path, f"{axis!r} is not an Axis", 'write Axis("day", range(1, 8))')


def _axis(axis: Axis) -> CompiledAxis:
    path = f"axes.{axis.name}"
    ways = [way for way in ("values", "count", "each") if getattr(axis, way) is not None]
    if len(ways) != 1:
        raise PlanError(path, "an axis needs exactly one of values, count, each", f"it has {' and '.join(ways) or 'none'}")
    if axis.count is not None:
        if isinstance(axis.count, bool) or not isinstance(axis.count, int) or axis.count < 1:
            raise PlanError(f"{path}.count", f"a count is a whole number from 1, not {axis.count!r}")
        if axis.count > MOST_CELLS:
            raise PlanError(f"{path}.count", f"{axis.count:,} is too many: at most {MOST_CELLS:,}", "make several runs of it")
        return CompiledAxis(axis.name, range(1, axis.count + 1), counted=True)
    if axis.each is not None:
        source, *inner = str(axis.each).split(".")
        if not source:
            raise PlanError(f"{path}.each", "names no step", 'write each="step.field"')
        return CompiledAxis(axis.name, None, source=source, path=tuple(inner))
    values = axis.values
    if isinstance(values, str) and values.lower().endswith(DATA_FILES):
        raise PlanError(path, f"{values!r} is a text, not the rows of a file", f"write Rows({values!r})")
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise PlanError(path, f"the values of an axis are a list, not {type(values).__name__}", f"write [{values!r}]")
    if not isinstance(values, Sequence):
        values = tuple(values)
    if len(values) == 0:
        raise PlanError(path, "the axis has no values", "an empty axis would make nothing")
    if isinstance(values, list | tuple):
        _no_twins(values, path)
    return CompiledAxis(axis.name, values)


def _no_twins(values: Sequence[Any], path: str) -> None:
    """Each coordinate is itself: two that are equal could not be told apart in the result."""
    seen = set()
    for value in values:
        try:
            if value in seen:
                raise PlanError(path, f"the value {value!r} stands twice", "use {count: n} for interchangeable cells")
            seen.add(value)
        except TypeError:
            continue  # rows and lists


def over_of(step: Step, axes: Mapping[str, CompiledAxis]) -> tuple[str, ...]:
    path = f"steps.{step.name}.over"
    if not isinstance(step.over, str | Axis | Mapping | list | tuple):
        raise PlanError(path, f"over is a name or a list of names of axes, not {type(step.over).__name__}")
    raw = [step.over] if isinstance(step.over, str | Axis) else list(step.over)
    if wrong := [axis for axis in raw if not isinstance(axis, str | Axis)]:
        raise PlanError(path, f"{wrong[0]!r} is not the name of an axis")
    names = [axis.name if isinstance(axis, Axis) else axis for axis in raw]
    for name in names:
        if name not in axes:
            raise PlanError(path, f"there is no axis {name!r}", near(str(name), axes))
        if names.count(name) > 1:
            raise PlanError(path, f"axis {name!r} is named twice")
    return tuple(names)


def most_cells(compiled: CompiledPlan, step: CompiledStep) -> None:
    """Raises PlanError for a step with more cells than any run could fill: a slip of the pen, most likely."""
    cells = prod(size for axis in step.over if (size := compiled.axes[axis].size) is not None)
    if cells > MOST_CELLS:
        raise PlanError(
            f"steps.{step.name}.over", f"{cells:,} cells are too many: at most {MOST_CELLS:,}", "make several runs of it"
        )


def check_dynamic(axes: Mapping[str, CompiledAxis], steps: tuple[CompiledStep, ...]) -> None:
    by_name = {s.name: s for s in steps}
    for axis in axes.values():
        if axis.values is None:
            source = by_name.get(axis.source)
            if source is None:
                raise PlanError(f"axes.{axis.name}.each", f"there is no step {axis.source!r}", near(axis.source, by_name))
            field_exists(source.step.output, axis.path, f"axes.{axis.name}.each")
    for step in steps:
        path = f"steps.{step.name}.over"
        previous = ""
        for position, name in enumerate(step.over):
            axis = axes[name]
            if axis.values is not None:
                continue
            source_over = by_name[axis.source].over
            if name in source_over:
                raise PlanError(f"axes.{name}.each", f"step {axis.source!r} cannot run over the axis it makes")
            for needed in source_over:
                if needed not in step.over[:position]:
                    hint = "write over=(" + ", ".join(map(repr, (*source_over, name))) + ")"
                    raise PlanError(
                        path,
                        f"axis {name!r} comes from {axis.source!r}, which runs over {needed!r}: name it before {name!r}",
                        hint,
                    )
            if previous and previous not in source_over:
                raise PlanError(
                    path,
                    f"axes {previous!r} and {name!r} are discovered independently of each other",
                    "use two steps, one for each",
                )
            previous = name
