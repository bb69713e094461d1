"""What is known needs no call; and checks that are given their cell."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fanfold import Axis, Cell, Plan, PlanError, Step
from fanfold.spec.checking import takes_cell
from fanfold.spec.compile import compile_plan
from fanfold.testing.scripted import Says
from tests.engine.test_engine import last, make

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
