"""Named rule checks: a value that is good gives no reason; the reason of another says what to change."""

from __future__ import annotations

import pytest

from fanfold.core.checks import NAMED

DISH = {"name": "Stew", "minutes": 40, "tags": ["Winter", "slow"], "steps": ["Chop.", "Stew."]}

TABLE = [
    ("length", {"max": 4}, "Stew", "Stews", "length is 5, at most 4 is allowed"),
    ("length", {"min": 2, "of": "name"}, DISH, {"name": "S"}, "name: length is 1, at least 2 is needed"),
    ("words", {"min": 2, "max": 3}, "a b", "a", "number of words is 1, at least 2 is needed"),
    ("items", {"max": 2, "of": "steps"}, DISH, {"steps": [1, 2, 3]}, "steps: number of items is 3, at most 2 is allowed"),
    ("number", {"max": 60.5, "of": "minutes"}, DISH, {"minutes": 61}, "minutes: value is 61, at most 60.5 is allowed"),
    ("matches", {"pattern": r"[A-Z]\w+"}, "Stew", "stew", r"the text must match [A-Z]\w+"),
    ("matches", {"pattern": "S.*", "of": "name"}, DISH, {"name": "Ragout"}, "name must match S.*"),
    ("contains", {"text": "winter", "of": "tags"}, DISH, {"tags": ["slow"]}, "tags must contain 'winter'"),
    ("contains", {"text": ["salt", "oil"]}, "Salt and OIL", "salt", "the text must contain 'oil'"),
    ("excludes", {"text": ["nuts", "milk"]}, "water", "Nuts in MILK", "the text must not contain 'nuts', 'milk'"),
    ("excludes", {"text": "summer", "of": "tags"}, DISH, {"tags": ["Summer"]}, "tags must not contain 'summer'"),
    ("one_of", {"values": [1, 2]}, 2, 3, "the value must be one of 1, 2"),
    ("one_of", {"values": ["Stew"], "of": "name"}, DISH, {"name": "Pie"}, "name must be one of Stew"),
    ("no_repeats", {}, ["salt", "oil"], ["salt", "oil", " Salt"], "the list repeats ' Salt'"),
    ("no_repeats", {"of": "tags"}, DISH, {"tags": ["a", "A"]}, "tags repeats 'A'"),
]


@pytest.mark.parametrize(("name", "words", "good", "bad", "reason"), TABLE)
def test_a_check_by_name(name, words, good, bad, reason):
    check = NAMED[name](**words)
    assert check(good) is None
    assert check(bad) == reason


def test_a_mapping_is_searched_as_it_is_written():
    assert NAMED["contains"](text="stew")(DISH) is None


def test_every_check_is_in_the_table():
    assert {name for name, *_ in TABLE} == set(NAMED)


@pytest.mark.parametrize(("words", "why"), [({}, "give min, max or both"), ({"min": 3, "max": 2}, "min 3 is above max 2")])
def test_bounds_that_make_no_sense_are_refused(words, why):
    with pytest.raises(ValueError, match=why):
        NAMED["length"](**words)
