"""Generated reviews beside real ones: lengths, ratings, words, feeling. What each figure means stands in docs/apps/reviews.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, log2, sqrt
from statistics import fmean
from typing import Any

from fanfold import PlanError, Rows
from fanfold.apps.reviews.language import feeling, words

Json = dict[str, Any]

TEXTS = ("text", "review", "review_text", "reviewtext", "review_body", "body", "content", "comment")
RATINGS = ("rating", "stars", "star_rating", "score", "overall")
BIN = 20  # words
TELLING = 12  # words that tell one from the other, of each side
CHANCE = 2.0  # standard deviations within which a word may be here or there by chance
MISSING = object()  # a row may have the column and nothing in it
PRIOR = 500.0  # words of what both have in common that each side is credited with


@dataclass(frozen=True)
class Written:
    """A review as it is compared. rating: 1 to 5, None where it is not known."""

    text: str
    rating: int | None


@lru_cache(maxsize=4)
def real_reviews(path: str) -> tuple[Written, ...]:
    """Of a CSV or JSONL file. Raises PlanError for one that has no texts, with what would do."""
    try:
        rows = Rows(path)
        found = tuple(each for each in (_written(row, f"{path}: row {n}") for n, row in enumerate(rows, 1)) if each.text)
    except PlanError as error:
        raise PlanError("compare", f"{error.path}: {error.message}", error.hint) from error
    if not found:
        raise PlanError(
            "compare", f"{path} holds no review", "a CSV or JSONL file with a text, and perhaps a rating, in each row"
        )
    return found


def _written(row: Mapping[str, Any], where: str) -> Written:
    plain = {str(name).strip().casefold().replace(" ", "_"): value for name, value in row.items()}
    text = next((plain[name] for name in TEXTS if name in plain), MISSING)
    if text is MISSING:
        raise PlanError(
            where, f"has no column with the text, only {', '.join(map(str, row))}", f"name it one of {', '.join(TEXTS)}"
        )
    said = next((plain[name] for name in RATINGS if name in plain), None)
    return Written("" if text is None else str(text).strip(), _stars(said, where))


def _stars(said: Any, where: str) -> int | None:
    if said is None or str(said).strip() == "":
        return None
    try:
        number = float(str(said).strip().split("/")[0].split()[0])
    except (ValueError, IndexError):
        number = 0.0
    if not 0.5 <= number <= 5:
        raise PlanError(where, f"{said!r} is no rating from 1 to 5", "leave it empty where there is none")
    return max(1, int(number + 0.5))


# -------------------------------------------------------------------- figures


def compared(made: Sequence[Written], real: Sequence[Written], language: str) -> Json:
    """Both sides and how far they are apart: each divergence is 0 for alike and 1 for nothing in common."""
    counts = [Counter(word for each in side for word in words(each.text)) for side in (made, real)]
    apart: dict[str, float | None] = {
        "length": divergence(*(Counter(len(words(each.text)) // BIN for each in side) for side in (made, real))),
        "words": divergence(*counts),
        "rating": None,
    }
    if any(each.rating for each in made) and any(each.rating for each in real):
        apart["rating"] = divergence(*(Counter(each.rating for each in side if each.rating) for side in (made, real)))
    known = [value for value in apart.values() if value is not None]
    generated_telling, real_telling = telling(*counts)
    return {
        "generated": _side(made, language, min(counts[0].total(), counts[1].total())),
        "real": _side(real, language, min(counts[0].total(), counts[1].total())),
        "vocabulary_overlap": _part(sum(n for word, n in counts[0].items() if word in counts[1]), counts[0].total()),
        "telling_words": {"generated": generated_telling, "real": real_telling},
        "divergence": {**{name: None if value is None else round(value, 3) for name, value in apart.items()},
                       "mean": round(fmean(known), 3) if known else None},
    }  # fmt: skip


def _side(reviews: Sequence[Written], language: str, size: int) -> Json:
    """One of the two. distinct_1, distinct_2: of the first `size` words, so that both are of as many."""
    lengths = sorted(len(each.text.split()) for each in reviews)
    listed = [words(each.text) for each in reviews]
    ratings = Counter(each.rating for each in reviews if each.rating)
    return {
        "reviews": len(reviews),
        "words": spread(lengths),
        "ratings": {str(star): _part(ratings[star], ratings.total()) for star in (5, 4, 3, 2, 1)} if ratings else None,
        "distinct_1": _distinct(listed, 1, size),
        "distinct_2": _distinct(listed, 2, size),
        "feeling": {str(star): _felt([each for each in reviews if each.rating == star], language) for star in (5, 4, 3, 2, 1)},
    }


def spread(numbers: Sequence[int]) -> Json:
    """Of sorted numbers: how they lie."""
    if not numbers:
        return {"mean": None, "p10": None, "p50": None, "p90": None}
    places = {name: min(len(numbers) - 1, int(part * len(numbers))) for name, part in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9))}
    return {"mean": round(fmean(numbers), 1), **{name: numbers[place] for name, place in places.items()}}


def _felt(reviews: Sequence[Written], language: str) -> float | None:
    scores = [
        score for each in reviews if (found := feeling(each.text, language)) is not None and (score := found.score) is not None
    ]
    return round(fmean(scores), 2) if scores else None


def _distinct(listed: Sequence[Sequence[str]], n: int, size: int) -> float | None:
    runs: list[tuple[str, ...]] = []
    for each in listed:
        runs += list(zip(*(each[i:] for i in range(n)), strict=False))
        if len(runs) >= size:
            break
    return _part(len(set(runs[:size])), len(runs[:size]))


def divergence(one: Mapping[Any, int], other: Mapping[Any, int]) -> float | None:
    """Jensen-Shannon divergence to the base 2: 0 for the same distribution, 1 for nothing in common; None for nothing to compare."""
    totals = sum(one.values()), sum(other.values())
    if not all(totals):
        return None
    found = 0.0
    for key in {**one, **other}:
        p, q = one.get(key, 0) / totals[0], other.get(key, 0) / totals[1]
        mean = (p + q) / 2
        found += sum(part * log2(part / mean) / 2 for part in (p, q) if part)
    return max(0.0, min(1.0, found))


def telling(one: Counter[str], other: Counter[str]) -> tuple[list[str], list[str]]:
    """Words that tell the one from the other, the strongest first: log-odds with an informative Dirichlet prior (Monroe et al. 2008)."""
    both = one + other
    scores: dict[str, float] = {}
    for word, count in both.items():
        prior = PRIOR * count / both.total()
        odds = [log((side[word] + prior) / (side.total() + PRIOR - side[word] - prior)) for side in (one, other)]
        scores[word] = (odds[0] - odds[1]) / sqrt(sum(1 / (side[word] + prior) for side in (one, other)))
    ordered = sorted(scores, key=lambda word: (-scores[word], word))
    return [word for word in ordered[:TELLING] if scores[word] > CHANCE], [
        word for word in ordered[::-1][:TELLING] if scores[word] < -CHANCE
    ]


def _part(some: int, of: int) -> float | None:
    return round(some / of, 3) if of else None
