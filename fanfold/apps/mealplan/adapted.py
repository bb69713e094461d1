"""A recipe that the simulated model was shown, written for what is asked: other amounts, nothing that is needed left out."""

from __future__ import annotations

from typing import Any

from fanfold.apps.mealplan.asked import Asked
from fanfold.apps.mealplan.checks import LEAST_INGREDIENTS, LEAST_STEPS
from fanfold.apps.mealplan.ingredients import parsed
from fanfold.apps.mealplan.portions import portioned

Json = dict[str, Any]

USUAL_CALORIES, USUAL_MINUTES = 500, 30
SEASONING = ("salt", "black pepper", "olive oil")
LAST_STEPS = ("Season to taste.", "Serve at once.")


def adapted(name: str, candidate: Json, asked: Asked, portion: float) -> Json:
    """portion: of one person, against the candidate's. What a user's own recipe does not say is made up, as a model would."""
    servings = candidate.get("servings") or asked.servings
    recipe = {"ingredients": [parsed(line) for line in candidate["ingredients"]], "steps": candidate.get("steps", [])}
    scaled = portioned(recipe, portion * asked.servings / servings)
    return {
        "name": name,
        "meal": asked.meal,
        "cuisine": candidate.get("cuisine") or "International",
        "minutes": candidate.get("minutes") or asked.minutes or USUAL_MINUTES,
        "servings": asked.servings,
        "calories": round((candidate.get("calories") or USUAL_CALORIES) * portion),
        "diets": list(candidate.get("diets", [])),
        "allergens": list(candidate.get("allergens", [])),
        "ingredients": _enough(scaled["ingredients"]),
        "steps": [*scaled["steps"], *LAST_STEPS] if len(scaled["steps"]) < LEAST_STEPS else scaled["steps"],
    }


def _enough(ingredients: list[Json]) -> list[Json]:
    missing = max(0, LEAST_INGREDIENTS - len(ingredients))
    return [*ingredients, *({"name": name, "amount": 0.0, "unit": "to taste"} for name in SEASONING[:missing])]
