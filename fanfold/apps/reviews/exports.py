"""The reviews for programs and for people: JSON, one row a review, Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fanfold import Result
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.quality import quality

Json = dict[str, Any]

SYNTHETIC = "These reviews were written by language models, for testing. No customer wrote them."
SIMULATED = "They come from the simulated provider: sentences put together from a list, no model at all."


def content(params: Params, result: Result) -> Json:
    """`{"reviews": [{"rating", "title", "text", "persona", "model"}], "quality": {…}}`, in the order of their numbers."""
    reviews = [
        {
            "rating": cell.at["review"]["rating"],
            "title": cell.value.title,
            "text": cell.value.text,
            "persona": cell.at["review"]["persona"],
            "model": cell.model,
        }
        for cell in result["review"].cells
        if cell.value is not None
    ]
    return {
        "product": params.product.name,
        "note": note([review["model"] for review in reviews]),
        "reviews": reviews,
        "quality": quality(params, result, reviews),
    }


def note(models: list[str]) -> str:
    return f"{SYNTHETIC} {SIMULATED}" if models and all(model.startswith("sim/") for model in models) else SYNTHETIC


def rows(data: Json) -> list[Json]:
    """One flat row a review."""
    return [dict(review) for review in data["reviews"]]


def markdown(data: Json) -> str:
    return "\n".join(_lines(data))


def _lines(data: Json) -> Iterator[str]:
    yield f"# {len(data['reviews'])} reviews of {_inline(data['product'])}\n"
    yield f"*{data['note']}*\n"
    yield from report_lines(data["quality"])
    yield "## Reviews\n"
    for review in data["reviews"]:
        yield f"### {stars(review['rating'])} {_inline(review['title'])}\n"
        yield f"{_inline(review['text'])}\n"
        yield f"*{_inline(review['persona'])} · {_inline(review['model'])}*\n"
    for error in data.get("errors", []):
        asked = error["cell"].get("review", {})
        yield f"*No review {asked.get('n', '')} of {asked.get('rating', '?')} stars: {_inline(error['message'])}*\n"


def report_lines(quality: Json) -> Iterator[str]:
    """The quality report, as tables."""
    yield "## Quality\n"
    part = "" if quality["acceptance"] is None else f" ({percent(quality['acceptance'])})"
    yield f"{quality['accepted']} of {quality['asked']} reviews, from {quality['answers']} answers{part}.\n"
    yield from _table(
        ["stars", "asked", "got"], [[stars(int(s)), told["asked"], told["got"]] for s, told in quality["ratings"].items()]
    )
    refused = [
        [name, told["seen"], told["refused"], percent(told["acceptance"]), _cell(told["example"])]
        for name, told in quality["checks"].items()
    ]
    yield from _table(["check", "seen", "refused", "passed", "for example"], refused)
    models = [
        [_cell(name), told["reviews"], told.get("calls", "-"), f"{told.get('busy_s', 0):.1f} s", _money(told.get("cost_usd"))]
        for name, told in quality["models"].items()
    ]
    yield from _table(["model", "reviews", "calls", "time", "cost"], models)
    if quality["diversity"]:
        yield _diversity(quality["diversity"]) + "\n"
    if "compare" in quality:
        yield from _compared(quality["compare"])


def _compared(told: Json) -> Iterator[str]:
    yield f"### Beside {_inline(told['file'])}\n"
    sides = told["generated"], told["real"]
    lines: list[list[Any]] = [["reviews", *(side["reviews"] for side in sides)]]
    lines += [[f"words, {name}", *(side["words"][name] for side in sides)] for name in ("mean", "p10", "p50", "p90")]
    lines += [
        [f"{stars(int(star))}", *("-" if side["ratings"] is None else percent(side["ratings"][star]) for side in sides)]
        for star in "54321"
    ]
    lines += [[f"feeling at {stars(int(star))}", *(_number(side["feeling"][star]) for side in sides)] for star in "54321"]
    lines += [
        [name, *(percent(side[key]) for side in sides)]
        for name, key in (("different words", "distinct_1"), ("pairs", "distinct_2"))
    ]
    lines += [["telling words", *(_cell(", ".join(told["telling_words"][side])) for side in ("generated", "real"))]]
    yield from _table(["", "generated", "real"], lines)
    apart = ", ".join(f"{name} {_number(value)}" for name, value in told["divergence"].items())
    yield f"Divergence (0 alike, 1 nothing in common): {apart}. {percent(told['vocabulary_overlap'])} of the words are in the real ones too.\n"


def _diversity(told: Json) -> str:
    parts = [
        f"{percent(told[key]['value'])} {name}"
        for key, name in (
            ("distinct_1", "different words"),
            ("distinct_2", "different pairs of words"),
            ("nearest", "mean likeness to the nearest"),
        )
        if told[key]["value"] is not None
    ]
    return f"Diversity: {', '.join(parts)}."


def _table(head: list[str], lines: list[list[Any]]) -> Iterator[str]:
    if lines:
        yield "| " + " | ".join(head) + " |"
        yield "|" + "---|" * len(head)
        yield from ("| " + " | ".join(map(str, line)) + " |" for line in lines)
        yield ""


def stars(rating: int) -> str:
    return "★" * rating + "☆" * (5 - rating)


def percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.0%}".replace("%", " %")


def _money(usd: float | None) -> str:
    return "-" if usd is None else f"${usd:,.4f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _inline(text: str) -> str:
    """On one line, and never taken for Markdown's own signs."""
    plain = " ".join(str(text).split())
    for sign in "\\`*_[]<>#":
        plain = plain.replace(sign, "\\" + sign)
    return plain


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")
