"""Kitchen units: what adds up with what, and how a sum is written."""

from __future__ import annotations

import re

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
SPOONS, CUPS = frozenset({"tsp", "tbsp"}), frozenset({"cup"})
MOST_SPOONS_ML = 120.0  # beyond 8 tablespoons nobody counts spoons
TASTE = "to taste"

_NAMES = {
    "gram": "g", "gramme": "g", "gr": "g", "kilogram": "kg", "kilo": "kg", "milligram": "mg", "ounce": "oz", "pound": "lb", "lbs": "lb",
    "milliliter": "ml", "millilitre": "ml", "liter": "l", "litre": "l", "deciliter": "dl", "decilitre": "dl", "centiliter": "cl", "centilitre": "cl",
    "teaspoon": "tsp", "tablespoon": "tbsp", "tbs": "tbsp", "fl oz": "floz", "fluid ounce": "floz", "c": "cup",
    "kgs": "kg", "gm": "g", "gms": "g", "ozs": "oz", "mls": "ml", "cc": "ml", "ltr": "l", "ltrs": "l", "cls": "cl", "dls": "dl",
    "tb": "tbsp", "tbl": "tbsp", "teaspoonful": "tsp", "tablespoonful": "tbsp", "cupful": "cup", "pkt": "packet", "bxs": "box", "boxe": "box",
    "": "piece", "pc": "piece", "pcs": "piece", "pce": "piece", "whole": "piece", "each": "piece", "unit": "piece", "item": "piece", "count": "piece",
    "tin": "can", "pkg": "packet", "package": "packet", "pack": "packet",
    "dash": "pinch", "taste": TASTE, "as needed": TASTE, "as required": TASTE, "some": TASTE, "optional": TASTE,
}  # fmt: skip


_LETTERS = {"T": "tbsp", "t": "tsp"}
_LOOSE = frozenset({"heaped", "heaping", "level", "rounded", "scant", "generous", "good", "thin", "thick", "us", "metric", "imperial", "of", "x",
    "small", "medium", "large", "big", "extra", "sized", "medium-sized", "heaped-up"})  # fmt: skip
"""Said of a unit, or of the thing itself ("2 large" eggs)."""
PACKS = frozenset({"can", "jar", "packet", "bag", "box", "carton", "bottle", "pouch", "tub", "block", "tube"})
LONGEST = 80  # characters of a unit that are looked at
_BRACKETS = re.compile(r"\([^()]*\)")
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*-?\s*(kg|g|ml|cl|dl|l|oz|lb)\b")


def unit_of(text: str) -> str:
    """One name for each unit: "Tablespoons" -> "tbsp", "large cloves" -> "clove", "can (400 g)" -> "can", "" -> "piece"."""
    if text.strip() in _LETTERS:
        return _LETTERS[text.strip()]
    outside = _BRACKETS.sub(" ", plain(text[:LONGEST]))
    bare = _named(outside)
    return bare if bare in MASS or bare in VOLUME else _named(_SIZE.sub(" ", outside))


def _named(text: str) -> str:
    name = " ".join(word for word in text.replace(".", " ").split() if word not in _LOOSE)
    for form in (name, " ".join(map(singular, name.split()))):
        if form in _NAMES:
            return _NAMES[form]
        if form in MASS or form in VOLUME or form == TASTE:
            return form
    return form


def in_base(amount: float, unit: str) -> tuple[float, str]:
    """Grams, millilitres, or the unit itself where nothing converts. Two "400 g cans" are 800 g."""
    name = unit_of(unit)
    if name in PACKS and (size := _SIZE.search(plain(unit[:LONGEST]))):
        amount, name = amount * float(size[1].replace(",", ".")), size[2]
    if name in MASS:
        return amount * MASS[name], "g"
    if name in VOLUME:
        return amount * VOLUME[name], "ml"
    return amount, name


def readable(amount: float, unit: str, *, spoons: bool = False, cups: bool = False) -> tuple[float, str]:
    """An amount of a base unit as a person would write it: (1350, "g") -> (1.35, "kg"). spoons, cups: all of it came in these."""
    if unit == "g":
        return (_neat(amount / 1000, 2), "kg") if amount >= 999.5 else (_neat(amount, 0 if amount >= 20 else 1), "g")
    if unit != "ml":
        return _neat(amount, 2), unit
    if cups:
        return _neat(amount / VOLUME["cup"], 2), "cup"
    if spoons and amount <= MOST_SPOONS_ML:
        tablespoons = amount / 15
        quarters = abs(tablespoons * 4 - round(tablespoons * 4)) < 0.01
        return (_neat(tablespoons, 2), "tbsp") if amount >= 15 and (quarters or amount >= 45) else (_neat(amount / 5, 2), "tsp")
    return (_neat(amount / 1000, 2), "l") if amount >= 999.5 else (_neat(amount, 0 if amount >= 20 else 1), "ml")


# -------------------------------------------------------------------- as text

_FRACTIONS = {0.125: "⅛", 0.25: "¼", 0.333: "⅓", 0.375: "⅜", 0.5: "½", 0.625: "⅝", 0.667: "⅔", 0.75: "¾", 0.875: "⅞"}
_METRIC = frozenset({"mg", "g", "kg", "ml", "cl", "dl", "l"})
_WRITTEN = {"floz": "fl oz"}
_UNCOUNTED = ("fish", "salmon", "cod", "trout", "tuna", "garlic", "ginger", "broccoli", "celery", "choi", "choy", "corn", "tofu")
_TURN = re.compile(r"[,;(]| of | in | with ")
"""Where "onion, finely chopped" and "leg of lamb" have said what there are several of."""


def quantity(amount: float, unit: str) -> str:
    """As text before a name: "1.35 kg", "1½ tbsp", "2 large cloves", "2" for pieces; "" for to taste."""
    name = unit_of(unit)
    if name == TASTE or amount == 0:
        return ""
    words = unit.split()
    sizes = [] if name in _METRIC else [word for word in map(str.lower, words) if word in _LOOSE - {"of", "x"}]
    if name == "piece":
        return " ".join([_number(amount, name), *sizes])
    if name in MASS or name in VOLUME:
        return " ".join([_number(amount, name), *sizes, _WRITTEN.get(name, name)])
    if any(char.isdecimal() for char in unit):
        return f"{_number(amount, name)} × {' '.join(words)}"
    return " ".join([_number(amount, name), *sizes, plural(name) if amount > 1 else name])


def measured(amount: float, unit: str, name: str) -> str:
    """With its name: "200 g red lentils", "2 lemons", "2 cloves garlic", "salt"."""
    if amount > 1 and unit_of(unit) == "piece":
        name = plural(name)
    return f"{quantity(amount, unit)} {name}".strip()


def plural(name: str) -> str:
    """Of the last word of what is named, before a comma, a bracket or "of"; one that is a plural already stays."""
    turn = _TURN.search(name)
    head = name[: turn.start()].rstrip() if turn else name
    return _plural(head) + name[len(head) :]


def _plural(word: str) -> str:
    low = word.lower()
    if not low or (low.endswith("s") and not low.endswith("ss")) or low.endswith(_UNCOUNTED):
        return word
    if low.endswith(("x", "ch", "sh", "ss", "tomato", "potato", "mango")):
        return word + "es"
    if low.endswith(("leaf", "loaf", "half")):
        return word[:-1] + "ves"
    if len(low) > 1 and low.endswith("y") and low[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _number(amount: float, unit: str) -> str:
    """Grams and litres in decimals; spoons, cups and pieces in the fractions of a kitchen, where one is near."""
    whole, part = divmod(amount, 1)
    if unit not in _METRIC:
        for value, sign in _FRACTIONS.items():
            if abs(part - value) < 0.006:
                return (f"{whole:.0f}" if whole else "") + sign
    return f"{_neat(amount, 2):.8f}".rstrip("0").rstrip(".")


def _neat(amount: float, digits: int) -> float:
    """Rounded, but never to nothing."""
    for places in range(digits, digits + 6):
        if round(amount, places) > 0 or amount == 0:
            return round(amount, places)
    return amount
