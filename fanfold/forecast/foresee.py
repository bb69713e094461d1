"""What a run would take: seeds of the same conductor in virtual time, what binds them, and what would change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

import msgspec

from fanfold.core.bound import REQUESTS, SLOTS, TOKENS
from fanfold.forecast.asked import Asked
from fanfold.forecast.trial import Trial, trial
from fanfold.spec.plan import Limits

FEWEST, MOST = 3, 200  # seeds
# Simulated in all: a few seconds. Counted, not timed, so that a forecast is the same everywhere.
CALLS, WHAT_IF_CALLS = 60_000, 20_000
