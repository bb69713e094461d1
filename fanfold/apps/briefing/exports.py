"""The result for programs and for people: one JSON, one Markdown document, one row a stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fanfold import PlanError, Result, read_evidence
from fanfold.apps.briefing.citations import cited
from fanfold.apps.briefing.params import Params

Json = dict[str, Any]
STAGES = ("briefing", "plays", "procurement", "annex")
AT_ONCE, IN_A_ROW = STAGES[:2], STAGES[2:]
HEADINGS = {"briefing": "Briefing", "plays": "Plays", "procurement": "Procurement", "annex": "Annex"}
FROM_METRICS = "No procurement was written: these are the supplied metrics."


def content(params: Params, result: Result) -> Json:
    """`{"briefing": "…md", "plays": "…md", "procurement": {…}, "annex": {…}}`, None for what there is none of.

    procurement.source: "model", or "metrics" where it is the fallback. evidence: each piece, and the stages that cite it.
    latency: seconds, as `_latency` has them.
    """
    data: Json = {"question": params.asked} if params.asked else {}
    for stage in STAGES:
        data[stage] = _plain(result[stage].cell().value)
    pieces = _pieces(params)
    known = [piece["id"] for piece in pieces]
    if data["procurement"] is not None:
        fallen_back = result["procurement"].cell().error is not None
        data["procurement"] = {"source": "metrics" if fallen_back else "model", **data["procurement"]}
    _tidy(data, known)
    ids = {stage: _cited(data[stage], known) for stage in STAGES}
    data["evidence"] = [{**piece, "cited_by": [stage for stage in STAGES if piece["id"] in ids[stage]]} for piece in pieces]
    data["latency"] = _latency(result.report)
    return data


def _plain(value: Any) -> Any:
    if value is None:
        return None
    return str(value) if isinstance(value, str) else value.model_dump(mode="json")


def _pieces(params: Params) -> list[Json]:
    """What can be cited. A folder that has gone while the run went on is no reason to lose the result."""
    try:
        pieces = read_evidence(params.folder)
    except PlanError:
        return []
    return [{"id": p.id, "tier": p.tier, "title": p.title, "file": p.file} for p in pieces]


def _tidy(data: Json, known: list[str]) -> None:
    """Ids in lists as the evidence has them: models write "[e1]" for E1."""
    by_name = {name.casefold(): name for name in known}
    annex = data["annex"] or {}
    for part in [*(data["procurement"] or {}).get("lines", []), *annex.get("assumptions", []), *annex.get("open_questions", [])]:
        names = [name.strip().strip("[]") for name in part["evidence"]]
        part["evidence"] = list(dict.fromkeys(by_name.get(name.casefold(), name) for name in names))


def _cited(value: Any, known: list[str]) -> set[str]:
    if isinstance(value, dict):
        listed = set(value["evidence"]) if isinstance(value.get("evidence"), list) else set()
        return listed.union(*(_cited(part, known) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_cited(part, known) for part in value if not isinstance(part, str)))
    return set(cited(value, known)) if isinstance(value, str) else set()


def _latency(report: Json) -> Json:
    """Seconds: of each stage, of the group that runs at once and the one that runs in a row, of the whole, and one call at a time."""
    return {
        "stages": {stage: report["steps"][stage]["span_s"] for stage in STAGES},
        "parallel_group_s": _together(report, AT_ONCE),
        "sequential_group_s": _together(report, IN_A_ROW),
        "total_s": report["wall_s"],
        "sequential_s": report["sequential_s"],
        "speedup": report["speedup"],
    }


def _together(report: Json, stages: tuple[str, ...]) -> float | None:
    """The time in which calls of these stages were in the air. None where none was."""
    spans = [group["wall_s"] for group in report["groups"] if set(group["steps"]) & set(stages)]
    return round(sum(spans), 3) if spans else None


# -------------------------------------------------------------------- for people


def markdown(data: Json) -> str:
    """One document: the four parts, and the list of evidence."""
    return "\n".join(_lines(data))


def missing(data: Json, stage: str) -> str:
    """Why there is nothing of a stage."""
    why = next((error for error in data.get("errors", []) if error["stage"] == stage), None)
    return f"No {stage}: {why['message']} ({why['code']})." if why else f"No {stage}."


def _lines(data: Json) -> Iterator[str]:
    if data.get("question"):
        yield f"*To be decided: {data['question']}*\n"
    for stage in STAGES[:2]:
        yield (data[stage] or f"# {HEADINGS[stage]}\n\n*{missing(data, stage)}*") + "\n\n---\n"
    yield "# Procurement\n"
    yield from _procurement(data["procurement"]) if data["procurement"] else [f"*{missing(data, 'procurement')}*\n"]
    yield "# Annex\n"
    yield from _annex(data["annex"]) if data["annex"] else [f"*{missing(data, 'annex')}*\n"]
    if data["evidence"]:
        yield "# Evidence\n"
        for piece in data["evidence"]:
            used = ", ".join(piece["cited_by"]) or "not cited"
            yield f"- **{piece['id']}** ({piece['tier']}) {_escaped(piece['title'])}, `{piece['file']}`: {used}"


def _procurement(found: Json) -> Iterator[str]:
    if found["source"] == "metrics":
        yield f"**{FROM_METRICS}**\n"
    else:
        yield f"{found['summary']}\n"
    yield f"| What | How many | {found['currency']} | Weeks | Why | Evidence |\n|---|---|---:|---:|---|---|"
    for line in found["lines"]:
        cells = [_cell(line["item"]), how_many(line), f"{line['cost']:,.0f}", str(line["lead_weeks"]), _cell(line["because"])]
        yield "| " + " | ".join([*cells, brackets(line["evidence"])]) + " |"
    yield f"| **In all** | | **{found['total']:,.0f}** | | | |\n"
    yield f"Order first: {order_first(found)}\n"


def _annex(found: Json) -> Iterator[str]:
    for heading, notes in (("Taken for granted", found["assumptions"]), ("Not known", found["open_questions"])):
        if notes:
            yield f"## {heading}\n"
            yield from (f"- {note['text']} {brackets(note['evidence'])}".rstrip() for note in notes)
            yield ""
    yield f"Look again: {found['look_again']}\n"


def order_first(found: Json) -> str:
    """What takes longest to come."""
    return str(max(found["lines"], key=lambda line: line["lead_weeks"])["item"])


def how_many(line: Json) -> str:
    return f"{line['quantity']:g} {line['unit']}"


def brackets(ids: list[str]) -> str:
    return f"[{', '.join(ids)}]" if ids else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]<>" else char for char in text)


def rows(data: Json) -> list[Json]:
    """One flat row a stage: its text, or its JSON; how long it took."""
    return [
        {
            "stage": stage,
            "seconds": data["latency"]["stages"][stage],
            "source": _source(data, stage),
            "content": value if isinstance(value := data[stage], str) else json.dumps(value, ensure_ascii=False) if value else "",
        }
        for stage in STAGES
    ]


def _source(data: Json, stage: str) -> str:
    if data[stage] is None:
        return "missing"
    return str(data[stage].get("source", "model")) if isinstance(data[stage], dict) else "model"
