"""The shipped recipes are what they say; and the check that holds them to it finds what is wrong."""

from __future__ import annotations

import pytest

from fanfold.apps.mealplan.menu import dishes
from fanfold.apps.mealplan.nutrition import alike, faults, food, grams, kcal, main, repeated


def sound(**changes):
    """A recipe without a fault: 150 g rice, 240 g chickpeas and 1 tbsp oil are 532 + 312 + 121 kcal."""
    return {
        "name": "Chickpea Rice", "cuisine": "Greek", "meals": ["lunch"], "allergens": [], "minutes": 30, "servings": 2, "calories": 480,
        "diets": ["vegetarian", "vegan", "pescatarian", "gluten-free", "dairy-free", "egg-free", "nut-free"],
        "ingredients": [
            {"name": "basmati rice", "amount": 150, "unit": "g"}, {"name": "chickpeas", "amount": 1, "unit": "can"},
            {"name": "olive oil", "amount": 1, "unit": "tbsp"},
        ],
        "steps": ["Boil the rice for 12 minutes.", "Fry the chickpeas in the oil.", "Mix and serve."],
    } | changes  # fmt: skip


def test_every_shipped_recipe_is_what_it_says(capsys):
    assert main() == 0
    assert capsys.readouterr().out == f"{len(dishes())} recipes, 0 faults\n"


def test_a_sound_recipe_has_no_fault():
    assert faults(sound()) == []
    assert kcal(sound()["ingredients"]) == pytest.approx(532.5 + 312 + 15 * 0.92 * 8.8)


def with_item(name, amount=20, unit="g"):
    return [*sound()["ingredients"], {"name": name, "amount": amount, "unit": unit}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calories": 390}, "declares 390 kcal per serving, its ingredients make 483"),
        ({"calories": 610}, "declares 610 kcal"),
        ({"servings": 4}, "its ingredients make 241"),
        ({"ingredients": with_item("butter", 5)}, "its allergens lack milk"),
        ({"ingredients": with_item("butter", 5), "allergens": ["milk"]}, "its diets name dairy-free, vegan, which"),
        ({"allergens": ["soy"]}, "its allergens name soy"),
        ({"diets": ["vegan"]}, "its diets lack dairy-free, egg-free, gluten-free, nut-free, pescatarian, vegetarian"),
        ({"ingredients": with_item("unobtainium")}, "unobtainium is not in nutrition.json"),
        ({"ingredients": with_item("parsley", 1, "can")}, "parsley has no grams per can"),
        ({"minutes": 1}, "minutes is 1"),
        ({"minutes": 10}, "takes 10 minutes, and a step of it 12"),
        ({"meals": ["tea"]}, "its meals are not known"),
        ({"steps": ["Boil the rice.", "Stir.", "Serve."]}, "its steps do not mention chickpeas"),
        ({"steps": ["Cook it all."]}, "1 steps"),
    ],
)  # fmt: skip
def test_each_fault_is_found(changes, said):
    assert any(said in fault for fault in faults(sound(**changes))), faults(sound(**changes))


def test_names_that_say_the_same_are_found():
    assert alike(["Beans on Toast", "Toast with Beans", "Rice Soup"]) == ["Toast with Beans: is too much like Beans on Toast"]
    assert alike(["Crème Caramel", "Creme Caramels"]) and not alike(["Beef Tacos", "Bean Tacos with Lime"])
    assert repeated(["Ragù", "Stew", "Ragù"]) == ["Ragù: is there twice"]


def test_a_food_is_found_by_its_name_and_by_what_was_done_to_it():
    assert food("ripe bananas") is food("banana") and food("Greek yogurt") is not food("yoghurt")
    assert grams({"name": "tomatoes", "amount": 2, "unit": "can (400 g)"}) == 800
    assert grams({"name": "olive oil", "amount": 1, "unit": "tbsp"}) == pytest.approx(13.8)
    assert grams({"name": "salt", "amount": 0, "unit": "to taste"}) == 0
    with pytest.raises(LookupError, match="saffron milk"):
        food("saffron milk")


def test_there_is_enough_for_every_meal_and_diet():
    def count(meal, diet=None):
        return sum(meal in dish["meals"] and (diet is None or diet in dish["diets"]) for dish in dishes())

    assert len(dishes()) >= 150
    assert len({dish["cuisine"] for dish in dishes()}) >= 25
