"""The four parts as one printable page, and the evidence at its end, to which every citation leads. Nothing comes from outside, no script runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from xml.etree.ElementTree import Element, tostring

from fanfold.apps.briefing.elements import e
from fanfold.apps.briefing.exports import FROM_METRICS, HEADINGS, STAGES, how_many, missing, order_first
from fanfold.apps.briefing.marked import anchor, cites, inline, marked

Json = dict[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
TIERS = {"primary": "Primary evidence", "supporting": "Supporting evidence"}


def html(data: Json) -> str:
    """One page. data: the whole result JSON."""
    page = e("html", _head(data), e("body", *_body(data)), lang="en")
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


@cache
def _style() -> str:
    return files(__package__).joinpath("page.css").read_text("utf-8")


def _head(data: Json) -> Element:
    style = Element("style")
    style.text = _style()  # the serializer leaves it as it is, as HTML wants it
    return e(
        "head",
        e("meta", charset="utf-8"),
        e("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        e("meta", name="viewport", content="width=device-width, initial-scale=1"),
        e("title", data.get("question") or "Briefing"),
        style,
    )


def _body(data: Json) -> Iterator[Element]:
    known = [piece["id"] for piece in data["evidence"]]
    yield e("header", e("p", data.get("question") or "Briefing"), _contents(data))
    lost = [stage for stage in STAGES if data[stage] is None]
    if lost:
        yield e("section", *(e("p", e("strong", missing(data, stage))) for stage in lost), cls="notes")
    for stage in STAGES:
        yield e("article", *_stage(data, stage, known), id=stage)
    if data["evidence"]:
        yield e("article", e("h1", "Evidence"), *_evidence(data["evidence"]), id="evidence")
    yield e("footer", *_footer(data))


def _contents(data: Json) -> Element:
    names = [*STAGES, *(["evidence"] if data["evidence"] else [])]
    return e("nav", *(e("a", HEADINGS.get(name, "Evidence"), href=f"#{name}") for name in names))


def _stage(data: Json, stage: str, known: Sequence[str]) -> Iterator[Element]:
    found = data[stage]
    if found is None:
        yield e("h1", HEADINGS[stage])
        yield e("p", missing(data, stage), cls="lost")
    elif isinstance(found, str):
        yield from marked(found, known)
    else:
        yield e("h1", HEADINGS[stage])
        yield from _procurement(found, known) if stage == "procurement" else _annex(found, known)


def _procurement(found: Json, known: Sequence[str]) -> Iterator[Element]:
    if found["source"] == "metrics":
        yield e("p", e("strong", FROM_METRICS), cls="lost")
    else:
        yield e("p", *inline(found["summary"], known))
    head = e("tr", *(e("th", name, scope="col") for name in ("What", "How many", found["currency"], "Weeks", "Why", "Evidence")))
    rows = [_row(line) for line in found["lines"]]
    total = e(
        "tr", e("th", "In all", scope="row"), e("td"), e("td", f"{found['total']:,.0f}", cls="number"), e("td"), e("td"), e("td")
    )
    yield e("table", e("thead", head), e("tbody", *rows), e("tfoot", total))
    yield e("p", e("strong", "Order first: "), order_first(found))


def _row(line: Json) -> Element:
    return e(
        "tr",
        e("th", line["item"], scope="row"),
        e("td", how_many(line)),
        e("td", f"{line['cost']:,.0f}", cls="number"),
        e("td", str(line["lead_weeks"]), cls="number"),
        e("td", line["because"]),
        e("td", *([cites(line["evidence"])] if line["evidence"] else [])),
    )


def _annex(found: Json, known: Sequence[str]) -> Iterator[Element]:
    for heading, notes in (("Taken for granted", found["assumptions"]), ("Not known", found["open_questions"])):
        if notes:
            yield e("h2", heading)
            yield e("ul", *(_note(note, known) for note in notes))
    yield e("p", e("strong", "Look again: "), *inline(found["look_again"], known))


def _note(note: Json, known: Sequence[str]) -> Element:
    sources: list[Element | str] = [" ", cites(note["evidence"])] if note["evidence"] else []
    return e("li", *inline(note["text"], known), *sources)


def _evidence(pieces: Sequence[Json]) -> Iterator[Element]:
    for tier, heading in TIERS.items():
        own = [piece for piece in pieces if piece["tier"] == tier]
        if own:
            yield e("h2", heading)
            yield e("dl", *(part for piece in own for part in _piece(piece)))


def _piece(piece: Json) -> tuple[Element, Element]:
    used: list[Element | str] = []
    for stage in piece["cited_by"]:
        used += [", " if used else "cited in ", e("a", stage, href=f"#{stage}")]
    about = e("small", piece["file"], " · ", *(used or ["not cited"]))
    return e("dt", piece["id"], id=anchor(piece["id"])), e("dd", piece["title"], " ", about)


def _footer(data: Json) -> Iterator[Element]:
    latency, report = data.get("latency") or {}, data.get("report") or {}
    if latency.get("speedup"):
        told = f"Written in {latency['total_s']:.1f} s; one call at a time would have taken {latency['sequential_s']:.1f} s."
        yield e("p", told)
    if report.get("run_id"):
        yield e("p", f"Run {report['run_id']}")
