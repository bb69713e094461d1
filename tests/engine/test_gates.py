"""Gates at their edges: what was slow by accident, a judge's chain, deadline and money, what a tie is told."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from fanfold import Engine, Judge, Limits, Plan, Step, generate
from fanfold.engine import fingerprint
from fanfold.engine.job import StepWork
from fanfold.spec.calls import Request, Usage
from fanfold.spec.compile import compile_plan
from fanfold.spec.phrases import REJECTED
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_engine import last, make

GOOD = {"reason": "clear", "pass": True}
PAIR = Judge("judge: 1. {first} 2. {second}", versus="draft")
FIRST, SECOND, TIE = ({"reason": f"so {which}", "better": which} for which in ("first", "second", "tie"))


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


def test_a_deadline_that_a_judge_does_not_meet_blames_no_model():
    step = Step("r", "x", judge=Judge("judge: {value}"), fallback="-")
    result, _, _ = one(step, two(["x"], [Says(GOOD, latency_s=50)]), deadline_s=10)
    (error,) = result.errors
    assert result.values == ["-"] and "its judge gave no verdict" in error.message
    assert (error.code, error.hint) == ("timeout", ""), error


def test_a_judge_that_cannot_be_read_is_followed_by_the_next_of_its_chain():
    script = lambda request, n: Says({"writer": "x", "strange": "?", "plain": GOOD}[request.model])  # noqa: E731
    step = Step("r", "x", attempts=1, model="test/writer", judge=Judge("{value}", model="test/strange | test/plain"))
    result, provider, _ = one(step, script)
    assert result.ok and provider.calls[-1].model == "plain" and len(provider.calls) == 7


def test_a_tie_is_told_to_the_next_attempt_with_what_speaks_against_it():
    plan = Plan("p", [Step("r", "write", judge=PAIR)], given={"draft": "theirs"})
    result, provider, _ = make(plan, two(["mine", "mine, better"], [FIRST, FIRST, FIRST, SECOND]))
    assert result.values == ["mine, better"]
    told = ". a judge, who was shown it second, says: so first"
    assert f"{REJECTED} a tie" in last(provider.calls[3]) and told in last(provider.calls[3])


def test_another_rival_is_another_step_for_a_run_that_goes_on():
    def digest(judge: Judge, **given: str) -> str:
        compiled = compile_plan(Plan("p", [Step("r", "write", judge=judge)], given={"draft": "a", "other": "b", **given}))
        return fingerprint.of_step(compiled, StepWork(compiled.steps[0], (), (), 1.0))

    assert digest(PAIR) == digest(PAIR, other="c")
    assert digest(PAIR) != digest(PAIR, draft="c"), "the given that it compares with"
    assert digest(PAIR) != digest(replace(PAIR, versus="other"))


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
