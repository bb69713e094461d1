"""What is asked and what is accepted: requests, languages, words, sentences; and the terms that the simulated provider knows."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

import fanfold.apps.voorbeelden as app
from fanfold import Cell, PlanError, Rows
from fanfold.apps.voorbeelden.checks import checks_by_kind, checks_for, definition, key
from fanfold.apps.voorbeelden.clean import cleaned
from fanfold.apps.voorbeelden.kinds import BY_NAME, NAMES
from fanfold.apps.voorbeelden.language import dutch_sentence, foreign
from fanfold.apps.voorbeelden.params import Params
from fanfold.apps.voorbeelden.prompts import task
from fanfold.apps.voorbeelden.terms import Terms
from fanfold.apps.voorbeelden.types import OUTPUTS, Begripsdefinitie, Term, Voorbeeldsoort, texts_of
from fanfold.sim.pen import Habits, Pen

written = import_module("fanfold.apps.voorbeelden.content")  # the package has a function of that name
KNOWN = json.loads((Path(app.__file__).parent / "begrippen.json").read_text("utf-8"))
PARAMS = Params(begrip="dwangsom")
CELL = Cell("", {"term": Term(begrip="dwangsom")}, {}, {}, {})


def found(kind: str, texts: list[str] | str, **counts: int) -> str | None:
    """What the checks of a kind say of these texts about "dwangsom"."""
    params = Params(begrip="dwangsom", **({kind: len(texts)} if BY_NAME[kind].count and not counts else counts))
    value = OUTPUTS[kind](**{kind: texts})
    return next((reason for check in checks_for(kind, params) if (reason := check(value, CELL))), None)


# -------------------------------------------------------------------- language

DUTCH = [
    "Hij belt haar op.", "De computer crasht tijdens de update.", "Wie huurt, kan de sloten niet zomaar vervangen.", "Zonnepanelen leveren stroom.",
    "Mevrouw Jansen uit Utrecht kocht bij Albert Heijn een Hollandse kaas.", "Bestuursdwang verdient handhaving.", "Lopend is het maar vijf minuten.",
]  # fmt: skip
OTHER = [
    "The contract was signed yesterday.", "He calls her every Sunday.", "This sentence about the term was written in English by mistake.",
    "Der Vertrag wurde gestern unterschrieben.", "Die Behörde hat das nicht genehmigt.", "Le contrat a été signé hier par les deux parties.",
    "El contrato fue firmado por los dos.", "Die kontrak is gister onderteken.", "Hulle het dit nie vir ons gesê nie.", "In the end, water is water.",
]  # fmt: skip


@pytest.mark.parametrize("text", DUTCH)
def test_dutch(text):
    assert dutch_sentence(text)


@pytest.mark.parametrize("text", OTHER)
def test_other_languages(text):
    assert not dutch_sentence(text)


def test_single_words_are_looked_up():
    assert foreign(["overeenkomst", "contract", "akkoord", "bestuursdwangbesluit", "computer"]) == []
    assert foreign(["agreement", "misunderstanding", "to agree on something"]) == [
        "agreement",
        "misunderstanding",
        "to agree on something",
    ]


# -------------------------------------------------------------------- checks

GOOD = ["De dwangsom loopt elke dag op.", "Hij betaalt liever geen dwangsommen."]


def test_good_answers_of_each_kind():
    assert found("voorbeeldzinnen", GOOD) is None
    assert found("praktijkvoorbeelden", ["Een fabriek moet betalen zolang zij te veel uitstoot."]) is None
    assert found("synoniemen", ["dwanggeld", "drukmiddel in geld"], synoniemen=5) is None, "fewer are good"
    assert found("toelichting", KNOWN[0]["toelichting"]) is None


WRONG = [
    ("voorbeeldzinnen", [GOOD[0], "De boete was hoog."], "het begrip 'dwangsom' komt niet voor in 'De boete was hoog.'"),
    ("voorbeeldzinnen", [GOOD[0], "Dwangsom betaald."], "te kort"),
    ("voorbeeldzinnen", [GOOD[0], "de  dwangsom loopt elke dag op"], "staat er twee keer"),
    ("voorbeeldzinnen", [GOOD[0], "The dwangsom is what you have to pay."], "niet in het Nederlands"),
    ("praktijkvoorbeelden", ["A factory pays for every day that it is late."], "niet in het Nederlands"),
    ("synoniemen", ["dwanggeld", "Dwangsom"], "'Dwangsom' is het begrip zelf"),
    ("synoniemen", ["dwanggeld", "de dwangsommen"], "is het begrip zelf"),
    ("synoniemen", ["dwanggeld", "Dwanggeld"], "staat er twee keer"),
    ("synoniemen", ["misunderstanding", "agreement"], "geen Nederlands"),
    ("antoniemen", ["Een beloning krijg je als je iets goed hebt gedaan."], "geen woord of korte uitdrukking"),
    ("toelichting", "Te kort.", "tekens lang"),
    ("toelichting", "This is a long explanation of the term that was written in another language than the one that was asked for.", "niet in het"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "texts", "reason"), WRONG)
def test_wrong_answers(kind, texts, reason):
    assert reason in str(found(kind, texts))


def test_how_many():
    assert found("voorbeeldzinnen", GOOD, voorbeeldzinnen=3) == "er zijn 3 voorbeeldzinnen gevraagd en er staan er 2: geef er 3"
    assert "hoogstens 1" in str(found("synoniemen", ["dwanggeld", "boetebedrag"], synoniemen=1))
    assert "er staan er 0" in str(found("antoniemen", [], antoniemen=5))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Een dwangsom is een som geld die iemand betalen moet.", "gebruikt het begrip"),
        ("Een bedrag.", "tekens lang"),
        ("An amount that somebody has to pay as long as he does not do what he must.", "Nederlands"),
        (KNOWN[0]["definitie"], None),
    ],
)
def test_definitions(text, reason):
    said = definition(Begripsdefinitie(definitie=text), CELL)
    assert said is None if reason is None else reason in str(said)


def test_an_answer_of_the_wrong_kind():
    (check,) = checks_by_kind(PARAMS)
    cell = Cell("", {"term": Term(begrip="dwangsom"), "soort": "synoniemen"}, {}, {}, {})
    assert check(Voorbeeldsoort(soort="synoniemen", teksten=["dwanggeld"]), cell) is None
    assert (
        check(Voorbeeldsoort(soort="antoniemen", teksten=["beloning"]), cell)
        == "dit zijn antoniemen, maar er zijn synoniemen gevraagd"
    )
    assert "begrip zelf" in str(check(Voorbeeldsoort(soort="synoniemen", teksten=["dwangsom"]), cell))


# -------------------------------------------------------------------- requests


def test_a_request_is_cleaned():
    params = Params(begrip="  dwang\u200bsom\t", context="bestuurs-\r\n recht\x07", definitie="  ")
    assert (params.begrip, params.context, params.definitie) == ("dwangsom", "bestuurs- recht", None)
    assert cleaned("begrip", "cafe\u0301") == "café" and cleaned("context", None) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "geef een begrip"),
        ({"begrip": " \n"}, "het begrip is leeg"),
        ({"begrip": "x" * 101}, "begrip is 101 tekens lang; hoogstens 100 tekens"),
        ({"begrip": "a", "context": "x" * 2001}, "context is 2001 tekens lang"),
        ({"begrip": "--!"}, "bevat geen letter"),
        ({"begrip": 3}, "begrip is geen tekst maar int"),
        ({"begrip": "a", "terms": "b.csv"}, "gaan niet samen"),
        ({"begrip": "a", "soorten": "synonimen"}, "bedoel je 'synoniemen'?"),
        ({"begrip": "a", "soorten": []}, "noem ten minste één"),
        ({"begrip": "a", "antoniemen": 21}, "een getal van 1 tot 20, niet 21"),
        ({"begrip": "a", "gecombineerd": 3}, "1 of 2 aanroepen per begrip, niet 3"),
    ],
)
def test_a_wrong_request_is_refused_in_dutch(given, said):
    with pytest.raises(ValidationError, match=said.replace("?", r"\?")):
        Params(**given)


def test_kinds_are_in_their_fixed_order_whatever_the_order_asked():
    assert Params(begrip="a", soorten="toelichting, Synoniemen,voorbeeldzinnen").soorten == [
        "voorbeeldzinnen",
        "synoniemen",
        "toelichting",
    ]


def test_rows_of_a_file(tmp_path):
    path = tmp_path / "terms.csv"
    path.write_text("Begrip,context,definitie,bron\n dwangsom ,,,Awb\nopbellen,thuis,Telefonisch contact zoeken.,\n", "utf-8")
    terms = Terms(Rows(path), "terms.csv")
    assert list(terms) == [
        Term(begrip="dwangsom"),
        Term(begrip="opbellen", context="thuis", definitie="Telefonisch contact zoeken."),
    ]
    assert (
        terms.given == 1
        and terms[-1] == terms[1]
        and str(terms[0]) == "dwangsom"
        and terms[0].model_dump() == {"begrip": "dwangsom"}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("begrip\nboom\n\n'--'\n", "rij 2: begrip bevat geen letter"),
        ("begrip,definite\nboom,x\n", "rij 1: de kolom 'definite' is onbekend; bedoel je 'definitie'"),
        ("begrip\nboom\nBoom\n", "rij 2: het begrip 'Boom' staat al in rij 1"),
        ("begrip,context\nboom,a\n,b\n", "rij 2: het begrip ontbreekt"),
        ("begrip,context\nboom,a\nboom," + "x" * 2001 + "\n", "rij 2: context is 2001 tekens lang"),
        ("begrip\n", "bevat geen begrippen"),
    ],
)
def test_a_wrong_row_is_named_by_its_number(tmp_path, text, said):
    path = tmp_path / "terms.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(PlanError, match=said):
        app.APP.plan(Params(terms=str(path)))


def test_one_of_a_kind_is_asked_for_in_the_singular():
    assert task("voorbeeldzinnen", Params(begrip="a", voorbeeldzinnen=1)).startswith("geef 1 voorbeeldzin. ")
    assert task("synoniemen", PARAMS).startswith("geef hoogstens 5 synoniemen")


# -------------------------------------------------------------------- what the simulated provider knows


def test_it_knows_fifty_terms():
    assert len({entry["begrip"] for entry in KNOWN}) == len(KNOWN) >= 50
    assert all(len(entry["voorbeeldzinnen"]) >= 5 for entry in KNOWN)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry["begrip"])
def test_all_that_it_knows_is_good(entry):
    params = Params(begrip=entry["begrip"], voorbeeldzinnen=5)
    cell = Cell("", {"term": Term(begrip=entry["begrip"])}, {}, {}, {})
    assert definition(Begripsdefinitie(definitie=entry["definitie"]), cell) is None
    for kind in NAMES:
        value = OUTPUTS[kind](**{kind: entry[kind]})
        assert [reason for check in checks_for(kind, params) if (reason := check(value, cell))] == []
    same = {key(text) for text in entry["synoniemen"]}
    assert not same & {key(text) for text in entry["antoniemen"]} and len(same) == len(entry["synoniemen"])


@pytest.mark.parametrize("term", ["dwangsom", "zonnebrandcrème", "in hoger beroep gaan"])
@pytest.mark.parametrize("kind", NAMES)
def test_what_it_writes_is_what_was_asked(term, kind):
    params = Params(begrip=term, voorbeeldzinnen=7, tegenvoorbeelden=1, synoniemen=2)
    prompt = f"Begrip: {term}\nContext: x\nDefinitie: y\n\nSoort: {kind}\nOpdracht: {task(kind, params)}"
    cell = Cell("", {"term": Term(begrip=term), "soort": kind}, {}, {}, {})
    for seed in range(20):
        pen = Pen(Random(seed), prompt, {}, Habits(slips=0))
        answer = OUTPUTS[kind](**getattr(written, kind)(pen))
        assert [reason for check in checks_for(kind, params) if (reason := check(answer, cell))] == []
        together = Voorbeeldsoort(**written.voorbeeldsoort(pen))
        assert together.soort == kind and checks_by_kind(params)[0](together, cell) is None


def test_its_mistakes_are_found():
    for kind in NAMES:
        prompt = f"Begrip: dwangsom\nOpdracht: {task(kind, PARAMS)}"
        for seed in range(30):
            answer = OUTPUTS[kind](**getattr(written, kind)(Pen(Random(seed), prompt, {}, Habits(slips=1))))
            assert any(check(answer, CELL) for check in checks_for(kind, PARAMS)), (kind, texts_of(answer))
    wrong = Begripsdefinitie(**written.definitie(Pen(Random(1), "Begrip: dwangsom", {}, Habits(slips=1))))
    assert definition(wrong, CELL) is not None
