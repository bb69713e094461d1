"""Kitchen units: what adds up with what, and how a sum is written."""

from __future__ import annotations

from fanfold.apps.mealplan.words import plain, singular

MASS = {"mg": 0.001, "g": 1.0, "kg": 1000.0, "oz": 28.35, "lb": 453.6}
VOLUME = {
    "ml": 1.0,
    "cl": 10.0,
    "dl": 100.0,
    "l": 1000.0,
    "tsp": 5.0,
    "tbsp": 15.0,
    "cup": 240.0,
    "floz": 29.57,
    "pint": 473.0,
    "quart": 946.0,
}
SPOONS = frozenset({"tsp", "tbsp"})
MOST_SPOONS_ML = 120.0  # beyond 8 tablespoons nobody counts spoons
TASTE = "to taste"

_NAMES = {
    "gram": "g", "gramme": "g", "gr": "g", "kilogram": "kg", "kilo": "kg", "milligram": "mg", "ounce": "oz", "pound": "lb", "lbs": "lb",
    "milliliter": "ml", "millilitre": "ml", "liter": "l", "litre": "l", "deciliter": "dl", "decilitre": "dl", "centiliter": "cl", "centilitre": "cl",
    "teaspoon": "tsp", "tablespoon": "tbsp", "tbs": "tbsp", "fl oz": "floz", "fluid ounce": "floz", "c": "cup",
    "": "piece", "pc": "piece", "pcs": "piece", "pce": "piece", "whole": "piece", "each": "piece", "unit": "piece", "item": "piece", "count": "piece",
    "small": "piece", "medium": "piece", "large": "piece", "tin": "can", "pkg": "packet", "package": "packet", "pack": "packet",
    "dash": "pinch", "taste": TASTE, "as needed": TASTE, "as required": TASTE, "some": TASTE, "optional": TASTE,
}  # fmt: skip


def unit_of(text: str) -> str:
    """One name for each unit: "Tablespoons" -> "tbsp", "cloves" -> "clove", "" -> "piece"."""
    name = " ".join(plain(text).replace(".", " ").split())
    if name in MASS or name in VOLUME or name == TASTE:
        return name
    for form in (name, " ".join(map(singular, name.split()))):
        if form in _NAMES:
            return _NAMES[form]
        if form in MASS or form in VOLUME:
            return form
    return " ".join(map(singular, name.split()))


def in_base(amount: float, unit: str) -> tuple[float, str]:
    """Grams, millilitres, or the unit itself where nothing converts."""
    name = unit_of(unit)
    if name in MASS:
        return amount * MASS[name], "g"
    if name in VOLUME:
        return amount * VOLUME[name], "ml"
    return amount, name


def readable(amount: float, unit: str, *, spoons: bool = False) -> tuple[float, str]:
    """An amount of a base unit as a person would write it: (1350, "g") -> (1.35, "kg"). spoons: all of it came in spoons."""
    if unit == "g":
        return (_neat(amount / 1000, 2), "kg") if amount >= 999.5 else (_neat(amount, 0 if amount >= 20 else 1), "g")
    if unit != "ml":
        return _neat(amount, 2), unit
    if spoons and amount <= MOST_SPOONS_ML:
        tablespoons = amount / 15
        quarters = abs(tablespoons * 4 - round(tablespoons * 4)) < 0.01
        return (_neat(tablespoons, 2), "tbsp") if amount >= 15 and (quarters or amount >= 45) else (_neat(amount / 5, 2), "tsp")
    return (_neat(amount / 1000, 2), "l") if amount >= 999.5 else (_neat(amount, 0 if amount >= 20 else 1), "ml")


def quantity(amount: float, unit: str) -> str:
    """As text before a name: "1.35 kg", "3 tbsp", "2 cloves", "2" for pieces; "" for to taste."""
    if unit == TASTE or amount == 0:
        return ""
    number = f"{amount:.2f}".rstrip("0").rstrip(".")
    name = "" if unit_of(unit) == "piece" else unit
    if name and name not in MASS and name not in VOLUME and amount > 1 and unit == unit_of(unit):
        name = plural(name)
    return f"{number} {name}".strip()


def measured(amount: float, unit: str, name: str) -> str:
    """With its name: "200 g red lentils", "2 lemons", "2 cloves garlic", "salt"."""
    if amount > 1 and unit_of(unit) == "piece":
        name = plural(name)
    return f"{quantity(amount, unit)} {name}".strip()


def plural(word: str) -> str:
    """Of a word, or of the last word of a name; one that is a plural already stays."""
    if word.endswith("s") and not word.endswith("ss"):
        return word
    if word.endswith(("x", "ch", "sh", "ss")) or word.endswith(("tomato", "potato", "mango")):
        return word + "es"
    if word.endswith(("leaf", "loaf")):
        return word[:-1] + "ves"
    if len(word) > 1 and word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _neat(amount: float, digits: int) -> float:
    """Rounded, but never to nothing."""
    for places in range(digits, digits + 6):
        if round(amount, places) > 0 or amount == 0:
            return round(amount, places)
    return amount
