"""Gates in order of cost; judges that give their reason first, compare in either order, and never lose an answer silently."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from pydantic import BaseModel

from fanfold import Axis, Judge, Plan, PlanError, Step, Unique
from fanfold.core.verdicts import TIE
from fanfold.engine.usercode import OFTEN, UserCode
from fanfold.engine.verdicts import Preference, Verdict, judge_shape, verdict_last
from fanfold.spec.calls import Fault, Request
from fanfold.spec.phrases import EVIDENCE, PREVIOUS, REJECTED
from fanfold.testing.scripted import Fails, Says
from fanfold.testing.virtual import VirtualClock
from fanfold.views.report import describe
from tests.engine.test_engine import last, make

JUDGE = "Is it good? {value}"
DUEL = "Which is better? 1: {first} 2: {second}"


def asks(request: Request) -> bool:
    return "Is it good?" in last(request) or "Which is better?" in last(request)


def one(step: Step, answers: Any, verdict: Any, **options: Any):
    """One step; answers: texts in turn, the last one for ever. verdict: request -> what its judge says. (result, provider)."""
    given = iter(answers)
    kept: list[Any] = []

    def script(request: Request, n: int) -> Says | Fails:
        if asks(request):
            said = verdict(request)
            return said if isinstance(said, Says | Fails) else Says(said)
        kept.append(next(given, kept[-1] if kept else None))
        return Says(kept[-1])

    result, provider, _ = make(Plan("p", [step], options.pop("axes", {}), options.pop("given", {})), script, **options)
    return result, provider


def says(good: bool, reason: str = "because") -> dict[str, Any]:
    return {"reason": reason, "pass": good}


# -------------------------------------------------------------------- the order of the gates


class Named(BaseModel):
    name: str
    minutes: int


def test_nothing_dear_runs_when_something_cheap_has_refused():
    """Schema, then checks, then the key, then the judge: each answer here is stopped by the next gate."""
    ran: list[str] = []

    def cheap(value: Named) -> bool:
        ran.append("cheap")
        return value.minutes < 60

    async def dear(value: Named) -> bool:
        ran.append("dear")
        return value.minutes != 50

    def key(value: Named) -> str:
        ran.append("key")
        return value.name

    def verdict(request: Request) -> dict[str, Any]:
        ran.append("judge")
        return says(True)

    step = Step(
        "a", "{n}", over=Axis("n", [1, 2]), output=Named, checks=[dear, cheap], unique=Unique(by=None, key=key), attempts=8,
        judge=Judge(JUDGE),
    )  # fmt: skip
    answers = [
        {"name": "Dal", "minutes": 9}, {"name": "Dal"}, {"name": "Dal", "minutes": 99}, {"name": "Dal", "minutes": 50},
        {"name": "Dal", "minutes": 9}, {"name": "Pie", "minutes": 8},
    ]  # fmt: skip
    result, _ = one(step, answers, verdict, limits=None)
    assert sorted(value.name for value in result.values) == ["Dal", "Pie"]
    assert (ran.count("cheap"), ran.count("dear"), ran.count("key"), ran.count("judge")) == (5, 4, 3, 2)
    rejected = result.report["steps"]["a"]["rejected"]
    assert {why: seen["count"] for why, seen in rejected.items()} == {"malformed": 1, "cheap": 1, "dear": 1, "duplicate": 1}


def test_checks_that_were_slow_come_last_and_leave_the_loop():
    def slow(value: str) -> None:
        time.perf_counter()

    def quick(value: str) -> None: ...

    async def far(value: str) -> None: ...

    user = UserCode(VirtualClock())
    assert user.cheap_first([slow, far, quick]) == [slow, quick, far]
    user._slow[id(slow)] = OFTEN
    assert user.cheap_first([slow, far, quick]) == [quick, slow, far]


def test_what_is_nearly_json_is_mended_and_costs_no_call():
    text = "Sure:\n{'name': 'Dal', 'minutes': 9,}"
    result, provider = one(
        Step("a", "x", output=Named, judge=Judge(JUDGE)), [text], lambda request: "{'reason': 'fine', 'pass': True,}"
    )
    assert result.values == [Named(name="Dal", minutes=9)] and len(provider.calls) == 2


# -------------------------------------------------------------------- reasons


def test_the_reason_is_asked_for_before_the_verdict():
    class Backwards(BaseModel):
        ok: bool
        reason: str

    for output in (
        None,
        Backwards,
        {"type": "object", "properties": {"pass": {"type": "boolean"}, "reason": {"type": "string"}}},
    ):
        step = Step("a", "x", judge=Judge(JUDGE, output=output))
        _, provider = one(step, ["x"], lambda request: {"reason": "fine", "pass": True, "ok": True})
        request = provider.calls[1]
        assert request.schema is not None and next(iter(request.schema["properties"])) == "reason"
        assert last(request) == f"Is it good? x\n\n{EVIDENCE}"


def test_who_gives_no_reason_is_not_asked_for_one():
    _, provider = one(Step("a", "x", judge=Judge(JUDGE, output=bool)), ["x"], lambda request: {"value": True})
    assert last(provider.calls[1]) == "Is it good? x"
    _, provider = one(Step("a", "x", judge=Judge(lambda cell, value: f"Is it good? {value}")), ["x"], lambda request: says(True))
    assert last(provider.calls[1]) == "Is it good? x"


def test_the_verdict_goes_last_in_any_schema():
    schema = judge_shape(Judge(JUDGE), "p").schema
    assert schema == verdict_last(schema), "the default is in order"
    backwards = {"type": "object", "required": ["pass", "reason"], "properties": {"pass": {}, "reason": {}, "score": {}}}
    sent = verdict_last(backwards)
    assert sent is not None and list(sent["properties"]) == ["reason", "score", "pass"] and sent["required"] == ["reason", "pass"]
    assert verdict_last(None) is None and verdict_last({"type": "string"}) == {"type": "string"}


def test_the_reason_goes_into_the_next_attempt_with_the_answer():
    result, provider = one(
        Step("a", "x", judge=Judge(JUDGE)), ["first", "second"], lambda request: says("second" in last(request), "too dull")
    )
    assert result.values == ["second"] and len(provider.calls) == 4
    again = last(provider.calls[2])
    assert f"{PREVIOUS}\nfirst" in again and f"{REJECTED} a judge says: too dull" in again


def test_a_value_that_was_refused_is_never_shown():
    result, _ = one(Step("a", "x", attempts=2, judge=Judge(JUDGE)), ["bad"], lambda request: says(False, "dull"))
    assert result.values == [] and '"bad"' not in json.dumps(result.to_json()["values"])
    assert (result.errors[0].code, result.errors[0].attempts) == ("check_failed", 2)
    refused = Step("a", "write {n}", over="n", attempts=1, judge=Judge("Is it good? {value}"))
    gathered = Step("all", function=lambda cell: list(cell["a"]), output=list[str], needs=("a",))
    plan = Plan("p", [refused, gathered], {"n": [1, 2]})
    result, _, _ = make(plan, lambda request, n: Says(says("2" not in last(request)) if asks(request) else last(request)[-1]))
    assert result["a"].values == ["1"] and result["all"].values == [["1"]], "nor is it handed on"


def test_own_output_and_accept():
    class Score(BaseModel):
        reason: str
        score: int

    step = Step("a", "x", judge=Judge(JUDGE, output=Score, accept=lambda said: said.score > 7))
    result, provider = one(step, ["one", "two"], lambda request: {"reason": "meh", "score": 9 if "two" in last(request) else 3})
    assert result.values == ["two"] and "a judge says: meh" in last(provider.calls[2])


# -------------------------------------------------------------------- a judge that fails


def test_an_unreadable_judge_is_asked_again_and_costs_no_attempt():
    said = iter(["no json", {"pass": True}, says(True)])
    result, provider = one(Step("a", "x", attempts=1, judge=Judge(JUDGE)), ["x"], lambda request: next(said))
    assert result.values == ["x"] and [asks(request) for request in provider.calls] == [False, True, True, True]
    assert result.report["regenerated"] == 0 and result.report["steps"]["a"]["rejected"] == {}


@pytest.mark.parametrize(
    ("said", "code"), [("no json", "malformed"), (Fails(Fault(code="transient", message="503")), "transient")], ids=str
)
def test_a_judge_that_never_answers_is_told_in_plain_words(said: Any, code: str):
    result, provider = one(Step("a", "x", judge=Judge(JUDGE)), ["x"], lambda request: said)
    (error,) = result.errors
    assert error.code == code and error.message.startswith("there was an answer, but its judge gave no verdict: ")
    assert "another model" in error.hint and sum(map(asks, provider.calls)) == 5 and len(provider.calls) == 6


def test_a_fallback_fills_what_has_no_verdict():
    result, _ = one(Step("a", "x", fallback="instead", judge=Judge(JUDGE)), ["x"], lambda request: "no json")
    assert result.values == ["instead"] and "its judge gave no verdict" in result.errors[0].message


def test_a_broken_accept_says_whose_it_is():
    def accept(said: Verdict) -> bool:
        raise KeyError("score")

    result, provider = one(Step("a", "x", judge=Judge(JUDGE, accept=accept)), ["x"], lambda request: says(True))
    assert result.errors[0].code == "internal" and "accept function: KeyError" in result.errors[0].message
    assert len(provider.calls) == 2


# -------------------------------------------------------------------- versus


def prefers(*best: str, always: str = "") -> Any:
    """A judge that prefers these to all others, the earlier the better, wherever they stand; or always the same place."""

    def rank(text: str) -> int:
        return best.index(text.strip()) if text.strip() in best else len(best)

    def verdict(request: Request) -> dict[str, Any]:
        text = last(request).removesuffix(EVIDENCE)
        first, second = text.split("1: ")[1].split(" 2: ")
        better = "tie" if rank(first) == rank(second) else "first" if rank(first) < rank(second) else "second"
        return {"reason": f"{always or better} is richer", "better": always or better}

    return verdict


def shown(provider: Any) -> list[str]:
    return [last(request).split("\n")[0].removeprefix("Which is better? ") for request in provider.calls if asks(request)]


def test_a_better_answer_is_accepted_after_both_orders():
    step = Step("a", "x", judge=Judge(DUEL, versus="old"))
    result, provider = one(step, ["new"], prefers("new"), given={"old": "gold"})
    assert result.values == ["new"] and shown(provider) == ["1: new 2: gold", "1: gold 2: new"]
    assert provider.calls[1].schema is not None and list(provider.calls[1].schema["properties"]) == ["reason", "better"]


def test_as_good_is_good_enough():
    assert one(Step("a", "x", judge=Judge(DUEL, versus="old")), ["new"], prefers(), given={"old": "gold"})[0].values == ["new"]


def test_a_worse_answer_is_refused_with_the_reason():
    step = Step("a", "x", judge=Judge(DUEL, versus="old"))
    result, provider = one(step, ["bad", "new"], prefers("new", "gold"), given={"old": "gold"})
    assert result.values == ["new"]
    assert shown(provider) == ["1: bad 2: gold", "1: gold 2: bad", "1: new 2: gold", "1: gold 2: new"]
    assert "a judge, who was shown it second, says: first is richer" in last(provider.calls[3]) and TIE not in last(
        provider.calls[3]
    )


@pytest.mark.parametrize("place", ["first", "second"])
def test_a_judge_that_always_prefers_one_place_has_not_decided(place: str):
    step = Step("a", "x", attempts=2, judge=Judge(DUEL, versus="old"))
    result, provider = one(step, ["new"], prefers(always=place), given={"old": "gold"})
    assert result.values == [] and len(shown(provider)) == 4
    assert TIE in result.errors[0].message and "is richer" in result.errors[0].message
    assert TIE in last(provider.calls[3])


def test_an_answer_is_compared_with_that_of_another_step():
    steps = [
        Step("draft", "draft {n}", over="n"),
        Step("final", "better", over="n", judge=Judge(DUEL, versus="draft")),
    ]

    def script(request: Request, n: int) -> Says:
        if asks(request):
            return Says(prefers("final")(request))
        return Says(last(request) if "draft" in last(request) else "final")

    result, provider, _ = make(Plan("p", steps, {"n": [1, 2]}), script)
    assert result["final"].values == ["final"] * 2
    assert sorted(shown(provider)) == sorted(
        f"1: {a} 2: {b}" for n in (1, 2) for a, b in (("final", f"draft {n}"), (f"draft {n}", "final"))
    )


def test_a_callable_names_the_rival_once_for_both_orders():
    """None: there is nothing to beat, and nobody is asked."""
    rivals = iter(["gold", "silver"])
    step = Step("a", "x", judge=Judge(DUEL, versus=lambda cell: next(rivals)))
    result, provider = one(step, ["new"], prefers("new"))
    assert result.values == ["new"] and shown(provider) == ["1: new 2: gold", "1: gold 2: new"]
    result, provider = one(Step("a", "x", judge=Judge(DUEL, versus=lambda cell: None)), ["new"], prefers())
    assert result.values == ["new"] and shown(provider) == []


def test_a_callable_prompt_is_given_both():
    judge = Judge(lambda cell, first, second: f"Which is better? 1: {first} 2: {second}", versus="old")
    result, provider = one(Step("a", "x", judge=judge), ["new"], prefers("new"), given={"old": "gold"})
    assert result.values == ["new"] and shown(provider) == ["1: new 2: gold", "1: gold 2: new"]


def test_own_words_for_the_better_one():
    class Mine(BaseModel):
        better: str
        reason: str

    said = iter(
        [{"better": "First", "reason": ""}, {"better": "neither of them, maybe", "reason": ""}, {"better": "same", "reason": ""}]
    )
    judge = Judge(DUEL, output=Mine, versus="old")
    result, provider = one(Step("a", "x", judge=judge), ["new"], lambda request: next(said), given={"old": "gold"})
    assert result.values == ["new"] and len(shown(provider)) == 3, "what is no verdict is asked for again"


@pytest.mark.parametrize(
    ("judge", "path", "says"),
    [
        (Judge(DUEL, versus="odl"), "judge.versus", "did you mean 'old'"),
        (Judge(DUEL, versus="old.x"), "judge.versus", "no field 'x'"),
        (Judge(DUEL, versus="two words"), "judge.versus", "is not a name"),
        (Judge(DUEL, versus="value"), "judge.versus", ""),
        (Judge(DUEL, versus=3), "judge.versus", "is not a name or a callable"),  # type: ignore[arg-type]
        (Judge(JUDGE, versus="old"), "judge.prompt", "value"),
        (Judge("Which? {first}", versus="old"), "judge.prompt", "{first} and {second}"),
        (Judge(DUEL), "judge.prompt", "first"),
        (Judge(DUEL, versus="old", accept=bool), "judge.accept", "better"),
        (Judge(DUEL, versus="old", output=Verdict), "judge.output", "which of the two"),
    ],
)  # fmt: skip
def test_comparisons_that_make_no_sense(judge: Judge, path: str, says: str):
    with pytest.raises(PlanError) as caught:
        one(Step("a", "x", judge=judge), ["x"], prefers(), given={"old": "gold"})
    assert caught.value.path == f"steps.a.{path}" and says in str(caught.value)


# -------------------------------------------------------------------- the report


def test_the_report_says_why_answers_were_refused():
    def short(value: str) -> str | None:
        return "too long" if len(value) > 5 else None

    answers = ["far too long", "dull", "Dal", "Dal", "Pie"]
    step = Step("a", "{n}", over=Axis("n", [1, 2]), checks=[short], unique=Unique(), judge=Judge(JUDGE), attempts=6)
    result, _ = one(step, answers, lambda request: says("dull" not in last(request), "it is dull"))
    rejected = result.report["steps"]["a"]["rejected"]
    assert rejected == {
        "short": {"count": 1, "example": "too long"},
        "judge": {"count": 1, "example": "a judge says: it is dull"},
        "duplicate": {"count": 1, "example": "'Dal' is taken"},
    }
    assert "  a: 1 rejected, judge: a judge says: it is dull" in describe(result.report).split("\n")


def test_pairs_are_preferences():
    assert list(Preference.model_json_schema()["properties"]) == ["reason", "better"]
    assert list(Verdict.model_json_schema()["properties"]) == ["reason", "pass"]


def test_judging_does_not_block_the_loop():
    """A judge's answer that takes its time holds up nobody else."""

    async def accept(said: Verdict) -> bool:
        await asyncio.sleep(5)
        return said.passed

    plan = Plan("p", [Step("a", "{n}", over="n", judge=Judge(JUDGE, accept=accept))], {"n": range(8)})
    result, _, took = make(plan, lambda request, n: Says(says(True) if asks(request) else "x"))
    assert result.ok and took == 7.0
