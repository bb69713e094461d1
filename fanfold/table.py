"""A run as a table: one row a cell, in axis order, with the same columns for the same plan, whatever failed.

Columns: the step; its coordinates (a row of a file as `axis.column`); `facet.…`; the state; the value, laid flat by the output's type
(`value` where it is no object); then why it has none, and what it took. Rows are made a page at a time, from the store: of a cell there is
held, beside its page, some eighty bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fanfold.engine.shapes import Text, plain
from fanfold.parquetrows import pyarrow_for
from fanfold.spec.errors import CellError, PlanError
from fanfold.spec.events import Coords
from fanfold.views.columns import FLOAT, INT, JSON, TEXT, Column, columns_of_rows, fields_of, merged
from fanfold.views.exports import to_csv, to_jsonl
from fanfold.views.tables import FORMATS, Misfit, table_file

if TYPE_CHECKING:
    from fanfold.engine.job import Job, StepWork

PAGE = 200  # cells
Row = dict[str, Any]

TAIL = (
    Column("error", TEXT), Column("message", TEXT), Column("hint", TEXT), Column("model", TEXT), Column("attempts", INT),
    Column("calls", INT), Column("elapsed_s", FLOAT), Column("tokens_in", INT), Column("tokens_out", INT), Column("cost_usd", FLOAT),
)  # fmt: skip
"""What every row ends with. error: a code, "" for none. cost_usd: None where a model of its calls has no price."""


class StepTable:
    """The columns of one step, and its rows."""

    def __init__(self, job: Job, work: StepWork) -> None:
        self.name = work.name
        shape = work.shape
        self._wrapped = not isinstance(shape, Text) and shape.wrapped
        self._paths = fields_of(None if isinstance(shape, Text) else shape.written_schema())
        self._at = list(_coordinates(job, work))
        facets = None if work.compiled.facets is None else work.compiled.facets.values
        self._proposed = isinstance(facets, str)  # by another step: which there are is known when it has answered
        named = (
            list(columns_of_rows({f"facet.{name}": plain(value)} for name, values in facets.items() for value in values))
            if isinstance(facets, Mapping)
            else []
        )
        own = [Column("step", TEXT), *self._at, *([Column("facet", JSON)] if self._proposed else named), Column("state", TEXT)]
        taken = {column.name for column in (*own, *TAIL)}
        names = [".".join(path) for path, _ in self._paths]
        self._fields = [f"value.{name}" if name in taken else name for name in names]
        kinds = [kind for _, kind in self._paths]
        self.columns = [*own, *map(Column, self._fields, kinds), *TAIL]
        self.head, self.values = own, [Column(name, kind) for name, kind in zip(self._fields, kinds, strict=True)]

    def row(self, cell: Any) -> Row:
        """cell: a CellResult."""
        row: Row = dict.fromkeys((column.name for column in self.columns), None)
        row["step"] = self.name
        row.update(flat(cell.at))
        if self._proposed:
            row["facet"] = plain(cell.facet) or None
        else:
            row.update({f"facet.{name}": plain(value) for name, value in cell.facet.items()})
        row["state"] = cell.state
        if cell.state == "accepted":
            row.update(self._laid_out(plain(cell.value)))
        error: CellError | None = cell.error
        row |= {
            "error": error.code if error else "",
            "message": error.message if error else "",
            "hint": error.hint if error else "",
        }
        row.update(cell.took._asdict())
        return row

    def _laid_out(self, value: Any) -> Iterator[tuple[str, Any]]:
        if self._wrapped or not isinstance(value, dict) or self._paths[0][0] == ("value",):
            value = {"value": value}
        known: set[str] = set()
        for name, (path, _) in zip(self._fields, self._paths, strict=True):
            part: Any = value
            for word in path:
                part = part.get(word) if isinstance(part, dict) else None
            if path == ("more",) and "more" not in value:
                part = {key: item for key, item in value.items() if key not in known} or None
            known.add(path[0])
            yield name, part


def flat(at: Mapping[str, Any]) -> Row:
    """Coordinates for a row: a row of a file stands as its own columns."""
    laid: Row = {}
    for axis, value in at.items():
        data = plain(value)
        if isinstance(data, dict):
            laid |= {f"{axis}.{column}": part for column, part in data.items()}
        else:
            laid[axis] = data
    return laid


def _coordinates(job: Job, work: StepWork) -> Iterator[Column]:
    for axis in work.compiled.over:
        values = job.plan.axes[axis].values
        if values is None or isinstance(values, range):
            yield Column(axis, INT)
        else:
            yield from columns_of_rows(flat({axis: value}) for value in values)


def united(tables: Sequence[StepTable]) -> list[Column]:
    """The columns of all steps in one table."""
    heads = merged(column for table in tables for column in table.head)
    state = [column for column in heads if column.name == "state"]
    values = merged(column for table in tables for column in table.values)
    return merged([*(column for column in heads if column.name != "state"), *state, *values, *TAIL])


def check_format(where: str, form: str) -> None:
    """Raises PlanError for a format that no table has, or that cannot be written here."""
    if form not in FORMATS:
        raise PlanError(where, f"{form} is not a format of rows", f"one of {', '.join(FORMATS)}")
    if form == "parquet":
        pyarrow_for(where)


Cells = Callable[[int, Sequence[Coords]], Any]
"""(step, coordinates) -> the cells as they have ended; an awaitable."""


async def pages(job: Job, tables: Sequence[StepTable], cells: Cells) -> AsyncIterator[list[Row]]:
    """The rows of a run that has ended, a page at a time. Each has the columns of its own step."""
    assert job.run is not None
    for index, table in enumerate(tables):
        places = job.run.grid.cells(index)
        while page := list(islice(places, PAGE)):
            yield [table.row(cell) for cell in await cells(index, page)]


class Readable(Protocol):
    """What is needed to write a run's rows: its tables, and its pages, from the first as often as they are asked for."""

    @property
    def tables(self) -> Sequence[StepTable]: ...

    def rows(self) -> AsyncIterator[list[Row]]: ...


async def write_table(ended: Readable, path: str | Path, form: str) -> None:
    """All rows to a file. Where a value fits no column of Parquet, that column is JSON, and the file is begun anew."""
    columns = united(ended.tables)
    while True:
        try:
            with table_file(path, form, columns) as writer:
                async for page in ended.rows():
                    writer.write(page)
            return
        except Misfit as misfit:
            columns = misfit.columns


async def text_of(ended: Readable, form: str) -> AsyncIterator[list[str]]:
    """All rows as CSV or JSON lines, a page at a time."""
    names = [column.name for column in united(ended.tables)]
    if form == "csv":
        yield list(to_csv([], names))
    async for page in ended.rows():
        rows = [{name: row.get(name) for name in names} for row in page]
        yield list(to_csv(rows, names))[1:] if form == "csv" else list(to_jsonl(rows))
