"""What can be asked of a meal plan: the command's options and the service's parameters."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, field_validator, model_validator

from fanfold.apps.mealplan.lexicon import DIETS
from fanfold.apps.mealplan.types import SYNONYMS, Allergen, tag

WEIGHTS = {"breakfast": 0.25, "brunch": 0.35, "lunch": 0.35, "snack": 0.1, "dinner": 0.4, "dessert": 0.15}
"""Meal -> its part of a day's calories, before these are brought to one over the chosen meals."""
DIET_ALIASES = {
    "veggie": "vegetarian",
    "plant-based": "vegan",
    "pescetarian": "pescatarian",
    "lactose-free": "dairy-free",
    "milk-free": "dairy-free",
}
ANYTHING = frozenset({"", "any", "anything", "none", "omnivore"})
TOLERANCE = 0.25


def _listed(value: Any) -> Any:
    """A list, or the same as text with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _per_meal(value: Any) -> Any:
    """ "2000", or "breakfast=400,dinner=700"."""
    if not isinstance(value, str):
        return value
    if "=" not in value:
        if not re.fullmatch(r"\s*\d+\s*(kcal)?\s*", value):
            raise ValueError(f"{value!r} is not a number of kcal: write 2000 for a day, or breakfast=400,dinner=700")
        return int(re.findall(r"\d+", value)[0])
    pairs = [part.partition("=") for part in _listed(value)]
    if bad := [meal for meal, _, number in pairs if not number.strip().isdecimal()]:
        raise ValueError(f"{bad[0]!r} has no number of kcal: write breakfast=400,dinner=700")
    return {meal.strip(): int(number) for meal, _, number in pairs}


def _date(value: Any) -> Any:
    """A date as text. (Left alone, numbers would be taken for seconds since 1970.)"""
    if not isinstance(value, str):
        return value
    try:
        day = date.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(f"{value!r} is not a date: write 2026-11-23") from error
    if not 1900 <= day.year <= 2199:
        raise ValueError(f"a date from 1900 to 2199, not {value}")
    return day


Texts = Annotated[list[str], BeforeValidator(_listed)]


class Params(BaseModel):
    """Parameters of a meal plan."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    days: int = Field(default=7, description="Days to plan.")
    meals: Texts = Field(default=["breakfast", "lunch", "dinner"], description=f"Meals of a day, of {', '.join(WEIGHTS)}.")
    diet: Texts = Field(default=[], description=f"Diets that every recipe keeps to: {', '.join(DIETS)}.")
    exclude: Texts = Field(default=[], description="Ingredients to leave out, e.g. mushrooms,pork.")
    allergens: Texts = Field(default=[], description=f"Allergens to leave out: {', '.join(get_args(Allergen))}.")
    calories: Annotated[int | dict[str, int] | None, BeforeValidator(_per_meal)] = Field(
        default=None,
        description="kcal per person: 2000 for a day, shared over the meals, or breakfast=400,dinner=700 (both ±25 %).",
    )
    servings: int = Field(default=2, description="Persons to cook for.")
    cuisines: Texts = Field(default=[], description="Cuisines to choose from, e.g. italian,thai.")
    max_minutes: int | None = Field(default=None, description="Longest time for a recipe, from start to table.")
    strategy: Literal["llm", "rag", "hybrid"] = Field(
        default="hybrid",
        description="Where recipes come from: llm (the model alone), rag (each is adapted from recipes of a corpus), hybrid (some of each).",
    )
    ratio: float | None = Field(
        default=None, description="Part of the recipes that come from the corpus, 0 to 1, for hybrid; 0.5 if not given."
    )
    corpus: str | None = Field(
        default=None, description="A file of recipes of your own (JSON, JSONL or CSV), for rag and hybrid."
    )
    start: Annotated[date | None, BeforeValidator(_date)] = Field(
        default=None,
        description="Date of day 1 in what is exported, e.g. 2026-11-23; a calendar begins next Monday if not given.",
    )

    @field_validator("days", "servings")
    @classmethod
    def _from_one(cls, value: int) -> int:
        if value < 1:
            raise ValueError(f"a whole number from 1, not {value}")
        return value

    @field_validator("days")
    @classmethod
    def _a_year(cls, value: int) -> int:
        if value > 366:
            raise ValueError(f"at most 366, not {value}")
        return value

    @field_validator("servings")
    @classmethod
    def _kitchen(cls, value: int) -> int:
        if value > 100:
            raise ValueError(f"at most 100, not {value}")
        return value

    @field_validator("max_minutes")
    @classmethod
    def _enough_time(cls, value: int | None) -> int | None:
        if value is not None and value < 5:
            raise ValueError(f"a number of minutes from 5, not {value}")
        return value

    @field_validator("ratio")
    @classmethod
    def _part(cls, value: float | None) -> float | None:
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"a number from 0 to 1, not {value:g}")
        return value

    @field_validator("meals")
    @classmethod
    def _known_meals(cls, value: list[str]) -> list[str]:
        meals = [chosen(meal, list(WEIGHTS), "meal") for meal in value]
        if not meals:
            raise ValueError(f"name at least one of {', '.join(WEIGHTS)}")
        if repeated := next((meal for meal in meals if meals.count(meal) > 1), None):
            raise ValueError(f"{repeated!r} is named twice: each meal can be in a day once")
        return meals

    @field_validator("diet")
    @classmethod
    def _known_diets(cls, value: list[str]) -> list[str]:
        tags = [DIET_ALIASES.get(tag(diet), tag(diet)) for diet in value]
        return list(dict.fromkeys(chosen(diet, list(DIETS), "diet") for diet in tags if diet not in ANYTHING))

    @field_validator("allergens")
    @classmethod
    def _known_allergens(cls, value: list[str]) -> list[str]:
        tags = [SYNONYMS.get(tag(name), tag(name)) for name in value]
        return list(
            dict.fromkeys(chosen(name, list(get_args(Allergen)), "allergen") for name in tags if name not in ("", "none"))
        )

    @field_validator("exclude", "cuisines")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        return list({item.casefold(): item for item in map(str.strip, value) if item}.values())

    @field_validator("calories")
    @classmethod
    def _plausible(cls, value: int | dict[str, int] | None) -> int | dict[str, int] | None:
        if isinstance(value, int) and not 200 <= value <= 10_000:
            raise ValueError(f"200 to 10000 kcal for a day, not {value}")
        if isinstance(value, dict):
            if bad := next((kcal for kcal in value.values() if not 50 <= kcal <= 5000), None):
                raise ValueError(f"50 to 5000 kcal for a meal, not {bad}")
            return {chosen(meal, list(WEIGHTS), "meal"): kcal for meal, kcal in value.items()}
        return value

    @model_validator(mode="after")
    def _calories_of_chosen_meals(self) -> Params:
        if isinstance(self.calories, dict) and (other := sorted(self.calories.keys() - set(self.meals))):
            raise ValueError(f"calories are given for {other[0]}, which is not among the meals {', '.join(self.meals)}")
        return self

    @field_serializer("corpus", when_used="json")
    def _whole(self, value: str | None) -> str | None:
        """As a run's record keeps it, so that a run can be gone on with from anywhere."""
        return None if value is None else str(Path(value).absolute())

    def kcal(self, meal: str) -> tuple[int, int] | None:
        """Least and most kcal of a serving of this meal; None: it is free."""
        if self.calories is None or meal not in self.meals:
            return None
        if isinstance(self.calories, dict):
            target: float = self.calories.get(meal, 0)
        else:
            target = self.calories * WEIGHTS[meal] / sum(WEIGHTS[m] for m in self.meals)
        return (round(target * (1 - TOLERANCE)), round(target * (1 + TOLERANCE))) if target else None


def chosen(name: str, choices: list[str], kind: str) -> str:
    """The choice that a name means. Raises ValueError with the nearest one, and all of them."""
    found = tag(name)
    if found in choices:
        return str(found)
    near = get_close_matches(found, choices, 1)
    raise ValueError(
        f"there is no {kind} {name!r}" + (f" (did you mean {near[0]!r}?)" if near else "") + f"; choose from {', '.join(choices)}"
    )
