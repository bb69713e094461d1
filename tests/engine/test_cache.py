"""What was asked before is answered from the cache: the same twice, what makes a difference, what is never kept, what is damaged."""

from __future__ import annotations

import sqlite3

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Judge, Plan, PlanError, Step, Unique
from fanfold.engine.answers import MONTH_S, Answers, Entry
from fanfold.engine.asked import FORMAT
from fanfold.sim.server import start
from fanfold.sim.world import World
from fanfold.spec.calls import Fault, Usage
from fanfold.spec.errors import StoreError
from fanfold.spec.events import ANSWER, Called
from fanfold.spec.ports import Kept
from fanfold.store.memory import MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Dish(BaseModel):
    name: str


def echo(**words):
    """Each answer is another one."""
    return ScriptedProvider(lambda request, number: Says(f"{number}: {request.messages[-1].content}", **words))


async def told(store, provider, plan, **options):
    words = {"cache": True, "clock": VirtualClock(), "seed": 1, **options}
    async with Engine(words.pop("model", "sim/x"), provider=provider, store=store, **words) as engine:
        return await engine.run(plan)


def twice(first, second=None, *, options=None, script=echo, again=None):
    """Two runs of a store, with a provider each."""
    providers = script(), (again or script)()

    async def main():
        store = MemoryStore()
        results = [await told(store, providers[0], first), await told(store, providers[1], second or first, **(options or {}))]
        return [*results, store]

    one, other, store = run(main())
    return one, other, len(providers[1].calls), store


def reviews(count=5, prompt="Review it.", **words):
    return Plan("reviews", [Step("review", prompt, over="n", **words)], [Axis("n", count=count)])


def test_the_same_again_calls_nobody_and_costs_nothing():
    one, other, calls, _ = twice(reviews())
    assert calls == other.report["calls"] == other.report["tokens_in"] == 0
    assert other.report["cached"] == 5 and one.report["cached"] == 0
    assert other.values == one.values and len(set(other.values)) == 5, "samples of one prompt stay distinct"


async def test_the_same_again_over_http(tmp_path):
    server = await start(World.parse(latency="0", seed=3))
    plan = Plan(
        "dinners", [Step("dish", "A dish.", output=Dish, over="n", unique=Unique("name", near=0.9))], [Axis("n", count=12)]
    )
    try:
        results = []
        for _ in range(2):
            options = {"base_url": server.url, "store": tmp_path / "runs.db", "cache": True}
            async with Engine("openai/sim", **options) as engine:
                results.append(await engine.run(plan))
    finally:
        await server.stop()
    one, other = results
    assert (other.report["calls"], other.report["cached"]) == (0, 12)
    assert one.report["calls"] >= 12 and one.report["cached"] == 0
    assert [dish.name for dish in one.values] == [dish.name for dish in other.values]


class Typed(BaseModel):
    name: str
    note: str = ""


PAIR = {"x": ["a", "b"]}


def asking(prompt="Do {x}.", output=str, **words):
    return Plan("do", [Step("do", prompt, output=output, over="x", **words)], PAIR)


def typed():
    return ScriptedProvider(lambda request, number: Says({"name": f"n{number}"}))


@pytest.mark.parametrize(
    ("first", "second", "options", "script"),
    [
        (asking(), asking("Do {x}!"), {}, echo),
        (asking(), asking(), {"model": "sim/y"}, echo),
        (asking(sampling={"temperature": 1}), asking(sampling={"temperature": 0.5}), {}, echo),
        (asking(), asking(sampling={"seed": 4}), {}, echo),
        (asking(system="Be kind."), asking(system="Be brief."), {}, echo),
        (asking(output=Dish), asking(output=Typed), {}, typed),
    ],
    ids=["prompt", "model", "temperature", "seed", "system", "schema"],
)
def test_whatever_makes_a_difference_is_asked_anew(first, second, options, script):
    assert twice(first, script=script)[2] == 0
    _, other, calls, _ = twice(first, second, options=options, script=script)
    assert calls == 2 and other.report["cached"] == 0 and other.ok


def test_another_provider_or_another_address_is_asked_anew():
    class Other(ScriptedProvider):
        pass

    other = twice(asking(), again=lambda: Other(lambda request, number: Says("other")))
    assert other[2] == 2


async def test_another_server_is_asked_anew(tmp_path):
    calls = []
    for _ in range(2):
        server = await start(World.parse(latency="0"))
        try:
            async with Engine("openai/sim", base_url=server.url, store=tmp_path / "runs.db", cache=True) as engine:
                calls.append((await engine.run(asking())).report["calls"])
        finally:
            await server.stop()
    assert calls == [2, 2]


def test_what_makes_no_difference_is_not_asked_anew():
    checked = Plan("other", [Step("made", "Do {x}.", over="x", checks=[lambda value: None], attempts=2)], {"x": ["b", "z", "a"]})
    _, other, calls, _ = twice(asking(), checked, options={"retries": 1, "timeout_s": 9.0, "seed": 5})
    assert calls == 1, "a row was put in between, and the step has another name, a check and other attempts"
    assert sorted(value.split(": ")[1] for value in other.values) == ["Do a.", "Do b.", "Do z."]


ROWS = [{"id": 1, "term": "x"}, {"id": 2, "term": "x"}, {"id": 3, "term": "y"}]


@pytest.mark.parametrize(
    "prompt",
    ["Explain {row.term}.", "Explain it.", lambda cell: "Explain it.", "{row.term}{row.term}"],
    ids=["of a row", "of none", "called", "twice"],
)
def test_rows_that_show_the_same_never_share_an_answer(prompt):
    plan = Plan("terms", [Step("kind", prompt, over="row")], {"row": ROWS})
    one, other, calls, _ = twice(plan)
    assert calls == 0 and other.values == one.values and len(set(one.values)) == 3


def test_two_parts_that_run_together_into_one_prompt_never_share_an_answer():
    plan = Plan("join", [Step("one", "{a}{b}", over=("a", "b"))], {"a": ["x", "xy"], "b": ["yz", "z"]})
    _, other, calls, store = twice(plan)
    assert calls == 0 and len(set(other.values)) == 4 and len(store.cache._entries) == 4


def test_more_of_the_same_asks_only_for_what_is_new():
    _, other, calls, _ = twice(reviews(3), reviews(5), again=lambda: ScriptedProvider(lambda request, n: Says(f"new {n}")))
    assert calls == 2 and other.report["cached"] == 3 and len(set(other.values)) == 5


def test_the_cache_is_off_unless_it_is_asked_for():
    _, _, calls, _ = twice(reviews(), options={"cache": None})
    assert calls == 5
    _, _, calls, _ = twice(reviews(), options={"cache": False})
    assert calls == 5
    for wrong in ({"cache": "yes"}, {"cache_ttl": 0}, {"cache_ttl": True}):
        with pytest.raises(PlanError):
            Engine("sim/x", **wrong)


# -------------------------------------------------------------------- gates


def test_what_was_drawn_again_until_it_was_accepted_is_known_the_next_time():
    """Twins, repairs and avoid-lists: only the accepted answers are kept, under what their cells had asked at first."""
    names = ["Pea Soup", "Pea Soup", "Bean Stew", "", "Corn Pie", "Leek Tart"]
    plan = Plan("menu", [Step("dish", "A dish.", output=Dish, over="n", unique="name", attempts=9)], {"n": range(4)})
    script = lambda: ScriptedProvider([Says({"name": name}) for name in names])  # noqa: E731
    one, other, calls, store = twice(plan, script=script)
    assert one.ok and one.report["calls"] > 4 and calls == 0
    assert {dish.name for dish in other.values} == {dish.name for dish in one.values}
    assert len(store.cache._entries) == 4, "what was refused is not kept"


def refused_first(request, number):
    return Says("bad" if "previous" not in request.messages[-1].content.casefold() and number < 2 else "good")


@pytest.mark.parametrize(
    "script",
    [
        lambda request, number: Says("bad"),
        lambda request, number: Fails(Fault(code="truncated")),
        lambda request, number: Fails(Fault(code="filtered")),
        lambda request, number: Fails(Fault(code="transient")),
    ],
    ids=["refused", "truncated", "filtered", "transient"],
)
def test_what_was_not_accepted_is_never_kept(script):
    plan = asking(checks=[lambda value: value != "bad"], attempts=2, fallback="nothing")
    one, _, calls, store = twice(plan, script=lambda: ScriptedProvider(script))
    assert len(one.fallbacks) == 2 and calls > 0
    assert store.cache._entries == {}


def test_an_answer_that_a_new_check_refuses_costs_a_call_and_no_attempt():
    strict = asking(checks=[lambda value: "new" in value], attempts=1)
    _, other, calls, _ = twice(asking(), strict, again=lambda: ScriptedProvider(lambda request, n: Says(f"new {n}")))
    assert other.ok and calls == 2
    assert (other.report["cached"], other.report["cache_unused"]) == (0, {"check_failed": 2})


def test_within_the_store_no_answer_is_repeated_whatever_the_cache_has():
    plan = Plan("menu", [Step("dish", "A dish.", output=Dish, over="n", unique=Unique("name", within="store"))], {"n": range(3)})
    one, other, calls, _ = twice(
        plan,
        script=lambda: ScriptedProvider(lambda request, n: Says({"name": f"{'abc'[n % 3]} first"})),
        again=lambda: ScriptedProvider(lambda request, n: Says({"name": f"{'xyz'[n % 3]} other"})),
    )
    assert one.ok and other.ok and calls == 3
    assert other.report["cache_unused"] == {"duplicate": 3} and other.report["regenerated"] == 0


def judged(accept=None, prompt="Is this good? {value}"):
    return Plan("do", [Step("do", "Do {x}.", over="x", judge=Judge(prompt, accept=accept))], PAIR)


def critic():
    return ScriptedProvider(
        lambda request, n: Says(
            {"passed": True, "reason": f"fine {n}"} if request.schema else f"{n}: {request.messages[-1].content}"
        )
    )


def test_a_judge_is_not_asked_the_same_again():
    one, other, calls, _ = twice(judged(), script=critic)
    assert one.report["calls"] == 4 and calls == 0 and other.values == one.values


def test_a_judge_that_compares_is_not_asked_the_same_again_in_either_order():
    def script():
        return ScriptedProvider(
            lambda request, n: Says(
                {"reason": "alike", "better": "tie"} if request.schema else f"{n}: {request.messages[-1].content}"
            )
        )

    steps = [
        Step("draft", "Draft {x}.", over="x"),
        Step("final", "Improve {draft}.", over="x", judge=Judge("Which? 1: {first} 2: {second}", versus="draft")),
    ]
    one, other, calls, _ = twice(Plan("both", steps, PAIR), script=script)
    assert one.report["calls"] == 8 and calls == 0 and other["final"].values == one["final"].values


def test_another_judge_is_asked_about_the_known_answer():
    one, other, calls, _ = twice(judged(), judged(prompt="Is it short? {value}"), script=critic)
    assert calls == 2 and other.values == one.values and other.report["cached"] == 2


def test_what_a_judge_refused_is_never_kept():
    never = lambda: ScriptedProvider(lambda r, n: Says({"passed": False, "reason": "dull"} if r.schema else f"{n} draft"))  # noqa: E731
    one, _, _, store = twice(judged(), script=never)
    assert len(one.errors) == 2 and store.cache._entries == {}


def test_a_known_answer_that_a_judge_refuses_is_drawn_again_at_its_full_size():
    verdicts = iter([False, False, True, True])

    def second(request, number):
        return Says({"passed": next(verdicts), "reason": "so so"} if request.schema else f"{number} better")

    async def main():
        store = MemoryStore()
        await told(store, critic(), judged())
        result = await told(store, ScriptedProvider(second), judged(prompt="Is it short? {value}"))
        return result, await store.look(result.run_id).events(-1, 1000)

    result, events = run(main())
    assert result.ok and all("better" in value for value in result.values)
    sizes = [event.tokens_in for event in events if isinstance(event, Called) and event.phase == ANSWER]
    assert len(sizes) == 2 and min(sizes) > 0


def test_what_a_judge_said_is_judged_anew():
    stricter = judged(accept=lambda verdict: verdict.passed and verdict.reason in ("fine 1", "fine 3"))
    first = lambda: ScriptedProvider(lambda r, n: Says({"passed": True, "reason": "so so"} if r.schema else f"{n} draft"))  # noqa: E731
    _, other, calls, _ = twice(judged(), stricter, script=first, again=critic)
    assert calls >= 4 and other.report["cache_unused"] == {"check_failed": 2}


def test_dependent_steps_are_known_as_far_as_what_they_need_is_the_same():
    def plan(tone):
        return Plan("book", [Step("plot", "Plot {x}.", over="x"), Step("blurb", tone + " {plot}")], PAIR)

    assert twice(plan("Praise"))[2] == 0
    _, other, calls, _ = twice(plan("Praise"), plan("Pan"))
    assert calls == 1 and other.report["cached"] == 2


def test_a_function_is_no_hit():
    plan = Plan(
        "sum", [Step("one", "Do {x}.", over="x"), Step("sum", function=lambda cell: len(cell["one"]), needs=["one"])], PAIR
    )
    _, other, _, _ = twice(plan)
    assert other.report["cached"] == 2 and other["sum"].values == [2]


def test_half_a_character_in_a_prompt_is_no_reason_to_fall_over():
    plan = Plan("half", [Step("one", lambda cell: "half \ud800", output=str)])
    one, other, calls, _ = twice(plan, script=lambda: ScriptedProvider([Says("whole")]))
    assert one.ok and other.ok and calls == 1


def test_what_spares_filled_is_known_the_next_time():
    def script():
        return ScriptedProvider(lambda request, n: Says({"name": f"dish {n if n % 3 else 0}"}, latency_s=1 + n % 5))

    plan = Plan("menu", [Step("dish", "A dish.", output=Dish, over="n", unique="name")], [Axis("n", count=40)])
    one, other, calls, _ = twice(plan, script=script)
    assert one.report["accepted"] == 40 and one.report["regenerated"] > 0
    assert calls == 0 and len({dish.name for dish in other.values}) == 40


# -------------------------------------------------------------------- time and damage


def test_an_answer_is_good_for_its_time_and_no_longer(monkeypatch):
    wall = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: wall[0])

    async def main():
        store, calls = MemoryStore(), []
        for moment, ttl in ((0, 60), (59, 60), (61, 60), (100, 60), (50 * 24 * 3600, None), (51 * 24 * 3600, None)):
            wall[0] = 1_000_000.0 + moment
            provider = echo()
            result = await told(store, provider, asking(), cache_ttl=ttl)
            calls.append((len(provider.calls), result.report["cache_unused"].get("expired", 0)))
        return calls

    assert run(main()) == [(2, 0), (0, 0), (2, 2), (0, 0), (2, 2), (0, 0)]


def check_that_answers_expire():
    class One:
        async def get(self, keys):
            return [Kept(b"k", "r", 0.0, entry())]

    async def main():
        return [await Answers(One(), ttl, lambda: 11.0).get(b"k") for ttl in (12.0, 10.0)]

    fresh, old = run(main())
    assert isinstance(fresh, Entry) and old == "expired"


def test_an_answer_expires():
    check_that_answers_expire()


@pytest.mark.parametrize(("temperature", "calls"), [(0, 0), (1, 2)])
def test_what_was_drawn_without_chance_is_good_for_ever(monkeypatch, temperature, calls):
    wall = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: wall[0])
    plan = asking(sampling={"temperature": temperature})

    async def main():
        store, later = MemoryStore(), echo()
        await told(store, echo(), plan)
        wall[0] += 2 * MONTH_S
        await told(store, later, plan)
        return len(later.calls)

    assert run(main()) == calls


DAMAGE = {
    "content": "UPDATE cache SET data = CAST('x' || substr(data, 2) AS BLOB)",
    "empty": "UPDATE cache SET data = x''",
    "text": "UPDATE cache SET data = 'text'",
    "time": "UPDATE cache SET made = made + 1",
    "gone": "DELETE FROM cache",
    "foreign": "UPDATE cache SET (run, made, size, data, crc) = (SELECT run, made, size, data, crc FROM cache AS o WHERE o.key <> cache.key)",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_empty_or_foreign_entry_is_a_miss_and_counted(tmp_path, damage):
    path = tmp_path / "runs.db"
    plan = asking()

    async def once():
        provider = ScriptedProvider(lambda request, n: Says(f"{n}: {request.messages[-1].content}", latency_s=0))
        async with Engine("sim/x", provider=provider, store=path, cache=True) as engine:
            result = await engine.run(plan)
        assert result.ok and [value.split(": ")[1] for value in result.values] == ["Do a.", "Do b."]
        return len(provider.calls), result.report["cache_unused"]

    assert await once() == (2, {})
    db = sqlite3.connect(path)
    assert db.execute(DAMAGE[damage]).rowcount == 2
    db.commit()
    db.close()
    bad = 1 if damage == "foreign" else 2  # the second gets its own back from the first
    assert await once() == (bad, {} if damage == "gone" else {"damaged": bad})
    assert await once() == (0, {}), "what was fetched anew has taken its place"


class Broken:
    """A cache that fails."""

    async def get(self, keys):
        raise StoreError("cannot be read")

    async def put(self, entries):
        raise StoreError("cannot be written")


def test_a_cache_that_fails_stops_nothing():
    async def main():
        store = MemoryStore()
        store.cache = Broken()
        return await told(store, echo(), reviews())

    result = run(main())
    assert result.ok and result.report["calls"] == 5


def entry(key=b"k", text="x", **words):
    from msgspec import msgpack

    return msgpack.encode(Entry(words.get("format", FORMAT), key, text, False))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (entry(), "an entry"),
        (b"", "damaged"),
        (b"\xc1", "damaged"),
        (entry(key=b"other"), "damaged"),
        (entry(text=""), "damaged"),
        (entry(format=FORMAT + 1), "damaged"),
    ],
)
def test_an_entry_must_be_what_was_asked_for(data, found):
    class One:
        async def get(self, keys):
            return [Kept(b"k", "r", 0.0, data)]

    async def main():
        got = await Answers(One(), wall=lambda: 5.0).get(b"k")
        return "an entry" if isinstance(got, Entry) else got

    assert run(main()) == found


def test_what_is_asked_at_one_moment_is_read_together():
    reads = []

    async def main():
        store = MemoryStore()
        get = store.cache.get

        async def counted(keys):
            reads.append(len(keys))
            return await get(keys)

        store.cache.get = counted
        await told(store, echo(), reviews(40))

    run(main())
    assert sum(reads) == 40 and len(reads) < 10


async def test_a_deleted_run_takes_its_answers_with_it(tmp_path):
    store = SqliteStore(tmp_path / "runs.db")
    provider = ScriptedProvider(lambda request, n: Says(str(n), latency_s=0, usage=Usage()))
    async with Engine("sim/x", provider=provider, store=store, cache=True) as engine:
        first = await engine.run(asking())
        await store.delete(first.run_id)
        again = await engine.run(asking())
    await store.close()
    assert again.report["calls"] == 2 and len(provider.calls) == 4
