"""A budget: never more than that and what is in the air; what is accepted is kept; it holds over lives."""

from __future__ import annotations

import asyncio

import pytest

from fanfold import Engine, Judge, Plan, PlanError, Step
from fanfold.core.money import DOLLAR, Money, cost_of
from fanfold.spec.calls import Usage
from fanfold.spec.plan import UNSET
from fanfold.spec.prices import Price
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_resume import killed

CALL = Usage(tokens_in=100, tokens_out=100)  # a cent, at these prices
PRICES = {"openai/x": [0.0, 100.0]}


def plan_of(count=100, **words):
    return Plan("many", [Step("one", "do {n}", over="n", sampling={"max_tokens": 100}, **words)], {"n": range(count)})


def provider(usage=CALL, **options):
    return ScriptedProvider(lambda request, number: Says("good", usage=usage, latency_s=1, **options))


def engine_of(calls, store=":memory:", prices=PRICES, **options):
    return Engine("openai/x", provider=calls, store=store, clock=VirtualClock(), seed=1, prices=prices, **options)


async def spent(calls, budget, plan=None, **options):
    async with engine_of(calls, **options) as engine:
        return await engine.run(plan or plan_of(), budget_usd=budget)


@pytest.mark.parametrize("concurrent", [1, 4, 64])
def test_never_more_than_that_and_what_is_in_the_air(concurrent):
    from fanfold import Limits

    calls = provider()
    result = run(spent(calls, 0.20, limits=Limits(concurrent=concurrent)))
    report = result.report
    assert report["cost_usd"] <= 0.20 and report["cost_is"] == "exact"
    assert 15 <= report["accepted"] == len(calls.calls) <= 20, "as far as the money goes"
    assert {error.code for error in result.errors} == {"budget"} and result.state == "partial"
    assert "$0.2 is used up: $0." in result.errors[0].message and "resume" in result.errors[0].message
    assert result.exit_code == 3


def test_enough_is_enough():
    result = run(spent(provider(), 2.0))
    assert result.ok and result.report["cost_usd"] == 1.0


def test_nothing_is_called_that_cannot_be_paid():
    calls = provider()
    result = run(spent(calls, 0.001))
    assert not calls.calls and result.state == "failed" and {error.code for error in result.errors} == {"budget"}
    assert "$0.001 is not enough for one call, which may cost $0.01" in result.errors[0].message


def test_answers_longer_than_thought_overrun_it_by_what_is_in_the_air_at_most():
    calls = provider(Usage(tokens_in=100, tokens_out=300))
    result = run(spent(calls, 0.20, limits=None))
    dearest = 0.02
    assert result.report["cost_usd"] <= 0.20 + calls.max_in_flight * dearest


def test_fallbacks_fill_what_is_left():
    result = run(spent(provider(), 0.10, plan_of(30, fallback="-")))
    assert len(result.values) == 30 and {error.code for error in result.fallbacks} == {"budget"}


@pytest.mark.parametrize("fallback", [UNSET, "-"])
@pytest.mark.parametrize(("required", "state"), [(False, "complete"), (True, "partial")])
def test_a_run_is_complete_where_only_what_is_not_required_was_left_for_want_of_money(fallback, required, state):
    steps = [
        Step("one", "Say {n}.", over="n", sampling={"max_tokens": 100}),
        Step("more", "Of {one}", over="n", required=required, fallback=fallback, sampling={"max_tokens": 100}),
    ]
    result = run(spent(provider(), 0.10, Plan("p", steps, {"n": range(6)})))
    assert all(cell.error is None for cell in result["one"]) and not all(cell.error is None for cell in result["more"])
    assert result.state == state


def test_a_fallback_further_on_needs_no_money():
    """Nothing else happens once the money is gone: it is filled at once, and what cannot be filled is short of money, not of time."""
    steps = [
        Step("plays", "think", sampling={"max_tokens": 100}),
        Step("bought", "buy for {plays}", at_least=0, fallback="as before"),
        Step("annex", "to {bought}", sampling={"max_tokens": 100}),
    ]
    result = run(spent(provider(), 0.001, Plan("brief", steps)))
    assert result["bought"].values == ["as before"] and result.exit_code == 3
    assert {error.stage: error.code for error in result.errors} == dict.fromkeys(("plays", "bought", "annex"), "budget")
    assert result.report["wall_s"] == 0


def test_a_fallback_that_takes_too_long_is_short_of_money_too():
    """It was not given any time by the user: what ended it is the budget."""

    async def slow(cell):
        await asyncio.sleep(5)
        return "late"

    steps = [Step("plays", "think", sampling={"max_tokens": 100}, fallback=slow)]
    result = run(spent(provider(), 0.001, Plan("brief", steps)))
    assert [(error.stage, error.code) for error in result.errors] == [("plays", "budget")] and result.report["wall_s"] == 1


def test_a_verdict_is_paid_for_with_its_answer():
    def script(request, number):
        return Says({"reason": "fine", "pass": True} if request.schema else "good", usage=CALL)

    calls = ScriptedProvider(script)
    plan = plan_of(20, judge=Judge("Is {value} good?"))
    result = run(spent(calls, 0.10, plan))
    assert result.report["cost_usd"] <= 0.10 and result.report["accepted"] >= 2, "no answer is bought without its verdict"
    assert len(calls.calls) == 2 * result.report["accepted"]


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf"), True, "1"])
def test_what_is_no_amount_is_refused(budget):
    with pytest.raises(PlanError, match="above 0"):
        run(spent(provider(), budget))


def test_a_model_without_a_price_is_refused_before_anything_is_called():
    calls = provider()
    with pytest.raises(PlanError, match="nobody has told what openai/x costs") as raised:
        run(spent(calls, 1.0, prices={}))
    assert "prices" in (raised.value.hint or "") and not calls.calls


def test_it_holds_over_lives_and_lost_calls_count_at_their_upper_bound():
    async def main():
        store = MemoryStore()
        run_id = await killed(store, provider(), plan_of(), 2, "openai/x", prices=PRICES)
        calls = provider()
        async with engine_of(calls, store) as engine:
            going = await engine.resume(run_id, plan_of(), budget_usd=1.0)
            first = await going.result()
        more = provider()
        async with engine_of(more, store) as engine:
            rest = await (await engine.resume(run_id, plan_of(), budget_usd=5.0)).result()
        return first, rest

    first, rest = run(main())
    assert first.report["cost_is"] == "at_least" and first.report["cost_uncertain_usd"] > 0
    assert 0.8 < first.report["cost_usd"] <= 1.0 and not first.ok
    assert rest.ok and rest.report["accepted"] == 100, "with more money it goes on"


def test_money_is_whole_and_adds_up():
    money = Money(1.0)
    price = Price(0.15, 0.60, 0.075)
    assert cost_of(price, 1_000_000, 0) == 0.15 * DOLLAR and cost_of(price, 1_000_000, 1_000_000, 1_000_000) == 0.675 * DOLLAR
    booked = cost_of(price, 1000, 500)
    money.book(booked)
    assert money.fits(DOLLAR - booked) and not money.fits(DOLLAR - booked + 1)
    money.settle(booked, price, Usage(tokens_in=1000, tokens_out=100, tokens_cached=2000))
    assert money.booked == 0 and money.spent == cost_of(price, 1000, 100, 1000)
