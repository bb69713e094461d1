"""What the answers of each step depend on, in a few letters: a run that goes on with a changed plan makes again what has changed.

Not in it: the model, limits, attempts, time-outs. Whoever goes on with another model wants to keep what the first one has made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import blake2b
from types import CodeType
from typing import TYPE_CHECKING, Any

import msgspec

from fanfold.engine.shapes import plain
from fanfold.spec.compiled import CompiledAxis, CompiledPlan
from fanfold.spec.template import Template

if TYPE_CHECKING:
    from fanfold.engine.job import StepWork

SIZE = 12  # bytes
_PLAIN = (str, bytes, int, float, bool, type(None))


def of_step(plan: CompiledPlan, work: StepWork) -> str:
    """Of its prompts, its type, its gates, and of the givens that they may see; not of what it needs."""
    step, words = work.compiled, work.step
    templates = (step.prompt, step.system, step.judge_prompt)
    judge = words.judge
    asked = () if judge is None else (judge.prompt, judge.versus)
    free = any(callable(source) for source in (words.prompt, words.system, words.function, *asked))
    named = {slot.name for template in templates if isinstance(template, Template) for slot in template.slots}
    named |= {step.versus.name} if step.versus is not None else set()
    given = {name: value for name, value in plan.plan.given.items() if free or name in named}
    return _digest([
        words.prompt, words.system, words.function, step.over, step.needs, words.output, work.shape.schema, dict(words.sampling),
        step.unique, step.facets, step.candidates, tuple(words.checks), *([words.known] if words.known else []),
        None if judge is None else [*asked, judge.accept, work.judge_schema], given,
    ])  # fmt: skip


def of_axis(axis: CompiledAxis, count: int | None = None) -> tuple[int, str]:
    """How many values, and what they are; of the first `count`. (0, "") for a dynamic one, and no text for a counted one."""
    if axis.values is None:
        return 0, ""
    count = len(axis.values) if count is None else count
    if axis.counted:
        return count, ""
    hashed = blake2b(digest_size=SIZE)
    for index in range(count):
        hashed.update(written(axis.values[index]))
        hashed.update(b"\n")
    return count, hashed.hexdigest()


def of_plan(plan: CompiledPlan, works: Sequence[StepWork]) -> dict[str, Any]:
    """As a run's record keeps it, and `changes` compares it."""
    return {
        "steps": {work.name: of_step(plan, work) for work in works},
        "axes": {name: of_axis(axis) for name, axis in plan.axes.items()},
    }


def changes(before: Mapping[str, Any], plan: CompiledPlan, works: Sequence[StepWork]) -> set[int]:
    """Steps whose own words have changed since, or the axes they run over, or how many they gather. before: `of_plan` of then."""
    steps, axes = before.get("steps", {}), before.get("axes", {})
    other = moved(before, plan)
    longer = {
        name
        for name, axis in plan.axes.items()
        if name in axes and name not in other and axis.values is not None and axes[name][0] < len(axis.values)
    }
    found = set()
    for work in works:
        step = work.compiled
        gathered = {axis for need in map(plan.step, step.needs) for axis in need.over if axis not in step.over}
        if work.name in steps and (
            steps[work.name] != of_step(plan, work) or other & {*step.over, *gathered} or longer & gathered
        ):
            found.add(step.index)
    return found


def moved(before: Mapping[str, Any], plan: CompiledPlan) -> set[str]:
    """Axes that do not begin with the values that they had: what was made stands at other coordinates now. before: `of_plan` of then."""
    found = set()
    for name, axis in plan.axes.items():
        if name in before.get("axes", {}) and axis.values is not None:
            size, digest = before["axes"][name]
            if size > len(axis.values) or of_axis(axis, size)[1] != digest:
                found.add(name)
    return found


def _digest(what: Any) -> str:
    return blake2b(written(what), digest_size=SIZE).hexdigest()


def written(what: Any) -> bytes:
    return msgspec.json.encode(_told(what))


def _told(what: Any) -> Any:
    """As plain data that is the same in another process: code by its instructions, objects by what they hold."""
    if isinstance(what, _PLAIN):
        return what
    if isinstance(what, Mapping):
        return [[str(key), _told(value)] for key, value in what.items()]
    if isinstance(what, list | tuple):
        return [_told(each) for each in what]
    if isinstance(what, set | frozenset):
        return sorted(map(str, what))
    if isinstance(what, type):
        return f"{what.__module__}.{what.__qualname__}"
    if is_dataclass(what):
        return [type(what).__qualname__, *(_told(getattr(what, field.name)) for field in fields(what))]
    if callable(what):
        return _code(what)
    try:
        data = plain(what)
    except (TypeError, ValueError):
        return type(what).__qualname__
    return type(what).__qualname__ if isinstance(data, str) and " at 0x" in data else data


def _code(function: Callable[..., Any]) -> Any:
    if isinstance(function, partial):
        return [_told(function.func), _told(function.args), _told(function.keywords)]
    function = getattr(function, "__func__", function)  # of a method
    code = getattr(function, "__code__", None)
    if code is None:
        held = vars(function) if hasattr(function, "__dict__") else {}
        return [type(function).__qualname__, {name: _held(value) for name, value in held.items()}]
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _filled(cell)]
    return [_instructions(code), [_held(value) for value in cells], _held(getattr(function, "__defaults__", None))]


def _held(value: Any) -> Any:
    """What a function or an object holds; of other functions and objects only the kind, for they may hold each other."""
    if isinstance(value, list | tuple):
        return [_held(each) for each in value]
    if isinstance(value, Mapping):
        return [[str(key), _held(each)] for key, each in value.items()]
    code = getattr(value, "__code__", None)
    if code is not None:
        return _instructions(code)
    return value if isinstance(value, _PLAIN) else type(value).__qualname__


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # empty
        return False


def _instructions(code: CodeType) -> list[Any]:
    return [
        code.co_name,
        code.co_code.hex(),
        [_constant(const) for const in code.co_consts if const is not None],
        list(code.co_names),
    ]


def _constant(const: Any) -> Any:
    if isinstance(const, CodeType):
        return _instructions(const)
    return sorted(map(repr, const)) if isinstance(const, frozenset) else repr(const)  # sets have another order in another process
