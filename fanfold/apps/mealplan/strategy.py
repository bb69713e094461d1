"""Where each recipe comes from: from the model alone (llm), grounded in recipes of a corpus (rag), or some of each (hybrid)."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any

from fanfold import Candidates, Cell, PlanError
from fanfold.apps.mealplan.checks import same_cuisine
from fanfold.apps.mealplan.corpus import Corpus
from fanfold.apps.mealplan.menu import LEAST_SCALE, MOST_SCALE
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.prompts import SERVINGS, rules
from fanfold.apps.mealplan.words import plain

Json = dict[str, Any]

SHOWN = 3  # candidates that a recipe is grounded in, at most
HALF = 0.5  # of the recipes come from the corpus, where no ratio is given


def candidates_for(params: Params) -> Candidates | None:
    """What the recipes are grounded in. Each candidate is given to one cell only. Raises PlanError."""
    if params.ratio is not None and params.strategy != "hybrid":
        raise PlanError(
            "ratio", f"belongs to the strategy hybrid, not {params.strategy}", "leave it out, or use --strategy hybrid"
        )
    if params.corpus is not None and params.strategy == "llm":
        raise PlanError("corpus", "belongs to the strategies rag and hybrid, not llm", "leave it out, or use --strategy rag")
    if params.strategy == "llm":
        return None
    corpus = Corpus.shipped() if params.corpus is None else Corpus.read(params.corpus)
    grounded = sum(from_corpus(params, day, place) for day in range(params.days) for place in range(len(params.meals)))
    if grounded and params.corpus is not None:
        _suits_some(params, corpus)
    take = max(1, min(SHOWN, len(corpus) // max(1, grounded)))
    return Candidates(_search(params, corpus, most=take * grounded), take=take, key=lambda candidate: plain(candidate["name"]))


def _suits_some(params: Params, corpus: Corpus) -> None:
    """Raises PlanError for a corpus of which no recipe could ever be used: all would be written by the model alone."""
    search = _search(params, corpus, most=1)
    days = {  # one on which it is grounded, for each meal: what suits is the same on all
        meal: day
        for place, meal in enumerate(params.meals)
        if (day := next((day for day in range(params.days) if from_corpus(params, day, place)), None)) is not None
    }
    if any(search(Cell("recipe", {"day": day + 1, "meal": meal}, {}, {}, {})) for meal, day in days.items()):
        return
    asked = [line.removeprefix("- ") for line in rules(params).splitlines() if not line.startswith(f"- {SERVINGS}")]
    raise PlanError(
        "corpus",
        f"none of its recipes ({len(corpus)}) suits: {'; '.join([*asked, 'Meals: ' + ', '.join(days)])}",
        "loosen a rule, give other recipes, or use --strategy llm",
    )


def from_corpus(params: Params, day: int, place: int) -> bool:
    """Whether the meal at this place of a day, both from 0, is grounded in the corpus.

    Every day has its share, to within one; and so has every meal, for they take turns.
    """
    if params.strategy != "hybrid":
        return params.strategy == "rag"
    ratio, meals = HALF if params.ratio is None else params.ratio, len(params.meals)
    before, after = (floor(number * meals * ratio + 0.5 + 1e-9) for number in (day, day + 1))
    return (place - before) % meals < after - before


def _search(params: Params, corpus: Corpus, most: int) -> Callable[[Cell], list[Json]]:
    wanted = {" ".join(plain(cuisine).split()) for cuisine in params.cuisines}

    def search(cell: Cell) -> list[Json]:
        """What suits the meal as it is, then what does in larger or smaller portions."""
        day, meal = cell["day"], cell["meal"]
        if not from_corpus(params, day - 1, params.meals.index(meal)):
            return []
        kcal = params.kcal(meal)
        spans = [kcal] if kcal is None else [kcal, (round(kcal[0] / MOST_SCALE), round(kcal[1] / LEAST_SCALE))]
        found: dict[str, Json] = {}
        for span in spans:
            recipes = corpus.search(
                meal=meal, diets=params.diet, allergens=params.allergens, exclude=params.exclude, kcal=span,
                max_minutes=params.max_minutes, cuisines=params.cuisines, seed=f"{day} {meal}", limit=most,
            )  # fmt: skip
            for recipe in recipes:
                found.setdefault(recipe["name"], recipe)
        return [recipe for recipe in found.values() if not wanted or same_cuisine(recipe["cuisine"], wanted)]

    return search
