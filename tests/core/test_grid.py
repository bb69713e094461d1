"""The grid against a brute-force reading of its one rule."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fanfold.core.grid import Grid, projection, upward_ranks
from fanfold.spec.compile import compile_plan
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Plan, Step


def grid_of(steps: list[Step], axes: dict[str, Any]) -> Grid:
    return Grid(compile_plan(Plan("t", steps, axes)))


def test_projections():
    assert projection(("a", "b"), ("a", "b")) is None
    for source, target, at, out in [
        (("a", "b"), (), (1, 2), ()),
        (("a", "b", "c"), ("a", "b"), (1, 2, 3), (1, 2)),
        (("a", "b"), ("b",), (1, 2), (2,)),
        (("a", "b", "c"), ("c", "a"), (1, 2, 3), (3, 1)),
    ]:
        project = projection(source, target)
        assert project is not None and project(at) == out


def test_ranks_are_longest_chains():
    grid = grid_of([Step("a", "x"), Step("b", "{a}"), Step("c", "{a}"), Step("d", "{b} {c}")], {})
    assert upward_ranks(grid, [1, 5, 2, 3]) == [9, 8, 5, 3]


def test_a_million_rows_are_not_unfolded():
    grid = grid_of([Step("a", "x", over=("n", "m"))], {"n": range(1_000_000), "m": range(10)})
    assert grid.size(0, ()) == 10_000_000
    assert grid.coords(0, (), 9_999_999) == (999_999, 9)


# A random graph of steps over static axes a, b, c and a chain of dynamic axes x (from s0 over a), y (from s1 over a, x).
POOL = ["a", "b", "c", "x", "y"]


@st.composite
def worlds(draw: st.DrawFn):
    sizes = {axis: draw(st.integers(1, 3)) for axis in "abc"}
    steps = [Step("s0", "x", over=("a",)), Step("s1", "x", over=("a", "x"), needs=("s0",))]
    for i in range(2, draw(st.integers(3, 7))):
        chosen = draw(st.sets(st.sampled_from(POOL), max_size=4))
        if "y" in chosen:
            chosen |= {"x"}
        if "x" in chosen:
            chosen |= {"a"}
        static = draw(st.permutations(sorted(chosen & set("abc"))))
        over = (*static, *(axis for axis in ("x", "y") if axis in chosen))
        needs = draw(st.sets(st.integers(0, i - 1), max_size=3))
        steps.append(Step(f"s{i}", "x", over=over, needs=tuple(f"s{n}" for n in sorted(needs)), at_least=draw(st.integers(0, 2))))
    return sizes, steps, draw(st.integers(0, 2**32))


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_every_cell_wakes_exactly_when_its_needs_have_ended(world):
    sizes, steps, seed = world
    rng = random.Random(seed)
    axes: dict[str, Any] = {axis: range(n) for axis, n in sizes.items()}
    try:
        grid = grid_of(steps, {**axes, "x": {"each": "s0.l"}, "y": {"each": "s1.l"}})
    except PlanError as error:
        assume("at_least" not in error.path)
        raise
    ended: dict[tuple[int, tuple[int, ...]], bool] = {}
    lengths: dict[str, dict[tuple[int, ...], int]] = {"x": {}, "y": {}}
    open_cells: list[tuple[int, tuple[int, ...]]] = []
    woken_ok: dict[tuple[int, tuple[int, ...]], bool] = {}
    overs = [grid.nodes[i].over for i in range(len(steps))]

    def members(need: int, cell: dict[str, int]) -> list[tuple[int, ...]]:
        """Brute force: every cell of `need` that agrees with `cell` on the axes both have; known lengths only."""
        found = []
        for combo in product(range(3), repeat=len(overs[need])):
            at = dict(zip(overs[need], combo, strict=True))
            if any(cell.get(axis, i) != i for axis, i in at.items()):
                continue
            if all(at[axis] < sizes[axis] for axis in at if axis in sizes) and _inside(at, lengths):
                found.append(combo)
        return found

    def open_bundle(woken) -> None:
        for position in range(grid.size(woken.step, woken.at)):
            at = grid.coords(woken.step, woken.at, position)
            cell = dict(zip(overs[woken.step], at, strict=True))
            assert (woken.step, at) not in woken_ok, "a cell wakes once"
            enough = True
            for edge in grid.nodes[woken.step].ins:
                expected = members(edge.src.index, cell)
                assert sorted(grid.members(edge, at)) == sorted(expected)
                assert all((edge.src.index, m) in ended for m in expected), "it woke too early"
                got = [m for m in expected if ended[edge.src.index, m]]
                failed_source = any(not ok for (s, a), ok in ended.items() if s < 2 and _above(overs, s, a, edge.src.over, cell))
                if edge.single:
                    enough &= bool(got) or not grid.nodes[woken.step].at_least
                else:
                    empty = not expected and not failed_source and grid.nodes[woken.step].at_least <= 1
                    enough &= empty or len(got) >= grid.nodes[woken.step].at_least
            assert woken.ok == enough, (steps[woken.step], at)
            woken_ok[woken.step, at] = woken.ok
            open_cells.append((woken.step, at))

    for root in grid.roots():
        open_bundle(root)
    while open_cells:
        step, at = open_cells.pop(rng.randrange(len(open_cells)))
        ok = woken_ok[step, at] and rng.random() < 0.8
        ended[step, at] = ok
        found = {0: "x", 1: "y"}.get(step)
        n = rng.randrange(4) if ok else 0
        if found:
            lengths[found][at] = n
        woken, _ = grid.unfold(step, at, {found: n} if found and ok else None)
        for bundle in [*woken, *grid.ended(step, at, ok, 0)]:
            open_bundle(bundle)
    for node in grid.nodes:
        expected_cells = {(node.index, at) for at in grid.cells(node.index)}
        assert expected_cells == {key for key in ended if key[0] == node.index}, "every cell ends"
        assert grid.totals[node.index] == len(expected_cells)
        assert all(not edge.groups and not edge.watchers for edge in node.ins), "nothing is left behind"


def _inside(at: dict[str, int], lengths: dict[str, dict[tuple[int, ...], int]]) -> bool:
    if "x" in at and at["x"] >= lengths["x"].get((at["a"],), 0):
        return False
    return "y" not in at or at["y"] < lengths["y"].get((at["a"], at["x"]), 0)


def _above(overs, source: int, at: tuple[int, ...], over: tuple[str, ...], cell: dict[str, int]) -> bool:
    """Whether a failed source decides how many members a gather over `over` has for `cell`."""
    axis = {0: "x", 1: "y"}[source]
    known = dict(zip(overs[source], at, strict=True))
    return axis in over and axis not in cell and all(cell.get(a, i) == i for a, i in known.items())
