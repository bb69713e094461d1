"""Writers of plain data (JSON's own types) as text, in pieces, so that a large result is never held as one string.

What no format can say is made harmless: NaN and infinities become null, half characters (lone surrogates) U+FFFD, and in CSV
what a spreadsheet would take for a formula is quoted.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeAlias
from uuid import uuid4

Row: TypeAlias = Mapping[str, Any]

STREAMED = 3  # levels of JSON containers written piece by piece; what is deeper is one value
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # after OWASP, "CSV Injection"
_HALF = re.compile("[\ud800-\udfff]")
_LINE_ENDS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}  # some readers of lines end one there


def plain(value: Any) -> Any:
    """A copy that every format can say. Raises TypeError for what is not plain data."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not plain data")


# -------------------------------------------------------------------- JSON


def to_json(obj: Any) -> Iterator[str]:
    """Indented JSON with an end of line. Down to the third level lists may be iterators, which are read as they are written."""
    yield from _json(obj, 0)
    yield "\n"


def _json(value: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, Mapping) and depth < STREAMED:
        pairs = ((json.dumps(plain(str(key)), ensure_ascii=False) + ": ", item) for key, item in value.items())
        yield from _bracket("{}", pairs, depth)
    elif isinstance(value, (list, tuple, Iterator)) and depth < STREAMED:
        yield from _bracket("[]", (("", item) for item in value), depth)
    else:
        yield json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False).replace("\n", "\n" + pad)


def _bracket(pair: str, items: Iterable[tuple[str, Any]], depth: int) -> Iterator[str]:
    opening = pair[0]
    for name, item in items:
        yield f"{opening}\n{'  ' * (depth + 1)}{name}"
        yield from _json(item, depth + 1)
        opening = ","
    yield pair if opening == pair[0] else f"\n{'  ' * depth}{pair[1]}"


def to_jsonl(rows: Iterable[Any]) -> Iterator[str]:
    """One compact JSON value a line."""
    for row in rows:
        yield compact(row).translate(_LINE_ENDS) + "\n"


def compact(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


# -------------------------------------------------------------------- CSV


def to_csv(rows: Iterable[Row], columns: Iterable[str] | None = None) -> Iterator[str]:
    """A header and one line a row (RFC 4180). columns: all that occur, in the order of their first row, unless given.

    To find the columns the rows are read twice: an iterator is held whole, unless its columns are given.
    """
    if columns is None:
        rows = list(rows) if isinstance(rows, Iterator) else rows
        columns = _columns(rows)
    names = list(columns)
    if names:
        yield _line(_text(name) for name in names)
        for row in rows:
            yield _line(_field(row.get(name)) for name in names)


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(rows)))


def _line(fields: Iterable[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(fields)
    return out.getvalue()


def _field(value: Any) -> str:
    """None is empty, numbers are numbers, lists and objects are JSON."""
    if isinstance(value, str):
        return _text(value)
    value = plain(value)
    return "" if value is None else compact(value)


def _text(text: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    text = plain(text.replace("\0", ""))
    return "'" + text if text.lstrip("\ufeff").startswith(FORMULA) else text


# -------------------------------------------------------------------- Markdown


def to_markdown(data: Mapping[str, Any] | Iterable[Any]) -> Iterator[str]:
    """Rows as a table; a mapping as one section per key. Text of a section stands as it is: it may be Markdown."""
    if isinstance(data, Mapping):
        yield from _sections(data, 1)
    else:
        yield from _table(data)


def _sections(data: Mapping[str, Any], level: int) -> Iterator[str]:
    for number, (key, value) in enumerate(data.items()):
        yield f"{chr(10) if number else ''}{'#' * min(level, 6)} {_cell(str(key))}\n\n"
        if isinstance(value, Mapping) and value:
            yield from _sections(value, level + 1)
        elif isinstance(value, str):
            yield plain(value).strip("\n") + "\n"
        elif isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
            yield from _table(value)
        elif isinstance(value, (list, tuple)):
            yield from (f"- {_cell(item)}\n" for item in value)
        else:
            yield _cell(value) + "\n"


def _table(rows: Iterable[Any]) -> Iterator[str]:
    held = [row if isinstance(row, Mapping) else {"value": row} for row in rows]
    columns = _columns(held)
    if columns:
        yield _bars(columns)
        yield _bars(["---"] * len(columns))
        yield from (_bars([row.get(column) for column in columns]) for row in held)


def _bars(values: Iterable[Any]) -> str:
    return "| " + " | ".join(_cell(value) for value in values) + " |\n"


def _cell(value: Any) -> str:
    """One line of text that neither ends its table's cell nor is taken for HTML."""
    text = plain(value) if isinstance(value, str) else "" if value is None else compact(value)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return "<br>".join(line.strip() for line in text.splitlines())


# -------------------------------------------------------------------- files

FORMATS: Mapping[str, Callable[[Any], Iterator[str]]] = MappingProxyType(
    {"json": to_json, "jsonl": to_jsonl, "csv": to_csv, "md": to_markdown}
)
"""Name of a format -> its writer."""


def write(path: str | os.PathLike[str], chunks: Iterable[str]) -> None:
    """Write a file whole or not at all (UTF-8): what was there stays until the last piece is on the disk. Raises OSError.

    A link is replaced, not followed. What is no file (a pipe, a terminal, /dev/null) is written to as it is.
    """
    with drafted(Path(path)) as file:
        file.writelines(chunks)


@contextmanager
def drafted(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file to write in, in a draft beside the path; it takes its place when all is on the disk, and is gone when something is raised."""
    words: dict[str, Any] = {} if binary else {"encoding": "utf-8", "errors": "replace", "newline": ""}
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb" if binary else "w", **words) as file:
            yield file
        return
    draft = path.with_name(f".fanfold-{uuid4().hex}")
    try:
        with draft.open("xb" if binary else "x", **words) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
