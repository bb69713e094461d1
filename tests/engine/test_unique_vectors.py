"""Keys that are vectors: alone, and beside a name; in time, in their length, over the network, over runs."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from fanfold import Engine, Plan, Step, Unique
from fanfold.spec.events import CellEnded
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Dish(BaseModel):
    name: str
    like: list[float] = []


def dish(name, *like):
    return {"name": name, "like": like}


def plan_of(unique, count=2, attempts=4, **words):
    return Plan(
        "menu", [Step("dish", "{n}", over="n", output=Dish, unique=unique, attempts=attempts, **words)], {"n": range(count)}
    )


def done(provider, plan, store=":memory:"):
    async def main():
        async with Engine("sim/x", provider=provider, store=store, clock=VirtualClock(), seed=1) as engine:
            return await engine.run(plan)

    return run(main())


def script(*dishes, **times):
    return ScriptedProvider([Says(each, **times) for each in dishes])


def names(result):
    return sorted(value.name for value in result.values)


class Array:
    def __init__(self, numbers):
        self._numbers = numbers

    def tolist(self):
        return self._numbers


@pytest.mark.parametrize("kind", [list, tuple, Array])
def test_equal_directions_are_the_same_at_one(kind):
    provider = script(dish("a", 1, 2, 2), dish("b", 2, 4, 4), dish("c", 1, 2, 2.001))
    result = done(provider, plan_of(Unique(key=lambda value: kind(value.like))))
    assert names(result) == ["a", "c"] and result.report["duplicates_rejected"] == 1


def test_near_is_the_least_cosine_that_is_the_same():
    provider = script(dish("a", 1, 0), dish("b", 0.95, 0.31), dish("c", 0.85, 0.527))
    result = done(provider, plan_of(Unique(key=lambda value: value.like, near=0.9)))
    assert names(result) == ["a", "c"]


def test_a_key_of_nothing_is_told_as_the_users_mistake():
    result = done(script(dish("a", 1, 0), dish("b", 0, 1)), plan_of(Unique(key=lambda value: None), attempts=1))
    assert names(result) == [] and {error.message for error in result.errors} == {
        "key gave None: it must return a text or a vector"
    }
    assert {error.hint.partition(":")[0] for error in result.errors} == {"correct the key function"}


def test_vectors_alone_do_not_compare_names():
    result = done(script(dish("a", 1, 0), dish("a", 0, 1)), plan_of(Unique(key=lambda value: value.like, near=0.9)))
    assert names(result) == ["a", "a"]


def test_beside_a_name_both_must_differ():
    provider = script(dish("Soup", 1, 0), dish("soup!", 0, 1), dish("Broth", 1, 0.1), dish("Pie", 0, 1))
    result = done(provider, plan_of(Unique("name", near=0.9, key=lambda value: value.like), attempts=5))
    assert names(result) == ["Pie", "Soup"] and result.report["duplicates_rejected"] == 2
    reasons = "".join(request.messages[-1].content for request in provider.calls)
    assert "- Soup" in reasons, "the names are told, not the numbers"


def test_the_name_is_reserved_early_and_the_vector_may_revoke_it():
    def say(request, number):
        return Says((dish("Soup", 1, 0), dish("Broth", 1, 0.01), dish("Pie", 0, 1))[min(number, 2)], latency_s=1.0, first_s=0.2)

    provider = ScriptedProvider(say)

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            started = engine.start(plan_of(Unique("name", near=0.9, key=lambda value: value.like), attempts=3))
            keys = started._job.run.keys
            await asyncio.sleep(0.9)
            early = keys.reserved
            result = await started.result()
            return early, keys, result

    early, keys, result = run(main())
    assert early == 2 and keys.reserved == 0
    assert names(result) == ["Pie", "Soup"]
    assert provider.cancelled == 0, "nothing is cancelled for a vector: it is known only at the end"
    scope = (0,)
    assert keys.take((scope, "broth"), "Broth", 99, None), "the name that was revoked is free again"


def test_a_vector_of_another_length_says_so():
    result = done(script(dish("a", 1, 0, 0, 0), dish("b", 1, 0, 0)), plan_of(Unique(key=lambda value: value.like), attempts=2))
    assert names(result) == ["a"] and result.errors[0].code == "check_failed"
    assert "key gave 3 numbers, others had 4" in result.errors[0].message


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (lambda value: [0.0, 0.0], "all zeros"),
        (lambda value: [float("nan"), 1.0], "finite"),
        (lambda value: [10**400], "not all numbers"),
        (lambda value: [], "no numbers"),
        (lambda value: ["a"], "not all numbers"),
        (lambda value: 1 / 0, "ZeroDivisionError"),
        (lambda value: " ", "empty"),
    ],
)
def test_a_key_that_gives_nothing_is_a_reason_against_the_answer(key, says):
    result = done(script(dish("a")), plan_of(Unique(key=key), count=1, attempts=2))
    assert result.errors[0].code == "check_failed" and says in result.errors[0].message


def test_a_text_beside_a_name_is_refused_with_the_reason():
    result = done(script(dish("a")), plan_of(Unique("name", key=lambda value: "text"), count=1, attempts=1))
    assert "leave by out" in result.errors[0].message


def test_a_key_may_take_its_time_but_not_longer_than_a_call():
    waits = iter([0.5, 1000.0, 0.5])

    async def embed(value):
        await asyncio.sleep(next(waits))
        return value.like

    provider = script(dish("a", 1, 0), dish("b", 0, 1))
    result = done(provider, plan_of(Unique(key=embed), timeout_s=3.0, count=2))
    assert len(result.values) == 2 and result.report["calls"] == 3
    assert any("key gave nothing within 3 s" in request.messages[-1].content for request in provider.calls)


def test_of_two_at_once_one_is_drawn_again():
    """Both wait for their vectors at the same time: whoever is told first has it."""

    async def embed(value):
        await asyncio.sleep(1.0)
        return value.like

    provider = script(*[dish(f"n{i}", 1, i / 100) for i in range(4)], *[dish(f"m{i}", 0, 1) for i in range(9)])
    result = done(provider, plan_of(Unique(key=embed, near=0.95), count=4, attempts=2))
    assert len(result.values) == 2 and {error.code for error in result.errors} == {"duplicate"}
    assert "too much like" in result.errors[0].message


def test_checks_come_before_the_key_which_may_cost_something():
    asked = []
    provider = script(dish("bad", 1, 0), dish("good", 1, 0))

    def embed(value):
        asked.append(value.name)
        return value.like

    done(provider, plan_of(Unique(key=embed), count=1, checks=[lambda value: value.name == "good"]))
    assert asked == ["good"]


@pytest.mark.parametrize("by", [None, "name"])
def test_vectors_of_earlier_runs_count(by):
    store, unique = MemoryStore(), Unique(by, near=0.9, key=lambda value: value.like, within="store")
    done(script(dish("a", 1, 0.0)), plan_of(unique, count=1), store)
    second = done(script(dish("b", 1, 0.1), dish("c", 0, 1)), plan_of(unique, count=1), store)
    assert names(second) == ["c"] and second.report["duplicates_rejected"] == 1
    third = done(script(dish("d", 0, 1, 0)), plan_of(unique, count=1, attempts=1), store)
    assert "key gave 3 numbers, others had 2" in third.errors[0].message


def test_short_texts_are_told_by_themselves():
    provider = ScriptedProvider([Says("One two."), Says("Two one."), Says("Other.")])
    step = Step("line", "{n}", over="n", unique=Unique(key=lambda text: [1.0, float("Other" in text)]))
    result = done(provider, Plan("p", [step], {"n": range(2)}))
    assert sorted(result.values) == ["One two.", "Other."] and "- One two." in provider.calls[2].messages[-1].content


def test_what_fills_a_counted_axis_brings_its_vector():
    """Spares answer for others: what is accepted is written down with the direction by which later runs compare."""
    store = MemoryStore()
    provider = ScriptedProvider(lambda request, number: Says(dish(f"n{number}", 1, number // 4)))

    async def main():
        async with Engine("sim/x", provider=provider, store=store, clock=VirtualClock(), seed=1) as engine:
            unique = Unique(key=lambda value: value.like, within="store")
            step = Step("dish", "Another.", over="n", output=Dish, unique=unique, attempts=9)
            started = engine.start(Plan("menu", [step], {"n": {"count": 8}}))
            result = await started.result()
            return result, [e for e in await started._job.journal.events(-1, 10_000) if isinstance(e, CellEnded)]

    result, ended = run(main())
    assert len(result.values) == 8 and len({value.like[1] for value in result.values}) == 8
    assert all(event.vector is not None for event in ended) and len({event.vector for event in ended}) == 8
