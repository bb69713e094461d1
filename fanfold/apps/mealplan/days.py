"""Meals in their order in a day, and those that a plan was asked for and does not have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TIMES = {"breakfast": (8, 0), "brunch": (10, 30), "lunch": (12, 30), "snack": (16, 0), "dinner": (18, 30), "dessert": (19, 30)}
"""Meal -> hour and minute when it is usual."""


@dataclass(frozen=True)
class Meal:
    """A meal without a recipe, and why."""

    day: int
    type: str
    why: str


def daytime(meals: Iterable[str]) -> list[str]:
    """From morning to night; what is no known meal comes last."""
    return sorted(meals, key=lambda meal: (TIMES.get(meal, (24, 0)), meal))


def missing(data: Json) -> list[Meal]:
    """The meals that failed, by day and time of day. A cell that its fallback filled is not missing."""
    there = {(day["day"], meal["type"]) for day in data["plan"] for meal in day["meals"]}
    found = {}
    for error in data.get("errors", []):
        cell = error["cell"]
        place = (cell.get("day"), cell.get("meal"))
        if error["stage"] == "recipe" and place not in there:
            found[place] = Meal(*place, error["message"] or error["code"])
    return sorted(found.values(), key=lambda meal: (meal.day, TIMES.get(meal.type, (24, 0)), meal.type))
