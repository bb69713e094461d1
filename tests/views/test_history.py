"""How the runs of a plan went over time: what is counted, what is usual, which way it goes."""

from __future__ import annotations

import pytest

from fanfold.views.history import describe_history, history


def report(number: int, wall: float, **words):
    spans = {"a": wall / 2, "b": None}
    told = {
        "run_id": f"r{number}", "state": "complete", "cells": 4, "accepted": 4, "fallbacks": 0, "regenerated": 0, "calls": 4, "retries": 0,
        "max_in_flight": 2, "wall_s": wall, "sequential_s": 2 * wall, "speedup": 2.0, "groups": [],
        "steps": {name: {"span_s": span} for name, span in spans.items()},
    }  # fmt: skip
    return f"2026-01-0{number}T00:00:00Z", {**told, **words}


def test_what_is_usual():
    told = history("p", [report(n, float(n)) for n in range(1, 6)])
    assert told["at_once"] == {
        "runs": 5,
        "wall_s": {"p50": 3, "p95": 5},
        "speedup": {"p50": 2, "p95": 2},
        "steps": {"a": {"p50": 1.5, "p95": 2.5}, "b": {"p50": None, "p95": None}},
    }
    assert told["one_at_a_time"]["runs"] == 0 and told["speedup_measured"] is None


def test_runs_that_were_cut_short_or_called_nothing_are_shown_and_not_counted():
    runs = [report(1, 4), report(2, 1, state="cancelled"), report(3, 1, state="running"), report(4, 0, calls=0, max_in_flight=0)]
    told = history("p", runs)
    assert len(told["runs"]) == 4 and told["at_once"]["runs"] == 1 and told["one_at_a_time"]["runs"] == 0


def test_runs_one_at_a_time_are_apart_and_measure_the_others():
    told = history("p", [report(1, 5), report(2, 12, max_in_flight=1), report(3, 7), report(4, 18, max_in_flight=1)])
    assert told["speedup_measured"] == 2.5 and told["one_at_a_time"]["wall_s"] == {"p50": 15, "p95": 18}
    assert "measured: 2.5 times faster" in describe_history(told)


def test_the_trend():
    assert history("p", [report(n, 1) for n in range(1, 4)])["trend"] is None, "too few to say"
    worse = {"accepted": 3, "fallbacks": 1, "regenerated": 2, "retries": 1}
    told = history("p", [report(1, 4), report(2, 6), report(3, 7, **worse), report(4, 9, **worse)])
    assert told["trend"] == {
        "wall_s": {"before": 5, "now": 8},
        "without_value": {"before": 0, "now": 0.5},
        "rejected": {"before": 0, "now": 0.5},
        "retries_per_call": {"before": 0, "now": 0.25},
    }
    text = describe_history(told)
    assert "wall time 5.0 s, then 8.0 s" in text and "cells without a value of their own 0.0 %, then 50.0 %" in text


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_runs_are_told_too(number):
    text = describe_history(history("p", [report(n + 1, 1) for n in range(number)]))
    assert text.startswith(["There are no runs of p", "p: 1 run\n", "p: 2 runs, the newest last\n"][number])


def test_names_of_others_do_nothing_to_a_terminal():
    told = history("p\x1b[2J", [report(1, 1, steps={"\x1b[31mred": {"span_s": 1.0}})])
    assert "\x1b" not in describe_history(told)
