"""The provider in process, in virtual time."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from fanfold.sim.provider import SimProvider
from fanfold.sim.world import FAULTS, World
from fanfold.spec.calls import Answer, Chunk, Fault, Message, Request, Scope
from fanfold.testing.virtual import run

SCHEMA = {"title": "Dish", "type": "object", "properties": {"title": {"type": "string"}, "summary": {"type": "string"}},
          "required": ["title", "summary"], "additionalProperties": False}  # fmt: skip


def ask(prompt="Write about whales.", **more):
    return Request(model="m", messages=(Message("user", prompt),), **more)


def sim(**knobs):
    return SimProvider(World(**knobs), contents={})


async def timed(provider, request):
    """(seconds, outcome, pieces with their moments)"""
    loop, heard = asyncio.get_running_loop(), []
    began = loop.time()
    outcome = await provider.call(request, lambda chunk: heard.append((loop.time() - began, chunk)))
    return loop.time() - began, outcome, heard


def one(request=None, **knobs):
    return run(timed(sim(**knobs), request or ask()))


# ---------------------------------------------------------------- answers


def test_an_answer():
    took, answer, heard = one(fixed_s=1.0)
    assert took == pytest.approx(1.0)
    assert isinstance(answer, Answer) and answer.finish == "stop" and answer.request_id
    assert answer.usage.tokens_out == -(-len(answer.text) // 4) and answer.usage.tokens_in == 5
    assert heard == [], "it was not asked to stream"


def test_streams_come_in_pieces_that_add_up():
    took, answer, heard = one(ask(schema=SCHEMA, stream=True), fixed_s=1.0)
    assert took == pytest.approx(1.0)
    assert heard[0][0] == pytest.approx(0.2) and heard[-1][0] == pytest.approx(1.0)
    assert 2 <= len(heard) <= 12
    assert all(isinstance(chunk, Chunk) and chunk.text for _, chunk in heard)
    assert "".join(chunk.text for _, chunk in heard) == answer.text
    assert set(json.loads(answer.text)) == {"title", "summary"}
    assert one(ask(schema=SCHEMA), fixed_s=1.0)[1].text == answer.text, "streaming is how, not what"


def everything(order, seed=5, **knobs):
    """Answers by prompt, each prompt asked for three times, in the given order of arrival."""

    async def main():
        provider, said = sim(seed=seed, faults={"500": 0.2}, **knobs), {}
        asked = [f"Write about topic {n % 10}." for n in range(30)]
        order(asked)
        for prompt in asked:
            outcome = await provider.call(ask(prompt, schema=SCHEMA), lambda chunk: None)
            said.setdefault(prompt, []).append(outcome.text if isinstance(outcome, Answer) else outcome.code)
        return said

    return run(main())


def test_same_seed_same_answers_in_any_order():
    expected = everything(lambda asked: None)
    assert everything(random.Random(1).shuffle) == expected
    assert everything(lambda asked: asked.reverse(), fixed_s=0.0) == expected, "how fast it is changes nothing"
    assert everything(lambda asked: None, seed=6) != expected
    assert any(len(set(answers)) > 1 for answers in expected.values()), "asked again, it says something else"


def test_refusals_use_up_no_answer():
    async def main(**knobs):
        provider, texts = sim(seed=2, **knobs), []
        while len(texts) < 6:
            outcome = await provider.call(ask(), lambda chunk: None)
            if isinstance(outcome, Answer):
                texts.append(outcome.text)
            else:
                await asyncio.sleep(outcome.retry_after_s)
        return texts, provider.stats.refused

    (free, none), (limited, some) = run(main()), run(main(rpm=2))
    assert free == limited and none == 0 and some > 0


def test_duplicates_in_21_draws():
    async def main(seed):
        provider = sim(seed=seed)
        answers = await asyncio.gather(
            *(provider.call(ask(f"Day {n % 7}: whales.", schema=SCHEMA), lambda chunk: None) for n in range(21))
        )
        return len({json.loads(answer.text)["title"] for answer in answers})

    assert sum(run(main(seed)) < 21 for seed in range(20)) >= 15


# ---------------------------------------------------------------- limits


def test_request_limit_says_how_long_and_means_it():
    async def main():
        provider = sim(rpm=5, fixed_s=0.5, refused_cost=0)
        first = await asyncio.gather(*(provider.call(ask(), lambda chunk: None) for _ in range(6)))
        refused = [outcome for outcome in first if isinstance(outcome, Fault)]
        assert len(refused) == 1
        await asyncio.sleep(refused[0].retry_after_s)
        again = await provider.call(ask(), lambda chunk: None)
        return refused[0], again, first[0]

    refused, again, answer = run(main())
    assert (refused.code, refused.status) == ("rate_limited", 429)
    assert "requests per min (RPM): Limit 5, Used 5, Requested 1. Please try again in 12s." in refused.message
    assert refused.retry_after_s == pytest.approx(12)
    assert refused.headers["retry-after"] == "12" and refused.headers["retry-after-ms"] == "12000"
    assert refused.headers["x-ratelimit-limit-requests"] == "5" and refused.headers["x-ratelimit-reset-requests"] == "1m0s"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert isinstance(again, Answer)


@pytest.mark.parametrize("charge", ["reserve", "actual"])
def test_token_limit(charge):
    async def main():
        provider = sim(tpm=1000, charge=charge, fixed_s=0.1)
        request = ask(sampling={"max_tokens": 400})
        return [await provider.call(request, lambda chunk: None) for _ in range(10)]

    outcomes = run(main())
    refused = [outcome for outcome in outcomes if isinstance(outcome, Fault) and outcome.code == "rate_limited"]
    assert "tokens per min (TPM)" in refused[0].message
    admitted = 10 - len(refused)
    assert admitted == 2 if charge == "reserve" else 3 <= admitted <= 9


def test_larger_than_the_limit_never_passes():
    _, fault, _ = one(ask(sampling={"max_tokens": 5000}), tpm=1000)
    assert fault.code == "too_long" and fault.retry_after_s is None and "Request too large" in fault.message


def test_a_silent_world_tells_no_limits():
    _, answer, _ = one(rpm=5, headers=False)
    assert answer.headers == {}


def test_saturation_slows_everybody():
    async def main(count):
        provider = sim(fixed_s=1.0, capacity=5)
        took = await asyncio.gather(*(timed(provider, ask(f"{n}")) for n in range(count)))
        return max(seconds for seconds, _, _ in took)

    assert run(main(5)) == pytest.approx(1.0)
    assert run(main(20)) == pytest.approx(0.2 + 4 * 0.8)


# ---------------------------------------------------------------- faults

CODES = {
    "429": "rate_limited", "500": "transient", "502": "transient", "503": "transient", "529": "transient", "quota": "quota",
    "filter": "filtered", "truncated": "truncated", "empty": "malformed", "html": "malformed", "reset": "transient",
    "hang": "timeout", "stall": "timeout", "no_terminal": "transient",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_fault_has_its_code(fault, stream):
    async def main():
        provider = sim(faults={fault: 1.0}, fixed_s=2.0)
        return await timed(provider, ask(schema=SCHEMA, stream=stream, timeout_s=20, idle_s=5)), provider.stats

    (took, outcome, heard), stats = run(main())
    if fault == "malformed":
        assert isinstance(outcome, Answer)
        with pytest.raises(ValueError, match="line 1"):
            json.loads(outcome.text)
    else:
        expected = CODES[fault]
        assert isinstance(outcome, Fault) and outcome.code == expected and outcome.message
        assert (outcome.scope is Scope.ACCOUNT) == (fault == "quota")
        assert (outcome.retry_after_s is not None) == (fault == "429")
    assert took <= 22
    assert stats.faults == {fault: 1} and stats.answered == 0 and stats.in_flight == 0
    assert not heard or stream


def test_the_mix_is_as_declared():
    async def main():
        provider = sim(faults={"429": 0.1, "500": 0.05, "truncated": 0.05}, fixed_s=0.0)
        for n in range(1000):
            await provider.call(ask(f"{n}"), lambda chunk: None)
        return provider.stats

    stats = run(main())
    assert stats.requests == 1000 == stats.answered + sum(stats.faults.values())
    assert stats.faults["429"] == pytest.approx(100, abs=35) and stats.faults["500"] == pytest.approx(50, abs=25)


def test_max_tokens_cut_the_answer():
    _, fault, heard = one(ask(stream=True, sampling={"max_tokens": 20}), fixed_s=0.1)
    assert fault.code == "truncated" and fault.usage.tokens_out == 20
    assert len("".join(chunk.text for _, chunk in heard)) == 80


def test_a_slow_answer_meets_the_deadline():
    took, fault, _ = one(ask(timeout_s=10), fixed_s=60.0)
    assert fault.code == "timeout" and took == pytest.approx(11)


def test_cancelled_calls_leave_nothing():
    async def main():
        provider, heard = sim(fixed_s=1.0), []
        calls = [asyncio.create_task(provider.call(ask(stream=True), heard.append)) for _ in range(5)]
        await asyncio.sleep(0.5)
        assert provider.stats.in_flight == 5 and heard
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        before = len(heard)
        await asyncio.sleep(5)
        assert len(heard) == before
        return provider.stats

    stats = run(main())
    assert (stats.in_flight, stats.max_in_flight, stats.cancelled, stats.answered) == (0, 5, 5, 0)
    assert stats.tokens_out > 0


def test_what_cannot_be_written_is_a_fault():
    for request in (ask("\ud800"), ask(sampling={"temperature": object()})):
        _, outcome, _ = one(request)
        assert outcome.code == "bad_request"


def test_content_that_fails_is_a_fault_that_says_so():
    def dish(pen):
        raise KeyError("salt")

    provider = SimProvider(World(), contents={"Dish": dish})
    _, outcome, _ = run(timed(provider, ask(schema=SCHEMA)))
    assert outcome.code == "internal" and "'Dish'" in outcome.message and "salt" in outcome.message
