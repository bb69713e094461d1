"""The shopping list: every ingredient once, its amounts added up over the recipes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from fanfold.apps.mealplan.lexicon import ANIMAL, contents
from fanfold.apps.mealplan.types import Ingredient, Recipe, ShoppingItem
from fanfold.apps.mealplan.units import CUPS, SPOONS, TASTE, in_base, readable, unit_of
from fanfold.apps.mealplan.words import Words, places, segments, words

SHOPS = (
    "vegetables and fruit",
    "meat and fish",
    "dairy and eggs",
    "bread, pasta and grains",
    "herbs and spices",
    "store cupboard",
    "everything else",
)
OTHER = SHOPS[-1]  # of what no word is known
MADE_OF = (("meat and fish", ANIMAL), ("dairy and eggs", ("dairy", "egg")))
PREPARED = frozenset({
    "fresh", "freshly", "finely", "roughly", "coarsely", "thinly", "thickly", "diced", "sliced", "minced", "chopped", "peeled", "crushed", "snipped",
    "shredded", "grated", "crumbled", "halved", "trimmed", "small", "medium", "large", "ripe", "raw", "beaten", "melted", "softened", "torn", "cubed",
})  # fmt: skip
"""How the cook wants it, not what is bought. ("Chopped tomatoes" are bought as such: they come in tins.)"""
BOUGHT = frozenset(
    {"chopped tomatoes", "minced beef", "minced lamb", "minced turkey", "minced pork", "minced chicken", "minced meat"}
)

_COUNTS = "cloves?|sprigs?|stalks?|heads?|slices?|bunch|bunches"
_COUNTED = re.compile(rf"(?!whole |ground )(.+) ({_COUNTS})|({_COUNTS}) of (.+)", re.IGNORECASE)
_SALT_AND = re.compile(r"((?:sea |kosher |table )?salt) (?:and|&|\+) (.+)", re.IGNORECASE)
_PEPPER = re.compile(r"^ground (black|white) pepper$", re.IGNORECASE)


class Line:
    """One ingredient in one kind of unit: what the recipes ask for, added up in a base unit."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.amount = 0.0
        self.units: set[str] = set()
        self.recipes: dict[str, None] = {}

    def add(self, amount: float, unit: str, recipe: str) -> None:
        self.amount += amount
        self.units.add(unit_of(unit))
        self.recipes[recipe] = None


def shopping_list(recipes: Iterable[Recipe]) -> list[ShoppingItem]:
    """By section, then by name. The same ingredient in grams and in pieces makes two lines: nobody can add those up.

    What is added to taste is listed only where no recipe asks for an amount of it.
    """
    lines: dict[tuple[tuple[str, ...], str], Line] = {}
    for recipe in recipes:
        for item in recipe.ingredients:
            for name, given in _things(item):
                amount, unit = in_base(item.amount, given)
                unit = unit if amount else TASTE
                line = lines.setdefault((words(name) or (name,), unit), Line(name))
                line.add(amount, given, recipe.name)
    measured = {name for (name, unit), _ in lines.items() if unit != TASTE}
    items = [_item(line, unit) for (name, unit), line in lines.items() if unit != TASTE or name not in measured]
    return sorted(items, key=lambda item: (SHOPS.index(item.section), item.name.casefold(), item.unit))


def _item(line: Line, unit: str) -> ShoppingItem:
    amount, shown = (
        (0.0, TASTE) if unit == TASTE else readable(line.amount, unit, spoons=line.units <= SPOONS, cups=line.units <= CUPS)
    )
    return ShoppingItem.model_validate(
        {"name": line.name, "amount": amount, "unit": shown, "section": _section(line.name), "for": list(line.recipes)}
    )


def _things(item: Ingredient) -> Iterator[tuple[str, str]]:
    """Name and unit of what an ingredient asks for: 3 pieces of "garlic cloves" are 3 cloves of garlic, and "salt and pepper" are two things."""
    name, unit = bought(item.name), item.unit
    to_taste = item.amount == 0 or unit_of(unit) == TASTE
    if to_taste and (both := _SALT_AND.fullmatch(name)):
        yield both[1], unit
        name = bought(both[2])
    if to_taste and name.casefold() == "pepper":
        name = "black pepper"
    if unit_of(unit) == "piece" and (counted := _COUNTED.fullmatch(name)):
        name, unit = (counted[1] or counted[4]), (counted[2] or counted[3])
    yield _PEPPER.sub(r"\1 pepper", name), unit


def bought(name: str) -> str:
    """What to look for in the shop: "2 large onions, finely chopped" are onions."""
    plain_name = " ".join(re.sub(r"\([^()]*\)", " ", name).partition(",")[0].split())
    kept = plain_name.split()
    while len(kept) > 1 and kept[0].casefold() in PREPARED and " ".join(kept[-2:]).casefold() not in BOUGHT:
        kept.pop(0)
    return " ".join(kept) or name


@cache
def _shelves() -> tuple[tuple[Words, str], ...]:
    """Words of ingredients and their section, the longest first."""
    data = json.loads(files(__package__).joinpath("sections.json").read_text("utf-8"))
    return tuple(
        sorted(((words(term), section) for section, terms in data.items() for term in terms), key=lambda entry: -len(entry[0]))
    )


def _section(name: str) -> str:
    """Meat, fish, dairy and eggs by what is in it; the rest by its longest known words, the last of them where two are as long."""
    found: tuple[int, int, str] = (0, -1, OTHER)
    for run in segments(name):
        for term, section in _shelves():
            for at in places(term, run):
                found = max(found, (len(term), at, section))
    if found[0] > 1:
        return found[2]
    inside = contents(name)
    return next((section for section, groups in MADE_OF if any(group in inside for group in groups)), found[2])
