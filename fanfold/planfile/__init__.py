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
from fanfold.planfile.reading import Scope, keys, mapping, whole
from fanfold.planfile.running import RUN_KEYS, run_words
from fanfold.planfile.steps import model_from, step_from
from fanfold.planfile.types import type_from
from fanfold.spec.compile import compile_plan
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Plan

PLAN_KEYS = ("name", "axes", "given", "parameters", "steps", "model", "concurrent", "attempts", "sampling", *RUN_KEYS)
__all__ = ["PLAN_KEYS", "PlanFile", "givens_of", "load_plan", "plan_from", "read_plan", "type_from"]


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
        return PlanFile(plan, str(path), text, run_words(data, scope))


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


def with_model(plan: Plan, model: str) -> Plan:
    """The same plan with this model for every call: `--model` wins over all that the file names, so that nothing else is called."""
    steps = [
        replace(step, model=None, judge=step.judge and replace(step.judge, model=None)) if step.prompt is not None else step
        for step in plan.steps
    ]
    return replace(plan, model=model, steps=steps)


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
