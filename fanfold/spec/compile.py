"""A plan read closely, once: names resolved, needs found, mistakes reported with their path and a hint. Nothing is called.

What comes out is what the grid and the engine work from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from math import prod
from typing import Any, Literal, get_args, get_origin

from fanfold.spec.errors import PlanError
from fanfold.spec.plan import UNSET, Axis, Judge, Plan, Step, Unique
from fanfold.spec.template import NoSuchField, Slot, Template, dig, parse

RESERVED = frozenset({"value", "candidates", "facet"})
PRIORITIES = ("critical", "normal", "optional")


@dataclass(frozen=True)
class CompiledAxis:
    """values: by index, None for a dynamic axis. source, path: where a dynamic axis finds its list."""

    name: str
    values: Sequence[Any] | None
    counted: bool = False
    source: str = ""
    path: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        return None if self.values is None else len(self.values)


@dataclass(frozen=True)
class CompiledStep:
    """needs: steps whose values it receives, the sources of its dynamic axes among them, in order of mention."""

    step: Step
    index: int
    over: tuple[str, ...]
    needs: tuple[str, ...]
    prompt: Template | None
    system: Template | None
    judge_prompt: Template | None
    unique: Unique | None

    @property
    def name(self) -> str:
        return self.step.name


@dataclass(frozen=True)
class CompiledPlan:
    plan: Plan
    axes: Mapping[str, CompiledAxis]
    steps: tuple[CompiledStep, ...]
    order: tuple[int, ...]
    """Step indexes, each after everything it needs."""

    @cached_property
    def _by_name(self) -> dict[str, CompiledStep]:
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> CompiledStep:
        return self._by_name[name]


def compile_plan(plan: Plan) -> CompiledPlan:
    """Check a plan. Raises PlanError with the path of the first mistake, e.g. `steps.recipe.over`."""
    if (
        isinstance(plan.steps, str | Mapping)
        or not isinstance(plan.steps, Iterable)
        or not all(isinstance(s, Step) for s in plan.steps)
    ):
        raise PlanError("steps", "the steps of a plan are a list of Step", 'write steps=[Step("recipe", prompt="…")]')
    if not plan.steps:
        raise PlanError("steps", "the plan has no steps", "give it at least one Step")
    if not isinstance(plan.given, Mapping):
        raise PlanError("given", f"the givens are a mapping of names to values, not {type(plan.given).__name__}")
    if plan.concurrent is not None and not _is_whole(plan.concurrent, 1):
        raise PlanError("concurrent", f"a whole number from 1 is needed, not {plan.concurrent!r}")
    _names(plan.steps, "steps")
    axes = _axes(plan)
    _clashes(plan, axes)
    by_name = {step.name: step for step in plan.steps}
    steps = tuple(_step(plan, axes, by_name, i) for i in range(len(plan.steps)))
    _dynamic_axes(axes, steps)
    order = _topological(steps)
    compiled = CompiledPlan(plan, axes, steps, order)
    for step in steps:
        _counts(compiled, step)
    return compiled


# ---------------------------------------------------------------- names


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _names(things: Iterable[Any], path: str) -> None:
    seen: set[str] = set()
    for thing in things:
        name = thing.name
        if not isinstance(name, str) or not name.isidentifier():
            raise PlanError(f"{path}.{name}", f"{name!r} is not a usable name", "use letters, digits and underscores")
        if name in RESERVED:
            raise PlanError(f"{path}.{name}", f"{name!r} is a reserved name", "choose another")
        key = unicodedata.normalize("NFKC", name)
        if key in seen:
            raise PlanError(f"{path}.{name}", f"the name {name!r} is used twice", "names must differ")
        seen.add(key)


def _clashes(plan: Plan, axes: Mapping[str, CompiledAxis]) -> None:
    """A given shares no name with a step or an axis. A step and an axis may: `section` over (doc, section)."""
    for kind, names in (("a step", {s.name for s in plan.steps}), ("an axis", set(axes))):
        for name in sorted(names & set(plan.given)):
            raise PlanError(f"given.{name}", f"{name!r} is both a given and {kind}", "rename one of them")


def _near(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = get_close_matches(name, names, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    return "there is " + ", ".join(map(repr, names)) if names else "none is declared"


# ---------------------------------------------------------------- axes


def _axes(plan: Plan) -> dict[str, CompiledAxis]:
    declared = list(_declared(plan.axes, "axes"))
    _names(declared, "axes")
    axes = {axis.name: _axis(axis) for axis in declared}
    for step in plan.steps:
        for axis in step.over if isinstance(step.over, Mapping | list | tuple) else ():
            for found in _declared([axis] if not isinstance(step.over, Mapping) else {axis: step.over[axis]}, "over"):
                if found.name in axes and axes[found.name] != _axis(found):
                    raise PlanError(f"steps.{step.name}.over", f"axis {found.name!r} is declared twice", "declare it once")
                _names([found], f"steps.{step.name}.over")
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
        return CompiledAxis(axis.name, range(1, axis.count + 1), counted=True)
    if axis.each is not None:
        source, *inner = str(axis.each).split(".")
        if not source:
            raise PlanError(f"{path}.each", "names no step", 'write each="step.field"')
        return CompiledAxis(axis.name, None, source=source, path=tuple(inner))
    values = axis.values
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


def _over(step: Step, axes: Mapping[str, CompiledAxis]) -> tuple[str, ...]:
    path = f"steps.{step.name}.over"
    if not isinstance(step.over, str | Axis | Mapping | list | tuple):
        raise PlanError(path, f"over is a name or a list of names of axes, not {type(step.over).__name__}")
    raw = [step.over] if isinstance(step.over, str | Axis) else list(step.over)
    if wrong := [axis for axis in raw if not isinstance(axis, str | Axis)]:
        raise PlanError(path, f"{wrong[0]!r} is not the name of an axis")
    names = [axis.name if isinstance(axis, Axis) else axis for axis in raw]
    for name in names:
        if name not in axes:
            raise PlanError(path, f"there is no axis {name!r}", _near(str(name), axes))
        if names.count(name) > 1:
            raise PlanError(path, f"axis {name!r} is named twice")
    return tuple(names)


def _dynamic_axes(axes: Mapping[str, CompiledAxis], steps: tuple[CompiledStep, ...]) -> None:
    by_name = {s.name: s for s in steps}
    for axis in axes.values():
        if axis.values is None:
            source = by_name.get(axis.source)
            if source is None:
                raise PlanError(f"axes.{axis.name}.each", f"there is no step {axis.source!r}", _near(axis.source, by_name))
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


# ---------------------------------------------------------------- steps


def _step(plan: Plan, axes: Mapping[str, CompiledAxis], by_name: Mapping[str, Step], index: int) -> CompiledStep:
    step = plan.steps[index]
    path = f"steps.{step.name}"
    if (step.prompt is None) == (step.function is None):
        raise PlanError(path, "a step needs a prompt or a function, and not both")
    _numbers(step, path)
    over = _over(step, axes)
    names = _Names(plan, axes, by_name, over, step)
    prompt = names.template(step.prompt, "prompt")
    system = names.template(step.system, "system")
    judge_prompt = None
    if step.judge is not None:
        if not isinstance(step.judge, Judge):
            raise PlanError(f"{path}.judge", "a judge is a Judge", 'write Judge("Is this good? {value}")')
        if step.function is not None:
            raise PlanError(f"{path}.judge", "a function step has no judge", "use checks")
        if not isinstance(step.judge.prompt, str) and not callable(step.judge.prompt):
            raise PlanError(f"{path}.judge.prompt", "a judge has a prompt: a text or a callable")
        judge_prompt = names.template(step.judge.prompt, "judge.prompt", frozenset({"value"}))
    for need in (step.needs,) if isinstance(step.needs, str) else step.needs:
        names.need(need, f"{path}.needs")
    for name in over:
        source = axes[name].source
        if axes[name].values is None and source in names.steps and source != step.name:
            names.need(source, f"{path}.over")
    return CompiledStep(step, index, over, tuple(names.needs), prompt, system, judge_prompt, _unique(step, axes, over))


class _Names:
    """What the prompts of one step may name, and which needs that makes."""

    def __init__(
        self, plan: Plan, axes: Mapping[str, CompiledAxis], steps: Mapping[str, Step], over: tuple[str, ...], step: Step
    ) -> None:
        self.given, self.axes, self.steps, self.over, self.step = plan.given, axes, steps, over, step
        self.path = f"steps.{step.name}"
        self.needs: dict[str, None] = {}

    def need(self, name: str, path: str) -> None:
        if name not in self.steps:
            raise PlanError(path, f"there is no step {name!r}", _near(name, self.steps))
        if name == self.step.name:
            raise PlanError(path, f"step {name!r} needs itself")
        self.needs[name] = None

    def template(self, text: Any, part: str, extra: frozenset[str] = frozenset()) -> Template | None:
        if text is None or callable(text):
            return None
        path = f"{self.path}.{part}"
        if not isinstance(text, str):
            raise PlanError(path, f"a prompt is text or a callable, not {type(text).__name__}")
        if not text.strip():
            raise PlanError(path, "the prompt is empty")
        template = parse(text)
        for slot in template.slots:
            self._resolve(slot, path, extra)
        return template

    def _resolve(self, slot: Slot, path: str, extra: frozenset[str]) -> None:
        """An axis that the step runs over comes first, then a step: `{section}` is the title inside, the texts outside."""
        name = slot.name
        if name in extra:
            return
        if name in self.over:
            values = self.axes[name].values
            if values is not None and slot.path:
                _dig_example(values[0], slot, path)
        elif name in self.steps:
            self.need(name, path)
            self._need_exists(self.steps[name], slot, path)
        elif name in self.axes:
            raise PlanError(path, f"{{{slot.text}}} names an axis that the step does not run over", f"add {name!r} to over")
        elif name in self.given:
            _dig_example(self.given[name], slot, path)
        else:
            known = [*self.given, *self.over, *self.steps, *extra]
            hint = _near(name, known) + "; a literal brace is {{"
            raise PlanError(path, f"{{{slot.text}}} is not a given, an axis or a step", hint)

    def _need_exists(self, need: Step, slot: Slot, path: str) -> None:
        fields = slot.path
        if fields and any(axis not in self.over for axis in _axis_names(need.over)):  # a gather: a list
            if not fields[0].isdecimal():
                hint = f"{{{slot.name}}} is the whole list; a prompt function can pick from it"
                raise PlanError(path, f"{{{slot.text}}}: {slot.name!r} is a list here, and has no field {fields[0]!r}", hint)
            fields = fields[1:]
        field_exists(need.output, fields, path, slot.text)


def _axis_names(over: Any) -> list[str]:
    raw = [over] if isinstance(over, str | Axis) else list(over)
    return [axis.name if isinstance(axis, Axis) else axis for axis in raw]


def _dig_example(value: Any, slot: Slot, path: str) -> None:
    try:
        dig(value, slot.path)
    except NoSuchField as error:
        raise PlanError(path, f"{{{slot.text}}}: {error}") from None


def field_exists(output: Any, fields: tuple[str, ...], path: str, text: str = "") -> None:
    """Follow `fields` through a Pydantic model's declared fields, as far as they are known."""
    for name in fields:
        known = getattr(output, "model_fields", None)
        if known is None and isinstance(output, Mapping):
            known = output.get("properties")
        if not isinstance(known, Mapping):
            return
        if name not in known:
            raise PlanError(path, f"{text or '.'.join(fields)}: there is no field {name!r}", _near(name, known))
        output = getattr(known[name], "annotation", known[name])


def _kinds(step: Step, path: str) -> None:
    """Words of a wrong kind: found here, not where they would first be used."""
    kinds: tuple[tuple[str, Any, str], ...] = (
        ("needs", str | list | tuple, "names of steps"),
        ("checks", list | tuple, "a list of callables"),
        ("sampling", Mapping, "a mapping such as {'temperature': 0.7}"),
        ("model", str | None, "provider/name"),
    )
    for word, kind, meant in kinds:
        value = getattr(step, word)
        if not isinstance(value, kind):
            raise PlanError(f"{path}.{word}", f"{word} is {meant}, not {value!r}")
    if step.function is not None and not callable(step.function):
        raise PlanError(f"{path}.function", f"{step.function!r} is not callable")
    most = step.sampling.get("max_tokens")
    if most is not None and not _is_whole(most, 1):
        raise PlanError(f"{path}.sampling.max_tokens", f"a whole number from 1 is needed, not {most!r}")


def _numbers(step: Step, path: str) -> None:
    _kinds(step, path)

    def whole(word: str, least: int) -> None:
        value = getattr(step, word)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise PlanError(f"{path}.{word}", f"{word} is a whole number from {least}, not {value!r}")

    whole("attempts", 1)
    whole("at_least", 0)
    whole("items_per_call", 1)
    if not isinstance(step.weight, int | float) or not 0 <= step.weight < float("inf"):
        raise PlanError(f"{path}.weight", f"a weight is a number from 0, not {step.weight!r}")
    if step.timeout_s is not None and (not isinstance(step.timeout_s, int | float) or not 0 < step.timeout_s < float("inf")):
        raise PlanError(f"{path}.timeout_s", f"a time-out is a number of seconds above 0, not {step.timeout_s!r}")
    if step.priority not in PRIORITIES:
        raise PlanError(f"{path}.priority", f"{step.priority!r} is not a priority", "one of " + ", ".join(PRIORITIES))
    for check in step.checks:
        if not callable(check):
            raise PlanError(
                f"{path}.checks", f"{check!r} is not callable", "a check takes the value and returns None or a reason"
            )
    for word, later in (("facets", step.facets), ("candidates", step.candidates)):
        if later is not None:
            raise PlanError(f"{path}.{word}", f"{word} are not available in this version", "leave the word out")
    if step.items_per_call > 1:
        raise PlanError(f"{path}.items_per_call", "several items in a call are not available in this version", "leave it at 1")


def _unique(step: Step, axes: Mapping[str, CompiledAxis], over: tuple[str, ...]) -> Unique | None:
    unique = Unique(by=step.unique) if isinstance(step.unique, str) else step.unique
    if unique is None:
        return None
    path = f"steps.{step.name}.unique"
    if not isinstance(unique, Unique):
        raise PlanError(path, f"unique is a field name or a Unique, not {type(unique).__name__}")
    if unique.by is not None and not isinstance(unique.by, str):
        raise PlanError(f"{path}.by", f"by is the name of a field, not {unique.by!r}")
    if not isinstance(unique.within, str | list | tuple):
        raise PlanError(f"{path}.within", f'within is "run", "store", or names of axes, not {unique.within!r}')
    if not isinstance(unique.near, int | float) or not 0 < unique.near <= 1:
        raise PlanError(f"{path}.near", f"near is a similarity above 0 and up to 1, not {unique.near!r}")
    if unique.near < 1:
        raise PlanError(
            f"{path}.near", "near-duplicates are not available in this version", "use near=1.0: equal after normalisation"
        )
    if unique.within == "store":
        raise PlanError(f"{path}.within", 'within="store" is not available in this version', 'use within="run"')
    if unique.within != "run":
        for name in (unique.within,) if isinstance(unique.within, str) else unique.within:
            if name not in over:
                raise PlanError(f"{path}.within", f"{name!r} is not an axis of the step", _near(name, ("run", "store", *over)))
    if unique.by is not None and unique.key is None:
        fields = tuple(unique.by.split("."))
        if step.output in (str, int, float, bool):
            raise PlanError(
                f"{path}.by",
                f"the output {step.output.__name__} has no field {unique.by!r}",
                "use Unique(by=None) for the whole value",
            )
        field_exists(step.output, fields, f"{path}.by")
    return unique


# ---------------------------------------------------------------- the graph


def _topological(steps: tuple[CompiledStep, ...]) -> tuple[int, ...]:
    index = {s.name: s.index for s in steps}
    waiting = [len(s.needs) for s in steps]
    dependents: list[list[int]] = [[] for _ in steps]
    for s in steps:
        for need in s.needs:
            dependents[index[need]].append(s.index)
    ready = [i for i, n in enumerate(waiting) if n == 0]
    for i in ready:
        for j in dependents[i]:
            waiting[j] -= 1
            if waiting[j] == 0:
                ready.append(j)
    if len(ready) == len(steps):
        return tuple(ready)
    name = next(s.name for s in steps if waiting[s.index])
    trail: list[str] = []
    while name not in trail:  # every step left over needs another one left over
        trail.append(name)
        name = next(n for n in steps[index[name]].needs if waiting[index[n]])
    cycle = [*trail[trail.index(name) :], name]
    raise PlanError(f"steps.{name}", "steps need each other in a circle: " + " → ".join(cycle), "break it by removing one need")


def _counts(compiled: CompiledPlan, step: CompiledStep) -> None:
    """Counts that contradict each other: a gather that can never be full enough, more distinct values than there are."""
    path = f"steps.{step.name}"
    gathers = []
    for need in map(compiled.step, step.needs):
        sizes = [compiled.axes[a].size for a in need.over if a not in step.over]
        if sizes and None not in sizes:
            gathers.append((need.name, prod(n for n in sizes if n is not None)))
    gathering = any(axis not in step.over for need in map(compiled.step, step.needs) for axis in need.over)
    if step.step.at_least > 1 and not gathering:
        raise PlanError(
            f"{path}.at_least",
            f"at_least={step.step.at_least}, but the step gathers nothing",
            "it belongs to the step that gathers",
        )
    if step.step.at_least > 1 and gathers and all(step.step.at_least > n for _, n in gathers):
        name, n = gathers[0]
        raise PlanError(f"{path}.at_least", f"asks for {step.step.at_least} values of {name!r}, which has {n}")
    if step.unique is None or step.unique.key is not None:
        return
    options = _options(step.step.output, step.unique.by)
    sizes = [compiled.axes[a].size for a in step.over if step.unique.within == "run" or a not in step.unique.within]
    if options is not None and None not in sizes:
        cells = prod(n for n in sizes if n is not None)
        if cells > options:
            raise PlanError(f"{path}.unique", f"{cells} distinct values are asked for, but the type allows only {options}")


def _options(output: Any, by: str | None) -> int | None:
    """How many different values a type can take, if that is few and known."""
    for name in (by or "").split(".") if by else ():
        fields = getattr(output, "model_fields", None)
        if not isinstance(fields, Mapping) or name not in fields:
            return None
        output = fields[name].annotation
    if output is bool:
        return 2
    if get_origin(output) is Literal:
        return len(get_args(output))
    members = getattr(output, "__members__", None)
    return len(members) if members is not None else None


def has_fallback(step: Step) -> bool:
    return step.fallback is not UNSET
