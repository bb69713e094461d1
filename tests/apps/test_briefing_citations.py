"""What counts as a citation, and what the checks make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold import Evidence
from fanfold.apps.briefing.checks import annex_checks, briefing_checks, procurement_checks, text_checks
from fanfold.apps.briefing.citations import bare_claims, citations, cited, unknown
from fanfold.apps.briefing.types import Annex, Line, Metrics, Note, Procurement, from_metrics

KNOWN = ["E1", "E2", "S1"]
PIECES = [Evidence(name, "primary", name, "text", f"{name}.md", {}) for name in KNOWN]
CITED = {
    "It fails [E1].": (["E1"], []),
    "It fails [E1, S1] or [E2; E1].": (["E1", "S1", "E2"], []),
    "It fails [E1][E2].": (["E1", "E2"], []),
    "It fails [e1 and s1].": (["E1", "S1"], []),
    "As [E1]: it fails.": (["E1"], []),
    "It fails [E9].": ([], ["E9"]),
    "It fails [E1, E9].": (["E1"], ["E9"]),
    "It fails [E1, p. 3].": (["E1"], []),
    "It fails [E1, p.3], [S1, page 12].": (["E1", "S1"], []),
    "It fails [p3] or [E1, P3].": (["E1"], ["p3", "P3"]),
    "It fails [E1-E3].": ([], ["E1-E3"]),
    "A footnote [1].": ([], ["1"]),
    "A link [E1](https://x.org).": ([], []),
    "An image ![E9] and \\[E9].": ([], []),
    "Words [sic], [see below], [x] and [ ].": ([], []),
    "Code `[E9]` and\n```\n[E8]\n```\n": ([], []),
    "A year [2024].": ([], []),
}


@pytest.mark.parametrize("text", CITED)
def test_citations(text):
    ids, others = CITED[text]
    assert (cited(text, KNOWN), unknown(text, KNOWN)) == (ids, others)


def test_ids_made_of_words_are_told_from_other_words():
    known = ["grid-letter", "hull.scan"]
    assert unknown("So it is [grid-letter], [hull-scan] and [sic].", known) == ["hull-scan"]
    assert unknown("A [follow-up] came.", KNOWN) == [], "ids look otherwise here"


@given(st.text(alphabet="[]E129,;- a`\n", max_size=80))
def test_a_citation_is_where_it_says(text):
    for found in citations(text, KNOWN):
        assert text[found.start] == "[" and text[found.end - 1] == "]" and (found.ids or found.unknown)
        assert set(found.ids) <= set(KNOWN) and not set(found.unknown) & set(KNOWN)


BARE = {
    "It costs 40 euros in all.": 1,
    "It costs 40 euros in all [E1].": 0,
    "It costs 40 euros [E1].\nAnd 30 more, on a line of the same paragraph.": 0,
    "- Point of 3 words here\n- Another of 4 words [E1]": 1,
    "1. First of all things\n2. Second of all things": 0,
    "# 2024 in 3 figures and words\n\n> 1 quote of 5 words here\n\n| 1 | 2 | 3 | 4 |": 0,
    "In 2024.": 0,
    "Nothing is known about it.": 0,
    "It costs 40 euros in all [E9].": 1,
}


@pytest.mark.parametrize("text", BARE)
def test_claims_without_evidence(text):
    assert len(bare_claims(text, KNOWN)) == BARE[text]


def reasons(checks, value):
    return [reason for check in checks if (reason := check(value)) is not None]


def test_a_briefing_cites_and_only_what_there_is():
    checks = briefing_checks(PIECES)
    assert reasons(checks, "# Title\n\nIt costs 40 euros in all [E1].") == []
    assert "'E7'; there is only E1, E2, S1" in reasons(checks, "It costs 40 [E7, E1].")[0]
    assert "cites no evidence" in reasons(checks, "Nothing at all is cited here.")[0]
    assert "'It costs 40 euros in all.'; write" in reasons(checks, "See [E1].\n\nIt costs 40 euros in all.")[0]
    assert reasons(text_checks(PIECES), "See [E1].\n\nIt costs 40 euros in all.") == [], "plays may count their steps"


def bought(**words):
    line = Line(item="a", quantity=1, unit="piece", cost=10, lead_weeks=1, because="needed", evidence=["E1"])
    return Procurement(**{"summary": "x", "currency": "EUR", "lines": [line], "total": 10, **words})


def test_a_procurement_adds_up_and_cites_what_there_is():
    checks = procurement_checks(PIECES)
    assert reasons(checks, bought()) == []
    assert "add up to 10" in reasons(checks, bought(total=12))[0]
    assert reasons(checks, bought(total=10.4)) == []
    line = bought().lines[0]
    assert reasons(checks, bought(lines=[line.model_copy(update={"evidence": ["[e1]", " S1 "]})])) == []
    assert "'E8'" in reasons(checks, bought(lines=[line.model_copy(update={"evidence": ["E8"]})]))[0]
    assert "'E8'" in reasons(checks, bought(summary="as told [E8]"))[0]


def test_an_annex_cites_what_there_is():
    annex = Annex(assumptions=[Note(text="a", evidence=["E1"])], open_questions=[], look_again="b")
    assert reasons(annex_checks(PIECES), annex) == []
    wrong = annex.model_copy(update={"open_questions": [Note(text="c", evidence=["E3"])]})
    assert "'E3'" in reasons(annex_checks(PIECES), wrong)[0]


def test_metrics_become_a_procurement():
    found = from_metrics(
        Metrics(items=[{"item": "a", "unit_cost": 0.1, "quantity": 3}, {"item": "b", "unit_cost": 2, "lead_weeks": 9}])
    )
    assert [(line.item, line.cost) for line in found.lines] == [("b", 2.0), ("a", 0.3)] and found.total == 2.3
    assert reasons(procurement_checks(PIECES), found) == []
