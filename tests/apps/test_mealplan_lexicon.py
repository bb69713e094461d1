"""What ingredient phrases are made of: a table read by a cook, against diets and allergens."""

from __future__ import annotations

import pytest

from fanfold.apps.mealplan.lexicon import DIETS, against_diet, allergens_of, is_excluded
from fanfold.apps.mealplan.words import segments, singular

M, F, C, S, D, E, H = "meat", "fish", "crustaceans", "molluscs", "dairy", "egg", "honey"
FORBIDS = {"vegetarian": {M, F, C, S}, "pescatarian": {M}, "vegan": {M, F, C, S, D, E, H}}
ALLERGEN_OF = {F: "fish", C: "crustaceans", S: "molluscs", D: "milk", E: "eggs"}

# phrase, animal groups it is made of, further allergens
TABLE = [
    ("chicken breast", {M}, ()), ("skinless chicken thighs", {M}, ()), ("beef mince", {M}, ()), ("smoked bacon", {M}, ()), ("pork sausages", {M}, ()),
    ("lamb shoulder, diced", {M}, ()), ("chicken stock", {M}, ()), ("prosciutto", {M}, ()), ("gelatine", {M}, ()), ("lard", {M}, ()), ("duck legs", {M}, ()),
    ("kidney beans", set(), ()), ("beef tomatoes", set(), ()), ("lamb's lettuce", set(), ()), ("vegetable stock", set(), ()), ("minced garlic", set(), ()),
    ("vegan sausages", set(), ()), ("plant-based mince", set(), ()), ("cauliflower steaks", set(), ()), ("lentil burgers", set(), ()), ("burger buns", set(), ("gluten",)),
    ("seitan sausage", set(), ("gluten",)), ("soy mince", set(), ("soy",)), ("chickpeas", set(), ()), ("mushroom bacon", set(), ()), ("artichoke hearts", set(), ()),
    ("salmon fillets", {F}, ()), ("tuna steak", {F}, ()), ("anchovies", {F}, ()), ("fish sauce", {F}, ()), ("Worcestershire sauce", {F}, ("gluten",)), ("sea bass", {F}, ()),
    ("prawns", {C}, ()), ("crab meat", {C}, ()), ("shrimp paste", {C}, ()), ("mussels", {S}, ()), ("oyster sauce", {S}, ("gluten", "soy")), ("squid rings", {S}, ()),
    ("oyster mushrooms", set(), ()), ("king oyster mushrooms", set(), ()), ("scalloped potatoes", set(), ()), ("crab apples", set(), ()), ("vegan fish sauce", set(), ()),
    ("milk", {D}, ()), ("butter, softened", {D}, ()), ("double cream", {D}, ()), ("crème fraîche", {D}, ()), ("Greek yoghurt", {D}, ()), ("grated Gruyère", {D}, ()),
    ("goat's cheese", {D}, ()), ("ghee", {D}, ()), ("lactose-free milk", {D}, ()), ("buttermilk", {D}, ()), ("white chocolate", {D}, ()), ("milk and coconut", {D}, ()),
    ("coconut milk", set(), ()), ("coconut whipping cream", set(), ()), ("oat milk", set(), ("gluten",)), ("soya milk", set(), ("soy",)), ("almond milk", set(), ("nuts",)),
    ("peanut butter", set(), ("peanuts",)), ("almond butter", set(), ("nuts",)), ("cocoa butter", set(), ()), ("butter beans", set(), ()), ("butternut squash", set(), ()),
    ("butter lettuce", set(), ()), ("cream of tartar", set(), ()), ("vegan butter", set(), ()), ("dairy-free yoghurt", set(), ()), ("cashew cream cheese", set(), ("nuts",)),
    ("eggs", {E}, ()), ("egg yolks, beaten", {E}, ()), ("mayonnaise", {E}, ()), ("egg noodles", {E}, ("gluten",)), ("meringue nests", {E}, ()), ("brioche", {D, E}, ("gluten",)),
    ("eggplant", set(), ()), ("egg-free noodles", set(), ("gluten",)), ("flax eggs", set(), ()), ("egg replacer", set(), ()), ("vegan mayonnaise", set(), ()),
    ("honey", {H}, ()), ("honeydew melon", set(), ()), ("honey mustard", {H}, ("mustard",)),
    ("plain flour", set(), ("gluten",)), ("spaghetti", set(), ("gluten",)), ("couscous", set(), ("gluten",)), ("rolled oats", set(), ("gluten",)), ("pearl barley", set(), ("gluten",)),
    ("panko breadcrumbs", set(), ("gluten",)), ("soy sauce", set(), ("gluten", "soy")), ("bulgur wheat", set(), ("gluten",)), ("flour tortillas", set(), ("gluten",)),
    ("almond flour", set(), ("nuts",)), ("rice flour", set(), ()), ("chickpea pasta", set(), ()), ("rice noodles", set(), ()), ("corn tortillas", set(), ()), ("buckwheat groats", set(), ()),
    ("gluten-free oats", set(), ()), ("gluten-free pasta", set(), ()), ("wheat-free tamari", set(), ("soy",)), ("cornflour", set(), ()), ("tortilla chips", set(), ()), ("rice crackers", set(), ()),
    ("sweet potato noodles", set(), ()), ("glutinous rice", set(), ()), ("ginger beer", set(), ()),
    ("walnuts", set(), ("nuts",)), ("flaked almonds", set(), ("nuts",)), ("nutmeg", set(), ()), ("coconut flakes", set(), ()), ("pine nuts", set(), ()), ("water chestnuts", set(), ()),
    ("doughnut peaches", set(), ()), ("salted peanuts", set(), ("peanuts",)), ("groundnut oil", set(), ("peanuts",)), ("pesto", {D}, ("nuts",)), ("nutritional yeast", set(), ()),
    ("chilli bean paste", set(), ("gluten", "soy")), ("ladyfingers", {E}, ("gluten",)),
    ("tahini", set(), ("sesame",)), ("toasted sesame oil", set(), ("sesame",)), ("hummus", set(), ("sesame",)), ("firm tofu", set(), ("soy",)), ("edamame beans", set(), ("soy",)),
    ("celery sticks", set(), ("celery",)), ("celeriac", set(), ("celery",)), ("Dijon mustard", set(), ("mustard",)), ("dry white wine", set(), ("sulphites",)),
    ("dried apricots", set(), ("sulphites",)), ("fresh apricots", set(), ()), ("apple cider vinegar", set(), ()), ("balsamic vinegar", set(), ("sulphites",)), ("lupin flour", set(), ("lupin",)),
]  # fmt: skip


@pytest.mark.parametrize(("phrase", "groups", "allergens"), TABLE, ids=[row[0] for row in TABLE])
def test_a_cook_reads_it_so(phrase, groups, allergens):
    wrong = {
        diet: against_diet(diet, phrase) for diet in FORBIDS if bool(against_diet(diet, phrase)) != bool(groups & FORBIDS[diet])
    }
    assert not wrong
    assert set(allergens_of(phrase)) == {ALLERGEN_OF[group] for group in groups if group in ALLERGEN_OF} | set(allergens)


def test_the_table_is_large_enough():
    assert len(TABLE) >= 60 and len({phrase for phrase, _, _ in TABLE}) == len(TABLE)


@pytest.mark.parametrize("diet", DIETS)
def test_every_diet_forbids_something_and_not_everything(diet):
    assert any(against_diet(diet, phrase) for phrase, _, _ in TABLE)
    assert against_diet(diet, "carrots") is None


def test_reasons_show_the_word_as_it_was_written():
    assert allergens_of("Anchovies in oil") == {"fish": "anchovies"}
    assert allergens_of("light soy sauce") == {"gluten": "soy sauce", "soy": "soy"}
    assert against_diet("vegan", "Crème fraîche (30 %)") == "creme fraiche"


EXCLUDED = [
    ("mushroom", "chestnut mushrooms", True), ("mushrooms", "button mushroom", True), ("onions", "spring onion", True), ("tomatoes", "cherry tomato", True),
    ("nut", "nutmeg", False), ("butter", "peanut butter", False), ("butter", "salted butter", True), ("milk", "coconut milk", False), ("egg", "eggplant", False),
    ("ham", "hamburger buns", False), ("corn", "sweetcorn", False), ("pork", "smoked bacon", True), ("seafood", "squid", True), ("shellfish", "salmon", False),
    ("cheese", "feta", True), ("cheese", "vegan cheese", False), ("alcohol", "red wine", True), ("fish", "cod", True), ("nuts", "walnuts", True), ("nuts", "coconut", False),
    ("soy sauce", "tofu", False), ("coriander", "ground coriander", True), ("pak choi", "baby pak choi", True), ("cherries", "cherry tomatoes", True),
]  # fmt: skip


@pytest.mark.parametrize(("term", "phrase", "expected"), EXCLUDED)
def test_what_the_user_leaves_out(term, phrase, expected):
    assert is_excluded(term, phrase) is expected


@pytest.mark.parametrize(
    "pair",
    [
        "tomato tomatoes",
        "anchovy anchovies",
        "radish radishes",
        "quiche quiches",
        "olive olives",
        "leaf leaves",
        "cookie cookies",
        "peach peaches",
        "egg eggs",
        "bass bass",
    ],
)
def test_one_and_many_are_the_same_word(pair):
    one, many = pair.split()
    assert singular(one) == singular(many)


def test_no_compound_reaches_over_a_comma_or_a_joining_word():
    assert segments("oats, milk and (peanut) butter") == (("oat",), ("milk",), ("peanut",), ("butter",))
