"""What a forecast is asked about: a plan as it would be run, and how long its prompts and answers will be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from fanfold.core.conductor import Conductor
from fanfold.core.run import Rule
from fanfold.forecast.habits import Declared, Habits, Voice, declared
from fanfold.forecast.sizes import (
    UNSEEN_PROMPT,
    WORDS,
    alike_characters,
    answer_characters,
    booked,
    charged,
    item_characters,
    mean_characters,
    template_characters,
    text_characters,
)
from fanfold.spec.calls import Fault, Usage
from fanfold.spec.compiled import CompiledPlan, CompiledStep
from fanfold.spec.errors import Code
from fanfold.spec.plan import Limits
from fanfold.spec.prices import Price
from fanfold.spec.template import NoSuchField, Slot, Template, dig

LENGTHS = (3, 4, 5, 6, 7)  # of a list found in an answer, while nothing is known of it
USUAL_LENGTH = 5
AVOID_TOKENS = 200  # booked for what the engine adds at the end of a prompt
NAMES, NAMES_PER_CELL = 2000, 20
RETRIEVED = 400  # characters of a candidate that a function will find
PAIR = ("first", "second")  # what a judge that compares is shown: taken to be alike
JUDGE_CHARACTERS = 200  # of a judge's answer: a reason, and whether it passes


@dataclass(frozen=True)
class AskedStep:
    """A step as it will be asked. schema: of its answers as they are sent, None for text. streams: its identity is known early.

    shared: the other models that have shares of its cells.
    """

    compiled: CompiledStep
    rule: Rule
    model: str = ""
    judge_model: str = ""
    schema: Mapping[str, Any] | None = None
    judge_schema: Mapping[str, Any] | None = None
    streams: bool = False
    shared: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.compiled.name

    @property
    def max_tokens(self) -> int | None:
        return self.compiled.step.sampling.get("max_tokens")


@dataclass(frozen=True)
class Asked:
    """model: for steps that name none, at base_url. open: a fresh conductor with the lanes that the rules name, under these limits.
    concurrent: calls in the air that a model may have where no limit is declared. deadline: microseconds. habits: by step, where
    earlier runs have taught them; learned_from: how many runs. prices: of the models that have one; has_list: whether a public list was
    asked, too.
    """

    plan: CompiledPlan
    steps: tuple[AskedStep, ...]
    model: str
    open: Callable[[Limits], Conductor]
    limits: Limits = field(default_factory=Limits)
    concurrent: int = 64
    deadline: int | None = None
    habits: Mapping[str, Habits] = field(default_factory=dict)
    learned_from: int = 0
    prices: Mapping[str, Price] = field(default_factory=dict)
    has_list: bool = False
    base_url: str | None = None

    @cached_property
    def prospects(self) -> list[tuple[AskedStep, Habits, Size]]:
        """Each step with its habits and the size of its prompts, worked out once for all seeds."""
        habits = habits_of(self)
        expected = {step.name: each.voice.usual_out for step, each in zip(self.steps, habits, strict=True)}
        return [(step, each, Size(self, step, expected)) for step, each in zip(self.steps, habits, strict=True)]

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(m for step in self.steps for m in (step.model, *step.shared, step.judge_model) if m))


class Size:
    """Of one step's prompts. booked, charged: tokens in, as the engine books and as a provider charges; common_…: of them, what is said
    once where several cells are asked together. judge_…: of its judge's.
    """

    __slots__ = ("booked", "charged", "common_booked", "common_charged", "judge_booked", "judge_charged")

    def __init__(self, asked: Asked, step: AskedStep, expected: Mapping[str, float]) -> None:
        sizes = _Sizes(asked, step, expected)
        words = step.compiled.step
        prompt = sizes.of(step.compiled.prompt, words.prompt)
        if words.system is not None:
            prompt += sizes.of(step.compiled.system, words.system)
        if step.compiled.prompt is not None and all(slot.name != "facet" for slot in step.compiled.prompt.slots):
            prompt += sizes.facets()
        messages = 1 + (words.system is not None)
        avoid = AVOID_TOKENS if step.compiled.unique is not None else 0
        self.booked = booked(prompt, messages) + avoid
        self.charged = charged(prompt) + _schema_tokens(step.schema, step.model)
        alike = sizes.alike(step.compiled.prompt) + sizes.alike(step.compiled.system)
        self.common_booked = booked(alike, messages - 1) + avoid
        self.common_charged = charged(alike) + _schema_tokens(step.schema, step.model)
        self.judge_booked = self.judge_charged = 0
        if words.judge is not None:
            judge = sizes.of(step.compiled.judge_prompt, words.judge.prompt)
            self.judge_booked, self.judge_charged = (
                booked(judge, 1),
                charged(judge) + _schema_tokens(step.judge_schema, step.judge_model),
            )


def _schema_tokens(schema: Mapping[str, Any] | None, model: str) -> int:
    return charged(text_characters(schema)) if schema is not None and declared(model).schema else 0


class _Sizes:
    """The sizes of the places in one step's templates."""

    def __init__(self, asked: Asked, step: AskedStep, expected: Mapping[str, float]) -> None:
        self._asked, self._step, self._expected = asked, step, expected
        self._by_name = {each.name: each for each in asked.steps}

    def of(self, template: Template | None, source: Any) -> float:
        if template is None:
            return UNSEEN_PROMPT if callable(source) else text_characters(source or "")
        return template_characters(template, {slot: self._slot(slot) for slot in template.slots})

    def alike(self, template: Template | None) -> float:
        """Characters of what all its cells are told in the same words."""
        return (
            0 if template is None else alike_characters(template, {slot: self._own(slot) for slot in template.slots}, self._slot)
        )

    def _own(self, slot: Slot) -> bool:
        """Whether each cell has a value of its own there. On a counted axis each is asked the same, by its number apart."""
        name, step = slot.name, self._step.compiled
        need = self._by_name.get(name)
        return (
            name in ("facet", "candidates")
            or name in step.over
            or (need is not None and bool(set(need.compiled.over) & set(step.over)))
        )

    def _slot(self, slot: Slot) -> float:
        """In the order in which a prompt finds names: axes, needs, givens."""
        name, axes = slot.name, self._asked.plan.axes
        if name == "facet" and self._step.compiled.facets is not None:
            return self.facets(*slot.path)
        if name == "candidates" and self._step.compiled.candidates is not None:
            return self.candidates(slot.path)
        if name == "value" or (name in PAIR and self._step.rule.both_orders):
            return self._answer(self._step, slot.path)
        if name in self._step.compiled.over:
            axis = axes[name]
            if axis.values is not None:
                return mean_characters(axis.values, slot.path)
            return item_characters(
                self._by_name[axis.source].schema, (*axis.path, "*", *slot.path)[:-1] if slot.path else axis.path
            )
        if name in self._by_name:
            return self._need(self._by_name[name], slot.path)
        try:
            return text_characters(dig(self._asked.plan.plan.given.get(name, ""), slot.path))
        except NoSuchField:
            return 0

    def candidates(self, path: tuple[str, ...]) -> float:
        """Of all that a cell is given, or of a part of one."""
        declared = self._step.compiled.candidates
        assert declared is not None
        part = path[1:] if path and path[0].isdecimal() else path
        one = mean_characters(declared.source, part) if isinstance(declared.source, Sequence) else WORDS if part else RETRIEVED
        return one if path else 2 + declared.take * (one + 2)

    def facets(self, name: str = "", *inner: str) -> float:
        """Of a cell's value of one facet, or of all with their names."""
        facets = self._step.compiled.facets
        if facets is None or isinstance(facets.values, str):
            return 0 if facets is None else WORDS
        if name:
            return mean_characters(facets.values.get(name, ()), inner)
        return sum(len(each) + 4 + mean_characters(values, ()) for each, values in facets.values.items())

    def _answer(self, step: AskedStep, path: tuple[str, ...]) -> float:
        whole = answer_characters(step.schema, step.compiled.step.output)
        part = answer_characters(step.schema, step.compiled.step.output, path) if path else whole
        return part / max(1.0, whole) * 4.0 * self._expected.get(step.name, whole / 4.0)

    def _need(self, need: AskedStep, path: tuple[str, ...]) -> float:
        gathered = gathered_by(self._asked, need.compiled, self._step.compiled)
        if gathered is None:
            return self._answer(need, path)
        if path and path[0].isdecimal():
            return self._answer(need, path[1:])
        return 2 + gathered * (self._answer(need, ()) + 2)


def gathered_by(asked: Asked, need: CompiledStep, step: CompiledStep) -> float | None:
    """How many values of `need` a cell of `step` receives as a list; None: a single one."""
    extra = [axis for axis in need.over if axis not in step.over]
    return prod(usual_length(asked, axis) for axis in extra) if extra else None


def usual_length(asked: Asked, axis: str) -> float:
    compiled = asked.plan.axes[axis]
    if compiled.size is not None:
        return compiled.size
    learned = asked.habits.get(compiled.source)
    lengths = learned.lengths.get(axis) if learned is not None else None
    return sum(lengths) / len(lengths) if lengths else USUAL_LENGTH


def habits_of(asked: Asked) -> list[Habits]:
    """By step: what was learned, else what is declared of its model and follows from its words."""
    return [asked.habits[step.name] if step.name in asked.habits else declared_habits(asked.plan, step) for step in asked.steps]


def declared_habits(plan: CompiledPlan, step: AskedStep) -> Habits:
    model, judge = declared(step.model), declared(step.judge_model)
    words = step.compiled.step
    cells = prod(axis.size or USUAL_LENGTH for axis in (plan.axes[name] for name in step.compiled.over))
    return Habits(
        voice=_voice(model, answer_characters(step.schema, words.output), step.max_tokens),
        judge=_voice(judge, JUDGE_CHARACTERS, None),
        faults=((str(Code.TRANSIENT), model.transient),) if model.transient else (),
        malformed=model.malformed if step.schema is not None else 0.0,
        refused=model.refused if words.checks else 0.0,
        passes=judge.passes,
        names=max(NAMES, NAMES_PER_CELL * cells),
        lengths={axis.name: LENGTHS for axis in plan.axes.values() if axis.source == step.name},
    )


def _voice(model: Declared, characters: float, most: int | None) -> Voice:
    return Voice(model=model, tokens_out=characters / 4.0 * model.words, most=most)


FAULTS: dict[str, Fault] = {
    code: Fault(code=code, message=f"foreseen: {code}", retry_after_s=1.0 if code == Code.RATE_LIMITED else None, usage=Usage())
    for code in (str(Code.TRANSIENT), str(Code.RATE_LIMITED), str(Code.MALFORMED), str(Code.TRUNCATED), str(Code.FILTERED))
}
"""Faults that befall single calls, by code."""
