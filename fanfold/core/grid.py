"""The grid: which cells there are, and who wakes whom. Calls broadcast like arrays.

One rule serves every need: group the needed step's cells by the axes both steps share, list over the axes that only the
needed step has, broadcast over the rest. A group keeps one integer, `open`: what may still add a value to it. A source
whose list is not known yet counts 1; resolving it adds `n * rest - 1`; each ended cell subtracts 1; at 0 it is complete.

All cells of a step that become possible at one moment are one *bundle*: the step, and its coordinates on the axes on
which its needs depend (its trigger axes). Single cells are unfolded from it by arithmetic, when there is room for them.
A bundle with several needs watches one unfinished need at a time, as SAT solvers watch literals.

A step may have at most one chain of dynamic axes, each discovered inside the one before (checked when a plan is compiled).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from operator import itemgetter
from typing import NamedTuple

from fanfold.spec.compiled import CompiledPlan
from fanfold.spec.events import Coords

Projection = Callable[[Coords], Coords] | None  # None: the identity


class Woken(NamedTuple):
    """A bundle whose needs have all ended. ok: every one of them with enough values. path: longest chain before it, µs."""

    step: int
    at: Coords
    ok: bool
    path: int


def projection(source: Sequence[str], target: Sequence[str]) -> Projection:
    """Coordinates over the axes `source` -> coordinates over `target`, a part of them. Compiled once per edge."""
    source, target = tuple(source), tuple(target)
    if source == target:
        return None
    if not target:
        return lambda at: ()
    places = tuple(source.index(axis) for axis in target)
    if places == tuple(range(len(places))):
        n = len(places)
        return lambda at: at[:n]
    if len(places) == 1:
        place = places[0]
        return lambda at: (at[place],)
    return itemgetter(*places)


class Group:
    __slots__ = ("accepted", "missing", "open", "path")

    def __init__(self, open: int) -> None:
        self.open, self.accepted, self.missing, self.path = open, 0, 0, 0


class Level(NamedTuple):
    """How an ended cell of a dynamic axis' source changes the groups of an edge: `spread` lists the groups it belongs to."""

    spread: Callable[[Coords], Iterator[Coords]]
    rest: int


class Edge:
    """One need: `dst` needs `src`. shared: axes of both, in the order of `src`."""

    def __init__(self, src: Node, dst: Node, grid: Grid) -> None:
        self.src, self.dst = src, dst
        self.shared = tuple(a for a in src.over if a in dst.over)
        self.single = self.shared == src.over
        self.from_source = projection(src.over, self.shared)
        self.groups: dict[Coords, Group] = {}
        self.done: dict[Coords, tuple[bool, int]] = {}
        self.watchers: dict[Coords, list[tuple[Coords, bool, int]]] = {}
        self.opens = False  # the edge that opens the bundles of dst
        self.once = False  # each group is looked at by exactly one bundle
        self.to_trigger: Projection = None
        self.from_trigger: Projection = None
        extra = [a for a in src.over if a not in dst.over]
        dynamic = [a for a in extra if grid.sizes[a] is None]
        before = grid.source_of[dynamic[0]].over if dynamic else src.over
        self.start = prod(grid.static(a) for a in extra if a not in dynamic and a in before)
        self.levels: dict[str, Level] = {}
        for i, axis in enumerate(dynamic):
            source = grid.source_of[axis]
            after = grid.source_of[dynamic[i + 1]].over if i + 1 < len(dynamic) else src.over
            rest = prod(grid.static(a) for a in extra if a in after and a not in source.over and a != axis)
            self.levels[axis] = Level(self._spread(source, grid), rest)

    def _spread(self, source: Node, grid: Grid) -> Callable[[Coords], Iterator[Coords]]:
        """The groups that a cell of `source` belongs to: usually one; several when dst has axes that the source has not."""
        free = [a for a in self.shared if a not in source.over]
        known = tuple(a for a in source.over if a in self.shared)
        project = projection(source.over, known)
        ranges = [range(grid.static(a)) for a in free]
        arrange = projection((*known, *free), self.shared)

        def spread(at: Coords) -> Iterator[Coords]:
            inside = at if project is None else project(at)
            for outside in product(*ranges):
                key = inside + outside
                yield key if arrange is None else arrange(key)

        return spread


class Node:
    """A step as the grid knows it. trigger: the axes on which its readiness depends; free: the rest, unfolded by arithmetic."""

    def __init__(self, index: int, name: str, over: tuple[str, ...]) -> None:
        self.index, self.name, self.over = index, name, over
        self.at_least = 1
        self.ins: list[Edge] = []
        self.outs: list[Edge] = []
        self.opener: Edge | None = None
        self.others: list[Edge] = []
        self.trigger: tuple[str, ...] = ()
        self.free: tuple[str, ...] = ()
        self.free_sizes: tuple[int, ...] | None = None  # None: one of them is dynamic
        self.arrange: Projection = None  # trigger + free -> over
        self.makes: tuple[str, ...] = ()  # dynamic axes whose lists are found in its answers
        self.depth = 0


class Grid:
    """The cells of one run. Holds only what is not finished: groups, watched needs, lengths of dynamic axes."""

    def __init__(self, plan: CompiledPlan) -> None:
        self.plan = plan
        self.sizes: dict[str, int | None] = {name: axis.size for name, axis in plan.axes.items()}
        self.nodes = tuple(Node(s.index, s.name, s.over) for s in plan.steps)
        by_name = {n.name: n for n in self.nodes}
        self.source_of = {a.name: by_name[a.source] for a in plan.axes.values() if a.values is None}
        self.lengths: dict[str, dict[Coords, int]] = {name: {} for name in self.source_of}
        self.failed: dict[str, set[Coords]] = {name: set() for name in self.source_of}  # sources without a list
        self.totals = [self._static_total(n.over) for n in self.nodes]
        for axis, source in self.source_of.items():
            source.makes = (*source.makes, axis)
        for index in plan.order:
            node, compiled = self.nodes[index], plan.steps[index]
            node.at_least = compiled.step.at_least
            self._connect(node, [by_name[name] for name in compiled.needs])
        self._growth = {axis: self._grown_by(axis) for axis in self.source_of}

    def static(self, axis: str) -> int:
        size = self.sizes[axis]
        assert size is not None, f"{axis} is dynamic"
        return size

    def _static_total(self, over: Sequence[str]) -> int:
        sizes = [self.sizes[a] for a in over]
        return 0 if None in sizes else prod(n for n in sizes if n is not None)

    def _connect(self, node: Node, needs: Sequence[Node]) -> None:
        node.ins = [Edge(src, node, self) for src in needs]
        for edge in node.ins:
            edge.src.outs.append(edge)
        touched = {a for edge in node.ins for a in edge.shared}
        node.trigger = tuple(a for a in node.over if a in touched)
        node.free = tuple(a for a in node.over if a not in touched)
        node.arrange = projection((*node.trigger, *node.free), node.over)
        sizes = [self.sizes[a] for a in node.free]
        node.free_sizes = None if None in sizes else tuple(n for n in sizes if n is not None)
        node.depth = 1 + max((need.depth for need in needs), default=-1)
        if not node.ins:
            return

        # The finest need opens the bundles: the one that shares the deepest dynamic axis, then the most axes.
        def fineness(edge: Edge) -> tuple[int, int]:
            return sum(self.sizes[a] is None for a in edge.shared), len(edge.shared)

        node.opener = max(node.ins, key=fineness)
        node.others = [edge for edge in node.ins if edge is not node.opener]
        node.opener.opens = True
        for edge in node.ins:
            edge.from_trigger = projection(node.trigger, edge.shared)
            edge.once = set(edge.shared) == set(node.trigger)
        free_of_opener = tuple(a for a in node.trigger if a not in node.opener.shared)
        node.opener.to_trigger = projection((*node.opener.shared, *free_of_opener), node.trigger)

    def _grown_by(self, axis: str) -> list[tuple[Node, int]]:
        """Steps whose number of cells becomes known when `axis` gets a length, and by how many each unit of it counts."""
        grown = []
        for node in self.nodes:
            dynamic = [a for a in node.over if self.sizes[a] is None]
            if dynamic and dynamic[-1] == axis:
                outside = [a for a in node.over if a != axis and a not in self.source_of[axis].over]
                grown.append((node, prod(self.static(a) for a in outside)))
        return grown

    # ---------------------------------------------------------------- what there is

    def roots(self) -> list[Woken]:
        return [Woken(node.index, (), True, 0) for node in self.nodes if not node.ins]

    def size(self, step: int, trigger: Coords) -> int:
        """How many cells a bundle has."""
        return prod(self._free_sizes(self.nodes[step], trigger))

    def _free_sizes(self, node: Node, trigger: Coords) -> Sequence[int]:
        if node.free_sizes is not None:
            return node.free_sizes
        return [self._length(axis, node.trigger, trigger) for axis in node.free]

    def _length(self, axis: str, over: Sequence[str], at: Coords) -> int:
        size = self.sizes[axis]
        if size is not None:
            return size
        source = self.source_of[axis].over
        if len(at) != len(source) or over != source:
            known = dict(zip(over, at, strict=True))
            at = tuple(known[a] for a in source)
        return self.lengths[axis].get(at, 0)

    def coords(self, step: int, trigger: Coords, position: int) -> Coords:
        """The coordinates of the cell at `position` of a bundle, the last axis running fastest."""
        node = self.nodes[step]
        if not node.free:
            return trigger
        if len(node.free) == 1:
            digits = [position]
        else:
            digits = []
            for size in reversed(self._free_sizes(node, trigger)):
                position, digit = divmod(position, size)
                digits.append(digit)
            digits.reverse()
        at = (*trigger, *digits)
        return at if node.arrange is None else node.arrange(at)

    def members(self, edge: Edge, at: Coords) -> Iterator[Coords]:
        """The cells of `edge.src` that a cell of `edge.dst` at `at` receives, in axis order; ended without a value or not."""
        known = dict(zip(edge.dst.over, at, strict=True))
        yield from self._walk(edge.src, known, ())

    def failed_sources(self, edge: Edge, at: Coords) -> int:
        """How many lists a gather lacks because the cell that would have made them failed."""
        known = dict(zip(edge.dst.over, at, strict=True))
        missing = 0
        for axis in edge.levels:
            over = self.source_of[axis].over
            for source in self.failed[axis]:
                missing += all(known.get(a, i) == i for a, i in zip(over, source, strict=True))
        return missing

    def cells(self, step: int) -> Iterator[Coords]:
        """Every cell of a step that is known by now, in axis order."""
        yield from self._walk(self.nodes[step], {}, ())

    def _walk(self, node: Node, known: Mapping[str, int], at: Coords) -> Iterator[Coords]:
        if len(at) == len(node.over):
            yield at
            return
        axis = node.over[len(at)]
        if axis in known:
            yield from self._walk(node, known, (*at, known[axis]))
            return
        for i in range(self._length(axis, node.over[: len(at)], at)):
            yield from self._walk(node, known, (*at, i))

    # ---------------------------------------------------------------- what happens

    def unfold(self, step: int, at: Coords, lengths: Mapping[str, int] | None) -> tuple[list[Woken], list[int]]:
        """A source ended: its axes have a length now, 0 when it has no value. Returns bundles woken, and steps that grew."""
        node = self.nodes[step]
        woken: list[Woken] = []
        grew: list[int] = []
        for axis in node.makes:
            n = (lengths or {}).get(axis, 0)
            self.lengths[axis][at] = n
            if lengths is None:
                self.failed[axis].add(at)
            for grown, factor in self._growth[axis]:
                if n:
                    self.totals[grown.index] += n * factor
                    grew.append(grown.index)
            for edge in self._edges_over(axis):
                level = edge.levels[axis]
                for key in level.spread(at):
                    group = self._group(edge, key)
                    group.open += n * level.rest - 1
                    if lengths is None:
                        group.missing += 1
                    if group.open == 0:
                        self._complete(edge, key, group, woken)
        return woken, grew

    def _edges_over(self, axis: str) -> Iterator[Edge]:
        for node in self.nodes:
            for edge in node.ins:
                if axis in edge.levels:
                    yield edge

    def _group(self, edge: Edge, key: Coords) -> Group:
        group = edge.groups.get(key)
        if group is None:
            group = edge.groups[key] = Group(edge.start)
        return group

    def ended(self, step: int, at: Coords, accepted: bool, path: int) -> list[Woken]:
        """A cell ended. Returns the bundles that can begin now, or must be skipped."""
        woken: list[Woken] = []
        for edge in self.nodes[step].outs:
            key = at if edge.from_source is None else edge.from_source(at)
            if edge.single:
                self._finished(edge, key, accepted or not edge.dst.at_least, path, woken)
                continue
            group = self._group(edge, key)
            group.open -= 1
            if accepted:
                group.accepted += 1
                group.path = max(group.path, path)
            else:
                group.missing += 1
            if group.open == 0:
                self._complete(edge, key, group, woken)
        return woken

    def _complete(self, edge: Edge, key: Coords, group: Group, woken: list[Woken]) -> None:
        del edge.groups[key]
        empty = group.accepted == group.missing == 0 and edge.dst.at_least <= 1  # an empty list is a result, not a failure
        self._finished(edge, key, empty or group.accepted >= edge.dst.at_least, group.path, woken)

    def _finished(self, edge: Edge, key: Coords, ok: bool, path: int, woken: list[Woken]) -> None:
        if not edge.opens:
            edge.done[key] = ok, path
            for trigger, was_ok, was_path in edge.watchers.pop(key, ()):
                self._watch(edge.dst, trigger, was_ok, was_path, woken)
            return
        node = edge.dst
        for rest in product(*(range(self.static(a)) for a in node.trigger if a not in edge.shared)):
            full = key + rest
            trigger = full if edge.to_trigger is None else edge.to_trigger(full)
            self._watch(node, trigger, ok, path, woken)

    def _watch(self, node: Node, trigger: Coords, ok: bool, path: int, woken: list[Woken]) -> None:
        for edge in node.others:
            key = trigger if edge.from_trigger is None else edge.from_trigger(trigger)
            done = edge.done.get(key)
            if done is None:
                edge.watchers.setdefault(key, []).append((trigger, ok, path))
                return
        for edge in node.others:
            key = trigger if edge.from_trigger is None else edge.from_trigger(trigger)
            need_ok, need_path = edge.done.pop(key) if edge.once else edge.done[key]
            ok, path = ok and need_ok, max(path, need_path)
        woken.append(Woken(node.index, trigger, ok, path))


def upward_ranks(grid: Grid, estimate: Sequence[int]) -> list[int]:
    """Longest expected chain from each step to the end, its own time included (HEFT, Topcuoglu 2002). Units of `estimate`."""
    ranks = [0] * len(grid.nodes)
    for index in reversed(grid.plan.order):
        node = grid.nodes[index]
        ranks[index] = estimate[index] + max((ranks[e.dst.index] for e in node.outs), default=0)
    return ranks
