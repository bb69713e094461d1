from __future__ import annotations

from math import cos, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.avoid import HOT, MOST_TOLD, WHOLE_LIST
from fanfold.core.draw import fold, uniform
from fanfold.core.uniqueness import Reservations, normalise


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Spinach Curry", "spinach  curry!", True),
        ("Crème brûlée", "creme brulee", True),
        ("Mac-and-cheese", "Mac and Cheese", True),
        ("ＡＢＣ", "abc", True),
        ("C++", "C#", False),
        ("50 %", "50", False),
        ("Soup", "Soups", False),
        ("!!!", "???", False),
        ("스프", "스튜", False),
        ("Чай", "чаи", False),
        ("Чай", "чай!", True),
        ("กา", "กำ", False),
    ],
)
def test_what_a_person_would_call_the_same(one, other, same):
    assert (normalise(one) == normalise(other)) is same


@given(st.text(max_size=20))
def test_normalising_again_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


ACTIONS = st.lists(st.tuples(st.sampled_from(["take", "commit", "release"]), st.integers(0, 4), st.integers(0, 3)), max_size=60)


@given(ACTIONS)
def test_no_two_cells_ever_commit_the_same_key(actions):
    """R1-R5 against a plain model."""
    keys = Reservations()
    held: dict[int, int] = {}
    committed: dict[int, int] = {}
    for action, cell, k in actions:
        key = ((), f"k{k}")
        mine = held.get(cell)
        if cell in committed:
            continue
        if action == "take":
            free = all(other == cell or other_key != k for other, other_key in {**held, **committed}.items())
            got = keys.take(key, f"name {k}", cell, None if mine is None else ((), f"k{mine}"))
            assert got is free
            if got:
                held[cell] = k
        elif mine is not None and action == "commit":
            keys.commit(((), f"k{mine}"), cell)
            committed[cell] = held.pop(cell)
        elif mine is not None:
            keys.release(((), f"k{mine}"), cell)
            del held[cell]
        assert keys.reserved == len(held)
    assert len(set(committed.values())) == len(committed)


def test_scopes_are_apart_and_owners_alone_give_back():
    keys = Reservations()
    assert keys.take(((1,), "a"), "A", 1, None) and keys.take(((2,), "a"), "A", 2, None)
    assert not keys.take(((1,), "a"), "A", 3, None)
    with pytest.raises(AssertionError):
        keys.release(((1,), "a"), 3)
    assert keys.avoid((1,), 3) == ("A",) and keys.avoid((1,), 1) == () and keys.hot
    keys.commit(((1,), "a"), 1)
    with pytest.raises(AssertionError):
        keys.release(((1,), "a"), 1)


def test_a_long_avoid_list_is_what_collides_most_and_what_came_first():
    keys = Reservations()
    for i in range(200):
        keys.take(((), f"k{i}"), f"name {i}", i, None)
    for _ in range(3):
        keys.take(((), "k7"), "x", 999, None)
    keys.take(((), "k9"), "x", 999, None)
    told = keys.avoid((), 999)
    assert told[:4] == ("name 7", "name 9", "name 0", "name 1") and len(told) <= 52


@given(st.integers(), st.lists(st.integers(), max_size=5))
def test_draws_are_a_function_of_their_counters(seed, counters):
    assert 0 <= uniform(seed, *counters) < 1
    assert uniform(seed, *counters) == uniform(seed, *counters)
    assert fold(counters) == fold(list(counters))


def test_draws_are_spread_evenly():
    draws = [uniform(1, cell, attempt) for cell in range(200) for attempt in range(10)]
    assert 0.48 < sum(draws) / len(draws) < 0.52 and len(set(draws)) == 2000


def test_more_is_told_while_most_draws_are_refused_and_less_when_they_are_not():
    keys = Reservations()
    for i in range(1_000):
        assert keys.take(((), f"k{i}"), f"name {i}", i, None)
    lengths = [len(keys.avoid((), 5_000))]
    for _ in range(100):
        assert not keys.take(((), "k7"), "x", 5_000, None)
        lengths.append(len(keys.avoid((), 5_000)))
    assert lengths[0] == HOT and lengths[-1] == MOST_TOLD and lengths == sorted(lengths)
    for i in range(100):
        keys.take(((), f"new {i}"), f"new {i}", 2_000 + i, None)
    assert len(keys.avoid((), 5_000)) == HOT


def test_it_is_known_whether_somebody_could_have_been_told():
    keys = Reservations()
    keys.take(((), "a"), "A", 1, None)
    sent = keys.taken(())
    keys.take(((), "b"), "B", 2, None)
    assert not keys.take(((), "a"), "A", 3, None) and keys.born < sent, "it was there"
    assert not keys.take(((), "b"), "B", 3, None) and keys.born >= sent, "it came later"
    keys.release(((), "a"), 1)
    keys.take(((), "a"), "A", 4, None)
    assert not keys.take(((), "a"), "A", 3, None) and keys.born >= sent, "it came anew"


def test_who_collided_by_its_meaning_is_told_what_means_nearly_the_same():
    """Where there are too many names to tell them all: the nearest by direction, whatever the words."""
    keys = Reservations()
    for n in range(2 * WHOLE_LIST):
        angle = n * 0.01
        assert keys.take(((), f"dish {n}"), f"Dish {n}", n, None, vector=[cos(angle), sin(angle)], cosine=0.99999)
    assert not keys.take(((), "another"), "Another", -2, None, vector=[cos(1.5), sin(1.5)], cosine=0.99999)
    assert keys.clash == "dish 150"
    told = keys.avoid((), -2, keys.clash)
    assert {"Dish 148", "Dish 149", "Dish 150", "Dish 151", "Dish 152"} <= set(told)
    assert len(told) < 2 * WHOLE_LIST


def test_a_key_that_was_given_back_keeps_nobody_near_away():
    keys = Reservations()
    assert keys.take(((), "red bean soup"), "Red bean soup", 1, None, near=0.8)
    assert not keys.take(((), "red bean soups"), "Red bean soups", 2, None, near=0.8)
    keys.release(((), "red bean soup"), 1)
    assert keys.take(((), "red bean soups"), "Red bean soups", 2, None, near=0.8)
