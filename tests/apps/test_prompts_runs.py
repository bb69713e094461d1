"""Whole runs of prompts through virtual time: N chains side by side, and whatever goes wrong stays where it is."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

import pytest

from fanfold import Engine, Limits
from fanfold.apps.prompts import APP
from fanfold.apps.prompts.params import Params
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.spec.calls import Fault, Usage
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

ROLES = {"SyntheticPrompt": "engineer", "PromptVerdict": "checker"}


def role(request) -> str:
    return ROLES.get(request.schema_name, "target")


class Watched:
    """The simulated provider. breaks: request -> whether it is refused for good."""

    def __init__(self, breaks=lambda request: False, **world):
        self._inner, self._breaks = SimProvider(World(seed=1, **world)), breaks
        self.requests, self.models = [], Counter()

    async def call(self, request, heard):
        self.requests.append(request)
        self.models[role(request), request.model] += 1
        if self._breaks(request):
            return Fault(code="bad_request", message="this one not", status=400)
        return await self._inner.call(request, heard)

    async def close(self):
        await self._inner.close()


def made(params: Params, provider=None, **options):
    """(result, its content, the provider)."""
    provider = provider or Watched()
    budget = options.pop("budget_usd", None)

    async def main():
        model = options.pop("model", "sim/default")
        async with Engine(model, provider=provider, store=":memory:", clock=VirtualClock(), seed=1, **options) as engine:
            return await engine.run(APP.plan(params), budget_usd=budget)

    result = run(main())
    return result, APP.content(params, result), provider


def test_fifty_are_accepted_all_distinct_and_evenly_spread():
    result, content, _ = made(Params())
    accepted = content["accepted"]
    assert result.ok and len(accepted) == 50 and content["failed"] == [] and content["asked"] == 50
    assert len({item["prompt"] for item in accepted}) == 50 and all(
        item["answer"] and item["verdict"]["pass"] for item in accepted
    )
    assert [item["sample"] for item in accepted] == list(range(1, 51))
    counts = Counter(item["domain"] for item in accepted)
    assert len(counts) == 8 and max(counts.values()) - min(counts.values()) <= 4
    assert set(Counter(item["level"] for item in accepted)) == {"easy", "medium", "hard"}


def test_what_was_rejected_is_there_with_its_reason():
    result, content, _ = made(Params(count=40))
    rejected = content["rejected"]
    assert result.ok and {item["by"] for item in rejected} >= {"checker"}
    counted = result.report["steps"]["engineer"]["rejected"]
    assert len(rejected) == sum(seen["count"] for seen in counted.values())
    assert all(item["reason"] and item["prompt"] for item in rejected)
    quoting = [item for item in rejected if item["by"] == "checker" and "“" in item["reason"]]
    assert quoting and all(item["reason"].split("“")[1].split("”")[0].removesuffix(" …") in item["prompt"] for item in quoting)


def test_a_rejection_goes_back_to_the_engineer_with_its_reason():
    result, content, provider = made(Params(count=40), limits=Limits(concurrent=4))
    again = [request.messages[-1].content for request in provider.requests if role(request) == "engineer"]
    told = [text for text in again if "Your previous answer was not accepted. Reason: a judge says:" in text]
    assert result.ok and told
    reasons = {item["reason"] for item in content["rejected"]}
    assert all(any(reason in text for reason in reasons) for text in told)


def test_each_role_has_its_own_model_and_the_checker_has_the_common_one():
    params = Params(count=6, engineer_model="sim/writer", target_model="sim/answerer")
    result, _, provider = made(params, model="sim/common")
    assert result.ok and set(provider.models) == {("engineer", "writer"), ("checker", "common"), ("target", "answerer")}


def test_every_prompt_flows_at_its_own_pace():
    """One engineer takes a minute: everybody else is long answered."""

    def script(request, number):
        slow = role(request) == "engineer" and "number 3." in request.messages[-1].content
        return Says(said(request, number), latency_s=60 if slow else 1, usage=Usage(tokens_in=9, tokens_out=9))

    params, ends = Params(count=10), {}

    async def main():
        provider = ScriptedProvider(script)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), seed=1) as engine:
            going = engine.start(APP.plan(params))
            async for cell in going:
                ends[cell.step, cell.at["sample"]] = cell.elapsed_s
            return await going.result()

    result = run(main())
    assert result.ok and max(end for (step, n), end in ends.items() if n != 3) < 5
    assert 3 <= result.report["wall_s"] <= 63


def said(request, number):
    """What each role says: no two prompts alike."""
    if role(request) == "engineer":
        words = sha256(str(number).encode()).hexdigest()
        return {"prompt": f"Decode this: {words[:30]} {words[30:]}", "domain": "d", "level": "l", "language": "English"}
    return {"reason": "clear", "score": 5, "pass": True} if role(request) == "checker" else f"an answer, {number}"


@pytest.mark.parametrize("who", ["engineer", "checker", "target"])
def test_one_that_fails_hurts_nobody_else_and_is_one_error(who):
    hit: list[str] = []

    def breaks(request):
        text = request.messages[-1].content
        if role(request) != who or (who == "engineer" and not text.startswith("Write prompt number 4.")):
            return False
        hit[:] = hit or [text]
        return who == "engineer" or text == hit[0]

    params = Params(count=12)
    result, content, _ = made(params, Watched(breaks))
    assert result.state == "partial" and result.exit_code == 3
    assert [(error.stage, error.code) for error in result.errors] == [
        ("target" if who == "target" else "engineer", "bad_request")
    ]
    assert len(content["accepted"]) == 11 and [item["code"] for item in content["failed"]] == ["bad_request"]
    (failed,) = content["failed"]
    assert failed["sample"] == result.errors[0].cell["sample"] and ("prompt" in failed) == (who == "target")
    assert len(APP.rows(content)) == len(APP.documents["chat.jsonl"](content).splitlines()) == 11
    assert set(result.shortfall) == {result.errors[0].stage}


def test_a_budget_ends_it_and_both_are_told():
    prices = {"sim/default": [100.0, 100.0]}
    result, content, _ = made(Params(count=60), prices=prices, budget_usd=1.5, limits=Limits(concurrent=4))
    assert result.state == "partial" and 0 < len(content["accepted"]) < 60
    assert result.report["cost_usd"] <= 1.5 and {error.code for error in result.errors} == {"budget"}
    assert len(content["accepted"]) + len(content["failed"]) == 60 and result.shortfall["engineer"]["code"] == "budget"
    assert content["rejected"] == [] or all(item["reason"] for item in content["rejected"])


def test_where_nothing_passes_it_stops_and_says_why():
    """A checker that never passes anything: a diagnosis, not a bill for ever."""

    def script(request, number):
        verdict = {"reason": "no prompt is good enough for me", "score": 1, "pass": False}
        return Says(verdict if role(request) == "checker" else said(request, number))

    provider = ScriptedProvider(script)
    result, content, _ = made(Params(count=20), provider)
    assert result.state == "failed" and content["accepted"] == [] and len(provider.calls) < 200
    assert "100 % of the answers were refused, most by the judge" in result.shortfall["engineer"]["message"]
    assert {item["by"] for item in content["rejected"]} == {"checker"} and len(content["failed"]) == 20


def test_a_low_score_is_no_pass():
    def script(request, number):
        verdict = {"reason": "so-so", "score": 2 if number % 2 else 5, "pass": True}
        return Says(verdict if role(request) == "checker" else said(request, number))

    result, content, _ = made(Params(count=6, min_score=4), ScriptedProvider(script))
    assert result.ok and {item["verdict"]["score"] for item in content["accepted"]} == {5} and content["rejected"]


@pytest.mark.parametrize(
    ("params", "holds"),
    [
        (Params(count=12, topic="sourdough bread"), lambda item: "sourdough bread" in item["prompt"]),
        (Params(count=12, domains=["science"], levels=["hard"]), lambda item: (item["domain"], item["level"]) == ("science", "hard")),
        (Params(count=8, languages=["Dutch", "French"]), lambda item: item["language"] in ("Dutch", "French")),
        (Params(count=6, domains=["astrology"], levels=["novice", "expert"]), lambda item: "astrology" in item["prompt"]),
    ],
)  # fmt: skip
def test_topics_domains_levels_and_languages(params, holds):
    result, content, _ = made(params)
    assert result.ok and len(content["accepted"]) == params.count and all(map(holds, content["accepted"]))


def test_a_system_prompt_and_a_rubric_reach_their_models_as_they_are():
    params = Params(count=2, system='Answer as JSON: {"answer": {x}}', rubric="- It rhymes with {sample}.", topic="{braces}")
    result, content, provider = made(params)
    assert result.ok and content["system"] == params.system
    targets = [request for request in provider.requests if role(request) == "target"]
    assert all([message.role for message in request.messages] == ["system", "user"] for request in targets)
    assert all(request.messages[0].content == params.system for request in targets)
    texts = ["\n".join(message.content for message in request.messages) for request in provider.requests]
    assert all(
        "- It rhymes with {sample}." in text
        for text, request in zip(texts, provider.requests, strict=True)
        if role(request) != "target"
    )
    assert json.loads(APP.documents["eval.jsonl"](content).splitlines()[0])["input"][0]["content"] == params.system


def test_the_target_is_sent_the_prompt_and_nothing_else():
    _, content, provider = made(Params(count=8))
    sent = {request.messages[0].content for request in provider.requests if role(request) == "target"}
    assert {item["prompt"] for item in content["accepted"]} == sent
    assert all(len(request.messages) == 1 for request in provider.requests if role(request) == "target")
