"""Mistakes in a plan are found before any call, with their path and a hint."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel

from fanfold import Axis, Judge, Plan, PlanError, Step, Unique
from fanfold.spec.compile import compile_plan


class Outline(BaseModel):
    title: str
    mood: Literal["light", "dark"]
    sections: list[str]


N = {"n": [1, 2, 3]}


class Titled(BaseModel):
    title: str


def _unique(unique, **words):
    return Plan("p", [Step("a", "x", over="n", output=Titled, unique=unique, **words)], N)


MISTAKES = {
    "near is a switch": (_unique(Unique("title", near=True)), "steps.a.unique.near", "above 0 and up to 1, not True"),
    "near of 0": (_unique(Unique("title", near=0)), "steps.a.unique.near", "above 0 and up to 1, not 0"),
    "near is no number": (_unique(Unique("title", near=float("nan"))), "steps.a.unique.near", "not nan"),
    "by a field of a text": (_unique("title.x"), "steps.a.unique.by", "no field 'x' in a str"),
    "a key without the value": (_unique(Unique(key=lambda: 1)), "steps.a.unique.key", "cannot be called with the value alone"),
    "a facet that is a set": (
        Plan("p", [Step("a", "x", over="n", facets={"f": {"a", "b"}})], N), "steps.a.facets.f", "write them as a list"
    ),
    "candidates that nobody sees": (
        Plan("p", [Step("a", "x", over="n", candidates=["u"])], N), "steps.a.prompt", "does not name them"
    ),
    "no steps": (Plan("p"), "steps", "no steps"),
    "unknown axis": (Plan("p", [Step("a", "x", over="m")], N), "steps.a.over", "there is no axis 'm'"),
    "axis twice in a step": (Plan("p", [Step("a", "x", over=("n", "n"))], N), "steps.a.over", "named twice"),
    "step twice": (Plan("p", [Step("a", "x"), Step("a", "y")]), "steps.a", "used twice"),
    "look-alike names": (Plan("p", [Step("a", "x"), Step("ａ", "y")]), "steps.ａ", "used twice"),
    "reserved": (Plan("p", [Step("value", "x")]), "steps.value", "reserved"),
    "unusable name": (Plan("p", [Step("../x", "x")]), "steps.../x", "not a usable name"),
    "axis and given": (Plan("p", [Step("a", "x")], N, {"n": 1}), "given.n", "both a given and an axis"),
    "unknown name": (Plan("p", [Step("a", "{diett}")], given={"diet": "x"}), "steps.a.prompt", "did you mean 'diet'?"),
    "missing variable": (Plan("p", [Step("a", "{x}")]), "steps.a.prompt", "not a given, an axis or a step"),
    "field of a given": (Plan("p", [Step("a", "{g.z}")], given={"g": {"y": 1}}), "steps.a.prompt", "no field 'z'"),
    "field of a step": (
        Plan("p", [Step("a", "x", output=Outline), Step("b", "{a.titel}")]), "steps.b.prompt", "did you mean 'title'?"
    ),
    "axis not run over": (Plan("p", [Step("a", "{n}")], N), "steps.a.prompt", "does not run over"),
    "circle": (Plan("p", [Step("a", "{b}"), Step("b", "{c}"), Step("c", "{a}")]), "steps.a", "a → b → c → a"),
    "needs itself": (Plan("p", [Step("a", "{a}")]), "steps.a.prompt", "needs itself"),
    "unknown need": (Plan("p", [Step("a", "x", needs=("b",))]), "steps.a.needs", "there is no step 'b'"),
    "empty prompt": (Plan("p", [Step("a", "  ")]), "steps.a.prompt", "empty"),
    "no prompt": (Plan("p", [Step("a")]), "steps.a", "a prompt or a function"),
    "prompt and function": (Plan("p", [Step("a", "x", function=len)]), "steps.a", "a prompt or a function"),
    "count 0": (Plan("p", [Step("a", "x", over="n")], {"n": {"count": 0}}), "axes.n.count", "from 1"),
    "count true": (Plan("p", [Step("a", "x", over="n")], [Axis("n", count=True)]), "axes.n.count", "from 1"),
    "count text": (Plan("p", [Step("a", "x", over="n")], [Axis("n", count="5")]), "axes.n.count", "from 1"),
    "values and count": (Plan("p", [Step("a", "x", over="n")], [Axis("n", [1], count=2)]), "axes.n", "exactly one of"),
    "no values": (Plan("p", [Step("a", "x", over="n")], {"n": []}), "axes.n", "no values"),
    "text as values": (Plan("p", [Step("a", "x", over="n")], {"n": "abc"}), "axes.n", "a list, not str"),
    "unknown source": (Plan("p", [Step("a", "x", over="n")], {"n": {"each": "b.c"}}), "axes.n.each", "no step 'b'"),
    "unknown list": (
        Plan("p", [Step("a", "x", output=Outline), Step("b", "x", over="n")], {"n": {"each": "a.parts"}}), "axes.n.each", "no field 'parts'"
    ),
    "dynamic without its source's axes": (
        Plan("p", [Step("a", "x", over="n"), Step("b", "x", over="s")], {"n": [1], "s": {"each": "a.x"}}),
        "steps.b.over", "write over=('n', 's')",
    ),
    "source over its own axis": (
        Plan("p", [Step("a", "x", over="s")], {"s": {"each": "a.x"}}), "axes.s.each", "cannot run over the axis it makes"
    ),
    "two independent dynamic axes": (
        Plan("p", [Step("a", "x"), Step("b", "x"), Step("c", "x", over=("s", "t"))], {"s": {"each": "a.x"}, "t": {"each": "b.x"}}),
        "steps.c.over", "independently",
    ),
    "attempts 0": (Plan("p", [Step("a", "x", attempts=0)]), "steps.a.attempts", "from 1"),
    "timeout 0": (Plan("p", [Step("a", "x", timeout_s=0)]), "steps.a.timeout_s", "above 0"),
    "weight": (Plan("p", [Step("a", "x", weight=-1)]), "steps.a.weight", "from 0"),
    "priority": (Plan("p", [Step("a", "x", priority="high")]), "steps.a.priority", "not a priority"),
    "check": (Plan("p", [Step("a", "x", checks=["short"])]), "steps.a.checks", "not callable"),  # type: ignore[list-item]
    "judge": (Plan("p", [Step("a", "x", judge="good?")]), "steps.a.judge", "is a Judge"),  # type: ignore[arg-type]
    "judge names": (Plan("p", [Step("a", "x", judge=Judge("{valu}"))]), "steps.a.judge.prompt", "did you mean 'value'?"),
    "unique field": (Plan("p", [Step("a", "x", output=Outline, unique="name")]), "steps.a.unique.by", "no field 'name'"),
    "unique of a text": (Plan("p", [Step("a", "x", unique="name")]), "steps.a.unique.by", "use Unique(by=None)"),
    "near 0": (Plan("p", [Step("a", "x", unique=Unique(near=0))]), "steps.a.unique.near", "above 0"),
    "within": (Plan("p", [Step("a", "x", over="n", unique=Unique(within="m"))], N), "steps.a.unique.within", "not an axis of the step"),
    "at_least of fewer": (Plan("p", [Step("a", "x", over="n"), Step("b", "{a}", at_least=4)], N), "steps.b.at_least", "which has 3"),
    "more than the type allows": (
        Plan("p", [Step("a", "x", output=Outline, over="n", unique="mood")], N), "steps.a.unique", "allows only 2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_by_its_path(name):
    plan, path, message = MISTAKES[name]
    with pytest.raises(PlanError) as caught:
        compile_plan(plan)
    assert caught.value.path == path
    assert message in str(caught.value)


def test_needs_come_from_prompts_judges_axes_and_the_word():
    plan = Plan(
        "p",
        [
            Step("outline", "x", output=Outline),
            Step("style", "x"),
            Step("extra", "x"),
            Step("part", "{section}", over="section", judge=Judge("{value} {style}"), needs=("extra",)),
        ],
        {"section": {"each": "outline.sections"}},
    )
    assert compile_plan(plan).step("part").needs == ("style", "extra", "outline")


def test_an_axis_and_a_step_may_share_a_name():
    """`section` over (doc, section): inside, the name is the axis; outside, it is the step."""
    steps = [
        Step("outline", "{doc}", over="doc"),
        Step("section", "Write {section}", over=("doc", "section")),
        Step("edit", "Join {section}", over="doc"),
    ]
    plan = compile_plan(Plan("report", steps, {"doc": ["a"], "section": {"each": "outline.sections"}}))
    assert plan.step("section").needs == ("outline",) and plan.step("edit").needs == ("section",)


def test_axes_may_be_written_where_they_are_used():
    plan = compile_plan(
        Plan("p", [Step("a", "{n} {m}", over=[Axis("n", [1]), "m"]), Step("b", "{a}", over=Axis("n", [1]))], {"m": range(2)})
    )
    assert plan.steps[0].over == ("n", "m") and plan.steps[1].over == ("n",)


def test_json_in_prompts_is_safe():
    compile_plan(Plan("p", [Step("a", 'Answer like {"a": {"b": 1}} or {{name} or { n }')]))


def test_a_chain_of_ten_thousand_steps_compiles():
    steps = [Step("s0", "x"), *(Step(f"s{i}", f"{{s{i - 1}}}") for i in range(1, 10_000))]
    assert len(compile_plan(Plan("p", steps)).order) == 10_000
