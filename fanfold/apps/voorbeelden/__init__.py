"""voorbeelden: a term defined and shown in use: six kinds of examples at once, for one term or for many. It speaks Dutch."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold import App, Axis, Cell, Plan, Rows, Step
from fanfold.apps.voorbeelden import lexicon
from fanfold.apps.voorbeelden.checks import checks_by_kind, checks_for, definition
from fanfold.apps.voorbeelden.exports import content, markdown, rows
from fanfold.apps.voorbeelden.kinds import BY_NAME
from fanfold.apps.voorbeelden.params import Params
from fanfold.apps.voorbeelden.prompts import DEFINITION, SYSTEM, asked, combined, prompt
from fanfold.apps.voorbeelden.terms import Terms
from fanfold.apps.voorbeelden.types import OUTPUTS, Begripsdefinitie, Term, Voorbeeldsoort


def plan(params: Params) -> Plan:
    """A definition for each term, and as soon as it is there all kinds of that term at once."""
    terms = terms_of(params)
    lexicon.warm()
    kinds = _together(params) if params.gecombineerd else [_kind(name, params) for name in params.soorten]
    axes = [Axis("term", terms), *([Axis("soort", params.soorten)] if params.gecombineerd else [])]
    given = {"opdrachten": combined(params)} if params.gecombineerd else {}
    return Plan("voorbeelden", [_definition(terms), *kinds], axes, given)


def terms_of(params: Params) -> Terms:
    """Raises PlanError for a file that cannot be read, and for a row that is wrong."""
    if params.terms is None:
        return Terms([params.model_dump(include={"begrip", "definitie", "context"})], "begrip")
    if isinstance(params.terms, str):
        return Terms(Rows(params.terms), params.terms)
    return Terms(params.terms, "terms")


def _definition(terms: Terms) -> Step:
    """Where every term brings its own, no call is foreseen for any."""
    if terms.given == len(terms):
        return Step("definitie", function=_given, output=Begripsdefinitie, over="term")
    return Step(
        "definitie",
        DEFINITION,
        SYSTEM,
        output=Begripsdefinitie,
        over="term",
        known=_given,
        checks=[definition],
        priority="critical",
    )


def _given(cell: Cell) -> Begripsdefinitie | None:
    term: Term = cell["term"]
    return None if term.definitie is None else Begripsdefinitie(definitie=term.definitie)


def _kind(name: str, params: Params) -> Step:
    return Step(
        name,
        prompt(name, params),
        SYSTEM,
        output=OUTPUTS[name],
        over="term",
        checks=checks_for(name, params),
        priority="critical" if BY_NAME[name].critical else "normal",
    )


def _together(params: Params) -> Sequence[Step]:
    """All kinds of a term in one call, or in two; a kind that fails is asked for alone."""
    assert params.gecombineerd is not None
    return [
        Step(
            "voorbeelden",
            asked,
            SYSTEM,
            output=Voorbeeldsoort,
            over=("term", "soort"),
            needs=("definitie",),
            checks=checks_by_kind(params),
            priority="critical",
            items_per_call=-(-len(params.soorten) // params.gecombineerd),
        )
    ]


APP = App(
    name="voorbeelden",
    summary="Voorbeelden bij een begrip: zes soorten tegelijk, voor één begrip of voor veel begrippen.",
    params=Params,
    plan=plan,
    content=content,
    markdown=markdown,
    rows=rows,
    bench=[{"begrip": "dwangsom"}, {"begrip": "dwangsom", "definitie": "Een bedrag per dag dat iemand moet betalen."}],
)
