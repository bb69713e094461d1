"""Killed after any durable write, once or again and again, a run goes on to an end that a run without kills could have had."""

from __future__ import annotations

import os

import pytest

from fanfold.spec.events import CellEnded, Reopened, RunStarted
from fanfold.testing.lives import lives_history
from fanfold.testing.weather import Climate

COUNT = int(os.environ.get("FANFOLD_LIVES", "400"))
PARTS = 8
REGRESSIONS = ((44, (23,)), (50, (6,)), (598, (40,)), (797, (40,)))


@pytest.mark.parametrize("part", range(PARTS))
def test_lives(part):
    for seed in range(part, COUNT, PARTS):
        for kills in ((1 + seed % 7,), (2 + seed % 23,), (3 + seed % 11, 1 + seed % 5), (40,)):
            try:
                lives_history(Climate.of(seed), kills)
            except BaseException as error:
                error.add_note(f"seed {seed}, killed after {kills} writes")
                raise


@pytest.mark.parametrize(("seed", "kills"), REGRESSIONS)
def test_lives_that_once_failed(seed, kills):
    lives_history(Climate.of(seed), kills)


@pytest.mark.parametrize("seed", [3, 16, 31, 58])
def test_every_crash_point_of_a_run(seed):
    """Before and after each durable write, until no kill comes any more."""
    climate = Climate.of(seed)
    kill, ended = 1, False
    while not ended:
        log = lives_history(climate, (kill,))
        ended = sum(isinstance(event, RunStarted) for event in log) == 1
        kill += 1
    assert kill > 5, "it has writes enough to be killed at"


def test_lives_reach_what_they_are_for():
    seen = {"Reopened": 0, "several lives": 0, "kept": 0}
    for seed in range(60):
        log = lives_history(Climate.of(seed), (2 + seed % 23,))
        lives = [event.seq for event in log if isinstance(event, RunStarted)]
        seen["several lives"] += len(lives) > 1
        seen["Reopened"] += sum(isinstance(event, Reopened) for event in log)
        seen["kept"] += len(lives) > 1 and any(
            isinstance(e, CellEnded) and e.state == "accepted" and e.seq < lives[1] for e in log
        )
    assert min(seen.values()) > 5, seen
