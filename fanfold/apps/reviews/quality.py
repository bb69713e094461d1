"""The quality report: what was refused and why, how different the reviews are, what each model did, ratings asked and got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fanfold import Result
from fanfold.apps.reviews.checks import CHECKS
from fanfold.apps.reviews.compare import Written, compared, real_reviews, spread
from fanfold.apps.reviews.params import Params

Json = dict[str, Any]

BEFORE = ("truncated", "malformed", "schema")  # what refuses an answer before our checks see it
AFTER = ("duplicate",)


def quality(params: Params, result: Result, reviews: Sequence[Json]) -> Json:
    """reviews: those of the result. Figures of the run are its report's, so that they are those of all its lives."""
    report = result.report
    step: Mapping[str, Any] = report["steps"]["review"]
    refused = {name: dict(told) for name, told in step["rejected"].items()}
    answers = len(reviews) + sum(told["count"] for told in refused.values())
    told: Json = {
        "asked": params.num_samples,
        "accepted": len(reviews),
        "answers": answers,
        "acceptance": round(len(reviews) / answers, 3) if answers else None,
        "checks": dict(_checks(refused, answers)),
        "ratings": _ratings(params, reviews),
        "personas": dict(Counter(review["persona"] for review in reviews)),
        "words": spread(sorted(len(review["text"].split()) for review in reviews)),
        "diversity": report.get("diversity", {}).get("review"),
        "models": _models(report.get("models", {}), reviews),
    }
    if params.compare is not None:
        made = [Written(review["text"], review["rating"]) for review in reviews]
        told["compare"] = {"file": Path(params.compare).name, **compared(made, real_reviews(params.compare), params.spoken)}
    return told


def _checks(refused: Mapping[str, Mapping[str, Any]], answers: int) -> Iterator[tuple[str, Json]]:
    """In the order in which they look: each sees what those before it let pass."""
    known = (*(name for name in BEFORE if name in refused), *CHECKS, *AFTER)
    seen = answers
    for name in (*(name for name in refused if name not in known), *known):
        count = refused.get(name, {}).get("count", 0)
        yield (
            name,
            {
                "seen": seen,
                "refused": count,
                "acceptance": round(1 - count / seen, 3) if seen else None,
                "example": refused.get(name, {}).get("example", ""),
            },
        )
        seen -= count


def _ratings(params: Params, reviews: Sequence[Json]) -> Json:
    got = Counter(review["rating"] for review in reviews)
    return {str(star): {"asked": params.asked[star], "got": got[star]} for star in (5, 4, 3, 2, 1)}


def _models(used: Mapping[str, Mapping[str, Any]], reviews: Sequence[Json]) -> Json:
    wrote = Counter(review["model"] for review in reviews)
    names = dict.fromkeys([*used, *wrote])
    return {name: {"reviews": wrote[name], **used.get(name, {})} for name in names}
