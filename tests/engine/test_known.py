"""What is known needs no call; and checks that are given their cell."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from fanfold import Axis, Cell, Plan, PlanError, Step, Unique
from fanfold.spec.checking import takes_cell
from fanfold.spec.compile import compile_plan
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import run
from tests.engine.test_engine import last, make
from tests.engine.test_resume import killed, resumed

TERMS = [{"term": "a", "meaning": "known a"}, {"term": "b", "meaning": None}, {"term": "c", "meaning": "known c"}]


def meaning(cell: Cell) -> Any:
    return cell["word"]["meaning"]


def test_what_is_known_is_not_asked_for_and_not_checked():
    refused = []

    def check(value: str) -> str | None:
        refused.append(value)
        return None

    steps = [
        Step("meaning", "Define {word.term}.", over="word", known=meaning, checks=[check]),
        Step("use", "Use {word.term}: {meaning}", over="word"),
    ]
    result, provider, took = make(
        Plan("p", steps, [Axis("word", TERMS)]), lambda request, n: Says(f"<{last(request)}>", latency_s=1)
    )
    assert result.ok and result["meaning"].values == ["known a", "<Define b.>", "known c"]
    assert result["use"].values[0] == "<Use a: known a>" and result["use"].values[1] == "<Use b: <Define b.>>"
    assert len(provider.calls) == 4 == result.report["calls"] and refused == ["<Define b.>"]
    assert took == pytest.approx(2, abs=0.1), "what needs something known starts at once, beside what has to be asked"


def test_known_that_fails_or_does_not_fit_fails_its_own_cell():
    def known(cell: Cell) -> Any:
        if cell["n"] == 1:
            raise ValueError("lost")
        return ["no text"] if cell["n"] == 2 else None

    result, provider, _ = make(Plan("p", [Step("a", "{n}", over="n", known=known)], {"n": [1, 2, 3]}), [Says("x")])
    assert [cell.state for cell in result["a"]] == ["failed", "failed", "accepted"] and len(provider.calls) == 1
    assert "lost" in result.errors[0].message and "a text is needed" in result.errors[1].message


@pytest.mark.parametrize("words", [{"known": "x", "prompt": "p"}, {"known": meaning, "function": meaning}])
def test_known_is_a_callable_of_a_step_with_a_prompt(words):
    with pytest.raises(PlanError, match=r"steps\.a\.known"):
        compile_plan(Plan("p", [Step("a", **words)]))


def test_a_check_is_given_its_cell_where_it_asks_for_it():
    def about(value: str, cell: Cell) -> str | None:
        return None if cell["word"]["term"] in value and cell.needs == {} else f"it does not use {cell['word']['term']}"

    class Method:
        def check(self, value: str, cell: Cell) -> bool:
            return cell.step == "use"

    said = {"a": ["nothing", "an a"], "b": ["b"], "c": ["c"]}
    result, provider, _ = make(
        Plan("p", [Step("use", "Use: {word.term}", over="word", checks=[about, Method().check])], [Axis("word", TERMS)]),
        lambda request, n: Says(said[key].pop(0) if len(said[key := request.messages[0].content[5]]) > 1 else said[key][0]),
    )
    assert result["use"].values == ["an a", "b", "c"] and len(provider.calls) == 4
    assert "it does not use a" in last(provider.calls[-1])


def test_a_check_of_a_function_step_too():
    def check(value: int, cell: Cell) -> bool:
        return value == cell["n"] * 2

    result, _, _ = make(Plan("p", [Step("a", function=lambda cell: 4, output=int, over="n", checks=[check])], {"n": [1, 2]}), [])
    assert [cell.state for cell in result["a"]] == ["failed", "accepted"]


def test_what_counts_as_asking_for_the_cell():
    def two(value, cell): ...
    def given(value, most=3): ...

    assert takes_cell(two) and not takes_cell(given) and not takes_cell(len) and not takes_cell(str)
    assert not takes_cell(partial(two, cell=1)) and not takes_cell(lambda value: True)


class Named(BaseModel):
    name: str


def test_a_known_value_that_is_taken_is_asked_for_and_nothing_is_called_without_a_prompt():
    def known(cell: Cell) -> Any:
        return Named(name="Same") if cell["n"] < 3 else None

    step = Step("a", "Name {n}.", over="n", output=Named, unique="name", known=known, attempts=3)
    result, provider, _ = make(Plan("p", [step], {"n": range(4)}), lambda request, n: Says({"name": f"other {n}"}))
    assert result.ok and len({value.name for value in result.values}) == 4 and result.at(n=0).name == "Same"
    assert result.report["calls"] == len(provider.calls) == 3 and result.report["duplicates_rejected"] == 2
    assert sum("Same" in last(request) for request in provider.calls) >= 2, "it is told what is taken"


def test_a_known_value_that_is_taken_fails_where_no_prompt_can_be_made_for_another():
    def prompt(cell: Cell) -> str:
        raise ValueError("there is nothing to ask")

    step = Step("a", prompt, over="n", unique=Unique(), known=lambda cell: "same", attempts=5)
    result, provider, _ = make(Plan("p", [step], {"n": range(3)}), [])
    assert [cell.state for cell in result["a"]] == ["accepted", "failed", "failed"] and not provider.calls
    assert {error.code for error in result.errors} == {"duplicate"} and result.report["calls"] == 0


def test_a_spare_of_a_counted_axis_is_not_what_a_cell_is_known_to_be():
    step = Step(
        "a", "Say.", over="n", unique=Unique(), known=lambda cell: "same", checks=[lambda value: "bad" not in value], attempts=6
    )

    def script(request, number):
        return Says("bad" if number % 3 == 1 else f"new {number}", latency_s=1 + number % 4)

    result, provider, _ = make(Plan("p", [step], [Axis("n", count=12)]), script)
    refused = len([request for number, request in enumerate(provider.calls) if number % 3 == 1])
    assert result.ok and len(set(result.values)) == 12 and "same" in result.values
    assert result.report["calls"] == len(provider.calls) > 11 + refused / 2, "spares were launched"
    assert result.report["duplicates_rejected"] == 11, "once for each of the others"


def test_a_known_value_is_not_known_again_in_the_next_life():
    step = Step("a", "Name {n}.", over="n", unique=Unique(), known=lambda cell: "same", attempts=2)
    plan = Plan("p", [step], {"n": range(2)})

    async def main():
        store, provider = MemoryStore(), ScriptedProvider([Says("other", latency_s=1)])
        run_id = await killed(store, provider, plan, 2)
        assert len(provider.calls) <= 1
        return await resumed(store, provider, run_id, plan)

    result = run(main())
    assert result.ok and sorted(result.values) == ["other", "same"] and result.report["duplicates_rejected"] == 1
