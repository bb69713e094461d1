"""A recipe for more or fewer people, in amounts that a kitchen can measure. Water is named in the steps, so it grows there."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]

_STEPS = {"kg": 0.05, "l": 0.05, "tsp": 0.25, "tbsp": 0.25, "piece": 0.5}
_WATER = re.compile(r"\b(\d+(?:\.\d+)?) (ml|l)( (?:\w+ ){0,2}water\b)")


def portioned(recipe: Json, scale: float) -> Json:
    """A copy whose ingredients, and the water in its steps, are so many times as much. `servings` is for the caller to set."""
    return {
        **recipe,
        "ingredients": [{**item, "amount": rounded(item["amount"] * scale, item["unit"])} for item in recipe["ingredients"]],
        "steps": [
            _WATER.sub(lambda found: _water(float(found[1]), found[2], scale) + found[3], step) for step in recipe["steps"]
        ],
    }


def rounded(amount: float, unit: str) -> float:
    """As a cookbook gives it: steps of 5 g, quarter spoons, half pieces, whole slices; never nothing."""
    if not amount:
        return 0.0
    step = (5.0 if amount >= 50 else 1.0) if unit in ("g", "ml") else _STEPS.get(unit, 1.0)
    return max(round(amount / step) * step, step)


def _water(amount: float, unit: str, scale: float) -> str:
    """To the nearest 10 ml, and to 50 from a litre on."""
    ml = amount * scale * (1000 if unit == "l" else 1)
    if ml >= 1000:
        return f"{round(ml / 50) * 0.05:.2f}".rstrip("0").rstrip(".") + " l"
    return f"{max(round(ml / 10) * 10, 10) if ml >= 50 else max(round(ml), 1)} ml"
