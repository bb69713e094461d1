from __future__ import annotations

from collections import Counter
from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.core.facets import STRIDE, Facets

SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)


def declared(sizes):
    return {f"f{n}": [f"{n}.{i}" for i in range(size)] for n, size in enumerate(sizes)}


def combined(cell):
    return tuple(cell.values())


@given(SIZES, st.integers(0, 60), st.integers())
def test_values_are_used_equally_often_and_combinations_once(sizes, cells, seed):
    """Also among the first of them, for a run that ends early; and spares are new."""
    facets = Facets(declared(sizes), cells, seed)
    found = [facets.at(i) for i in range(cells)]
    for n, size in enumerate(sizes):
        used = Counter(cell[f"f{n}"] for cell in found)
        assert set(used) <= set(declared(sizes)[f"f{n}"])
        counts = [used[f"{n}.{i}"] for i in range(size)]
        assert max(counts) - min(counts) <= 1
    spares = max(0, min(20, prod(sizes) - cells))
    every = [combined(cell) for cell in (*found, *(facets.at(cells + k) for k in range(spares)))]
    assert max(Counter(every).values(), default=0) <= -(-len(every) // prod(sizes))


@given(SIZES, st.integers())
def test_every_combination_comes_once_before_any_comes_again(sizes, seed):
    facets = Facets(declared(sizes), 5, seed)
    size = facets.combinations
    assert {combined(facets.at(i)) for i in range(size)} == set(product(*declared(sizes).values()))
    assert [facets.at(i) for i in range(size, size + 10)] == [facets.at(i % size) for i in range(size, size + 10)]


@given(st.integers(), st.permutations(range(40)))
def test_a_function_of_seed_and_cell(seed, order):
    values, banned = declared([3, 4, 5]), [{"f0": "0.1", "f2": "2.3"}, {"f1": "1.0", "f2": "2.0"}]
    for infeasible in ((), banned):
        first, second = (Facets(values, 40, seed, infeasible) for _ in range(2))
        assert {i: second.at(i) for i in order} == {i: first.at(i) for i in range(40)}
        assert second.at(43) == first.at(43)


@given(
    st.integers(),
    st.lists(
        st.fixed_dictionaries(
            {}, optional={"f0": st.sampled_from(["0.0", "0.1"]), "f1": st.sampled_from(["1.0", "1.2"]), "f2": st.just("2.1")}
        ).filter(bool),
        max_size=3,
    ),
)
def test_infeasible_combinations_never_come_and_all_others_do(seed, infeasible):
    values = declared([3, 4, 3])
    left = {
        c
        for c in product(*values.values())
        if not any(all(dict(zip(values, c, strict=True))[f] == v for f, v in bad.items()) for bad in infeasible)
    }
    facets = Facets(values, 10, seed, infeasible)
    found = [combined(facets.at(i)) for i in range(len(left))]
    assert set(found) == left
    assert [combined(facets.at(len(left) + i)) for i in range(5)] == found[:5], "then again"


def test_seeds_differ():
    assert len({combined(Facets(declared([20, 20]), 9, seed).at(0)) for seed in range(50)}) > 35


def test_far_cells_cost_no_more():
    facets = Facets({"a": range(1000), "b": range(1001), "c": range(999)}, 10**8, 1)
    assert facets.at(10**8 - 1) != facets.at(10**8) and facets.combinations == 999_999_000
    narrow = Facets({"a": range(50), "b": range(50)}, 2000, 1, [{"a": 7}])
    far = narrow.at(2000)
    assert len(narrow._marks) == 2000 // STRIDE + 1
    assert far == Facets({"a": range(50), "b": range(50)}, 1, 1, [{"a": 7}]).at(2000)


def test_a_value_listed_twice_is_used_twice_as_often():
    facets = Facets({"mood": ["calm", "calm", "wild"]}, 30, 1)
    assert Counter(facets.at(i)["mood"] for i in range(30)) == {"calm": 20, "wild": 10}
    assert {Facets({"mood": ["calm", "calm", "wild"]}, 3, 1, [{"mood": "calm"}]).at(i)["mood"] for i in range(5)} == {"wild"}


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match="no value is left of b"):
        Facets({"a": [1], "b": []}, 1, 1)
    for wrong in ({"c": 1}, {"a": 2}, {}):
        with pytest.raises(ValueError, match="no such"):
            Facets({"a": [1], "b": [1, 2]}, 1, 1, [wrong])
    with pytest.raises(ValueError, match="every combination"):
        Facets({"a": [1], "b": [1, 2]}, 1, 1, [{"a": 1}]).at(0)
