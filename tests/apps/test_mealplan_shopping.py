"""The shopping list: everything once, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.apps.mealplan.shopping import SHOPS, bought, shopping_list
from fanfold.apps.mealplan.units import in_base, measured, plural, readable, unit_of
from tests.apps.recipes import recipe


def listed(*lines: str) -> list[tuple[str, float, str]]:
    return [(item.name, item.amount, item.unit) for item in shopping_list([recipe(ingredients=list(lines))])]


def test_the_same_ingredient_is_one_line_with_all_its_recipes():
    one = recipe(name="Soup", ingredients=["600 g carrots", "1 piece onion, finely chopped", "2 clove garlic"])
    two = recipe(name="Salad", ingredients=["0.75 kg Carrot", "2 piece large onions", "1 cloves garlic", "1 pinch salt"])
    items = {item.name: item for item in shopping_list([one, two])}
    assert {name: (item.amount, item.unit) for name, item in items.items()} == {
        "carrots": (1.35, "kg"), "onion": (3, "piece"), "garlic": (3, "clove"), "salt": (1, "pinch"),
    }  # fmt: skip
    assert items["carrots"].used_in == ["Soup", "Salad"] and items["salt"].used_in == ["Salad"]
    assert items["onion"].model_dump(by_alias=True)["for"] == ["Soup", "Salad"]


SUMS = [
    (("1 tbsp oil", "2 tbsp oil"), (3, "tbsp")),
    (("1 tsp oil", "1 tsp oil"), (2, "tsp")),
    (("3 tsp oil", "1 tbsp oil"), (2, "tbsp")),
    (("0.5 tsp thyme", "3 tsp thyme"), (3.5, "tsp")),
    (("5 tbsp oil", "5 tbsp oil"), (150, "ml")),
    (("1 tbsp oil", "100 ml oil"), (115, "ml")),
    (("1 cup milk", "8 dl milk"), (1.04, "l")),
    (("1 oz nuts", "100 grams nuts"), (128, "g")),
    (("2 cans beans", "1 tin beans"), (3, "can")),
    (("0 pinch salt", "0 x salt"), (0, "to taste")),
    (("0 pinch salt", "1 pinch salt"), (1, "pinch")),
    (("1 whole lemon", "2 piece lemons"), (3, "piece")),
]


@pytest.mark.parametrize(("lines", "expected"), SUMS)
def test_units_add_up(lines, expected):
    found = listed(*lines)
    assert len(found) == 1 and found[0][1:] == expected


def test_what_cannot_be_added_stays_apart():
    assert listed("200 g spinach", "1 bunch spinach") == [("spinach", 1, "bunch"), ("spinach", 200, "g")]
    assert {name for name, _, _ in listed("1 piece red pepper", "1 tsp black pepper")} == {"red pepper", "black pepper"}


UNITS = ["g", "kg", "ml", "l", "tsp", "tbsp", "cup", "dl", "piece", "clove", "can", ""]
LINES = st.lists(
    st.tuples(st.sampled_from(["rice", "milk", "onion", "red lentils"]), st.floats(0.25, 900), st.sampled_from(UNITS)),
    min_size=1,
    max_size=30,
)


@given(LINES)
def test_nothing_is_lost(lines):
    recipes = [recipe(name=f"r{i}", ingredients=[{"name": n, "amount": a, "unit": u}]) for i, (n, a, u) in enumerate(lines)]
    asked: dict[tuple[str, str], float] = {}
    for name, amount, unit in lines:
        base, kind = in_base(amount, unit)
        asked[name.rstrip("s"), kind] = asked.get((name.rstrip("s"), kind), 0.0) + base
    got: dict[tuple[str, str], float] = {}
    for item in shopping_list(recipes):
        base, kind = in_base(item.amount, item.unit)
        assert (item.name.rstrip("s"), kind) not in got
        got[item.name.rstrip("s"), kind] = base
    assert got.keys() == asked.keys()
    for key, amount in asked.items():
        assert got[key] == pytest.approx(amount, rel=0.03, abs=0.06), key


@given(st.floats(0.001, 1e6), st.sampled_from(["g", "ml", "clove"]), st.booleans())
def test_no_amount_becomes_nothing(amount, unit, spoons):
    shown, _ = readable(amount, unit, spoons=spoons)
    assert shown > 0


def test_sections_are_as_in_a_shop():
    lines = ["1 piece onion", "200 g beef mince", "300 g cod", "2 piece eggs", "100 g feta", "200 g spaghetti", "1 tsp ground cumin", "2 tbsp soy sauce",
             "400 g chopped tomatoes", "1 tbsp olive oil", "200 ml coconut milk", "1 piece red pepper", "1 tsp black pepper", "1 l vegetable stock"]  # fmt: skip
    items = shopping_list([recipe(ingredients=lines)])
    found = {item.name: item.section for item in items}
    assert [found[name] for name in ("onion", "red pepper")] == [SHOPS[0]] * 2
    assert [found[name] for name in ("beef mince", "cod")] == ["meat and fish"] * 2
    assert [found[name] for name in ("eggs", "feta")] == ["dairy and eggs"] * 2
    assert found["spaghetti"] == "bread, pasta and grains"
    assert [found[name] for name in ("ground cumin", "black pepper")] == ["herbs and spices"] * 2
    assert {found[name] for name in ("soy sauce", "chopped tomatoes", "olive oil", "coconut milk", "vegetable stock")} == {
        "everything else"
    }
    assert [SHOPS.index(item.section) for item in items] == sorted(SHOPS.index(item.section) for item in items)


@pytest.mark.parametrize(
    ("name", "what"),
    [("large onions, finely chopped", "onions"), ("chopped tomatoes", "chopped tomatoes"), ("freshly grated parmesan", "parmesan"), ("milk (3.5 %)", "milk"), ("minced beef", "minced beef"),
     ("fresh", "fresh"), ("(optional)", "(optional)")],
)  # fmt: skip
def test_what_is_bought(name, what):
    assert bought(name) == what


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Tablespoons", "tbsp"),
        ("", "piece"),
        ("grams", "g"),
        ("Kg", "kg"),
        ("tins", "can"),
        ("cloves", "clove"),
        ("fl. oz", "floz"),
        ("leaves", "leaf"),
        ("To taste", "to taste"),
    ],
)
def test_units_have_one_name(text, unit):
    assert unit_of(text) == unit


def test_amounts_read_well():
    assert measured(1.35, "kg", "carrots") == "1.35 kg carrots"
    assert measured(2, "clove", "garlic") == "2 cloves garlic"
    assert measured(3, "piece", "tomato") == "3 tomatoes"
    assert measured(0.5, "piece", "lemon") == "0.5 lemon"
    assert measured(0, "to taste", "salt") == "salt"
    assert [plural(word) for word in ("cherry", "leaf", "radish", "onions", "kiwi")] == [
        "cherries",
        "leaves",
        "radishes",
        "onions",
        "kiwis",
    ]
