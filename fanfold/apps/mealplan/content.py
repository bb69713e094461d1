"""What the simulated provider writes for a recipe: it reads the prompt as a model would, and answers from the dishes it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fanfold.apps.mealplan.adapted import USUAL_CALORIES, adapted
from fanfold.apps.mealplan.asked import Asked, candidates, read
from fanfold.apps.mealplan.fitting import fitted
from fanfold.apps.mealplan.menu import TWIST_SERVINGS, Choice, menu
from fanfold.apps.mealplan.portions import portioned

Json = dict[str, Any]

NAMED_ANEW = "Homestyle"
AGAINST = {
    "vegan": (40, "g", "butter"), "vegetarian": (80, "g", "smoked bacon"), "pescatarian": (100, "g", "chicken breast"),
    "gluten-free": (2, "slice", "crusty bread"), "dairy-free": (30, "g", "grated parmesan"), "egg-free": (1, "piece", "egg"),
    "nut-free": (30, "g", "chopped walnuts"),
}  # fmt: skip
"""What slips into a dish of each diet."""


class Pen(Protocol):
    """What the simulated provider gives to whoever writes for it."""

    prompt: str
    avoid: Sequence[str]
    schema: Mapping[str, Any]

    def choose(self, options: Sequence[str]) -> str: ...

    def slips(self, what: str) -> bool: ...


def recipe(pen: Pen) -> Json:
    """One recipe for what the prompt asks; now and then with a mistake in it. Fits the schema, whoever's it is."""
    asked, shown = read(pen.prompt), candidates(pen.prompt)
    if shown:
        written = _chosen(pen, shown, asked)
    else:
        names = menu(asked)
        name = pen.choose(list(names))
        written = _written(name, names[name], asked)
    return fitted(_slipped(pen, asked, written), pen.schema)


def _chosen(pen: Pen, shown: list[Json], asked: Asked) -> Json:
    """One of the recipes that the prompt shows, adapted; under a name of its own where all of theirs are taken."""
    names = {candidate["name"]: candidate for candidate in shown}
    names |= {f"{NAMED_ANEW} {name}": candidate for name, candidate in names.items() if _all_taken(pen, names)}
    name = pen.choose(list(names))
    return adapted(name, names[name], asked, _portion(names[name].get("calories") or USUAL_CALORIES, asked))


def _all_taken(pen: Pen, names: Mapping[str, Json]) -> bool:
    taken = {" ".join(name.casefold().split()) for name in pen.avoid}
    return all(" ".join(name.casefold().split()) in taken for name in names)


def _written(name: str, choice: Choice, asked: Asked) -> Json:
    twist = choice.twist or {"calories": 0, "minutes": 0, "ingredients": [], "step": ""}
    calories = choice.dish["calories"] + twist["calories"]
    portion = _portion(calories, asked)
    dish = portioned(choice.dish, portion * asked.servings / choice.dish["servings"])
    added = portioned({**twist, "steps": [twist["step"]] if choice.twist else []}, portion * asked.servings / TWIST_SERVINGS)
    return {
        "name": name,
        "meal": asked.meal,
        "cuisine": choice.cuisine.title() or dish["cuisine"],
        "minutes": choice.minutes or dish["minutes"] + twist["minutes"],
        "servings": asked.servings,
        "calories": round(calories * portion),
        "diets": list(dish["diets"]),
        "allergens": list(dish["allergens"]),
        "ingredients": [*dish["ingredients"], *added["ingredients"]],
        "steps": [*dish["steps"], *added["steps"]],
    }


def _portion(calories: int, asked: Asked) -> float:
    """A serving is made larger or smaller until its calories are as asked; a serving that is right stays."""
    if asked.kcal is None or asked.kcal[0] <= calories <= asked.kcal[1]:
        return 1.0
    return sum(asked.kcal) / 2 / calories


def _slipped(pen: Pen, asked: Asked, written: Json) -> Json:
    """The mistakes that models make: an ingredient against the diet, too long, too rich, cut short."""
    if asked.diets and pen.slips("diet"):
        amount, unit, name = AGAINST[asked.diets[0]]
        written["ingredients"].insert(1, {"name": name, "amount": amount, "unit": unit})
    if asked.minutes is not None and pen.slips("time"):
        written["minutes"] = asked.minutes + 15
    if asked.kcal is not None and pen.slips("calories"):
        written["calories"] = asked.kcal[1] + 200
    if pen.slips("format"):
        written["steps"] = []
    return written
