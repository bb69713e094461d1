"""The plan for programs and for people: JSON by day, Markdown, one row a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from fanfold import Result
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.strategy import from_corpus
from fanfold.apps.mealplan.units import measured

Json = dict[str, Any]


def content(params: Params, result: Result) -> Json:
    """`{"plan": [{"day", "meals": [{"type", "source", "recipe"}]}], "shopping_list": […]}`, always in day and meal order.

    A meal whose recipe failed is left out; its day stays. source: "rag" for what was grounded in recipes of a corpus, else "llm". A start that was asked for comes first: `{"start": "2026-11-23", "plan": …}`.
    Where the corpus had too few recipes that suit: `"corpus": {"asked", "grounded", "message"}`.
    """
    days: list[Json] = []
    meals_of: dict[str, str] = {}
    asked = grounded = 0
    for day in range(1, params.days + 1):
        meals: list[Json] = []
        for place, meal in enumerate(params.meals):
            cell = result["recipe"].cell(day=day, meal=meal)
            recipe = cell.value
            if recipe is not None:
                source = "rag" if cell.candidates else "llm"
                asked += from_corpus(params, day - 1, place)
                grounded += source == "rag"
                meals.append({"type": meal, "source": source, "recipe": recipe.model_dump(mode="json", exclude={"meal"})})
                meals_of[recipe.name] = f"Day {day} {meal}: {recipe.name}"
        days.append({"day": day, "meals": meals})
    lists = result["shopping"].values
    items = [item.model_dump(mode="json", by_alias=True) for item in lists[0]] if lists else []
    return {
        **({"start": params.start.isoformat()} if params.start is not None else {}),
        "plan": days,
        "shopping_list": [{**item, "for": [meals_of.get(name, name) for name in item["for"]]} for item in items],
        **({"corpus": _scarce(asked, grounded)} if grounded < asked else {}),
    }


def _scarce(asked: int, grounded: int) -> Json:
    alone = asked - grounded
    message = f"{alone} of {asked} recipes that were to come from the corpus are by the model alone: nothing else in it suited"
    return {"asked": asked, "grounded": grounded, "message": message}


def markdown(data: Json) -> str:
    """A plan to cook from, and the list to take to the shop."""
    return "\n".join(_lines(data))


def _lines(data: Json) -> Iterator[str]:
    for day in data["plan"]:
        yield f"# Day {day['day']}\n"
        for meal in day["meals"]:
            yield from _recipe(meal["type"], meal["recipe"])
        for error in data.get("errors", []):
            if error["stage"] == "recipe" and error["cell"].get("day") == day["day"]:
                yield f"*No {error['cell']['meal']}: {error['message']}*\n"
    if "corpus" in data:
        yield f"*{data['corpus']['message']}.*\n"
    if data["shopping_list"]:
        yield "# Shopping list\n"
        for section, items in groupby(data["shopping_list"], key=lambda item: item["section"]):
            yield f"**{section.capitalize()}**: " + ", ".join(_measured(item) for item in items) + "\n"


def _recipe(meal: str, recipe: Json) -> Iterator[str]:
    yield f"## {meal.capitalize()}: {recipe['name']}\n"
    facts = [recipe["cuisine"], f"{recipe['minutes']} min", f"{recipe['calories']} kcal", f"serves {recipe['servings']}"]
    if recipe["allergens"]:
        facts.append("contains " + ", ".join(recipe["allergens"]))
    yield f"*{' · '.join(facts)}*\n"
    yield ", ".join(_measured(item) for item in recipe["ingredients"]) + "\n"
    yield from (f"{number}. {step}" for number, step in enumerate(recipe["steps"], 1))
    yield ""


def _measured(item: Json) -> str:
    return measured(item["amount"], item["unit"], item["name"])


def rows(data: Json) -> list[Json]:
    """One flat row a recipe."""
    return [_row(day["day"], meal) for day in data["plan"] for meal in day["meals"]]


def _row(day: int, meal: Json) -> Json:
    recipe = meal["recipe"]
    row = {"day": day, "meal": meal["type"], "source": meal["source"]}
    row |= {field: recipe[field] for field in ("name", "cuisine", "minutes", "calories", "servings")}
    row |= {field: ", ".join(recipe[field]) for field in ("diets", "allergens")}
    row["ingredients"] = "; ".join(map(_measured, recipe["ingredients"]))
    row["steps"] = " ".join(recipe["steps"])
    return row
