"""What a run has cost so far: the tokens of each model, at its prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fanfold.core.fold import RunState
from fanfold.spec.prices import Price

DIGITS = 6  # a millionth of a dollar is about a token


class Cost(NamedTuple):
    """usd: US dollars, None while nothing is known. is_: "exact", "at_least" or "unknown".

    uncertain: the part of it for calls whose tokens nobody has told, as they were booked or estimated.
    """

    usd: float | None
    is_: str
    uncertain: float = 0.0


def by_model(state: RunState, prices: Mapping[str, Price]) -> dict[str, dict[str, Any]]:
    """What each model was called for. busy_s: the time of its calls, one after the other. cost_usd: None without a price."""
    told = {}
    for model, used in state.used.items():
        price = prices.get(model)
        cost = None
        if price is not None:
            cost = price.of(used.tokens_in, used.tokens_out, used.cached) + price.of(used.guessed_in, used.guessed_out)
        told[model] = {
            "calls": used.calls,
            "busy_s": round(used.busy_us / 1e6, 3),
            "tokens_in": used.tokens_in + used.guessed_in,
            "tokens_out": used.tokens_out + used.guessed_out,
            "cost_usd": None if cost is None else round(cost, DIGITS),
        }
    return told


def cost_of(state: RunState, prices: Mapping[str, Price], models: int) -> Cost:
    """At these prices, by model; one that has none is not in them. models: how many the run may use.

    Exact when every call has told what it used. At least: while calls are in the air, where the tokens of one are an estimate, or
    where a model has no price. Unknown: without any price.
    """
    if len(prices) == 0 and (models or state.used):
        return Cost(None, "unknown")
    air = state.models_in_the_air
    priced = {model: used for model, used in state.used.items() if model in prices}
    waits = any((used.untold or model in air) and any(prices[model]) for model, used in priced.items())
    open_ = waits or len(priced) < len(state.used)
    if open_ and not any(used.told or used.untold or not any(prices[model]) for model, used in priced.items()):
        return Cost(None, "unknown")
    told = sum(prices[model].of(used.tokens_in, used.tokens_out, used.cached) for model, used in priced.items())
    guessed = sum(prices[model].of(used.guessed_in, used.guessed_out) for model, used in priced.items())
    return Cost(round(told + guessed, DIGITS), "at_least" if open_ else "exact", round(guessed, DIGITS))
