"""The shell without a loop: the same run as the asyncio shell's, whatever a plan has in it."""

from __future__ import annotations

import pytest

from fanfold.core.grid import Grid
from fanfold.forecast.heap import Heap
from fanfold.forecast.trial import trial
from fanfold.forecast.weather import Weather
from fanfold.spec.events import CellEnded, RunEnded, encode
from fanfold.spec.plan import Judge, Limits, Plan, Step, Unique
from tests.forecast.plans import asked, fan, names, report


def log(question, seed):
    events = []
    conductor = question.open(question.limits)
    conductor.add(Grid(question.plan), [step.rule for step in question.steps], 0, seed=seed)
    Heap(conductor, Weather(question, seed), events.extend).run()
    return events


@pytest.mark.parametrize("plan", [fan(30), names(40), report()], ids=["fan", "names", "report"])
def test_a_seed_is_always_the_same_run(plan):
    one, again, other = (b"".join(map(encode, log(asked(plan), seed))) for seed in (1, 1, 2))
    assert one == again != other


def test_a_run_ends_and_every_cell_with_it():
    events = log(asked(report()), 3)
    ended = [event for event in events if isinstance(event, CellEnded)]
    assert isinstance(events[-1], RunEnded) and len({(e.step, e.at) for e in ended}) == len(ended) == trial_of(report(), 3).cells
    assert {event.step for event in ended} == {0, 1, 2, 3}


def trial_of(plan, seed=0, limits=None, cap=None, **more):
    question = asked(plan, limits=limits, **more)
    return trial(question, seed, question.limits, cap)


def test_names_collide_in_the_real_table_and_no_two_are_accepted():
    events = log(asked(names(200)), 0)
    keys = [event.key for event in events if isinstance(event, CellEnded) and event.state == "accepted"]
    assert len(set(keys)) == len(keys) > 150
    assert trial_of(names(200)).duplicates > 5 and trial_of(fan(200)).duplicates == 0


def test_calls_that_lost_their_name_are_cut_off_early():
    from pydantic import BaseModel

    class Named(BaseModel):
        name: str
        body: list[str]

    early = trial_of(fan(300, output=Named, unique="name"))
    late = trial_of(fan(300, output=Named, unique=Unique(key=lambda value: value.name)))
    assert early.duplicates > 20 and late.duplicates > 20
    assert early.tokens_out / early.calls < 0.95 * late.tokens_out / late.calls


def test_judges_and_checks_make_more_calls():
    plain, judged = trial_of(fan(200)), trial_of(fan(200, judge=Judge("Good? {value}")))
    assert judged.calls > 1.9 * plain.calls
    compared = trial_of(fan(200, judge=Judge("Which? {first} {second}", versus="n")))
    assert compared.calls > 2.9 * plain.calls, "once in either order"
    checked = trial_of(fan(200, checks=[bool]))
    assert 5 < checked.drawn_again - plain.drawn_again < 60


def test_limits_and_concurrency_hold():
    assert 64 < trial_of(fan(200)).most_at_once <= 200, "with limits unknown, more and more are sent"
    assert trial_of(fan(50), limits=Limits(concurrent=3)).most_at_once == 3
    assert trial_of(fan(50), cap=4).most_at_once == 4
    assert 240e6 < trial_of(fan(45), limits=Limits(rpm=10)).wall_us < 270e6
    tokens = trial_of(fan(60), limits=Limits(tpm=2000))
    assert tokens.bound.by == "tokens/min" and tokens.wall_us >= tokens.bound.us


def test_a_bound_is_never_above_what_was_reached_and_grows_closer_on_small_graphs():
    chain = Plan("chain", [Step("a", "{n}", over="n"), Step("b", "{a}", over="n"), Step("c", "{b}")], {"n": range(20)})
    for seed in range(10):
        for limits in (Limits(), Limits(rpm=9), Limits(concurrent=3), Limits(tpm=3000)):
            found = trial_of(chain, seed, limits)
            assert 0 < found.bound.us <= found.wall_us
    tight = trial_of(chain, 0, Limits(concurrent=2))
    assert tight.bound.us > 0.85 * tight.wall_us and tight.bound.by == "concurrency"


def test_what_cannot_be_done_fails_and_ends():
    plan = fan(40, unique=Unique(), attempts=1)
    found = trial_of(plan)
    assert found.accepted < 40 and found.cells == 40
    filled = trial_of(fan(40, unique=Unique(), attempts=1, fallback=lambda cell: "x"))
    assert filled.accepted == 40, "callable fallbacks differ"
    same = trial_of(fan(40, unique=Unique(), attempts=1, fallback="x"))
    assert found.accepted < same.accepted + 1 < 41, "a constant one is taken once"
    late = trial_of(fan(500), limits=Limits(concurrent=4), deadline_s=3.0)
    assert late.accepted < 50 and 2.9e6 < late.wall_us < 3.5e6


def test_calls_that_take_too_long_are_given_up():
    found = trial_of(fan(5, timeout_s=0.05))
    assert (found.accepted, found.calls) == (0, 15), "one call for each, and until the lane is given up"


def test_two_models_share_no_lane():
    plan = Plan("p", [Step("a", "{n}", over="n"), Step("b", "{a}", over="n", model="openai/other")], {"n": range(30)})
    found = trial_of(plan, limits=Limits(rpm=20))
    assert found.accepted == 60 and 60e6 < found.wall_us < 120e6


def test_a_conductor_that_listens_hears_how_answers_come():
    from pydantic import BaseModel

    class Named(BaseModel):
        name: str

    heard = []
    question = asked(fan(20, output=Named, unique="name"))
    conductor = question.open(question.limits)

    class Listening(type(conductor)):
        def heard(self, call, tokens, now):
            heard.append((call, tokens, now))

    conductor.__class__ = Listening
    conductor.add(Grid(question.plan), [step.rule for step in question.steps], 0)
    Heap(conductor, Weather(question, 0), lambda events: None).run()
    first = {call: now for call, tokens, now in reversed(heard)}
    assert len(first) >= 20 and min(first.values()) > 0
    assert all(tokens >= 1 and now >= first[call] for call, tokens, now in heard)


def test_a_plan_without_a_model_takes_no_time():
    found = trial_of(Plan("f", [Step("f", function=lambda cell: 1, output=int, over="n")], {"n": range(5)}))
    assert (found.accepted, found.calls, found.wall_us) == (5, 0, 0)
