"""The calendar: RFC 5545 in octets, floating times, and texts that come back as they were."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.apps.mealplan.calendar import calendar, fold, next_monday, text
from fanfold.apps.mealplan.days import TIMES
from fanfold.apps.mealplan.params import WEIGHTS, Params
from tests.apps.test_mealplan_html import failed, two_days

LINE = re.compile(r"([A-Z-]+):(.*)")


def read(calendar_text: str) -> list[dict[str, str]]:
    """The events, by the letter of the standard: unfold, then name and value, then unescape."""
    data = calendar_text.encode("utf-8")
    assert data.endswith(b"\r\n") and b"\n" not in data.replace(b"\r\n", b"") and b"\r" not in data.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    lines = data.replace(b"\r\n ", b"").decode("utf-8").split("\r\n")[:-1]
    assert (lines[0], lines[1], lines[-1]) == ("BEGIN:VCALENDAR", "VERSION:2.0", "END:VCALENDAR")
    assert sum(line.startswith("PRODID:") for line in lines) == 1
    events: list[dict[str, str]] = []
    for line in lines[1:-1]:
        found = LINE.fullmatch(line)
        assert found, line
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events and line != "END:VEVENT":
            assert found[1] not in events[-1]
            events[-1][found[1]] = unescaped(found[2])
    return events


def unescaped(value: str) -> str:
    assert not re.search(r"(?<!\\)(?:\\\\)*[,;]", value), "a comma or a semicolon that is not escaped"
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], value)


def test_one_event_a_meal_at_its_usual_time():
    events = read(calendar(two_days(start="2026-11-23")))
    assert [(each["SUMMARY"], each["DTSTART"], each["DTEND"]) for each in events] == [
        ("Breakfast: Cheese Toast", "20261123T080000", "20261123T083000"),
        ("Lunch: Bean Stew", "20261124T123000", "20261124T131500"),
    ]
    assert {each["DTSTAMP"] for each in events} == {"20261123T000000Z"} and {each["TRANSP"] for each in events} == {"TRANSPARENT"}
    assert events[0]["DESCRIPTION"] == (
        "British, 10 min, 400 kcal a serving, serves 2\nContains gluten, milk\n\n"
        "- 4 slices bread\n- 100 g cheddar\n- salt\n\n1. Toast.\n2. Melt the cheddar on it."
    )


def test_the_same_plan_and_start_are_the_same_bytes_and_another_day_is_another_event():
    once, later = calendar(two_days(start="2026-11-23")), calendar(two_days(start="2026-11-30"))
    assert once == calendar(two_days(start="2026-11-23"), today=date(2030, 1, 1))
    uids = [each["UID"] for each in (*read(once), *read(later))]
    assert len(set(uids)) == 4 and all(re.fullmatch(r"[0-9a-f]{32}@fanfold", uid) for uid in uids)


@pytest.mark.parametrize(
    ("today", "monday"), [((2026, 11, 21), 23), ((2026, 11, 22), 23), ((2026, 11, 23), 30), ((2026, 11, 24), 30)]
)
def test_without_a_start_it_begins_next_monday(today, monday):
    assert next_monday(date(*today)) == date(2026, 11, monday)
    assert read(calendar(two_days(), today=date(*today)))[0]["DTSTART"] == f"202611{monday}T080000"


def test_a_missing_meal_is_in_the_calendar_too():
    data: dict[str, Any] = {**two_days(start="2026-11-23"), "errors": [failed(2, "breakfast", "it contains pork; not halal")]}
    event = read(calendar(data))[-1]
    assert (event["SUMMARY"], event["DTSTART"]) == ("Breakfast: no recipe", "20261124T080000")
    assert event["DESCRIPTION"] == "it contains pork; not halal"


def test_every_meal_has_a_time():
    assert TIMES.keys() == WEIGHTS.keys()


@given(st.text())
def test_texts_come_back_without_what_no_calendar_can_hold(value):
    back = unescaped(text(value))
    kept = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "", value.replace("\r\n", "\n").replace("\r", "\n"))
    assert back == kept


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=400))
def test_folded_lines_are_short_and_unfold(line):
    folded = fold(line)
    pieces = folded.encode("utf-8").split(b"\r\n")
    assert all(len(piece) <= 75 for piece in pieces) and all(piece.startswith(b" ") for piece in pieces[1:])
    for piece in pieces:
        piece.decode("utf-8")
    assert folded.replace("\r\n ", "") == line


@pytest.mark.parametrize(
    ("given_", "why"),
    [("23-11-2026", "is not a date: write 2026-11-23"), ("1764547200", "is not a date"), ("0001-01-01", "1900")],
)
def test_a_start_is_a_date(given_, why):
    with pytest.raises(ValueError, match=why):
        Params(start=given_)
    assert Params(start=" 2026-11-23 ").start == date(2026, 11, 23) and Params().start is None
