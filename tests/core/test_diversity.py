from __future__ import annotations

from math import exp, log

import pytest

from fanfold.core import diversity
from fanfold.core.diversity import Clusters, Distinct, Diversity, Figure, nearest
from fanfold.core.similarity import likeness


def of(texts, **more):
    found = Diversity(**more)
    for text in texts:
        found.saw(text, text)
    return found.figures()


@pytest.mark.parametrize(
    ("texts", "unique", "once", "twice"),
    [
        ([], (None, 0), (None, 0), (None, 0)),
        (["a b a b"], (1, 1), (2 / 4, 4), (2 / 3, 3)),  # a b · ab ba ab
        (["a b", "A, b!", "b c"], (2 / 3, 3), (3 / 6, 6), (2 / 3, 3)),
        (["soup", "soup"], (1 / 2, 2), (1 / 2, 2), (None, 0)),
        (["x y", "y x"], (1, 2), (2 / 4, 4), (1, 2)),  # no pair from one text into the next
    ],
)
def test_keys_and_words(texts, unique, once, twice):
    found = of(texts)
    assert (found.unique, found.distinct_1, found.distinct_2) == (Figure(*unique), Figure(*once), Figure(*twice))


@pytest.mark.parametrize(
    ("values", "entropy", "coverage"),
    [
        ([], None, 0),
        (["r", "r"], 0, 1 / 4),
        (["r", "g"], 1, 2 / 4),
        (["r", "g", "b", "k"], 2, 1),
        (["r", "r", "g", "b"], 1.5, 3 / 4),  # 1/2 · 1 + 2 · 1/4 · 2
    ],
)
def test_facets(values, entropy, coverage):
    found = Diversity(facets={"colour": ["r", "g", "b", "k"], "other": [1]})
    for value in values:
        found.saw("key", "text", {"colour": value})
    colour = found.figures().facets["colour"]
    assert colour.entropy == Figure(None if entropy is None else pytest.approx(entropy), len(values))
    assert colour.coverage == Figure(coverage, 4) and found.figures().facets["other"].entropy.of == 0


@pytest.mark.parametrize(
    ("keys", "want"),
    [
        (["red soup", "blue cake", "green stew"], 3),
        (["red soup"] * 4, 1),
        (["red soup", "red soups", "blue cake", "cake, blue"], 2),
        (["red soup", "Red soup!", "blue cake"], exp(2 / 3 * log(3 / 2) + 1 / 3 * log(3))),
        (["abcdefgh", "abcdefij", "cdefij"], 1),  # the first and last are far, and the one between is near to both: 12/16, 12/14
        (["abcdefgh", "cdefij", "abcdefij"], 1),
    ],
)
def test_clusters(keys, want):
    assert likeness("abcdefgh", "cdefij") < 0.7 < likeness("abcdefgh", "abcdefij")
    found = Clusters(0.7)
    for key in keys:
        found.saw(key)
    assert found.figure() == Figure(pytest.approx(want), len(keys))


@pytest.mark.parametrize(
    ("texts", "want"),
    [
        ([], None),
        (["alone"], None),
        (["ab", "cd"], 0),
        (["ab", "ab", "cd"], 2 / 3),
        (["abcd", "abxy", "zz"], 1 / 3),  # 4/8, 4/8, 0
    ],
)
def test_nearest(texts, want):
    assert nearest(texts) == Figure(None if want is None else pytest.approx(want), len(texts))


def test_bounded_and_the_same_for_a_seed(monkeypatch):
    for name, value in (("SAMPLE", 10), ("WORDS", 15), ("CLUSTERED", 12)):
        monkeypatch.setattr(diversity, name, value)
    texts = [f"{n:b} or not" for n in range(300)]
    found = of(texts, seed=1)
    assert (found.nearest.of, found.distinct_1.of, found.distinct_2.of, found.clusters.of) == (10, 15, 15, 12)
    assert found == of(texts, seed=1) and found.nearest != of(texts, seed=2).nearest
    assert found.unique == Figure(1, 300)


def test_a_sample_is_of_all():
    seen = [0] * 4
    for seed in range(20):
        found = Diversity(seed=seed)
        for n in range(800):
            found._keep(str(n))
            found._accepted += 1
        for text in found._sample:
            seen[int(text) // 200] += 1
    assert sum(seen) == 4000 and all(850 < n < 1150 for n in seen)


def test_runs_of_words():
    found = Distinct(3)
    found.saw(["a", "b", "c", "a", "b", "c"])
    found.saw(["a", "b"])
    assert found.figure() == Figure(3 / 4, 4)
