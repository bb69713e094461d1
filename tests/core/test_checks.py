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
    ("sentences", {"max": 2}, "One. Two!", "One. Two? Three", "number of sentences is 3, at most 2 is allowed"),
    ("sentences", {"min": 2}, "它很好。真的！", "About 3.5 degrees", "number of sentences is 1, at least 2 is needed"),
    ("lines", {"min": 3, "max": 3}, "a\n\nb\nc", "a\nb", "number of lines is 2, at least 3 is needed"),
    ("starts_with", {"text": ["how", "why"]}, " Why not?", "When?", "the text must start with 'how' or 'why'"),
    ("ends_with", {"text": "?", "of": "name"}, {"name": "Why?"}, {"name": "Why."}, "name must end with '?'"),
    (
        "language",
        {"code": "nl"},
        "Het is een mooie dag en de zon schijnt op het water.",
        "The sun is on the water and it is a day to be out.",
        "the text must be in the language 'nl', not 'en'",
    ),
    ("language", {"code": "en"}, "Stew", "Это очень хорошая книга", "the text must be in the language 'en', not 'ru'"),
    (
        "language",
        {"code": "ja", "of": "name"},
        {"name": "これは本です。"},
        {"name": "A book"},
        "name must be in the language 'ja'",
    ),
    ("language", {"code": "zh"}, "这是一本书。", "これは本です。", "the text must be in the language 'zh', not 'ja'"),
    (
        "cites",
        {"ids": ["E1", "E2"]},
        "So it is [E1], [E1, E2]; see [here](x) and [ ] and [x].",
        "So [E3].",
        "the text cites 'E3', which does not exist",
    ),
    (
        "cites",
        {"ids": [{"id": "E1"}, {"id": 2}], "min": 2, "of": "body"},
        {"body": "[E1][2]"},
        {"body": "[2]"},
        "body cites 1, at least 2 is needed",
    ),
    ("no_placeholders", {}, {"a": "fine", "b": ["x"]}, {"a": "fine", "b": ["TBD"]}, "the text has the placeholder 'TBD'"),
    ("no_placeholders", {}, "Dear Anna, [sic] thanks", "Dear [Your Name],", "the text has the placeholder '[Your Name]'"),
    (
        "no_placeholders",
        {"of": "tags"},
        {"tags": ["a todo list".replace("todo", "to-do")]},
        {"tags": ["a", "Lorem ipsum"]},
        "tags has the placeholder 'Lorem ipsum'",
    ),
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


@pytest.mark.parametrize("name", ["Hanna de Vries", "The Hague", "", "42", "Kaas en ham"])
def test_too_little_text_may_be_in_any_language(name):
    assert NAMED["language"](code="nl")(name) is None


def test_neighbours_among_languages_are_told_apart():
    texts = {
        "da": "Det er en god bog, og jeg har ikke læst den, men han siger, at den er til børn.",
        "de": "Das ist ein gutes Buch, und ich habe es nicht gelesen, aber er sagt, dass es für die Kinder ist.",
        "es": "Es un buen libro, pero no lo he leído, y el autor dice que es para los niños de la casa.",
        "fr": "C'est un bon livre, mais je ne l'ai pas lu, et il dit que c'est pour les enfants de la maison.",
        "it": "È un buon libro, ma non l'ho letto, e lui dice che è per i bambini della casa.",
        "nl": "Het is een goed boek, maar ik heb het niet gelezen, en hij zegt dat het voor de kinderen is.",
        "pt": "É um bom livro, mas não o li, e ele diz que é para as crianças da casa, com uma história.",
        "sv": "Det är en bra bok, men jag har inte läst den, och han säger att den är för barn.",
    }
    for code, text in texts.items():
        assert [other for other in texts if NAMED["language"](code=other)(text) is None] == [code]


@pytest.mark.parametrize(
    ("name", "words", "why"),
    [
        ("language", {"code": "xx"}, "there is no language 'xx': one of ar, da"), ("contains", {"text": []}, "give a text, or a list of texts"),
        ("starts_with", {"text": [1]}, "give a text"), ("cites", {"ids": ["a"], "min": 2}, "more than there are"), ("one_of", {"values": "ab"}, "a list"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(name, words, why):
    with pytest.raises(ValueError, match=why):
        NAMED[name](**words)


def test_every_check_is_in_the_table():
    assert {name for name, *_ in TABLE} == set(NAMED)


@pytest.mark.parametrize(("words", "why"), [({}, "give min, max or both"), ({"min": 3, "max": 2}, "min 3 is above max 2")])
def test_bounds_that_make_no_sense_are_refused(words, why):
    with pytest.raises(ValueError, match=why):
        NAMED["length"](**words)
