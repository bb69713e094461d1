"""Several items in one call: fewer requests, each item judged by itself, only what is missing asked again."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from pydantic import BaseModel

from fanfold import Axis, Candidates, Engine, Judge, Limits, Plan, PlanError, Step, Unique, generate
from fanfold.spec.calls import Fault, Scope, Usage
from fanfold.spec.events import Called, CellEnded, Rested, Settled
from fanfold.spec.phrases import AVOID, REJECTED
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.several import USED, counted, cut, fan, last, make, several, tasks, writer, written


class Dish(BaseModel):
    name: str
    note: str = ""


def sizes(provider):
    """Items of each call, in order."""
    return [len(tasks(request)) for request in provider.calls]


async def journal_of(store, run_id):
    journal = await store.journal(next(record for record in await store.runs() if record.run_id == run_id))
    events = []
    while page := await journal.events(len(events) - 1, 1000):
        events += page
    return events


# ---------------------------------------------------------------- when all goes well


@pytest.mark.parametrize(
    ("count", "items", "calls"), [(12, 5, [5, 5, 2]), (10, 5, [5, 5]), (3, 5, [3]), (1, 5, [1]), (7, 1, [1] * 7)]
)
def test_so_many_cells_are_asked_in_so_few_calls(count, items, calls):
    provider = writer()
    result = make(fan(count, items), provider)
    assert sizes(provider) == calls and result.took_s == 1.0
    assert result.values == [f"<Say {n}.>" for n in range(count)]
    report = result.report
    assert report["calls"] == len(calls) and report["accepted"] == count and report["max_in_flight"] == len(calls)
    assert (report["tokens_in"], report["tokens_out"]) == (103 * len(calls), 57 * len(calls)), "shares add up"
    assert report["sequential_s"] == len(calls), "one at a time they would take as many calls"
    assert report["steps"]["one"]["p50_s"] == 1.0


def test_a_prompt_of_several_says_once_what_all_share():
    provider = writer()
    make(fan(2, prompt="Write in Dutch.\n\nAbout {n}.\nFor children.\n\nBe brief."), provider)
    assert last(provider.calls[0]) == (
        "Write in Dutch.\n\n"
        "There are 2 tasks. Give each of them an answer of its own, complete in itself, and number it like its task.\n\n"
        "### Task 1\nAbout 0.\n\n### Task 2\nAbout 1.\n\n### For every task\nFor children.\n\nBe brief."
    )
    assert tasks(provider.calls[0]) == [f"Write in Dutch.\nAbout {n}.\nFor children.\n\nBe brief." for n in (0, 1)]


def test_what_stands_in_brackets_is_not_torn_apart():
    provider = writer()
    make(fan(2, prompt='Read this:\n{\n "n": {n}\n}'), provider)
    assert '### Task 1\nRead this:\n{\n "n": 0\n}' in last(provider.calls[0])


def test_prompts_that_are_all_the_same_ask_for_different_answers():
    provider = writer(lambda task, place: {"name": f"dish {place} {id(task)}"})
    make(counted(4, 4, output=Dish), provider)
    assert last(provider.calls[0]).startswith("A dish.\n\nGive 4 answers to this, each complete in itself and clearly different")
    schema = provider.calls[0].schema
    assert schema["properties"]["items"]["items"]["properties"]["answer"]["properties"].keys() == {"name", "note"}
    assert schema["title"] == "Several Dish" and not provider.calls[0].stream


def test_room_for_an_answer_is_room_for_each():
    provider = writer()
    make(fan(7, 5, sampling={"max_tokens": 100, "temperature": 0.3}), provider)
    assert [request.sampling for request in provider.calls] == [
        {"max_tokens": 580, "temperature": 0.3},
        {"max_tokens": 232, "temperature": 0.3},
    ]


def test_what_ends_one_answer_would_end_all_of_them():
    provider = writer()
    assert make(fan(4, sampling={"stop": ["."]}), provider).ok and sizes(provider) == [1] * 4


def test_answers_find_their_cells_by_number_whatever_their_order():
    def script(request, number):
        answers = [f"<{task}>" for task in tasks(request)]
        numbers = list(range(1, len(answers) + 1))
        return Says(written(request, answers[::-1], numbers[::-1]))

    assert make(fan(5), ScriptedProvider(script)).values == [f"<Say {n}.>" for n in range(5)]


@pytest.mark.parametrize("output", [str, int, list[str], Dish, dict[str, int], {"type": "array", "items": {"type": "integer"}}])
def test_any_output_can_be_asked_for_severally(output):
    one = {str: "text", int: 7, Dish: {"name": "Soup"}}.get(output) if isinstance(output, type) else None
    one = one if one is not None else ["a", "b"] if output == list[str] else {"a": 1} if output == dict[str, int] else [1, 2]
    wraps = output is int or output == list[str] or isinstance(output, dict)
    result = make(fan(6, 3, output=output), writer(lambda task, place: {"value": one} if wraps else one))
    assert not result.errors and result.values == [Dish(name="Soup") if output is Dish else one] * 6


def test_a_recursive_schema_points_to_its_new_place():
    schema = {
        "title": "Tree",
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["kids"],
    }
    provider = writer(lambda task, place: {"kids": [{"kids": []}]})
    assert not make(fan(2, output=schema), provider).errors
    assert '"$ref": "#/properties/items/items/properties/answer"' in json.dumps(provider.calls[0].schema)


# ---------------------------------------------------------------- what is missing


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_tail_that_is_cut_off_leaves_the_first_ones_and_only_the_rest_is_asked_again(attempts):
    def script(request, number):
        answers = [f"<{task}>" for task in tasks(request)]
        return cut(request, answers, 3) if number == 0 else Says(written(request, answers), usage=USED)

    provider = ScriptedProvider(script)
    result = make(fan(5, attempts=attempts), provider)
    assert sizes(provider) == [5, 2] and [tasks(call) for call in provider.calls[1:]] == [["Say 3.", "Say 4."]]
    assert result.values == [f"<Say {n}.>" for n in range(5)], "no attempt is used for what was never judged"
    assert result.report["tokens_in"] == 206 and result.report["regenerated"] == 0


@pytest.mark.parametrize(
    "broken", ['{"items": [%s, ,]', '{"items": [%s, {"n": 3, "answer": "unfini', '{"items": [%s, {"n": 3', "```json\n[%s"]
)
def test_an_answer_that_breaks_in_the_middle_keeps_what_was_complete(broken):
    def script(request, number):
        items = [json.dumps({"n": place + 1, "answer": f"<{task}>"}) for place, task in enumerate(tasks(request))]
        return (
            Says(broken % ", ".join(items[:2]))
            if number == 0
            else Says(written(request, [f"<{task}>" for task in tasks(request)]))
        )

    provider = ScriptedProvider(script)
    assert make(fan(5), provider).values == [f"<Say {n}.>" for n in range(5)]
    assert sizes(provider) == [5, 3]


def test_one_that_was_left_out_in_the_middle_is_asked_again():
    def script(request, number):
        answers = [f"<{task}>" for task in tasks(request)]
        if number:
            return Says(written(request, answers))
        return Says(written(request, [*answers[:1], *answers[2:]], [1, 3, 4, 5]))

    provider = ScriptedProvider(script)
    assert make(fan(5), provider).values == [f"<Say {n}.>" for n in range(5)]
    assert [last(call) for call in provider.calls[1:]] == ["Say 1."]


def test_numbers_that_were_not_asked_for_are_ignored_and_the_first_of_two_counts():
    def script(request, number):
        return Says(written(request, ["a", "b", "again", "beyond", "none", "c"], [1, 2, 2, 9, 0, "3"]))

    assert make(fan(3), ScriptedProvider(script)).values == ["a", "b", "c"]


def test_what_is_missing_twice_is_asked_alone():
    def script(request, number):
        answers = [f"<{task}>" for task in tasks(request)]
        return Says(written(request, answers[:0])) if several(request) else Says(answers[0])

    provider = ScriptedProvider(script)
    result = make(fan(3, attempts=1), provider)
    assert sizes(provider) == [3, 3, 1, 1, 1] and result.ok


def test_what_is_cut_off_before_the_first_is_found_asks_alone_in_the_end():
    def script(request, number):
        answers = [f"<{task}>" for task in tasks(request)]
        return cut(request, answers, 0) if several(request) else Says(answers[0])

    provider = ScriptedProvider(script)
    assert make(fan(4), provider).ok and sizes(provider) == [4, 4, 1, 1, 1, 1]


def test_optional_fields_that_came_as_null_in_what_was_cut_off_were_not_there():
    def script(request, number):
        answers = [{"name": task, "note": None} for task in tasks(request)]
        if number == 0:
            return cut(request, answers, 2)
        return Says(written(request, [{"name": answer["name"]} for answer in answers]))

    provider = ScriptedProvider(script)
    result = make(fan(3, output=Dish, attempts=1), provider)
    assert result.ok and sizes(provider) == [3, 1] and result.values[0] == Dish(name="Say 0.")


# ---------------------------------------------------------------- what is refused


def test_what_a_check_refuses_is_asked_again_alone_with_the_reason():
    def short(value):
        return "too long" if "3" in value and "!" not in value else None

    def script(request, number):
        said = "!" if REJECTED in last(request) else ""
        return Says(written(request, [f"<{task}>{said}" for task in tasks(request)]))

    provider = ScriptedProvider(script)
    result = make(fan(10, checks=[short]), provider)
    assert sizes(provider) == [5, 5, 1] and "too long" in last(provider.calls[2]) and "Say 3." in last(provider.calls[2])
    assert "<Say 3.>" in last(provider.calls[2]), "its own answer is shown to be mended, not those of the others"
    assert result.ok and result.report["regenerated"] == 1


def test_an_item_that_does_not_fit_is_one_item_that_does_not_fit():
    def answer(task, place):
        return {"nam": "x"} if "Say 2" in task and REJECTED not in task else {"name": task[:6]}

    provider = writer(answer)
    result = make(fan(5, output=Dish), provider)
    assert result.ok and sizes(provider) == [5, 1] and "name: Field required" in last(provider.calls[1])


def test_a_field_that_stands_twice_is_refused_for_its_own_item_only():
    def script(request, number):
        if not several(request):
            return Says({"name": "c"})
        return Says('{"items": [{"n": 1, "answer": {"name": "a"}}, {"n": 2, "answer": {"name": "b", "name": "c"}}]}')

    provider = ScriptedProvider(script)
    result = make(fan(2, output=Dish), provider)
    assert [dish.name for dish in result.values] == ["a", "c"] and "twice" in last(provider.calls[1])


def test_names_differ_within_a_call_and_across_calls():
    names = {"Say 0.": "soup", "Say 1.": "Soup", "Say 2.": "stew", "Say 3.": "stew", "Say 4.": "pie", "Say 5.": "soup"}

    def answer(task, place):
        return {"name": f"another {task[:6]}"} if AVOID in task else {"name": names[task]}

    provider = writer(answer)
    result = make(fan(6, 3, output=Dish, unique="name"), provider)
    assert sizes(provider) == [3, 3, 1, 1, 1]
    assert [dish.name for dish in result.values] == ["soup", "another Say 1.", "stew", "another Say 3.", "pie", "another Say 5."]
    assert all("- soup" in last(call) for call in provider.calls[2:])
    assert "No two of the answers may be alike." in last(provider.calls[0])


@pytest.mark.parametrize("items", [1, 3, 5, 8])
def test_a_counted_axis_ends_with_exactly_so_many(items):
    made = iter(range(1000))

    def answer(task, place):
        return {"name": f"dish {next(made) % 40 if AVOID in task else next(made) % 7}"}

    result = make(counted(20, items, output=Dish, unique="name"), writer(answer))
    assert len({dish.name for dish in result.values}) == 20 and result.shortfall is None


def test_each_item_has_its_judge():
    def script(request, number):
        if "pass" in str(request.schema):
            return Says({"reason": "so", "pass": "Say 2" not in last(request) or "again" in last(request)})
        return Says(written(request, [f"<{task[:6]}>" + (" again" if REJECTED in task else "") for task in tasks(request)]))

    provider = ScriptedProvider(script)
    result = make(fan(4, judge=Judge("Is it good? {value}")), provider)
    assert result.ok and result.values[2] == "<Say 2.> again"
    assert result.report["calls"] == 1 + 4 + 1 + 1


def test_a_judge_that_compares_looks_at_each_item_in_both_orders():
    def script(request, number):
        if "better" in str(request.schema):
            return Says({"reason": "so", "better": "tie"})
        return Says(written(request, [f"<{task}>" for task in tasks(request)]))

    steps = [
        Step("draft", "Draft {n}.", over="n"),
        Step("one", "Better than {draft}.", over="n", items_per_call=3, judge=Judge("{first} or {second}?", versus="draft")),
    ]
    provider = ScriptedProvider(script)
    result = make(Plan("p", steps, {"n": range(3)}), provider)
    assert result.ok and result.report["calls"] == 3 + 1 + 6


def test_candidates_are_handed_out_to_each():
    provider = writer()
    result = make(
        fan(6, 3, prompt="Use {candidates} for {n}.", candidates=Candidates([f"c{n}" for n in range(6)], take=1)), provider
    )
    assert result.ok and len({re.search(r"c\d", value).group() for value in result.values}) == 6 and sizes(provider) == [3, 3]


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    "fault", [Fault(code="transient", status=500), Fault(code="rate_limited", retry_after_s=2.0, status=429)]
)
def test_a_fault_of_a_call_is_one_fault_and_its_cells_go_together_again(fault):
    def script(request, number):
        return Fails(fault) if number == 0 else Says(written(request, [f"<{task}>" for task in tasks(request)]))

    provider = ScriptedProvider(script)
    result = make(fan(5, attempts=1), provider)
    assert sizes(provider) == [5, 5] and result.ok
    assert result.report["rate_limited"] == (fault.status == 429)


def test_retries_are_bounded_for_each_cell():
    provider = ScriptedProvider([Fails(Fault(code="transient", status=500))])
    result = make(fan(5), provider)
    assert sizes(provider) == [5] * 5 and {error.code for error in result.errors} == {"transient"}


@pytest.mark.parametrize(("code", "scope"), [("filtered", Scope.CELL), ("too_long", Scope.CELL), ("bad_request", Scope.CELL)])
def test_what_is_refused_for_one_of_them_fails_only_that_one(code, scope):
    def script(request, number):
        if "Say 2." in last(request):
            return Fails(Fault(code=code, message="no", scope=scope, status=400))
        return Says(written(request, [f"<{task}>" for task in tasks(request)]))

    provider = ScriptedProvider(script)
    result = make(fan(5), provider)
    assert sizes(provider) == [5, 1, 1, 1, 1, 1] and [error.code for error in result.errors] == [code]
    assert [error.cell for error in result.errors] == [{"n": 2}] and len(result.values) == 4


def test_a_server_that_refuses_the_schema_of_several_is_asked_for_one_at_a_time():
    def script(request, number):
        if several(request):
            return Fails(Fault(code="bad_request", message="schema too deep", scope=Scope.STEP, status=400))
        return Says(written(request, [f"<{task}>" for task in tasks(request)]))

    provider = ScriptedProvider(script)
    assert make(fan(12), provider).ok and len(provider.calls) <= 3 + 12


def test_a_wrong_key_ends_it_at_once():
    provider = ScriptedProvider([Fails(Fault(code="auth", message="wrong key", scope=Scope.ACCOUNT, status=401))])
    result = make(fan(20), provider, limits=Limits(concurrent=1))
    assert len(provider.calls) == 1 and {error.code for error in result.errors} == {"auth"}


def test_a_call_that_hangs_is_given_up_for_all_its_cells():
    def script(request, number):
        slow = 1000.0 if number == 0 else 1.0
        return Says(written(request, [f"<{task}>" for task in tasks(request)]), latency_s=slow)

    provider = ScriptedProvider(script)
    result = make(fan(5, timeout_s=3.0), provider)
    assert result.ok and sizes(provider) == [5, 5] and provider.cancelled == 1 and 4.0 < result.took_s < 6.0


def test_what_takes_too_long_for_several_is_asked_one_at_a_time_in_the_end():
    def script(request, number):
        return Says(written(request, [f"<{task}>" for task in tasks(request)]), latency_s=2.0 * len(tasks(request)))

    provider = ScriptedProvider(script)
    assert make(fan(5, timeout_s=3.0), provider).ok and sizes(provider) == [5, 5, 1, 1, 1, 1, 1]


def test_a_chain_is_followed_by_all():
    def script(request, number):
        if request.model == "a":
            return Fails(Fault(code="transient", status=500))
        return Says(written(request, [f"<{task}>" for task in tasks(request)]))

    provider = ScriptedProvider(script)
    assert make(fan(5), provider, model="sim/a | sim/b").ok
    assert [call.model for call in provider.calls] == ["a"] * 5 + ["b"]


def test_a_cancelled_run_cancels_the_call_once_and_charges_it():
    async def main():
        provider = writer(latency_s=10.0)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            going = engine.start(fan(5))
            await asyncio.sleep(2)
            going.cancel()
            return provider, await going.result()

    provider, result = run(main())
    assert provider.cancelled == 1 and result.state == "cancelled" and 0 < result.report["tokens_in"] < 150


def test_who_is_not_wanted_any_more_leaves_the_call_to_the_others():
    async def main():
        provider = writer(latency_s=2.0)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            going = engine.start(fan(3))
            await asyncio.sleep(1)
            conductor = engine._shell.conductor
            conductor._doom(conductor._calls[0], "cancelled")
            engine._shell.inbox.nudge()
            await asyncio.sleep(2)
            assert provider.cancelled == 0 and conductor.lanes[1].in_air == 0
            going.cancel()  # the cell that lost its call is asked for nothing more
            return await going.result()

    result = run(main())
    assert result.values == ["<Say 1.>", "<Say 2.>"] and result.report["tokens_in"] == 103, "all of it is charged"


def test_a_spare_that_is_not_needed_does_not_take_the_call_from_the_others():
    """Whoever is filled by somebody else's answer leaves; the call goes on for those that still want it."""
    made = iter(range(1000))

    def script(request, number):
        names = [{"name": f"dish {next(made) if number else place // 2}"} for place, _ in enumerate(tasks(request))]
        return Says(written(request, names), latency_s=1.0 + number % 3)

    provider = ScriptedProvider(script)
    result = make(counted(12, 4, output=Dish, unique="name"), provider)
    assert len(result.values) == 12
    assert result.report["tokens_in"] >= 10 * (len(provider.calls) - provider.cancelled)


# ---------------------------------------------------------------- limits, money, slots


@pytest.mark.parametrize("concurrent", [1, 2, 64])
def test_slots_are_for_calls_and_the_window_is_wide_enough_for_them(concurrent):
    provider = writer()
    result = make(fan(40), provider, limits=Limits(concurrent=concurrent))
    assert sizes(provider) == [5] * 8 and provider.max_in_flight == min(concurrent, 8) and result.ok


def test_requests_a_minute_count_calls():
    result = make(fan(40), writer(), limits=Limits(rpm=4))
    assert result.took_s == pytest.approx(61, abs=1), "8 calls, 4 a minute"


def test_a_call_is_never_larger_than_a_limit():
    provider = writer()
    result = make(fan(8, 8, prompt="Say {n}. " + "x" * 720), provider, limits=Limits(tpm=2000))
    assert result.ok and max(sizes(provider)) < 8


def test_money_is_enough_for_fewer():
    prices = {"sim/x": [0.0, 100.0]}
    provider = writer(usage=Usage(tokens_in=100, tokens_out=500))
    plan = fan(100, sampling={"max_tokens": 100})
    result = make(plan, provider, prices=prices, budget_usd=0.5)
    assert result.report["cost_usd"] <= 0.5 and result.report["cost_is"] == "exact"
    assert result.report["accepted"] == sum(sizes(provider)) >= 40 and {error.code for error in result.errors} == {"budget"}


def test_only_what_can_be_joined_goes_together():
    plan = fan(8, 4, system="You are number {n}.")
    provider = writer()
    assert make(plan, provider).ok and sizes(provider) == [1] * 8, "each has a system prompt of its own"
    provider = writer()
    assert make(fan(8, 4, system="You are kind."), provider).ok and sizes(provider) == [4, 4]
    assert [message.role for message in provider.calls[0].messages] == ["system", "user"]
    talk = lambda cell: [("user", "hello"), ("assistant", "yes?"), ("user", f"Say {cell['n']}.")]  # noqa: E731
    provider = writer()
    assert make(fan(4, 4, prompt=talk), provider).ok and sizes(provider) == [1] * 4
    provider = writer()
    assert make(fan(4, 4, prompt=lambda cell: f"Say {cell['n']}."), provider).ok and sizes(provider) == [4]


def test_who_is_prepared_soon_is_waited_for_and_who_is_late_is_not():
    async def slow(cell):
        await asyncio.sleep({3: 0.2, 4: 60.0}.get(cell["n"], 0.0))
        return f"Say {cell['n']}."

    provider = writer()
    result = make(fan(5, 5, prompt=slow), provider)
    assert result.ok and sizes(provider) == [4, 1] and provider.started[0] == pytest.approx(0.5) and provider.started[1] == 60.0


def test_nothing_waits_for_what_depends_on_an_answer():
    steps = [Step("a", "Do {x}.", over="x"), Step("b", "More {a}.", over="x", items_per_call=3)]

    def script(request, number):
        answers = [f"<{task}>" for task in tasks(request)]
        return Says(written(request, answers), latency_s=5.0 if last(request) == "Do 2." else 1.0)

    provider = ScriptedProvider(script)
    result = make(Plan("p", steps, {"x": range(3)}), provider)
    assert result.ok and sizes(provider) == [1, 1, 1, 2, 1] and result.took_s == 6.0


# ---------------------------------------------------------------- cache, lives, journal


def test_what_the_cache_has_is_not_asked_for():
    store, plan = MemoryStore(), fan(10)
    first, again, more = writer(), writer(), writer()
    assert make(plan, first, store=store, cache=True).ok and sizes(first) == [5, 5]
    assert make(plan, again, store=store, cache=True).report["cached"] == 10 and not again.calls
    assert make(fan(14, 1), more, store=store, cache=True).report["cached"] == 10, (
        "each answer is kept as if it had been asked alone"
    )
    assert sizes(more) == [1] * 4


def test_the_journal_tells_who_was_asked_together():
    store = MemoryStore()
    result = make(fan(7), writer(), store=store)
    events = run(journal_of(store, result.report["run_id"]))
    called = [event for event in events if isinstance(event, Called)]
    assert [(event.call, event.items, event.lead) for event in called] == [
        (0, 5, -1), (1, 5, 0), (2, 5, 0), (3, 5, 0), (4, 5, 0), (5, 2, -1), (6, 2, 5),
    ]  # fmt: skip
    settled = [event for event in events if isinstance(event, Settled)]
    for lead, count in ((0, 5), (5, 2)):
        of = [event for event in settled if lead <= event.call < lead + count]
        assert (sum(e.tokens_in for e in of), sum(e.tokens_out for e in of), sum(e.cached for e in of)) == (103, 57, 31)
        assert all(event.cached <= event.tokens_in for event in of)
    assert not [event for event in events if isinstance(event, Rested)]


def test_killed_at_any_write_nothing_is_paid_for_twice_but_what_was_in_the_air():
    from tests.engine.test_resume import killed, resumed

    def script(request, number):
        answers = [f"<{task[:6]}>" for task in tasks(request)]
        if several(request) and "Say 4." in last(request):
            return cut(request, answers, len(answers) - 1)
        return Says(written(request, answers), latency_s=1.0 + number % 3)

    plan = fan(14, 5, checks=[lambda value: "no" if value == "<Say 7.>" else None], attempts=2)
    kills = set()
    for appends in range(1, 12):
        store = MemoryStore()
        first, second = ScriptedProvider(script), ScriptedProvider(script)

        async def main(store=store, first=first, second=second, appends=appends):
            run_id = await killed(store, first, plan, appends)
            before = await journal_of(store, run_id)
            return before, await resumed(store, second, run_id, plan)

        before, result = run(main())
        told = {event.call for event in before if isinstance(event, Settled)}
        lost = [event for event in before if isinstance(event, Called) and event.call not in told]
        done = {event.at[0] for event in before if isinstance(event, CellEnded)}
        asked = [int(re.search(r"Say (\d+)", task).group(1)) for call in second.calls for task in tasks(call)]
        assert not set(asked) & done, f"killed after {appends} writes: what had ended is asked for again"
        assert len(result.values) == 13 and [error.code for error in result.errors] == ["check_failed"]
        assert result.report["lost"] == sum(event.lead < 0 for event in lost), "as many as requests were in the air"
        kills.add((len(done), len(lost)))
    assert len(kills) > 5, "it was killed in many states"


# ---------------------------------------------------------------- wrong words


@pytest.mark.parametrize("items", [0, -1, True, 2.0, "5", None, 101])
def test_wrong_numbers_are_refused_before_anything_is_called(items):
    provider = writer()
    with pytest.raises(PlanError, match="items_per_call"):
        make(fan(5, items), provider)
    assert not provider.calls


def test_a_function_is_called_for_each_cell():
    with pytest.raises(PlanError, match="a function is called for each cell"):
        make(Plan("p", [Step("a", function=lambda cell: 1, output=int, over="n", items_per_call=2)], {"n": range(4)}), writer())


def test_a_plan_with_axes_of_all_kinds():
    steps = [
        Step("outline", "Outline {doc}.", output=list[str], over="doc", items_per_call=2),
        Step("section", "Section {section} of {doc}.", over=("doc", "section"), items_per_call=4),
        Step("whole", "Join {section}.", over="doc"),
    ]

    def script(request, number):
        answers = [{"value": ["x", "y", "z"]} if "Outline" in task else f"<{task}>" for task in tasks(request)]
        return Says(written(request, answers))

    provider = ScriptedProvider(script)
    plan = Plan("p", steps, [Axis("doc", ["a", "b"]), Axis("section", each="outline")])
    result = make(plan, provider)
    assert result.ok and sizes(provider) == [2, 4, 2, 1, 1] and len(result["section"].values) == 6


def test_distinct_in_meaning_too():
    plan = fan(4, 4, output=Dish, unique=Unique("name", near=0.8))
    provider = writer(
        lambda task, place: {
            "name": "tomato soup" if place < 2 and AVOID not in task else ["bread", "cabbage", "eel", "fig"][int(task[4])]
        }
    )
    assert make(plan, provider).ok and sizes(provider)[0] == 4 and len(provider.calls) >= 2


def test_the_words_of_a_step_may_stand_in_one_call():
    provider = writer(lambda task, place: task, latency_s=0.0)
    result = generate(
        "About {n}: {candidates}.", over={"n": range(6)}, candidates=Candidates(list("abcdef"), take=1), items_per_call=3,
        known=lambda cell: "known" if cell["n"] == 0 else None, budget_usd=1.0, prices={"sim/x": [1.0, 1.0]}, provider=provider,
        model="sim/x", store=":memory:",
    )  # fmt: skip
    assert result.ok and result.values[0] == "known" and result.values[1] == 'About 1: ["b"].'
    assert len(provider.calls) == 2 and result.report["cost_is"] == "exact" and 0 < result.report["cost_usd"] < 1
