"""A plan read closely, once: names resolved, needs found, mistakes reported with their path and a hint. Nothing is called.

What comes out is what the grid and the engine work from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Literal, get_args, get_origin

from fanfold.spec.axes import axes_of, check_dynamic, most_cells, over_of
from fanfold.spec.candidates import candidates_of, check_said
from fanfold.spec.compiled import CompiledAxis, CompiledPlan, CompiledStep
from fanfold.spec.errors import PlanError
from fanfold.spec.facets import check_source, facets_of
from fanfold.spec.judges import judge_of
from fanfold.spec.names import Names, check_names
from fanfold.spec.plan import Plan, Step
from fanfold.spec.words import check_words, is_whole, unique_of

CYCLE_SHOWN = 12  # steps of a circle that a message names


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
    if plan.concurrent is not None and not is_whole(plan.concurrent, 1):
        raise PlanError("concurrent", f"a whole number from 1 is needed, not {plan.concurrent!r}")
    check_names(plan.steps, "steps")
    axes = axes_of(plan)
    _clashes(plan, axes)
    by_name = {step.name: step for step in plan.steps}
    steps = tuple(_step(plan, axes, by_name, i) for i in range(len(plan.steps)))
    check_dynamic(axes, steps)
    order = _topological(steps)
    compiled = CompiledPlan(plan, axes, steps, order)
    for step in steps:
        _counts(compiled, step)
    return compiled


def _clashes(plan: Plan, axes: Mapping[str, CompiledAxis]) -> None:
    """A given shares no name with a step or an axis. A step and an axis may: `section` over (doc, section)."""
    for kind, names in (("a step", {s.name for s in plan.steps}), ("an axis", set(axes))):
        for name in sorted(names & set(plan.given)):
            raise PlanError(f"given.{name}", f"{name!r} is both a given and {kind}", "rename one of them")


def _step(plan: Plan, axes: Mapping[str, CompiledAxis], by_name: Mapping[str, Step], index: int) -> CompiledStep:
    step = plan.steps[index]
    path = f"steps.{step.name}"
    if (step.prompt is None) == (step.function is None):
        raise PlanError(path, "a step needs a prompt or a function, and not both")
    check_words(step, path)
    over = over_of(step, axes)
    names = Names(plan, axes, by_name, over, step)
    names.facets, names.candidates = facets_of(step), candidates_of(step)
    if names.candidates is not None and "candidates" in plan.given:
        raise PlanError("given.candidates", f"{{candidates}} is a given, and what step {step.name!r} has", "rename the given")
    prompt = names.template(step.prompt, "prompt")
    system = names.template(step.system, "system")
    judge_prompt, versus = judge_of(step, names)
    check_said(names.candidates, step, (prompt, system))
    for need in (step.needs,) if isinstance(step.needs, str) else step.needs:
        names.need(need, f"{path}.needs")
    check_source(names)
    for name in over:
        source = axes[name].source
        if axes[name].values is None and source in names.steps and source != step.name:
            names.need(source, f"{path}.over")
    unique = unique_of(step, axes, over)
    return CompiledStep(
        step, index, over, tuple(names.needs), prompt, system, judge_prompt, unique, names.facets, names.candidates, versus
    )


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
    seen: set[str] = set()
    while name not in seen:  # every step left over needs another one left over
        trail.append(name)
        seen.add(name)
        name = next(n for n in steps[index[name]].needs if waiting[index[n]])
    cycle = [*trail[trail.index(name) :], name]
    if len(cycle) > CYCLE_SHOWN:
        cycle = [*cycle[: CYCLE_SHOWN - 2], f"… ({len(cycle) - CYCLE_SHOWN + 1} more)", cycle[-1]]
    raise PlanError(f"steps.{name}", "steps need each other in a circle: " + " → ".join(cycle), "break it by removing one need")


def _counts(compiled: CompiledPlan, step: CompiledStep) -> None:
    """Counts that contradict each other: a gather that can never be full enough, more distinct values than there are."""
    path = f"steps.{step.name}"
    most_cells(compiled, step)
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
    within = (step.unique.within,) if isinstance(step.unique.within, str) else step.unique.within
    sizes = [compiled.axes[a].size for a in step.over if a not in within]
    if options is not None and None not in sizes:
        cells = prod(n for n in sizes if n is not None)
        if cells > options:
            raise PlanError(
                f"{path}.unique",
                f"{cells} distinct values are asked for, but the type allows only {options}",
                f"ask for {options} at most, or make the type wider",
            )


def _options(output: Any, by: str | None) -> int | None:
    """How many different values a type can take, if that is few and known."""
    for name in (by or "").split(".") if by else ():
        fields = output.get("properties") if isinstance(output, Mapping) else getattr(output, "model_fields", None)
        if not isinstance(fields, Mapping) or name not in fields:
            return None
        output = getattr(fields[name], "annotation", fields[name])
    if isinstance(output, Mapping):
        return len(output["enum"]) if isinstance(output.get("enum"), list) else None
    if output is bool:
        return 2
    if get_origin(output) is Literal:
        return len(get_args(output))
    members = getattr(output, "__members__", None)
    return len(members) if members is not None else None
