"""How a model writes: favourites, avoid-lists, slips."""

from __future__ import annotations

from random import Random

import pytest

from fanfold.sim.pen import Habits, Pen, skewed
from fanfold.spec import phrases

NAMES = [f"dish {n}" for n in range(60)]


def pens(count, prompt="Cook.", **habits):
    return [Pen(Random(seed), prompt, {}, Habits(**habits)) for seed in range(count)]


def test_favourites_come_first():
    counts = [0] * 60
    for pen in pens(6000):
        counts[pen.zipf(60)] += 1
    assert counts[0] > 3 * counts[5] > 3 * counts[40]
    assert min(counts) > 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.01, 4.0])
@pytest.mark.parametrize("n", [1, 2, 2000])
def test_ranks_stay_in_range(exponent, n):
    rng = Random(1)
    assert {skewed(u, n, exponent) for u in [0.0, 1 - 2**-53, *(rng.random() for _ in range(500))]} <= set(range(n))


def test_without_collapse_every_name_is_as_likely():
    chosen = [pen.choose(NAMES) for pen in pens(6000, collapse=0.0)]
    assert max(map(chosen.count, NAMES)) < 2 * min(map(chosen.count, NAMES))


def test_what_is_taken_is_avoided_by_nearly_all():
    taken = NAMES[:20]
    prompt = "Cook.\n\n" + phrases.rejected("too salty", None) + "\n\n" + phrases.avoid([name.upper() for name in taken])
    found = pens(2000, prompt)
    assert found[0].avoid == tuple(name.upper() for name in taken)
    assert found[0].reason == "too salty"
    for way in (lambda pen: pen.choose(NAMES), lambda pen: pen.pick(len(NAMES), NAMES.__getitem__)):
        broken = sum(way(pen) in taken for pen in pens(2000, prompt))
        assert 0 < broken / 2000 < 0.08
        assert not any(way(pen) in taken for pen in pens(500, prompt, obeys=1.0))


def test_some_answers_are_favourites_whatever_it_is_told():
    taken = NAMES[:3]
    for way in (lambda pen: pen.choose(NAMES), lambda pen: pen.pick(len(NAMES), NAMES.__getitem__)):
        found = [way(pen) for pen in pens(2000, phrases.avoid(taken), collapse=0.0, obeys=1.0, repeat=0.3)]
        repeated = [name for name in found if name in taken]
        assert 0.25 < len(repeated) / 2000 < 0.35 and set(repeated) == set(taken)
        assert way(pens(1, repeat=0.0)[0]) == way(pens(1)[0]), "without it nothing changes"


@pytest.mark.parametrize("collapse", [0.0, 1.0, 2.3])
def test_a_name_is_picked_as_one_is_chosen_also_when_many_are_taken(collapse):
    prompt = phrases.avoid(NAMES[:40])
    picked = [pen.pick(len(NAMES), NAMES.__getitem__) for pen in pens(4000, prompt, collapse=collapse, obeys=1.0)]
    chosen = [pen.choose(NAMES) for pen in pens(4000, prompt, collapse=collapse, obeys=1.0)]
    assert picked == chosen


def test_when_all_is_taken_it_repeats_itself():
    prompt = phrases.avoid(NAMES)
    for pen in pens(20, prompt, obeys=1.0):
        assert pen.choose(NAMES) in NAMES
        assert pen.pick(60, NAMES.__getitem__) in NAMES


def test_only_the_last_avoid_list_counts_and_it_ends_with_its_lines():
    prompt = phrases.avoid(["old"]) + "\n\n" + phrases.avoid(["new one", "- dashed"]) + "\n\n- not of it"
    assert Pen(Random(1), prompt, {}).avoid == ("new one", "- dashed")


def test_slips_are_seldomer_once_told():
    told = "Cook.\n\n" + phrases.rejected("it contains meat", '{"name": "stew"}')
    plain, again = (sum(pen.slips("diet") for pen in pens(5000, prompt, slips=0.2)) for prompt in ("Cook.", told))
    assert plain / 5000 == pytest.approx(0.2, abs=0.03)
    assert again / 5000 == pytest.approx(0.04, abs=0.02)
    assert Pen(Random(1), told, {}).reason == "it contains meat"
