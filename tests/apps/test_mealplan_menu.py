"""The dishes of the simulated model, held to the application's own rules; and how it reads and answers prompts."""

from __future__ import annotations

from random import Random

import pytest
from pydantic import BaseModel

from fanfold import Plan
from fanfold.apps.mealplan import APP
from fanfold.apps.mealplan.asked import Asked, read
from fanfold.apps.mealplan.checks import checks_for
from fanfold.apps.mealplan.content import recipe as write
from fanfold.apps.mealplan.lexicon import DIETS, against_diet, allergens_of
from fanfold.apps.mealplan.menu import dishes, menu, twists
from fanfold.apps.mealplan.params import WEIGHTS, Params
from fanfold.apps.mealplan.portions import portioned, rounded
from fanfold.apps.mealplan.prompts import PROMPT, SYSTEM, rules
from fanfold.apps.mealplan.types import Recipe
from fanfold.apps.mealplan.units import MASS, VOLUME, unit_of
from fanfold.core.uniqueness import normalise
from fanfold.sim.pen import Habits, Pen
from fanfold.spec import phrases

KNOWN_UNITS = {*MASS, *VOLUME, "piece", "clove", "slice", "can", "bunch", "pinch", "sheet", "to taste"}
SPOTLESS = Habits(slips=0.0, obeys=1.0)


def said(params: Params, day: int = 1, meal: str = "dinner") -> str:
    return SYSTEM.replace("{rules}", rules(params)) + "\n\n" + PROMPT.replace("{day}", str(day)).replace("{meal}", meal)


def pen(prompt: str, seed: int = 0, habits: Habits = SPOTLESS, schema: dict | None = None) -> Pen:
    return Pen(Random(seed), prompt, schema or {}, habits)


# ------------------------------------------------------------------ the file


@pytest.mark.parametrize("dish", dishes(), ids=lambda dish: dish["name"])
def test_a_dish_keeps_what_it_declares(dish):
    names = [item["name"] for item in dish["ingredients"]]
    assert set(dish["allergens"]) == {allergen for name in names for allergen in allergens_of(name)}
    assert set(dish["diets"]) == {diet for diet in DIETS if not any(against_diet(diet, name) for name in names)}
    assert 100 <= dish["calories"] <= 1200 and 3 <= dish["minutes"] <= 150
    assert set(dish["meals"]) <= set(WEIGHTS) and dish["meals"]
    assert all(item["amount"] > 0 or item["unit"] == "to taste" for item in dish["ingredients"])
    assert {unit_of(item["unit"]) for item in dish["ingredients"]} <= KNOWN_UNITS
    assert len(dish["twists"]) >= 2 and set(dish["twists"]) <= set(twists())
    made = Recipe.model_validate(dish)
    assert [reason for check in checks_for(Params(servings=dish["servings"])) if (reason := check(made))] == []


@pytest.mark.parametrize("twist", twists().values(), ids=twists())
def test_a_twist_suits_every_dish(twist):
    for item in twist["ingredients"]:
        assert not allergens_of(item["name"]) and not any(against_diet(diet, item["name"]) for diet in DIETS)
        assert item["amount"] > 0 and unit_of(item["unit"]) in KNOWN_UNITS


def test_there_is_plenty_to_choose_from():
    def count(meal: str, diet: str | None = None) -> int:
        return sum(meal in dish["meals"] and (diet is None or diet in dish["diets"]) for dish in dishes())

    assert len(dishes()) >= 150
    assert count("breakfast") >= 40 and count("lunch") >= 50 and count("dinner") >= 50
    assert sum("vegetarian" in dish["diets"] for dish in dishes()) >= len(dishes()) / 2
    assert sum("vegan" in dish["diets"] for dish in dishes()) >= len(dishes()) / 4
    assert len({dish["cuisine"] for dish in dishes()}) >= 25
    for meal in ("breakfast", "lunch", "dinner"):
        assert len(menu(Asked(meal=meal, diets=("vegetarian",)))) > 150


def test_every_name_is_distinct():
    for asked in (Asked(meal="breakfast"), Asked(meal="dinner"), Asked(meal="dinner", cuisines=("thai",), minutes=20)):
        names = list(menu(asked))
        assert len({normalise(name) for name in names}) == len(names)
    assert len({normalise(dish["name"]) for dish in dishes()}) == len(dishes())


# ------------------------------------------------------------------ reading


def test_our_own_rules_are_read_back():
    params = Params(
        diet="vegan,nut-free",
        exclude="kale,red onion",
        allergens="soy",
        cuisines="thai",
        calories=2000,
        servings=3,
        max_minutes=25,
    )
    assert read(said(params, 4, "lunch")) == Asked(
        meal="lunch", servings=3, diets=("vegan", "nut-free"), allergens=("soy",), exclude=("kale", "red onion"), cuisines=("thai",), minutes=25,
        kcal=(525, 875),
    )  # fmt: skip
    assert read(said(Params())) == Asked(meal="dinner", servings=2)


def test_what_the_engine_adds_does_not_confuse():
    tail = phrases.avoid(["Servings: 9", "Diet: vegan"]) + "\n\n" + phrases.rejected("it takes 90 minutes", None)
    assert read(said(Params(servings=4), meal="lunch") + "\n\n" + tail).servings == 4


def test_anybodys_sentence_is_read_as_far_as_it_goes():
    assert read("A vegan breakfast for 4 people, ready in 20 minutes.") == Asked(
        meal="breakfast", servings=4, diets=("vegan",), minutes=20
    )
    assert read("A gluten free lunch recipe for day 3.") == Asked(meal="lunch", diets=("gluten-free",))
    assert read("Something nice.") == Asked()


# ------------------------------------------------------------------ writing

REQUESTS = [
    {}, {"diet": "vegan"}, {"diet": "vegetarian,gluten-free"}, {"diet": "pescatarian,dairy-free"}, {"diet": "egg-free,nut-free"}, {"allergens": "milk,gluten"},
    {"exclude": "onion,garlic,tomatoes"}, {"max_minutes": 10}, {"max_minutes": 5, "diet": "vegan"}, {"cuisines": "italian"}, {"cuisines": "martian,tex-mex"},
    {"calories": 1200}, {"calories": 3500, "servings": 1}, {"servings": 9}, {"calories": "breakfast=300,dinner=900"}, {"exclude": "mushrooms", "allergens": "soy,nuts"},
    {"diet": "vegan", "allergens": "gluten,soy,nuts,sesame,peanuts,mustard,celery,sulphites", "max_minutes": 15, "cuisines": "korean", "calories": 1800},
    {"exclude": "onion,garlic,oil,rice,potatoes,beans,chickpeas,lentils,pasta,bread,milk,eggs,oats,cheese,tofu"},
]  # fmt: skip


@pytest.mark.parametrize("given", REQUESTS, ids=str)
@pytest.mark.parametrize("meal", ["breakfast", "lunch", "dinner"])
def test_without_a_slip_every_rule_is_kept(given, meal):
    params = Params(**given)
    checks = checks_for(params)
    for seed in range(12):
        made = Recipe.model_validate(write(pen(said(params, seed, meal), seed)))
        assert [reason for check in checks if (reason := check(made))] == [], made.name
        assert made.meal == meal


@pytest.mark.parametrize("meal", ["brunch", "snack", "dessert"])
@pytest.mark.parametrize("diet", ["", "vegan"])
def test_the_lesser_meals_have_dishes_too(meal, diet):
    params = Params(meals=meal, diet=diet)
    names = {write(pen(said(params, seed, meal), seed))["name"] for seed in range(40)}
    assert len(names) > 8


def test_each_slip_is_caught_by_a_check():
    params = Params(diet="vegan", max_minutes=30, calories=2000)
    checks = checks_for(params)
    caught = set()
    for seed in range(40):
        made = Recipe.model_validate(write(pen(said(params, seed), seed, Habits(slips=0.5, obeys=1.0))))
        caught |= {check.__name__ for check in checks if check(made)}
    assert caught >= {"check_vegan", "check_time", "check_calories", "complete"}


def test_the_popular_come_first_and_the_taken_are_avoided():
    prompt = said(Params())
    drawn = [write(pen(prompt, seed))["name"] for seed in range(300)]
    most = max(set(drawn), key=drawn.count)
    assert drawn.count(most) > 15 and len(set(drawn)) > 60
    told = prompt + "\n\n" + phrases.avoid([most])
    assert most not in {write(pen(told, seed))["name"] for seed in range(300)}


def test_what_cannot_be_cooked_is_answered_all_the_same():
    everything = ",".join(
        {word for dish in dishes() for item in dish["ingredients"] for word in item["name"].split() if word.isalpha()}
    )
    assert write(pen(said(Params(exclude=everything))))["name"]


@pytest.mark.parametrize(
    ("amount", "unit", "expected"),
    [
        (0, "to taste", 0),
        (0.01, "g", 1),
        (333, "g", 335),
        (0.4, "tsp", 0.5),
        (2.75, "piece", 3),
        (0.1, "slice", 1),
        (2.3, "clove", 2),
    ],
)
def test_amounts_are_those_of_a_cookbook(amount, unit, expected):
    assert rounded(amount, unit) == expected


def test_the_water_in_the_steps_grows_with_the_rest():
    one = {
        "ingredients": [{"name": "rice", "amount": 150, "unit": "g"}],
        "steps": ["Boil 200 ml salted boiling water.", "Add 1.2 l water; 5 ml oil."],
    }
    assert portioned(one, 2)["steps"] == ["Boil 400 ml salted boiling water.", "Add 2.4 l water; 5 ml oil."]
    assert portioned(one, 0.5)["steps"] == ["Boil 100 ml salted boiling water.", "Add 600 ml water; 5 ml oil."]
    assert portioned(one, 5)["steps"][0] == "Boil 1 l salted boiling water."
    assert portioned(one, 0.1)["steps"][0] == "Boil 20 ml salted boiling water." and one["ingredients"][0]["amount"] == 150


def test_a_dish_for_three_is_brought_to_what_is_asked():
    three = next(dish for dish in dishes() if dish["servings"] == 3 and "dinner" in dish["meals"])
    made = portioned(three, 6 / 3)
    for before, after in zip(three["ingredients"], made["ingredients"], strict=True):
        assert after["amount"] == pytest.approx(2 * before["amount"], rel=0.05)


# ------------------------------------------------------------------ somebody else's type of the same name


class Line(BaseModel):
    quantity: str
    ingredient: str


class Theirs(BaseModel):
    title: str
    ingredients: list[str]
    instructions: str
    difficulty: int
    cost: float
    spicy: bool
    lines: list[Line] = []
    note: str | None = None


class Nested(BaseModel):
    name: str
    ingredients: list[Line]
    parent: Theirs


@pytest.mark.parametrize("kind", [Theirs, Nested], ids=lambda kind: kind.__name__)
def test_anybodys_recipe_is_filled(kind):
    made = kind.model_validate(write(pen("A vegan lunch.", schema=kind.model_json_schema())))
    if isinstance(made, Theirs):
        assert len(made.ingredients) >= 3 and made.ingredients[0][0].isdigit() and len(made.instructions) > 20
    else:
        assert made.ingredients[0].ingredient and made.ingredients[0].quantity


def test_our_own_schema_changes_nothing():
    prompt = said(Params())
    assert write(pen(prompt, schema=Recipe.model_json_schema())) == write(pen(prompt))


def test_the_plan_names_what_the_prompt_names():
    plan = APP.plan(Params(days=17))
    assert isinstance(plan, Plan) and plan.concurrent == 20 and APP.plan(Params(days=16)).concurrent is None
    assert [step.name for step in plan.steps] == ["recipe", "shopping"]
