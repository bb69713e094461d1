"""The front door over a scripted provider, in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Judge, Limits, Markdown, Plan, PlanError, RunFailed, Step, Unique
from fanfold.spec.calls import Fault, Request, Scope
from fanfold.spec.phrases import AVOID, PREVIOUS, REJECTED
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Recipe(BaseModel):
    name: str
    minutes: int


def make(plan: Plan, script: Any, **options: Any):
    """Run a plan in virtual time: (result, provider, seconds it took)."""
    provider = script if isinstance(script, ScriptedProvider) else ScriptedProvider(script)
    start = {key: options.pop(key) for key in ("deadline_s", "sinks") if key in options}

    async def main():
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock(), **options) as engine:
            result = await engine.start(plan, **start).result()
            return result, asyncio.get_running_loop().time()

    result, took = run(main())
    return result, provider, took


def last(request: Request) -> str:
    return request.messages[-1].content


def test_a_plan_of_recipes_takes_about_one_call():
    def shopping(cell):
        return [f"{recipe.name} {recipe.minutes}" for recipe in cell["recipe"]]

    plan = Plan(
        "week",
        steps=[
            Step("recipe", "A {diet} {meal} for day {day}.", output=Recipe, over=("day", "meal"), unique="name"),
            Step("shopping", function=shopping, needs=("recipe",), output=list[str]),
        ],
        axes=[Axis("day", range(1, 8)), Axis("meal", ["breakfast", "lunch", "dinner"])],
        given={"diet": "vegan"},
    )
    result, provider, took = make(plan, lambda request, n: Says({"name": f"Dish {n}", "minutes": n}))
    assert took == 1.0
    assert last(provider.calls[0]) == "A vegan breakfast for day 1."
    assert result.state == "complete" and result.ok and result.exit_code == 0
    assert result.at("recipe", day=1, meal="lunch") == Recipe(name="Dish 1", minutes=1)
    assert result["shopping"].values == [[f"Dish {n} {n}" for n in range(21)]]
    assert [row["day"] for row in result["recipe"].rows()] == [day for day in range(1, 8) for _ in range(3)]
    report = result.report
    assert (report["cells"], report["accepted"], report["calls"]) == (22, 22, 21)
    assert report["sequential_s"] == 21.0 and report["speedup"] == 21.0 and report["efficiency"] == 1.0
    assert json.loads(json.dumps(result.to_json()))["values"]["recipe"][3]["at"] == {"day": 2, "meal": "breakfast"}


def test_a_gather_is_in_axis_order_whatever_ends_first():
    plan = Plan("p", [Step("a", "{n}", over="n"), Step("b", "{a}")], {"n": range(5)})
    script = lambda request, n: Says(last(request), latency_s=5 - n % 5)  # noqa: E731
    result, provider, _ = make(plan, script)
    assert last(provider.calls[-1]) == '["0","1","2","3","4"]' and result["a"].values == list("01234")


def test_no_two_names_are_the_same_and_losers_are_told_what_to_avoid():
    names = iter(["Soup", "SOUP", "soup.", "Stew", "Curry"])
    provider = ScriptedProvider(
        lambda request, n: Says({"name": next(names), "minutes": 1}, latency_s=2.0, first_s=0.5, pieces=2)
    )
    plan = Plan("p", [Step("r", "x", output=Recipe, over="n", unique="name")], {"n": [1, 2, 3]})
    result, provider, took = make(plan, provider)
    assert sorted(recipe.name for recipe in result.values) == ["Curry", "Soup", "Stew"]
    assert took == 2.5, "losers were cancelled when their name had streamed"
    assert provider.cancelled == 2 and result.report["duplicates_rejected"] == 2
    assert f"{AVOID}\n- Soup" in last(provider.calls[3])
    schema = provider.calls[0].schema
    assert schema is not None and next(iter(schema["properties"])) == "name"


def test_a_rejected_answer_is_shown_again_with_the_reason():
    def long_enough(value: str) -> str | None:
        return None if len(value) > 3 else "too short, write more"

    plan = Plan("p", [Step("r", "x", checks=[long_enough])])
    result, provider, _ = make(plan, ["ab", "abcdef"])
    assert result.values == ["abcdef"]
    assert REJECTED in last(provider.calls[1]) and "too short, write more" in last(provider.calls[1])
    assert f"{PREVIOUS}\nab" in last(provider.calls[1])


@pytest.mark.parametrize("check", [lambda value: False, lambda value: "no", lambda value: 1 / 0, lambda value: exit()])
def test_whatever_a_check_does_is_a_reason(check):
    result, provider, _ = make(Plan("p", [Step("r", "x", checks=[check], attempts=2)]), ["a"])
    assert len(provider.calls) == 2
    (error,) = result.errors
    assert (error.stage, error.code, error.attempts) == ("r", "check_failed", 2)
    with pytest.raises(RunFailed, match="check_failed"):
        result.raise_for_errors()


def test_answers_that_do_not_fit_are_regenerated_and_never_accepted():
    good = {"name": "a", "minutes": 2}
    script = ["", "no json", '{"name": "a"', {"name": "a", "minutes": "soon"}, "```json\n" + json.dumps(good) + "\n```"]
    result, provider, _ = make(Plan("p", [Step("r", "x", output=Recipe)]), script)
    assert result.values == [Recipe(name="a", minutes=2)]
    assert len(provider.calls) == 5
    assert "minutes" in last(provider.calls[4])


def test_a_judge_decides_and_its_reason_goes_into_the_next_attempt():
    def script(request: Request, n: int) -> Says:
        if "good?" in last(request):
            return Says({"reason": "dull", "pass": "second" in last(request)})
        return Says("second" if "dull" in last(request) else "first")

    result, provider, _ = make(Plan("p", [Step("r", "x", judge=Judge("Is {value} good?"))]), script)
    assert result.values == ["second"]
    assert len(provider.calls) == 4


def test_dynamic_axes_carry_the_values_of_the_answer():
    class Outline(BaseModel):
        sections: list[str]

    plan = Plan(
        "report",
        steps=[
            Step("outline", "Outline of {doc}", output=Outline, over="doc"),
            Step("section", "Write {section_title} of {outline.sections}", over=("doc", "section_title")),
            Step("edit", "Edit: {section}", over="doc", output=Markdown),
        ],
        axes=[Axis("doc", ["a", "b"]), Axis("section_title", each="outline.sections")],
    )

    def script(request: Request, n: int) -> Says:
        text = last(request)
        if text.startswith("Outline"):
            return Says({"sections": ["intro", "end"] if text.endswith("a") else []})
        return Says("```markdown\n# " + text + "\n```" if text.startswith("Edit") else text)

    result, _, took = make(plan, script)
    assert took == 3.0
    assert result["section"].values == ['Write intro of ["intro","end"]', 'Write end of ["intro","end"]']
    assert result["edit"].values[1] == "# Edit: []"
    assert result.ok


def test_fallbacks_are_marked_and_the_rest_goes_on():
    plan = Plan(
        "briefing",
        steps=[
            Step("plays", "p"),
            Step("procurement", "from {plays}", output=dict[str, int], fallback=lambda cell: {"rows": len(cell.at)}),
            Step("annex", "{procurement}"),
        ],
    )
    filtered = Fails(Fault(code="filtered", message="refused"))
    result, _, _ = make(plan, lambda request, n: filtered if last(request) == "p" else Says(last(request)))
    assert [(e.stage, e.code) for e in result.errors] == [("plays", "filtered"), ("procurement", "upstream")]
    assert [(e.stage, e.code) for e in result.fallbacks] == [("procurement", "upstream")]
    assert result["annex"].values == ['{"rows":0}']
    assert result.exit_code == 3


def test_an_optional_cell_may_fail():
    plan = Plan("p", [Step("a", "x"), Step("b", "y", required=False)])
    result, _, _ = make(plan, lambda request, n: Fails(Fault(code="filtered")) if last(request) == "y" else Says())
    assert result.exit_code == 0 and len(result.errors) == 1


def test_nothing_accepted_is_exit_1_and_a_wrong_key_is_asked_once_each():
    fault = Fails(Fault(code="auth", message="wrong key", scope=Scope.LANE, status=401))
    result, provider, _ = make(Plan("p", [Step("a", "{n}", over="n")], {"n": range(100)}), [fault], limits=Limits(concurrent=5))
    assert len(provider.calls) == 5 and result.exit_code == 1
    assert {error.code for error in result.errors} == {"auth"} and len(result.errors) == 100


def test_counted_cells_that_cannot_all_be_filled_say_so():
    plan = Plan("p", [Step("r", "x", output=Recipe, over="n", unique="name", attempts=3)], {"n": {"count": 4}})
    result, _, _ = make(plan, [{"name": "one", "minutes": 1}])
    assert len(result.values) == 1
    assert result.shortfall is not None
    short = result.shortfall["r"]
    assert (short["asked"], short["accepted"], short["code"]) == (4, 1, "duplicate")


def test_declared_limits_and_concurrency_hold():
    result, provider, took = make(
        Plan("p", [Step("a", "{n}", over="n")], {"n": range(30)}), [Says("x")], limits=Limits(rpm=10, concurrent=4)
    )
    assert provider.max_in_flight == 4 and result.ok
    starts = provider.started
    assert all(sum(a <= b < a + 60 for b in starts) <= 10 for a in starts)
    assert took < 124


def test_a_plan_may_limit_its_own_calls():
    _, provider, _ = make(Plan("p", [Step("a", "{n}", over="n")], {"n": range(9)}, concurrent=2), ["x"])
    assert provider.max_in_flight == 2


def test_cells_come_as_they_end_and_a_late_reader_misses_none():
    plan = Plan("p", [Step("a", "{n}", over="n"), Step("b", "{a}", over="n")], {"n": range(4)})

    async def main():
        provider = ScriptedProvider(lambda request, n: Says(last(request), latency_s=4 - n % 4))
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            started = engine.start(plan)
            seen = [(cell.step, cell.at["n"], cell.elapsed_s) async for cell in started]
            again = [(cell.step, cell.at["n"], cell.elapsed_s) async for cell in started]
            return seen, again

    seen, again = run(main())
    assert seen == again and len(seen) == 8
    assert seen[0] == ("a", 3, 1.0) and [elapsed for *_, elapsed in seen] == sorted(elapsed for *_, elapsed in seen)


def test_cancel_keeps_what_is_there():
    plan = Plan("p", [Step("a", "{n}", over="n"), Step("b", "{a}")], {"n": range(6)})

    async def main():
        provider = ScriptedProvider(lambda request, n: Says("x"))
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock(), limits=Limits(concurrent=2)) as engine:
            started = engine.start(plan)
            await asyncio.sleep(1.5)
            started.cancel()
            started.cancel()
            result = await started.result()
            return result, provider, asyncio.get_running_loop().time()

    result, provider, took = run(main())
    assert took == 1.5 and provider.in_flight == 0 and len(provider.calls) == 4
    assert result.exit_code == 130 and len(result["a"].values) == 2
    assert {error.code for error in result.errors} == {"cancelled"}
    assert len(result["a"].cells) == 6 and len(result["b"].cells) == 1


def test_the_deadline_of_a_run():
    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(6)})
    result, _, took = make(plan, ["x"], limits=Limits(concurrent=2), deadline_s=2.5)
    assert took == 2.5 and len(result.values) == 4 and {error.code for error in result.errors} == {"timeout"}


def test_a_call_that_hangs_ends_at_its_timeout():
    provider = ScriptedProvider([Says("x", latency_s=10_000), Says("y")])
    result, provider, took = make(Plan("p", [Step("a", "x", timeout_s=3)]), provider)
    assert result.values == ["y"] and provider.cancelled == 1 and 4 < took < 5


def test_a_view_that_fails_is_removed_and_the_run_goes_on(caplog):
    told = []

    def broken(events):
        raise RuntimeError("no display")

    result, _, _ = make(Plan("p", [Step("a", "x")]), ["x"], sinks=[broken, told.extend])
    assert result.ok and told
    assert caplog.text.count("a view failed") == 1


def test_several_runs_share_an_engine():
    async def main():
        provider = ScriptedProvider(lambda request, n: Says(last(request)))
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            runs = [engine.start(Plan(f"p{i}", [Step("a", f"{i} {{n}}", over="n")], {"n": range(3)})) for i in range(3)]
            first = [await r.result() for r in runs]
            await asyncio.sleep(100)
            later = await engine.run(Plan("later", [Step("a", "later")]))
            return first, later

    first, later = run(main())
    assert [r.values for r in first] == [[f"{i} {n}" for n in range(3)] for i in range(3)]
    assert later.values == ["later"] and len({r.run_id for r in first}) == 3


def test_prompt_callables_system_prompts_and_user_keys():
    plan = Plan(
        "p",
        [
            Step(
                "a",
                lambda cell: [("assistant", "hello"), {"role": "user", "content": f"{cell.at['n']}/{cell.given['g']}"}],
                system="You are {g}.",
                over="n",
                unique=Unique(key=lambda value: value[0]),
            )
        ],
        {"n": [1, 2]},
        {"g": "kind"},
    )
    result, provider, _ = make(plan, ["ax", "ay", "bz"])
    assert [(m.role, m.content) for m in provider.calls[0].messages] == [
        ("system", "You are kind."), ("assistant", "hello"), ("user", "1/kind"),
    ]  # fmt: skip
    assert sorted(result.values) in (["ax", "bz"], ["ay", "bz"])


def test_a_prompt_that_raises_fails_its_own_cell():
    plan = Plan("p", [Step("a", lambda cell: str(1 // cell.at["n"]), over="n")], {"n": [0, 1]})
    result, provider, _ = make(plan, ["x"])
    assert len(provider.calls) == 1 and result.exit_code == 3
    assert result.errors[0].code == "internal" and "ZeroDivisionError" in result.errors[0].message


def test_mistakes_are_found_before_any_call():
    provider = ScriptedProvider(["x"])
    with pytest.raises(PlanError, match=r"steps\.a\.prompt: \{dya\} is not a given, an axis or a step \(did you mean 'day'\?"):
        make(Plan("p", [Step("a", "{dya}", over="day")], {"day": [1]}), provider)
    with pytest.raises(PlanError, match="output"):
        make(Plan("p", [Step("a", "x", output=object())]), provider)
    assert provider.calls == []


@pytest.mark.parametrize(
    ("output", "answer", "value"),
    [
        (int, '{"value": 3}', 3),
        (list[str], '{"value": ["a"]}', ["a"]),
        (list[str], '["a"]', ["a"]),
        (bool, '{"value": true}', True),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Markdown, "# hi", "# hi"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, '{"a": 1}', {"a": 1}),
        ({"type": "array", "items": {"type": "integer"}}, '{"value": [1, 2]}', [1, 2]),
    ],
)
def test_outputs_of_any_kind(output, answer, value):
    result, provider, _ = make(Plan("p", [Step("a", "x", output=output)]), [answer])
    assert result.values == [value]
    schema = provider.calls[0].schema
    assert schema is None or schema["type"] == "object"
