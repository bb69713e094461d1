"""What a run would take: seeds of the same conductor in virtual time, what binds them, and what would change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import log
from statistics import median
from typing import Any, NamedTuple

import msgspec

from fanfold.forecast.asked import Asked
from fanfold.forecast.bundled import ITEMS, bundled
from fanfold.forecast.trial import Trial, trial
from fanfold.spec.plan import Limits

FEWEST, MOST = 3, 200  # seeds
# Simulated in all: a few seconds. Counted, not timed, so that a forecast is the same everywhere.
CALLS, WHAT_IF_CALLS = 30_000, 10_000
WHAT_IF_MOST = 40  # seeds
CHANGES, NOTHING = 4, 0.02  # shown at most; and what changes less is no change


class Band(msgspec.Struct, frozen=True):
    """One seed in ten is below p10, half are below p50, one in ten is above p90."""

    p10: float
    p50: float
    p90: float

    def holds(self, value: float) -> bool:
        return self.p10 <= value <= self.p90


class Change(msgspec.Struct, frozen=True):
    """Something that could be changed, and the medians that it would lead to."""

    change: str
    wall_s: float
    cost_usd: float | None


class StepForecast(msgspec.Struct, frozen=True):
    """Medians of one step."""

    cells: int
    accepted: int
    calls: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would take, in seconds, tokens and US dollars. cells: the median, where a dynamic axis decides.

    lower_bound_s: for the calls of nine seeds in ten no schedule is faster; as each seed has its own bound, it is never above
    wall_s.p10. bound_by: what bound most of them. sequential_s: the median of the calls one at a time. what_if: what does most first.
    learned_from: runs whose calls were drawn again; 0: declared estimates. seeds: how often it was run. hint: what would make the
    forecast better, or "".
    """

    plan: str
    models: list[str]
    cells: int
    accepted: Band
    calls: Band
    wall_s: Band
    tokens_in: Band
    tokens_out: Band
    cost_usd: Band | None
    sequential_s: float
    lower_bound_s: float
    bound_by: str
    what_if: list[Change]
    duplicates: Band
    drawn_again: Band
    steps: dict[str, StepForecast]
    seeds: int
    learned_from: int
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def foresee(asked: Asked, *, seed: int = 0, seeds: int | None = None) -> Forecast:
    """Run the plan in virtual time, once for each seed from `seed` on. seeds: how many; None: as many as a few seconds allow."""
    limits, cap = asked.limits, asked.plan.plan.concurrent
    first = trial(asked, seed, limits, cap)
    count = seeds or enough(first.calls)
    trials = [first, *(trial(asked, seed + n, limits, cap) for n in range(1, count))]
    prices = all(each.cost_usd is not None for each in trials)
    by = Counter(each.bound.by for each in trials)
    return Forecast(
        plan=asked.plan.plan.name,
        models=asked.models,
        cells=round(median(each.cells for each in trials)),
        accepted=_counts(trials, lambda each: each.accepted),
        calls=_counts(trials, lambda each: each.calls),
        wall_s=_band(trials, lambda each: each.wall_us / 1e6, 3),
        tokens_in=_counts(trials, lambda each: each.tokens_in),
        tokens_out=_counts(trials, lambda each: each.tokens_out),
        cost_usd=_band(trials, lambda each: each.cost_usd or 0.0, 6) if prices else None,
        sequential_s=round(median(each.sequential_us for each in trials) / 1e6, 3),
        lower_bound_s=_band(trials, lambda each: each.bound.us / 1e6, 3).p10,
        bound_by=by.most_common(1)[0][0],
        what_if=what_ifs(asked, seed, trials),
        duplicates=_counts(trials, lambda each: each.duplicates),
        drawn_again=_counts(trials, lambda each: each.drawn_again),
        steps=_steps(asked, trials),
        seeds=count,
        learned_from=asked.learned_from,
        hint=_hint(asked, prices=prices),
    )


def enough(calls: int, most: int = MOST, of: int = CALLS, fewest: int = FEWEST) -> int:
    """Seeds that can be afforded when one makes so many calls."""
    return min(most, max(fewest, of // max(1, calls)))


def _band(trials: Sequence[Trial], what: Callable[[Trial], float], digits: int) -> Band:
    values = sorted(map(what, trials))
    return Band(*(round(_quantile(values, share), digits) for share in (0.1, 0.5, 0.9)))


def _counts(trials: Sequence[Trial], what: Callable[[Trial], float]) -> Band:
    values = sorted(map(what, trials))
    return Band(*(round(_quantile(values, share)) for share in (0.1, 0.5, 0.9)))


def _quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, between them by line."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def _steps(asked: Asked, trials: Sequence[Trial]) -> dict[str, StepForecast]:
    found = {}
    for index, step in enumerate(asked.steps):
        numbers = [each.steps[index] for each in trials]
        found[step.name] = StepForecast(*(round(median(each[i] for each in numbers)) for i in range(3)))
    return found


def _hint(asked: Asked, *, prices: bool) -> str:
    hints = []
    unknown = [model for model in asked.models if model not in asked.prices]
    if unknown and not prices:
        install = "" if asked.has_list else "install fanfold[prices], or "
        table = ", ".join(f'"{model}" = [0.15, 0.60]' for model in unknown)
        said = "write its price (US dollars for a million tokens in, and out) under [prices] in the config file"
        hints.append(f"no price is known for {', '.join(unknown)}: {install}{said}, such as {table}")
    if not asked.learned_from and asked.models:
        hints.append("times and lengths are declared estimates, ±50 %: after a run they are learned")
    return "; ".join(hints)


# ---------------------------------------------------------------- what would change it


class Variant(NamedTuple):
    """The same plan under other limits. cap: calls of the run in the air. hedges: whether late calls get a twin. asked: another plan than
    the one in question.
    """

    words: str
    limits: Limits
    cap: int | None
    hedges: bool = True
    asked: Asked | None = None


def what_ifs(asked: Asked, seed: int, trials: Sequence[Trial]) -> list[Change]:
    """Changes that would make it faster or cheaper, each by itself, tried on the first of the same seeds; what does most comes first.

    Of a large plan only the likeliest are tried, of a very large one none.
    """
    calls = max(1, trials[0].calls)
    variants = list(_variants(asked, trials))[: max(int(calls <= CALLS), WHAT_IF_CALLS // calls)]
    count = min(len(trials), enough(calls * max(1, len(variants)), WHAT_IF_MOST, WHAT_IF_CALLS, 1))
    found = []
    for variant in variants:
        after = [
            trial(variant.asked or asked, seed + n, variant.limits, variant.cap, hedges=variant.hedges) for n in range(count)
        ]
        wall, cost = _moved(trials, after, lambda each: each.wall_us), _moved(trials, after, lambda each: each.cost_usd or 0.0)
        if min(wall, cost) < 1 - NOTHING:
            found.append((log(wall) + log(cost), _change(variant, trials, wall, cost)))
    return [change for _, change in sorted(found, key=lambda pair: pair[0])[:CHANGES]]


def _moved(before: Sequence[Trial], after: Sequence[Trial], what: Callable[[Trial], float]) -> float:
    """How many times as much the median is, of the seeds that were tried both ways."""
    old, new = median(map(what, before[: len(after)])), median(map(what, after))
    return new / old if old and new else 1.0


def _change(variant: Variant, before: Sequence[Trial], wall: float, cost: float) -> Change:
    """The medians of all seeds, moved as those seeds moved that were tried."""
    costs = [each.cost_usd for each in before if each.cost_usd is not None]
    return Change(
        variant.words,
        round(median(each.wall_us for each in before) / 1e6 * wall, 3),
        round(median(costs) * cost, 6) if len(costs) == len(before) else None,
    )


LIMITS = {"rpm": "requests", "tpm": "tokens", "input_tpm": "input tokens", "output_tpm": "output tokens"}
"""A declared limit, and what is said of a run that it holds back."""


def _variants(asked: Asked, trials: Sequence[Trial]) -> Iterator[Variant]:
    """Twice as much of each thing that held the run back, the longest first; then what may help any run."""
    if not asked.models:
        return
    limits, cap = asked.limits, asked.plan.plan.concurrent
    held = {
        by: median(each.held_us.get(by, 0) / max(1, each.wall_us) for each in trials) for by in (*LIMITS.values(), "concurrency")
    }
    now = min(limits.concurrent or asked.concurrent, cap or 1 << 30)
    more = replace(limits, concurrent=max(2 * now, limits.concurrent or 0))
    found = {"concurrency": Variant(f"concurrent {2 * now}", more, None if cap is None else max(cap, 2 * now))}
    for name, by in LIMITS.items():
        value = getattr(limits, name)
        if value is not None:
            found[by] = Variant(f"{name} {2 * value}", replace(limits, **{name: 2 * value}), cap)
    yield from (found[by] for by in sorted(found, key=lambda by: -held[by]) if held[by] > NOTHING)
    together = bundled(asked)
    if together is not None:
        yield Variant(f"{ITEMS} items in one call (items_per_call, an estimate)", limits, cap, asked=together)
    if any(each.hedges for each in trials):
        yield Variant("without hedges", limits, cap, hedges=False)
