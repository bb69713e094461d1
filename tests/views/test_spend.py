"""What a run has cost: exact, at least so much, or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from fanfold import Engine, Plan, Step
from fanfold.core.fold import RunState
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.spec.errors import PlanError
from fanfold.spec.events import AnyEvent, Called, RunStarted, Settled, StepFacts, decode, encode
from fanfold.spec.prices import FREE, Price
from fanfold.testing.virtual import VirtualClock, run
from fanfold.views.spend import Cost, cost_of

DEAR = Price(2.0, 10.0)


def calls(*lanes: int, exact: bool = True, settled: bool = True, first: int = 0) -> list[AnyEvent]:
    """A call to each lane, of 1000 tokens in and 100 out: $0.003 where it is dear."""
    events: list[AnyEvent] = []
    for n, lane in enumerate(lanes, start=first):
        events.append(Called(len(events), 0, 0, (n,), n, 1, 0, lane, 700, 500, 200))
        if settled:
            events.append(Settled(len(events), 1, 0, (n,), n, 0, "ok" if exact else "cancelled", 1, 1000, 100, exact))
    return events


class Spent:
    """A run's state, told of events whatever their numbers, and what it has cost."""

    def __init__(self) -> None:
        self.state = RunState()

    def __call__(self, events: list[AnyEvent]) -> None:
        if self.state.seq < 0 and not (events and isinstance(events[0], RunStarted)):
            events = [RunStarted(0, 0, "p", 1, (StepFacts("s", ("n",), 9),), 1), *events]
        for event in events:
            self.state.apply(msgspec.structs.replace(event, seq=self.state.seq + 1))

    def cost(self, prices: Mapping[Any, Price], models: int) -> Cost:
        return cost_of(self.state, {str(model): price for model, price in prices.items()}, models)


def spend(*batches: list[AnyEvent]) -> Spent:
    found = Spent()
    for batch in batches or ([],):
        found(batch)
    return found


def test_what_was_told_is_exact() -> None:
    assert spend(calls(1, 1), calls(1, first=2)).cost({1: DEAR}, 1)[:2] == (0.009, "exact")
    assert spend(calls(1, 2)).cost({1: DEAR, 2: Price(1.0, 0.0)}, 2)[:2] == (0.004, "exact")


def test_nothing_called_has_cost_nothing() -> None:
    assert spend().cost({1: DEAR}, 1)[:2] == (0.0, "exact")
    assert spend().cost({}, 0)[:2] == (0.0, "exact"), "functions only"


def test_without_any_price_it_is_unknown() -> None:
    assert spend(calls(1)).cost({}, 1) == spend().cost({}, 1) == (None, "unknown", 0.0)
    assert spend(calls(1)).cost({2: DEAR}, 2)[:2] == (None, "unknown"), "that model was not called"


def test_a_model_without_a_price_makes_it_at_least() -> None:
    assert spend(calls(1, 2)).cost({1: DEAR}, 2)[:2] == (0.003, "at_least")
    assert spend(calls(1)).cost({1: DEAR}, 2)[:2] == (0.003, "exact"), "the other one was never called"


def test_usage_that_never_came_is_charged_as_estimated_and_marked() -> None:
    assert spend(calls(1), calls(1, exact=False, first=1)).cost({1: DEAR}, 1) == (0.006, "at_least", 0.003)
    assert spend(calls(1), calls(1, settled=False, first=1)).cost({1: DEAR}, 1) == (0.003, "at_least", 0), "in the air"
    assert spend(calls(1, exact=False)).cost({1: DEAR}, 1) == (0.003, "at_least", 0.003)


def test_what_is_free_is_exactly_nothing() -> None:
    assert spend(calls(1), calls(1, exact=False, first=1), calls(1, settled=False, first=2)).cost({1: FREE}, 1)[:2] == (
        0.0,
        "exact",
    )
    assert spend(calls(1), calls(2, exact=False, first=1)).cost({1: FREE, 2: DEAR}, 2)[:2] == (0.003, "at_least")


@pytest.mark.parametrize("lives", [1, 2])
def test_a_call_that_was_lost_with_its_process_may_have_been_charged(lives: int) -> None:
    started: list[AnyEvent] = [RunStarted(0, 0, "p", 1, (StepFacts("s", ("n",), 9),), 1)]
    found = spend(started, calls(1), calls(1, settled=False, first=1), *([started] if lives == 2 else []))
    lost = 0.003 if lives == 2 else 0  # booked: 500 in, 200 out, of the call that was cut off
    assert found.cost({1: DEAR}, 1) == (0.003 + lost, "at_least", lost)
    if lives == 2:
        found(calls(1, first=1))  # numbers of calls begin anew
        assert found.cost({1: DEAR}, 1) == (round(0.006 + lost, 6), "at_least", lost)


def test_models_are_known_by_name_through_all_lives() -> None:
    facts = (StepFacts("s", ("n",), 9),)
    first: list[AnyEvent] = [RunStarted(0, 0, "p", 1, facts, 1, 0, ((1, "openai/a"),)), *calls(1)]
    second: list[AnyEvent] = [RunStarted(3, 0, "p", 1, facts, 1, 0, ((1, "openai/b"),)), *calls(1, 1)]
    found = spend(first, second)
    assert found.state.used.keys() == {"openai/a", "openai/b"}
    assert found.cost({"openai/a": DEAR, "openai/b": Price(1.0, 0.0)}, 1) == (0.005, "exact", 0)


# -------------------------------------------------------------------- in the reports of runs


def reported(model: str = "sim/default", plan: Plan | None = None, **engine: Any) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        async with Engine(model, store=":memory:", seed=1, clock=VirtualClock(), **engine) as rooms:
            return (await rooms.run(plan or Plan("p", [Step("s", "Write {n}.", over="n")], {"n": range(3)}))).report

    return run(main())


def test_simulated_runs_are_free() -> None:
    told = reported()
    assert (told["cost_usd"], told["cost_is"]) == (0.0, "exact") and told["calls"] >= 3


def test_a_users_own_price_is_that_of_the_run() -> None:
    told = reported(prices={"sim/default": [1.0, 2.0]})
    whole = told["hedges"] == 0
    most = (told["tokens_in"] + 2 * told["tokens_out"]) / 1e6
    assert told["cost_usd"] == pytest.approx(most, abs=1e-6) if whole else 0 < told["cost_usd"] <= most
    assert told["cost_is"] == ("exact" if told["tokens_are"] == "exact" else "at_least")


def test_a_provider_of_ones_own_has_no_listed_price() -> None:
    told = reported("openai/gpt-4o-mini", provider=SimProvider(World(seed=1)))
    assert (told["cost_usd"], told["cost_is"]) == (None, "unknown")
    priced = reported("openai/gpt-4o-mini", provider=SimProvider(World(seed=1)), prices={"openai/gpt-4o-mini": (1, 2)})
    assert priced["cost_usd"] > 0


def test_a_plan_of_functions_costs_nothing() -> None:
    told = reported(plan=Plan("p", [Step("s", function=lambda cell: 1, output=int, over="n")], {"n": range(3)}))
    assert (told["cost_usd"], told["cost_is"]) == (0.0, "exact")


def test_wrong_prices_are_refused_before_anything_is_called() -> None:
    with pytest.raises(PlanError, match=r"prices\.a/b"):
        Engine("sim/default", prices={"a/b": [1]})


def test_cached_tokens_cost_less_and_an_old_journal_tells_of_none() -> None:
    called, settled = calls(1)
    assert isinstance(settled, Settled)
    cached = [msgspec.structs.replace(settled, cached=tokens) for tokens in (400, 5000)]
    model = next(iter(spend([called, settled]).state.used))
    for price, events, usd in (
        (Price(2, 10, 0.5), cached[0], 0.0024),
        (DEAR, cached[0], 0.003),
        (Price(2, 10, 0.5), cached[1], 0.0015),
    ):
        found = spend([called, events]).cost({model: price}, 1)
        assert (found.usd, found.is_) == (usd, "exact"), "by its own price, if it has one, and never more than went in"
    old = b'["Settled",1,1,0,[0],0,0,"ok",1,1000,100,true]'
    assert decode(old) == settled and decode(encode(cached[0])) == cached[0]
