"""The report of a run as data and as text."""

from __future__ import annotations

import json

import pytest

from fanfold.core.fold import RunState, fold
from fanfold.core.freeze import freeze, thaw
from fanfold.spec.events import AnyEvent, Called, CellEnded, Hit, RunEnded, RunStarted, Settled, StepFacts
from fanfold.spec.plan import Limits
from fanfold.views.report import describe, groups, report

CONTRACT = {
    "run_id", "cells", "accepted", "failed", "calls", "retries", "hedges", "rate_limited", "cached", "wall_s", "sequential_s",
    "speedup", "lower_bound_s", "efficiency", "bound_by", "tokens_in", "tokens_out", "cost_usd", "cost_is",
    "duplicates_rejected", "steps",
}  # fmt: skip


def test_the_report_of_a_run(events: list[AnyEvent]) -> None:
    told = report(fold(events), run_id="r1", cost_usd=0.0123, cost_is="exact")
    assert set(told) >= CONTRACT
    steps = told.pop("steps")
    assert told == {
        "run_id": "r1", "plan": "mealplan", "state": "partial", "cells": 7, "accepted": 6, "failed": 1, "skipped": 0,
        "cancelled": 0, "fallbacks": 1, "calls": 11, "retries": 1, "hedges": 0, "rate_limited": 1, "cached": 0, "cache_unused": {}, "regenerated": 2,
        "duplicates_rejected": 1, "lost": 0, "max_in_flight": 6, "wall_s": 4.0, "sequential_s": 9.6, "speedup": 2.4,
        "lower_bound_s": 1.2, "efficiency": 0.3, "bound_by": "critical path", "tokens_in": 3000, "tokens_out": 720,
        "wasted_tokens": 620, "tokens_are": "exact", "cost_usd": 0.0123, "cost_is": "exact",
        "groups": [
            {"steps": ["recipe"], "wall_s": 3.6, "sequential_s": 9.2},
            {"steps": ["shopping"], "wall_s": 0.4, "sequential_s": 0.4},
        ],
    }  # fmt: skip
    assert steps["recipe"] == {
        "p50_s": 1.0, "p95_s": 1.2, "span_s": 3.6, "sequential_s": 9.2, "cells": 6, "accepted": 5, "failed": 1, "fallbacks": 0,
        "calls": 10, "regenerated": 2, "duplicates_rejected": 1, "check_rejections": {"max_minutes": 1}, "acceptance": 0.714,
        "tokens_in": 3000, "tokens_out": 720,
        "rejected": {
            "duplicate": {"count": 1, "example": "'Dal' is taken"},
            "max_minutes": {"count": 1, "example": "too long:\x1b[31m 190 min"},
        },
    }  # fmt: skip
    assert (steps["shopping"]["p50_s"], steps["shopping"]["fallbacks"]) == (None, 1)
    json.dumps([told, steps], allow_nan=False)
    assert thaw(RunState, freeze(fold(events))) == fold(events), "it outlives a restart"


GOLDEN = """\
mealplan: partial, 6 of 7 cells accepted, 1 filled by a fallback, 1 failed
  wall time      4.0 s
  sequential     9.6 s  speed-up 2.4
  lower bound    1.2 s  efficiency 0.30, bound by critical path
  calls             11  6 at once, 1 retried, 1 rate limited, 2 drawn again
  duplicates         1  rejected
  tokens         3,720  3,000 in, 720 out, 620 for answers not kept
  cost         $0.0123  exact
  step      accepted  calls  drawn again    p50    p95
  recipe         5/6     10            2  1.0 s  1.2 s
  shopping       1/1      1            0      -      -
  recipe: 1 rejected, duplicate: 'Dal' is taken
  recipe: 1 rejected, max_minutes: too long: 190 min"""


def figure(value: float | None, of: int) -> dict[str, float | int | None]:
    return {"value": value, "of": of}


DIVERSITY = {
    "review": {
        "collisions": figure(0.125, 1200), "distinct_1": figure(0.61, 900), "distinct_2": figure(0.934, 870),
        "clusters": figure(19.83, 21), "nearest": figure(0.4, 21),
        "facets": {
            "tone": {"counts": {"calm": 6, "dry": 5, "wry": 0}, "coverage": figure(0.667, 3), "entropy": figure(0.627, 11)},
            "one": {"counts": {"x": 11}, "coverage": figure(1.0, 1), "entropy": figure(None, 11)},
        },
    },
    "\x1b[31mnone": {name: figure(None, 0) for name in ("collisions", "distinct_1", "distinct_2", "clusters", "nearest")},
}  # fmt: skip

GOLDEN_DIVERSITY = """\
  review: 12 % of 1,200 answers were there already, 19.8 clusters of 21, 61 % different words, 93 % different pairs of words
    tone: 2 of 3 values, each 0 to 6 times, evenness 0.63
    one: 1 of 1 values, each 11 times
  none: nothing to compare"""


def test_how_different_answers_are_for_people(events: list[AnyEvent]) -> None:
    told = {**report(fold(events), run_id="r1", cost_usd=0.0123, cost_is="exact"), "diversity": DIVERSITY}
    assert describe(told) == GOLDEN + "\n" + GOLDEN_DIVERSITY


def test_the_report_for_people(events: list[AnyEvent]) -> None:
    assert describe(report(fold(events), run_id="r1", cost_usd=0.0123, cost_is="exact")) == GOLDEN


def test_an_unknown_cost_is_not_zero(events: list[AnyEvent]) -> None:
    told = report(fold(events), run_id="r1", cost_is="exact")
    assert (told["cost_usd"], told["cost_is"]) == (None, "unknown")
    assert "cost" not in describe(told)


def test_a_cost_that_may_be_higher_says_so(events: list[AnyEvent]) -> None:
    told = report(fold(events), run_id="r1", cost_usd=0.0123, cost_is="at_least")
    assert told["cost_is"] == "at_least" and "$0.0123  at least\n" in describe(told)


@pytest.mark.parametrize(
    ("limits", "by"), [(Limits(rpm=1000), "critical path"), (Limits(rpm=6), "requests/min"), (Limits(tpm=3000), "tokens/min")]
)
def test_limits_can_bind_and_the_bound_is_never_above_what_was_reached(events: list[AnyEvent], limits: Limits, by: str) -> None:
    told = report(fold(events), run_id="r1", limits=limits)
    assert told["bound_by"] == by
    assert told["lower_bound_s"] <= told["wall_s"]
    assert told["efficiency"] <= 1.0


def test_concurrency_binds_when_slots_are_short() -> None:
    events: list[AnyEvent] = [RunStarted(0, 0, "p", 1, (StepFacts("s", ("x",), 3),), 1)]
    for n in range(3):
        events.append(Called(len(events), n * 100, 0, (n,), n, 1, 0, 1, 5))
        events.append(Settled(len(events), n * 100 + 100, 0, (n,), n, 0, "ok", 100, 1, 1, False))
        events.append(CellEnded(len(events), n * 100 + 100, 0, (n,), "accepted", "", "", "", 1, None, None, 100))
    told = report(fold([*events, RunEnded(len(events), 300, "complete", "")]), run_id="r")
    assert (told["bound_by"], told["efficiency"], told["speedup"]) == ("concurrency", 1.0, 1.0)
    assert told["tokens_are"] == "estimated"
    assert "(estimated)" in describe(told)


def test_a_run_without_calls_has_nothing_to_compare() -> None:
    events = [
        RunStarted(0, 0, "p", 1, (StepFacts("cell", (), 1), StepFacts("sum", (), 1)), 1),
        Hit(1, 5, 0, (), "ok"),
        CellEnded(2, 5, 0, (), "accepted", "", "", "", 1, None, None, 5),
        CellEnded(3, 9, 1, (), "accepted", "", "", "", 1, None, None, 9),
        RunEnded(4, 9, "complete", ""),
    ]
    told = report(fold(events), run_id="r")
    assert (told["cached"], told["speedup"], told["efficiency"], told["groups"]) == (1, None, None, [])
    assert describe(told).splitlines()[:3] == [
        "p: complete, 2 of 2 cells accepted",
        "  wall time   0.0 s",
        "  calls           0  0 at once, 0 retried, 1 more from the cache",
    ]


def test_a_report_before_anything_happened() -> None:
    assert describe(report(RunState(), run_id="r")).startswith(": queued, 0 of 0 cells accepted")


def test_groups_are_steps_that_overlapped() -> None:
    spans = {"briefing": (0, 10), "plays": (0, 7), "procurement": (10, 15), "annex": (15, 19)}
    events: list[AnyEvent] = [RunStarted(0, 0, "briefing", 1, tuple(StepFacts(name, (), 1) for name in spans), 9)]
    marks = [(end, 0, n) for n, (_, end) in enumerate(spans.values())] + [
        (start, 1, n) for n, (start, _) in enumerate(spans.values())
    ]
    for t, kind, n in sorted(marks):
        details = (n, (), n, 1, 0, 1, 5) if kind else (n, (), n, 0, "ok", 5_000_000, 1, 1, True)
        events.append((Called if kind else Settled)(len(events), t * 1_000_000, *details))
    assert groups(fold(events)) == [
        {"steps": ["plays", "briefing"], "wall_s": 10.0, "sequential_s": 10.0},
        {"steps": ["procurement"], "wall_s": 5.0, "sequential_s": 5.0},
        {"steps": ["annex"], "wall_s": 4.0, "sequential_s": 5.0},
    ]


@pytest.mark.parametrize(
    ("paced", "by"),
    [
        (("requests", 1.0, 60, "told"), "requests/min"),
        (("tokens", 1.0, 60, "guessed"), "tokens/min"),
        (("requests", 1.0, 60, "declared"), "critical path"),
        (("concurrency", 0.0, 4, ""), "critical path"),
    ],
)
def test_a_limit_that_nobody_declared_is_named(events, paced, by):
    """What is declared is in the bound; what was learned has no time of its own, but a name."""
    state = fold(events)
    by_and_source = paced[0], paced[3]
    state.held_us = {("wait", ""): 1, by_and_source: state.wall_us // 2}
    assert report(state, run_id="r")["bound_by"] == by
