"""What was refused is kept with why, and what a judge said of what it let pass: through spares, the cache and the lives of a run."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Judge, Limits, Plan, Step
from fanfold.core.fold import RunState
from fanfold.spec.calls import Answer, Chunk, Fault, Usage
from fanfold.spec.events import CellEnded, Drafted, Rested, SpareEnded
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_engine import last
from tests.engine.test_resume import journal_of, killed, resumed


class Named(BaseModel):
    name: str
    worth: int = 1


class Opinion(BaseModel):
    reason: str
    ok: bool


COUNTED = Axis("n", count=20)


def even(value: Named) -> str | None:
    return None if value.worth % 5 else f"{value.worth} is a multiple of five"


def script(request, number):
    """Every third name is an earlier one; judges dislike names that end with 7."""
    asked = last(request)
    if asked.startswith("judge"):
        name = json.loads(asked.removeprefix("judge ").partition("\n")[0])["name"]
        return Says({"reason": f"about {name}", "ok": not name.endswith("7")}, latency_s=1 + number % 3)
    return Says({"name": f"name {number - 3 if number % 3 == 2 else number}", "worth": number}, latency_s=1 + number % 4)


def plan_of(count=20, axis=None, **words):
    step = Step(
        "one",
        "name {n}",
        over="n",
        output=Named,
        unique="name",
        checks=[even],
        judge=Judge("judge {value}", output=Opinion),
        **words,
    )
    return Plan("refused", [step], [axis or Axis("n", count=count)])


async def done(provider, plan, store=":memory:", **options):
    limits = Limits(concurrent=8)
    async with Engine("sim/x", provider=provider, store=store, clock=VirtualClock(), limits=limits, seed=1, **options) as engine:
        return await engine.run(plan)


def wrong_with(refused) -> bool:
    """Whether what is said against an answer is about that very answer."""
    if refused.check == "judge":
        return json.loads(refused.text)["name"] in refused.reason
    if refused.check == "even":
        return str(json.loads(refused.text)["worth"]) in refused.reason
    name = refused.text.partition('"name": "')[2].partition('"')[0]
    return refused.code == "duplicate" and f"{name!r} is taken" in refused.reason


@pytest.mark.parametrize("axis", [Axis("n", count=20), Axis("n", range(20))], ids=["counted", "listed"])
def test_every_refused_answer_is_there_with_its_own_reason(axis):
    result = run(done(ScriptedProvider(script), plan_of(axis=axis, attempts=8)))
    (step,) = result.steps.values()
    assert result.ok and len(step.refused) > 5 and {"judge", "even", ""} == {refused.check for refused in step.refused}
    assert all(map(wrong_with, step.refused)), [refused for refused in step.refused if not wrong_with(refused)]
    told = result.report["steps"]["one"]["rejected"]
    counts = {why: seen["count"] for why, seen in told.items()}
    found: dict[str, int] = {}
    for refused in step.refused:
        found[refused.check or refused.code] = found.get(refused.check or refused.code, 0) + 1
    assert found == counts, "as many as the report counts, one for one"
    assert all(seen["example"] for seen in told.values())


@pytest.mark.parametrize("axis", [Axis("n", count=20), Axis("n", range(20))], ids=["counted", "listed"])
def test_each_accepted_value_has_the_verdict_that_was_about_it(axis):
    result = run(done(ScriptedProvider(script), plan_of(axis=axis, attempts=8)))
    (step,) = result.steps.values()
    assert [cell.verdict for cell in step] == [{"reason": f"about {cell.value.name}", "ok": True} for cell in step]


def test_without_a_judge_there_is_no_verdict():
    plan = Plan("plain", [Step("one", "name {n}", over="n", output=Named)], {"n": range(3)})
    result = run(done(ScriptedProvider(script), plan))
    assert [cell.verdict for cell in result["one"]] == [None] * 3 and result["one"].refused == []


def test_the_answer_that_was_the_last_one_is_there_too():
    plan = Plan("last", [Step("one", "do it", output=Named, checks=[lambda value: "never good"], attempts=2)])
    result = run(done(ScriptedProvider([{"name": "first"}, {"name": "second"}]), plan))
    assert [json.loads(refused.text)["name"] for refused in result["one"].refused] == ["first", "second"]
    assert {refused.reason for refused in result["one"].refused} == {"never good"} and result["one"].errors


def test_what_never_came_is_not_refused():
    """A truncated answer counts as refused, but it is not said to be the one before."""

    def cut(request, number):
        return [Says({"name": "zero", "worth": 5}), Fails(Fault(code="truncated", message="cut off")), Says({"name": "two"})][
            number
        ]

    result = run(done(ScriptedProvider(cut), Plan("cut", [Step("one", "do it", output=Named, checks=[even])])))
    assert [(refused.code, bool(refused.text)) for refused in result["one"].refused] == [
        ("check_failed", True),
        ("truncated", False),
    ]


class Breaking:
    """A name streams, and the connection breaks; the next answer is cut off before its first word; the third one is good."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, request, heard):
        self.calls += 1
        if self.calls == 1:
            heard(Chunk('{"name": "zero", '))
            await asyncio.sleep(1)
            return Fault(code="transient", message="broken")
        if self.calls == 2:
            return Fault(code="truncated", message="cut off")
        return Answer(text='{"name": "two", "worth": 1}', usage=Usage(tokens_in=1, tokens_out=1))

    async def close(self) -> None:
        """Nothing is held."""


def test_what_an_earlier_call_said_is_not_said_of_a_later_one():
    plan = Plan("breaks", [Step("one", "do it", output=Named, unique="name")])
    (step,) = run(done(Breaking(), plan)).steps.values()
    assert [(refused.code, refused.text) for refused in step.refused] == [("truncated", "")] and step.values[0].name == "two"


def test_the_verdict_on_an_answer_that_waits_for_its_cell_outlives_the_process():
    def slow(request, number):
        said = script(request, number)
        asked = last(request).startswith("judge")
        return Says({"name": f"name {number // 2 * 2}", "worth": 1}, latency_s=1 + number % 5 * 2) if not asked else said

    async def main(appends):
        store, second = MemoryStore(), ScriptedProvider(lambda r, n: slow(r, n + 1000))
        plan = plan_of(12, attempts=20)
        run_id = await killed(store, ScriptedProvider(slow), plan, appends)
        waiting = [e for e in await journal_of(store, run_id) if isinstance(e, Drafted) and e.verdict]
        return waiting, await resumed(store, second, run_id, plan)

    filled = 0
    for appends in range(10, 70, 2):
        waiting, result = run(main(appends))
        assert result.ok and [c.verdict and c.verdict["reason"] for c in result["one"]] == [
            f"about {v.name}" for v in result["one"].values
        ]
        filled += any(json.loads(event.text)["name"] in {value.name for value in result["one"].values} for event in waiting)
    assert filled, "an answer waited with its verdict at some kill"


@pytest.mark.parametrize("appends", range(3, 40, 3))
def test_another_life_knows_what_was_refused_and_what_was_said(appends):
    async def main():
        store, first, second = MemoryStore(), ScriptedProvider(script), ScriptedProvider(lambda r, n: script(r, n + 1000))
        plan = plan_of(12, attempts=8)
        run_id = await killed(store, first, plan, appends)
        return await resumed(store, second, run_id, plan), await journal_of(store, run_id)

    result, events = run(main())
    (step,) = result.steps.values()
    assert result.ok and all(map(wrong_with, step.refused))
    assert [cell.verdict["reason"] for cell in step] == [f"about {cell.value.name}" for cell in step]
    assert sum(seen["count"] for seen in result.report["steps"]["one"]["rejected"].values()) == len(step.refused)
    assert repr(RunState().apply_all(events)).startswith("<RunState refused complete")


def test_a_verdict_of_the_cache_is_a_verdict():
    async def main():
        store = MemoryStore()
        plan = plan_of(axis=Axis("n", range(6)))
        await done(ScriptedProvider(script), plan, store, cache=True)
        silent = ScriptedProvider(script)
        return await done(silent, plan, store, cache=True), silent

    result, provider = run(main())
    assert len(provider.calls) <= 6, "most of it was known"
    assert [cell.verdict["reason"] for cell in result["one"]] == [f"about {cell.value.name}" for cell in result["one"]]


def test_events_of_before_are_read():
    """Journals that were written without the new fields."""
    from fanfold.spec.events import decode

    for event in (
        Rested(1, 2, 0, (0,), "regenerate", "duplicate", "why", "", 1, 5),
        SpareEnded(1, 2, 0, (9,), None, "duplicate", ""),
        CellEnded(1, 2, 0, (0,), "accepted", "", "", "", 1, None, None, 5),
        Drafted(1, 2, 0, (0,), None, False, None, None, None, None, 5, "{}"),
    ):
        old = json.loads(msgspec.json.encode(event))
        while old[-1] == "" and len(old) > 8:
            old.pop()
        assert decode(json.dumps(old).encode()) == event


def test_along_a_counted_axis_one_thing_that_goes_wrong_is_one_error():
    def breaks(request, number):
        return Fails(Fault(code="filtered", message="no")) if last(request) == "first 2" else Says(last(request))

    steps = [Step("a", "first {n}", over="n"), Step("b", "then {a}", over="n"), Step("c", "after {b}", over="n")]
    result = run(done(ScriptedProvider(breaks), Plan("chain", steps, [Axis("n", count=4)])))
    assert [(error.stage, error.cell, error.code) for error in result.errors] == [("a", {"n": 2}, "filtered")]
    assert [error.code for error in result["c"].errors] == ["upstream"], "a step still tells of every cell"
    assert (result.report["failed"], result.report["skipped"], result.exit_code) == (1, 2, 3)


def test_the_report_of_a_run_that_goes_on_tells_what_was_lost():
    async def main():
        store = MemoryStore()
        plan = plan_of(axis=Axis("n", range(6)), attempts=9)
        run_id = await killed(store, ScriptedProvider(script), plan, 5)
        result = await resumed(store, ScriptedProvider(script), run_id, plan)
        return result.report, RunState().apply_all(await journal_of(store, run_id))

    told, folded = run(main())
    assert told["lost"] == folded.total.lost > 0
