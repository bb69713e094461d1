"""What earlier lives of a run have left, event by event: at the edges that short runs do not come to."""

from __future__ import annotations

from fanfold.core.grid import Grid
from fanfold.core.past import Past
from fanfold.core.window import DAY, SECOND
from fanfold.spec.compile import compile_plan
from fanfold.spec.events import AnyEvent, Called, CellEnded, RunStarted, StepFacts
from fanfold.spec.plan import Plan, Step

WALL = 1_700_000_000 * SECOND


def started(*lanes: tuple[int, str]) -> RunStarted:
    return RunStarted(0, 0, "p", 1, (StepFacts("a", ("n",), 3),), 8, WALL, lanes)


def called(seq: int, t: int = 0, lane: int = 1) -> Called:
    return Called(seq, t, 0, (0,), seq, 1, 0, lane, 30, 10)


def ended(seq: int, n: int, state: str = "accepted", code: str = "") -> CellEnded:
    return CellEnded(seq, SECOND, 0, (n,), state, code, "", "", 1, None, None, 0)


def test_what_was_read_before_changes_nothing():
    events: list[AnyEvent] = [started((1, "m")), called(1), called(2), ended(3, 0)]
    once, twice = Past().apply_all(events), Past().apply_all(events)
    assert twice.apply_all(events[1:]) == once
    assert once.steps[0].calls == 2 and [sent.calls for sent in once.recent["m"]] == [2]
    assert (once.recent["m"][0].tokens_in, once.recent["m"][0].tokens_out) == (20, 40)


def test_calls_through_a_lane_that_nobody_named_are_calls_and_no_more():
    """Journals of before lanes had names: no limit of theirs can be found again."""
    past = Past().apply_all([started(), called(1)])
    assert past.steps[0].calls == 1 and past.recent == {}


def test_of_what_was_sent_no_more_than_two_days_are_kept():
    """One call a second for two days and a little: what is older than any limit's span goes, a day at a time."""
    seconds = 2 * DAY // SECOND + 3
    past = Past()
    past.apply(started((1, "m")))
    for n in range(seconds):
        past.apply(called(n + 1, n * SECOND))
    kept = past.recent["m"]
    assert len(kept) <= 2 * DAY // SECOND and kept[-1].wall == WALL + (seconds - 1) * SECOND
    assert kept[0].wall <= kept[-1].wall - DAY, "all of the last day is there"


def test_a_step_that_is_new_has_nothing_to_keep():
    past = Past().apply_all([started(), ended(1, 0), ended(2, 1), ended(3, 2, "failed", "auth")])
    steps = [Step("a", "{n}", over="n"), Step("b", "{a}", over="n")]
    again = list(past.reopen(Grid(compile_plan(Plan("p", steps, {"n": range(3)})))))
    assert [(each.step, each.state, each.code, each.cells) for each in again] == [(0, "failed", "auth", 1)]
    assert set(past.steps[0].ended) == {(0,), (1,)}
