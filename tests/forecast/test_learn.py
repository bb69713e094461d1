"""What is learned of a step, from a journal written by hand."""

from __future__ import annotations

from copy import deepcopy

import pytest

from fanfold.forecast.foresee import foresee
from fanfold.forecast.habits import Luck, Seen, Temper, Voice
from fanfold.forecast.learn import DOUBT, Lessons, taught
from fanfold.spec.events import ANSWER, JUDGE, CellEnded, Rested, RunStarted, Settled, StepFacts
from fanfold.spec.plan import Judge, Plan, Step, Unique
from tests.forecast.plans import asked, fan, report

SECOND = 1_000_000


class Journal:
    """Events of one run of a plan, in order."""

    def __init__(self, *steps: str) -> None:
        self.events = [RunStarted(0, 0, "fan", 0, tuple(StepFacts(name, ("n",), 100) for name in steps), 64)]

    def add(self, kind, *details):
        self.events.append(kind(len(self.events), 0, *details))

    def call(self, outcome="ok", took=SECOND, tokens_out=100, phase=ANSWER, step=0):
        self.add(Settled, step, (0,), 0, phase, outcome, took, 50, tokens_out, True)

    def again(self, code, check="", kind="regenerate"):
        self.add(Rested, 0, (0,), kind, code, "why", check, 2, 0)

    def end(self, state="accepted", code="", lengths=None, step=0, check=""):
        self.add(CellEnded, step, (0,), state, code, "", "", 1, None, lengths, 0, None, (), check)


def learn(plan, *journals):
    lessons = Lessons()
    for journal in journals:
        lessons.hear(journal.events)
    return taught(asked(plan), lessons)


def test_times_and_lengths_are_those_that_were_seen():
    journal = Journal("one")
    for n in range(100):
        journal.call(took=(10 + n % 2) * SECOND, tokens_out=77)
        journal.end()
    question = learn(fan(50), journal)
    forecast = foresee(question, seeds=40)
    assert question.learned_from == forecast.learned_from == 1
    assert forecast.tokens_out.p50 == pytest.approx(50 * 77, rel=0.05)
    assert forecast.sequential_s == pytest.approx(50 * 10.5, rel=0.2)


def test_what_went_wrong_goes_wrong_as_often_again():
    journal = Journal("one")
    for n in range(180):
        journal.call()
        if n % 3 == 0:
            journal.again("check_failed", "length")
        elif n % 5 == 0:
            journal.again("malformed", "schema")
        else:
            journal.end()
    for _ in range(20):
        journal.call("transient")
        journal.again("transient", kind="retry")
    habits = learn(fan(50, checks=[bool]), journal).habits["one"]
    assert habits.refused == pytest.approx((60 + 0.08 * DOUBT) / (180 + DOUBT))
    assert habits.malformed == pytest.approx(24 / (180 + DOUBT))
    assert dict(habits.faults)["transient"] == pytest.approx((20 + 0.005 * DOUBT) / (200 + DOUBT))


def test_few_answers_teach_little():
    journal = Journal("one")
    for _ in range(5):
        journal.call(took=100 * SECOND)
        journal.end()
    question = learn(fan(50), journal)
    assert question.learned_from == 0 and question.habits["one"].voice.seen == ()


def test_collisions_are_those_of_one_run():
    def run(repeated):
        journal = Journal("one")
        for n in range(60):
            journal.call()
            journal.end()
            if n < repeated:
                journal.call("duplicate")
                journal.again("duplicate")
        return journal

    plan = fan(60, unique=Unique())
    one = learn(plan, run(20)).habits["one"].names
    assert learn(plan, run(20), run(20), run(20)).habits["one"].names == one, "three runs do not collide with each other"
    assert learn(plan, run(5)).habits["one"].names > 5 * one
    assert learn(plan, run(60)).habits["one"].names >= 120, "enough for its cells"
    again = foresee(learn(plan, run(20)), seeds=40)
    assert again.duplicates.p10 <= 20 <= 2 * again.duplicates.p90


def test_a_judge_and_lists_are_learned():
    plan = Plan("fan", [Step("one", "{n}", over="n", judge=Judge("{value}"))], {"n": range(9)})
    journal = Journal("one")
    for n in range(100):
        journal.call()
        journal.call(phase=JUDGE, took=SECOND // 2, tokens_out=9)
        if n % 4 == 0:
            journal.again("check_failed", "judge")
        else:
            journal.end()
    before = deepcopy(journal)
    journal.end("failed", "malformed", check="judge")  # its judge gave no verdict: that says nothing of answers
    habits = learn(plan, journal).habits["one"]
    assert habits.malformed == learn(plan, Journal("one")).habits["one"].malformed * DOUBT / (100 + DOUBT)
    journal.call(phase=JUDGE, took=SECOND // 2, tokens_out=9)
    journal.end("failed", "check_failed", check="judge")
    habits = learn(plan, journal).habits["one"]
    assert habits.passes == pytest.approx(1 - (26 + 0.1 * DOUBT) / (101 + DOUBT)) and habits.refused == 0
    habits = learn(plan, before).habits["one"]
    assert habits.passes == pytest.approx(1 - (25 + 0.1 * DOUBT) / (100 + DOUBT)) and habits.refused == 0
    assert habits.judge.seen[0] == Seen(SECOND // 2, 50, 9)
    lists = Journal("outline", "section", "edit", "index")
    for _ in range(10):
        lists.call()
        lists.end(lengths={"section": 11})
    forecast = foresee(learn(report(), lists), seeds=5)
    assert forecast.steps["section"].cells == 44


def test_a_resumed_run_is_one_run():
    journal = Journal("one")
    for _ in range(10):
        journal.call()
        journal.end()
    journal.events.append(RunStarted(len(journal.events), 0, "fan", 0, journal.events[0].steps, 64))
    journal.call()
    assert learn(fan(5), journal).learned_from == 1


def test_a_slow_call_is_expected_before_one_was_seen():
    few, many = (Voice(seen=tuple(Seen(SECOND, 10, 10) for _ in range(n))) for n in (20, 2_000))

    def slow(voice):
        calm = Temper(0.0, 0.0)
        return sum(voice.speak(Luck(seed), calm).took > 2 * SECOND for seed in range(5_000))

    assert slow(few) > 50 and slow(many) < 20


def test_steps_that_are_new_keep_what_is_declared():
    journal = Journal("another")
    for _ in range(20):
        journal.call()
        journal.end()
    question = learn(fan(5), journal)
    assert question.learned_from == 0 and "one" not in question.habits
    assert foresee(question, seeds=3) == foresee(asked(fan(5)), seeds=3)
