"""What the model is told. The rules are the same for every cell and come first, so that providers can reuse them."""

from __future__ import annotations

import json
from typing import Any

from fanfold import Cell
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.units import TASTE

SYSTEM = """\
You write recipes for a household's meal plan. Many recipes of the plan are written at the same time, so do not settle for the first
dish that comes to mind: choose one that is good, real and cookable, and less expected.

Every recipe keeps to these rules:
{rules}

How to fill in the fields:
- name: the name of the dish, as a cookbook would call it. No two recipes of the plan may share a name.
- meal: the meal that you were asked for.
- cuisine: the cuisine the dish comes from.
- minutes: all the time it takes, from start to table.
- calories: kcal of one serving.
- diets: every diet that the dish suits, of: vegetarian, vegan, pescatarian, gluten-free, dairy-free, egg-free, nut-free.
- allergens: every allergen that an ingredient contains, of: gluten, crustaceans, eggs, fish, peanuts, soy, milk, nuts, celery, mustard, \
sesame, sulphites, lupin, molluscs. An empty list when there is none.
- ingredients: at least 3, everything that the steps use, each with its amount for all servings together and a unit (g, ml, tsp, tbsp, \
piece, clove, slice, can, bunch, pinch). Amount 0 and unit "to taste" for salt, pepper and the like.
- steps: at least 2, short and in order."""

PROMPT = """\
Write the recipe for day {day}, meal: {meal}."""

GROUNDED = """\
Choose one of these recipes, the one that you would rather eat, and adapt it: keep the dish and its name, and change servings, amounts, \
ingredients and steps so that it keeps to every rule.
"""
CANDIDATE = "Recipe {number}: "
_SHOWN = ("name", "cuisine", "minutes", "servings", "calories", "diets", "allergens", "ingredients", "steps")

SERVINGS, DIET, ALLERGENS, EXCLUDE, CUISINES, MINUTES, CALORIES = (
    "Servings", "Diet", "Allergens to leave out", "Ingredients to leave out", "Cuisine is one of", "Most minutes in all",
    "Calories per serving",
)  # fmt: skip


def grounded(cell: Cell) -> str:
    """The prompt of one cell, with the candidates that are its own; without any, as for the model alone."""
    asked = PROMPT.replace("{day}", str(cell["day"])).replace("{meal}", cell["meal"])
    if not cell.candidates:
        return asked
    lines = [CANDIDATE.format(number=n) + shown(recipe) for n, recipe in enumerate(cell.candidates, 1)]
    return GROUNDED + "\n" + "\n".join(lines) + "\n\n" + asked


def shown(recipe: dict[str, Any]) -> str:
    """One line of JSON: what is known of a candidate, its ingredients as texts."""
    known = {field: recipe[field] for field in _SHOWN if recipe.get(field) not in (None, "")}
    return json.dumps({**known, "ingredients": [_ingredient(item) for item in recipe["ingredients"]]}, ensure_ascii=False)


def _ingredient(item: dict[str, Any]) -> str:
    return f"{item['amount']:g} {item['unit']} {item['name']}" if item["amount"] else f"{item['name']} {TASTE}"


def rules(params: Params) -> str:
    """One line a rule, `- Label: value`; a rule that was not asked for has no line."""
    kcal = [(meal, params.kcal(meal)) for meal in params.meals]
    lines = {
        SERVINGS: str(params.servings),
        DIET: _and(params.diet),
        ALLERGENS: _and(params.allergens),
        EXCLUDE: _and(params.exclude),
        CUISINES: _and(params.cuisines),
        MINUTES: str(params.max_minutes or ""),
        CALORIES: ", ".join(f"{meal} {span[0]} to {span[1]} kcal" for meal, span in kcal if span),
    }
    return "\n".join(f"- {label}: {value}" for label, value in lines.items() if value)


def _and(values: list[str]) -> str:
    return ", ".join(" ".join(value.split()) for value in values)
