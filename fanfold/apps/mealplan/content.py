"""What the simulated provider writes for a recipe: it reads the prompt as a model would, and answers from a file of dishes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from fanfold.apps.mealplan.checks import IMPLIES, same_cuisine
from fanfold.apps.mealplan.lexicon import is_excluded
from fanfold.apps.mealplan.prompts import ALLERGENS, CALORIES, CUISINES, DIET, EXCLUDE, MINUTES, SERVINGS
from fanfold.apps.mealplan.words import plain

Json = dict[str, Any]
DISHES_SERVE = 2
LEAST_SCALE, MOST_SCALE = 0.6, 1.6  # how far a dish's portion is changed to meet the calories asked for

Item = tuple[float, str, str]
SAVOURY: tuple[tuple[str, tuple[Item, ...], str], ...] = (
    ("with Lemon and Parsley", ((1, "piece", "lemon"), (2, "tbsp", "chopped parsley")), "Finish with lemon juice and parsley."),
    (
        "with Chilli and Lime",
        ((1, "piece", "red chilli"), (1, "piece", "lime")),
        "Scatter with sliced chilli and squeeze the lime over it.",
    ),
    ("with Toasted Pumpkin Seeds", ((2, "tbsp", "pumpkin seeds"),), "Toast the seeds in a dry pan and scatter them over it."),
    ("with Roasted Garlic", ((4, "clove", "garlic"),), "Roast the garlic at 200 °C for 20 minutes, crush it and stir it in."),
)
SWEET: tuple[tuple[str, tuple[Item, ...], str], ...] = (
    ("with Orange Zest", ((1, "piece", "orange"),), "Grate the zest of the orange over it."),
    ("with Toasted Coconut", ((2, "tbsp", "coconut flakes"),), "Toast the coconut flakes and scatter them over it."),
    ("with Warm Raspberries", ((100, "g", "raspberries"),), "Warm the raspberries until they burst and spoon them over it."),
)
SWEET_WORDS = re.compile(r"maple syrup|honey|sugar|berr|banana|cinnamon|raisins|peach|cherries|grapes|mango")
FORBIDDEN = {
    "vegan": (60, "g", "feta"),
    "vegetarian": (80, "g", "bacon"),
    "gluten-free": (2, "slice", "sourdough bread"),
    "dairy-free": (30, "g", "butter"),
}


class Pen(Protocol):
    """What the simulated provider gives to whoever writes for it."""

    prompt: str

    def choose(self, options: Sequence[str]) -> str: ...

    def slips(self, what: str) -> bool: ...


@dataclass(frozen=True)
class Asked:
    """What the prompt asks for, as far as it can be read."""

    meal: str
    servings: int
    diets: tuple[str, ...]
    allergens: tuple[str, ...]
    exclude: tuple[str, ...]
    cuisines: tuple[str, ...]
    minutes: int | None
    kcal: tuple[int, int] | None


def recipe(pen: Pen) -> Json:
    """One recipe for what the prompt asks; now and then with a mistake in it."""
    asked = read(pen.prompt)
    fitting = [dish for dish in dishes() if fits(dish, asked)]
    named = {
        name: (dish, variation) for variation in range(5) for dish in fitting or dishes() if (name := _name(dish, variation))
    }
    dish, variation = named[chosen := pen.choose(list(named))]
    return _slip(pen, asked, _written(dish, variation, chosen, asked))


def read(prompt: str) -> Asked:
    rules = dict(re.findall(r"^- ([A-Z][\w ]+): (.+)$", prompt, re.MULTILINE))
    meals = re.findall(r"meal: ([\w-]+)\.", prompt)
    meal = meals[-1] if meals else "dinner"
    spans = re.search(rf"{re.escape(meal)} (\d+) to (\d+) kcal", rules.get(CALORIES, ""))
    return Asked(
        meal=meal,
        servings=int(rules.get(SERVINGS, DISHES_SERVE)),
        diets=_split(rules.get(DIET)),
        allergens=_split(rules.get(ALLERGENS)),
        exclude=_split(rules.get(EXCLUDE)),
        cuisines=_split(rules.get(CUISINES)),
        minutes=int(rules[MINUTES]) if MINUTES in rules else None,
        kcal=(int(spans[1]), int(spans[2])) if spans else None,
    )


def _split(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",")) if value else ()


@cache
def dishes() -> tuple[Json, ...]:
    """Dishes for two: name, cuisine, meals, diets, allergens, minutes, calories, ingredients, steps. The favourites come first."""
    lines = files(__package__).joinpath("dishes.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def fits(dish: Json, asked: Asked) -> bool:
    suits = {"brunch": "breakfast", "snack": "breakfast", "dessert": "breakfast"}.get(asked.meal, asked.meal)
    names = [item["name"] for item in dish["ingredients"]]
    return (
        suits in dish["meals"]
        and all(diet in dish["diets"] for diet in asked.diets)
        and not set(asked.allergens) & set(dish["allergens"])
        and not any(is_excluded(term, name) for term in asked.exclude for name in names)
        and (not asked.cuisines or same_cuisine(dish["cuisine"], {" ".join(plain(c).split()) for c in asked.cuisines}))
        and (asked.minutes is None or dish["minutes"] <= asked.minutes)
        and (asked.kcal is None or LEAST_SCALE <= sum(asked.kcal) / 2 / dish["calories"] <= MOST_SCALE)
    )


def _variations(dish: Json) -> tuple[tuple[str, tuple[Item, ...], str], ...]:
    sweet = "breakfast" in dish["meals"] and any(SWEET_WORDS.search(item["name"]) for item in dish["ingredients"])
    return SWEET if sweet else SAVOURY


def _name(dish: Json, variation: int) -> str:
    """The dish itself, then its variations; "" where it has no more. "Pasta with Peas" takes no second "with"."""
    if variation == 0:
        return str(dish["name"])
    choices = _variations(dish)
    if variation > len(choices):
        return ""
    words = choices[variation - 1][0]
    return f"{dish['name']} {words.replace('with', 'and', 1) if ' with ' in dish['name'] else words}"


def _written(dish: Json, variation: int, name: str, asked: Asked) -> Json:
    scale = 1.0
    if asked.kcal is not None:
        scale = min(MOST_SCALE, max(LEAST_SCALE, sum(asked.kcal) / 2 / dish["calories"]))
    items = [(item["amount"], item["unit"], item["name"]) for item in dish["ingredients"]]
    steps = list(dish["steps"])
    if variation:
        _, more, step = _variations(dish)[variation - 1]
        items += more
        steps.append(step)
    factor = scale * asked.servings / DISHES_SERVE
    return {
        "name": name,
        "meal": asked.meal,
        "cuisine": dish["cuisine"],
        "minutes": dish["minutes"],
        "servings": asked.servings,
        "calories": round(dish["calories"] * scale),
        "diets": dish["diets"],
        "allergens": dish["allergens"],
        "ingredients": [{"name": n, "amount": _rounded(a * factor), "unit": u or "piece"} for a, u, n in items],
        "steps": steps,
    }


def _rounded(amount: float) -> float:
    return round(amount, 0 if amount >= 20 else 1) or amount


def _slip(pen: Pen, asked: Asked, written: Json) -> Json:
    """The mistakes that models make: an ingredient against the diet, too long, too rich, for too many, cut short."""
    diet = next((diet for diet in asked.diets if diet in FORBIDDEN), None)
    implied = IMPLIES.get(diet or "", set())
    if diet is not None and pen.slips("diet"):
        amount, unit, name = FORBIDDEN[diet]
        written["ingredients"] = [*written["ingredients"], {"name": name, "amount": amount, "unit": unit}]
        written["diets"] = [d for d in written["diets"] if d == diet or d in implied]
    if asked.minutes is not None and pen.slips("time"):
        written["minutes"] = asked.minutes + 15
    if asked.kcal is not None and pen.slips("calories"):
        written["calories"] = asked.kcal[1] + 200
    if pen.slips("servings"):
        written["servings"] += 2
    if pen.slips("format"):
        written["steps"] = written["steps"][:1]
    return written
