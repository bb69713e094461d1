"""What a run leaves: every cell in axis order, values, errors, fallbacks, shortfall and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanfold.engine.refused import Refused
from fanfold.engine.shapes import plain
from fanfold.meter import Took
from fanfold.spec.calls import At
from fanfold.spec.errors import CellError, Code, RunFailed
from fanfold.table import StepTable, check_format, united
from fanfold.views import exports
from fanfold.views.columns import Column
from fanfold.views.tables import write_rows

if TYPE_CHECKING:
    pass


NOTHING = Took()


class CellResult:
    """One cell: its coordinates, its state, its value or why it has none; its facets; the keys of the candidates that are its own; and
    what it took: model, attempts, calls, elapsed_s, tokens_in, tokens_out, cost_usd.

    verdict: what its judge answered when it let the value pass, as plain data; None where no judge was asked.
    """

    __slots__ = ("at", "candidates", "error", "facet", "state", "took", "value", "verdict")

    def __init__(
        self, at: At, state: str, value: Any, error: CellError | None, facet: At | None = None, candidates: tuple[str, ...] = (), took: Took = NOTHING,
        verdict: Any = None,
    ) -> None:  # fmt: skip
        self.at, self.state, self.value, self.error, self.facet = at, state, value, error, facet or {}
        self.candidates, self.took, self.verdict = candidates, took, verdict

    @property
    def in_consequence(self) -> bool:
        """It was never begun, because what it needs has no value."""
        return self.state == "skipped" and self.error is not None and self.error.code == Code.UPSTREAM

    @property
    def model(self) -> str:
        """The one that wrote it, "" where none was asked."""
        return self.took.model


class StepResult:
    """The cells of one step, in axis order. `values`: the accepted ones. `refused`: answers that were not, in the order of the run."""

    def __init__(
        self, name: str, cells: Sequence[CellResult], required: bool, table: StepTable, refused: Sequence[Refused] = (), *, counted: bool = False
    ) -> None:  # fmt: skip
        self.name, self.cells, self.required, self._table, self.refused = name, cells, required, table, refused
        self.counted = counted  # it runs over a counted axis
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
        """One flat row a cell: step, coordinates, facets, state, then the fields of the value (or `value`), then what went wrong, and what
        the cell took. The same columns for the same plan, whatever failed."""
        return map(self._table.row, self.cells)

    @property
    def columns(self) -> list[Column]:
        """Name and kind of each column of its rows."""
        return list(self._table.columns)

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[CellResult]:
        return iter(self.cells)

    def __repr__(self) -> str:
        return f"<StepResult {self.name}: {len(self.values)}/{len(self.cells)} accepted>"


_NOWHERE = object()


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
        """One flat row a cell of every step, all with the same columns: None where a step has no such column."""
        names = [column.name for column in self.columns]
        for step in self.steps.values():
            for row in step.rows():
                yield {name: row.get(name) for name in names}

    @property
    def columns(self) -> list[Column]:
        """Name and kind of each column of its rows."""
        return united([step._table for step in self.steps.values()])

    def write(self, path: str | Path, format: str | None = None) -> None:
        """Its rows to a file: csv, jsonl or parquet, by the file's ending unless it is said; json: the whole result. A file is there
        whole or not at all. Raises PlanError for another format, OSError."""
        form = format or {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}.get(
            Path(path).suffix.lower(), "json"
        )
        if form == "json":
            exports.write(path, exports.to_json(self.to_json()))
            return
        check_format(str(path), form)
        write_rows(path, form, list(self.rows()), self.columns)

    @property
    def errors(self) -> list[CellError]:
        """Every cell without a value of its own, those filled by their fallback too.

        Along a counted axis a coordinate is one thing, whatever steps it goes through: one that was skipped there for want of another
        has no error beside that one's. (The step's own `errors` have it.)
        """
        wrong = [(step, cell, cell.error) for step in self.steps.values() for cell in step.cells if cell.error is not None]
        causes = [error for step, cell, error in wrong if not (step.counted and cell.in_consequence)]
        return causes or [error for _, _, error in wrong]

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
