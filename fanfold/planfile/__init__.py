"""Plans without Python: a YAML (or JSON) file read into a Plan. No code in it; a mistake is named by its path and its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fanfold.files import parse_yaml, read_text
from fanfold.planfile.axes import axis_from
from fanfold.planfile.givens import Given, declared, values
from fanfold.planfile.lines import located
from fanfold.planfile.reading import Scope, choices, keys, mapping, whole
from fanfold.planfile.running import RUN_KEYS, run_words
from fanfold.planfile.steps import STEP_KEYS, model_from, models_in, step_from
from fanfold.planfile.types import type_from
from fanfold.spec.compile import compile_plan
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Plan

PLAN_KEYS = ("name", "axes", "given", "parameters", "steps", "model", "concurrent", "attempts", "sampling", *RUN_KEYS)
__all__ = [
    "PLAN_KEYS",
    "STEP_KEYS",
    "PlanFile",
    "givens_of",
    "load_plan",
    "located",
    "overruled",
    "plan_from",
    "read_plan",
    "type_from",
]


@dataclass(frozen=True)
class PlanFile:
    """A plan as its file has it. path: as the user wrote it. run: how it wants to be run, by the names of `config.Options`."""

    plan: Plan
    path: str
    text: str
    run: Mapping[str, Any] = field(default_factory=dict)


def load_plan(path: str | Path, given: Mapping[str, Any] | None = None) -> Plan:
    """Read and check a plan file; `given` overrides its givens. Raises PlanError with the line."""
    return read_plan(path, given).plan


def read_plan(path: str | Path, given: Mapping[str, Any] | None = None) -> PlanFile:
    """The same, with what the file says of how to run it. Raises PlanError with the line."""
    text = read_text(path)
    data = parse_yaml(text, str(path))
    with located(text, str(path)):
        keys(data, PLAN_KEYS, "plan")
        scope = Scope(values(declared(data), given), Path(path).parent)
        plan = _plan(data, scope)
        compile_plan(plan)
        run = run_words(data, scope)
        _models_exist(plan, run.get("model_limits", {}))
        return PlanFile(plan, str(path), text, run)


def givens_of(path: str | Path) -> dict[str, Given]:
    """What a plan file may be run with. Raises PlanError."""
    text = read_text(path)
    data = parse_yaml(text, str(path))
    with located(text, str(path)):
        return declared(keys(data, PLAN_KEYS, "plan"))


def plan_from(data: Any, given: Mapping[str, Any] | None = None, folder: Path | None = None) -> Plan:
    """A plan out of plain data. folder: where files of rows are looked for; None: plans from elsewhere name no files."""
    keys(data, PLAN_KEYS, "plan")
    return _plan(data, Scope(values(declared(data), given), folder))


def overruled(plan: Plan, given: Mapping[str, Any]) -> Plan:
    """The same plan where an option of the command line says otherwise; given: options by name, None where not given.

    `--model` is the model of every call, so that nothing else is called; `--timeout` is that of every step.
    """
    steps = list(plan.steps)
    if given.get("model") is not None:
        steps = [replace(step, model=None, judge=step.judge and replace(step.judge, model=None)) for step in steps]
        plan = replace(plan, model=given["model"])
    if given.get("timeout") is not None:
        steps = [replace(step, timeout_s=None) for step in steps]
    if given.get("max_concurrent") is not None or given.get("sequential"):
        plan = replace(plan, concurrent=None)
    return replace(plan, steps=steps)


def _models_exist(plan: Plan, limited: Mapping[str, Any]) -> None:
    """Limits of a model that no step calls are a slip of the pen. Raises PlanError."""
    named = [plan.model, *(step.model for step in plan.steps), *(step.judge.model for step in plan.steps if step.judge)]
    used = {each for model in named if model for each in models_in(model)}
    if plan.model is None and not all(step.model for step in plan.steps):
        return  # it may be that of the command line
    for model in limited:
        if model not in used:
            raise PlanError(f"limits.{model}", "no step calls this model", choices(model, sorted(used)))


def _plan(data: Mapping[str, Any], scope: Scope) -> Plan:
    steps = data.get("steps")
    if not isinstance(steps, Mapping) or not steps:
        raise PlanError("steps", "a plan has steps, by name", "write steps: {haiku: {prompt: …}}")
    usual: dict[str, Any] = {"sampling": mapping(data.get("sampling"), "sampling")}
    if data.get("attempts") is not None:
        usual["attempts"] = whole(scope.resolved(data["attempts"], "attempts"), "attempts", 1)
    concurrent = scope.resolved(data.get("concurrent"), "concurrent")
    return Plan(
        name=str(data.get("name") or "plan"),
        axes=[axis_from(str(name), value, scope) for name, value in mapping(data.get("axes"), "axes").items()],
        steps=[step_from(str(name), words, scope, usual) for name, words in steps.items()],
        given=dict(scope.given),
        model=model_from(data.get("model"), "model", scope),
        concurrent=None if concurrent is None else whole(concurrent, "concurrent", 1),
    )
