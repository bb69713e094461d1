"""mealplan: a week of recipes in the time of one call, every one different and within the rules; and what to buy for them."""

from __future__ import annotations

from fanfold import App, Axis, Plan, Step
from fanfold.apps.mealplan.calendar import calendar
from fanfold.apps.mealplan.checks import checks_for
from fanfold.apps.mealplan.exports import content, markdown, rows
from fanfold.apps.mealplan.html import html
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.prompts import PROMPT, SYSTEM, grounded, rules
from fanfold.apps.mealplan.shopping import shopping_list
from fanfold.apps.mealplan.strategy import candidates_for
from fanfold.apps.mealplan.types import Recipe, ShoppingItem

MANY_MEALS, CALLS_OF_MANY = 50, 20


def plan(params: Params) -> Plan:
    """Every recipe at once, then one shopping list of those that were accepted."""
    candidates = candidates_for(params)
    recipe = Step(
        "recipe",
        prompt=PROMPT if candidates is None else grounded,
        system=SYSTEM,
        output=Recipe,
        over=("day", "meal"),
        unique="name",
        candidates=candidates,
        checks=checks_for(params),
        attempts=10,
        weight=95,
    )
    shopping = Step(
        "shopping", function=lambda cell: shopping_list(cell["recipe"]), needs=("recipe",), output=list[ShoppingItem], weight=5
    )
    return Plan(
        "mealplan",
        steps=[recipe, shopping],
        axes=[Axis("day", range(1, params.days + 1)), Axis("meal", params.meals)],
        given={"rules": rules(params)},
        concurrent=CALLS_OF_MANY if params.days * len(params.meals) > MANY_MEALS else None,
    )


APP = App(
    name="mealplan",
    summary="Plan meals: all recipes at once, no two the same, and the shopping list.",
    params=Params,
    plan=plan,
    content=content,
    markdown=markdown,
    rows=rows,
    documents={"html": html, "ics": calendar},
    bench=[{"days": days} for days in (1, 3, 5, 7)],
)
