"""The same command twice, in two processes: the second is answered from the cache, where it should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PLAN = """\
name: haiku
axes: {n: {count: 6}}
steps:
  haiku: {prompt: "A haiku.", over: [n]}
"""


@pytest.fixture
def twice(fanfold, serve, tmp_path: Path):
    """(calls, answers from the cache) of two runs of a command against one server, and what was said."""
    server = serve("--latency", "0", "--slips", "0")
    (tmp_path / "haiku.yaml").write_text(PLAN)

    def call(*args: str, again: tuple[str, ...] = ()) -> tuple[list[tuple[int, int]], str]:
        model = ("--model", "openai/sim", "--base-url", server.url, "--format", "json")
        done = [fanfold(*args, *model, *more, code=0) for more in ((), again)]
        reports = [json.loads(each.stdout)["report"] for each in done]
        assert server.stats()["requests"] >= sum(report["calls"] for report in reports)
        return [(report["calls"], report["cached"]) for report in reports], done[1].stderr

    return call


def test_a_plan_takes_what_it_was_answered_before(twice):
    counts, said = twice("run", "haiku.yaml")
    assert counts == [(6, 0), (0, 6)]
    assert "6 from the cache" in said and "6 more from the cache" in said


def test_a_plan_without_the_cache_asks_anew(twice):
    assert twice("run", "haiku.yaml", again=("--no-cache",))[0][1] == (6, 0)


def test_a_plan_takes_nothing_that_is_too_old(twice):
    assert twice("run", "haiku.yaml", again=("--cache-ttl", "0.001"))[0][1] == (6, 0)


MEALS = ("mealplan", "--days", "1")


def test_an_application_is_asked_for_something_new(twice):
    (_, again), _ = twice(*MEALS)
    assert again[0] >= 3 and again[1] == 0


@pytest.mark.parametrize("option", [("--cache",), ("--seed", "7"), ("--cache-ttl", "3600")], ids=lambda option: option[0])
def test_an_application_takes_what_it_was_answered_before_where_that_is_wanted(twice, option):
    (first, again), _ = twice(*MEALS, *option)
    assert first[0] >= 3 and again[0] == 0 and again[1] == 3


def test_a_time_without_a_cache_is_wrong_usage(fanfold):
    done = fanfold("mealplan", "--no-cache", "--cache-ttl", "5", code=2)
    assert "--cache-ttl" in done.stderr
