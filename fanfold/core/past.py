"""What the earlier lives of a run have left: how its cells have ended, and how far the others had come.

A fold over the journal, beside the one that is shown. What is kept of it stays ended in the next life; what is not is open again: cells
that something outside had kept from a value, those of steps that have changed, and whatever was made from either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from fanfold.core.grid import Edge, Grid, projection
from fanfold.core.window import DAY, SECOND
from fanfold.spec.errors import Code
from fanfold.spec.events import (
    AnyEvent,
    BundleEnded,
    Called,
    CellEnded,
    Coords,
    Drafted,
    Reopened,
    Rested,
    RunStarted,
    SpareEnded,
)

OUTSIDE = frozenset({
    Code.TRANSIENT, Code.RATE_LIMITED, Code.QUOTA, Code.AUTH, Code.TIMEOUT, Code.CANCELLED, Code.UPSTREAM, Code.BUDGET, Code.STORE,
    Code.INTERNAL,
})  # fmt: skip
"""Why a cell has no value of its own without a word having been said about its answers: it is worth another try."""


class Ended(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One cell, as `CellEnded` told it."""

    state: str
    code: str
    path: int = 0
    key: str | None = None
    lengths: dict[str, int] | None = None
    vector: bytes | None = None
    took: tuple[str, ...] = ()


class Begun(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A cell whose answers were refused so far: how many, and why the last one."""

    judged: int
    reason: str


End: TypeAlias = Ended | int
"""Most cells are simply accepted: then only the microseconds of the longest chain of answers that ends there."""


@dataclass(slots=True)
class StepPast:
    """rows: bundles that ended together, before they had begun. drafts: answers of cells that have not ended.
    refused: answers, by any gate.
    """

    name: str
    over: tuple[str, ...]
    ended: dict[Coords, End] = field(default_factory=dict)
    rows: list[BundleEnded] = field(default_factory=list)
    begun: dict[Coords, Begun] = field(default_factory=dict)
    drafts: dict[Coords, Drafted] = field(default_factory=dict)
    calls: int = 0
    refused: int = 0


@dataclass(slots=True)
class Sent:
    """What went through one lane in one second: calls and tokens as they were booked. wall: of the last of them, µs since the epoch."""

    wall: int
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(slots=True)
class Past:
    """seq: of the last event. recent: by name of the lane, what was sent in the last day, oldest first: limits hold over lives."""

    seq: int = -1
    seed: int = 0
    steps: list[StepPast] = field(default_factory=list)
    recent: dict[str, list[Sent]] = field(default_factory=dict)
    _lanes: dict[int, str] = field(default_factory=dict)
    _wall: int = 0

    def apply_all(self, events: Iterable[AnyEvent]) -> Past:
        for event in events:
            self.apply(event)
        return self

    def apply(self, event: AnyEvent) -> None:
        """Take one event in; one that was taken in before changes nothing."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        if isinstance(event, CellEnded):
            step = self.steps[event.step]
            step.begun.pop(event.at, None)
            step.drafts.pop(event.at, None)
            plain = event.state == "accepted" and not (event.code or event.lengths or event.took) and event.key is None
            step.ended[event.at] = event.path if plain else _ended(event)
        elif isinstance(event, Called):
            self._called(event)
        elif isinstance(event, Rested):
            if event.kind == "regenerate":
                self.steps[event.step].drafts.pop(event.at, None)
                self.steps[event.step].refused += 1
                self.steps[event.step].begun[event.at] = Begun(event.attempt - 1, event.reason if event.check else "")
        elif isinstance(event, Drafted):
            self.steps[event.step].drafts[event.at] = event
        elif isinstance(event, SpareEnded):
            self.steps[event.step].begun.pop(event.at, None)
            self.steps[event.step].drafts.pop(event.at, None)
            self.steps[event.step].refused += bool(event.code) and event.fills is None
        elif isinstance(event, BundleEnded):
            self.steps[event.step].rows.append(event)
        elif isinstance(event, Reopened):
            self._reopened(event)
        elif isinstance(event, RunStarted):
            self._started(event)

    def _started(self, event: RunStarted) -> None:
        self.seed, self._wall, self._lanes = event.seed, event.wall, dict(event.lanes)
        for facts in event.steps[len(self.steps) :]:
            self.steps.append(StepPast(facts.name, facts.over))

    def _called(self, event: Called) -> None:
        self.steps[event.step].calls += 1
        name = self._lanes.get(event.lane)
        if name is None:
            return
        wall = self._wall + event.t
        sent = self.recent.setdefault(name, [])
        if not sent or wall // SECOND != sent[-1].wall // SECOND:
            if len(sent) > 2 * DAY // SECOND:
                del sent[: DAY // SECOND]
            sent.append(Sent(wall))
        last = sent[-1]
        last.wall = max(last.wall, wall)
        last.calls += event.lead < 0
        last.tokens_in += event.tokens_in
        last.tokens_out += event.tokens - event.tokens_in

    def _reopened(self, event: Reopened) -> None:
        step = self.steps[event.step]
        gone = (
            event.at if event.at is not None else [at for at, end in step.ended.items() if fate(end) == (event.state, event.code)]
        )
        for at in gone:
            del step.ended[at]
        if event.at is None:
            step.rows = [row for row in step.rows if (row.state, row.code) != (event.state, event.code)]

    def reopen(self, grid: Grid, changed: Collection[int] = (), *, refused: bool = False) -> Iterator[Reopening]:
        """What is open again in the next life, step by step; it is taken out of what has ended.

        changed: steps of which nothing is kept. refused: cells whose answers were refused are tried again, too.
        """
        again: dict[int, Again] = {}
        for index in grid.plan.order:
            if index < len(self.steps):
                gone = self._again(grid, index, changed, again, refused)
                yield from gone.told(index, self.steps[index])
                again[index] = gone
            else:
                again[index] = Again(whole=True)  # a new step

    def _again(self, grid: Grid, index: int, changed: Collection[int], before: Mapping[int, Again], refused: bool) -> Again:
        step, node = self.steps[index], grid.nodes[index]
        whole = index in changed or any(before[edge.src.index].whole for edge in node.ins)
        gone = Again(whole=whole, rows=step.rows)
        if whole:
            gone.at = dict.fromkeys(step.ended)
            return gone
        fates = {(row.state, row.code) for row in step.rows}
        for at, end in step.ended.items():
            why = fate(end)
            if why[1] and (why in fates or why[1] in OUTSIDE or refused):
                gone.at[at] = None
        for edge in node.ins:
            source = before[edge.src.index]
            for touched in source.touched(edge):
                gone.at.update(dict.fromkeys(filter(touched, step.ended)))
        return gone


@dataclass(slots=True)
class Reopening:
    """Cells of a step that had ended alike and are open again. at: None for all that had ended so. took: keys of their candidates."""

    step: int
    state: str
    code: str
    cells: int
    at: tuple[Coords, ...] | None
    took: tuple[str, ...]


@dataclass(slots=True)
class Again:
    """What of a step is open again. whole: all of it, and all that is made from it."""

    whole: bool = False
    at: dict[Coords, None] = field(default_factory=dict)
    rows: list[BundleEnded] = field(default_factory=list)

    def told(self, index: int, step: StepPast) -> Iterator[Reopening]:
        """By how they had ended; taken out of the step."""
        groups: dict[tuple[str, str], list[Coords]] = {}
        sizes: dict[tuple[str, str], int] = {}
        took: dict[tuple[str, str], list[str]] = {}
        for at in self.at:
            end = step.ended[at]
            groups.setdefault(fate(end), []).append(at)
            if isinstance(end, Ended):
                took.setdefault(fate(end), []).extend(end.took)
        whole = {why: len(cells) for why, cells in groups.items()}
        for end in step.ended.values() if groups else ():
            why = fate(end)
            if why in whole:
                sizes[why] = sizes.get(why, 0) + 1
        for row in self.rows:
            why = (row.state, row.code)
            groups.setdefault(why, [])
            whole[why] = whole.get(why, 0) + row.stop - row.start
        for why, cells in groups.items():
            everything = why[0] != "accepted" and len(cells) == sizes.get(why, 0)  # values are void cell by cell
            yield Reopening(index, *why, whole[why], None if everything else tuple(cells), tuple(took.get(why, ())))
        for at in self.at:
            del step.ended[at]
        if self.whole:
            step.begun.clear()
            step.drafts.clear()
        step.rows = []

    def touched(self, edge: Edge) -> Iterator[Callable[[Coords], bool]]:
        """Which cells of `edge.dst` were made from what is open again."""
        if self.at:
            own = projection(edge.dst.over, edge.shared)
            keys = {at if edge.from_source is None else edge.from_source(at) for at in self.at}
            yield lambda at: (at if own is None else own(at)) in keys
        for row in self.rows:
            axes = tuple(axis for axis in edge.src.trigger if axis in edge.shared)
            own = projection(edge.dst.over, axes)
            theirs = projection(edge.src.trigger, axes)
            key = row.at if theirs is None else theirs(row.at)
            yield lambda at, own=own, key=key: (at if own is None else own(at)) == key  # type: ignore[misc]


def fate(end: End) -> tuple[str, str]:
    """(state, code) of a cell that has ended."""
    return ("accepted", "") if isinstance(end, int) else (end.state, end.code)


def _ended(event: CellEnded) -> Ended:
    return Ended(event.state, event.code, event.path, event.key, event.lengths, event.vector, event.took)
