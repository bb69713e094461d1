"""Whole runs whose cells are spread over facets, on a scripted provider in virtual time."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from fanfold import Axis, Engine, Facets, Judge, Plan, PlanError, Step, Unique, agenerate
from fanfold.core.facets import Facets as Combinations
from fanfold.core.fold import fold
from fanfold.core.placing import number
from fanfold.engine.spread import spread_of
from fanfold.spec.calls import Request
from fanfold.spec.compile import compile_plan
from fanfold.spec.events import Called, CellEnded, Rested, RunStarted, StepFacts
from fanfold.spec.phrases import AVOID
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

TONES, PRODUCTS = ["calm", "angry", "dry"], ["kettle", "lamp", "sofa", "desk"]
BOTH = {"tone": TONES, "product": PRODUCTS}


def last(request: Request) -> str:
    return request.messages[-1].content


def echo(request: Request, number: int) -> Says:
    return Says(last(request))


def make(plan: Plan, script=echo, seed: int = 7):
    provider = ScriptedProvider(script)

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), seed=seed) as engine:
            return await engine.run(plan)

    return run(main()), provider


def reviews(prompt="{facet.tone} {facet.product}", count=100, facets=BOTH, **words) -> Plan:
    return Plan("p", [Step("review", prompt, facets=facets, over=Axis("n", count=count), **words)])


def facets_of(result) -> list[dict]:
    return [cell.facet for cell in result["review"].cells]


# ---------------------------------------------------------------- an even spread


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 9))
def test_cells_of_several_axes_have_one_number_each(sizes, ahead):
    cells = list(product(*map(range, sizes)))
    assert sorted(number(at, sizes) for at in cells) == list(range(len(cells)))
    rows = [number(at, sizes, (i, j)) for at in cells for i in range(ahead) for j in range(3)]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("count", [1, 7, 12, 100])
def test_every_value_is_used_as_often_as_any_other_and_combinations_too(count):
    result, provider = make(reviews(count=count))
    sent = [last(request) for request in provider.calls]
    assert sent == [f"{facet['tone']} {facet['product']}" for facet in facets_of(result)] == result.values
    for place, listed in enumerate(BOTH.values()):
        used = Counter(text.split()[place] for text in sent)
        assert all(count // len(listed) <= used[value] <= -(-count // len(listed)) for value in listed)
    assert max(Counter(sent).values()) == -(-count // 12), "cells that share all facets are as few as possible"


def test_a_facet_is_not_tied_to_a_meal():
    """Three tones over three meals: in plain order every breakfast would have the same one."""
    step = Step("review", "{facet.tone} {day} {meal}", facets={"tone": TONES}, over=("day", "meal"))
    result, _ = make(Plan("p", [step], {"day": range(1, 8), "meal": ["breakfast", "lunch", "dinner"]}))
    by_meal: dict[str, Counter] = {}
    for cell in result["review"].cells:
        by_meal.setdefault(cell.at["meal"], Counter())[cell.facet["tone"]] += 1
    assert all(set(used) == set(TONES) and max(used.values()) <= 3 for used in by_meal.values())
    assert Counter(facet["tone"] for facet in facets_of(result)) == dict.fromkeys(TONES, 7)


def test_a_seed_gives_the_same_facets_and_another_one_others():
    one, again, other = (facets_of(make(reviews(count=12), seed=seed)[0]) for seed in (1, 1, 2))
    assert one == again != other


def test_what_is_infeasible_is_never_asked_for():
    banned = [{"tone": "angry", "product": "lamp"}, {"product": "desk"}]
    result, _ = make(reviews(count=50, facets=Facets(BOTH, infeasible=banned)))
    used = Counter(map(tuple, map(dict.values, facets_of(result))))
    assert len(used) == 8 and not any(c == ("angry", "lamp") or "desk" in c for c in used)
    assert max(used.values()) - min(used.values()) <= 1
    assert result.report["diversity"]["review"]["facets"]["product"]["coverage"] == {"value": 1.0, "of": 3}


def test_cells_that_are_found_in_answers_are_spread_too():
    """How many there will be is not known when the first ones start: as evenly as that leaves."""
    steps = [
        Step("outline", "{doc}", output=list[int], over="doc"),
        Step("review", "{facet.tone} {facet.product}", facets=BOTH, over=("doc", "part")),
    ]
    plan = Plan("p", steps, [Axis("doc", range(6)), Axis("part", each="outline")])
    result, _ = make(plan, lambda request, n: Says(list(range(4 + n % 2))) if last(request).isdecimal() else echo(request, n))
    used = Counter(facet["tone"] for facet in facets_of(result))
    assert sum(used.values()) == 27 and max(used.values()) - min(used.values()) <= 2
    assert result["review"].values == [f"{facet['tone']} {facet['product']}" for facet in facets_of(result)]
    assert max(Counter(result["review"].values).values()) <= 4


def test_the_one_liner_has_them():
    provider = ScriptedProvider(echo)
    asked = agenerate(
        "{facet.tone}", over={"n": {"count": 6}}, facets={"tone": TONES}, model="sim/x", provider=provider, store=":memory:",
        clock=VirtualClock(),
    )  # fmt: skip
    assert Counter(run(asked).values) == dict.fromkeys(TONES, 2)


# ---------------------------------------------------------------- what prompts see


def test_a_prompt_that_names_no_facet_ends_with_them_before_what_is_to_be_avoided():
    names = iter(["A", "A", *"BCDEF"])
    plan = reviews("Write a review.", count=3, facets={"tone": ["calm"], "for_whom": [{"age": 7}]}, unique=None, output=Named)
    step = Step(**{**plan.steps[0].__dict__, "unique": "name"})
    _, provider = make(Plan("p", [step]), lambda request, n: Says({"name": next(names)}))
    assert last(provider.calls[0]) == 'Write a review.\n\nTone: calm. For whom: {"age":7}.'
    drawn_again = [last(request) for request in provider.calls if AVOID in last(request)]
    assert drawn_again and all(text.index("Tone: calm") < text.index(AVOID) for text in drawn_again)


class Named(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("It is {facet}!", 'It is tone: calm, thing: {"of":"tin"}!'),
        ("A {facet.tone} {facet.thing.of}", "A calm tin"),
        ("A {facet.tone} one", 'A calm one\n\nThing: {"of":"tin"}.'),
        (lambda cell: f"{cell['facet']['tone']} {cell.facet['thing']['of']}", "calm tin"),
    ],
)
def test_one_facet_or_all_of_them(prompt, sent):
    _, provider = make(reviews(prompt, count=1, facets={"tone": ["calm"], "thing": [{"of": "tin"}]}))
    assert last(provider.calls[0]) == sent


def test_judges_functions_and_system_prompts_have_them_too():
    judge = Judge("Is {value} {facet.tone}?")
    steps = [
        Step("review", "Go.", "Be {facet}.", facets={"tone": ["calm"]}, judge=judge, over=Axis("n", count=1)),
        Step("plain", function=lambda cell: cell["facet"]["tone"], facets={"tone": ["wild"]}),
    ]
    script = lambda request, n: Says({"reason": "yes", "pass": True} if "Is " in last(request) else "fine")  # noqa: E731
    result, provider = make(Plan("p", steps), script)
    assert [m.content for m in provider.calls[0].messages] == ["Be tone: calm.", "Go."]
    assert last(provider.calls[1]).startswith("Is fine calm?\n") and result["plain"].values == ["wild"]


# ---------------------------------------------------------------- redraws


def taken_until(calls: int):
    """Everybody says the same in their first answers."""
    seen: Counter = Counter()

    def script(request: Request, number: int) -> Says:
        cell = last(request).split()[0]
        seen[cell] += 1
        return Says({"name": "the same" if seen[cell] <= calls else f"{'abcdef'[int(cell)] * 8}"})

    return script


def test_a_combination_that_failed_twice_is_dropped_for_one_that_is_free():
    prompt = "{n} {facet.tone} {facet.product}"
    plan = Plan("p", [Step("review", prompt, facets=BOTH, over="n", output=Named, unique="name", attempts=9)], {"n": range(6)})
    calm, _ = make(plan, taken_until(0))
    result, provider = make(plan, taken_until(3))
    first = {tuple(facet.values()) for facet in facets_of(calm)}
    moved = [tuple(facet.values()) for facet in facets_of(result)]
    kept = [at for at, (one, other) in enumerate(zip(facets_of(calm), facets_of(result), strict=True)) if one == other]
    assert len(kept) == 1, "only the one who took the name first keeps its combination"
    assert not {combination for at, combination in enumerate(moved) if at not in kept} & first, "those of others stay theirs"
    assert len(set(moved)) == 6
    asked: dict[str, list[str]] = {}
    for request in provider.calls:
        cell, *combination = last(request).splitlines()[0].split()
        asked.setdefault(cell, []).append(" ".join(combination))
    assert [" ".join(c) for c in moved] == [asked[str(n)][-1] for n in range(6)], "the report has what was sent last"
    for n in set(range(6)) - set(kept):
        assert len(set(asked[str(n)][:2])) == 1 and asked[str(n)][2] != asked[str(n)][1]


def test_where_no_combination_is_free_it_is_kept():
    plan = Plan(
        "p", [Step("review", "{n} {facet.tone}", facets={"tone": TONES}, over="n", output=Named, unique="name")], {"n": range(3)}
    )
    calm, _ = make(plan, taken_until(0))
    result, _ = make(plan, taken_until(4))
    assert facets_of(result) == facets_of(calm) and result.report["duplicates_rejected"] >= 4


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 5))
def test_nobody_moves_to_a_combination_that_another_has_had(cells, a, b, seed):
    combinations = Combinations({"a": range(a), "b": range(b)}, cells, seed)
    homes = [combinations.at(cell) for cell in range(cells)]
    had: dict[int, list] = {cell: [combinations.after(cell, n) for n in range(5)] for cell in range(cells)}
    new = [[c for k, c in enumerate(own) if c != homes[cell] and c not in own[:k]] for cell, own in had.items()]
    flat = [tuple(c.values()) for own in new for c in own]
    assert len(flat) == len(set(flat)) and not set(flat) & {tuple(home.values()) for home in homes}
    assert len(flat) == max(0, min(a * b, 5 * cells) - cells), "none that is free is left lying"


def test_facets_depend_on_seed_and_cell_alone_so_a_resumed_run_has_the_same():
    """A new process works out the plan anew and asks for any cell first; what was taken before is in the fold of the journal."""
    compiled = compile_plan(reviews(count=9, facets=Facets(BOTH, [{"tone": "dry", "product": "sofa"}])))
    before, after = (spread_of(compiled, compiled.steps[0]) for _ in range(2))
    in_order = [before.of((n,), 5, taken) for n in range(9) for taken in range(4)]
    backwards = [after.of((n,), 5, taken) for n in reversed(range(9)) for taken in reversed(range(4))]
    assert in_order == backwards[::-1] and in_order[0] == in_order[1] != in_order[2]


# ---------------------------------------------------------------- proposed by a step


def proposing(answers, over=(), **words):
    answers = iter(answers)
    plan = Plan(
        "p",
        [
            Step("spread", "Propose facets.", output=dict[str, list[str]], over=over),
            Step("review", "{n} {facet.tone}", facets="spread", over=(*over, "n"), **words),
        ],
        {"n": {"count": 8}, **{key: ["x", "y"] for key in over}},
    )
    return make(plan, lambda request, n: Says(next(answers)) if "Propose" in last(request) else echo(request, n))


def test_a_step_may_propose_the_facets():
    result, _ = proposing([{"tone": ["calm", "wild", "calm"], "price": ["low", "high", "none", "any"]}])
    assert Counter(facet["tone"] for facet in facets_of(result)) == {"calm": 4, "wild": 4}
    assert all(value.split()[1] == facet["tone"] for value, facet in zip(result["review"].values, facets_of(result), strict=True))
    assert "Price: " in result["review"].values[0]
    assert result.report["diversity"]["review"]["facets"]["price"]["counts"] == dict.fromkeys(["low", "high", "none", "any"], 2)


def test_each_cell_is_spread_over_what_was_proposed_for_it():
    result, _ = proposing([{"tone": ["calm", "wild"]}, {"tone": ["dry", "wry"]}], over=("doc",))
    by_doc: dict[str, Counter] = {}
    for cell in result["review"].cells:
        by_doc.setdefault(cell.at["doc"], Counter())[cell.facet["tone"]] += 1
    assert sorted(map(sorted, map(dict.items, by_doc.values()))) == [[("calm", 4), ("wild", 4)], [("dry", 4), ("wry", 4)]]


def test_a_proposal_that_is_none_is_asked_for_again():
    result, provider = proposing([{"tone": []}, {}, {"tone": ["calm"]}])
    assert result.ok and set(facets_of(result)[0].values()) == {"calm"}
    assert "'tone' is not a list with at least one value" in last(provider.calls[1])


def test_without_a_proposal_nothing_can_be_asked():
    result, _ = proposing([{"tone": []}] * 9)
    assert {error.code for error in result["review"].errors} == {"upstream"} and facets_of(result)[0] == {}
    missing, _ = proposing([{"mood": ["calm"]}])
    assert "'tone'" in missing.errors[0].message and missing.errors[0].code == "upstream"


# ---------------------------------------------------------------- wrong plans

WRONG = {
    "no mapping": ({"facets": ["tone"]}, r"steps\.review\.facets: facets are a mapping .* \(write facets="),
    "nothing": ({"facets": {}}, "there are no facets"),
    "an empty list": ({"facets": {"tone": []}}, r"steps\.review\.facets\.tone: the facet has no values"),
    "a text": ({"facets": {"tone": "calm"}}, r"the values of a facet are a list, not 'calm' \(write \['calm'\]"),
    "a set": ({"facets": {"tone": {"calm"}}}, "are a list"),
    "a number for a name": ({"facets": {1: ["calm"]}}, "1 is not the name of a facet"),
    "not to be written": ({"facets": {"tone": [object()]}}, r"facets\.tone: cannot be written into a prompt"),
    "unknown": ({"prompt": "{facet.tome}"}, r"steps\.review\.prompt: \{facet\.tome\}: there is no facet 'tome' \(did you mean 'tone'"),
    "unknown field": ({"prompt": "{facet.tone.x}"}, "no field 'x' in a str"),
    "in a judge": ({"judge": Judge("{facet.x} {value}")}, r"judge\.prompt: \{facet\.x\}: there is no facet 'x'"),
    "no facets": ({"prompt": "{facet.tone}", "facets": None}, r"the step has no facets \(declare them"),
    "no such step": ({"facets": "sprad", "prompt": "x"}, r"steps\.review\.facets: there is no step 'sprad'"),
    "itself": ({"facets": "review", "prompt": "x"}, "needs itself"),
    "banned facet": ({"facets": Facets(BOTH, [{"tome": "calm"}])}, r"facets\.infeasible\[0\]: there is no facet 'tome'"),
    "banned value": ({"facets": Facets(BOTH, [{"tone": "clam"}])}, r"has no value 'clam' \(did you mean 'calm'"),
    "banned nothing": ({"facets": Facets(BOTH, [{}])}, "is a mapping of facets to values"),
    "bans are no list": ({"facets": Facets(BOTH, {"tone": "calm"})}, "infeasible: is a list of combinations"),
    "all banned": ({"facets": Facets(BOTH, [{"tone": tone} for tone in TONES])}, r"steps\.review\.facets\.infeasible: no .*leave at least"),
    "all combinations banned": (
        {"facets": Facets(BOTH, [{"tone": t, "product": p} for t in TONES for p in PRODUCTS])}, "every combination .* is infeasible",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plan_is_refused_before_anything_is_called(name):
    words, message = WRONG[name]
    provider = ScriptedProvider(echo)

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            with pytest.raises(PlanError, match=message):
                engine.start(reviews(**{"prompt": "{facet}", "facets": BOTH, **words}))

    run(main())
    assert not provider.calls


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (Step("spread", "x", output=list[str]), "is not a mapping of names to lists"),
        (Step("spread", "x"), "is not a mapping of names to lists"),
        (Step("spread", "x", output=dict[str, list[str]], over="m"), "'spread' runs over 'm', the step does not"),
        (Step("spread", "x", output=Named), "there is no field 'tone'"),
    ],
)
def test_a_step_that_cannot_propose_is_refused(spread, message):
    with pytest.raises(PlanError, match=message):
        compile_plan(Plan("p", [spread, Step("review", "{facet.tone}", facets="spread", over="n")], {"n": [1], "m": [1]}))


def test_a_facet_may_be_called_as_an_axis_or_a_given():
    plan = Plan(
        "p",
        [Step("a", "{tone} {n} {facet.tone} {facet.n}", facets={"tone": ["calm"], "n": [9]}, over="n")],
        {"n": [1]},
        {"tone": "x"},
    )
    assert last(make(plan)[1].calls[0]) == "x 1 calm 9"
    given_so = Plan("p", [Step("a", "{facet}")], given={"facet": "cut"})
    assert last(make(given_so)[1].calls[0]) == "cut"
    with pytest.raises(PlanError, match=r"given\.facet: .*rename the given"):
        compile_plan(Plan("p", [Step("a", "{facet}", facets={"tone": ["calm"]})], given={"facet": "cut"}))


def test_what_was_taken_outlives_a_run_that_was_cut_off():
    step = (StepFacts("review", ("n",), 2),)
    rested = Rested(2, 9, 0, (1,), "regenerate", "duplicate", "'x' is taken", "", 2, 9)
    state = fold(
        [RunStarted(0, 0, "p", 1, step, 9), Called(1, 1, 0, (1,), 0, 1, 0, 1, 5), rested, RunStarted(3, 0, "p", 1, step, 9)]
    )
    assert state.steps[0].taken == {(1,): 1}, "so that its combination is the same after it"
    state.apply(CellEnded(4, 9, 0, (1,), "accepted", "", "", "", 2, "y", None, 9))
    assert state.steps[0].taken == {}


# ---------------------------------------------------------------- what the report says


def test_the_report_says_how_evenly_facets_were_used_and_how_different_answers_are():
    plan = reviews(count=10, facets={"tone": TONES, "product": PRODUCTS}, fallback="nothing")
    failing = lambda request, n: Says("") if n == 0 else Says(f"Word{n} is {last(request)}")  # noqa: E731
    step = Step(**{**plan.steps[0].__dict__, "checks": [lambda text: "angry" not in text], "attempts": 1})
    result, _ = make(Plan("p", [step, Step("other", "x")], plan.axes), failing)
    told = result.report["diversity"]
    assert set(told) == {"review"}, "a step that asks for no difference is not measured"
    tone = told["review"]["facets"]["tone"]
    own = [cell for cell in result["review"].cells if cell.error is None]
    assert tone["counts"] == {tone: sum(cell.facet["tone"] == tone for cell in own) for tone in TONES}, "fallbacks do not count"
    assert tone["counts"]["angry"] == 0 and tone["coverage"] == {"value": 0.667, "of": 3}
    assert tone["entropy"]["of"] == len(own) and 0.5 < tone["entropy"]["value"] < 0.64
    assert told["review"]["clusters"]["of"] == len(own) and told["review"]["distinct_1"]["of"] == 4 * len(own)
    row = next(iter(result["review"].rows()))
    assert list(row)[:5] == ["step", "n", "facet.tone", "facet.product", "state"] and row["facet.tone"] in TONES


def test_collisions_are_counted_against_all_answers_judged_and_a_large_run_is_sampled():
    answers = (f"Word {n // 2}" for n in range(2_000))
    plan = Plan("p", [Step("review", "x {n}", over="n", unique=Unique(None), attempts=30)], {"n": range(300)})
    result, _ = make(plan, lambda request, n: Says(next(answers)))
    told = result.report["diversity"]["review"]
    judged = result.report["regenerated"] + 300
    assert told["collisions"] == {"value": round(result.report["duplicates_rejected"] / judged, 3), "of": judged}
    assert result.report["duplicates_rejected"] >= 250 and told["nearest"]["of"] == told["clusters"]["of"] == 200
    assert told["distinct_1"]["of"] == 400 and "facets" not in told


def test_fields_of_an_answer_are_no_words_of_it():
    plan = Plan("p", [Step("review", "x", over=Axis("n", count=3), output=Named, unique="name")])
    result, _ = make(plan, lambda request, n: Says({"name": f"{'abc'[n] * 5} {'xyz'[n] * 5}"}))
    told = result.report["diversity"]["review"]
    assert told["distinct_1"] == {"value": 1.0, "of": 6} and told["distinct_2"] == {"value": 1.0, "of": 3}
    assert told["clusters"] == {"value": 3.0, "of": 3}


def test_what_a_spare_has_filled_shows_the_facets_that_it_was_asked_for():
    refused = {3, 5, 8, 13, 21, 22, 23}

    def script(request, number):
        return Says(f"{last(request)} {'bad' if number in refused else number}", latency_s=1 + number % 3)

    result, provider = make(reviews(count=30, checks=[lambda value: "bad" not in value]), script)
    assert result.ok and len(provider.calls) > 30 + len(refused), "spares were launched"
    for cell in result["review"].cells:
        assert cell.value.startswith(f"{cell.facet['tone']} {cell.facet['product']} "), cell.facet
    used = Counter(cell.value.split()[0] for cell in result["review"].cells)
    assert result.report["diversity"]["review"]["facets"]["tone"]["counts"] == {tone: used[tone] for tone in TONES}
