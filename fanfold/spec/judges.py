"""What a plan says of a judge: its prompt, and what it compares with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.spec import phrases
from fanfold.spec.errors import PlanError
from fanfold.spec.names import RESERVED, Names
from fanfold.spec.plan import Judge, Step
from fanfold.spec.template import Slot, Template

VALUE = frozenset({"value"})
PAIR = frozenset({"first", "second"})


def judge_of(step: Step, names: Names) -> tuple[Template | None, Slot | None]:
    """(its prompt where that is a text, the name of what it compares with). Raises PlanError."""
    judge, path = step.judge, f"steps.{step.name}.judge"
    if judge is None:
        return None, None
    if not isinstance(judge, Judge):
        raise PlanError(path, "a judge is a Judge", 'write Judge("Is this good? {value}")')
    if step.function is not None:
        raise PlanError(path, "a function step has no judge", "use checks")
    if not isinstance(judge.prompt, str) and not callable(judge.prompt):
        raise PlanError(f"{path}.prompt", "a judge has a prompt: a text or a callable")
    if judge.versus is not None and judge.accept is not None:
        raise PlanError(f"{path}.accept", "a judge that compares decides by its field `better`", "leave accept out")
    return _prompt(judge, names, path), _versus(judge, names, path)


def _prompt(judge: Judge, names: Names, path: str) -> Template | None:
    """A text asks for the reason before the verdict, where there is a reason to give; what a callable writes is left as it is."""
    prompt = judge.prompt
    if not isinstance(prompt, str):
        return None
    if prompt.strip() and _gives_reason(judge.output):
        prompt = f"{prompt}\n\n{phrases.EVIDENCE}"
    template = names.template(prompt, "judge.prompt", VALUE if judge.versus is None else PAIR)
    assert template is not None
    shown = {slot.name for slot in template.slots}
    if judge.versus is not None and not shown >= PAIR:
        raise PlanError(f"{path}.prompt", "a judge that compares is shown {first} and {second}", "name both in its prompt")
    return template


def _gives_reason(output: Any) -> bool:
    if output is None:
        return True
    fields = getattr(output, "model_fields", None)
    if fields is None and isinstance(output, Mapping):
        fields = output.get("properties")
    return isinstance(fields, Mapping) and "reason" in fields


def _versus(judge: Judge, names: Names, path: str) -> Slot | None:
    """A name makes a need, as it does in a prompt."""
    path = f"{path}.versus"
    if judge.versus is None or callable(judge.versus):
        return None
    hint = 'write versus="draft", the name of a step, an axis or a given, or a callable cell -> value'
    if not isinstance(judge.versus, str):
        raise PlanError(path, f"{judge.versus!r} is not a name or a callable", hint)
    template = names.template("{" + judge.versus + "}", "judge.versus")
    assert template is not None
    (slot, *more) = template.parts
    if more or not isinstance(slot, Slot) or slot.name in RESERVED:
        raise PlanError(path, f"{judge.versus!r} is not a name of something to compare with", hint)
    return slot
