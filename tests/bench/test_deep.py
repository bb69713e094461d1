"""Five levels of lists found in answers: as fast as the longest chain, no barrier between levels, and a fault stays where it is."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from bench.deep import CAP, FEWEST_MOST, LEVELS, MOST_OF_PATH, SUMMARY_S, Grown, Tree

FREE = 100_000
SMALL = Tree(4, documents=2)


def name_of(cell) -> str:
    """By its coordinates: those of found axes count from 1."""
    return ".".join([cell.at["document"], *[str(cell.at[axis] - 1) for axis in LEVELS[1 : len(cell.at)]]])


def listed(grown: Grown) -> dict[str, list[str]]:
    """By name: what each accepted cell listed."""
    cells = [cell for step in LEVELS for cell in grown.result[f"{step}_parts"]]
    return {name_of(cell): cell.value.items for cell in cells if cell.state == "accepted"}


@cache
def whole() -> dict[str, list[str]]:
    return listed(Grown(SMALL).grow(FREE))


@pytest.mark.parametrize("seed", range(2))
def test_it_takes_as_long_as_its_longest_chain(seed):
    tree = Tree(seed)
    grown = Grown(tree).grow(FREE)
    names = tree.names()
    assert grown.result.ok and sorted(grown.begins) == sorted(names), "every cell was asked, and nothing else"
    assert max(name.count(".") for name in names) == len(LEVELS) - 1, "five levels"
    assert grown.wall_s <= MOST_OF_PATH * tree.path_s()
    assert grown.wall_s >= 0.999 * tree.path_s(), "the bound is one"


def test_it_is_as_ragged_as_it_should_be():
    tree = Tree(1)
    sizes = [
        Counter(len(tree.items(name)) for name in tree.names() if name.count(".") == level) for level in range(len(FEWEST_MOST))
    ]
    assert all(counts[0] for counts in sizes[1:]) and all(len(counts) > 4 for counts in sizes), "empty lists, and many lengths"


def test_there_is_no_barrier_between_levels():
    tree = Tree(2)
    grown = Grown(tree).grow(FREE)
    for name in tree.names():
        if "." in name:
            assert grown.begins[name] - grown.ends[name.rpartition(".")[0]] < 0.2, "it begins when the one above it has come"
    by_level = {level: [name for name in tree.names() if name.count(".") == level] for level in range(len(LEVELS))}
    for above in range(len(LEVELS) - 2):
        first_below = min(grown.begins[name] for name in by_level[above + 2])
        assert first_below < max(grown.ends[name] for name in by_level[above]), (
            "two levels further down before the level has ended"
        )


@pytest.mark.parametrize("seed", [2])
def test_under_a_cap_it_is_bound_by_the_work(seed):
    tree = Tree(seed)
    grown = Grown(tree).grow(CAP)
    assert grown.result.ok and grown.result.report["max_in_flight"] == CAP
    work = tree.work_s() / CAP
    assert work <= grown.wall_s <= work + tree.path_s(), "Graham's bound for any order that leaves no slot idle"
    assert grown.wall_s <= 1.3 * max(work, tree.path_s()), "hedges, which are for nothing here, included"


def test_every_value_is_where_it_belongs():
    assert whole() == {name: SMALL.items(name) for name in SMALL.names()}


@pytest.mark.parametrize("level", range(5))
def test_one_that_fails_takes_nothing_with_it_but_what_hangs_on_it(level):
    with_parts = [name for name in SMALL.names() if name.count(".") == level and (level == 4 or SMALL.items(name))]
    bad = with_parts[len(with_parts) // 2]
    hurt = Grown(SMALL, lambda name: name == bad).grow(FREE)
    result = hurt.result
    assert [(error.stage, error.code) for error in result.errors] == [(f"{LEVELS[level]}_parts", "filtered")]
    assert result.state == "partial" and (result.report["failed"], result.report["skipped"]) == (1, 0)
    gone = {name for name in SMALL.names() if name == bad or name.startswith(f"{bad}.")}
    assert set(hurt.begins) == set(SMALL.names()) - gone | {bad}, "what it would have listed is never asked"
    assert listed(hurt) == {name: items for name, items in whole().items() if name not in gone}, (
        "all else is as it would have been"
    )
    assert [cell.state for cell in result["summary"]] == ["accepted"] * SMALL.documents, "what gathers goes on with what there is"
    assert hurt.wall_s <= MOST_OF_PATH * SMALL.path_s()


def test_a_document_that_lists_nothing_is_summed_up_all_the_same():
    class Bare(Tree):
        def items(self, name: str) -> list[str]:
            return [] if name in ("0", "1.0") else super().items(name)

    tree = Bare(3, documents=2)
    grown = Grown(tree).grow(FREE)
    assert grown.result.ok and [cell.state for cell in grown.result["summary"]] == ["accepted"] * 2
    assert grown.begins.keys() == set(tree.names()) and not any(name.startswith("0.") for name in grown.begins)
    assert SUMMARY_S < grown.wall_s <= MOST_OF_PATH * tree.path_s()
