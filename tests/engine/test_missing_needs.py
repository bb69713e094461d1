"""A step that goes on whatever becomes of what it needs, and calls that have less time when they are tried again."""

from __future__ import annotations

import pytest

from fanfold import Engine, Plan, PlanError, Step
from fanfold.spec.calls import Fault
from fanfold.spec.compile import compile_plan
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_engine import last, make

REFUSED = Fails(Fault(code="filtered", message="no"))


def both(cell):
    return f"{cell['a']} and {cell['b']}"


PLAN = Plan("p", [Step("a", "A"), Step("b", "B"), Step("c", both, needs=("a", "b"), at_least=0), Step("d", "D {c}")])


def told(request, number):
    return REFUSED if last(request) == "B" else Says(last(request).lower())


def test_at_least_0_goes_on_without_a_value_and_there_is_one_error():
    result, provider, _ = make(PLAN, told)
    assert [last(call) for call in provider.calls] == ["A", "B", "a and None", "D a and none"]
    assert result.state == "partial" and [error.stage for error in result.errors] == ["b"]


def test_it_waits_for_what_is_slower_and_fails():
    slow = lambda request, n: Fails(REFUSED.fault, 5) if last(request) == "B" else Says(last(request), 1)  # noqa: E731
    _, provider, took = make(PLAN, slow)
    assert provider.started == [0, 0, 5, 6] and took == 7


def test_a_need_that_was_skipped_is_as_good_as_one_that_failed():
    steps = [Step("a", "B"), Step("b", "X {a}"), Step("c", lambda cell: f"c {cell['b']}", needs=("b",), at_least=0)]
    result, provider, _ = make(Plan("p", steps), told)
    assert [last(call) for call in provider.calls] == ["B", "c None"]
    assert [(error.stage, error.code) for error in result.errors] == [("a", "filtered"), ("b", "upstream")]


def test_whose_value_is_missing_is_said():
    steps = [Step("a", "A"), Step("b", "B"), Step("c", "X {b}"), Step("d", "X {a} {b}")]
    result, _, _ = make(Plan("p", steps), told)
    assert {error.stage: error.message for error in result.errors if error.code == "upstream"} == {
        "c": "it needs 'b', which has no value",
        "d": "it needs 'a' and 'b', and not all of them have a value",
    }


def test_a_text_shows_null_where_a_value_is_missing():
    steps = [Step("b", "B"), Step("c", "so: {b}", at_least=0)]
    result, provider, _ = make(Plan("p", steps), told)
    assert last(provider.calls[-1]) == "so: null" and result["c"].values == ["so: null"]


def test_each_cell_of_an_axis_goes_on_by_itself():
    steps = [Step("a", "{n}", over="n"), Step("b", lambda cell: f"b {cell['a']}", over="n", needs=("a",), at_least=0)]
    script = lambda request, n: REFUSED if last(request) == "1" else Says(last(request))  # noqa: E731
    result, _, _ = make(Plan("p", steps, {"n": [0, 1, 2]}), script)
    assert result["b"].values == ["b 0", "b None", "b 2"] and len(result.errors) == 1


def test_one_that_was_resumed_does_too():
    """Cancelled while the step that goes on is in the air."""
    store = MemoryStore()

    async def main():
        provider = ScriptedProvider(
            lambda request, n: Says("late", 100) if last(request).startswith("a and") else told(request, n)
        )
        async with Engine(provider=provider, store=store, clock=VirtualClock()) as engine:
            started = engine.start(PLAN)
            async for cell in started:
                if cell.step == "a":  # the other one has failed by then
                    break
            started.cancel()
            await started.result()
            other = ScriptedProvider(told)
        async with Engine(provider=other, store=store, clock=VirtualClock()) as engine:
            return other, await (await engine.resume(started.id, PLAN)).result()

    other, result = run(main())
    assert [last(call) for call in other.calls] == ["a and None", "D a and none"]
    assert [error.stage for error in result.errors] == ["b"]


# -------------------------------------------------------------------- the time-out of a retry


@pytest.mark.parametrize(("share", "second"), [(1.0, 8), (0.5, 4), (0.25, 2)])
def test_a_call_that_is_tried_again_has_a_share_of_the_time(share, second):
    provider = ScriptedProvider([Says("x", latency_s=100), Says("x", latency_s=100), Says("y", latency_s=1.9)])
    step = Step("a", "x", timeout_s=8, retry_timeout_share=share)
    result, provider, took = make(Plan("p", [step]), provider)
    assert result.values == ["y"] and provider.cancelled == 2
    pauses = (provider.started[1] - 8) + (provider.started[2] - provider.started[1] - second)
    assert 0 < pauses < 5 and took == pytest.approx(provider.started[2] + 1.9)


def test_an_answer_that_is_drawn_again_has_all_the_time():
    refuse_once = lambda value: value != "bad"  # noqa: E731
    step = Step("a", "x", timeout_s=8, retry_timeout_share=0.25, checks=[refuse_once])
    result, _, took = make(Plan("p", [step]), [Says("bad", latency_s=7), Says("good", latency_s=7)])
    assert result.values == ["good"] and took == 14 and result.report["retries"] == 0


@pytest.mark.parametrize("share", [0, -1, 1.5, "half", True, float("nan")])
def test_a_share_is_above_0_and_up_to_1(share):
    with pytest.raises(PlanError, match=r"steps\.a\.retry_timeout_share"):
        compile_plan(Plan("p", [Step("a", "x", retry_timeout_share=share)]))
