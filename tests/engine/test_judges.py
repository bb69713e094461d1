"""Gates in order of cost, judges last: what they are shown, what they say, and what becomes of an answer that they cannot be heard on."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Judge, Limits, Markdown, Plan, PlanError, Step, generate
from fanfold.engine.fingerprint import of_step
from fanfold.engine.job import StepWork
from fanfold.spec.calls import Fault, Request, Usage
from fanfold.spec.compile import compile_plan
from fanfold.spec.phrases import EVIDENCE, PREVIOUS, REJECTED
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from fanfold.views.report import describe
from tests.engine.test_engine import Recipe, last, make

GOOD, BAD = {"reason": "clear", "pass": True}, {"reason": "dull", "pass": False}
TRANSIENT = Fails(Fault(code="transient", message="503"))


def one(step: Step, script: Any, **options: Any):
    return make(Plan("p", [step]), script, **options)


def is_judge(request: Request) -> bool:
    return "judge:" in request.messages[-1].content


def two(answers: Any, verdicts: Any):
    """A script of answers and one of verdicts, each in order, the last one repeated. Either may be called with its request."""
    said = {False: list(answers), True: list(verdicts)}

    def script(request: Request, n: int) -> Says | Fails:
        left = said[is_judge(request)]
        entry = left.pop(0) if len(left) > 1 else left[0]
        return entry if isinstance(entry, Says | Fails) else Says(entry)

    return script


def judges(provider: ScriptedProvider) -> list[Request]:
    return [request for request in provider.calls if is_judge(request)]


# -------------------------------------------------------------------- the order of the gates


def test_nothing_dear_runs_for_what_something_cheap_refuses():
    ran = []

    async def asked_elsewhere(value: Recipe) -> None:
        ran.append(("asynchronous", value.name))

    def short(value: Recipe) -> str | None:
        ran.append(("rule", value.name))
        return "too long" if value.minutes > 60 else None

    step = Step(
        "r", "x", over="n", output=Recipe, unique="name", checks=[asked_elsewhere, short], judge=Judge("judge: {value.name}")
    )
    script = two(
        [
            {"name": "unfit"},
            {"name": "slow", "minutes": 90},
            {"name": "good", "minutes": 5},
            {"name": "GOOD", "minutes": 5},
            {"name": "other", "minutes": 5},
        ],
        [GOOD],
    )
    result, provider, _ = make(Plan("p", [step], [Axis("n", [1, 2])], concurrent=1), script)
    assert [value.name for value in result.values] == ["good", "other"]
    assert ran == [
        ("rule", "slow"), ("rule", "good"), ("asynchronous", "good"), ("rule", "other"), ("asynchronous", "other"),
    ], "cheap ones first; nothing at all of a name that is taken"  # fmt: skip
    assert [last(request).split()[1] for request in judges(provider)] == ["good", "other"], (
        "no taken name, no refused answer is judged"
    )


def test_checks_that_are_slow_again_and_again_run_last_and_beside_the_loop():
    ran: list[tuple[str, bool]] = []

    def slow(value: str) -> None:
        time.sleep(0.006)
        ran.append(("slow", threading.current_thread() is threading.main_thread()))

    def quick(value: str) -> None:
        ran.append(("quick", threading.current_thread() is threading.main_thread()))

    provider = ScriptedProvider([Says("x", latency_s=0)])
    generate("{n}", over={"n": range(4)}, provider=provider, checks=[slow, quick], store=":memory:", limits=Limits(concurrent=1))
    names = [name for name, _ in ran]
    assert names[:4] == ["slow", "quick"] * 2 and names[-2:] == ["quick", "slow"], "once may be an accident"
    assert [on_loop for name, on_loop in ran if name == "slow"] == [True, False, False, False]


def test_what_nearly_parses_is_mended_and_not_drawn_again():
    result, provider, _ = one(Step("r", "x", output=Recipe), ["Here it is: {'name': 'Soup', 'minutes': 3,} Enjoy!"])
    assert result.values == [Recipe(name="Soup", minutes=3)] and len(provider.calls) == 1
    result, provider, _ = one(Step("r", "x", judge=Judge("judge: {value}")), two(["x"], ["{'reason': 'fine', 'pass': true,}"]))
    assert result.ok and len(provider.calls) == 2, "of a judge, too"


# -------------------------------------------------------------------- what a judge is asked, and what it says


def test_the_reason_comes_before_the_verdict_in_what_is_asked():
    class Scored(BaseModel):
        passed: bool
        score: int
        reason: str

    _, provider, _ = one(Step("r", "x", judge=Judge("judge: {value}")), two(["x"], [GOOD]))
    (request,) = judges(provider)
    assert request.schema is not None
    assert list(request.schema["properties"]) == request.schema["required"] == ["reason", "pass"]
    assert last(request) == f"judge: x\n\n{EVIDENCE}"
    scored = {"passed": True, "score": 7, "reason": "r"}
    _, provider, _ = one(Step("r", "x", judge=Judge("judge: {value}", output=Scored)), two(["x"], [scored]))
    schema = judges(provider)[0].schema
    assert schema is not None and list(schema["properties"])[-1] == schema["required"][-1] == "passed"


def test_the_reason_of_a_judge_goes_into_the_next_attempt():
    result, provider, _ = one(Step("r", "x", judge=Judge("judge: {value}")), two(["first", "second"], [BAD, GOOD]))
    assert result.values == ["second"]
    again = last(provider.calls[2])
    assert f"{PREVIOUS}\nfirst" in again and f"{REJECTED} a judge says: dull" in again
    assert result.report["steps"]["r"]["rejected"] == {"judge": {"count": 1, "example": "a judge says: dull"}}


def test_a_judge_has_a_model_of_its_own():
    step = Step("r", "x", model="test/writer", judge=Judge("judge: {value}", model="test/critic"))
    _, provider, _ = one(step, two(["x"], [GOOD]))
    assert [request.model for request in provider.calls] == ["writer", "critic"]


def test_what_passes_may_be_said_by_the_user():
    class Scored(BaseModel):
        score: int

    step = Step("r", "x", judge=Judge("judge: {value}", output=Scored, accept=lambda said: said.score >= 7))
    result, provider, _ = one(step, two(["a", "b"], [{"score": 6}, {"score": 7}]))
    assert result.values == ["b"] and EVIDENCE not in last(provider.calls[1]), (
        "no reason is asked for where there is no place for it"
    )
    assert 'a judge says: {"score":6}' in last(provider.calls[2])


def test_an_answer_that_its_judge_refuses_is_shown_nowhere():
    shown = []
    store = MemoryStore()

    async def main():
        provider = ScriptedProvider(two(["secret"], [BAD]))
        async with Engine(provider=provider, store=store, clock=VirtualClock()) as engine:
            started = engine.start(Plan("p", [Step("r", "x", attempts=2, judge=Judge("judge: {value}"))]))
            async for cell in started:
                shown.append((cell.state, cell.value))
            (record,) = await store.runs()
            kept = await (await store.journal(record)).values(0)
            return await started.result(), kept

    result, kept = run(main())
    assert not kept and shown == [("failed", None)] and result.values in ([], [None])
    assert "secret" not in json.dumps(result.to_json()) and not result.ok
    (error,) = result.errors
    assert (error.code, error.attempts, error.message) == ("check_failed", 2, "a judge says: dull")


# -------------------------------------------------------------------- a judge that cannot be heard


def test_a_fault_of_a_judge_costs_no_attempt_and_no_answer():
    verdicts = [TRANSIENT, "not json", {"reason": "no verdict"}, TRANSIENT, GOOD]
    result, provider, _ = one(Step("r", "x", attempts=1, judge=Judge("judge: {value}")), two(["only"], verdicts))
    assert result.values == ["only"] and len(provider.calls) == 6
    assert result.report["regenerated"] == 0 and result.report["steps"]["r"]["rejected"] == {}


def test_a_judge_has_retries_of_its_own():
    answers = [TRANSIENT, TRANSIENT, TRANSIENT, TRANSIENT, "late"]
    result, _, _ = one(Step("r", "x", judge=Judge("judge: {value}")), two(answers, [TRANSIENT, TRANSIENT, GOOD]))
    assert result.values == ["late"]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("nonsense", "malformed"), (TRANSIENT, "transient"), (Fails(Fault(code="filtered", message="no")), "filtered")],
)
def test_an_answer_that_is_lost_for_want_of_a_verdict_says_so(verdict, code):
    result, provider, _ = one(Step("r", "x", judge=Judge("judge: {value}")), two(["x"], [verdict]))
    (error,) = result.errors
    assert error.code == code and "its judge gave no verdict" in error.message and "another model" in error.hint
    assert len(provider.calls) == (2 if code == "filtered" else 6), "one answer, and its judge asked again"
    assert result.report["steps"]["r"]["rejected"] == {}, "nobody refused the answer"


def test_a_deadline_that_a_judge_does_not_meet_blames_no_model():
    result, _, _ = one(Step("r", "x", judge=Judge("judge: {value}")), two(["x"], [Says(GOOD, latency_s=50)]), deadline_s=10)
    (error,) = result.errors
    assert (error.code, error.hint) == ("timeout", ""), error


def test_a_judge_that_cannot_be_read_is_followed_by_the_next_of_its_chain():
    script = lambda request, n: Says({"writer": "x", "strange": "?", "plain": GOOD}[request.model])  # noqa: E731
    step = Step("r", "x", attempts=1, model="test/writer", judge=Judge("{value}", model="test/strange | test/plain"))
    result, provider, _ = one(step, script)
    assert result.ok and provider.calls[-1].model == "plain" and len(provider.calls) == 7


def test_what_the_users_accept_raises_is_told():
    step = Step("r", "x", judge=Judge("judge: {value}", accept=lambda said: said.nothing))
    result, provider, _ = one(step, two(["x"], [GOOD]))
    assert result.errors[0].code == "internal" and "accept function: AttributeError" in result.errors[0].message
    assert len(provider.calls) == 2


# -------------------------------------------------------------------- in pairs

PAIR = Judge("judge: 1. {first} 2. {second}", versus="draft")
FIRST, SECOND, TIE = ({"reason": f"so {which}", "better": which} for which in ("first", "second", "tie"))


def better(verdicts: Any, judge: Judge = PAIR, answers: Any = ("mine",), **words: Any):
    """(result, what the judges were asked): a step whose judge compares with a draft."""
    plan = Plan("p", [Step("r", "write", judge=judge, **words)], given={"draft": "theirs"})
    result, provider, _ = make(plan, two(answers, verdicts))
    return result, [last(request).split("\n")[0] for request in judges(provider)]


def test_a_judge_that_compares_is_asked_in_both_orders():
    result, asked = better([FIRST, SECOND])
    assert asked == ["judge: 1. mine 2. theirs", "judge: 1. theirs 2. mine"]
    assert result.values == ["mine"] and result.report["calls"] == 3


@pytest.mark.parametrize(
    ("verdicts", "passes"),
    [
        ((FIRST, SECOND), True),  # better, both times
        ((TIE, TIE), True),
        ((FIRST, TIE), True),  # never worse
        ((SECOND, FIRST), False),  # worse, both times
        ((FIRST, FIRST), False),  # whatever stands first is better
        ((SECOND, SECOND), False),
        ((TIE, FIRST), False),
        ((SECOND, TIE), False),
    ],
)
def test_only_what_is_at_least_as_good_in_both_orders_passes(verdicts, passes):
    result, asked = better(verdicts, attempts=1)
    assert result.ok is passes and len(asked) == 2
    if not passes:
        ((name, told),) = result.report["steps"]["r"]["rejected"].items()
        split = verdicts != (SECOND, FIRST)
        assert name == "judge" and ("a tie" in told["example"]) is split, told


def test_a_tie_is_told_to_the_next_attempt_with_what_speaks_against_it():
    plan = Plan("p", [Step("r", "write", judge=PAIR)], given={"draft": "theirs"})
    result, provider, _ = make(plan, two(["mine", "mine, better"], [FIRST, FIRST, FIRST, SECOND]))
    assert result.values == ["mine, better"]
    told = "the order in which the two were shown; against it, a judge, who was shown it second, says: so first"
    assert f"{REJECTED} a tie" in last(provider.calls[3]) and told in last(provider.calls[3])


def test_a_fault_between_two_orders_forgets_neither():
    result, asked = better([FIRST, TRANSIENT, "?", SECOND])
    assert result.values == ["mine"]
    assert asked == ["judge: 1. mine 2. theirs", *["judge: 1. theirs 2. mine"] * 3]


def test_an_answer_is_compared_with_another_step_and_waits_for_it():
    class Text(BaseModel):
        body: str

    steps = [
        Step("draft", "draft {n}", output=Text, over="n"),
        Step("final", "final {n}", output=Markdown, over="n", judge=Judge("judge: {first} {second}", versus="draft.body")),
    ]

    def script(request: Request, n: int) -> Says:
        if is_judge(request):
            return Says(TIE)
        return Says({"body": last(request)} if request.schema else last(request))

    result, provider, _ = make(Plan("p", steps, {"n": [1, 2]}), script)
    assert result.ok
    assert sorted(last(request).split("\n")[0] for request in judges(provider)) == [
        "judge: draft 1 final 1", "judge: draft 2 final 2", "judge: final 1 draft 1", "judge: final 2 draft 2",
    ]  # fmt: skip


def test_a_function_may_say_what_to_compare_with_or_that_there_is_nothing():
    best = {1: None, 2: "the best so far"}

    def prompt(cell, first, second):
        return f"judge: {cell.at['n']} {first} | {second}"

    step = Step("r", "{n}", over="n", judge=Judge(prompt, versus=lambda cell: best[cell.at["n"]]))
    result, provider, _ = make(Plan("p", [step], {"n": [1, 2]}), two(["mine"], [TIE]))
    assert result.ok
    assert [last(request) for request in judges(provider)] == [
        "judge: 2 mine | the best so far", "judge: 2 the best so far | mine",
    ]  # fmt: skip


def test_another_rival_is_another_step_for_a_run_that_goes_on():
    def digest(judge: Judge, **given: str) -> str:
        compiled = compile_plan(Plan("p", [Step("r", "write", judge=judge)], given={"draft": "a", "other": "b", **given}))
        return of_step(compiled, StepWork(compiled.steps[0], (), (), 1.0))

    assert digest(PAIR) == digest(PAIR, other="c")
    assert digest(PAIR) != digest(PAIR, draft="c"), "the given that it compares with"
    assert digest(PAIR) != digest(replace(PAIR, versus="other"))


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        (Judge("{value}", versus="draft"), "names an axis|is not a given|first"),
        (Judge("only {first}", versus="draft"), r"shown \{first\} and \{second\}"),
        (Judge("{first} {second}"), "is not a given"),
        (Judge("{first} {second}", versus="darft"), "did you mean 'draft'"),
        (Judge("{first} {second}", versus=7), "not a name or a callable"),  # type: ignore[arg-type]
        (Judge("{first} {second}", versus="draft", accept=bool), "by its field `better`"),
        (Judge("{first} {second}", versus="draft", output=bool), "which of the two is better"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_wrong_usage(judge, told):
    with pytest.raises(PlanError, match=told):
        better([TIE], judge)


def test_the_money_for_both_orders_is_booked_with_the_answer():
    cent = Usage(tokens_in=100, tokens_out=100)
    plan = Plan(
        "p",
        [Step("r", "write", judge=PAIR, model="test/m", sampling={"max_tokens": 100})],
        given={"draft": "theirs"},
    )  # fmt: skip

    def with_budget(usd: float):
        async def main():
            provider = ScriptedProvider(two([Says("mine", usage=cent)], [Says(TIE, usage=cent)]))
            prices = {"test/m": [0.0, 100.0]}
            async with Engine(provider=provider, store=":memory:", clock=VirtualClock(), prices=prices) as engine:
                return await engine.run(plan, budget_usd=usd), provider

        return run(main())

    result, provider = with_budget(0.05)
    assert not provider.calls and result.errors[0].code == "budget", "an answer and one verdict could have been paid"
    result, provider = with_budget(0.09)
    assert result.ok and len(provider.calls) == 3 and result.report["cost_usd"] == pytest.approx(0.03)


# -------------------------------------------------------------------- why answers were refused


def test_the_report_says_why_answers_were_refused_with_an_example_of_each():
    def short(value: Recipe) -> str | None:
        return f"{value.minutes} minutes is too long" if value.minutes > 60 else None

    step = Step("r", "x", over="n", output=Recipe, unique="name", checks=[short], judge=Judge("judge: {value.name}"), attempts=9)
    cut = Fails(Fault(code="truncated", message="it was cut short"))
    answers = [
        {"name": "a"}, {"name": "a", "minutes": 90}, cut, {"name": "a", "minutes": 99}, {"name": "a", "minutes": 1},
        {"name": "a", "minutes": 1}, {"name": "b", "minutes": 1},
    ]  # fmt: skip
    plan = Plan("p", [step], [Axis("n", [1, 2])], concurrent=1)
    result, _, _ = make(plan, two(answers, [GOOD, BAD, GOOD]))
    rejected = result.report["steps"]["r"]["rejected"]
    assert {name: told["count"] for name, told in rejected.items()} == {
        "short": 2, "malformed": 1, "truncated": 1, "duplicate": 1, "judge": 1,
    }  # fmt: skip
    assert next(iter(rejected)) == "short", "the most frequent first"
    assert rejected["short"]["example"] == "90 minutes is too long" and rejected["duplicate"]["example"] == "'a' is taken"
    assert "minutes" in rejected["malformed"]["example"] and rejected["judge"]["example"] == "a judge says: dull"
    lines = describe(result.report).splitlines()
    assert "  r: 2 rejected, short: 90 minutes is too long" in lines and "  r: 1 rejected, judge: a judge says: dull" in lines


def test_the_last_refusal_of_a_cell_is_counted_by_its_name_too():
    def never(value: str) -> str:
        return "no"

    result, _, _ = one(Step("r", "x", checks=[never], attempts=1), ["x"])
    assert result.report["steps"]["r"]["rejected"] == {"never": {"count": 1, "example": "no"}}
    assert result.report["steps"]["r"]["check_rejections"] == {"never": 1}
    result, _, _ = one(Step("r", "x", judge=Judge("judge: {value}"), attempts=1, fallback="-"), two(["x"], [BAD]))
    assert result.values == ["-"] and result.report["steps"]["r"]["rejected"]["judge"]["count"] == 1
