"""Random weather over whole runs, under both shells, every step watched. A failing seed: `python -m fanfold.testing repro SEED`."""

from __future__ import annotations

import hashlib
import os
from collections import Counter

import pytest

from fanfold.spec.events import Called, CellEnded, Rested, Settled, encode
from fanfold.testing.weather import Climate, same_log, shell_history

COUNT = int(os.environ.get("FANFOLD_HISTORIES", "2000"))
SEEDS = int(os.environ.get("FANFOLD_SEEDS", "0"))  # of the large two-shell runs; 15 s each for the largest
PARTS = 20
REGRESSIONS = (332, 4062, 5946, 6003, 9641, 18172)
"""Seeds that once failed."""


@pytest.mark.parametrize("part", range(PARTS))
def test_histories(part):
    for seed in range(part, COUNT, PARTS):
        try:
            same_log(Climate.of(seed))
        except BaseException as error:
            error.add_note(f"python -m fanfold.testing repro {seed}")
            raise


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_seeds_that_once_failed(seed):
    same_log(Climate.of(seed))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("days", "seeds"), [(7, 100), (1000, max(3, SEEDS)), (10_000, max(1, SEEDS))])
def test_two_shells_write_one_log(days, seeds):
    """The same plan and seed give the same log, hash for hash, whatever the size."""
    hashes = set()
    for seed in range(seeds):
        log = same_log(Climate.week(seed, days))
        assert sum(isinstance(event, CellEnded) for event in log) > 3 * days
        hashes.add(hashlib.blake2b(b"\n".join(map(encode, log))).digest())
    assert len(hashes) == seeds, "other seeds, other histories"


def test_the_same_seed_is_the_same_history():
    one, other = shell_history(Climate.of(5)), shell_history(Climate.of(5))
    assert list(map(encode, one)) == list(map(encode, other))


def test_the_weather_reaches_everything():
    """A history that never fails proves nothing: every outcome, ending and rest occurs among the first few hundred."""
    seen: Counter[str] = Counter()
    for seed in range(300):
        for event in shell_history(Climate.of(seed)):
            if isinstance(event, Settled):
                seen[f"call {event.outcome}"] += 1
            elif isinstance(event, CellEnded):
                seen[f"cell {event.state} {event.code}".strip()] += 1
            elif isinstance(event, Rested):
                seen[f"{event.kind} {event.code}"] += 1
            elif isinstance(event, Called) and event.phase:
                seen["judge"] += 1
            elif isinstance(event, Called) and event.items > 1:
                seen[f"{event.items} items"] += 1
            seen[type(event).__name__] += 1
    wanted = [
        "call ok", "call duplicate", "call cancelled", "call timeout", "call transient", "call malformed", "call truncated", "call auth",
        "cell accepted", "cell accepted auth", "cell failed transient", "cell failed duplicate", "cell failed check_failed",
        "cell failed truncated", "regenerate duplicate", "regenerate check_failed", "regenerate truncated", "retry transient",
        "retry timeout", "wait rate_limited", "judge", "BundleEnded", "StepSwept", "Grew", "2 items", "3 items",
        "5 items", "missing truncated", "missing malformed", "apart filtered",
    ]  # fmt: skip
    assert [word for word in wanted if not seen[word]] == []
