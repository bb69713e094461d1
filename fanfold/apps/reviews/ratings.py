"""How many reviews of each rating, and by whom: exact numbers beforehand, so that no order of answers can change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isclose
from typing import Any, TypeVar

STARS = (1, 2, 3, 4, 5)
USUAL = {5: 0.4, 4: 0.3, 3: 0.15, 2: 0.1, 1: 0.05}

Key = TypeVar("Key")


@dataclass(frozen=True)
class Slot:
    """One review that is to be: its number, from 1, its stars, and the number of its persona, from 0."""

    n: int
    rating: int
    persona: int


def counts_of(said: Mapping[int, float], total: int) -> dict[int, int]:
    """Stars -> how many of the reviews. said: shares that add up to 1, percentages that add up to 100, or the counts themselves.

    Shares are met to within one review (largest remainder). Raises ValueError.
    """
    added = sum(said.values())
    whole = all(float(number).is_integer() for number in said.values())
    if whole and added == total:
        return {star: int(said.get(star, 0)) for star in STARS}
    if isclose(added, 1, abs_tol=0.005) or isclose(added, 100, abs_tol=0.5):
        return largest_remainder({star: said.get(star, 0.0) for star in STARS}, total)
    raise ValueError(
        f"it adds up to {added:g}: write shares that add up to 1, percentages that add up to 100, or counts that add up to the {total} reviews"
    )


def largest_remainder(weights: Mapping[Key, float], total: int) -> dict[Key, int]:
    """Whole numbers in proportion to the weights that add up to the total: each is its exact part, rounded down or up."""
    added = sum(weights.values())
    exact = {key: total * weight / added for key, weight in weights.items()}
    counts = {key: floor(part + 1e-9) for key, part in exact.items()}
    rest = sorted(exact, key=lambda key: counts[key] - exact[key])  # stable: of equals, the first
    for key in rest[: total - sum(counts.values())]:
        counts[key] += 1
    return counts


def evenly(counts: Mapping[Key, int]) -> list[Key]:
    """Each key as often as its count, each spread over the whole: of any part of the list, every key has nearly its share."""
    places = [((turn + 0.5) / count, rank, key) for rank, (key, count) in enumerate(counts.items()) for turn in range(count)]
    return [key for _, _, key in sorted(places, key=lambda place: place[:2])]


def slots(ratings: Mapping[int, int], persona_shares: Sequence[float]) -> list[Slot]:
    """Every review that is to be. Whoever stops early has nearly the same parts of each rating.

    Personas are dealt along the reviews sorted by rating, so that each has nearly its share of every rating, and its share of all.
    """
    stars = evenly(ratings)
    personas = evenly(largest_remainder(dict(enumerate(persona_shares)), len(stars)))
    by_rating = sorted(range(len(stars)), key=lambda n: stars[n])
    persona_of = dict(zip(by_rating, personas, strict=True))
    return [Slot(n + 1, star, persona_of[n]) for n, star in enumerate(stars)]


def read_ratings(value: Any) -> Any:
    """ "5=40,4=30,3=30", or a mapping of stars to numbers, perhaps with %: as a mapping of whole stars to numbers. Raises ValueError."""
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.replace(":", "=").split(",") if part.strip()]
        value = {star.strip(): number.strip() for star, _, number in pairs}
    if not isinstance(value, Mapping):
        raise ValueError("write 5=40,4=30,3=15,2=10,1=5 (or 5: 0.4, 4: 0.3 and so on in a file)")
    found: dict[int, float] = {}
    for star, number in value.items():
        stars = _star(star)
        if stars in found:
            raise ValueError(f"{stars} stars stand there twice")
        found[stars] = _number(number, stars)
    if not found or not any(found.values()):
        raise ValueError("it asks for no review at all")
    return found


def _star(star: Any) -> int:
    text = str(star).strip().casefold().removesuffix("stars").removesuffix("star").strip()
    if text not in ("1", "2", "3", "4", "5"):
        raise ValueError(f"{star!r} is no rating: 1 to 5 stars")
    return int(text)


def _number(number: Any, star: int) -> float:
    try:
        found = float(str(number).strip().removesuffix("%")) if not isinstance(number, bool) else -1.0
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:
        raise ValueError(f"{star} stars: {number!r} is not a number from 0")
    return found
