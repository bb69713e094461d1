"""The dishes that the simulated model knows, and which of them answer what is asked, under which names.

`corpus.jsonl`: one dish a line, the favourites first. `twists.json`: additions for two that make a variation of a dish, all of
them vegan and free of allergens, so that a variation suits whatever its dish suits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from fanfold.apps.mealplan.asked import Asked
from fanfold.apps.mealplan.checks import LEAST_INGREDIENTS, same_cuisine
from fanfold.apps.mealplan.lexicon import DIETS, against_diet, allergens_of, is_excluded
from fanfold.apps.mealplan.words import plain

Json = dict[str, Any]

LEAST_SCALE, MOST_SCALE = 0.6, 1.6  # how far a portion can be changed and still be that dish
TWIST_SERVINGS = 2  # what the amounts of a twist are for
ENOUGH_NAMES = 60  # a model with fewer ideas than this thinks further afield
STANDS_IN = {
    "brunch": ("breakfast", "lunch"), "snack": ("breakfast",), "dessert": ("breakfast",), "lunch": ("dinner",), "dinner": ("lunch",),
    "breakfast": ("brunch",),
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """A name on the menu: a dish, perhaps with a twist; `cuisine` and `minutes` when it was adapted to what is asked."""

    dish: Json
    twist: Json | None = None
    cuisine: str = ""
    minutes: int = 0


@cache
def dishes() -> tuple[Json, ...]:
    """name, cuisine, meals, diets, allergens, minutes, servings, calories per serving, twists, ingredients, steps."""
    return tuple(json.loads(line) for line in _text("corpus.jsonl").splitlines())


@cache
def twists() -> dict[str, Json]:
    found: dict[str, Json] = json.loads(_text("twists.json"))
    return found


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


@lru_cache(maxsize=256)
def menu(asked: Asked) -> dict[str, Choice]:
    """Name -> choice, the most popular first; never empty. What fits only when adapted comes last."""
    names: dict[str, Choice] = {}
    for loosened in _loosened(asked):
        fitting = [_adapted(dish, asked) for dish in dishes() if fits(dish, loosened)]
        for name, choice in _variations(fitting, asked):
            names.setdefault(name, choice)
        if len(names) >= ENOUGH_NAMES:
            return names
    if names:
        return names
    rest = [left for left in (_without(dish, asked) for dish in dishes()) if left is not None]
    return dict(_variations(rest, asked)) or _anything(asked)


def _loosened(asked: Asked) -> Iterator[Asked]:
    """What is asked, then with more and more of the bounds that a cook can bend a dish to."""
    yield asked
    asked = replace(asked, cuisines=())
    yield asked
    asked = replace(asked, kcal=None)
    yield asked
    asked = replace(asked, minutes=None)
    yield asked
    for meal in STANDS_IN.get(asked.meal, ()):
        yield replace(asked, meal=meal)


def fits(dish: Json, asked: Asked) -> bool:
    return (
        asked.meal in dish["meals"]
        and all(diet in dish["diets"] for diet in asked.diets)
        and not set(asked.allergens) & set(dish["allergens"])
        and not _excluded(dish, asked)
        and (asked.minutes is None or dish["minutes"] <= asked.minutes)
        and (asked.kcal is None or LEAST_SCALE <= sum(asked.kcal) / 2 / dish["calories"] <= MOST_SCALE)
        and (not asked.cuisines or _is_of(dish["cuisine"], asked.cuisines))
    )


def _excluded(thing: Json, asked: Asked) -> bool:
    return any(is_excluded(term, item["name"]) for term in asked.exclude for item in thing["ingredients"])


def _is_of(cuisine: str, cuisines: tuple[str, ...]) -> bool:
    return same_cuisine(cuisine, {" ".join(plain(wanted).split()) for wanted in cuisines})


def _adapted(dish: Json, asked: Asked) -> Choice:
    """A dish from elsewhere is cooked in the style that was asked for; a slow one is made quick."""
    elsewhere = asked.cuisines and not _is_of(dish["cuisine"], asked.cuisines)
    slow = asked.minutes is not None and dish["minutes"] > asked.minutes
    return Choice(dish, cuisine=asked.cuisines[0] if elsewhere else "", minutes=asked.minutes or 0 if slow else 0)


def _variations(choices: list[Choice], asked: Asked) -> Iterator[tuple[str, Choice]]:
    """First every dish as it is, then every dish with its first twist, and so on."""
    deepest = max((len(choice.dish["twists"]) for choice in choices), default=0)
    for depth in range(deepest + 1):
        for choice in choices:
            if depth > len(choice.dish["twists"]):
                continue
            twist = twists()[choice.dish["twists"][depth - 1]] if depth else None
            if twist is None or _room_for(choice, twist, asked):
                varied = replace(choice, twist=twist)
                yield _name(varied), varied


def _room_for(choice: Choice, twist: Json, asked: Asked) -> bool:
    minutes = choice.dish["minutes"] + twist["minutes"]
    return not _excluded(twist, asked) and (asked.minutes is None or choice.minutes > 0 or minutes <= asked.minutes)


def _name(choice: Choice) -> str:
    """ "Quick Thai-Style Shakshuka with Spinach"; "Pasta with Peas" takes no second "with"."""
    name = str(choice.dish["name"])
    if choice.twist is not None:
        name += (" and " if " with " in name.casefold() else " with ") + choice.twist["text"].title().replace(" And ", " and ")
    if choice.cuisine:
        name = f"{choice.cuisine.title()}-Style {name}"
    return f"Quick {name}" if choice.minutes else name


def _without(dish: Json, asked: Asked) -> Choice | None:
    """The last resort: the dish without whatever stands against it, if enough is left."""
    kept = [item for item in dish["ingredients"] if not _stands_against(item["name"], asked)]
    if len(kept) < LEAST_INGREDIENTS:
        return None
    allergens = sorted({allergen for item in kept for allergen in allergens_of(item["name"])})
    diets = [diet for diet in DIETS if not any(against_diet(diet, item["name"]) for item in kept)]
    return _adapted({**dish, "ingredients": kept, "allergens": allergens, "diets": diets}, asked)


def _stands_against(ingredient: str, asked: Asked) -> bool:
    return (
        any(against_diet(diet, ingredient) for diet in asked.diets)
        or not set(asked.allergens).isdisjoint(allergens_of(ingredient))
        or any(is_excluded(term, ingredient) for term in asked.exclude)
    )


def _anything(asked: Asked) -> dict[str, Choice]:
    """Nothing can be cooked within these rules: a model answers all the same."""
    return {str(dish["name"]): _adapted(dish, asked) for dish in dishes()}
