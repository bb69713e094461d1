"""The plan as a calendar (RFC 5545): one event a meal at its usual time, in the local time of whoever reads it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

from fanfold.apps.mealplan.days import TIMES, missing
from fanfold.apps.mealplan.units import measured

Json = dict[str, Any]

LASTS = {"breakfast": 30, "brunch": 60, "lunch": 45, "snack": 15, "dinner": 60, "dessert": 30}
"""Meal -> minutes that are set aside for it."""
OTHER_TIME, OTHER_MINUTES = (20, 0), 30
LINE_OCTETS = 75  # RFC 5545, 3.1: longer lines are folded
NEW_LINE = "\r\n"


def calendar(data: Json, *, today: date | None = None) -> str:
    """The text of an .ics file. data: the whole result JSON; day 1 is its "start", else the Monday after `today`.

    The same data and start give the same bytes, and the same meal keeps its UID: a calendar that reads it twice has it once.
    """
    start = date.fromisoformat(data["start"]) if data.get("start") else next_monday(today or date.today())
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Fanfold//mealplan//EN",
        "CALSCALE:GREGORIAN",
        "X-WR-CALNAME:Meal plan",
        *_events(data, start),
        "END:VCALENDAR",
    ]
    return "".join(fold(line) + NEW_LINE for line in lines)


def next_monday(today: date) -> date:
    """The first Monday after today."""
    return today + timedelta(days=7 - today.weekday())


def _events(data: Json, start: date) -> Iterator[str]:
    for day in data["plan"]:
        for meal in day["meals"]:
            recipe = meal["recipe"]
            yield from _event(start, day["day"], meal["type"], recipe["name"], _description(recipe))
    for lost in missing(data):
        yield from _event(start, lost.day, lost.type, "no recipe", lost.why)


def _event(start: date, day: int, meal: str, what: str, description: str) -> Iterator[str]:
    """Times without a zone: breakfast is at eight wherever one is. It does not make anybody busy."""
    begins = datetime.combine(start + timedelta(days=day - 1), time(*TIMES.get(meal, OTHER_TIME)))
    ends = begins + timedelta(minutes=LASTS.get(meal, OTHER_MINUTES))
    identity = sha256("\n".join((begins.isoformat(), meal, what, description)).encode("utf-8", "replace")).hexdigest()[:32]
    yield "BEGIN:VEVENT"
    yield f"UID:{identity}@fanfold"
    yield f"DTSTAMP:{start:%Y%m%d}T000000Z"  # when it was made is not known here: the first day, so that nothing depends on the clock
    yield f"DTSTART:{begins:%Y%m%dT%H%M%S}"
    yield f"DTEND:{ends:%Y%m%dT%H%M%S}"
    yield f"SUMMARY:{text(f'{meal.capitalize()}: {what}')}"
    yield f"DESCRIPTION:{text(description)}"
    yield f"CATEGORIES:{text(meal.capitalize())}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _description(recipe: Json) -> str:
    facts = [
        recipe["cuisine"],
        f"{recipe['minutes']} min",
        f"{recipe['calories']} kcal a serving",
        f"serves {recipe['servings']}",
    ]
    contains = ["Contains " + ", ".join(recipe["allergens"])] if recipe["allergens"] else []
    ingredients = [f"- {measured(item['amount'], item['unit'], item['name'])}" for item in recipe["ingredients"]]
    steps = [f"{number}. {step}" for number, step in enumerate(recipe["steps"], 1)]
    return "\n".join([", ".join(facts), *contains, "", *ingredients, "", *steps])


def text(value: str) -> str:
    """A TEXT value (RFC 5545, 3.3.11): with what has a meaning escaped, and without control characters."""
    lines = value.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    clean = ["".join(char for char in line if char == "\t" or unicodedata.category(char) not in ("Cc", "Cs")) for line in lines]
    escaped = [line.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,") for line in clean]
    return "\\n".join(escaped)


def fold(line: str) -> str:
    """A content line in pieces of at most 75 octets, each after the first begun with a space; no character is cut."""
    pieces, octets = [""], 0
    for char in line:
        size = len(char.encode("utf-8"))
        if octets + size > LINE_OCTETS:
            pieces.append(" ")
            octets = 1
        pieces[-1] += char
        octets += size
    return NEW_LINE.join(pieces)
