"""What a prompt asks for, read as a model would read it: from our own rules, or from anybody's sentence about a meal."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from fanfold.apps.mealplan.lexicon import DIETS
from fanfold.apps.mealplan.params import WEIGHTS
from fanfold.apps.mealplan.prompts import ALLERGENS, CALORIES, CANDIDATE, CUISINES, DIET, EXCLUDE, MINUTES, SERVINGS

USUAL_SERVINGS = 2
_RULE = re.compile(r"^- ([A-Z][\w ]+): (.+)$", re.MULTILINE)
_MEAL = re.compile(r"\bmeal: ([\w-]+)\.")
_CANDIDATE = re.compile(r"^" + CANDIDATE.replace("{number}", r"\d+") + r"(\{.+\})$", re.MULTILINE)
_FREE_SERVINGS = re.compile(r"\b(\d{1,2}) (?:servings|people|persons|guests)\b")
_FREE_MINUTES = re.compile(r"\b(\d{1,3}) min(?:ute)?s?\b")


@dataclass(frozen=True)
class Asked:
    """kcal: least and most per serving. minutes: the most. None: free."""

    meal: str = "dinner"
    servings: int = USUAL_SERVINGS
    diets: tuple[str, ...] = ()
    allergens: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cuisines: tuple[str, ...] = ()
    minutes: int | None = None
    kcal: tuple[int, int] | None = None


def read(prompt: str) -> Asked:
    rules = dict(reversed(_RULE.findall(prompt)))  # the first of each counts: what comes later is told, not asked
    if SERVINGS not in rules:
        return _read_freely(prompt)
    meals = _MEAL.findall(prompt)
    meal = meals[-1] if meals else "dinner"
    span = re.search(rf"\b{re.escape(meal)} (\d+) to (\d+) kcal", rules.get(CALORIES, ""))
    return Asked(
        meal=meal,
        servings=int(rules[SERVINGS]),
        diets=tuple(diet for diet in _listed(rules.get(DIET)) if diet in DIETS),
        allergens=_listed(rules.get(ALLERGENS)),
        exclude=_listed(rules.get(EXCLUDE)),
        cuisines=_listed(rules.get(CUISINES)),
        minutes=int(rules[MINUTES]) if MINUTES in rules else None,
        kcal=(int(span[1]), int(span[2])) if span else None,
    )


def _read_freely(prompt: str) -> Asked:
    """ "A vegan breakfast for 4 people, ready in 20 minutes.": the words that we know."""
    text = prompt.casefold()
    meal = next((meal for meal in WEIGHTS if re.search(rf"\b{meal}\b", text)), "dinner")
    servings, minutes = _FREE_SERVINGS.search(text), _FREE_MINUTES.search(text)
    return Asked(
        meal=meal,
        servings=int(servings[1]) or USUAL_SERVINGS if servings else USUAL_SERVINGS,
        diets=tuple(diet for diet in DIETS if re.search(rf"\b{diet.replace('-', '[- ]')}\b", text)),
        minutes=int(minutes[1]) or None if minutes else None,
    )


def candidates(prompt: str) -> list[dict[str, Any]]:
    """The recipes that the prompt shows, to choose from."""
    return [json.loads(line) for line in _CANDIDATE.findall(prompt)]


def _listed(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value else ()
