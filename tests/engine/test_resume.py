"""A run goes on where it was cut off: nothing accepted is made again, only the cone of what has changed."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Judge, Limits, Plan, PlanError, Step, Unique
from fanfold.core.fold import RunState
from fanfold.spec.calls import Fault
from fanfold.spec.errors import StoreError
from fanfold.spec.events import Called, CellEnded, Drafted, Reopened, Settled
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Outline(BaseModel):
    sections: list[str]


class Named(BaseModel):
    name: str


class Dying:
    """A store whose process is killed at the k-th append: what was written before stays, nothing comes after. None: it lives."""

    def __init__(self, store, appends=None):
        self._store, self.left = store, appends

    async def journal(self, record):
        journal = await self._store.journal(record)
        return DyingJournal(journal, self)

    async def runs(self, run_id=None):
        return await self._store.runs(run_id)

    async def close(self):
        pass


class DyingJournal:
    def __init__(self, journal, store):
        self._journal, self._store = journal, store

    async def append(self, events, values):
        if self._store.left is not None:
            if self._store.left <= 0:
                raise StoreError("killed")
            self._store.left -= 1
        await self._journal.append(events, values)

    def __getattr__(self, name):
        return getattr(self._journal, name)


def report_plan(**words):
    """outline over doc -> section over (doc, section) -> edit over doc -> book."""
    steps = {
        "outline": "outline of {doc}",
        "section": "section {section} of {doc}",
        "edit": "edit {section}",
        "book": "book of {edit}",
        **words,
    }
    return Plan(
        "report",
        [
            Step("outline", steps["outline"], over="doc", output=Outline),
            Step("section", steps["section"], over=("doc", "section")),
            Step("edit", steps["edit"], over="doc"),
            Step("book", steps["book"]),
        ],
        {"doc": ["a", "b", "c"], "section": {"each": "outline.sections"}},
    )


def writer(**options):
    def script(request, number):
        asked = request.messages[-1].content
        if request.schema is not None:
            return Says({"sections": ["x", "y"]}, **options)
        return Says(f"<{asked[:40]}>", **options)

    return ScriptedProvider(script)


def engine_of(store, provider, **options):
    return Engine("sim/x", provider=provider, store=store, clock=VirtualClock(), **options)


async def killed(store, provider, plan, appends, model="sim/x", **options):
    """Run it until its store is gone. Returns the run's id."""
    async with Engine(model, provider=provider, store=Dying(store, appends), clock=VirtualClock(), **options) as engine:
        begun = engine.start(plan)
        with contextlib.suppress(StoreError):
            await begun.result()
        return begun.id


async def resumed(store, provider, run_id, plan, *, engine=None, **options):
    async with engine_of(store, provider, **(engine or {})) as rooms:
        going = await rooms.resume(run_id, plan, **options)
        return await going.result()


async def journal_of(store, run_id):
    [record] = await store.runs(run_id)
    journal = await store.journal(record)
    return await journal.events(-1, 1_000_000)


async def whole(plan, provider):
    async with engine_of(MemoryStore(), provider) as engine:
        return await engine.run(plan)


def in_the_air(events):
    air = set()
    for event in events:
        if isinstance(event, Called):
            air.add(event.call)
        elif isinstance(event, Settled):
            air.discard(event.call)
    return len(air)


@pytest.mark.parametrize("appends", range(1, 14))
def test_cut_off_at_any_write_it_ends_the_same_and_pays_again_only_for_what_was_in_the_air(appends):
    async def main():
        store, provider = MemoryStore(), writer()
        run_id = await killed(store, provider, report_plan(), appends)
        if not await store.runs(run_id):
            return None
        before = await journal_of(store, run_id)
        result = await resumed(store, provider, run_id, report_plan())
        events = await journal_of(store, run_id)
        return before, result, events, len(provider.calls)

    done = run(main())
    if done is None:
        return
    before, result, events, calls = done
    straight = run(whole(report_plan(), writer()))
    assert result.ok and result.to_json()["values"] == straight.to_json()["values"]
    assert calls <= 13 + in_the_air(before), "3 outlines, 6 sections, 3 edits, 1 book"
    assert [event.seq for event in events] == list(range(len(events)))
    ended = [(event.step, event.at) for event in events if isinstance(event, CellEnded)]
    assert len(ended) == len(set(ended)) == 13, "no cell ends twice"
    assert result.report["accepted"] == result.report["cells"] == 13
    assert RunState().apply_all(events).total.accepted == 13


def test_a_run_that_is_complete_is_made_again_without_a_call():
    async def main():
        store, provider = MemoryStore(), writer()
        async with engine_of(store, provider) as engine:
            first = await engine.run(report_plan())
        again = await resumed(store, provider, first.run_id, report_plan())
        return first, again, len(provider.calls)

    first, again, calls = run(main())
    assert calls == 13 and again.ok and again.to_json()["values"] == first.to_json()["values"]


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ({"book": "the book of {edit}"}, 1),
        ({"edit": "edit well {section}"}, 4),
        ({"section": "a section {section} of {doc}"}, 10),
        ({"outline": "an outline of {doc}"}, 13),
        ({}, 0),
    ],
    ids=["last", "before", "fan", "first", "nothing"],
)
def test_only_the_cone_of_a_changed_prompt_is_made_again(words, made):
    async def main():
        store, provider = MemoryStore(), writer()
        async with engine_of(store, provider) as engine:
            first = await engine.run(report_plan())
        calls = len(provider.calls)
        again = await resumed(store, provider, first.run_id, report_plan(**words))
        return again, len(provider.calls) - calls, await whole(report_plan(**words), writer()), await store.runs()

    again, calls, straight, [record] = run(main())
    assert calls == made and again.ok
    assert again.to_json()["values"] == straight.to_json()["values"]
    assert (record.cells, record.accepted, record.state) == (13, 13, "complete")


def test_more_values_of_an_axis_are_made_and_what_gathers_them_anew():
    def plan(days):
        return Plan("week", [Step("meal", "{day}", over="day"), Step("list", "{meal}")], {"day": range(days)})

    async def main():
        store, provider = MemoryStore(), writer()
        async with engine_of(store, provider) as engine:
            first = await engine.run(plan(3))
        again = await resumed(store, provider, first.run_id, plan(5))
        return [call.messages[-1].content for call in provider.calls], again

    calls, again = run(main())
    assert calls[4:6] == ["3", "4"] and len(calls) == 7 and len(again["meal"].values) == 5


def test_other_values_of_an_axis_are_other_cells():
    def plan(days):
        return Plan("week", [Step("meal", "{day}", over="day"), Step("tip", "a tip")], {"day": days})

    async def main():
        store, provider = MemoryStore(), writer()
        async with engine_of(store, provider) as engine:
            first = await engine.run(plan(["mo", "tu", "we"]))
        again = await resumed(store, provider, first.run_id, plan(["mo", "we"]))
        return len(provider.calls), again, await store.runs()

    calls, again, [record] = run(main())
    assert calls == 4 + 2 and again["meal"].values == ["<mo>", "<we>"] and (record.cells, record.accepted) == (3, 3)


def test_what_failed_outside_is_tried_again_and_what_was_refused_is_not():
    def refuses(value):
        return "never" if "b" in value else None

    plan = Plan(
        "two", [Step("one", "do {x}", over="x", checks=[refuses], attempts=2), Step("sum", "{one}")], {"x": ["a", "b", "c"]}
    )
    key = Fault(code="auth", message="wrong key", scope=2, status=401)

    def locked(request, number):
        return Fails(key, 5.0) if "do c" in request.messages[-1].content else Says(request.messages[-1].content)

    async def main():
        store = MemoryStore()
        async with engine_of(store, ScriptedProvider(locked)) as engine:
            first = await engine.run(plan)
        good = writer()
        again = await resumed(store, good, first.run_id, plan)
        once_more = writer()
        last = await resumed(store, once_more, first.run_id, plan, retry_refused=True)
        events = await journal_of(store, first.run_id)
        return first, again, good, last, once_more, events

    first, again, good, _, once_more, events = run(main())
    assert {error.code for error in first.errors} >= {"check_failed", "auth"}
    assert len(good.calls) == 2, "c, and the sum of a and c"
    assert "<do c>" in good.calls[1].messages[-1].content
    assert [error.code for error in again.errors] == ["check_failed"] and again.report["failed"] == 1
    assert len(once_more.calls) == 2, "b twice; the sum asks what it asked before, and a resumed run has a cache"
    assert any(isinstance(event, Reopened) for event in events)


def test_keys_stay_taken_and_attempts_stay_used():
    plan = Plan("names", [Step("one", "name {n}", over="n", output=Named, unique="name", attempts=3)], {"n": range(4)})

    async def main():
        store = MemoryStore()
        first = ScriptedProvider([{"name": "A"}, {"name": "A"}, {"name": "B"}, {"name": "B"}])
        run_id = await killed(store, first, plan, 3)
        second = ScriptedProvider([{"name": "A"}, {"name": "B"}, {"name": "C"}, {"name": "D"}, {"name": "E"}])
        result = await resumed(store, second, run_id, plan)
        return result, await journal_of(store, run_id)

    result, events = run(main())
    names = [value.name for value in result.values]
    assert len(set(names)) == len(names)
    assert max(event.attempt for event in events if isinstance(event, Called)) <= 3


def test_declared_limits_count_what_the_earlier_life_sent(monkeypatch):
    """3 a minute: killed after the first 3, the fourth waits out the minute although another process sends it."""
    now = [1_000_000.0]
    monkeypatch.setattr("fanfold.api.time.time", lambda: now[0])
    plan = Plan("four", [Step("one", "do {n}", over="n")], {"n": range(4)})

    async def main():
        store = MemoryStore()
        run_id = await killed(store, writer(latency_s=1.0), plan, 2, limits=Limits(rpm=3))
        now[0] += 10
        provider = writer(latency_s=1.0)
        result = await resumed(store, provider, run_id, plan, engine={"limits": Limits(rpm=3)})
        return result, provider.started, provider

    result, started, _ = run(main())
    assert result.ok and started[0] >= 49, "the first three calls were sent 10 s ago"


def test_a_counted_axis_goes_on_to_exactly_as_many():
    plan = Plan("many", [Step("one", "a name", over="n", output=Named, unique="name")], [Axis("n", count=12)])

    def script(request, number):
        return Says({"name": f"name {number % 17 + number // 17}"}, latency_s=1 + number % 3)

    async def main(appends):
        store = MemoryStore()
        run_id = await killed(store, ScriptedProvider(script), plan, appends)
        return await resumed(store, ScriptedProvider(script), run_id, plan), await journal_of(store, run_id)

    for appends in range(2, 8):
        result, events = run(main(appends))
        names = [value.name for value in result.values]
        assert len(names) == len(set(names)) == 12 and result.ok, appends
        ended = [event.at for event in events if isinstance(event, CellEnded)]
        assert sorted(ended) == [(n,) for n in range(12)]


def test_cells_come_once_each_when_a_run_is_gone_on_with():
    async def main():
        store, provider = MemoryStore(), writer()
        run_id = await killed(store, provider, report_plan(), 5)
        async with engine_of(store, provider) as engine:
            going = await engine.resume(run_id, report_plan())
            seen = [(cell.step, tuple(cell.at.items())) async for cell in going]
        return seen

    seen = run(main())
    assert len(seen) == len(set(seen)) == 13


def test_what_cannot_be_gone_on_with_says_so():
    async def main():
        store, provider = MemoryStore(), writer()
        async with engine_of(store, provider) as engine:
            first = await engine.run(report_plan())
            with pytest.raises(PlanError, match="there is no run 'nowhere'"):
                await engine.resume("nowhere", report_plan())
            with pytest.raises(PlanError, match="is of the plan 'report', not 'other'"):
                await engine.resume(first.run_id, Plan("other", [Step("a", "a")]))
            with pytest.raises(PlanError, match="has the steps outline, section, edit, book"):
                await engine.resume(first.run_id, Plan("report", [Step("a", "a")]))

    run(main())


def test_the_record_tells_how_it_was_made_and_no_key():
    async def main():
        store = MemoryStore()
        async with engine_of(store, writer(), limits=Limits(rpm=7), api_key="sk-secret") as engine:
            await engine.run(report_plan())
        [record] = await store.runs()
        return record.about

    about = run(main())
    told = msgspec.json.decode(about)
    assert told["limits"] == {"rpm": 7} and b"sk-secret" not in about and set(told["words"]["steps"]) == {
        "outline", "section", "edit", "book",
    }  # fmt: skip


def test_near_and_scoped_keys_of_an_earlier_life_count():
    plan = Plan(
        "near", [Step("one", "{n}", over="n", output=Named, unique=Unique("name", near=0.85), attempts=4)], {"n": range(3)}
    )

    async def main():
        store = MemoryStore()
        run_id = await killed(store, ScriptedProvider([{"name": "Creamy tomato soup"}, Says({"name": "Fish"}, 9.0)]), plan, 3)
        kept = [event.key for event in await journal_of(store, run_id) if isinstance(event, CellEnded)]
        second = ScriptedProvider([{"name": "Creamy tomatoe soup"}, {"name": "Rye bread"}, {"name": "Fig jam"}, {"name": "Oats"}])
        return kept, await resumed(store, second, run_id, plan)

    kept, result = run(main())
    assert kept == ["creamy tomato soup"]
    assert "Creamy tomatoe soup" not in [value.name for value in result.values] and result.ok


@pytest.mark.parametrize("appends", range(2, 12))
def test_an_answer_that_waits_for_its_judge_is_not_bought_again(appends):
    plan = Plan("judged", [Step("one", "do {n}", over="n", judge=Judge("Is {value} good?"))], {"n": range(4)})

    def script(request, number):
        asked = request.messages[-1].content
        judged = asked.startswith("Is ")
        return Says({"reason": "fine", "pass": True} if judged else f"<{asked}>", latency_s=2.0 if judged else 1.0 + number % 3)

    async def main():
        store, provider = MemoryStore(), ScriptedProvider(script)
        run_id = await killed(store, provider, plan, appends)
        before = await journal_of(store, run_id)
        result = await resumed(store, provider, run_id, plan)
        return in_the_air(before), result, provider

    lost, result, provider = run(main())
    assert result.values == [f"<do {n}>" for n in range(4)]
    assert len(provider.calls) <= 8 + lost, "four answers, four verdicts, and what was in the air"
    answers = [call for call in provider.calls if call.messages[-1].content.startswith("do ")]
    assert len(answers) <= 4 + lost


def test_a_spares_answer_is_not_bought_again():
    plan = Plan("many", [Step("one", "a name", over="n", output=Named, unique="name")], [Axis("n", count=12)])

    def script(request, number):
        return Says({"name": f"name {number // 2}"}, latency_s=1 + (number % 5) * 2)

    async def main(appends):
        store, first, second = MemoryStore(), ScriptedProvider(script), ScriptedProvider(lambda r, n: script(r, n + 1000))
        run_id = await killed(store, first, plan, appends)
        drafts = [event for event in await journal_of(store, run_id) if isinstance(event, Drafted)]
        result = await resumed(store, second, run_id, plan)
        return drafts, result

    filled = 0
    for appends in range(4, 24):
        drafts, result = run(main(appends))
        names = {value.name for value in result.values}
        assert len(names) == 12 and result.ok and result.report["cached"] == 0
        filled += bool(drafts) and any(msgspec.json.decode(draft.text)["name"] in names for draft in drafts)
    assert filled, "a spare's answer was there at some kill"


@pytest.mark.parametrize("appends", range(2, 9))
def test_an_answer_that_waits_for_its_judge_is_not_replaced_by_one_of_the_cache_that_is_taken(appends):
    step = Step("one", "do {n}", over="n", unique=Unique(within="store"), judge=Judge("Is {value} good?"))
    plan = Plan("judged", [step], {"n": range(3)})

    def script(prefix):
        def say(request, number):
            asked = request.messages[-1].content
            judged = asked.startswith("Is ")
            return Says({"reason": "fine", "pass": True} if judged else f"{prefix} {number}", latency_s=2.0 if judged else 1.0)

        return ScriptedProvider(say)

    async def main():
        store = MemoryStore()
        async with engine_of(store, script("old"), cache=True) as engine:
            assert (await engine.run(plan)).ok
        dying = Dying(store, appends)
        dying.cache = store.cache
        async with engine_of(dying, script("new"), cache=True) as engine:
            begun = engine.start(plan)
            with contextlib.suppress(StoreError):
                await begun.result()
        return await resumed(store, script("newer"), begun.id, plan, engine={"cache": True})

    result = run(main())
    assert result.ok and len(set(result.values)) == 3
    assert not any(value.startswith("old") for value in result.values), "what an earlier run has said is taken"
