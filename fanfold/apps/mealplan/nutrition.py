"""Holds the shipped recipes to what is in them: energy, allergens, diets, names and steps. `python -m fanfold.apps.mealplan.nutrition`

`nutrition.json`: ingredient in the singular -> kcal per 100 g as bought, and grams per ml, piece, clove, slice and so on.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

from rapidfuzz.fuzz import ratio

from fanfold.apps.mealplan.lexicon import DIETS, against_diet, allergens_of
from fanfold.apps.mealplan.menu import TWIST_SERVINGS, dishes, twists
from fanfold.apps.mealplan.params import WEIGHTS
from fanfold.apps.mealplan.units import in_base
from fanfold.apps.mealplan.words import Words, plain, singular, words

Json = dict[str, Any]

MOST_OFF = 0.2  # of the declared energy
TWIST_OFF_KCAL = 10  # a twist is so small that a share says little
TOO_ALIKE = 88.0  # of 100, names with their words in order of the alphabet
SPANS = {"minutes": (3, 180), "servings": (1, 12), "calories": (80, 1200)}
GRAMS = (35, 1200)  # of a serving
INGREDIENTS, STEPS, STEP_CHARACTERS = (3, 14), (3, 7), 220
MUCH_OF_WEIGHT, MUCH_OF_ENERGY = 0.2, 0.25  # an ingredient with such a part is a main one

_PREPARED = frozenset(words("fresh ripe chopped grated snipped crumbled sliced shredded diced large small medium fine toasted roasted salted unsalted"
    " skinless boneless frozen plain thick light raw peeled shelled lean ready baby whole dried cooked ground"))  # fmt: skip
_EVERYTHING = frozenset({"everything", "all"})
_FILLERS = frozenset({"and", "with", "of", "in", "the", "a", "on", "from", "style"})
_LASTS = re.compile(r"(\d+) (minute|hour)s?\b")
_WAITS = re.compile(r"\b(chill|overnight|set|soak|freeze|marinate|rest|cool|prove|stand)", re.IGNORECASE)


@dataclass(frozen=True)
class Food:
    """kcal: per 100 g. grams: unit -> grams of one; "ml" for whatever is measured in spoons and cups."""

    kcal: float
    grams: dict[str, float]


@cache
def foods() -> dict[Words, Food]:
    data = json.loads(files(__package__).joinpath("nutrition.json").read_text("utf-8"))
    return {words(name): Food(entry.pop("kcal"), {"g": 1.0, **entry}) for name, entry in data.items()}


def food(name: str) -> Food:
    """As it is named; else without what was done to it ("ripe bananas"). LookupError: it is not in the table."""
    named = words(name)
    bare = tuple(word for word in named if word not in _PREPARED)
    found = foods().get(named) or foods().get(bare)
    if found is None:
        raise LookupError(f"{name} is not in nutrition.json: add its kcal per 100 g")
    return found


def grams(item: Json) -> float:
    """Of one ingredient. LookupError: the table lacks it or its unit."""
    amount, unit = in_base(item["amount"], item["unit"])
    known = food(item["name"]).grams
    if amount and unit not in known:
        raise LookupError(f"{item['name']} has no grams per {unit} in nutrition.json: add them")
    return amount * known[unit] if amount else 0.0


def kcal(ingredients: Iterable[Json]) -> float:
    """Of all of them together. LookupError: see `grams`."""
    return sum(grams(item) * food(item["name"]).kcal / 100 for item in ingredients)


# ------------------------------------------------------------------ one recipe


def faults(recipe: Json) -> list[str]:
    """What is wrong with one recipe, in words."""
    try:
        found = [_energy(recipe), *_contents(recipe), *_spans(recipe), *_steps(recipe)]
    except LookupError as error:
        found = [error.args[0]]
    return [f"{recipe['name']}: {fault}" for fault in found if fault]


def _energy(recipe: Json) -> str:
    made = kcal(recipe["ingredients"]) / recipe["servings"]
    if abs(made - recipe["calories"]) <= MOST_OFF * recipe["calories"]:
        return ""
    return f"declares {recipe['calories']} kcal per serving, its ingredients make {made:.0f}"


def _contents(recipe: Json) -> Iterable[str]:
    names = [item["name"] for item in recipe["ingredients"]]
    allergens = {allergen for name in names for allergen in allergens_of(name)}
    diets = {diet for diet in DIETS if not any(against_diet(diet, name) for name in names)}
    for field, holds in (("allergens", allergens), ("diets", diets)):
        declared = set(recipe[field])
        if missing := sorted(holds - declared):
            yield f"its {field} lack {', '.join(missing)}"
        if wrong := sorted(declared - holds):
            yield f"its {field} name {', '.join(wrong)}, which its ingredients do not bear out"


def _spans(recipe: Json) -> Iterable[str]:
    for field, (least, most) in SPANS.items():
        if not least <= recipe[field] <= most:
            yield f"{field} is {recipe[field]}, not from {least} to {most}"
    weight = sum(grams(item) for item in recipe["ingredients"]) / recipe["servings"]
    if not GRAMS[0] <= weight <= GRAMS[1]:
        yield f"a serving of {weight:.0f} g"
    if not INGREDIENTS[0] <= len(recipe["ingredients"]) <= INGREDIENTS[1]:
        yield f"{len(recipe['ingredients'])} ingredients"
    if any(item["name"] == "water" for item in recipe["ingredients"]):
        yield "water is an ingredient: say how much in the steps, for nobody buys it"
    if unknown := sorted(set(recipe["meals"]) - set(WEIGHTS)) or not recipe["meals"]:
        yield f"its meals are not known: {unknown}"


def _steps(recipe: Json) -> Iterable[str]:
    steps = recipe["steps"]
    if not STEPS[0] <= len(steps) <= STEPS[1]:
        yield f"{len(steps)} steps"
    if long := next((step for step in steps if len(step) > STEP_CHARACTERS), None):
        yield f"a long step: {long}"
    lasting = [
        int(n) * (60 if unit == "hour" else 1) for step in steps if not _WAITS.search(step) for n, unit in _LASTS.findall(step)
    ]
    if lasting and max(lasting) > recipe["minutes"]:
        yield f"takes {recipe['minutes']} minutes, and a step of it {max(lasting)}"
    told = {singular(word) for word in re.findall(r"[a-z]+", plain(" ".join(steps)))}
    for name in main_ingredients(recipe):
        if told.isdisjoint(words(name)) and told.isdisjoint(_EVERYTHING):
            yield f"its steps do not mention {name}"


def main_ingredients(recipe: Json) -> list[str]:
    """Those that make much of its weight or of its energy."""
    parts = [(item["name"], grams(item), grams(item) * food(item["name"]).kcal) for item in recipe["ingredients"]]
    weight, energy = sum(part[1] for part in parts), sum(part[2] for part in parts)
    return [name for name, mine, rich in parts if mine >= MUCH_OF_WEIGHT * weight or rich >= MUCH_OF_ENERGY * energy]


# ------------------------------------------------------------------ all of them


def alike(names: Iterable[str]) -> list[str]:
    """Names that say the same, or nearly: the same words but for fillers, or nearly the same letters."""
    said = {name: sorted(word for word in words(name) if word not in _FILLERS) for name in dict.fromkeys(names)}
    found = []
    for (one, first), (other, second) in combinations(said.items(), 2):
        if ratio(" ".join(first), " ".join(second)) >= TOO_ALIKE:
            found.append(f"{other}: is too much like {one}")
    return found


def repeated(names: Sequence[str]) -> list[str]:
    return [f"{name}: is there twice" for i, name in enumerate(names) if name in names[:i]]


def twist_faults() -> list[str]:
    """Twists whose energy is not what their ingredients make."""
    found = []
    for twist in twists().values():
        made = kcal(twist["ingredients"]) / TWIST_SERVINGS
        if abs(made - twist["calories"]) > TWIST_OFF_KCAL:
            found.append(f"with {twist['text']}: declares {twist['calories']} kcal, its ingredients make {made:.0f}")
    return found


def main() -> int:
    """Prints every fault; 1 if there is one."""
    recipes = dishes()
    names = [recipe["name"] for recipe in recipes]
    found = [fault for recipe in recipes for fault in faults(recipe)] + repeated(names) + alike(names) + twist_faults()
    sys.stdout.write("".join(f"{fault}\n" for fault in found) + f"{len(recipes)} recipes, {len(found)} faults\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
