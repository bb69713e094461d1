"""Whole runs in virtual time: six kinds at once, what a failure leaves, order, priority, what is known, the cache, many terms."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace

import pytest

from fanfold import Engine
from fanfold.apps.voorbeelden import APP
from fanfold.apps.voorbeelden.content import WITHOUT
from fanfold.apps.voorbeelden.kinds import KINDS, NAMES
from fanfold.apps.voorbeelden.params import Params
from fanfold.apps.voorbeelden.prompts import asked
from fanfold.apps.voorbeelden.types import Begripsdefinitie, Term
from fanfold.sim.content import Contents
from fanfold.sim.pen import Habits
from fanfold.spec.calls import Fault
from fanfold.spec.compile import compile_plan
from fanfold.spec.errors import Code
from fanfold.spec.phrases import REJECTED
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

CONTENTS = Contents()
DEFINED = {"begrip": "dwangsom", "definitie": "Een bedrag dat iemand moet betalen zolang hij een plicht niet nakomt."}
REFUSED = Fault(code=Code.BAD_REQUEST, message="no")


def written(request) -> dict:
    """What the simulated provider writes there, without mistakes."""
    from random import Random

    return json.loads(CONTENTS.write(request, Random(1), Habits(slips=0)))


def kind_of(request) -> str:
    return request.schema["title"].casefold()


def done(params: Params, script=None, *, plan=None, **options):
    """(result, its content, the provider, seconds). script: kind -> seconds, Says or Fails, or None for a good answer after 2 s."""

    def answer(request, number):
        entry = script(kind_of(request), request) if script is not None else None
        if isinstance(entry, Says | Fails):
            return entry
        return Says(written(request), latency_s=2 if entry is None else entry)

    provider = ScriptedProvider(answer)

    async def main():
        async with Engine(provider=provider, clock=VirtualClock(), **{"store": ":memory:", **options}) as engine:
            result = await engine.run(plan or APP.plan(params))
            return result, asyncio.get_running_loop().time()

    result, took = run(main())
    return result, APP.content(params, result), provider, took


def test_a_definition_and_then_six_kinds_at_once():
    result, content, provider, took = done(Params(begrip="dwangsom"))
    assert result.ok and took == pytest.approx(4, abs=0.1) and len(provider.calls) == 7 and provider.max_in_flight == 6
    assert list(content) == ["begrip", "definitie", "voorbeelden"] and list(content["voorbeelden"]) == list(NAMES)
    assert [len(content["voorbeelden"][name]) for name in NAMES[:3]] == [3, 3, 3] and content["definitie"].startswith(
        "Een geldbedrag"
    )
    assert all(f"Definitie: {content['definitie']}\n" in request.messages[-1].content for request in provider.calls[1:])


def test_a_given_definition_skips_the_first_phase_and_six_are_nearly_six_times_as_fast_as_one_at_a_time():
    result, content, provider, took = done(Params(**DEFINED))
    assert result.ok and len(provider.calls) == 6 == result.report["calls"] and content["definitie"] == DEFINED["definitie"]
    one_by_one = done(Params(**DEFINED), plan=replace(APP.plan(Params(**DEFINED)), concurrent=1))[3]
    assert one_by_one == pytest.approx(12, abs=0.1) and one_by_one / took >= 5.5


def test_only_the_kinds_and_as_many_as_asked_for():
    params = Params(**DEFINED, soorten="synoniemen,voorbeeldzinnen", voorbeeldzinnen=4, synoniemen=2, context="bestuursrecht")
    result, content, provider, _ = done(params)
    assert (
        result.ok and list(content["voorbeelden"]) == ["voorbeeldzinnen", "synoniemen"] and content["context"] == "bestuursrecht"
    )
    assert [len(texts) for texts in content["voorbeelden"].values()] == [4, 2]
    assert all("Context: bestuursrecht\n" in request.messages[-1].content for request in provider.calls)


@pytest.mark.parametrize("bad", NAMES)
def test_a_failed_kind_is_empty_with_one_error_and_the_others_stand(bad):
    result, content, _, _ = done(Params(**DEFINED), lambda kind, request: Fails(REFUSED) if kind == bad else None)
    assert result.exit_code == 3 and list(content["voorbeelden"]) == list(NAMES)
    assert content["voorbeelden"][bad] == ("" if bad == "toelichting" else []) and isinstance(
        content["voorbeelden"][bad], str | list
    )
    assert all(content["voorbeelden"][name] for name in NAMES if name != bad)
    trailer = result.trailer()
    assert [(error["stage"], error["code"]) for error in trailer["errors"]] == [(bad, "bad_request")] and trailer[
        "fallbacks"
    ] == []
    assert trailer["errors"][0]["cell"]["term"]["begrip"] == "dwangsom"
    page = APP.markdown({**content, **trailer})
    assert page.count("Niet gelukt") == 1


@pytest.mark.parametrize("given", [DEFINED, {"begrip": "dwangsom"}])
def test_when_all_six_fail_the_definition_is_there(given):
    result, content, _, _ = done(Params(**given), lambda kind, request: None if kind == "begripsdefinitie" else Fails(REFUSED))
    assert result.exit_code == 3 and len(result.errors) == 6 and content["definitie"]
    assert content["voorbeelden"] == {kind.name: kind.empty for kind in KINDS} and set(
        map(str, content["voorbeelden"].values())
    ) == {"[]", ""}


def test_without_a_definition_there_is_nothing_and_it_says_why():
    result, content, provider, _ = done(Params(begrip="dwangsom"), lambda kind, request: Fails(REFUSED))
    assert result.exit_code == 1 and len(provider.calls) == 1 and content["definitie"] == ""
    assert [error.code for error in result.errors] == ["bad_request", *["upstream"] * 6]
    assert "Niet gelukt" in APP.markdown({**content, **result.trailer()})


def test_a_bad_definition_is_asked_for_again_with_its_reason_in_dutch():
    said = []

    def script(kind, request):
        if kind == "begripsdefinitie" and not said:
            said.append(kind)
            return Says({"definitie": "Een dwangsom is een som geld onder dwang."})
        return None

    result, content, provider, _ = done(Params(begrip="dwangsom"), script)
    assert (
        result.ok and len(provider.calls) == 8 and "gebruikt het begrip 'dwangsom' zelf" in provider.calls[1].messages[-1].content
    )
    assert content["definitie"].startswith("Een geldbedrag")


def test_the_order_is_fixed_whatever_the_order_of_the_answers():
    late = {name: 6.0 - place for place, name in enumerate(NAMES)}
    _, content, _, took = done(Params(**DEFINED), lambda kind, request: late[kind])
    assert list(content["voorbeelden"]) == list(NAMES) and took == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("cap", [1, 2])
def test_critical_kinds_go_first_where_capacity_is_short(cap):
    params = Params(**DEFINED, soorten="toelichting,tegenvoorbeelden,praktijkvoorbeelden,voorbeeldzinnen")
    _, _, provider, _ = done(params, plan=replace(APP.plan(params), concurrent=cap))
    assert {kind_of(request) for request in provider.calls[:2]} == {"voorbeeldzinnen", "praktijkvoorbeelden"}


def test_of_many_terms_too():
    params = Params(terms=[{"begrip": f"woord{n}a", "definitie": f"Iets van soort {n}."} for n in "abcdefgh"])
    _, _, provider, _ = done(params, plan=replace(APP.plan(params), concurrent=4))
    assert {kind_of(request) for request in provider.calls[:16]} == {"voorbeeldzinnen", "praktijkvoorbeelden"}


def test_what_is_both_synonym_and_antonym_is_no_antonym_and_that_is_said():
    def script(kind, request):
        return Says({"antoniemen": ["beloning", "Het dwanggeld"]}) if kind == "antoniemen" else None

    result, content, _, took = done(Params(**DEFINED), script)
    assert "dwanggeld" in content["voorbeelden"]["synoniemen"] and content["voorbeelden"]["antoniemen"] == ["beloning"]
    assert result.ok and took == pytest.approx(2, abs=0.1), "no kind waits for another"
    assert content["opmerkingen"] == [
        "'Het dwanggeld' stond bij de synoniemen én bij de antoniemen; bij de antoniemen is het weggelaten."
    ]
    assert content["opmerkingen"][0] in APP.markdown({**content, **result.trailer()})


def test_each_kind_is_asked_again_for_what_is_wrong_with_it_alone():
    wrong = {"voorbeeldzinnen": ["De dwangsom loopt op.", "Dwangsommen zijn hoog.", WITHOUT], "synoniemen": ["dwangsom"]}

    def script(kind, request):
        again = REJECTED in request.messages[-1].content
        return Says({kind: wrong[kind]}) if kind in wrong and not again else None

    result, content, provider, _ = done(Params(**DEFINED), script)
    assert result.ok and len(provider.calls) == 8 and WITHOUT not in content["voorbeelden"]["voorbeeldzinnen"]


# -------------------------------------------------------------------- many terms

MIXED = [
    {"begrip": "dwangsom"},
    {"begrip": "opbellen", "definitie": "Telefonisch contact met iemand zoeken."},
    {"begrip": "boek", "context": "school"},
]


def test_many_terms_with_and_without_definitions():
    result, content, provider, took = done(Params(terms=MIXED))
    assert result.ok and len(provider.calls) == 2 + 18 and took == pytest.approx(4, abs=0.1)
    assert [term["begrip"] for term in content["begrippen"]] == ["dwangsom", "opbellen", "boek"]
    assert [term.get("context") for term in content["begrippen"]] == [None, None, "school"]
    assert content["begrippen"][1]["definitie"] == MIXED[1]["definitie"] and provider.started.count(0) == 2 + 6
    rows = APP.rows({**content, **result.trailer()})
    assert (
        list(rows[0]) == ["begrip", "context", "definitie", "soort", "nummer", "tekst"]
        and len({row["begrip"] for row in rows}) == 3
    )
    assert [row["nummer"] for row in rows if row["begrip"] == "boek" and row["soort"] == "voorbeeldzinnen"] == [1, 2, 3]
    assert sum(row["soort"] == "toelichting" for row in rows) == 3


def test_errors_of_many_terms_are_shown_with_their_own_term():
    def script(kind, request):
        return Fails(REFUSED) if kind == "antoniemen" and "Begrip: boek\n" in request.messages[-1].content else None

    result, content, _, _ = done(Params(terms=MIXED), script)
    assert result.exit_code == 3 and [e.cell["term"].begrip for e in result.errors] == ["boek"]
    assert [term["voorbeelden"]["antoniemen"] == [] for term in content["begrippen"]] == [False, False, True]
    pages = APP.markdown({**content, **result.trailer()}).split("\n# ")
    assert ["Niet gelukt" in page for page in pages] == [False, False, True]


# -------------------------------------------------------------------- the cache


def test_the_cache_goes_by_term_definition_kind_and_context():
    store = MemoryStore()

    def again(**given) -> int:
        params = Params(**given)
        return len(done(params, store=store, cache=True, cache_ttl=3600)[2].calls)

    assert [again(**DEFINED), again(**DEFINED)] == [6, 0]
    assert again(**DEFINED, context="bestuursrecht") == 6, "another context"
    assert again(**{**DEFINED, "definitie": "Een bedrag onder druk van de rechter."}) == 6, "another definition"
    assert again(**{**DEFINED, "begrip": "dwanggeld"}) == 6, "another term"
    assert again(**DEFINED, soorten="synoniemen,toelichting") == 0, "each kind for itself"
    assert again(**DEFINED, synoniemen=2) == 1, "only what is asked differently"
    assert again(begrip="dwangsom") == 7 and again(begrip="dwangsom") == 0
    generated = done(Params(begrip="dwangsom"), store=store, cache=True)[1]["definitie"]
    assert again(begrip="dwangsom", definitie=generated) == 0, "a definition is the same whoever wrote it"
    assert again(terms=[{"begrip": "boek"}, DEFINED]) == 7, "and in a file with others"


def test_an_answer_is_good_for_so_long():
    store = MemoryStore()
    assert len(done(Params(**DEFINED), store=store, cache=True)[2].calls) == 6
    assert len(done(Params(**DEFINED), store=store, cache=True, cache_ttl=0.000001)[2].calls) == 6


# -------------------------------------------------------------------- several kinds in one call


def together(calls: int, **given):
    params = Params(**DEFINED, gecombineerd=calls, **given)
    return params, APP.plan(params)


@pytest.mark.parametrize(("calls", "items"), [(1, 6), (2, 3)])
def test_kinds_as_an_axis(calls, items):
    _, plan = together(calls)
    step = plan.steps[1]
    assert (step.name, step.over, step.items_per_call) == ("voorbeelden", ("term", "soort"), items)
    assert together(calls, soorten="synoniemen,antoniemen,toelichting")[1].steps[1].items_per_call == -(-3 // calls)


def test_kinds_as_an_axis_one_in_a_call_give_the_same_result():
    params, plan = together(1)
    steps = [plan.steps[0], replace(plan.steps[1], items_per_call=1)]
    result, content, provider, _ = done(params, plan=replace(plan, steps=steps))
    assert result.ok and len(provider.calls) == 6
    _, apart, _, _ = done(Params(**DEFINED))
    assert list(content["voorbeelden"]) == list(NAMES) and content.keys() == apart.keys()
    assert {name: type(texts) for name, texts in content["voorbeelden"].items()} == {
        n: type(t) for n, t in apart["voorbeelden"].items()
    }


@pytest.mark.parametrize("calls", [1, 2])
def test_all_kinds_in_one_or_two_calls(calls):
    params, plan = together(calls)
    compile_plan(plan)
    result, content, provider, took = done(params, plan=plan)
    assert result.ok and len(provider.calls) == calls and took == pytest.approx(2, abs=0.1)
    assert list(content["voorbeelden"]) == list(NAMES) and all(content["voorbeelden"].values())


def test_a_term_that_looks_like_a_slot_is_a_term():
    term = Term(begrip="{term.kader}", context="recht")
    cell = {
        "term": term, "definitie": Begripsdefinitie(definitie="Iets."), "soort": "synoniemen", "opdrachten": {"synoniemen": "doe dit"},
    }  # fmt: skip
    assert asked(cell).startswith("Begrip: {term.kader}\nContext: recht\nDefinitie: Iets.\n")


def test_a_failed_kind_of_a_combined_call_is_asked_for_alone():
    def script(kind, request):
        answer = written(request)
        for item in answer.get("items", []):
            if item["answer"]["soort"] == "synoniemen":
                item["answer"]["teksten"] = ["dwangsom"]
        return Says(answer, latency_s=2)

    params, plan = together(1)
    result, content, provider, _ = done(params, script, plan=plan)
    assert result.ok and len(provider.calls) == 2 and "dwangsom" not in content["voorbeelden"]["synoniemen"]
    alone = provider.calls[1].messages[-1].content
    assert re.findall(r"^Soort: (\w+)$", alone, re.MULTILINE) == ["synoniemen"] and "is het begrip zelf" in alone
