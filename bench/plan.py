"""`fanfold plan`: CPU seconds to foresee a run of 10,000 calls once, and how that grows; and a week of recipes, all seeds."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from time import process_time

from fanfold.apps.mealplan import plan as mealplan
from fanfold.apps.mealplan.params import Params
from fanfold.forecast.asked import Asked
from fanfold.forecast.foresee import foresee
from fanfold.forecast.trial import trial
from fanfold.foresight import Nobody, ask
from fanfold.spec.compile import compile_plan
from fanfold.spec.plan import Limits, Plan, Step
from fanfold.wiring import Settings

MODEL = "openai/some"
CALLS = 10_000
LIMITS = Limits(rpm=5_000, tpm=5_000_000)
MOST_S, MOST_GROWTH, MOST_WEEK_S = 2.0, 2.0, 5.0


def measure() -> Iterator[tuple[str, float, float | None]]:
    small, large = (seconds_per_10_000(cells, times) for cells, times in ((CALLS // 10, 10), (CALLS, 3)))
    yield f"one seed of {CALLS:,} calls: CPU seconds", large, MOST_S
    yield f"a call of {CALLS:,} over one of {CALLS // 10:,}", large / small, MOST_GROWTH
    began = process_time()
    forecast = foresee(question(mealplan(Params(days=7))))
    yield f"a week of recipes, {forecast.seeds} seeds: CPU seconds", process_time() - began, MOST_WEEK_S
    began = process_time()
    forecast = foresee(question(fan(CALLS)))
    yield f"{CALLS:,} cells, {forecast.seeds} seeds and what would change them: CPU seconds", process_time() - began, None


def question(plan: Plan) -> Asked:
    return ask(compile_plan(plan), Settings(provider=Nobody(), limits=LIMITS), MODEL, prices={})


def fan(cells: int) -> Plan:
    return Plan("fan", [Step("one", "Write about {n}.", over="n", checks=[bool])], {"n": range(cells)})


def seconds_per_10_000(cells: int, times: int) -> float:
    """CPU seconds of one seed, for 10,000 calls."""
    asked, found = question(fan(cells)), []
    for seed in range(times):
        began = process_time()
        calls = trial(asked, seed, asked.limits, None).calls
        found.append((process_time() - began) / calls * 10_000)
    return median(found)
