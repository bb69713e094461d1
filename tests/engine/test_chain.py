""" "a | b": the second model is asked when the first can no longer be, and nothing is tried more often for it."""

from __future__ import annotations

import asyncio

import pytest

from fanfold import Engine, Judge, Plan, PlanError, Step
from fanfold.spec.calls import Fault, Scope
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

PLAN = Plan("p", [Step("a", "{n}", over="n")], {"n": range(6)})


def by_model(**says):
    return ScriptedProvider(lambda request, number: says[request.model])


def asked(provider, model):
    return sum(request.model == model for request in provider.calls)


def done(provider, plan=PLAN, model="openai/first | openai/second", **options):
    async def main():
        async with Engine(model, provider=provider, store=":memory:", clock=VirtualClock(), **options) as engine:
            return await engine.run(plan)

    return run(main())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(code="quota", scope=Scope.LANE, status=429), Fault(code="auth", scope=Scope.LANE, status=401),
        Fault(code="bad_request", message="no such model", scope=Scope.LANE, status=404),
        Fault(code="transient", message="nobody listens", scope=Scope.ENDPOINT),
    ],
)  # fmt: skip
def test_what_condemns_the_first_model_sends_everything_to_the_second(fault):
    provider = by_model(first=Fails(fault), second=Says("good"))
    result = done(provider)
    assert result.values == ["good"] * 6 and result.exit_code == 0
    assert asked(provider, "first") <= 6 and asked(provider, "second") == 6


def test_a_refused_schema_is_refused_by_one_model_only():
    provider = by_model(
        first=Fails(Fault(code="bad_request", message="schema", scope=Scope.STEP, status=400)), second=Says("good")
    )
    assert done(provider).values == ["good"] * 6


def test_a_model_that_only_fails_is_left_after_the_retries_which_are_not_made_again():
    fails = Fails(Fault(code="transient", message="down", status=500))
    provider = by_model(first=fails, second=Fails(Fault(code="transient", message="down too", status=500)))
    result = done(provider, Plan("p", [Step("a", "hello")]), retries=2)
    assert result.exit_code == 1
    assert (asked(provider, "first"), asked(provider, "second")) == (3, 1)


def test_both_reasons_are_told():
    no_key = Fails(Fault(code="auth", message="wrong key", scope=Scope.LANE, status=401))
    no_money = Fails(Fault(code="quota", message="no money", scope=Scope.LANE, status=429))
    error = done(by_model(first=no_key, second=no_money), Plan("p", [Step("a", "hello"), Step("b", "{a} hello")])).errors[0]
    assert "no money" in error.message or "wrong key" in error.message
    assert error.code in ("auth", "quota")


def test_what_is_wrong_with_the_request_itself_goes_nowhere_else():
    provider = by_model(first=Fails(Fault(code="too_long", message="too long", status=400)), second=Says("good"))
    assert done(provider, Plan("p", [Step("a", "hello")])).errors[0].code == "too_long"
    assert asked(provider, "second") == 0


def test_a_judge_has_a_chain_of_its_own():
    provider = ScriptedProvider(
        lambda request, number: (
            Fails(Fault(code="quota", scope=Scope.LANE, status=429))
            if request.model == "strict"
            else Says({"reason": "", "pass": True} if request.schema else "text")
        )
    )
    plan = Plan("p", [Step("a", "{n}", over="n", judge=Judge("{value}", model="openai/strict | openai/mild"))], {"n": range(3)})
    result = done(provider, plan, "openai/writer")
    assert result.values == ["text"] * 3 and asked(provider, "writer") == 3 and asked(provider, "mild") == 3


@pytest.mark.parametrize("model", ["openai/a |", "| openai/a", "openai/a | openai/a"])
def test_chains_that_make_no_sense(model):
    with pytest.raises(PlanError):
        Engine(model, store=":memory:", provider=by_model())


def test_no_answers_are_bought_for_a_judge_that_is_dead():
    no_money = Fails(Fault(code="quota", message="no money", scope=Scope.LANE, status=429))
    provider = ScriptedProvider(lambda request, number: no_money if request.model == "judge" else Says("text"))
    plan = Plan("p", [Step("a", "{n}", over="n", judge=Judge("{value}", model="openai/judge"))], {"n": range(40)}, concurrent=2)
    result = done(provider, plan, "openai/writer")
    assert {error.code for error in result.errors} == {"quota"} and asked(provider, "writer") <= 4


def test_a_deadline_leaves_the_fallbacks():
    """What has not ended by then is filled by what the plan declares, and said to be; the rest fails."""
    plan = Plan(
        "p", [Step("a", "{n}", over="n", fallback="instead"), Step("b", "{n}", over="n"), Step("c", "{a}")], {"n": range(3)}
    )
    slow = ScriptedProvider(lambda request, number: Says("good", latency_s=1 if number == 0 else 50))

    async def main():
        async with Engine("sim/x", provider=slow, store=":memory:", clock=VirtualClock()) as engine:
            return await engine.run(plan, deadline_s=5)

    result = run(main())
    assert result["a"].values == ["good", "instead", "instead"]
    assert [error.code for error in result.errors] == ["timeout"] * 6 and len(result.fallbacks) == 2
    assert result.report["wall_s"] == 5.0 and result.exit_code == 3


def test_a_lane_that_fails_for_a_while_is_left_alone_and_then_tried_again():
    """Out for 20 s: the other lane takes over, and the first one is used again when it is well."""

    def script(request, number):
        now = asyncio.get_running_loop().time()
        if request.model == "first" and 3 <= now < 23:
            return Fails(Fault(code="transient", message="down", status=500), latency_s=0.5)
        return Says("good", latency_s=1)

    provider = ScriptedProvider(script)
    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(400)}, concurrent=8)
    result = done(provider, plan, seed=1)
    assert len(result.values) == 400 and result.exit_code == 0
    times = {
        model: [t for r, t in zip(provider.calls, provider.started, strict=True) if r.model == model]
        for model in ("first", "second")
    }
    assert sum(8 <= t < 23 for t in times["first"]) <= 8, "left alone: a trial now and then"
    assert sum(t >= 40 for t in times["first"]) > 50, "and used again when it is well"
    assert not [t for t in times["second"] if t >= 45]


def test_a_server_that_stays_down_ends_the_run_within_a_minute():
    def script(request, number):
        down = asyncio.get_running_loop().time() > 3
        return Fails(Fault(code="transient", message="down", status=500)) if down else Says("good")

    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(500)}, concurrent=8)
    provider = ScriptedProvider(script)
    result = done(provider, plan, "openai/only", seed=1)
    assert result.exit_code == 3 and {error.code for error in result.errors} == {"transient"}
    assert result.report["wall_s"] < 60 and sum(t > 3.5 for t in provider.started) <= 60


def test_a_transient_failure_beside_a_straggler_is_retried_within_its_own_wait():
    down = Fault(code="transient", message="down", status=500)

    def script(request, number):
        if number == 1:
            return Fails(down, latency_s=1)
        return Says("good", latency_s=13 if number == 0 else 1)

    provider = ScriptedProvider(script)
    result = done(provider, Plan("p", [Step("a", "{n}", over="n")], {"n": range(10)}), "openai/only")
    assert len(result.values) == 10 and result.report["wall_s"] < 13.1
    assert 1.25 <= provider.started[10] <= 1.0 + 0.5 * 1.2


def test_one_refused_request_among_ten_costs_one_call():
    bad = Fault(code="bad_request", message="no", status=400)
    provider = ScriptedProvider(lambda request, number: Fails(bad) if request.messages[0].content == "4" else Says("good"))
    result = done(provider, Plan("p", [Step("a", "{n}", over="n")], {"n": range(10)}), "openai/only")
    assert len(provider.calls) == 10 and len(result.values) == 9 and len(result.errors) == 1


def test_a_moment_of_trouble_loses_no_cell():
    """All in the air fail at once: whoever cannot be retried soon, for want of budget, is retried later."""

    def script(request, number):
        bad = 1.5 <= asyncio.get_running_loop().time() < 1.8
        return Fails(Fault(code="transient", message="down", status=500)) if bad else Says("good")

    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(300)}, concurrent=64)
    result = done(ScriptedProvider(script), plan, "openai/only", seed=3)
    assert len(result.values) == 300 and result.exit_code == 0


@pytest.mark.parametrize(("wait", "soon"), [(30, 3), (6, 13), (None, 15)])
def test_a_model_that_only_says_429_is_left_for_the_next(wait, soon):
    limited = Fails(Fault(code="rate_limited", status=429, retry_after_s=wait))
    provider = by_model(first=limited, second=Says("good"))
    result = done(provider, Plan("p", [Step("a", "{n}", over="n")], {"n": range(40)}))
    assert result.values == ["good"] * 40 and result.report["wall_s"] < soon
    assert asked(provider, "second") == 40


def test_it_comes_back_to_a_model_that_was_limited():
    def script(request, number):
        limited = request.model == "first" and asyncio.get_running_loop().time() < 20
        return Fails(Fault(code="rate_limited", status=429, retry_after_s=15)) if limited else Says("good", latency_s=1)

    provider = ScriptedProvider(script)
    result = done(provider, Plan("p", [Step("a", "{n}", over="n")], {"n": range(400)}, concurrent=8), seed=1)
    times = [t for r, t in zip(provider.calls, provider.started, strict=True) if r.model == "first"]
    assert len(result.values) == 400
    assert sum(t < 30 for t in times) <= 10 and sum(t > 31 for t in times) > 50


def test_a_chain_that_is_down_ends_about_as_soon_as_one_server():
    down = Fails(Fault(code="transient", message="down", status=500))
    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(40)})
    result = done(by_model(first=down, second=down), plan)
    assert len(result.errors) == 40 and result.report["wall_s"] < 60


def test_a_page_instead_of_a_model_sends_the_cells_on_and_ends_a_run_that_has_nowhere_else():
    page = Fails(Fault(code="malformed", message="not JSON", status=200, scope=Scope.ENDPOINT))
    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(30)})
    provider = by_model(first=page, second=Says("good"))
    assert done(provider, plan).values == ["good"] * 30
    assert (asked(provider, "first"), asked(provider, "second")) == (30, 30)
    alone = by_model(first=page)
    result = done(alone, plan, "openai/first")
    assert len(result.errors) == 30 and len(alone.calls) < 40 and result.report["wall_s"] < 60
    now_and_then = ScriptedProvider(lambda request, number: page if number % 20 == 3 else Says("good"))
    assert len(done(now_and_then, plan, "openai/first").values) == 30


def test_a_server_that_asks_for_a_day_is_not_waited_for_and_says_so():
    limited = Fails(Fault(code="rate_limited", message="come back tomorrow", status=429, retry_after_s=86_400))
    result = done(by_model(first=limited), Plan("p", [Step("a", "hello")]), "openai/first")
    assert result.errors[0].message.endswith("it asks to wait for 24 h") and result.report["wall_s"] < 5
