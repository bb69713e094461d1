"""The hard rules. Each check says what is wrong and what to do about it, for the model to mend."""

from __future__ import annotations

from collections.abc import Callable

from fanfold.apps.mealplan.lexicon import DIETS, against_diet, allergens_of, is_excluded
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.types import Recipe
from fanfold.apps.mealplan.units import in_base
from fanfold.apps.mealplan.words import plain

Check = Callable[[Recipe], str | None]

IMPLIES = {"vegan": {"vegetarian", "pescatarian", "dairy-free", "egg-free"}, "vegetarian": {"pescatarian"}}
MOST_PER_SERVING = {"g": 1500.0, "ml": 1500.0}
MOST_PIECES = 40.0
LEAST_INGREDIENTS, LEAST_STEPS = 3, 2


def checks_for(params: Params) -> list[Check]:
    """The checks that these parameters ask for, the cheap and structural ones first."""
    checks = [complete, amounts, _servings(params.servings), *(_diet(diet) for diet in params.diet), declared_allergens]
    if params.allergens:
        checks.append(_allergens(params.allergens))
    if params.exclude:
        checks.append(_exclude(params.exclude))
    if params.max_minutes is not None:
        checks.append(_time(params.max_minutes))
    if params.cuisines:
        checks.append(_cuisine(params.cuisines))
    if params.calories is not None:
        checks.append(_calories(params))
    return checks


def complete(recipe: Recipe) -> str | None:
    """It can be cooked: enough ingredients and steps, none of them blank."""
    steps = [step for step in recipe.steps if step.strip()]
    if len(recipe.ingredients) < LEAST_INGREDIENTS:
        return f"it has {len(recipe.ingredients)} ingredients: list everything it needs, at least {LEAST_INGREDIENTS}"
    if len(steps) < LEAST_STEPS:
        return f"it has {len(steps)} steps: write how to cook it in at least {LEAST_STEPS} steps"
    return None


def amounts(recipe: Recipe) -> str | None:
    """Amounts that a kitchen could use: no kilos of one thing per person, nothing without an amount except to taste."""
    for item in recipe.ingredients:
        amount, unit = in_base(item.amount, item.unit)
        most = MOST_PER_SERVING.get(unit, MOST_PIECES) * recipe.servings
        if amount > most:
            return f"{item.amount:g} {item.unit} {item.name} is too much for {recipe.servings} servings: correct the amount or its unit"
        if item.amount == 0 and unit in MOST_PER_SERVING:
            return f'{item.name} has the amount 0 {item.unit}: give its amount, or the unit "to taste"'
    return None


def _servings(servings: int) -> Check:
    def check_servings(recipe: Recipe) -> str | None:
        if recipe.servings == servings:
            return None
        return f"it is for {recipe.servings} servings: write it, with its amounts, for {servings}"

    return check_servings


def _diet(diet: str) -> Check:
    def check_diet(recipe: Recipe) -> str | None:
        for item in recipe.ingredients:
            word = against_diet(diet, item.name)
            if word is not None:
                what = item.name if word == plain(item.name) else f"{item.name} ({word})"
                return f"{what} is not {diet}: replace it with something that is, or choose another {diet} dish"
        if diet not in recipe.diets and not any(diet in IMPLIES.get(other, ()) for other in recipe.diets):
            return f"its diets do not name {diet}: make sure that it is {diet}, and say so in diets"
        return None

    assert diet in DIETS
    check_diet.__name__ = f"check_{diet.replace('-', '_')}"
    return check_diet


def declared_allergens(recipe: Recipe) -> str | None:
    """Whoever reads the list of allergens trusts it: what the ingredients plainly contain must be in it."""
    for item in recipe.ingredients:
        for allergen, word in allergens_of(item.name).items():
            if allergen not in recipe.allergens:
                return f"{item.name} contains {allergen} ({word}), which its allergens do not name: add {allergen}, or replace the ingredient"
    return None


def _allergens(avoided: list[str]) -> Check:
    def check_allergens(recipe: Recipe) -> str | None:
        for item in recipe.ingredients:
            found = allergens_of(item.name)
            for allergen in avoided:
                if allergen in found:
                    return f"{item.name} contains {allergen}: replace it, or choose a dish without {allergen}"
        for allergen in avoided:
            if allergen in recipe.allergens:
                return f"its allergens name {allergen}: choose a dish whose ingredients contain none"
        return None

    return check_allergens


def _exclude(excluded: list[str]) -> Check:
    def check_exclude(recipe: Recipe) -> str | None:
        for item in recipe.ingredients:
            for term in excluded:
                if is_excluded(term, item.name):
                    return f"{item.name}: there may be no {term} in it. Replace it, or choose a dish without"
        return None

    return check_exclude


def _time(max_minutes: int) -> Check:
    def check_time(recipe: Recipe) -> str | None:
        if recipe.minutes <= max_minutes:
            return None
        return f"it takes {recipe.minutes} minutes: choose a dish that is on the table in {max_minutes} minutes at most"

    return check_time


def _cuisine(cuisines: list[str]) -> Check:
    wanted = {" ".join(plain(cuisine).split()) for cuisine in cuisines}

    def check_cuisine(recipe: Recipe) -> str | None:
        if same_cuisine(recipe.cuisine, wanted):
            return None
        return f"its cuisine is {recipe.cuisine}: choose a dish whose cuisine is {' or '.join(cuisines)}"

    return check_cuisine


def same_cuisine(cuisine: str, wanted: set[str]) -> bool:
    """Whether one of the wanted cuisines (plain) is named: "Southern Italian" and "Italian (Tuscan)" are Italian."""
    words = " ".join("".join(char if char.isalnum() else " " for char in plain(cuisine)).split())
    return any(f" {' '.join(want.replace('-', ' ').split())} " in f" {words} " for want in wanted)


def _calories(params: Params) -> Check:
    spans = {meal: span for meal in params.meals if (span := params.kcal(meal))}
    widest = (
        (min(low for low, _ in spans.values()), max(high for _, high in spans.values()))
        if len(spans) == len(params.meals)
        else None
    )

    def check_calories(recipe: Recipe) -> str | None:
        span = spans.get(recipe.meal) if recipe.meal in params.meals else widest
        if span is None or span[0] <= recipe.calories <= span[1]:
            return None
        much = "little" if recipe.calories < span[0] else "much"
        return f"{recipe.calories} kcal per serving is too {much}: make it {span[0]} to {span[1]} kcal, and change the amounts to match"

    return check_calories
