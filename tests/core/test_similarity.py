from __future__ import annotations

from math import hypot

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.fuzz import ratio

from fanfold.core.cosine import HEAD, NearVectors
from fanfold.core.shingles import words
from fanfold.core.similarity import SHORT, Near, canonical, likeness
from fanfold.core.uniqueness import normalise

WORDS = [
    "chili",
    "bean",
    "beans",
    "soup",
    "Crème",
    "roasted",
    "a",
    "of",
    "스프",
    "C++",
    "lentil",
    "stew",
    "curry",
    "50 %",
    "Spinat",
    "饺子",
]
SHORTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
LONGS = st.builds(
    lambda start, middle, end: " ".join([*start, *WORDS[:8] * middle, *end]),
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.integers(2, 3),
    st.lists(st.sampled_from(WORDS), max_size=3),
)
KEYS = st.one_of(SHORTS, LONGS, st.text(alphabet="ab cß́é", max_size=12), st.text(max_size=8))
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.55, 0.7, 0.8, 0.85, 0.95, 1.0])


def brute(one: str, other: str) -> float:
    """The rule, word for word."""
    a, b = canonical(one), canonical(other)
    if len(a) <= SHORT and len(b) <= SHORT:
        return max(ratio(a, b), ratio(" ".join(sorted(a.split())), " ".join(sorted(b.split())))) / 100
    sets = []
    for text in (a, b):
        found = words(text)
        sets.append({tuple(found[i : i + 3]) for i in range(len(found) - 2)} or {tuple(found)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("Spinach Curry", "spinach  currys!", 1, 1),
        ("Bean chili", "Chili, bean", 1, 1),
        ("Crème brûlée", "creme brulees", 1, 1),
        ("glass", "glas", 0.75, 0.75),  # 2·3/8: ss is no plural, s is
        ("ab", "cd", 0, 0),
        ("", "", 1, 1),
        ("C++", "C#", 0.4, 0.4),
        (" ".join("abcdefgh" * 12), " ".join("abcdefgh" * 13), 1, 1),  # the same eight shingles
        ("x" * 81, "y" * 81, 0, 0),
        ("你" * 81, "你" * 200, 1, 1),  # characters are words where there are no spaces
    ],
)
def test_the_rule(one, other, least, most):
    assert least <= likeness(one, other) <= most
    assert likeness(one, other) == likeness(other, one) == brute(one, other)


@given(st.one_of(st.text(max_size=30), KEYS))
@example("“Quoted” – text… • ٠ Ꭰ ʼn")
def test_quick_or_not_a_text_is_normalised_the_same_way(text):
    plain = normalise(text).split()
    single = [word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word for word in plain]
    alone = [text.strip()] if normalise(text) == text.strip() else []  # nothing but signs: they stand as they are
    assert canonical(text) in [" ".join(single) or text.strip(), *alone]


@given(THRESHOLDS, st.lists(KEYS, max_size=15, unique=True), st.lists(KEYS, min_size=1, max_size=4), st.data())
def test_found_if_and_only_if_near(threshold, keys, asked, data):
    """Against the rule, pair by pair, with some keys removed again; in any order."""
    near = Near(threshold)
    for key in keys:
        near.add(key)
        near.find(data.draw(st.sampled_from(asked)))
    for key in data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []:
        near.remove(key)
    left = list(near)
    turned = Near(threshold)
    for key in reversed(left):
        turned.add(key)
    for key in [*asked, *keys]:
        alike = {other: brute(key, other) for other in left if brute(key, other) >= threshold}
        assert dict(near.matches(key)) == dict(turned.matches(key)) == alike
        best = max(alike.values(), default=None)
        assert near.find(key) == next((other for other in alike if alike[other] == best), None)
        assert (turned.find(key) is None) is (not alike)


@given(THRESHOLDS, st.lists(st.text(alphabet="abc ", max_size=100), min_size=1, max_size=30, unique=True))
def test_places_are_used_again(threshold, keys):
    near = Near(threshold)
    for key in keys:
        near.add(key)
    for key in keys:
        near.remove(key)
        assert key not in near and all(other != key for other, _ in near.matches(key))
        near.add(key)
        assert near.find(key) is not None and len(near) == len(keys)
    for key in keys:
        near.remove(key)
    assert all(near.find(key) is None for key in keys)
    with pytest.raises(KeyError):
        near.remove(keys[0])


def test_the_best_and_of_equals_the_first_and_never_the_one_left_out():
    near = Near(0.8)
    for key in ("red bean soup", "Soup, red bean", "red bean soups with ham"):
        near.add(key)
        near.add(key)
    assert near.find("RED BEAN SOUP") == "red bean soup"
    assert near.find("RED BEAN SOUP", besides="red bean soup") == "Soup, red bean"
    assert len(near) == 3 and [key for key, _ in near.matches("red bean soup")] == ["red bean soup", "Soup, red bean"]
    alone = Near(0.8)
    alone.add("one")
    assert alone.find("one", besides="one") is None


@pytest.mark.parametrize("threshold", [0, -1, 1.1])
def test_a_threshold_must_make_sense(threshold):
    with pytest.raises(ValueError):
        Near(threshold)


VECTORS = st.lists(st.floats(-9, 9, width=16), min_size=3, max_size=3).filter(lambda v: hypot(*v) > 0.1)


@given(st.sampled_from([-0.5, 0, 0.5, 0.9]), st.lists(VECTORS, max_size=8), VECTORS)
def test_vectors_near_by_cosine(threshold, vectors, asked):
    near = NearVectors(threshold)
    for n, vector in enumerate(vectors):
        near.add(str(n), vector)
    cosines = [sum(a * b for a, b in zip(v, asked, strict=True)) / hypot(*v) / hypot(*asked) for v in vectors]
    best = max(cosines, default=-1)
    found = near.find(asked)
    if best > threshold + 1e-6:
        assert found is not None and cosines[int(found)] == pytest.approx(best)
    if best < threshold - 1e-6:
        assert found is None
    if found is not None:
        other = near.find(asked, besides=found)
        assert other != found
        near.remove(found)
        assert near.find(asked) == other and len(near) == len(vectors) - 1


def test_vectors_that_cannot_be_compared():
    near = NearVectors(0.9)
    near.add("a", [3, 4])
    assert near.find([0.6, 0.8]) == "a" and near.find([4, 3]) == "a" and near.find([4, -3]) is None
    for wrong in ([1, 2, 3], [0, 0], [float("nan"), 1], [float("inf"), 1]):
        with pytest.raises(ValueError):
            near.find(wrong)
    with pytest.raises(ValueError):
        NearVectors(2)


def test_long_vectors_are_told_apart_by_what_follows_their_heads():
    """The first numbers are a bound: two that agree in them, and in nothing else, are not near."""
    near, head = NearVectors(0.9), [1.0] * HEAD
    near.add("same head", [*head, *([9.0] * 8)])
    near.add("the one", [*head, *([-9.0] * 8)])
    assert near.find([*head, *([-8.5] * 8)]) == "the one"
    assert near.find([*head, *([0.0] * 8)]) is None, "as far from the one as from the other"


def test_the_vectors_closest_to_one_come_nearest_first():
    near = NearVectors(0.9)
    for name, vector in {"east": [1, 0], "north": [0, 1], "north-east": [1, 1], "west": [-1, 0]}.items():
        near.add(name, vector)
    assert near.closest("east", 2) == ["north-east", "north"]
    assert near.closest("west", 9) == ["north", "north-east", "east"]
    assert near.closest("south", 2) == [], "nobody knows where that is"


def test_a_text_that_shares_a_shingle_with_a_much_longer_one_is_not_near():
    near = Near(0.8)
    words = [f"word{n}" for n in range(60)]
    near.add(" ".join(words))
    assert near.find(" ".join(words[30:])) is None, "half of it is all that they have in common"
    assert near.find(" ".join(words[:58])) == " ".join(words)


def test_what_was_removed_is_near_to_nothing():
    """Short and long, with a twin that stays: neither the one nor what it shares with the twin is lost."""
    near, long = Near(0.8), " ".join(f"word{n}" for n in range(30))
    keys = ["Red bean soup", "Red bean soups", long, f"{long} more"]
    for key in (*keys, keys[0]):
        near.add(key)
    assert list(near) == keys and len(near) == 4
    for gone, twin in ((keys[2], keys[3]), (keys[0], keys[1])):
        assert near.find(gone) == gone
        near.remove(gone)
        assert gone not in near and near.find(gone) == twin
        near.remove(twin)
        assert near.find(gone) is None
    assert len(near) == 0


def test_of_vectors_alike_the_first_counts():
    near = NearVectors(0.5)
    near.add("first", [1, 0])
    near.add("again", [1, 0])
    assert near.find([1, 0]) == "first" and near.find([1, 0], besides="first") == "again" and len(near) == 2
