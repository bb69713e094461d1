"""A forecast against what it foretells."""

from __future__ import annotations

import asyncio
import sys
from time import process_time

import pytest

from fanfold import Engine
from fanfold.apps.mealplan import plan as mealplan
from fanfold.apps.mealplan.params import Params
from fanfold.forecast.bundled import bundled
from fanfold.forecast.calibration import AIM, actual_of, brief, calibration, foreseen_in
from fanfold.forecast.foresee import Band, enough, foresee
from fanfold.forecast.trial import trial
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Judge, Limits, Plan, Step
from fanfold.store.memory import MemoryStore
from fanfold.testing.virtual import VirtualClock, run
from tests.forecast.plans import MODEL, asked, fan, names, report

SIM = "sim/default"
WEEK = mealplan(Params(days=7, strategy="llm"))  # its prompts are texts, so that their length is known
BUNDLED = "5 items in one call (items_per_call, an estimate)"


async def real(plan, seed, store=":memory:", **about):
    """The real engine and the simulated provider, in virtual time."""
    provider = SimProvider(World(seed=seed))
    async with Engine(SIM, store=store, seed=seed, provider=provider, clock=VirtualClock()) as engine:
        return (await engine.run(plan, about=about)).report


async def foreseen(plan, store=":memory:", **words):
    async with Engine(SIM, store=store) as engine:
        return await engine.foresee(plan, **words)


def test_a_week_of_recipes_comes_out_as_foreseen():
    forecast = asyncio.run(foreseen(WEEK))
    reports = [run(real(WEEK, seed)) for seed in range(12)]
    for what in ("wall_s", "calls", "tokens_in", "tokens_out"):
        inside = sum(getattr(forecast, what).holds(report[what]) for report in reports)
        assert inside >= 8, (what, getattr(forecast, what), sorted(report[what] for report in reports))
    assert forecast.cells == 22 and forecast.accepted.p50 == 22
    assert forecast.bound_by == "critical path" and forecast.lower_bound_s <= forecast.wall_s.p50
    assert forecast.cost_usd == Band(0, 0, 0), "simulated calls are free"


def test_after_a_run_the_forecast_is_learned():
    async def main():
        store = MemoryStore()
        for seed in range(3):
            await real(WEEK, 100 + seed, store)
        async with Engine("sim/other", store=store) as engine:
            stranger = await engine.foresee(WEEK, seeds=3)
        return await foreseen(WEEK, store, seeds=60), await foreseen(WEEK, store, learn=False, seeds=60), stranger

    learned, declared, stranger = run_in_virtual_time(main())
    assert (learned.learned_from, declared.learned_from, stranger.learned_from) == (3, 0, 0)
    assert "learned" not in learned.hint and "learned" in declared.hint
    reports = [run(real(WEEK, seed)) for seed in range(12)]
    for what in ("wall_s", "calls", "tokens_out"):
        assert sum(getattr(learned, what).holds(report[what]) for report in reports) >= 7, what  # three runs are not many

    def width(forecast):
        return forecast.tokens_out.p90 / forecast.tokens_out.p10

    assert width(learned) < width(declared)


def run_in_virtual_time(main):
    """`Engine.foresee` works in a thread, which virtual time does not wait for: do that part at once."""
    import fanfold.api as api

    async def at_once(function, *args, **words):
        return function(*args, **words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.asyncio, "to_thread", at_once)
        return run(main)


def test_learning_takes_only_what_it_needs_of_a_long_journal():
    from fanfold.forecast import learn as learning

    class Counting(MemoryStore):
        read = 0

        def look(self, run_id):
            journal = super().look(run_id)
            events = journal.events

            async def counted(after, limit):
                found = await events(after, limit)
                Counting.read += len(found)
                return found

            journal.events = counted
            return journal

    async def main():
        store = MemoryStore()
        for seed in range(3):
            await real(fan(200), seed, store)
        counting = Counting()
        counting._shelves = store._shelves
        Counting.read = 0
        return await foreseen(fan(200), counting, seeds=3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "RUNS", 2)
        patch.setattr(learning, "EVENTS", 100)
        patch.setattr(learning, "PAGE", 50)
        forecast = run_in_virtual_time(main())
    assert forecast.learned_from == 2 and 0 < Counting.read <= 2 * 150


def test_the_same_seeds_are_the_same_forecast():
    first, again, other = foresee(asked(names(9))), foresee(asked(names(9))), foresee(asked(names(9)), seed=1000)
    assert first == again != other and first.seeds == 200
    assert foresee(asked(names(9)), seeds=5).seeds == 5


def test_requests_a_minute_decide_when_they_bind():
    cells, rpm = 1000, 100
    forecast = foresee(asked(fan(cells, model="sim/x"), limits=Limits(rpm=rpm)), seeds=5)
    analytic = (cells - 1) // rpm * 60  # the last window opens then
    assert forecast.wall_s.p50 == pytest.approx(analytic, rel=0.1)
    assert forecast.bound_by == "requests/min" and analytic <= forecast.lower_bound_s <= forecast.wall_s.p10
    changes = {change.change: change.wall_s for change in forecast.what_if}
    assert changes["rpm 200"] == pytest.approx(analytic / 2, rel=0.15)
    assert changes[BUNDLED] == pytest.approx(analytic / 5, rel=0.4)
    assert next(iter(changes)) == BUNDLED, "what does most comes first"


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(rpm=5), Limits(tpm=3000), Limits(concurrent=2)], ids=["no", "rpm", "tpm", "slots"]
)
def test_the_lower_bound_is_below_every_quantile_of_time(limits):
    for plan in (WEEK, report(), names(9)):
        question = asked(plan, limits=limits)
        forecast = foresee(question, seeds=20)
        assert 0 < forecast.lower_bound_s <= forecast.wall_s.p10
        for seed in range(20):
            each = trial(question, seed, limits, plan.concurrent)
            assert each.bound.us <= each.wall_us


def changes_of(plan, limits=None, seeds=20, **more):
    """Words -> (time, cost) as they are, and as they would be."""
    forecast = foresee(asked(plan, "openai/gpt-4o-mini", limits=limits, **more), seeds=seeds)
    assert forecast.cost_usd is not None
    return (forecast.wall_s.p50, forecast.cost_usd.p50), {each.change: (each.wall_s, each.cost_usd) for each in forecast.what_if}


def test_only_what_would_help_is_offered_and_what_helps_most_comes_first():
    for limits, said in (
        (Limits(rpm=100_000), ""), (Limits(rpm=5), "rpm 10"), (Limits(tpm=3000), "tpm 6000"), (Limits(rpm=5, tpm=10**9), "rpm 10"),
        (Limits(concurrent=3), "concurrent 6"), (Limits(rpm=10**6, concurrent=3, output_tpm=10**9), "concurrent 6"),
    ):  # fmt: skip
        (wall, cost), changes = changes_of(WEEK, limits)
        assert [words for words in changes if words.split()[0] in ("rpm", "tpm", "concurrent", "output_tpm")] == [said] * bool(
            said
        )
        assert len(changes) <= 4
        for faster, cheaper in changes.values():
            assert faster < 0.98 * wall * 1.001 or cheaper < 0.98 * cost * 1.001
        gains = [faster * cheaper for faster, cheaper in changes.values()]
        assert gains == sorted(gains)
        if said:
            assert changes[said][0] < 0.8 * wall


def test_a_small_plan_with_nothing_in_its_way_has_nothing_to_change():
    assert changes_of(fan(1))[1] == {}


LONG = "You write for children of ten.\n" * 20 + "Write about {n}.\nNot more than a page."


def test_items_in_one_call_are_fewer_calls_with_longer_answers_and_one_prompt():
    question = asked(Plan("fan", [Step("one", LONG, over="n")], {"n": range(20)}))
    together = bundled(question)
    assert together is not None
    alone, bundle = (trial(each, 3, Limits(), None) for each in (question, together))
    assert alone.cells == bundle.cells == 20 and bundle.calls == 4 and bundle.hedges == 0
    assert bundle.tokens_out == pytest.approx(alone.tokens_out, rel=0.4)
    assert bundle.tokens_in < alone.tokens_in / 3 and bundle.wall_us > 2 * alone.wall_us
    assert bundle.bound.us <= bundle.wall_us


@pytest.mark.parametrize(("cells", "items", "calls"), [(20, 5, 4), (21, 5, 5), (3, 5, 1), (100, 10, 10)])
def test_a_plan_that_asks_for_several_items_is_foreseen_so(cells, items, calls):
    plan = Plan("fan", [Step("one", LONG, over="n", items_per_call=items)], {"n": range(cells)})
    forecast = foresee(asked(plan), seeds=20)
    assert forecast.calls.p10 == calls and forecast.accepted.p50 == cells
    assert BUNDLED not in {each.change for each in forecast.what_if}


def test_a_step_with_a_system_prompt_and_a_judge_has_items_together_too():
    plan = Plan(
        "fan",
        [Step("one", LONG, system="Be kind.", judge=Judge("Is it good? {value}"), over="n", items_per_call=5)],
        {"n": range(20)},
    )
    assert foresee(asked(plan, "sim/x"), seeds=20).calls.p50 in range(24, 36)


def test_items_are_gathered_whole():
    steps = [Step("part", "Write {n}.", over="n"), Step("whole", "Join {part}.", over=())]
    question = asked(Plan("p", steps, {"n": range(20)}))
    together = bundled(question)
    assert together is not None
    alone, bundle = (each.prospects[1][2].charged for each in (question, together))
    assert bundle == pytest.approx(alone, rel=0.05)


def test_some_plans_have_no_items_to_put_together():
    assert bundled(asked(fan(9))) is None, "too few"
    assert bundled(asked(fan(20, items_per_call=2))) is None, "it has them already"
    only = Plan("p", [Step("a", function=lambda cell: 1, output=int, over="n")], {"n": range(20)})
    assert bundled(asked(only)) is None, "no model"
    twenty, nine = (Plan("fan", [Step("one", LONG, over="n")], {"n": range(cells)}) for cells in (20, 9))
    assert BUNDLED in changes_of(twenty)[1] and BUNDLED not in changes_of(nine)[1]
    assert BUNDLED not in changes_of(fan(20))[1], "nothing is said twice: it would only be slower"


def test_a_large_plan_is_foreseen_by_few_seeds():
    forecast = foresee(asked(fan(10_000), limits=Limits(rpm=5000)))
    assert forecast.cells == forecast.accepted.p50 == 10_000 and 10_000 <= forecast.calls.p50 <= 10_600
    assert 3 <= forecast.seeds < 10


def test_a_call_costs_no_more_in_a_larger_plan():
    def price(cells):
        question = asked(fan(cells))
        began = process_time()
        calls = trial(question, 0, question.limits, None).calls
        return (process_time() - began) / calls

    small = min(price(500) for _ in range(4))
    assert min(price(6000) for _ in range(2)) < 2.5 * small


def test_seeds_are_counted_by_calls():
    assert [enough(calls) for calls in (0, 20, 1_000, 10_000, 1_000_000)] == [200, 200, 30, 3, 3]


def test_costs_need_a_price_of_every_model():
    plan = Plan("p", [Step("a", "{n}", over="n"), Step("b", "{a}", model="openai/dear")], {"n": range(10)})
    prices = {MODEL: (0.5, 2.0)}
    without = foresee(asked(plan, prices=prices), seeds=3)
    assert without.cost_usd is None and "openai/dear" in without.hint and MODEL not in without.hint
    assert all(change.cost_usd is None for change in without.what_if)
    found = foresee(asked(plan, prices={**prices, "openai/dear": (0.0, 0.0)}), seeds=9)
    assert found.cost_usd is not None and "price" not in found.hint
    most = (found.tokens_in.p90 * 0.5 + found.tokens_out.p90 * 2) / 1e6
    assert 0 < found.cost_usd.p10 <= found.cost_usd.p90 <= most


def test_every_model_that_has_a_share_is_told_and_needs_a_price():
    plan = Plan("p", [Step("a", "{n}", over="n", model="openai/one = 0.5, openai/two | openai/three = 0.5")], {"n": range(10)})
    prices = {"openai/one": (1.0, 2.0)}
    without = foresee(asked(plan, prices=prices), seeds=3)
    assert without.models == ["openai/one", "openai/two"] and without.cost_usd is None
    assert "no price is known for openai/two:" in without.hint
    assert foresee(asked(plan, prices={**prices, "openai/two": (1.0, 2.0)}), seeds=3).cost_usd is not None


def test_listed_models_have_a_price_and_a_users_own_is_before_it():
    one = foresee(asked(fan(5), "openai/gpt-4o-mini"), seeds=3)
    own = foresee(asked(fan(5), "openai/gpt-4o-mini", prices={"openai/gpt-4o-mini": [0.3, 1.2]}), seeds=3)
    assert one.cost_usd is not None and own.cost_usd is not None and "price" not in one.hint
    assert own.cost_usd.p50 == pytest.approx(2 * one.cost_usd.p50, rel=1e-3)
    with pytest.raises(PlanError, match="prices"):
        asked(fan(5), prices={"openai/gpt-4o-mini": [1]})


def test_without_the_list_the_hint_says_how_to_have_it(monkeypatch):
    there = foresee(asked(fan(5), "openai/no-such-model"), seeds=3)
    assert "install" not in there.hint and '"openai/no-such-model" = [' in there.hint
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    hidden = foresee(asked(fan(5), "openai/gpt-4o-mini"), seeds=3)
    assert hidden.cost_usd is None and "install fanfold[prices]" in hidden.hint and '"openai/gpt-4o-mini" = [' in hidden.hint
    assert foresee(asked(fan(5), SIM), seeds=3).cost_usd == Band(0, 0, 0), "the simulated provider needs no list"


def test_whatever_a_plan_has_in_it_is_foreseen():
    forecast = foresee(asked(report(), SIM), seeds=20)
    assert list(forecast.steps) == ["outline", "section", "edit", "index"]
    assert forecast.steps["index"].calls == 0 and forecast.steps["section"].cells == pytest.approx(20, abs=4)
    assert forecast.accepted.p10 <= forecast.cells


def test_json_has_the_public_shape():
    data = foresee(asked(fan(5), limits=Limits(rpm=100, tpm=100_000)), seeds=3).to_json()
    bands = ("calls", "wall_s", "tokens_in", "tokens_out")
    assert set(data) >= {"cells", *bands, "cost_usd", "lower_bound_s", "bound_by", "what_if", "seeds", "learned_from"}
    assert all(set(data[name]) == {"p10", "p50", "p90"} for name in bands) and data["cost_usd"] is None
    assert all(set(change) == {"change", "wall_s", "cost_usd"} for change in data["what_if"])
    assert isinstance(data["cells"], int) and isinstance(data["calls"]["p50"], int)


def test_a_plan_that_cannot_run_says_so():
    for model, path in (("foo/x", "model"), ("gpt", "model")):
        with pytest.raises(PlanError) as caught:
            asked(fan(3), model)
        assert caught.value.path.endswith(path)
    with pytest.raises(PlanError, match=r"steps\.one\.model"):
        asked(fan(3, model="nobody/x"))


async def test_an_engine_says_where_a_forecast_is_wrong():
    async with Engine(SIM, store=":memory:") as engine:
        with pytest.raises(PlanError, match="deadline_s"):
            await engine.foresee(fan(3), deadline_s=-1)
        with pytest.raises(PlanError, match="over"):
            await engine.foresee(Plan("p", [Step("a", "x", over="m")]))


# -------------------------------------------------------------------- how well runs were foreseen


def test_runs_keep_what_was_foreseen_of_them():
    async def main():
        store = MemoryStore()
        pairs = []
        for seed in range(10):
            forecast = await foreseen(WEEK, store, seeds=20)
            report = await real(WEEK, seed, store, foreseen=brief(forecast))
            record = (await store.runs(report["run_id"]))[0]
            said = foreseen_in(record.about)
            assert said is not None and said.wall_s == forecast.wall_s and said.learned_from == forecast.learned_from
            pairs.append((said, actual_of(report)))
        return pairs

    pairs = run_in_virtual_time(main())
    assert [said.learned_from for said, _ in pairs] == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]
    found = calibration(pairs)
    assert found.runs == 10 and found.wall_inside is not None and found.wall_inside >= AIM - 0.3
    assert found.calls_inside is not None and found.calls_inside >= AIM - 0.3
    assert found.wall_times is not None and 0.4 < found.wall_times < 2.0


def test_calibration_is_the_share_of_runs_inside():
    forecast = foresee(asked(fan(5)), seeds=3)
    said = foreseen_in(b'{"foreseen": ' + encoded(brief(forecast)) + b"}")
    assert said is not None
    inside, calls = said.wall_s.p50, said.calls.p50
    found = calibration([(said, actual_of({"wall_s": inside * times, "calls": calls})) for times in (1, 1, 1000, 1000)])
    assert (found.runs, found.wall_inside, found.calls_inside) == (4, 0.5, 1.0)
    assert found.calls_times == 1.0 and found.wall_times == pytest.approx(500.5, rel=0.01)
    assert calibration([]).runs == 0 and calibration([]).wall_inside is None
    assert foreseen_in(b"{}") is None and foreseen_in(b"[]") is None and foreseen_in(b"{") is None


def encoded(data):
    import msgspec

    return msgspec.json.encode(data)
