"""Rows of a Parquet file as lines of JSON: a part of a row group at a time. pyarrow (the extra `parquet`) is loaded here, when it is used.

Numbers, text, lists and structs are what they are in JSON. Dates, times and timestamps become ISO 8601, durations seconds, decimals
numbers where up to 15 digits say them exactly and text otherwise, maps objects, bytes text (UTF-8); NaN and infinities are null.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from fanfold.spec.errors import PlanError

AT_ONCE = 512  # rows
EXACT_DIGITS = 15  # of a decimal that a double says exactly
HINT = "install it: pip install 'fanfold[parquet]'"

Plain: TypeAlias = Callable[[Any], Any]


def pyarrow_for(path: str) -> tuple[Any, Any]:
    """(pyarrow, pyarrow.parquet). Raises PlanError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise PlanError(path, "Parquet needs pyarrow, which is not installed", HINT) from error
    return pyarrow, pyarrow.parquet


@contextmanager
def parquet_lines(path: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[list[str], Iterator[bytes]]]:
    """The names of the columns, and each row as a line of JSON. columns: only these. Raises PlanError, naming the row."""
    arrow, parquet = pyarrow_for(str(path))
    try:
        with parquet.ParquetFile(path) as file:
            names = _names(path, list(file.schema_arrow.names), columns)
            yield names, _lines(arrow, path, file, names)
    except arrow.ArrowException as error:
        raise PlanError(str(path), f"is not a Parquet file that can be read: {' '.join(str(error).split())[:300]}") from error


def _names(path: Path, found: list[str], asked: Sequence[str] | None) -> list[str]:
    for name in found:
        if not name.strip() or found.count(name) > 1:
            raise PlanError(str(path), f"column {name!r} is {'named twice' if name.strip() else 'without a name'}")
    missing = [name for name in asked or () if name not in found]
    if missing:
        raise PlanError(str(path), f"there is no column {missing[0]!r}", f"it has {', '.join(found)[:300]}")
    return found if asked is None else list(asked)


def _lines(arrow: Any, path: Path, file: Any, names: list[str]) -> Iterator[bytes]:
    ways = [_way(arrow, file.schema_arrow.field(name).type) for name in names]
    number = 0
    for batch in file.iter_batches(batch_size=AT_ONCE, columns=names):
        held = [_coarse(arrow, batch.column(batch.schema.get_field_index(name))) for name in names]
        for index in range(batch.num_rows):
            number += 1
            row = {}
            for name, way, column in zip(names, ways, held, strict=True):
                try:
                    value = column[index].as_py()
                    row[name] = None if value is None else way(value)
                except (ValueError, OverflowError, TypeError) as error:
                    where = f"{path}: row {number}"
                    raise PlanError(where, f"column {name!r}: {error}", "leave it out: Rows(path, columns=[…])") from None
            yield json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _coarse(arrow: Any, column: Any) -> Any:
    """Nanoseconds become microseconds, which Python knows."""
    kind = column.type
    if arrow.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(arrow.timestamp("us", kind.tz), safe=False)
    if arrow.types.is_duration(kind) and kind.unit == "ns":
        return column.cast(arrow.duration("us"), safe=False)
    if arrow.types.is_time64(kind) and kind.unit == "ns":
        return column.cast(arrow.time64("us"), safe=False)
    return column


def _way(arrow: Any, kind: Any) -> Plain:
    """How a value of this type is said, when it is not null. Raises ValueError for one that cannot be."""
    types = arrow.types
    if types.is_dictionary(kind):
        return _way(arrow, kind.value_type)
    if types.is_floating(kind):
        return lambda value: value if math.isfinite(value) else None
    if types.is_decimal(kind):
        return _decimal(kind)
    if types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind):
        return lambda value: str(value.isoformat())
    if types.is_duration(kind):
        return lambda value: value.total_seconds()
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _text_of_bytes
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = _or_null(_way(arrow, kind.value_type))
        return lambda value: [inner(item) for item in value]
    if types.is_map(kind):
        key, item = _way(arrow, kind.key_type), _or_null(_way(arrow, kind.item_type))
        return lambda value: {str(key(k)): item(v) for k, v in (value.items() if isinstance(value, dict) else value)}
    if types.is_struct(kind):
        ways = {kind.field(i).name: _or_null(_way(arrow, kind.field(i).type)) for i in range(kind.num_fields)}
        return lambda value: {name: way(value[name]) for name, way in ways.items()}
    return _as_it_is


def _or_null(way: Plain) -> Plain:
    return lambda value: None if value is None else way(value)


def _decimal(kind: Any) -> Plain:
    if kind.precision > EXACT_DIGITS:
        return str
    return int if kind.scale <= 0 else float


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError(f"bytes that are no text ({base64.b64encode(value[:12]).decode()}…)") from None


def _as_it_is(value: Any) -> Any:
    return value if isinstance(value, str | int | bool) else str(value)
