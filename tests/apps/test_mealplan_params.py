"""Parameters: what is understood, and what is said about what is not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fanfold.apps.mealplan.params import Params


def test_defaults_are_a_week_for_two():
    params = Params()
    assert (params.days, params.meals, params.servings, params.strategy) == (7, ["breakfast", "lunch", "dinner"], 2, "hybrid")
    assert (params.diet, params.allergens, params.exclude, params.cuisines) == ([], [], [], [])
    assert params.calories is params.max_minutes is params.ratio is params.corpus is None


GOOD = [
    ({"meals": "Breakfast, dinner"}, "meals", ["breakfast", "dinner"]),
    ({"diet": "Vegan"}, "diet", ["vegan"]),
    ({"diet": "veggie, gluten free"}, "diet", ["vegetarian", "gluten-free"]),
    ({"diet": "none"}, "diet", []),
    ({"diet": ["plant based", "vegan"]}, "diet", ["vegan"]),
    ({"allergens": "dairy,Tree nuts,soya,milk"}, "allergens", ["milk", "nuts", "soy"]),
    ({"exclude": "Mushrooms, mushrooms,, pork"}, "exclude", ["mushrooms", "pork"]),
    ({"cuisines": "italian, Thai"}, "cuisines", ["italian", "Thai"]),
    ({"calories": "2000"}, "calories", 2000),
    ({"calories": "breakfast=400, dinner=700"}, "calories", {"breakfast": 400, "dinner": 700}),
    ({"calories": {"lunch": 600}}, "calories", {"lunch": 600}),
]


@pytest.mark.parametrize(("given", "name", "expected"), GOOD, ids=[str(given) for given, _, _ in GOOD])
def test_what_is_understood(given, name, expected):
    assert getattr(Params(**given), name) == expected


WRONG = [
    ({"days": 0}, "a whole number from 1, not 0"),
    ({"days": "seven"}, "valid integer"),
    ({"servings": 0}, "a whole number from 1"),
    ({"servings": 101}, "at most 100"),
    ({"meals": "breakfast,lunch,breakfast"}, "'breakfast' is named twice"),
    ({"meals": "lunhc"}, "did you mean 'lunch'"),
    ({"meals": ""}, "name at least one of breakfast"),
    ({"diet": "vegetarain"}, "did you mean 'vegetarian'"),
    ({"diet": "keto"}, "choose from vegetarian, vegan, pescatarian"),
    ({"allergens": "peanust"}, "did you mean 'peanuts'"),
    ({"allergens": "dust"}, "choose from gluten, crustaceans"),
    ({"calories": "lots"}, "is not a number of kcal: write 2000"),
    ({"calories": "breakfast="}, "'breakfast' has no number of kcal"),
    ({"calories": 20}, "200 to 10000 kcal for a day"),
    ({"calories": "dinner=20"}, "50 to 5000 kcal for a meal"),
    ({"calories": "diner=500"}, "did you mean 'dinner'"),
    ({"calories": "snack=100"}, "snack, which is not among the meals"),
    ({"max_minutes": 3}, "a number of minutes from 5"),
    ({"ratio": 1.5}, "a number from 0 to 1"),
    ({"strategy": "best"}, "'llm', 'rag' or 'hybrid'"),
    ({"dayz": 3}, "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[str(given) for given, _ in WRONG])
def test_what_is_wrong_is_said_with_the_choices(given, message):
    with pytest.raises(ValidationError) as raised:
        Params(**given)
    assert message in raised.value.errors()[0]["msg"]


def test_a_days_calories_are_shared_over_its_meals():
    params = Params(calories=2000)
    assert [params.kcal(meal) for meal in params.meals] == [(375, 625), (525, 875), (600, 1000)]
    assert Params(calories=2000, meals="dinner").kcal("dinner") == (1500, 2500)
    assert Params(calories=2000, meals="dinner").kcal("lunch") is None
    assert Params(calories="lunch=600").kcal("lunch") == (450, 750)
    assert Params(calories="lunch=600").kcal("dinner") is None
    assert Params().kcal("lunch") is None


def test_every_parameter_has_a_help_text_and_survives_a_round_trip():
    assert all(field.description for field in Params.model_fields.values())
    params = Params(diet="vegan", calories="lunch=500", meals="lunch", exclude="kale")
    assert Params(**params.model_dump(mode="json")) == params
    assert Params.model_json_schema()["properties"].keys() == Params.model_fields.keys()
