"""The hard rules: what passes, and what is said about what does not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fanfold.apps.mealplan.checks import checks_for
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.types import Recipe
from tests.apps.recipes import recipe

BASE = ["400 g white beans", "2 piece carrots", "2 tbsp olive oil"]


def findings(params: dict, changes: dict) -> list[str]:
    return [reason for check in checks_for(Params(**params)) if (reason := check(recipe(**changes))) is not None]


PASSES = [
    ({}, {}),
    ({"diet": "vegan,gluten-free"}, {}),
    ({"diet": "vegetarian,dairy-free,pescatarian,egg-free"}, {"diets": ["vegan"]}),
    ({"diet": "vegetarian"}, {"diets": ["Vegetarian"], "ingredients": [*BASE, "50 g feta"], "allergens": ["milk"]}),
    ({"allergens": "milk,nuts"}, {"ingredients": [*BASE, "200 ml coconut milk", "1 pinch nutmeg"]}),
    ({"exclude": "mushrooms,pork"}, {}),
    ({"max_minutes": 30}, {}),
    ({"cuisines": "greek,italian"}, {"cuisine": "Northern Greek"}),
    ({"cuisines": "tex-mex"}, {"cuisine": "Tex Mex"}),
    ({"calories": 2000}, {}),
    ({"calories": 2000}, {"meal": "breakfast", "calories": 400}),
    ({"calories": 2000}, {"meal": "", "calories": 400}),
    ({"servings": 4}, {"servings": 4}),
    ({}, {"ingredients": [*BASE, "0 pinch salt", "0 piece pepper"]}),
]
FAILS = [
    ({}, {"ingredients": BASE[:2]}, "2 ingredients: list everything"),
    ({}, {"steps": ["Cook.", "  "]}, "1 steps"),
    ({}, {"ingredients": [*BASE, "40000 g rice"]}, "40000 g rice is too much for 2 servings"),
    ({}, {"ingredients": [*BASE, "400 piece eggs"], "allergens": ["eggs"]}, "too much"),
    ({}, {"ingredients": [*BASE, "0 g rice"]}, "give its amount"),
    ({"servings": 4}, {}, "for 2 servings: write it, with its amounts, for 4"),
    ({"diet": "vegetarian"}, {"ingredients": [*BASE, "80 g smoked bacon"]}, "smoked bacon (bacon) is not vegetarian: replace it"),
    ({"diet": "vegan"}, {"ingredients": [*BASE, "2 tbsp honey"]}, "honey is not vegan"),
    ({"diet": "pescatarian"}, {"ingredients": [*BASE, "1 l chicken stock"]}, "(chicken) is not pescatarian"),
    ({"diet": "gluten-free"}, {"ingredients": [*BASE, "100 g couscous"], "allergens": ["gluten"]}, "couscous is not gluten-free"),
    ({"diet": "vegetarian"}, {"diets": ["gluten-free"]}, "do not name vegetarian"),
    ({}, {"ingredients": [*BASE, "50 g feta"]}, "feta contains milk (feta), which its allergens do not name: add milk"),
    ({"allergens": "milk"}, {"ingredients": [*BASE, "50 g feta"], "allergens": ["milk"]}, "feta contains milk: replace it"),
    ({"allergens": "nuts"}, {"allergens": ["nuts"]}, "its allergens name nuts"),
    ({"exclude": "carrot"}, {}, "carrots: there may be no carrot in it"),
    ({"max_minutes": 20}, {}, "takes 30 minutes: choose a dish that is on the table in 20"),
    ({"cuisines": "thai,italian"}, {}, "its cuisine is Greek: choose a dish whose cuisine is thai or italian"),
    ({"calories": 2000}, {"calories": 300}, "300 kcal per serving is too little: make it 525 to 875"),
    ({"calories": 2000}, {"meal": "breakfast"}, None),
    ({"calories": 2000}, {"meal": "breakfast", "calories": 700}, "700 kcal per serving is too much: make it 375 to 625"),
    ({"calories": 2000}, {"meal": "supper", "calories": 1500}, "make it 375 to 1000"),
]  # fmt: skip


@pytest.mark.parametrize(("params", "changes"), PASSES)
def test_good_recipes_pass(params, changes):
    assert findings(params, changes) == []


@pytest.mark.parametrize(("params", "changes", "reason"), FAILS, ids=[f"{p} {c}" for p, c, _ in FAILS])
def test_a_broken_rule_is_named_with_its_remedy(params, changes, reason):
    found = findings(params, changes)
    if reason is None:
        assert found == []
    else:
        assert any(reason in text for text in found), found


def test_checks_have_names_of_their_own():
    checks = checks_for(
        Params(diet="vegan,nut-free", allergens="milk", exclude="kale", max_minutes=20, cuisines="thai", calories=2000)
    )
    names = [check.__name__ for check in checks]
    assert len(set(names)) == len(names) and "check_nut_free" in names


def test_models_write_recipes_in_their_own_way():
    data = recipe().model_dump()
    loose = Recipe.model_validate(
        {
            **data,
            "calories": 512.5,
            "diets": ["Gluten Free", "vegan", "vegan"],
            "allergens": ["dairy", "Tree Nuts", "milk", "none"],
            "comment": "x",
        }
    )
    assert (loose.calories, loose.diets, loose.allergens) == (512, ["gluten-free", "vegan"], ["milk", "nuts"])


@pytest.mark.parametrize(
    "change",
    [{"name": " "}, {"servings": 0}, {"minutes": "soon"}, {"allergens": ["dust"]}, {"allergens": [1]}, {"ingredients": None}, {"steps": "Cook."},
     {"ingredients": [{"name": "rice", "amount": -1, "unit": "g"}]}, {"ingredients": [{"name": "rice", "amount": float("inf"), "unit": "g"}]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_recipe(change):
    with pytest.raises(ValidationError):
        Recipe.model_validate({**recipe().model_dump(), **change})


def test_the_name_comes_first_in_the_schema():
    schema = Recipe.model_json_schema()
    assert schema["title"] == "Recipe" and next(iter(schema["properties"])) == "name"
    assert {"name", "cuisine", "minutes", "servings", "calories", "diets", "allergens", "ingredients", "steps"} == set(
        schema["required"]
    )
