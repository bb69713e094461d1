"""The shopping list: every ingredient once, its amounts added up over the recipes."""

from __future__ import annotations

from collections.abc import Iterable

from fanfold.apps.mealplan.lexicon import contents
from fanfold.apps.mealplan.types import Recipe, ShoppingItem
from fanfold.apps.mealplan.units import SPOONS, TASTE, in_base, readable, unit_of
from fanfold.apps.mealplan.words import words

SECTIONS = (
    ("meat and fish", ("meat", "fish", "crustaceans", "molluscs")),
    ("dairy and eggs", ("dairy", "egg")),
    ("bread, pasta and grains", ("gluten",)),
)
OTHER = "everything else"


class Line:
    """One ingredient in one kind of unit: what the recipes ask for, added up in a base unit."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.amount = 0.0
        self.only_spoons = True
        self.recipes: dict[str, None] = {}

    def add(self, amount: float, unit: str, recipe: str) -> None:
        self.amount += amount
        self.only_spoons = self.only_spoons and unit_of(unit) in SPOONS
        self.recipes[recipe] = None


def shopping_list(recipes: Iterable[Recipe]) -> list[ShoppingItem]:
    """By section, then by name. The same ingredient in grams and in pieces makes two lines: nobody can add those up.

    What is added to taste is listed only where no recipe asks for an amount of it.
    """
    lines: dict[tuple[tuple[str, ...], str], Line] = {}
    for recipe in recipes:
        for item in recipe.ingredients:
            amount, unit = in_base(item.amount, item.unit)
            unit = unit if amount else TASTE
            line = lines.setdefault((words(item.name) or (item.name,), unit), Line(item.name))
            line.add(amount, item.unit, recipe.name)
    measured = {name for (name, unit), _ in lines.items() if unit != TASTE}
    items = [_item(line, unit) for (name, unit), line in lines.items() if unit != TASTE or name not in measured]
    order = [section for section, _ in SECTIONS] + [OTHER]
    return sorted(items, key=lambda item: (order.index(item.section), item.name.casefold(), item.unit))


def _item(line: Line, unit: str) -> ShoppingItem:
    amount, shown = (0.0, TASTE) if unit == TASTE else readable(line.amount, unit, spoons=line.only_spoons)
    return ShoppingItem.model_validate(
        {"name": line.name, "amount": amount, "unit": shown, "section": _section(line.name), "for": list(line.recipes)}
    )


def _section(name: str) -> str:
    found = contents(name)
    return next((section for section, groups in SECTIONS if any(group in found for group in groups)), OTHER)
