"""Counted axes over a scripted provider: exactly as many as were asked for, or a shortfall that says why."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from statistics import fmean

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Judge, Limits, Plan, Step, Unique
from fanfold.core.cover import needed
from fanfold.core.fold import RunState
from fanfold.core.pool import counted_places
from fanfold.spec.calls import Fault
from fanfold.spec.compile import compile_plan
from fanfold.spec.events import SpareEnded
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from fanfold.testing.weather import Climate, heap_history
from tests.engine.test_engine import make


class Named(BaseModel):
    name: str
    good: bool = True


def good(value):
    return None if value.good else "it is not good"


def done(plan, script, cap=16, **options):
    async def main():
        limits = Limits(concurrent=cap)
        provider = script if isinstance(script, ScriptedProvider) else ScriptedProvider(script)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), limits=limits, **options) as engine:
            return await engine.run(plan), provider

    return run(main())


def reviews(count=100, **words):
    return Plan("p", [Step("review", "Write one.", output=Named, over="n", **words)], {"n": {"count": count}})


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_distinct_ones_of_a_model_that_repeats_itself(seed):
    rng = Random(seed)
    said: list[str] = []

    def script(request, number):
        name = rng.choice(said) if said and rng.random() < 0.3 else f"name {number}"
        said.append(name)
        return Says({"name": name}, latency_s=rng.uniform(1, 3))

    result, provider = done(reviews(unique="name"), script)
    assert result.ok and result.shortfall is None
    assert len(result.values) == len({value.name for value in result.values}) == 100
    assert len(provider.calls) <= 160


def sixty(seed, cap=256):
    rng = Random(seed)

    def script(request, number):
        return Says({"name": f"name {number}", "good": rng.random() < 0.6}, latency_s=rng.uniform(8, 12))

    result, provider = done(reviews(checks=(good,)), script, cap=cap)
    assert result.ok and len(result.values) == 100 and all(value.good for value in result.values)
    assert result.report["calls"] == len(provider.calls), "what was cancelled is in the report too"
    return len(provider.calls), result.report["wall_s"]


def test_of_sixty_per_cent_a_hundred_come_in_about_two_waves_and_few_calls_more_than_needed():
    runs = [sixty(seed) for seed in range(30)]
    assert fmean(calls for calls, _ in runs) <= 1.05 * needed(100, 0.6, 0.95)
    assert fmean(wall_s for _, wall_s in runs) <= 2.5 * 10, "redrawn one after the other it is five or six waves"


def test_with_few_slots_nothing_is_wasted():
    calls, _ = sixty(1, cap=8)
    assert calls <= 1.1 * needed(100, 0.6, 0.95)


@pytest.mark.parametrize("wanted", [4, 100])
def test_a_model_that_always_says_the_same_is_given_up_soon_and_says_why(wanted):
    result, provider = done(reviews(wanted, unique="name"), [{"name": "Soup"}])
    assert [value.name for value in result.values] == ["Soup"]
    assert len(provider.calls) <= min(6 * wanted, 60), "hopeless before attempts x N calls, and a lost race each"
    short = result.shortfall["review"]
    assert (short["asked"], short["accepted"], short["missing"], short["code"]) == (wanted, 1, wanted - 1, "duplicate")
    assert short["message"].startswith(f"{wanted - 1} of {wanted} are short: 9")
    assert "% of the answers were duplicates of what was there; ask for fewer, vary the prompt or add facets" in short["message"]
    assert len(result.errors) == wanted - 1 and {error.code for error in result.errors} == {"duplicate"}


def test_a_check_that_refuses_everything_is_named():
    result, provider = done(reviews(checks=(good,)), [{"name": "x", "good": False}])
    assert result.exit_code == 1 and len(provider.calls) <= 40
    assert (
        "100 of 100 are short: 100 % of the answers were refused, most by the check 'good'"
        in result.shortfall["review"]["message"]
    )


def test_bad_luck_of_one_cell_fails_none():
    """Its own attempts are used up many times over, and the next draw takes its coordinate."""
    bad = [{"name": f"bad {n}", "good": False} for n in range(6)]
    result, _ = done(
        reviews(20, checks=(good,), attempts=2), [*({"name": str(n)} for n in range(19)), *bad, {"name": "last"}], cap=1
    )
    assert result.ok and len(result.values) == 20


@pytest.mark.parametrize("code", ["filtered", "transient", "timeout"])
@pytest.mark.parametrize("of", ["Write", "Judge"])
def test_a_draw_that_cannot_be_had_or_judged_costs_no_coordinate(code, of):
    """A third of the draws come to nothing, however often they are tried: there are as many as were asked for all the same."""

    def script(request, number):
        text = request.messages[-1].content
        name = str(number) if text.startswith("Write") else text.removeprefix("Judge ").split()[0]
        if text.startswith(of) and (number if of == "Write" else int(name)) % 3 == 0:
            return Fails(Fault(code=code, message="not this one"))
        return Says({"name": name} if text.startswith("Write") else {"reason": "fine", "pass": True})

    result, _ = done(reviews(20, judge=Judge("Judge {value.name}")), script, retries=0)
    assert result.ok and len({value.name for value in result.values}) == 20 and not result.shortfall
    assert result.report["steps"]["review"]["rejected"][code]["count"] >= 8


def test_where_no_draw_can_be_had_it_ends_soon_and_says_why():
    result, provider = done(reviews(100, checks=(good,)), lambda request, n: Fails(Fault(code="filtered", message="not this")))
    assert result.exit_code == 1 and len(provider.calls) < 140
    assert {error.code for error in result.errors} == {"filtered"} and "not this" in result.shortfall["review"]["message"]


def test_a_verdict_in_one_order_is_not_that_of_the_next_draw():
    """The judge likes an answer in one order and cannot be asked in the other: the next answer is asked about in both."""
    asked: list[str] = []

    def script(request, number):
        text = request.messages[-1].content
        if not text.startswith("Better"):
            return Says({"name": "name" if text.startswith("Write") else "plain"})
        asked.append(text)
        if len(asked) == 2:
            return Fails(Fault(code="filtered", message="not this one"))
        return Says({"reason": "fine", "better": "first" if text.startswith("Better: name") else "second"})

    steps = [
        Step("plain", "plain", output=Named),
        Step(
            "review", "Write one.", output=Named, over="n", judge=Judge("Better: {first.name} or {second.name}?", versus="plain")
        ),
    ]
    result, _ = done(Plan("p", steps, {"n": {"count": 1}}), script, cap=1)
    assert result.ok and len(asked) == 4


def test_what_hangs_on_them_is_aligned_and_a_gather_has_all():
    """A spare's answer is its coordinate's: the cell over the same axis receives that very value."""
    rng = Random(3)

    def script(request, number):
        text = request.messages[-1].content
        if text.startswith("Write"):
            return Says({"name": f"name {number}", "good": rng.random() < 0.5}, latency_s=rng.uniform(1, 5))
        return Says({"name": text}, latency_s=1)

    steps = [
        Step("review", "Write one.", output=Named, over="n", checks=(good,)),
        Step("echo", "echo {review.name}", output=Named, over="n"),
        Step("all", function=lambda cell: [value.name for value in cell["review"]], needs=("review",), output=list[str]),
    ]
    result, _ = done(Plan("p", steps, {"n": {"count": 40}}), script, cap=128)
    names = [value.name for value in result["review"].values]
    assert result.ok and len(set(names)) == 40
    assert [value.name for value in result["echo"].values] == [f"echo {name}" for name in names]
    assert result["all"].values == [names]


def test_within_each_listed_value_they_are_counted_apart():
    rng = Random(5)
    topics: dict[str, int] = {}

    def script(request, number):
        topic = request.messages[-1].content.split()[3]
        topics[topic] = topics.get(topic, 0) + 1
        return Says({"name": f"{topic} {number}", "good": rng.random() < 0.5}, latency_s=rng.uniform(1, 3))

    step = Step("review", "Write one of {topic}", output=Named, over=("topic", "n"), checks=(good,), unique="name")
    result, _ = done(Plan("p", [step], {"topic": ["tea", "rye"], "n": {"count": 15}}), script, cap=64)
    assert result.ok
    for topic in ("tea", "rye"):
        mine = [cell.value.name for cell in result["review"] if cell.at["topic"] == topic]
        assert len(mine) == 15 and all(name.startswith(topic) for name in mine), "a spare fills only its own topic"


def test_the_rest_is_filled_by_the_fallback_when_it_is_hopeless():
    step = Step("review", "x", output=Named, over="n", unique="name", fallback=lambda cell: Named(name=f"none {cell['n']}"))
    result, provider = done(Plan("p", [step], {"n": {"count": 30}}), [{"name": "Soup"}])
    assert len(result.values) == 30 and len(result.fallbacks) == 29 and len(provider.calls) < 60


def test_a_cell_that_is_itself_has_no_spares():
    plans = [
        Plan("p", [Step("a", "x", over="n")], {"n": {"count": 3}}),  # nothing is refused
        Plan("p", [Step("a", "x", over="n", unique=Unique(within="n"))], {"n": {"count": 3}}),
        Plan("p", [Step("a", "x", over="n", unique=Unique())], {"n": [1, 2, 3]}),
    ]
    assert [counted_places(plan, plan.steps[0]) for plan in map(compile_plan, plans)] == [(), (), ()]
    aligned = compile_plan(
        Plan("p", [Step("a", "x", over="n", unique=Unique()), Step("b", "{a}", over="n", unique=Unique())], {"n": {"count": 3}})
    )
    assert [counted_places(aligned, step) for step in aligned.steps] == [(0,), ()]


def test_the_journal_folds_to_the_same_wherever_it_is_cut():
    climate = Climate(11, counted=30, cap=50, names=60, findings=0.4, faults=0.1)
    log = heap_history(climate)
    assert any(isinstance(event, SpareEnded) and event.fills is not None for event in log)
    whole = RunState().apply_all(log)
    assert not any(step.live for step in whole.steps)
    for cut in range(0, len(log), 97):
        assert repr(RunState().apply_all(log[:cut]).apply_all(log[max(0, cut - 5) :])) == repr(whole)


@pytest.mark.parametrize("count", [20, 100])
def test_duplicates_that_are_found_early_do_not_end_it(count):
    """A duplicate is found out while it streams, what is good only at its end: every second one is, and 20 of 20 are had."""

    class Named(BaseModel):
        name: str
        text: str

    def script(request, number):
        return Says({"name": sha256(b"%d" % (number // 2)).hexdigest(), "text": "x" * 50}, latency_s=1)

    step = Step("r", "x", output=Named, over="n", unique="name")
    result, _, took = make(Plan("p", [step], [Axis("n", count=count)]), script)
    assert result.shortfall is None and len({value.name for value in result.values}) == count and took < 4


def test_answers_that_were_never_drawn_are_no_duplicates():
    step = Step("r", "x", over="n", unique=Unique())
    result, _, _ = make(Plan("p", [step], [Axis("n", count=300)]), lambda request, number: Says("the same", latency_s=1))
    report = result.report
    assert report["accepted"] == 1 and report["duplicates_rejected"] < report["calls"]
    assert result.shortfall is not None and result.shortfall["r"]["missing"] == 299


@pytest.mark.parametrize("count", [20, 100])
def test_a_model_that_does_not_listen_half_of_the_time_is_not_given_up(count):
    """It names what it was told to leave out, early, every second time; what is good comes later."""

    class Named(BaseModel):
        name: str
        text: str

    def script(request, number):
        name = "s" * 64 if number % 2 else sha256(b"%d" % number).hexdigest()
        return Says({"name": name, "text": "x" * 50}, latency_s=1)

    step = Step("r", "x", output=Named, over="n", unique="name", attempts=10)
    result, _, _ = make(Plan("p", [step], [Axis("n", count=count)]), script)
    assert result.shortfall is None and len({value.name for value in result.values}) == count


def test_where_more_is_hopeless_what_was_sent_first_is_waited_for():
    """What it repeats comes sooner than what is good: it is given up by then, and the first calls are not thrown away for that."""

    class Named(BaseModel):
        name: str
        text: str

    def script(request, number):
        name = "the same" if number % 2 or number >= 20 else sha256(b"%d" % number).hexdigest()
        return Says({"name": name, "text": "x" * 50}, latency_s=1)

    step = Step("r", "x", output=Named, over="n", unique="name", attempts=10)
    result, _, _ = make(Plan("p", [step], [Axis("n", count=20)]), script)
    assert len({value.name for value in result.values}) == 11 and result.shortfall is not None
