"""A run as a table: one row a cell, in axis order, with the same columns for the same plan, whatever failed.

Columns: the step; its coordinates (a row of a file as `axis.column`); `facet.…`; the state; the value, laid flat by the output's type
(`value` where it is no object); then why it has none, and what it took. Rows are made a page at a time, from the store: of a cell there is
held, beside its page, some eighty bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fanfold.engine.shapes import Text, plain
from fanfold.parquetrows import pyarrow_for
from fanfold.spec.errors import CellError, PlanError
from fanfold.spec.events import ANSWER, AnyEvent, Called, CellEnded, Coords, Reopened, RunStarted, Settled, SpareEnded
from fanfold.spec.prices import Price
from fanfold.views.columns import FLOAT, INT, JSON, TEXT, Column, columns_of_rows, fields_of, merged
from fanfold.views.exports import to_csv, to_jsonl
from fanfold.views.tables import FORMATS, Misfit, table_file

if TYPE_CHECKING:
    from fanfold.engine.job import Job, StepWork

PAGE = 200  # cells
MILLION = 1_000_000
Row = dict[str, Any]
Prices = Callable[[str], Price | None]

TAIL = (
    Column("error", TEXT), Column("message", TEXT), Column("hint", TEXT), Column("model", TEXT), Column("attempts", INT),
    Column("calls", INT), Column("elapsed_s", FLOAT), Column("tokens_in", INT), Column("tokens_out", INT), Column("cost_usd", FLOAT),
)  # fmt: skip
"""What every row ends with. error: a code, "" for none. cost_usd: None where a model of its calls has no price."""


class Took(NamedTuple):
    """What one cell took. model: of its last call, "" for none. elapsed_s: from its first call to its end. cost_usd: None: not known."""

    model: str = ""
    attempts: int = 0
    calls: int = 0
    elapsed_s: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0


class Meter:
    """Folds the journal into what each cell of one step took: a few numbers a cell, in arrays."""

    def __init__(self, sizes: Sequence[int | None]) -> None:
        """sizes: of the step's axes, None for those that are found by another step."""
        self._sizes = list(sizes)
        static = all(size is not None for size in sizes)
        self._spread = prod(size or 0 for size in sizes) if static else 0
        self._others: dict[Coords, int] = {}
        self.state, self.lane = array("b"), array("h")
        self.first, self.last = array("q"), array("q")
        self.attempts, self.calls = array("l"), array("l")
        self.tokens_in, self.tokens_out, self.cost = array("q"), array("q"), array("d")
        for kept, empty in self._arrays():
            kept.extend([empty] * self._spread if self._spread < PAGE else array(kept.typecode, [empty]) * self._spread)

    def _arrays(self) -> list[tuple[array[Any], int]]:
        return [
            (self.state, 0), (self.lane, -1), (self.first, -1), (self.last, -1), (self.attempts, 0), (self.calls, 0),
            (self.tokens_in, 0), (self.tokens_out, 0), (self.cost, 0),
        ]  # fmt: skip

    def place(self, at: Coords) -> int:
        """Where a cell's numbers are; a spare's and those of found axes follow behind."""
        if self._spread:
            place = 0
            for index, size in zip(at, self._sizes, strict=True):
                if index >= (size or 0):
                    break
                place = place * (size or 0) + index
            else:
                return place
        place = self._others.setdefault(at, self._spread + len(self._others))
        for kept, empty in self._arrays() if place == len(self.state) else ():
            kept.append(empty)
        return place

    def fill(self, at: Coords, fills: Coords) -> None:
        """What a spare took is the cell's that it fills."""
        source, to = self.place(at), self.place(fills)
        for kept in (self.calls, self.tokens_in, self.tokens_out):
            kept[to] += kept[source]
        self.cost[to] += self.cost[source]
        self.lane[to] = self.lane[source]
        begun = [t for t in (self.first[source], self.first[to]) if t >= 0]
        self.first[to] = min(begun, default=-1)


class Meters:
    """What the cells of a run took. prices: of a model; None: not known."""

    def __init__(self, job: Job, prices: Prices) -> None:
        assert job.run is not None
        sizes = job.run.grid.sizes
        self._of = [Meter([sizes[axis] for axis in work.compiled.over]) for work in job.steps]
        self._prices = prices
        self._lanes: dict[int, str] = {}
        self._in_the_air: dict[int, int] = {}  # call -> lane

    def apply(self, event: AnyEvent) -> None:
        if isinstance(event, Called):
            meter, place = self._of[event.step], self._of[event.step].place(event.at)
            meter.calls[place] += 1
            self._in_the_air[event.call] = event.lane
            if event.phase == ANSWER:
                meter.lane[place] = event.lane
            if meter.first[place] < 0:
                meter.first[place] = event.t
        elif isinstance(event, Settled):
            self._settled(event)
        elif isinstance(event, CellEnded):
            meter, place = self._of[event.step], self._of[event.step].place(event.at)
            meter.last[place], meter.attempts[place] = event.t, event.attempts
            meter.state[place] = event.state == "accepted"
        elif isinstance(event, SpareEnded):
            if event.fills is not None:
                self._of[event.step].fill(event.at, event.fills)
        elif isinstance(event, Reopened):
            for at in event.at or ():
                self._of[event.step].state[self._of[event.step].place(at)] = 0
        elif isinstance(event, RunStarted):
            self._lanes.update(event.lanes)

    def _settled(self, event: Settled) -> None:
        meter, place = self._of[event.step], self._of[event.step].place(event.at)
        meter.tokens_in[place] += event.tokens_in
        meter.tokens_out[place] += event.tokens_out
        price = self._prices(self._lanes.get(self._in_the_air.pop(event.call, -1), ""))
        used = event.tokens_in or event.tokens_out
        meter.cost[place] += (
            (float("nan") if used else 0) if price is None else price.of(event.tokens_in, event.tokens_out, event.cached)
        )

    def accepted(self, step: int, at: Coords) -> bool:
        return bool(self._of[step].state[self._of[step].place(at)])

    def took(self, step: int, at: Coords) -> Took:
        meter, place = self._of[step], self._of[step].place(at)
        begun, ended, cost = meter.first[place], meter.last[place], meter.cost[place]
        return Took(
            self._lanes.get(meter.lane[place], ""), meter.attempts[place], meter.calls[place],
            round((ended - begun) / MILLION, 3) if 0 <= begun <= ended else 0.0, meter.tokens_in[place], meter.tokens_out[place],
            None if cost != cost else round(cost, 9),
        )  # fmt: skip


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
