"""A line of an ingredient list: "1 1/2 cups flour", "2 x 400 g cans tomatoes", "rice, 200 g", "salt to taste"."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from fanfold.apps.mealplan.units import MASS, PACKS, TASTE, VOLUME, unit_of

Json = dict[str, Any]

COUNTED = frozenset({"piece", "clove", "slice", "bunch", "pinch", "sheet", "sprig", "stick", "handful", "head", "stalk", "knob"})
LONGEST = 20  # characters of a number
UNITS = COUNTED | PACKS | MASS.keys() | VOLUME.keys()

_SIGNS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}
_NUMBER = r"\d+\s+\d+/\d+|\d+/\d+|\d+(?:[.,]\d+)?"
_WHOLE = re.compile(rf"^(?:{_NUMBER})$")
_BEGINS = re.compile(rf"^(?:about|approx\.?|ca\.?|circa)?\s*({_NUMBER})(?:\s*(?:-|–|to)\s*({_NUMBER}))?\s*(.*)$", re.IGNORECASE)
_SIZED = re.compile(r"^(?:[x×]\s*)?\(?\s*(\d+(?:[.,]\d+)?)\s*-?\s*(kg|g|ml|cl|dl|l|oz|lb)\s*\)?\s+(\w+)\s+(.+)$", re.IGNORECASE)
_TIMES = re.compile(r"^[x×]\s*(\d+(?:[.,]\d+)?)\s*(kg|g|ml|cl|dl|l|oz|lb)\s+(.+)$", re.IGNORECASE)
_ENDS = re.compile(rf"^(.*[^\d\s.,/:])\s*[,:]?\s+({_NUMBER})\s*([a-zA-Z]+)$")
_TASTE = re.compile(r"[,(]?\s*\b(?:to taste|as needed|optional)\b\)?", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|one)\s+(?=\w)", re.IGNORECASE)


def number(text: str) -> float | None:
    """ "1 1/2", "1½", "0,5"; None: it is none."""
    for sign, fraction in _SIGNS.items():
        text = text.replace(sign, f" {fraction}")
    text = text.strip().replace(",", ".")
    if len(text) > LONGEST or not _WHOLE.match(text) or re.search(r"/0+$", text):
        return None
    return float(sum(Fraction(part) for part in text.split()))


def parsed(line: str) -> Json:
    """name, amount, unit. Of "2-3" the larger; what has no amount is to taste."""
    text = " ".join(line.strip().lstrip("-*•").split())
    for sign, fraction in _SIGNS.items():
        text = text.replace(sign, f" {fraction} ")
    text = " ".join(text.split())
    begins = _BEGINS.match(text)
    if begins and begins[3] and not begins[3].startswith("%"):
        amount = max(number(part) or 0.0 for part in begins.group(1, 2) if part)
        return _measured(amount, begins[3])
    ends = _ENDS.match(text)
    if ends and unit_of(ends[3]) in UNITS:
        return _item(ends[1].rstrip(",:"), number(ends[2]) or 0.0, unit_of(ends[3]))
    article = _ARTICLE.match(text)
    if article:
        found = _measured(1.0, text[article.end() :])
        if found["unit"] != "piece" or article[0].casefold().startswith("one"):
            return found
    return _item(_TASTE.sub("", text) or text, 0.0, TASTE)


def _measured(amount: float, rest: str) -> Json:
    """What comes after a number: a size and a pack, a unit and a name, or only a name."""
    sized, times = _SIZED.match(rest), _TIMES.match(rest)
    if sized and unit_of(sized[3]) in PACKS:
        return _item(sized[4], amount, f"{sized[1]} {sized[2]} {unit_of(sized[3])}")
    if times:
        return _item(times[3], amount * (number(times[1]) or 0.0), times[2].lower())
    words = rest.split(" ")
    for size in (2, 1):
        unit, name = unit_of(" ".join(words[:size]).rstrip(".")), " ".join(words[size:])
        if unit in UNITS and name and (size == 1 or unit_of(words[1]) in UNITS or unit in VOLUME):
            return _item(name, amount, unit)
    return _item(rest, amount, "piece")


def _item(name: str, amount: float, unit: str) -> Json:
    return {"name": re.sub(r"^of ", "", name.strip()), "amount": amount, "unit": unit}
