"""The shopping list: everything once, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.apps.mealplan.corpus import Corpus
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
    (("1 cup rice", "0.5 cups rice"), (1.5, "cup")),
    (("1 cup milk", "2 tbsp milk", "1 tsp milk"), (275, "ml")),
    (("1 kgs flour", "250 gms flour", "1 lb flour"), (1.7, "kg")),
    (("1 T oil", "3 t oil"), (2, "tbsp")),
    (("250 cc milk", "1 dl milk"), (350, "ml")),
    (("1 boxes eggs", "1 box eggs"), (2, "box")),
    (("1 pieces garlic cloves", "2 clove garlic", "1 piece cloves of garlic"), (4, "clove")),
    (("1 large egg", "2 medium eggs", "1 piece egg"), (4, "piece")),
    (("0 tbsp oil", "2 tbsp oil"), (2, "tbsp")),
]


def test_units_that_say_more_than_a_unit_add_up():
    def item(amount, unit, name):
        return {"name": name, "amount": amount, "unit": unit}

    two = recipe(
        ingredients=[
            item(2, "400 g cans", "chickpeas"), item(1, "can (200 g)", "chickpeas"), item(100, "g", "chickpeas"), item(1, "heaped tbsp", "honey"),
            item(1, "tbsp (15 ml)", "honey"), item(2, "large cloves", "garlic"), item(1, "to taste", "salt and freshly ground black pepper"),
            item(0, "", "pepper"), item(1, "as needed", "olive oil"), item(3, "piece", "whole cloves"),
        ]
    )  # fmt: skip
    assert {i.name: (i.amount, i.unit) for i in shopping_list([two])} == {
        "chickpeas": (1.1, "kg"), "honey": (2, "tbsp"), "garlic": (2, "clove"), "salt": (0, "to taste"), "black pepper": (0, "to taste"),
        "olive oil": (0, "to taste"), "whole cloves": (3, "piece"),
    }  # fmt: skip


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
        "store cupboard"
    }
    assert [SHOPS.index(item.section) for item in items] == sorted(SHOPS.index(item.section) for item in items)


SHELVED = {
    "okra": SHOPS[0], "watercress": SHOPS[0], "lemongrass": SHOPS[0], "amaranth": "bread, pasta and grains", "cornmeal": "bread, pasta and grains",
    "masa harina": "bread, pasta and grains", "farro": "bread, pasta and grains", "orzo": "bread, pasta and grains",
    "rigatoni": "bread, pasta and grains", "English muffins": "bread, pasta and grains", "oatcakes": "bread, pasta and grains",
    "crispbread": "bread, pasta and grains", "egg noodles": "bread, pasta and grains", "sumac": "herbs and spices", "za'atar": "herbs and spices",
    "baharat": "herbs and spices", "cayenne pepper": "herbs and spices", "mustard": "store cupboard", "harissa": "store cupboard",
    "vegan butter": "store cupboard", "mustard greens": SHOPS[0], "moon dust": "everything else",
}  # fmt: skip


def test_each_thing_is_in_the_section_where_a_shop_has_it():
    items = shopping_list([recipe(ingredients=[f"100 g {name}" for name in SHELVED])])
    assert {item.name: item.section for item in items} == SHELVED


def test_every_ingredient_of_the_shipped_recipes_has_a_section():
    ingredients = {item["name"]: item for recipe in Corpus.shipped().recipes for item in recipe["ingredients"]}
    items = shopping_list([recipe(ingredients=list(ingredients.values()))])
    assert len(items) > 300
    assert [item.name for item in items if item.section == "everything else"] == []


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
    assert measured(0.5, "piece", "lemon") == "½ lemon"
    assert measured(0, "to taste", "salt") == "salt"
    assert [plural(word) for word in ("cherry", "leaf", "radish", "onions", "kiwi")] == [
        "cherries",
        "leaves",
        "radishes",
        "onions",
        "kiwis",
    ]


@pytest.mark.parametrize(
    ("amount", "unit", "name", "text"),
    [
        (2, "piece", "onion, finely chopped", "2 onions, finely chopped"),
        (2, "", "egg (beaten)", "2 eggs (beaten)"),
        (2, "piece", "leg of lamb", "2 legs of lamb"),
        (2, "large", "egg", "2 large eggs"),
        (1, "cloves", "garlic", "1 clove garlic"),
        (2, "large cloves", "garlic", "2 large cloves garlic"),
        (3, "Tablespoons", "oil", "3 tbsp oil"),
        (1.5, "tsp", "salt", "1½ tsp salt"),
        (0.333, "cup", "milk", "⅓ cup milk"),
        (0.5, "kg", "flour", "0.5 kg flour"),
        (2, "400 g can", "tomatoes", "2 × 400 g can tomatoes"),
        (1, "as needed", "oil", "oil"),
        (0.001, "g", "saffron", "0.001 g saffron"),
        (2, "piece", "bay leaf", "2 bay leaves"),
        (2, "piece", "fish", "2 fish"),
        (6, "fl. oz.", "milk", "6 fl oz milk"),
    ],
)
def test_a_line_of_a_recipe_reads_well(amount, unit, name, text):
    assert measured(amount, unit, name) == text


def test_text_without_end_is_read_in_time():
    """Quadratic patterns would take minutes for these."""
    for text in ("(" * 100_000, " " * 100_000, "1" * 100_000, ", " * 50_000, "clove " * 20_000):
        assert isinstance(measured(2, text, text), str) and isinstance(bought("x" + text), str) and in_base(1, text)[0] >= 0
