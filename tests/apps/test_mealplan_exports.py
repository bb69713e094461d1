"""The plan as JSON, as text for people, and as rows."""

from __future__ import annotations

from types import SimpleNamespace

from fanfold.apps.mealplan import APP, plan
from fanfold.apps.mealplan.exports import content, markdown, rows
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.shopping import shopping_list
from fanfold.spec.compile import compile_plan
from tests.apps.recipes import recipe

STEW = recipe()
TOAST = recipe(name="Cheese Toast", cuisine="British", minutes=10, calories=400, diets=["vegetarian"], allergens=["gluten", "milk"],
               ingredients=["4 slice bread", "100 g cheddar", "0 pinch salt"], steps=["Toast.", "Melt the cheddar on it."])  # fmt: skip

MARKDOWN = """\
# Day 1

## Breakfast: Cheese Toast

*British · 10 min · 400 kcal · serves 2 · contains gluten, milk*

4 slices bread, 100 g cheddar, salt

1. Toast.
2. Melt the cheddar on it.

*No lunch: it takes 90 minutes*

# Day 2

## Lunch: Bean Stew

*Greek · 30 min · 600 kcal · serves 2*

400 g white beans, 2 carrots, 2 tbsp olive oil

1. Fry the carrots in the oil.
2. Add the beans and simmer.

# Shopping list

**Vegetables and fruit**: 2 carrots

**Dairy and eggs**: 100 g cheddar

**Bread, pasta and grains**: 4 slices bread

**Herbs and spices**: salt

**Store cupboard**: 2 tbsp olive oil, 400 g white beans
"""


class Fake(dict):
    """A result: what each cell holds."""


def result(cells: dict, shopping: list) -> Fake:
    def cell(day: int, meal: str):
        return SimpleNamespace(value=cells.get((day, meal)), candidates=("a",) if meal == "breakfast" else ())

    return Fake(recipe=SimpleNamespace(cell=cell), shopping=SimpleNamespace(values=shopping))


def two_days() -> dict:
    cells = {(2, "lunch"): STEW, (1, "breakfast"): TOAST}
    return content(Params(days=2, meals="breakfast,lunch", strategy="llm"), result(cells, [shopping_list([TOAST, STEW])]))


def test_days_and_meals_are_in_order_and_a_failed_meal_is_left_out():
    data = two_days()
    assert [day["day"] for day in data["plan"]] == [1, 2]
    assert [[meal["type"] for meal in day["meals"]] for day in data["plan"]] == [["breakfast"], ["lunch"]]
    assert [[meal["source"] for meal in day["meals"]] for day in data["plan"]] == [["rag"], ["llm"]]
    written = data["plan"][0]["meals"][0]["recipe"]
    assert list(written) == ["name", "cuisine", "minutes", "servings", "calories", "diets", "allergens", "ingredients", "steps"]
    assert written["ingredients"][1] == {"name": "cheddar", "amount": 100.0, "unit": "g"}


def test_the_shopping_list_says_what_each_thing_is_for():
    carrots = next(item for item in two_days()["shopping_list"] if item["name"] == "carrots")
    assert carrots == {
        "name": "carrots",
        "amount": 2.0,
        "unit": "piece",
        "section": "vegetables and fruit",
        "for": ["Day 2 lunch: Bean Stew"],
    }


def test_nothing_accepted_is_an_empty_plan():
    data = content(Params(days=2), result({}, []))
    assert data == {"plan": [{"day": 1, "meals": []}, {"day": 2, "meals": []}], "shopping_list": []}
    assert "# Day 2" in markdown(data) and "Shopping" not in markdown(data) and rows(data) == []


def test_a_start_is_told_only_where_it_was_asked_for():
    assert list(two_days()) == ["plan", "shopping_list"]
    dated = content(Params(days=1, start="2026-11-23"), result({}, []))
    assert list(dated) == ["start", "plan", "shopping_list"] and dated["start"] == "2026-11-23"


def test_the_text_for_people():
    failed = {
        "stage": "recipe",
        "cell": {"day": 1, "meal": "lunch"},
        "code": "check_failed",
        "message": "it takes 90 minutes",
        "hint": "",
        "attempts": 8,
    }
    assert markdown({**two_days(), "errors": [failed]}) == MARKDOWN


def test_a_row_for_each_recipe():
    found = rows(two_days())
    assert [(row["day"], row["meal"], row["name"]) for row in found] == [
        (1, "breakfast", "Cheese Toast"),
        (2, "lunch", "Bean Stew"),
    ]
    assert found[0]["allergens"] == "gluten, milk" and found[0]["ingredients"] == "4 slices bread; 100 g cheddar; salt"
    assert all(not isinstance(value, list | dict) for row in found for value in row.values())


def test_the_plan_compiles():
    compiled = compile_plan(plan(Params(days=2, diet="vegan", calories=2000)))
    assert compiled.step("recipe").over == ("day", "meal") and compiled.step("shopping").needs == ("recipe",)
    assert compiled.axes["day"].size == 2 and compiled.axes["meal"].values == ["breakfast", "lunch", "dinner"]
    assert compiled.step("recipe").unique.by == "name" and compiled.step("recipe").step.attempts == 10


def test_the_application_says_who_it_is():
    assert list(APP.documents) == ["html", "ics"] and [size["days"] for size in APP.bench] == [1, 3, 5, 7]
    assert (APP.name, APP.params, APP.plan) == ("mealplan", Params, plan) and APP.summary.endswith(".")
