"""The slow tail: a twin is sent for a call that is late; one of them counts, the other is cancelled and charged."""

from __future__ import annotations

import asyncio
import math
from random import Random

from pydantic import BaseModel

from fanfold import Engine, Limits, Plan, Step
from fanfold.core.hedge import Hedging
from fanfold.spec.calls import Fault, Scope, Usage
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

WARM = 60


class Named(BaseModel):
    name: str


def done(provider, cells=WARM + 1, unique=None, cap=4, **options):
    plan = Plan("p", [Step("a", "{n}", over="n", output=Named, unique=unique)], {"n": range(cells)})

    async def main():
        limits = Limits(concurrent=cap)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), limits=limits, **options) as engine:
            return await engine.run(plan)

    return run(main())


def usual(number, request):
    return {"name": f"name {request.messages[-1].content}"}


def late(number, request, first=WARM):
    """The last call is slow; the one after it, its twin, is not."""
    return Says(usual(number, request), latency_s=100 if number == first else 1)


def test_a_late_call_gets_a_twin_and_the_first_answer_wins():
    provider = ScriptedProvider(lambda request, number: late(number, request))
    result = done(provider)
    assert len(result.values) == WARM + 1 and result.report["hedges"] == 1
    assert result.report["wall_s"] < WARM / 4 + 6, "not the 100 s of the late one"
    assert provider.cancelled == 1 and result.report["calls"] == WARM + 2
    assert result.report["wasted_tokens"] > 0, "what was cancelled is charged"


def test_the_twin_may_lose():
    provider = ScriptedProvider(
        lambda request, number: Says(usual(number, request), latency_s={WARM: 2, WARM + 1: 50}.get(number, 1))
    )
    result = done(provider)
    assert result.report["hedges"] == 1 and result.ok and provider.cancelled == 1
    assert result.report["wall_s"] < WARM / 4 + 8


def test_a_twin_that_fails_is_followed_by_another():
    def script(request, number):
        if number == WARM + 1:
            return Fails(Fault(code="transient", message="down", status=500))
        return Says(usual(number, request), latency_s=10 if number == WARM else 1)

    result = done(ScriptedProvider(script))
    assert result.ok and result.report["hedges"] == 2 and result.report["retries"] == 0
    assert result.report["calls"] == WARM + 3 and result.report["wall_s"] < WARM / 4 + 5


def test_a_twin_that_is_late_itself_makes_way_for_another():
    provider = ScriptedProvider(
        lambda request, number: Says(usual(number, request), latency_s=60 if number in (WARM, WARM + 1) else 1)
    )
    result = done(provider)
    assert result.ok and result.report["hedges"] == 2 and provider.cancelled == 2
    assert result.report["wall_s"] < WARM / 4 + 6


def test_calls_of_the_first_wave_have_twins_once_it_is_known_what_is_late():
    provider = ScriptedProvider(lambda request, number: Says(usual(number, request), latency_s=40 if number == 3 else 1))
    result = done(provider, cells=21, cap=64)
    assert result.ok and result.report["hedges"] == 1 and result.report["wall_s"] < 4


def test_a_call_that_runs_out_of_time_leaves_its_twin_alone():
    provider = ScriptedProvider(
        lambda request, number: Says(usual(number, request), latency_s=900 if number == WARM else 7.5 if number > WARM else 1)
    )
    result = done(provider, timeout_s=8)
    assert result.ok and result.report["retries"] == 0 and result.report["calls"] == WARM + 3


def test_when_both_end_at_once_one_counts():
    """Of two answers of one moment one is accepted and both are charged."""
    begun: dict[int, float] = {}

    def script(latency):
        def say(request, number):
            begun[number] = asyncio.get_running_loop().time()
            return Says(usual(number, request), latency_s=latency if number == WARM else 1)

        return ScriptedProvider(say)

    done(script(100), seed=1)
    together = begun[WARM + 1] - begun[WARM] + 1  # when its twin ends, as the same run will have it again
    for apart in (0, -1e-6, 1e-6):
        provider = script(together + apart)
        result = done(provider, seed=1)
        assert result.ok and result.report["accepted"] == WARM + 1 and result.report["calls"] == WARM + 2
        assert result.report["hedges"] == 1 and result.report["wasted_tokens"] > 0


def test_a_twin_whose_answer_is_no_good_leaves_it_to_the_next_attempt():
    """It was the first, and was judged: one attempt, not two."""
    provider = ScriptedProvider(
        lambda request, number: Says(
            "no JSON" if number == WARM + 1 else usual(number, request), latency_s=100 if number == WARM else 1
        )
    )
    result = done(provider)
    assert result.ok and result.report["regenerated"] == 1 and provider.cancelled == 1
    assert result.report["calls"] == WARM + 3


def test_what_condemns_the_account_is_heard_of_a_twin_too():
    """The call that it was sent for is still in the air, and good: nothing more starts all the same."""
    asked: list[str] = []
    refused_at: list[int] = []

    def script(request, number):
        prompt = request.messages[-1].content
        twin = prompt in asked
        asked.append(prompt)
        if twin and not refused_at:
            refused_at.append(len(asked))
            return Fails(Fault(code="quota", message="no money", status=402, scope=Scope.ACCOUNT))
        return Says(usual(number, request), latency_s=30 if number == WARM else 1)

    result = done(ScriptedProvider(script), cells=WARM + 40)
    assert refused_at and len(asked) <= refused_at[0] + 4, "four may have been in the air"
    assert {error.code for error in result.errors} == {"quota"} and result.report["accepted"] >= WARM


def test_both_hold_one_key():
    """Whatever the twin is called, one name is kept, and nobody else is refused for the other."""
    provider = ScriptedProvider(
        lambda request, number: Says(
            {"name": f"twin {number}" if number > WARM else f"name {number}"}, latency_s=30 if number == WARM else 1, first_s=0.5
        )
    )
    result = done(provider, unique="name")
    assert result.ok and len({value.name for value in result.values}) == WARM + 1
    assert result.report["duplicates_rejected"] == 0


def test_without_experience_nothing_is_hedged():
    provider = ScriptedProvider(lambda request, number: Says(usual(number, request), latency_s=30 if number == 3 else 1))
    result = done(provider, cells=8)
    assert result.report["hedges"] == 0 and result.report["wall_s"] >= 30


def test_hedges_keep_to_their_budget():
    """From some moment on all calls are late: that is no tail, and a twin for each would double the bill."""
    provider = ScriptedProvider(lambda request, number: Says(usual(number, request), latency_s=50 if number >= WARM else 1))
    result = done(provider, cells=WARM + 40, cap=60)
    assert result.ok and 1 <= result.report["hedges"] <= 2 + 0.05 * (WARM + 40)


def test_what_never_says_a_word_is_given_up_before_its_deadline():
    provider = ScriptedProvider(
        lambda request, number: Says(
            usual(number, request), latency_s=1000 if number == 0 else 1, first_s=900 if number == 0 else 0.3
        )
    )
    result = done(provider, cells=1, unique="name", timeout_s=600)
    assert result.ok and result.report["retries"] == 1 and 25 <= result.report["wall_s"] <= 70


def tail_provider(seed):
    """3 % are ten times slower to begin, 1.5 % write at a quarter of the speed, 0.3 % hang."""
    rng = Random(seed)

    def script(request, number):
        first = rng.lognormvariate(math.log(0.55), 0.45) * (10 if rng.random() < 0.03 else 1)
        rate = 65 * rng.lognormvariate(0, 0.2) / (4 if rng.random() < 0.015 else 1)
        tokens = max(50, rng.lognormvariate(math.log(578), 0.3))
        whole = first + tokens / rate
        if rng.random() < 0.003:
            first = whole = 1000
        return Says(
            {"name": f"n{number}"}, latency_s=whole, first_s=first, pieces=20, usage=Usage(tokens_in=300, tokens_out=int(tokens))
        )

    return ScriptedProvider(script)


def walls(cells, seeds, *, hedged):
    """Seconds and tokens of fan-outs through a lane that has made 300 calls before."""

    def plan(n):
        return Plan("p", [Step("a", "{n}", over="n", output=Named, unique="name")], {"n": range(n)})

    async def main(seed):
        options = {
            "provider": tail_provider(seed),
            "store": ":memory:",
            "clock": VirtualClock(),
            "limits": Limits(concurrent=2 * cells),
        }
        async with Engine("sim/x", timeout_s=120, seed=seed, **options) as engine:
            await engine.run(plan(300))
            if not hedged:
                engine._shell.conductor.lanes[1].late = NeverLate(share=0)
            report = (await engine.run(plan(cells))).report
            return report["wall_s"], report["tokens_in"] + report["tokens_out"]

    return [run(main(seed)) for seed in range(seeds)]


class NeverLate(Hedging):
    def first_deadline(self):
        return 10**12

    def hedge_after(self, *, streamed):
        return None


def test_the_tail_is_cut_for_a_few_per_cent():
    with_hedges, without = walls(300, 4, hedged=True), walls(300, 4, hedged=False)
    hedged, plain = ([sum(column) for column in zip(*each, strict=True)] for each in (with_hedges, without))
    assert hedged[0] <= 0.6 * plain[0] and hedged[1] <= 1.06 * plain[1]
    assert max(wall for wall, _ in with_hedges) <= 0.5 * max(wall for wall, _ in without)
