"""A run that has ended, read from its journal: what became of each cell, and the result that is made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from fanfold.engine.refused import Refusals, Refused
from fanfold.engine.variety import Given, given_to, sampled, variety
from fanfold.meter import Meters, Prices
from fanfold.result import CellResult, Result, StepResult
from fanfold.spec.errors import CellError, Code
from fanfold.spec.events import (
    AnyEvent,
    BundleEnded,
    CellEnded,
    Coords,
    Drafted,
    Reopened,
    Rested,
    RunStarted,
    SpareEnded,
    StepSwept,
)
from fanfold.table import PAGE, StepTable, pages
from fanfold.views.shortfall import sentence

if TYPE_CHECKING:
    from fanfold.engine.job import Job, StepWork

JUDGING = (Drafted, Rested, SpareEnded, CellEnded)
"""Events that tell of answers that were judged."""


class Ending:
    """How one cell ended, when it has no value of its own."""

    __slots__ = ("attempts", "code", "hint", "message", "state")

    def __init__(self, state: str, code: str, message: str, hint: str = "", attempts: int = 0) -> None:
        self.state, self.code, self.message, self.hint, self.attempts = state, code, message, hint, attempts


class Endings:
    """Folds the journal into what became of each cell that was not simply accepted."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.of: list[dict[Coords, Ending]] = [{} for _ in job.steps]
        self.swept: list[Ending | None] = [None] * len(job.steps)
        self.taken: list[dict[Coords, int]] = [{} for _ in job.steps]
        """By cell: its answers that were somebody else's already."""
        self.took: list[dict[Coords, tuple[str, ...]]] = [{} for _ in job.steps]
        """By cell: the keys of its candidates."""
        self.verdicts: list[dict[Coords, str]] = [{} for _ in job.steps]
        """By cell: what its judge said of the answer that was accepted, as JSON."""
        self.fills: list[dict[Coords, Coords]] = [{} for _ in job.steps]
        """By cell: where the spare stood whose answer it has."""
        self.refusals = [Refusals() for _ in job.steps]

    def apply(self, event: AnyEvent) -> None:
        if isinstance(event, JUDGING):
            self.refusals[event.step].apply(event)
        if isinstance(event, CellEnded):
            if event.verdict:
                self.verdicts[event.step][event.at] = event.verdict
            if event.took:
                self.took[event.step][event.at] = event.took
            if event.state != "accepted" or event.code:
                self.of[event.step][event.at] = Ending(event.state, event.code, event.message, event.hint, event.attempts)
        elif isinstance(event, BundleEnded):
            assert self._job.run is not None
            grid = self._job.run.grid
            ending = Ending(event.state, event.code, event.message, event.hint)
            for position in range(event.start, event.stop):
                self.of[event.step][grid.coords(event.step, event.at, position)] = ending
        elif isinstance(event, Rested) and event.code == Code.DUPLICATE:
            self.taken[event.step][event.at] = self.taken[event.step].get(event.at, 0) + 1
        elif isinstance(event, SpareEnded):
            if event.fills is not None:
                self.fills[event.step][event.fills] = event.at
        elif isinstance(event, Reopened):
            self._reopened(event)
        elif isinstance(event, RunStarted):
            self.swept = [None] * len(self.swept)
        elif isinstance(event, StepSwept):
            self.swept[event.step] = Ending(event.state, event.code, event.message)

    def _reopened(self, event: Reopened) -> None:
        """Nothing of how these cells ended is true any more."""
        of = self.of[event.step]
        alike = [at for at, end in of.items() if (end.state, end.code) == (event.state, event.code)]
        for at in alike if event.at is None else event.at:
            for known in (of, self.took[event.step], self.verdicts[event.step], self.taken[event.step], self.fills[event.step]):
                known.pop(at, None)


def drop_void(ended: dict[tuple[int, Coords], tuple[str, str]], event: Reopened) -> None:
    """Take out what is open again. ended: (state, code) by step and coordinates."""
    if event.at is not None:
        for at in event.at:
            ended.pop((event.step, at), None)
        return
    why = (event.state, event.code)
    for place in [place for place, end in ended.items() if place[0] == event.step and end == why]:
        del ended[place]


def asked_of(job: Job, step: int, at: Coords) -> str:
    """The model that a cell's call would go to, or that answered in an earlier run; "" for a function."""
    assert job.run is not None
    rule = job.run.rules[step]
    lane = rule.lane if rule.turns is None else rule.turns.own(job.run.seed, at)[0]
    return job.state.lane_names.get(lane, "")


class Ended:
    """A run that has ended, read once from its journal: how each cell ended and what it took. Values stay in the store."""

    def __init__(self, job: Job, prices: Prices) -> None:
        assert job.run is not None
        self.job, self.grid = job, job.run.grid
        self.endings, self.meters = Endings(job), Meters(job, prices)
        self.tables = [StepTable(job, work) for work in job.steps]
        self._given: dict[int, Given] = {}

    async def load(self) -> None:
        after = -1
        while events := await self.job.journal.events(after, 1000):
            for event in events:
                self.endings.apply(event)
                self.meters.apply(event)
            after = events[-1].seq

    async def given(self, step: int) -> Given:
        """The facets of a step's cells."""
        if step not in self._given:
            self._given[step] = await given_to(self.job, step, self.endings.taken[step], self.endings.fills[step])
        return self._given[step]

    async def cells(self, step: int, places: Sequence[Coords]) -> list[CellResult]:
        """These cells, with their values."""
        stored = await self.job.journal.values(step, [at for at in places if self.meters.accepted(step, at)])
        values = {each.at: self.job.values.decode(each) for each in stored}
        given = await self.given(step)
        return [self._cell(step, at, values, given) for at in places]

    def _cell(self, step: int, at: Coords, values: Mapping[Coords, Any], given: Given) -> CellResult:
        job, endings = self.job, self.endings
        labels, facet, took = job.labels(step, at), given.of(at), self.meters.took(step, at)
        if not took.model:
            took = took._replace(model=asked_of(job, step, at))
        ending = endings.of[step].get(at)
        if at in values:
            error = cell_error(job, step, at, ending) if ending else None
            said = endings.verdicts[step].get(at)
            verdict = None if said is None else msgspec.json.decode(said)
            return CellResult(labels, "accepted", values[at], error, facet, endings.took[step].get(at, ()), took, verdict)
        ending = ending or endings.swept[step] or Ending("cancelled", "cancelled", "the run ended before it")
        return CellResult(labels, ending.state, None, cell_error(job, step, at, ending), facet, (), took)

    def rows(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All rows, a page at a time."""
        return pages(self.job, self.tables, self.cells)


async def result_of(ended: Ended, report: dict[str, Any], *, held: bool = True) -> Result:
    """held: else only cells that have an error are in the result."""
    job, endings = ended.job, ended.endings
    steps: dict[str, StepResult] = {}
    sizes: dict[str, int] = {}
    diversity: dict[str, Any] = {}
    for index, work in enumerate(job.steps):
        cells: list[CellResult] = []
        own: list[Coords] = []
        places = ended.grid.cells(index)
        while page := list(islice(places, PAGE)):
            own += [at for at in page if at not in endings.of[index] and ended.meters.accepted(index, at)]
            wanted = page if held else [at for at in page if at in endings.of[index] or not ended.meters.accepted(index, at)]
            cells += await ended.cells(index, wanted)
            sizes[work.name] = sizes.get(work.name, 0) + len(page)
        steps[work.name] = StepResult(
            work.name, cells, work.step.required, ended.tables[index], _refused(job, index, endings), counted=_counted(job, work)
        )
        chosen = sampled(job, index, own)
        sample = await job.values.get(index, chosen)
        told = variety(job, index, await ended.given(index), own, [sample[at] for at in chosen])
        if told is not None:
            diversity[work.name] = told
    if diversity:
        report = {**report, "diversity": diversity}
    return Result(job.run_id, job.plan.plan.name, job.state.state, steps, _shortfall(job, steps, sizes) or None, report)


def _counted(job: Job, work: StepWork) -> bool:
    return any(job.plan.axes[axis].counted for axis in work.compiled.over)


def _refused(job: Job, step: int, endings: Endings) -> list[Refused]:
    return [Refused(job.labels(step, at), *why) for at, *why in endings.refusals[step]]


def cell_error(job: Job, step: int, at: Coords, ending: Ending | CellEnded) -> CellError:
    return CellError(
        stage=job.steps[step].name, cell=job.labels(step, at), code=ending.code, message=ending.message, hint=ending.hint,
        attempts=ending.attempts,
    )  # fmt: skip


def _shortfall(job: Job, steps: Mapping[str, StepResult], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Counted steps, and steps whose values must differ, that ended with fewer than were asked for."""
    short: dict[str, Any] = {}
    for work in job.steps:
        counted = _counted(job, work)
        cells = steps[work.name].cells
        missing = [c.error for c in cells if c.error is not None]
        if counted and short and all(c.in_consequence for c in cells if c.error is not None):
            continue  # it is short of what another step is short of
        if missing and (counted or any(error.code == "duplicate" for error in missing)):
            codes = [error.code for error in missing]
            code = max(set(codes), key=lambda c: (codes.count(c), c))
            asked = sizes[work.name]
            accepted = asked - len(missing)
            why = next(e.message for e in missing if e.code == code)
            message = sentence(job.state.steps[work.compiled.index], len(missing), asked, code, why)
            short[work.name] = {
                "asked": asked,
                "accepted": accepted,
                "missing": len(missing),
                "code": code,
                "message": message,
            }
    return short
