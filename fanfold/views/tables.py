"""Tables written row by row: CSV, JSON lines and Parquet, a part at a time. A file is there whole or not at all.

Columns are known beforehand. In Parquet what does not fit a column's kind turns that column into text, as JSON: the file is then begun
anew (`Misfit` says so), for a run is not lost to one odd value.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from fanfold.views.columns import BOOL, FLOAT, INT, JSON, TEXT, Column, Kind
from fanfold.views.exports import Row, compact, drafted, plain, to_csv, to_jsonl

FORMATS = ("jsonl", "csv", "parquet")
PART = 2_000  # rows of a Parquet row group at least; more are written as they are given


class Misfit(Exception):
    """A value does not fit its column. columns: the same columns, with which it will."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__("a value does not fit its column")
        self.columns = list(columns)


class Writer(Protocol):
    def write(self, rows: Sequence[Row]) -> None:
        """Raises OSError, and Misfit where all is to be written again."""
        ...

    def finish(self) -> None: ...

    def abandon(self) -> None:
        """Let go of what is half written."""
        ...


class TextTable:
    """CSV or JSON lines, to anything that takes text."""

    def __init__(self, out: IO[str], form: str, columns: Sequence[Column]) -> None:
        self._out, self._csv, self._names = out, form == "csv", [column.name for column in columns]
        if self._csv:
            out.writelines(to_csv([], self._names))

    def write(self, rows: Sequence[Row]) -> None:
        if self._csv:
            self._out.writelines(_without_header(to_csv(rows, self._names)))
        else:
            self._out.writelines(to_jsonl({name: row.get(name) for name in self._names} for row in rows))

    def finish(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is open."""


def _without_header(lines: Iterator[str]) -> Iterator[str]:
    next(lines, None)
    yield from lines


class ParquetTable:
    """Parquet, to a file or anything that takes bytes. Raises ImportError without pyarrow."""

    def __init__(self, out: IO[bytes], columns: Sequence[Column]) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow, self._columns = pyarrow, list(columns)
        self._schema = pyarrow.schema([(name, _type(pyarrow, kind)) for name, kind in columns])
        self._writer = pyarrow.parquet.ParquetWriter(out, self._schema)
        self._held: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._held.extend(rows)
        if len(self._held) >= PART:
            self._flush()

    def _flush(self) -> None:
        arrays, misfits = [], set()
        for column, field in zip(self._columns, self._schema, strict=True):
            try:
                cells = [_said(row.get(column.name), column.kind) for row in self._held]
                arrays.append(self._arrow.array(cells, field.type, from_pandas=False))
            except (self._arrow.ArrowException, OverflowError, TypeError, ValueError):
                misfits.add(column.name)
        if misfits:
            raise Misfit([Column(name, JSON if name in misfits else kind) for name, kind in self._columns])
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._held = []

    def finish(self) -> None:
        if self._held:
            self._flush()
        self._writer.close()

    def abandon(self) -> None:
        with suppress(self._arrow.ArrowException, OSError, ValueError):
            self._writer.close()


def _said(value: Any, kind: Kind) -> Any:
    """As the column has it. Raises TypeError for a value of another kind, which would be changed silently."""
    if value is None:
        return None
    value = plain(value)
    if kind == JSON:
        return compact(value)
    fits: Any = {TEXT: str, INT: int, BOOL: bool, FLOAT: (int, float)}.get(kind if isinstance(kind, str) else "", object)
    if not isinstance(value, fits) or (kind in (INT, FLOAT) and isinstance(value, bool)):
        raise TypeError(f"{type(value).__name__} in a column of {kind}")
    if kind == FLOAT and isinstance(value, int) and int(float(value)) != value:
        raise ValueError("a number that no double holds")
    if isinstance(kind, tuple) and kind[0] == "list":
        return [_said(item, kind[1]) for item in _of(list, value)]
    if isinstance(kind, tuple):
        if extra := _of(dict, value).keys() - kind[1].keys():
            raise TypeError(f"{len(extra)} further fields")
        return {name: _said(value.get(name), inner) for name, inner in kind[1].items()}
    return value


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} is no {kind.__name__}")
    return value


def _type(arrow: Any, kind: Kind) -> Any:
    if isinstance(kind, tuple) and kind[0] == "list":
        return arrow.list_(_type(arrow, kind[1]))
    if isinstance(kind, tuple):
        return arrow.struct([(name, _type(arrow, inner)) for name, inner in kind[1].items()])
    return {BOOL: arrow.bool_(), INT: arrow.int64(), FLOAT: arrow.float64(), TEXT: arrow.string()}.get(kind, arrow.string())


# -------------------------------------------------------------------- files


@contextmanager
def table_file(path: str | os.PathLike[str], form: str, columns: Sequence[Column]) -> Iterator[Writer]:
    """A writer of a file that takes the place of what was there when all is written. Raises OSError, Misfit."""
    with drafted(Path(path), binary=form == "parquet") as file:
        writer: Writer = ParquetTable(file, columns) if form == "parquet" else TextTable(file, form, columns)
        try:
            yield writer
            writer.finish()
        except BaseException:
            writer.abandon()
            raise


def write_rows(path: str | os.PathLike[str], form: str, rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """Rows that are there already."""
    while True:
        try:
            with table_file(path, form, columns) as writer:
                writer.write(rows)
            return
        except Misfit as misfit:
            columns = misfit.columns
