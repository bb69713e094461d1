"""What a run leaves: every cell in axis order, values, errors, fallbacks, shortfall and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fanfold.engine.shapes import plain
from fanfold.engine.variety import Given, given_to, variety
from fanfold.spec.calls import At
from fanfold.spec.errors import CellError, Code, RunFailed
from fanfold.spec.events import AnyEvent, BundleEnded, CellEnded, Coords, Reopened, Rested, RunStarted, StepSwept
from fanfold.views.authors import Authors
from fanfold.views.shortfall import sentence

if TYPE_CHECKING:
    from fanfold.engine.job import Job


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

    def apply(self, event: AnyEvent) -> None:
        if isinstance(event, CellEnded):
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
        elif isinstance(event, Reopened):
            ended = {(event.step, at): (end.state, end.code) for at, end in self.of[event.step].items()}
            drop_void(ended, event)
            self.of[event.step] = {at: end for at, end in self.of[event.step].items() if (event.step, at) in ended}
        elif isinstance(event, RunStarted):
            self.swept = [None] * len(self.swept)
        elif isinstance(event, StepSwept):
            self.swept[event.step] = Ending(event.state, event.code, event.message)


def drop_void(ended: dict[tuple[int, Coords], tuple[str, str]], event: Reopened) -> None:
    """Take out what is open again. ended: (state, code) by step and coordinates."""
    if event.at is not None:
        for at in event.at:
            ended.pop((event.step, at), None)
        return
    why = (event.state, event.code)
    for place in [place for place, end in ended.items() if place[0] == event.step and end == why]:
        del ended[place]


class CellResult:
    """One cell: its coordinates, its state, its value or why it has none; its facets; the keys of the candidates that are its own; and the
    model that wrote it, "" where none was called."""

    __slots__ = ("at", "candidates", "error", "facet", "model", "state", "value")

    def __init__(
        self, at: At, state: str, value: Any, error: CellError | None, facet: At | None = None, candidates: tuple[str, ...] = ()
    ) -> None:
        self.at, self.state, self.value, self.error, self.facet = at, state, value, error, facet or {}
        self.candidates = candidates
        self.model = ""


class StepResult:
    """The cells of one step, in axis order. `values`: the accepted ones."""

    def __init__(self, name: str, cells: Sequence[CellResult], required: bool) -> None:
        self.name, self.cells, self.required = name, cells, required
        self._by_place: dict[tuple[Any, ...], CellResult] | None = None

    @property
    def values(self) -> list[Any]:
        return [cell.value for cell in self.cells if cell.state == "accepted"]

    @property
    def errors(self) -> list[CellError]:
        return [cell.error for cell in self.cells if cell.error is not None]

    def at(self, **coordinates: Any) -> Any:
        """The value at these coordinates, None where the cell has none. Raises KeyError when there is no such cell."""
        return self.cell(**coordinates).value

    def cell(self, **coordinates: Any) -> CellResult:
        """The cell at these coordinates. Raises KeyError when there is no such cell."""
        found = self._found(coordinates)
        if not found:
            raise KeyError(f"no cell of {self.name!r} at {coordinates}")
        if len(found) > 1:
            raise KeyError(f"{len(found)} cells of {self.name!r} at {coordinates}: name every axis")
        return found[0]

    def _found(self, coordinates: At) -> list[CellResult]:
        if self.cells and coordinates.keys() == self.cells[0].at.keys():
            try:
                if self._by_place is None:
                    self._by_place = {tuple(cell.at.values()): cell for cell in self.cells}
                cell = self._by_place.get(tuple(coordinates[axis] for axis in self.cells[0].at))
                return [] if cell is None else [cell]
            except TypeError:
                pass  # rows and lists are no dictionary keys: look at each
        return [cell for cell in self.cells if all(cell.at.get(k, _NOWHERE) == v for k, v in coordinates.items())]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One flat row a cell: step, coordinates, facets, state, then the fields of the value (or `value`), then the error's code."""
        for cell in self.cells:
            value = plain(cell.value)
            fields = value if isinstance(value, dict) else {"value": value}
            facet = {f"facet.{name}": plain(part) for name, part in cell.facet.items()}
            own = {
                "step": self.name,
                **_flat(cell.at),
                **facet,
                "state": cell.state,
                "error": cell.error.code if cell.error else "",
            }
            clear = {f"value.{name}" if name in own else name: part for name, part in fields.items()}
            yield {**{k: v for k, v in own.items() if k != "error"}, **clear, "error": own["error"]}

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[CellResult]:
        return iter(self.cells)

    def __repr__(self) -> str:
        return f"<StepResult {self.name}: {len(self.values)}/{len(self.cells)} accepted>"


_NOWHERE = object()


def _flat(at: Mapping[str, Any]) -> dict[str, Any]:
    """Coordinates for a row: a row of a file stands as its own columns."""
    flat: dict[str, Any] = {}
    for axis, value in at.items():
        data = plain(value)
        if isinstance(data, dict):
            flat |= {f"{axis}.{column}": part for column, part in data.items()}
        else:
            flat[axis] = data
    return flat


class Result:
    """The result of a run. Never raises for failed cells; `raise_for_errors()` does.

    With a single step, `values`, `at` and `rows` are that step's; otherwise `result["step"].values`.
    """

    def __init__(
        self,
        run_id: str,
        plan: str,
        state: str,
        steps: Mapping[str, StepResult],
        shortfall: dict[str, Any] | None,
        report: dict[str, Any],
    ) -> None:
        self.run_id, self.plan, self.state, self.report = run_id, plan, state, report
        self.steps = dict(steps)
        self.shortfall = shortfall
        """By step: how many were asked for and accepted, and why the rest is missing. None when nothing is short."""

    def __getitem__(self, step: str) -> StepResult:
        return self.steps[step]

    def _only(self) -> StepResult:
        if len(self.steps) != 1:
            raise KeyError(f"the plan has several steps: use result[name], one of {', '.join(self.steps)}")
        return next(iter(self.steps.values()))

    @property
    def values(self) -> list[Any]:
        """Accepted values in axis order, of the single step."""
        return self._only().values

    def at(self, step: str | None = None, **coordinates: Any) -> Any:
        """The value of one cell, None where it has none."""
        return (self._only() if step is None else self.steps[step]).at(**coordinates)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One flat row per cell of every step."""
        for step in self.steps.values():
            yield from step.rows()

    @property
    def errors(self) -> list[CellError]:
        """Every cell without a value of its own, those filled by their fallback too."""
        return [error for step in self.steps.values() for error in step.errors]

    @property
    def fallbacks(self) -> list[CellError]:
        return [c.error for step in self.steps.values() for c in step.cells if c.error is not None and c.state == "accepted"]

    @property
    def ok(self) -> bool:
        """Every required cell has a value of its own."""
        return self.state == "complete"

    @property
    def exit_code(self) -> int:
        """0 complete, 1 nothing accepted, 3 partial, 130 cancelled."""
        return {"complete": 0, "failed": 1, "partial": 3, "cancelled": 130}[self.state]

    def raise_for_errors(self) -> Result:
        """Raises RunFailed when a required cell has no value of its own; else returns itself."""
        errors = [error for step in self.steps.values() if step.required for error in step.errors]
        if errors and not self.ok:
            raise RunFailed(errors)
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain data: values by step, each with its coordinates; errors, fallbacks, shortfall, report."""
        values = {
            name: [{"at": plain(c.at), "value": plain(c.value)} for c in step.cells if c.state == "accepted"]
            for name, step in self.steps.items()
        }
        return {"values": values, **self.trailer()}

    def trailer(self) -> dict[str, Any]:
        """What every result JSON ends with, whatever its own content is."""
        return {
            "errors": [error_json(error) for error in self.errors],
            "fallbacks": [{"stage": e.stage, "cell": plain(e.cell), "code": e.code} for e in self.fallbacks],
            "shortfall": self.shortfall,
            "report": self.report,
        }

    def __repr__(self) -> str:
        accepted = sum(len(step.values) for step in self.steps.values())
        return f"<Result {self.plan} {self.state}: {accepted}/{sum(map(len, self.steps.values()))} accepted>"


def error_json(error: CellError) -> dict[str, Any]:
    return {
        "stage": error.stage, "cell": plain(error.cell), "code": error.code, "message": error.message, "hint": error.hint,
        "attempts": error.attempts,
    }  # fmt: skip


async def gather_result(job: Job, report: dict[str, Any]) -> Result:
    """Read the journal of a run that has ended, and its values."""
    endings, authors = Endings(job), Authors()
    after = -1
    while events := await job.journal.events(after, 1000):
        for event in events:
            endings.apply(event)
            authors.apply(event)
        after = events[-1].seq
    assert job.run is not None
    steps = {}
    diversity: dict[str, Any] = {}
    for index, work in enumerate(job.steps):
        values = await job.values.all(index)
        given = await given_to(job, index, endings.taken[index])
        cells = [_cell(job, index, at, values, endings, given) for at in job.run.grid.cells(index)]
        for cell, at in zip(cells, job.run.grid.cells(index), strict=True):
            cell.model = authors.of(index, at) or asked_of(job, index, at)
        steps[work.name] = StepResult(work.name, cells, work.step.required)
        own = {at: value for at, value in values.items() if at not in endings.of[index]}
        if (told := variety(job, index, given, own)) is not None:
            diversity[work.name] = told
    if diversity:
        report = {**report, "diversity": diversity}
    return Result(job.run_id, job.plan.plan.name, job.state.state, steps, _shortfall(job, steps) or None, report)


def asked_of(job: Job, step: int, at: Coords) -> str:
    """The model that a cell's call would go to, or that answered in an earlier run."""
    assert job.run is not None
    rule, names = job.run.rules[step], job.state.lane_names
    lane = rule.lane if rule.turns is None else rule.turns.own(job.run.seed, at)[0]
    return names.get(lane, "")


def _cell(job: Job, step: int, at: Coords, values: Mapping[Coords, Any], endings: Endings, given: Given) -> CellResult:
    labels, facet = job.labels(step, at), given.of(at)
    ending = endings.of[step].get(at)
    if at in values:
        error = cell_error(job, step, at, ending) if ending else None
        return CellResult(labels, "accepted", values[at], error, facet, endings.took[step].get(at, ()))
    ending = ending or endings.swept[step] or Ending("cancelled", "cancelled", "the run ended before it")
    return CellResult(labels, ending.state, None, cell_error(job, step, at, ending), facet)


def cell_error(job: Job, step: int, at: Coords, ending: Ending | CellEnded) -> CellError:
    return CellError(
        stage=job.steps[step].name, cell=job.labels(step, at), code=ending.code, message=ending.message, hint=ending.hint,
        attempts=ending.attempts,
    )  # fmt: skip


def _shortfall(job: Job, steps: Mapping[str, StepResult]) -> dict[str, Any]:
    """Counted steps, and steps whose values must differ, that ended with fewer than were asked for."""
    short: dict[str, Any] = {}
    for work in job.steps:
        counted = any(job.plan.axes[a].counted for a in work.compiled.over)
        cells = steps[work.name].cells
        missing = [c.error for c in cells if c.error is not None]
        if missing and (counted or any(error.code == "duplicate" for error in missing)):
            codes = [error.code for error in missing]
            code = max(set(codes), key=lambda c: (codes.count(c), c))
            accepted = len(cells) - len(missing)
            why = next(e.message for e in missing if e.code == code)
            message = sentence(job.state.steps[work.compiled.index], len(missing), len(cells), code, why)
            short[work.name] = {
                "asked": len(cells),
                "accepted": accepted,
                "missing": len(missing),
                "code": code,
                "message": message,
            }
    return short
