"""The fold of a run's events: incremental, bounded, and right about every count."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.core.counts import COUNTED, SAMPLES_KEPT, Latencies
from fanfold.core.fold import ERRORS_KEPT, RunState, Shortfall, fold
from fanfold.spec.events import (
    AnyEvent,
    BundleEnded,
    Called,
    CellEnded,
    Coords,
    Grew,
    Rested,
    RunEnded,
    RunStarted,
    Settled,
    StepFacts,
    StepSwept,
    decode,
    encode,
)


class Story:
    """Writes a stream by hand: numbers and times are filled in."""

    def __init__(self, *steps: StepFacts, cap: int = 8) -> None:
        self.events: list[AnyEvent] = []
        self.t = 0
        self.add(RunStarted, "plan", 7, steps, cap)

    def add(self, kind: Any, *details: Any) -> None:
        self.events.append(kind(len(self.events), self.t, *details))

    def called(self, step: int, at: Coords, call: int, phase: int = 0, lane: int = 1) -> None:
        self.add(Called, step, at, call, 1, phase, lane, 30)

    def settled(self, step: int, at: Coords, call: int, outcome: str = "ok", took: int = 1000, phase: int = 0) -> None:
        self.t += took
        self.add(Settled, step, at, call, phase, outcome, took, 10, 20, True)

    def rested(self, step: int, at: Coords, kind: str, code: str, check: str = "") -> None:
        self.add(Rested, step, at, kind, code, "because", check, 2, self.t)

    def ended(self, step: int, at: Coords, state: str = "accepted", code: str = "", path: int = 0) -> None:
        self.add(CellEnded, step, at, state, code, code and "why", "", 1, None, None, path)

    def answered(self, step: int, at: Coords, call: int, path: int = 0) -> None:
        self.called(step, at, call)
        self.settled(step, at, call)
        self.ended(step, at, path=path)

    def run_ended(self, state: str = "complete", why: str = "") -> None:
        self.add(RunEnded, state, why)

    @property
    def state(self) -> RunState:
        return fold(self.events)


def recipes(cells: int = 4, **more: Any) -> StepFacts:
    return StepFacts("recipe", ("day",), cells, **more)


def test_a_cell_may_wait_that_was_never_called() -> None:
    story = Story(recipes())
    story.rested(0, (1,), "wait", "rate_limited")
    assert (story.state.steps[0].waits, story.state.total.calls) == (1, 0)


def test_a_cell_from_call_to_acceptance() -> None:
    story = Story(recipes())
    seen = []

    def look() -> None:
        step = story.state.steps[0]
        seen.append((step.waiting, step.running, step.checking, step.accepted))

    look()
    story.called(0, (0,), 1)
    look()
    story.settled(0, (0,), 1)
    look()
    story.called(0, (0,), 2, phase=1)
    look()
    story.settled(0, (0,), 2, phase=1)
    look()
    story.ended(0, (0,), path=2000)
    look()
    assert seen == [(4, 0, 0, 0), (3, 1, 0, 0), (3, 0, 1, 0), (3, 0, 1, 0), (3, 0, 1, 0), (3, 0, 0, 1)]
    state = story.state
    assert (state.path_us, state.wall_us, state.total.sequential_us) == (2000, 2000, 2000)
    assert repr(state) == "<RunState plan running 25 %: 1/4 accepted, 0 failed, 0 in the air, 2 calls, 0.0 s>"


def test_a_judge_that_fails_is_asked_again_and_the_answer_stands() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.settled(0, (0,), 1)
    story.called(0, (0,), 2, phase=1)
    story.settled(0, (0,), 2, "transient", phase=1)
    story.rested(0, (0,), "retry", "transient")
    step = story.state.steps[0]
    assert (step.waiting, step.checking, step.retries, step.wasted) == (0, 1, 1, 30)


def test_a_rejected_answer_goes_back_to_waiting_and_its_tokens_were_for_nothing() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.settled(0, (0,), 1)
    story.rested(0, (0,), "regenerate", "check_failed", "length")
    step = story.state.steps[0]
    assert (step.waiting, step.regenerations, step.checks, step.wasted) == (1, 1, {"length": 1}, 30)
    story.answered(0, (0,), 2)
    total = story.state.total
    assert (total.wasted, total.tokens_in, total.tokens_out, total.acceptance) == (30, 20, 40, 0.5)


def test_a_twin_cancelled_early_is_one_duplicate_and_no_time_of_a_one_at_a_time_run() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.rested(0, (0,), "regenerate", "duplicate")  # its key was taken while it streamed
    story.called(0, (0,), 2)
    assert story.state.in_flight == 2
    assert story.state.steps[0].running == 1
    story.settled(0, (0,), 1, "duplicate", took=500)
    assert story.state.steps[0].running == 1
    story.settled(0, (0,), 2, took=700)
    story.ended(0, (0,))
    state = story.state
    total = state.total
    assert (total.duplicates, total.sequential_us, total.wasted, total.hedges, state.max_in_flight) == (1, 700, 30, 0, 2)


def test_the_last_duplicate_of_a_cell_counts_too() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.settled(0, (0,), 1)
    story.ended(0, (0,), "failed", "duplicate")
    total = story.state.total
    assert (total.duplicates, total.failed, total.acceptance) == (1, 1, 0.0)


def test_retries_waits_and_429s_are_apart() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.settled(0, (0,), 1, "rate_limited", took=50)
    story.rested(0, (0,), "wait", "rate_limited")
    story.called(0, (0,), 2)
    story.settled(0, (0,), 2, "transient", took=60)
    story.rested(0, (0,), "retry", "transient")
    story.answered(0, (0,), 3)
    total = story.state.total
    assert (total.calls, total.waits, total.rate_limited, total.retries, total.regenerations) == (3, 1, 1, 1, 0)
    assert total.sequential_us == 1060, "a retry would have been made one at a time as well; a limit would not have been met"
    assert story.state.steps[0].outcomes == {"rate_limited": 1, "transient": 1, "ok": 1}


def test_a_second_call_beside_one_that_counts_is_a_hedge() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.called(0, (0,), 2)
    story.settled(0, (0,), 2)
    story.ended(0, (0,))
    story.settled(0, (0,), 1, "cancelled")
    total = story.state.total
    assert (total.hedges, total.accepted, total.running, total.sequential_us, total.wasted) == (1, 1, 0, 1000, 30)


def test_before_anything_is_known_nothing_is_done() -> None:
    assert RunState().percent == 0.0 and RunState().total.cells == 0


def test_a_fallback_is_accepted_and_an_error() -> None:
    story = Story(recipes(1))
    story.called(0, (0,), 1)
    story.settled(0, (0,), 1, "timeout")
    story.ended(0, (0,), "accepted", "timeout")
    state = story.state
    assert (state.total.accepted, state.total.fallback, state.total.own) == (1, 1, 0)
    assert [(failure.at, failure.code, failure.attempts) for failure in state.errors] == [((0,), "timeout", 1)]
    assert state.fallbacks == state.errors
    assert state.steps[0].codes == {"timeout": 1}


def test_bundles_end_many_cells_at_once() -> None:
    story = Story(recipes(100), StepFacts("shop", (), 1))
    story.add(BundleEnded, 0, (), 10, 100, "failed", "auth", "wrong key", "set it")
    story.add(BundleEnded, 1, (), 0, 1, "skipped", "upstream")
    state = story.state
    assert (state.total.failed, state.total.skipped, state.total.waiting) == (90, 1, 10)
    assert [(failure.cells, failure.code, failure.hint) for failure in state.errors] == [(90, "auth", "set it")]


def test_a_swept_run_stays_at_the_per_cent_it_had_reached() -> None:
    story = Story(recipes(4))
    story.answered(0, (0,), 1)
    story.called(0, (1,), 2)
    story.settled(0, (1,), 2, "cancelled")
    story.add(StepSwept, 0, "cancelled", "cancelled", "the run was cancelled")
    story.run_ended("cancelled", "cancelled")
    state = story.state
    assert (state.total.cancelled, state.total.waiting, state.total.running) == (3, 0, 0)
    assert state.percent == 25.0


def test_a_resumed_run_reopens_what_only_the_stop_had_ended() -> None:
    story = Story(recipes(3))
    story.answered(0, (0,), 1)
    story.add(StepSwept, 0, "failed", "budget")
    story.run_ended("partial", "budget")
    story.add(RunStarted, "plan", 7, (recipes(3),), 8)
    state = story.state
    assert (state.state, state.total.waiting, state.total.failed, state.steps[0].codes) == ("running", 2, 0, {})
    story.answered(0, (1,), 1)
    story.answered(0, (2,), 2)
    story.run_ended()
    assert story.state.percent == 100.0


def test_spares_are_not_more_than_the_whole() -> None:
    story = Story(StepFacts("review", ("n",), 2, counted=True))
    story.answered(0, (0,), 1)
    for call in range(2, 8):
        story.called(0, (call,), call)
    assert (story.state.steps[0].running, story.state.percent) == (6, 75.0)


@pytest.mark.parametrize("restarts", [True, False], ids=["time begins anew", "time goes on"])
def test_calls_in_the_air_at_the_cut_are_lost_and_wall_time_is_of_both_lives(restarts: bool) -> None:
    story = Story(recipes(2))
    story.answered(0, (0,), 1)
    story.called(0, (1,), 2)
    story.t = 0 if restarts else 1000
    story.add(RunStarted, "plan", 7, (recipes(2),), 4)
    assert (story.state.in_flight, story.state.total.lost, story.state.total.waiting) == (0, 1, 1)
    story.answered(0, (1,), 1)
    story.run_ended()
    state = story.state
    assert (state.lives, state.wall_us, state.total.calls, state.total.lost, state.cap) == (2, 2000, 3, 1, 8)
    assert state.steps[0].last_settled == 2000


def test_a_dynamic_step_grows_and_may_tell_so_again() -> None:
    story = Story(StepFacts("outline", ("doc",), 2), StepFacts("section", ("doc", "section"), 0))
    story.answered(0, (0,), 1)
    story.add(Grew, 1, 5)
    assert story.state.percent == 25.0
    story.answered(0, (1,), 2)
    story.add(Grew, 1, 8)
    story.add(RunStarted, "plan", 7, (StepFacts("outline", ("doc",), 2), StepFacts("section", ("doc", "section"), 0)), 8)
    story.add(Grew, 1, 5)
    story.add(Grew, 1, 8)
    assert story.state.steps[1].cells == 8


def test_an_empty_dynamic_step_is_no_work_left() -> None:
    story = Story(StepFacts("outline", (), 1), StepFacts("section", ("section",), 0))
    story.answered(0, (), 1)
    assert story.state.percent == 50.0
    story.run_ended()
    assert story.state.percent == 100.0


def test_weights_share_the_per_cent_and_a_running_step_counts_half() -> None:
    story = Story(*(StepFacts(name, (), 1, weight) for name, weight in [("b", 30), ("p", 30), ("q", 20), ("a", 20)]))
    story.called(0, (), 1)
    story.called(1, (), 2)
    assert story.state.percent == 30.0
    story.settled(0, (), 1)
    story.ended(0, ())
    assert story.state.percent == 45.0


def test_shortfall_of_counted_steps_names_the_leading_code() -> None:
    story = Story(StepFacts("review", ("sample",), 5, counted=True), recipes(1))
    story.answered(0, (0,), 1)
    for n, code in enumerate(["duplicate", "check_failed", "duplicate"], start=1):
        story.ended(0, (n,), "failed", code)
    story.ended(0, (4,), "accepted", "timeout")
    story.ended(1, (0,), "failed", "timeout")
    assert story.state.shortfall == []
    story.run_ended("partial")
    assert story.state.shortfall == [Shortfall("review", 5, 1, "duplicate")]


def test_lanes_are_counted_apart() -> None:
    story = Story(recipes(2))
    story.called(0, (0,), 1, lane=1)
    story.called(0, (1,), 2, lane=2)
    story.settled(0, (1,), 2)
    lanes = story.state.lanes
    assert [(n, lane.calls, lane.tokens) for n, lane in lanes.items()] == [(1, 1, 0), (2, 1, 30)]


def test_an_event_told_twice_counts_once() -> None:
    story = Story(recipes())
    story.answered(0, (0,), 1)
    assert fold(story.events + story.events) == story.state


def test_errors_are_bounded_and_still_counted() -> None:
    story = Story(recipes(ERRORS_KEPT + 10))
    for n in range(ERRORS_KEPT + 10):
        story.ended(0, (n,), "failed", "filtered")
    state = story.state
    assert len(state.errors) == ERRORS_KEPT
    assert state.total.failed == ERRORS_KEPT + 10


def test_latencies_are_bounded_deterministic_and_close() -> None:
    sample, order = Latencies(), list(range(1, 100_001))
    Random(1).shuffle(order)
    for took in order:
        sample.add(took)
    assert SAMPLES_KEPT / 2 <= len(sample.kept) <= SAMPLES_KEPT
    median, p95 = sample.quantile(0.5), sample.quantile(0.95)
    assert median == pytest.approx(50_000, rel=0.03)
    assert p95 == pytest.approx(95_000, rel=0.02)


@pytest.mark.parametrize(
    ("times", "share", "expected"),
    [([], 0.5, None), ([7], 0.5, 7), ([3, 1, 2], 0.5, 2), ([4, 1, 3, 2], 0.5, 2), (range(1, 101), 0.95, 95), ([1, 2], 1.0, 2)],
)
def test_quantiles_are_nearest_ranks(times: Any, share: float, expected: int | None) -> None:
    sample = Latencies()
    for took in times:
        sample.add(took)
    assert sample.quantile(share) == expected


def test_memory_follows_the_live_cells() -> None:
    story = Story(recipes(3000))
    for n in range(2000):
        story.answered(0, (n,), n)
    state = story.state
    assert state.steps[0].live == {}
    assert state.in_flight == 0


# -------------------------------------------------------------------- any legal history


ENDINGS = [("accepted", ""), ("failed", "timeout"), ("accepted", "filtered"), ("skipped", "upstream")]


class Walk:
    """A random legal history, told by the rules of the stream alone."""

    def __init__(self, rng: Random, *, faults: bool) -> None:
        self.rng, self.faults = rng, faults
        self.cells = [rng.randint(0, 4) for _ in range(rng.randint(1, 3))]
        self.facts = tuple(StepFacts(f"s{n}", ("x",), size, rng.choice([0.5, 1, 30])) for n, size in enumerate(self.cells))
        self.open = {(n, (x,)): "waiting" for n, size in enumerate(self.cells) for x in range(size)}
        self.air: dict[int, tuple[int, Coords, int, bool]] = {}  # call -> step, at, phase, counts
        self.made = 0
        self.story = Story(*self.facts)

    def run(self) -> list[AnyEvent]:
        while self.open or self.air:
            self.story.t += self.rng.randint(0, 1000)
            if self.faults and self.rng.random() < 0.02:
                return self.stop()
            if self.faults and self.rng.random() < 0.02:
                self.cut()
            self.step()
        self.story.run_ended(self.rng.choice(["complete", "partial"]))
        return self.story.events

    def step(self) -> None:
        ready = [cell for cell, state in self.open.items() if state in ("waiting", "to judge")]
        if ready and (not self.air or self.rng.random() < 0.5):
            cell = self.rng.choice(ready)
            if self.open[cell] == "waiting" and self.rng.random() < 0.1:
                self.end(cell)  # a hit, or a fault before any call
            else:
                self.call(cell, int(self.open[cell] == "to judge"))
        elif self.air:
            self.settle(self.rng.choice(list(self.air)))

    def call(self, cell: tuple[int, Coords], phase: int) -> None:
        self.made += 1
        self.air[self.made] = (*cell, phase, True)
        self.open[cell] = "judging" if phase else "running"
        self.story.called(*cell, self.made, phase)
        if self.faults and self.rng.random() < 0.15:  # doomed while in the air
            self.air[self.made] = (*cell, phase, False)
            self.open[cell] = "to judge" if phase else "waiting"
            self.story.rested(*cell, "retry" if phase else "regenerate", "timeout" if phase else "duplicate")

    def settle(self, call: int) -> None:
        step, at, phase, counts = self.air.pop(call)
        good = counts and (not self.faults or self.rng.random() < 0.7)
        outcome = "ok" if good else self.rng.choice(["transient", "rate_limited"]) if counts else "duplicate"
        self.story.settled(step, at, call, outcome, self.rng.randint(0, 500), phase)
        if not counts:
            return
        if good and not phase and self.rng.random() < 0.3:
            self.open[step, at] = "to judge"
        elif good and (not self.faults or self.rng.random() < 0.7):
            self.end((step, at))
        elif good:
            self.open[step, at] = "waiting"
            self.story.rested(step, at, "regenerate", "check_failed", "taste")
        elif self.rng.random() < 0.3:
            self.end((step, at))
        else:
            self.open[step, at] = "to judge" if phase else "waiting"
            self.story.rested(step, at, self.rng.choice(["retry", "wait"]), outcome)

    def end(self, cell: tuple[int, Coords]) -> None:
        del self.open[cell]
        state, code = "accepted", ""
        if self.faults:
            state, code = self.rng.choice(ENDINGS)
        self.story.ended(*cell, state, code, self.rng.randint(0, 9999))

    def cut(self) -> None:
        self.air.clear()
        self.open = dict.fromkeys(self.open, "waiting")
        self.story.t = self.rng.choice([0, self.story.t])
        self.story.add(RunStarted, "plan", 7, self.facts, 8)

    def stop(self) -> list[AnyEvent]:
        for call, (step, at, phase, _) in self.air.items():
            self.story.settled(step, at, call, "cancelled", 5, phase)
        for n in {step for step, _ in self.open}:
            self.story.add(StepSwept, n, "cancelled", "cancelled")
        self.story.run_ended("cancelled", "cancelled")
        return self.story.events


RANDOM = st.randoms(use_true_random=False)


@settings(deadline=None)
@given(RANDOM, st.booleans(), st.floats(0, 1))
def test_folding_is_incremental(rng: Random, faults: bool, share: float) -> None:
    events = Walk(rng, faults=faults).run()
    cut = int(share * len(events))
    state = fold(events[:cut])
    assert state.apply_all(events[cut:]) == fold(events)
    assert fold(decode(encode(event)) for event in events) == fold(events), "the journal tells the same story"


@settings(deadline=None)
@given(RANDOM, st.booleans())
def test_counts_always_add_up(rng: Random, faults: bool) -> None:
    state = RunState()
    for event in Walk(rng, faults=faults).run():
        state.apply(event)
        for counts in (*state.steps, state.total):
            assert min(getattr(counts, name) for name in COUNTED) >= 0
            assert counts.waiting >= 0
            assert counts.wasted <= counts.tokens_in + counts.tokens_out
        assert 0 <= state.percent <= 100
        assert state.in_flight <= state.max_in_flight
    total = state.total
    assert total.waiting == total.running == total.checking == state.in_flight == 0
    assert total.ended == total.cells
    assert sum(sum(step.outcomes.values()) for step in state.steps) + total.lost == total.calls
    assert not any(step.live for step in state.steps)


@settings(deadline=None)
@given(RANDOM)
def test_per_cent_only_rises_while_every_answer_is_accepted_and_ends_at_100(rng: Random) -> None:
    state, last = RunState(), 0.0
    for event in Walk(rng, faults=False).run():
        state.apply(event)
        assert state.percent >= last - 1e-9
        last = state.percent
    assert last == 100.0


def test_a_cell_that_was_skipped_is_in_no_list_of_errors() -> None:
    """What it hung on is there; to tell each cell again would bury it."""
    story = Story(recipes(2))
    story.ended(0, (0,), "failed", "auth")
    story.ended(0, (1,), "skipped", "upstream")
    assert [(error.at, error.code) for error in story.state.errors] == [((0,), "auth")]
    assert (story.state.total.failed, story.state.total.skipped) == (1, 1)
