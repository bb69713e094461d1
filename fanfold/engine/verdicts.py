"""What judges answer: the types they are asked for, reason before verdict, and how their answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fanfold.engine.shapes import Shape, shape_of
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Judge

PASSES = ("passed", "pass", "accept", "accepted", "ok")
"""Fields of a judge's answer that say whether it passed, the first that is there."""
BETTER = "better"
"""The field of a comparing judge's answer that names the better of the two."""
TIE = ("tie", "both", "equal", "neither", "same")
YES = ("true", "yes", "pass", "passed", "ok", "1")


class Verdict(BaseModel):
    """What a judge answers unless it is given another output."""

    model_config = ConfigDict(populate_by_name=True)
    reason: str
    passed: bool = Field(alias="pass")


class Preference(BaseModel):
    """What a judge that compares answers unless it is given another output."""

    reason: str
    better: Literal["first", "second", "tie"]


def judge_shape(judge: Judge, path: str) -> Shape:
    """The shape of a judge's answers. Raises PlanError where they would not say whether it passed."""
    compares = judge.versus is not None
    shape = shape_of(judge.output or (Preference if compares else Verdict), f"{path}.output")
    fields = (shape.schema or {}).get("properties", {})
    if compares and BETTER not in fields:
        hint = f'give it a field `{BETTER}`: "first", "second" or "tie"'
        raise PlanError(f"{path}.output", "the judge's output does not say which of the two is better", hint)
    if not compares and judge.accept is None and judge.output not in (None, bool) and not any(name in fields for name in PASSES):
        raise PlanError(f"{path}.accept", "the judge's output does not say whether it passed", "give accept, or a field `pass`")
    return shape


def verdict_last(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schema as it is sent: the verdict comes last, so that it follows from the reason and is not defended by it."""
    fields = (schema or {}).get("properties")
    if schema is None or not isinstance(fields, Mapping):
        return schema
    order = sorted(fields, key=lambda name: name in PASSES or name == BETTER)
    sent = {**schema, "properties": {name: fields[name] for name in order}}
    if "required" in schema:
        sent["required"] = sorted(schema["required"], key=lambda name: order.index(name) if name in order else len(order))
    return sent


def passes(verdict: Any) -> bool:
    """Whether a judge's answer lets a value pass, by the field that says so."""
    for name in PASSES:
        found = _field(verdict, name)
        if found is not None:
            return _yes(found)
    return _yes(verdict)


def at_least_as_good(verdict: Any, *, swapped: bool) -> bool:
    """Whether a judge that compared does not prefer the other one. swapped: the other one was shown first. Raises ValueError."""
    found = str(_field(verdict, BETTER)).strip().casefold()
    if found in TIE:
        return True
    if found not in ("first", "second"):
        raise ValueError(f"`{BETTER}` is {found[:40]!r}, and neither first, second nor tie")
    return (found == "second") is swapped


def reason_of(verdict: Any) -> str | None:
    """The reason in a judge's answer, if it gives one."""
    reason = _field(verdict, "reason")
    return reason if isinstance(reason, str) and reason.strip() else None


def _field(verdict: Any, name: str) -> Any:
    return verdict.get(name) if isinstance(verdict, dict) else getattr(verdict, name, None)


def _yes(value: Any) -> bool:
    """Judges answer "false" as a text, too."""
    return value.strip().casefold() in YES if isinstance(value, str) else bool(value)
