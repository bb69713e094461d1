"""Pools of candidates over the whole engine: each is used by one cell at most."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from fanfold import Axis, Candidates, Engine, Judge, Plan, PlanError, Rows, Step
from fanfold.core.fold import fold
from fanfold.core.stock import Stock
from fanfold.spec.calls import Fault
from fanfold.spec.compile import compile_plan
from fanfold.spec.events import CellEnded, decode, encode
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_engine import last, make

LETTERS = [chr(97 + n) for n in range(26)]


def cells(count: int, prompt="Use {candidates}.", **words) -> Plan:
    return Plan("p", [Step("r", prompt, over="n", **words)], [Axis("n", range(count))])


def echo(request, number):
    return Says(last(request))


def test_each_of_a_list_is_given_to_one_cell():
    result, provider, _ = make(cells(20, candidates=LETTERS[:20]), echo)
    assert result.ok and len(provider.calls) == 20
    assert sorted(result.values) == [f'Use ["{letter}"].' for letter in LETTERS[:20]]
    assert [cell.candidates for cell in result["r"]] == [(letter,) for letter in LETTERS[:20]]


def test_a_pool_that_is_used_up_fails_the_cells_that_are_left():
    result, provider, _ = make(cells(21, candidates=LETTERS[:20]), echo)
    assert result.state == "partial" and len(result.values) == len(provider.calls) == 20
    (error,) = result.errors
    assert (error.code, error.message) == ("bad_request", "the pool of candidates is used up: 20 for 21 cells")
    assert error.hint == "give more candidates, or ask for fewer cells"


def test_what_a_failed_cell_had_goes_to_one_that_begins_later():
    """More cells than are prepared ahead."""
    plan = cells(200, "{candidates.0}", candidates=range(199))

    def script(request, number):
        return Fails(Fault(code="filtered", message="no"), latency_s=0.5) if number == 0 else Says(last(request))

    result, _, _ = make(Plan("p", plan.steps, plan.axes, concurrent=1), script)
    assert [error.code for error in result.errors] == ["filtered"]
    assert sorted(map(int, result.values)) == list(range(199))


def test_what_could_not_be_looked_at_goes_to_somebody_else():
    failed = []

    def key(candidate):
        if not failed:
            failed.append(candidate)
            raise OSError("once")
        return str(candidate)

    plan = cells(200, "{candidates.0}", candidates=Candidates(range(199), take=1, key=key))
    result, _, _ = make(Plan("p", plan.steps, plan.axes, concurrent=1), echo)
    assert [error.code for error in result.errors] == ["internal"] and failed == [0]
    assert sorted(map(int, result.values)) == list(range(199))


def test_a_cell_keeps_its_candidates_while_it_is_drawn_again():
    plan = cells(5, candidates=LETTERS[:5], checks=[lambda value: value.startswith("good") or "say good"])
    result, provider, _ = make(plan, lambda request, number: Says(f"{'good' if number >= 5 else 'bad'} {last(request)[:10]}"))
    assert result.ok and len(provider.calls) == 10
    for letter in LETTERS[:5]:
        assert sum(request.messages[0].content.startswith(f'Use ["{letter}"].') for request in provider.calls) == 2


def test_rows_of_a_file_by_field(tmp_path):
    (tmp_path / "people.csv").write_text("name,city\n" + "".join(f"P{n},C{n}\n" for n in range(4)))
    result, _, _ = make(cells(4, "{candidates.name} of {candidates.city}", candidates=Rows(tmp_path / "people.csv")), echo)
    assert sorted(result.values) == [f"P{n} of C{n}" for n in range(4)]


def test_twins_of_a_pool_are_one_candidate():
    pool = [{"id": n // 2, "text": n} for n in range(8)]
    result, _, _ = make(cells(5, "{candidates.text}", candidates=pool), echo)
    assert sorted(result.values) == ["0", "2", "4", "6"]
    assert result.errors[0].message == "the pool of candidates is used up: 8, some of which have the same key, for 5 cells"


def test_several_for_a_cell_are_shared_out_fairly():
    result, _, _ = make(cells(4, candidates=Candidates(LETTERS[:10], take=3)), echo)
    taken = [cell.candidates for cell in result["r"]]
    assert [len(keys) for keys in taken] == [2, 2, 2, 2] and len({key for keys in taken for key in keys}) == 8


def test_what_is_retrieved_is_given_to_one_cell_the_best_first():
    seen = []

    async def search(cell):
        seen.append(cell["n"])
        await asyncio.sleep(0.1 * (cell["n"] % 3))
        return LETTERS[:7]

    result, provider, _ = make(cells(4, candidates=Candidates(search, take=3)), echo)
    assert sorted(seen) == [0, 1, 2, 3] and result.ok and len(provider.calls) == 4
    taken = [cell.candidates for cell in result["r"]]
    assert sorted(key for keys in taken for key in keys) == LETTERS[:7]
    assert sorted(map(len, taken)) == [0, 1, 3, 3], "who comes too late has none, and runs all the same"
    assert taken[0] == ("a", "b", "c")
    assert result.at(n=0) == 'Use ["a","b","c"].'


def test_functions_prompts_and_judges_see_them():
    judged = []

    def judge(cell, value):
        judged.append((cell["candidates"], value))
        return "good?"

    steps = [
        Step("a", lambda cell: f"say {cell['candidates'][0]}", over="n", candidates=LETTERS[:2], judge=Judge(judge)),
        Step("b", function=lambda cell: cell.candidates[0], over="n", candidates=Candidates(LETTERS[:2], take=1)),
    ]
    plan = Plan("p", steps, [Axis("n", range(2))])
    result, _, _ = make(
        plan, lambda request, n: Says({"reason": "", "pass": True} if last(request) == "good?" else last(request))
    )
    assert result.ok and result["a"].values == ["say a", "say b"] and result["b"].values == ["a", "b"]
    assert sorted(judged)[0] == (["a"], "say a")


def test_a_source_or_key_that_fails_fails_its_own_cell():
    def search(cell):
        if cell["n"] == 1:
            raise ValueError("no index")
        return "text" if cell["n"] == 2 else [cell["n"]]

    result, _, _ = make(cells(4, candidates=Candidates(search, key=lambda found: str(found) if found else 0)), echo)
    assert [(error.cell["n"], error.code) for error in result.errors] == [(0, "internal"), (1, "internal"), (2, "internal")]
    said = (
        "the key of a candidate is a text",
        "the source of its candidates failed: ValueError: no index",
        "returns a list, not str",
    )
    assert all(part in error.message for part, error in zip(said, result.errors, strict=True))
    assert result["r"].cells[3].candidates == ("3",)


def test_a_fallback_has_given_its_candidates_back():
    plan = cells(1, candidates=LETTERS[:1], fallback=lambda cell: f"none: {cell.candidates}")
    result, _, _ = make(plan, lambda request, n: Fails(Fault(code="filtered", message="no")))
    assert result.values == ["none: None"] and result["r"].cells[0].candidates == ()


def test_a_run_that_is_cancelled_while_it_looks_for_candidates_ends():
    async def never(cell):
        await asyncio.sleep(1e6)

    async def main():
        async with Engine(provider=ScriptedProvider(["x"]), store=":memory:", clock=VirtualClock()) as engine:
            going = engine.start(cells(3, candidates=Candidates(never)))
            asyncio.get_running_loop().call_later(5, going.cancel)
            return await going.result(), asyncio.get_running_loop().time()

    result, took = run(main())
    assert result.state == "cancelled" and took < 6


def test_the_journal_says_who_has_which_and_a_later_life_keeps_to_it():
    store = MemoryStore()

    async def main():
        async with Engine(provider=ScriptedProvider(echo), store=store, clock=VirtualClock()) as engine:
            going = engine.start(cells(6, candidates=LETTERS[:6]))
            await going.result()
            return await going._job.journal.events(-1, 1000)

    events = run(main())
    assert [decode(encode(event)) for event in events] == list(events)
    taken = fold(events).steps[0].candidates
    assert sorted(taken) == LETTERS[:6]
    assert next(event.took for event in events if isinstance(event, CellEnded)) == ("a",)
    stock = Stock(6)
    stock.keep(list(taken)[:4])
    free = [number for _ in range(6) for number in stock.deal(1) if stock.take(1, [LETTERS[number]], 1, [number])]
    assert free == [n for n in range(6) if LETTERS[n] not in list(taken)[:4]] and stock.distinct == 6


class Person(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"candidates": []}, "steps.r.candidates: there are no candidates"),
        ({"candidates": "abc"}, "candidates are a list or a function, not str"),
        ({"candidates": lambda cell: []}, "write Candidates(function, take=3)"),
        ({"candidates": Candidates([1], take=0)}, "steps.r.candidates.take: a whole number from 1"),
        ({"candidates": Candidates([1], key="id")}, "steps.r.candidates.key: 'id' is not callable"),
        ({}, "{candidates}: the step has no candidates"),
        ({"candidates": Candidates([1], take=2), "prompt": "{candidates.name}"}, "have no field 'name'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_called(words, message):
    with pytest.raises(PlanError) as raised:
        compile_plan(cells(2, **words))
    assert message in str(raised.value)


def test_objects_are_known_by_their_name():
    pool = [Person(name="Ann"), Person(name="Bo"), Person(name="Ann")]
    result, _, _ = make(cells(3, "{candidates.name}", candidates=pool), echo)
    assert sorted(result.values) == ["Ann", "Bo"] and len(result.errors) == 1


def test_more_cells_than_the_window_holds():
    result, _, _ = make(cells(600, "{candidates.0}", candidates=range(600)), echo)
    assert result.ok and sorted(map(int, result.values)) == list(range(600))


def test_a_cell_that_was_made_again_has_the_candidates_of_its_last_answer():
    """The retrieval finds nothing any more when the prompt has changed: what the first answer was given is nobody's now."""
    store = MemoryStore()

    def plan(prompt, found):
        return cells(3, prompt=prompt, candidates=Candidates(lambda cell: found, take=1))

    async def main():
        async with Engine(provider=ScriptedProvider(echo), store=store, clock=VirtualClock()) as engine:
            first = await engine.run(plan("Use {candidates}.", LETTERS[:3]))
            going = await engine.resume(first.run_id, plan("Take {candidates}.", []))
            return first, await going.result()

    first, again = run(main())
    assert [cell.candidates for cell in first["r"]] == [("a",), ("b",), ("c",)]
    assert again.values == ["Take []."] * 3 and [cell.candidates for cell in again["r"]] == [()] * 3
