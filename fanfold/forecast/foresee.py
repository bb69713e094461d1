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
from fanfold.forecast.bundled import ITEMS, bundled
from fanfold.forecast.trial import Trial, trial
from fanfold.spec.plan import Limits

FEWEST, MOST = 3, 200  # seeds
# Simulated in all: a few seconds. Counted, not timed, so that a forecast is the same everywhere.
CALLS, WHAT_IF_CALLS = 40_000, 15_000
WHAT_IF_MOST = 40  # seeds


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

    lower_bound_s, bound_by: what no schedule could beat, whatever the calls (of all seeds, the least), and what bound most of them. learned_from: runs whose calls were drawn again;
    0: declared estimates. seeds: how often it was run. hint: what would make the forecast better, or "".
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
        lower_bound_s=round(min(each.bound.us for each in trials) / 1e6, 3),
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
    if not prices:
        unknown = [m for m in asked.models if m not in asked.prices and m not in asked.free]
        hints.append(
            f"no price is known for {', '.join(unknown)}: install fanfold[prices], or give one in the config file, "
            f"prices: {{{unknown[0]}: [in, out]}}"
        )
    if not asked.learned_from and asked.models:
        hints.append("times and lengths are declared estimates, ±50 %: after a run they are learned")
    return "; ".join(hints)


# ---------------------------------------------------------------- what would change it


class Variant(NamedTuple):
    """The same plan under other limits. lifts: the word for what it gives more of, as bounds name it. cap: calls of the
    run in the air. hedges: whether late calls get a twin. asked: another plan than the one in question.
    """

    words: str
    lifts: str
    limits: Limits
    cap: int | None
    hedges: bool = True
    asked: Asked | None = None


def what_ifs(asked: Asked, seed: int, trials: Sequence[Trial]) -> list[Change]:
    """Each change by itself, tried on the first of the same seeds; what binds comes first. Of a large plan only that is tried, of a very large one nothing."""
    by = [each.bound.by for each in trials]
    variants = sorted(
        _variants(asked, max(each.most_at_once for each in trials)), key=lambda v: (not v.lifts, -by.count(v.lifts))
    )
    calls = max(1, trials[0].calls)
    variants = variants[: max(int(calls <= CALLS), WHAT_IF_CALLS // calls)]
    count = min(len(trials), enough(calls * max(1, len(variants)), WHAT_IF_MOST, WHAT_IF_CALLS, 1))
    return [_change(asked, variant, trials, [_tried(asked, variant, seed + n) for n in range(count)]) for variant in variants]


def _tried(asked: Asked, variant: Variant, seed: int) -> Trial:
    return trial(variant.asked or asked, seed, variant.limits, variant.cap, hedges=variant.hedges)


def _change(asked: Asked, variant: Variant, before: Sequence[Trial], after: Sequence[Trial]) -> Change:
    """The medians of all seeds, moved as those seeds moved that were tried."""
    wall = median(each.wall_us for each in before) / 1e6
    faster = median(_ratio(new.wall_us, old.wall_us) for new, old in zip(after, before, strict=False))
    costs = [each.cost_usd for each in before if each.cost_usd is not None]
    dearer = median(_ratio(new.cost_usd or 0, old.cost_usd or 0) for new, old in zip(after, before, strict=False))
    cost = round(median(costs) * dearer, 6) if len(costs) == len(before) else None
    return Change(variant.words, round(wall * faster, 3), cost)


def _ratio(new: float, old: float) -> float:
    return new / old if old else 1.0


def _variants(asked: Asked, most_at_once: int) -> Iterator[Variant]:
    """Twice as much of each thing that is limited."""
    if not asked.models:
        return
    limits, cap = asked.limits, asked.plan.plan.concurrent
    for name, lifts in (("rpm", REQUESTS), ("tpm", TOKENS), ("input_tpm", TOKENS), ("output_tpm", TOKENS)):
        value = getattr(limits, name)
        if value is not None:
            yield Variant(f"{name} {2 * value}", lifts, replace(limits, **{name: 2 * value}), cap)
    now = min(limits.concurrent or asked.concurrent, cap or 1 << 30)
    more = replace(limits, concurrent=max(2 * now, limits.concurrent or 0))
    lifts = SLOTS if most_at_once >= now else ""
    yield Variant(f"concurrent {2 * now}", lifts, more, None if cap is None else max(cap, 2 * now))
    yield Variant("without hedges", "", limits, cap, hedges=False)
    together = bundled(asked)
    if together is not None:
        yield Variant(f"{ITEMS} items in one call (an estimate)", REQUESTS, limits, cap, asked=together)
