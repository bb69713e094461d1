"""The plan as one printable page: a table of the week that leads to the recipes, and the shopping list with boxes to tick.

Recipes come from a model. Every text goes through the serializer of the standard library, which escapes it, and the page itself
forbids scripts and anything from outside.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, tostring

from fanfold.apps.mealplan.days import Meal, daytime, missing
from fanfold.apps.mealplan.units import measured

Json = dict[str, Any]

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
NOTE = "Allergens are those that the recipes and their ingredients name: check the packages too."


def html(data: Json) -> str:
    """One page without anything from outside. data: the whole result JSON."""
    start = date.fromisoformat(data["start"]) if data.get("start") else None
    page = _e("html", _head(), _e("body", *_body(data, start)), lang="en")
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


def _e(tag: str, *children: Element | str, **attributes: str) -> Element:
    """An element with text and elements in it. cls: its class."""
    element = Element(tag, {{"cls": "class"}.get(name, name): value for name, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + _shown(child)
        else:
            last.tail = (last.tail or "") + _shown(child)
    return element


def _shown(text: str) -> str:
    """Without what no page may hold or what turns the text around it: control, direction and half characters."""
    return "".join(" " if char.isspace() else char for char in text if char.isspace() or _seen(char))


def _seen(char: str) -> bool:
    return (
        unicodedata.category(char) not in ("Cc", "Cs", "Cn")
        and char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


@cache
def _style() -> str:
    return files(__package__).joinpath("page.css").read_text("utf-8")


def _head() -> Element:
    style = Element("style")
    style.text = _style()  # the serializer leaves it as it is, as HTML wants it
    return _e(
        "head",
        _e("meta", charset="utf-8"),
        _e("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        _e("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _e("title", "Meal plan"),
        style,
    )


def _body(data: Json, start: date | None) -> Iterator[Element]:
    lost = missing(data)
    yield _header(data, start)
    if notes := list(_notes(data, lost)):
        yield _e("section", *notes, cls="notes")
    yield _overview(data, start, lost)
    for day in data["plan"]:
        yield _day(day, start, [meal for meal in lost if meal.day == day["day"]])
    if data["shopping_list"]:
        yield _shopping(data["shopping_list"])
    run = (data.get("report") or {}).get("run_id")
    yield _e("footer", _e("p", NOTE), *([_e("p", f"Run {run}")] if run else []))


def _header(data: Json, start: date | None) -> Element:
    days, recipes = len(data["plan"]), sum(len(day["meals"]) for day in data["plan"])
    facts = f"{_count(days, 'day')}, {_count(recipes, 'recipe')}"
    if start is not None and days:
        last = start + timedelta(days=days - 1)
        facts = (
            f"{_date(start)} {start.year} to {_date(last)} {last.year}: {facts}"
            if days > 1
            else f"{_date(start)} {start.year}: {facts}"
        )
    return _e("header", _e("h1", "Meal plan"), _e("p", facts))


def _notes(data: Json, lost: list[Meal]) -> Iterator[Element]:
    """What is not there, said before anything else."""
    if lost:
        links: list[Element | str] = []
        for meal in lost:
            links += [", " if links else "", _e("a", f"day {meal.day} {meal.type}", href=f"#{_anchor(meal.day, meal.type)}")]
        yield _e("p", _e("strong", f"{_count(len(lost), 'meal')} missing:"), " ", *links, ".")
    for error in data.get("errors", []):
        if error["stage"] != "recipe":
            yield _e("p", _e("strong", f"No {error['stage']}:"), f" {error['message']}.")
    if not data["shopping_list"] and not any(error["stage"] == "shopping" for error in data.get("errors", [])):
        yield _e("p", "There is nothing to shop for.")


# -------------------------------------------------------------------- the week


def _overview(data: Json, start: date | None, lost: list[Meal]) -> Element:
    types = daytime({meal["type"] for day in data["plan"] for meal in day["meals"]} | {meal.type for meal in lost})
    rows = []
    for day in data["plan"]:
        found = {meal["type"]: meal["recipe"] for meal in day["meals"]}
        gone = {meal.type for meal in lost if meal.day == day["day"]}
        cells = [_cell(day["day"], type_, found.get(type_), lost=type_ in gone) for type_ in types]
        rows.append(_e("tr", _e("th", *_day_name(day["day"], start), scope="row"), *cells))
    head = _e("tr", _e("th", "Day", scope="col"), *(_e("th", type_.capitalize(), scope="col") for type_ in types))
    return _e("nav", _e("table", _e("thead", head), _e("tbody", *rows)), **{"aria-label": "All meals"})


def _cell(day: int, meal: str, recipe: Json | None, *, lost: bool) -> Element:
    label = {"data-meal": meal.capitalize()}
    if recipe is None:
        children = [_e("a", "no recipe", href=f"#{_anchor(day, meal)}")] if lost else []
        return _e("td", *children, cls="lost" if lost else "none", **label)
    children = [_e("a", recipe["name"], href=f"#{_anchor(day, meal)}"), _e("small", f"{recipe['minutes']} min", cls="time")]
    if recipe["allergens"]:
        children.append(_e("small", ", ".join(recipe["allergens"]), cls="allergens"))
    return _e("td", *children, **label)


def _day_name(day: int, start: date | None) -> list[Element | str]:
    return [f"Day {day}"] if start is None else [f"Day {day}", _e("small", _date(start + timedelta(days=day - 1)))]


def _date(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def _anchor(day: int, meal: str) -> str:
    return f"day-{day}-{meal}"


# -------------------------------------------------------------------- recipes


def _day(day: Json, start: date | None, lost: list[Meal]) -> Element:
    heading = _e("h2", *_day_name(day["day"], start))
    recipes = {meal["type"]: _recipe(day["day"], meal["type"], meal["recipe"]) for meal in day["meals"]}
    recipes |= {meal.type: _lost(meal) for meal in lost if meal.type not in recipes}
    return _e("section", heading, *(recipes[type_] for type_ in daytime(recipes)), cls="day")


def _lost(meal: Meal) -> Element:
    return _e(
        "article",
        _e("h3", _e("span", meal.type.capitalize()), " No recipe"),
        _e("p", meal.why),
        id=_anchor(meal.day, meal.type),
        cls="lost",
    )


def _recipe(day: int, meal: str, recipe: Json) -> Element:
    serves = f"serves {recipe['servings']}"
    facts = [recipe["cuisine"], f"{recipe['minutes']} min", f"{recipe['calories']} kcal a serving", serves]
    contains = "Contains " + ", ".join(recipe["allergens"]) if recipe["allergens"] else "No allergens named"
    ingredients = (_e("li", measured(item["amount"], item["unit"], item["name"])) for item in recipe["ingredients"])
    return _e(
        "article",
        _e("h3", _e("span", meal.capitalize()), " ", recipe["name"]),
        _e("p", " · ".join(facts), cls="facts"),
        _e("p", contains, cls="allergens" if recipe["allergens"] else "facts"),
        _e("div", _e("ul", *ingredients), _e("ol", *(_e("li", step) for step in recipe["steps"])), cls="work"),
        id=_anchor(day, meal),
    )


# -------------------------------------------------------------------- the shop


def _shopping(items: list[Json]) -> Element:
    sections = [
        _e("section", _e("h3", name.capitalize()), _e("ul", *map(_item, group)))
        for name, group in groupby(items, key=lambda item: str(item["section"]))
    ]
    return _e("section", _e("h2", "Shopping list"), _e("div", *sections, cls="shelves"), cls="shopping")


def _item(item: Json) -> Element:
    box = _e("input", type="checkbox")
    what = measured(item["amount"], item["unit"], item["name"])
    return _e("li", _e("label", box, _e("span", what, " ", _e("small", _for(item["for"])))))


def _for(uses: list[str]) -> str:
    """The days that need it: "day 1, 3"."""
    days = dict.fromkeys(found[1] for use in uses if (found := re.match(r"Day (\d+) ", use)))
    return "day " + ", ".join(days) if days else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
