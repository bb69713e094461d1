"""briefing: evidence in two tiers becomes a briefing and plays at once, then a procurement, then its annex; every claim says where it is from."""

from __future__ import annotations

from typing import Any

from fanfold import App, Markdown, Plan, PlanError, Step, read_evidence
from fanfold.apps.briefing.checks import annex_checks, briefing_checks, procurement_checks, text_checks
from fanfold.apps.briefing.exports import content, markdown, rows
from fanfold.apps.briefing.figures import figures
from fanfold.apps.briefing.page import html
from fanfold.apps.briefing.params import Params
from fanfold.apps.briefing.prompts import ANNEX_PROMPT, BRIEFING_PROMPT, PLAYS_PROMPT, PROCUREMENT_PROMPT, SYSTEM, givens
from fanfold.apps.briefing.types import Annex, Procurement, from_metrics

__all__ = ["APP", "plan"]

AT_ONCE = 3  # calls: two of the plan's own, and room for one that is sent again beside a slow one
AGAIN = 0.5  # of the time-out, for a call that is tried again


def plan(params: Params) -> Plan:
    """Briefing and plays at once, procurement from whatever of them there is, annex from the procurement. Raises PlanError."""
    pieces = read_evidence(params.folder)
    if not any(piece.tier == "primary" for piece in pieces):
        raise PlanError("evidence", f"{params.folder} holds no primary evidence", "put what was measured or signed into primary/")
    metrics = figures(params)
    fallback: dict[str, Any] = {} if metrics is None else {"fallback": from_metrics(metrics)}
    texts: dict[str, Any] = {"system": SYSTEM, "output": Markdown, "weight": 30, "retry_timeout_share": AGAIN}
    data: dict[str, Any] = {"system": SYSTEM, "weight": 20, "retry_timeout_share": AGAIN}
    return Plan(
        "briefing",
        steps=[
            Step("briefing", prompt=BRIEFING_PROMPT, checks=briefing_checks(pieces), **texts),
            Step("plays", prompt=PLAYS_PROMPT, checks=text_checks(pieces), **texts),
            Step(
                "procurement", prompt=PROCUREMENT_PROMPT, output=Procurement, checks=procurement_checks(pieces), at_least=0,
                **data, **fallback,
            ),
            Step("annex", prompt=ANNEX_PROMPT, output=Annex, checks=annex_checks(pieces), **data),
        ],
        given=givens(pieces, params.asked, None if metrics is None else metrics.model_dump(mode="json")),
        concurrent=AT_ONCE,
    )  # fmt: skip


APP = App(
    name="briefing",
    summary="Brief a decision from a folder of evidence: every claim cites it; briefing and plays at once, then procurement, then annex.",
    params=Params,
    plan=plan,
    content=content,
    markdown=markdown,
    rows=rows,
    documents={"html": html},
    bench=[{"example": True}],
    arguments=("evidence",),
)
