"""Recipes to test with."""

from __future__ import annotations

from typing import Any

from fanfold.apps.mealplan.types import Recipe


def recipe(**changes: Any) -> Recipe:
    """A vegan lunch for two; `ingredients` as "amount unit name" lines."""
    data: dict[str, Any] = {
        "name": "Bean Stew", "meal": "lunch", "cuisine": "Greek", "minutes": 30, "servings": 2, "calories": 600,
        "diets": ["vegan", "gluten-free"], "allergens": [], "ingredients": ["400 g white beans", "2 piece carrots", "2 tbsp olive oil"],
        "steps": ["Fry the carrots in the oil.", "Add the beans and simmer."],
    }  # fmt: skip
    data |= changes
    data["ingredients"] = [item if isinstance(item, dict) else _item(item) for item in data["ingredients"]]
    return Recipe.model_validate(data)


def _item(line: str) -> dict[str, Any]:
    amount, unit, name = line.split(" ", 2)
    return {"name": name, "amount": float(amount), "unit": unit}
