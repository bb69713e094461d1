"""What becomes of an answer with the verdicts of its judge: in either order, unreadable, or none at all."""

from __future__ import annotations

from typing import Any

import pytest

from fanfold.core.commands import JUDGE, Call
from fanfold.core.conductor import Conductor
from fanfold.core.fold import RunState
from fanfold.core.grid import Grid
from fanfold.core.limiter import Limiter
from fanfold.core.run import Rule
from fanfold.core.verdicts import NO_VERDICT, TIE, Opinion, objection
from fanfold.spec.calls import Fault, Reply, Usage
from fanfold.spec.compile import compile_plan
from fanfold.spec.events import CellEnded, Rested
from fanfold.spec.plan import Plan, Step
from fanfold.testing.heap import Flight, Heap

SECOND = 1_000_000
GOOD, BAD = Reply(usage=Usage(), verdict=True), Reply(usage=Usage(), verdict=False, finding="dull", check="judge")


def judged(verdicts: list[Reply | Fault], **rule: Any):
    """One cell whose judge says these things in turn, the last one for ever: (its end, calls, events)."""
    conductor = Conductor()
    lane = conductor.add_lane("model", Limiter(), 4).index
    grid = Grid(compile_plan(Plan("p", [Step("a", "x")])))
    run = conductor.add(grid, [Rule(index=0, name="a", lane=lane, judge_lane=lane, **rule)], 0)
    calls: list[Call] = []

    def fly(call: Call) -> Flight:
        calls.append(call)
        if call.phase != JUDGE:
            return Flight(SECOND, Reply(usage=Usage(), key="k", judge=(50, 10)))
        asked = sum(each.phase == JUDGE for each in calls)
        return Flight(SECOND, verdicts[min(asked, len(verdicts)) - 1])

    heap = Heap(conductor, fly)
    heap.run()
    events = heap.log[run.id]
    (end,) = [event for event in events if isinstance(event, CellEnded)]
    return end, calls, events


def phases(calls: list[Call]) -> str:
    """`A` for an answer; of a judge, `1` when the value comes first and `2` when it comes second."""
    return "".join("A" if call.phase != JUDGE else "2" if call.swapped else "1" for call in calls)


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (None, Opinion(True, ""), None),
        (None, Opinion(False, "dull"), "dull"),
        (Opinion(True, ""), Opinion(True, ""), None),
        (Opinion(False, "dull"), Opinion(False, "flat"), "flat"),
        (Opinion(True, ""), Opinion(False, "flat"), f"{TIE}. flat"),
        (Opinion(False, "dull"), Opinion(True, ""), f"{TIE}. dull"),
    ],
)
def test_two_verdicts_that_differ_are_a_tie(first: Opinion | None, last: Opinion, why: str | None):
    assert objection(first, last) == why


def test_a_judge_that_compares_is_asked_in_either_order():
    end, calls, _ = judged([GOOD], both_orders=True)
    assert phases(calls) == "A12" and (end.state, end.attempts, end.check) == ("accepted", 1, "")


def test_the_orders_begin_anew_with_every_answer():
    end, calls, events = judged([GOOD, BAD, BAD, GOOD, GOOD], both_orders=True)
    assert phases(calls) == "A12A12A1" + "2" and end.state == "accepted" and end.attempts == 3
    assert [event.reason.startswith(TIE) for event in events if isinstance(event, Rested)] == [True, True]
    assert all("dull" in call.reason for call in calls[3::3])


def test_a_fault_between_the_orders_forgets_nothing():
    end, calls, _ = judged([GOOD, Fault(code="transient", message="500"), GOOD], both_orders=True)
    assert phases(calls) == "A122" and (end.state, end.attempts) == ("accepted", 1)


def test_a_plain_judge_is_asked_once():
    assert phases(judged([GOOD])[1]) == "A1"


@pytest.mark.parametrize("code", ["malformed", "truncated", "transient", "timeout", "rate_limited"])
def test_what_befalls_the_judge_costs_no_attempt(code: str):
    end, calls, events = judged([Fault(code=code, message="?"), Fault(code=code, message="?"), GOOD], attempts=1, unique=())
    assert phases(calls) == "A111" and (end.state, end.attempts, end.key) == ("accepted", 1, "k")
    assert {event.attempt for event in events if isinstance(event, Rested)} == {1}


def test_the_judge_has_retries_of_its_own():
    """An answer that was hard to get is not lost at the first fault of its judge."""
    conductor = Conductor()
    lane = conductor.add_lane("model", Limiter(), 4).index
    run = conductor.add(
        Grid(compile_plan(Plan("p", [Step("a", "x")]))), [Rule(index=0, name="a", lane=lane, judge_lane=lane, retries=2)], 0
    )
    down = Fault(code="transient", message="500")
    script = iter([down, down, Reply(usage=Usage(), judge=(50, 10)), down, down, GOOD])
    heap = Heap(conductor, lambda call: Flight(SECOND, next(script)))
    heap.run()
    assert next(event for event in heap.log[run.id] if isinstance(event, CellEnded)).state == "accepted"


@pytest.mark.parametrize(("code", "asked"), [("malformed", 5), ("transient", 5), ("filtered", 1), ("too_long", 1)])
def test_a_judge_that_never_answers_is_named(code: str, asked: int):
    end, calls, events = judged([Fault(code=code, message="nothing")])
    assert phases(calls) == "A" + asked * "1"
    assert (end.state, end.code, end.attempts, end.check) == ("failed", code, 0, "judge")
    assert end.message == f"{NO_VERDICT}: nothing" and "another model" in end.hint
    (step,) = RunState().apply_all(events).steps
    assert not step.rejected and step.rejected_last == 0, "no answer was refused"


def test_the_last_refusal_is_counted_under_its_name():
    end, _, events = judged([BAD], attempts=3)
    assert (end.code, end.check, end.message) == ("check_failed", "judge", "dull")
    (step,) = RunState().apply_all(events).steps
    assert step.checks == {"judge": 3} and (step.rejected["judge"].count, step.rejected["judge"].example) == (3, "dull")


def test_what_failed_for_another_reason_names_no_check():
    conductor = Conductor()
    lane = conductor.add_lane("model", Limiter(), 4).index
    run = conductor.add(Grid(compile_plan(Plan("p", [Step("a", "x")]))), [Rule(index=0, name="a", lane=lane, judge_lane=lane)], 0)
    script = iter([Reply(usage=Usage(), judge=(50, 10)), BAD, Fault(code="filtered", message="no")])
    heap = Heap(conductor, lambda call: Flight(SECOND, next(script)))
    heap.run()
    end = next(event for event in heap.log[run.id] if isinstance(event, CellEnded))
    assert (end.code, end.check, end.message) == ("filtered", "", "no")
