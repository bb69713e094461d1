"""Generated beside real: every figure against one worked out by hand; what a file may look like."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold import PlanError
from fanfold.apps.reviews.compare import Written, compared, divergence, real_reviews, spread, telling

COUNTS = st.dictionaries(st.integers(0, 9), st.integers(1, 50), min_size=1)


def test_divergence_by_hand():
    assert divergence({1: 5}, {1: 9}) == 0 and divergence({1: 5}, {2: 9}) == 1 and divergence({}, {1: 1}) is None
    assert divergence({1: 1, 2: 1}, {1: 1}) == pytest.approx(0.311278, abs=1e-6)


@given(COUNTS, COUNTS)
def test_divergence_is_symmetric_and_between_0_and_1(one, other):
    found = divergence(one, other)
    assert found is not None and 0 <= found <= 1 and found == pytest.approx(divergence(other, one))
    assert divergence(one, {key: 3 * n for key, n in one.items()}) == pytest.approx(0, abs=1e-9)


def test_telling_words_are_those_that_one_side_alone_uses_often():
    one, other = Counter({"the": 100, "lovely": 20, "odd": 1}), Counter({"the": 100, "grim": 20})
    assert telling(one, other)[0][0] == "lovely" and telling(one, other)[1][0] == "grim"
    assert "the" not in (*telling(one, other)[0], *telling(one, other)[1]) and telling(one, one) == ([], [])


def test_spread_of_numbers():
    assert spread([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) == {"mean": 5.5, "p10": 2, "p50": 6, "p90": 10}
    assert spread([]) == {"mean": None, "p10": None, "p50": None, "p90": None} and spread([4])["p90"] == 4


def test_both_sides_and_how_far_they_are_apart():
    made = [Written("A lovely kettle, lovely sound.", 5), Written("A terrible lid.", 1)]
    real = [Written("A lovely kettle, lovely sound.", 5), Written("A terrible lid.", 1)]
    found = compared(made, real, "English")
    assert found["divergence"] == {"length": 0, "words": 0, "rating": 0, "mean": 0} and found["vocabulary_overlap"] == 1
    assert found["generated"] == found["real"] and found["real"]["feeling"] == {"5": 1, "4": None, "3": None, "2": None, "1": -1}
    assert found["real"]["ratings"] == {"5": 0.5, "4": 0, "3": 0, "2": 0, "1": 0.5} and found["real"]["distinct_1"] == 0.75
    unrated = compared(made, [Written("Gone after three days, " + "word " * 40, None)], "English")
    assert unrated["divergence"]["rating"] is None and unrated["real"]["ratings"] is None
    assert unrated["divergence"]["length"] == 1 and unrated["divergence"]["words"] > 0.9
    assert compared([], real, "English")["divergence"]["mean"] is None


def test_files_of_real_reviews(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("Review Text,Stars\nGood kettle,5\nBad lid,1.0 out of 5\nNo stars,\n,4\n")
    assert real_reviews(str(csv)) == (Written("Good kettle", 5), Written("Bad lid", 1), Written("No stars", None))
    jsonl = tmp_path / "b.jsonl"
    jsonl.write_text(
        "\n".join(json.dumps(row) for row in ({"body": "x", "score": 4.5}, {"body": "y", "score": "3/5"}, {"body": "z"}))
    )
    assert [each.rating for each in real_reviews(str(jsonl))] == [5, 3, None]
    some = tmp_path / "some.jsonl"
    some.write_text('{"text": null, "rating": 4}\n{"text": 12}\n', "utf-8")
    assert real_reviews(str(some)) == (Written("12", None),), "a row may have no text"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "name,b\nx,y\n", "row 1: has no column with the text, only name, b"), ("b.csv", "text,rating\nx,9\n", "'9' is no rating from 1 to 5"),
        ("c.csv", "text,rating\nx,many\n", "'many' is no rating"), ("d.csv", "text\n", "holds no review"), ("e.txt", "x", "rows are read from .csv"),
        ("f.jsonl", "{", "is not valid JSON"),
    ],
)  # fmt: skip
def test_files_that_will_not_do(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(PlanError, match=said) as caught:
        real_reviews(str(tmp_path / name))
    assert caught.value.path == "compare"
