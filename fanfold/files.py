"""The one reader of users' data files: rows as an axis (CSV, JSONL, Parquet), YAML. Errors name the file and the row.

Rows are never held whole: a first pass checks every row and remembers where each 64th begins; a row is then read from there.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import tempfile
import threading
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, overload

from fanfold.spec.errors import PlanError

STRIDE = 64
KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_YAML_MOST = 2_000_000  # characters of a plan or config file
_WORD_BEFORE = re.compile(r"[:,\[{]\s*([a-z]{1,20})$")
_LONGEST_LINE = 16 << 20  # bytes of a line of a file of rows


class Rows(Sequence[dict[str, Any]]):
    """The rows of a data file, as an axis: `Axis("term", Rows("terms.csv"))`, and in prompts `{term.column}`.

    .csv (with commas, or with semicolons and no comma in its header) and .tsv with a header (values are text), .jsonl of objects, both also as .gz, and .parquet (the extra `parquet`). All rows are
    checked when it is made, none is held: files that cannot be read from the middle are unpacked beside, into a temporary file.
    columns: only these. Raises PlanError for a bad row, with its line.
    """

    def __init__(self, path: str | Path, *, columns: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        endings = [ending.lower() for ending in self.path.suffixes]
        self._packed = len(endings) > 1 and endings[-1] == ".gz"
        kind = endings[-2] if self._packed else endings[-1] if endings else ""
        if kind not in KINDS or (self._packed and kind == ".parquet"):
            raise PlanError(
                str(path),
                f"rows are read from .csv, .tsv, .jsonl and .parquet files, not {''.join(endings[-2:]) or 'a file without an ending'}",
                "save it as CSV with a header, or as JSONL: one object a line",
            )
        if isinstance(columns, str):
            raise PlanError("columns", "a list of names is needed", f"write [{columns!r}]")
        self._delimiter = "\t" if kind == ".tsv" else ","
        self._csv, self._parquet = kind in (".csv", ".tsv"), kind == ".parquet"
        self._asked = None if columns is None else tuple(columns)
        self._columns: list[str] = []
        self._seen: dict[str, None] = {}
        self._offsets = array("Q")
        self._lines = array("Q")
        self._count = 0
        self._page: tuple[int, list[dict[str, Any]]] = (-1, [])
        self._unpacked: IO[bytes] | None = None
        self._reading = threading.Lock()
        try:
            self._unpacked = self._unpack()
            self._index()
        except (OSError, EOFError, zlib.error) as error:
            raise PlanError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that occurs, in the order in which they were first seen."""
        return tuple(self._seen)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError(index)
        page, offset = divmod(index, STRIDE)
        held = self._page  # forecasts read in a thread of their own
        if held[0] != page:
            self._page = held = (page, self._read(page))
        return held[1][offset]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and (other.path, other._asked) == (self.path, self._asked)

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"<Rows {self.path.name}: {self._count}>"

    # ---------------------------------------------------------------- reading

    def _unpack(self) -> IO[bytes] | None:
        """What cannot be read from the middle, as text in a file that nobody else sees and that goes with us."""
        if not self._packed and not self._parquet:
            return None
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as these rows live
        try:
            if self._packed:
                with gzip.open(self.path) as packed:
                    shutil.copyfileobj(packed, file, 1 << 20)
            else:
                from fanfold.parquetrows import parquet_lines

                with parquet_lines(self.path, self._asked) as (names, lines):
                    self._seen.update(dict.fromkeys(names))
                    file.writelines(lines)
        except BaseException:
            file.close()
            raise
        return file

    @contextmanager
    def _opened(self, offset: int = 0) -> Iterator[IO[bytes]]:
        if self._unpacked is not None:
            with self._reading:
                self._unpacked.seek(offset)
                yield self._unpacked
            return
        with self.path.open("rb") as file:
            file.seek(offset)
            yield file

    def __del__(self) -> None:
        if getattr(self, "_unpacked", None) is not None:
            self._unpacked.close()  # type: ignore[union-attr]

    def _index(self) -> None:
        with self._opened() as file:
            lines = _Lines(file, path=self.path)
            if self._csv:
                self._columns = self._header(lines)
            for row_start, line, row in self._parse(lines):
                if self._count % STRIDE == 0:
                    self._offsets.append(row_start)
                    self._lines.append(line)
                self._count += 1
                self._seen.update(dict.fromkeys(row))

    def _read(self, page: int) -> list[dict[str, Any]]:
        with self._opened(self._offsets[page]) as file:
            lines = _Lines(file, self._offsets[page], self._lines[page] - 1, self.path)
            rows = []
            for _, _, row in self._parse(lines):
                rows.append(row)
                if len(rows) == STRIDE:
                    break
            return rows

    def _header(self, lines: _Lines) -> list[str]:
        first = next(lines, "")
        if (
            self._delimiter == "," and ";" in first and "," not in first
        ):  # as spreadsheets write it where the comma is a decimal one
            self._delimiter = ";"
        columns = next(csv.reader(chain([first], lines), delimiter=self._delimiter, strict=True), None)
        if not columns:
            raise PlanError(str(self.path), "is empty", "the first line names the columns")
        names = [name.strip() for name in columns]
        for name in names:
            if not name or names.count(name) > 1:
                raise PlanError(f"{self.path}:1", f"column {name!r} is {'named twice' if name else 'without a name'}")
        missing = [name for name in self._asked or () if name not in names]
        if missing:
            raise PlanError(str(self.path), f"there is no column {missing[0]!r}", f"it has {', '.join(names)[:300]}")
        return names

    def _parse(self, lines: _Lines) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """(byte offset, line number, row) of each row that is not blank."""
        for start, line, row in self._parse_csv(lines) if self._csv else self._parse_jsonl(lines):
            yield start, line, row if self._asked is None else {name: row.get(name) for name in self._asked}

    def _parse_csv(self, lines: _Lines) -> Iterator[tuple[int, int, dict[str, Any]]]:
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            start, line = lines.offset, lines.number + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise PlanError(f"{self.path}:{line}", f"is not valid CSV: {error}") from error
            if fields is None:
                return
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(self._columns):
                raise PlanError(f"{self.path}:{line}", f"has {len(fields)} fields, the header has {len(self._columns)}")
            yield start, line, dict(zip(self._columns, fields, strict=True))

    def _parse_jsonl(self, lines: _Lines) -> Iterator[tuple[int, int, dict[str, Any]]]:
        while True:
            start, line = lines.offset, lines.number + 1
            text = next(lines, None)
            if text is None:
                return
            if not text.strip():
                continue
            try:
                row = json.loads(text, parse_constant=_no_number)
            except (ValueError, RecursionError) as error:
                raise PlanError(f"{self.path}:{line}", f"is not valid JSON: {error}") from None
            if not isinstance(row, dict):
                raise PlanError(f"{self.path}:{line}", f"is not an object but a {type(row).__name__}")
            yield start, line, row


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number there")


class _Lines(Iterator[str]):
    """Lines of a UTF-8 file, and where the next one begins. Raises PlanError for a line that cannot be one."""

    def __init__(self, file: Any, offset: int = 0, number: int = 0, path: Path = Path()) -> None:
        self._file, self.offset, self.number, self._path = file, offset, number, path

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        first = self.offset == 0
        self.offset += len(line)
        self.number += 1
        where = f"{self._path}:{self.number}"
        if len(line) > _LONGEST_LINE:
            raise PlanError(where, f"is longer than {_LONGEST_LINE >> 20} MiB", "one row stands on one line")
        if b"\0" in line:
            raise PlanError(where, "holds a NUL character: this is no text, or not UTF-8", "save it as UTF-8")
        try:
            return str(line.decode("utf-8-sig" if first else "utf-8"))
        except UnicodeDecodeError as error:
            raise PlanError(where, f"is not UTF-8 (byte {error.start} of the line)", "save it as UTF-8") from None


def parse_yaml(text: str, name: str) -> Any:
    """Safe YAML: no tags, few aliases, no key twice. Raises PlanError with the line."""
    import yaml

    return _read_yaml(text, name, yaml.load)  # by a SafeLoader with more checks


def compose_yaml(text: str, name: str) -> Any:
    """The same text as PyYAML's nodes, which know their lines; None for an empty one."""
    import yaml

    return _read_yaml(text, name, yaml.compose)


def _read_yaml(text: str, name: str, read: Callable[[str, Any], Any]) -> Any:
    import yaml

    from fanfold.yamltext import loader

    Loader = loader(name)
    if len(text) > _YAML_MOST:
        raise PlanError(name, f"is longer than {_YAML_MOST:,} characters")
    while True:
        try:
            return read(text, Loader)
        except yaml.MarkedYAMLError as error:
            mended = _quote_type(text, error.problem_mark.index) if error.problem_mark else None
            if mended is None:
                line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
                raise PlanError(f"{name}{line}", f"is not valid YAML: {error.problem or error}") from error
            text = mended
        except RecursionError:
            raise PlanError(name, "is not valid YAML: nested too deep") from None
        except (yaml.YAMLError, ValueError) as error:
            raise PlanError(name, f"is not valid YAML: {' '.join(str(error).split())[:300]}") from error


def _quote_type(text: str, at: int) -> str | None:
    """`{lines: list[str], when: date?}` is no YAML: a bracket begins a list there, and a question mark ends a word. People write it
    all the same. Quotes that one word."""
    if text[at : at + 1] == "?" and (word := _WORD_BEFORE.search(text, max(0, at - 40), at)):
        return f'{text[: word.start(1)]}"{text[word.start(1) : at + 1]}"{text[at + 1 :]}'
    if not text[:at].endswith("list") or text[at : at + 1] != "[":
        return None
    depth = 0
    for end in range(at, len(text)):
        depth += (text[end] == "[") - (text[end] == "]")
        if depth == 0:
            end += 1 + (text[end + 1 : end + 2] == "?")
            return f'{text[: at - 4]}"{text[at - 4 : end]}"{text[end:]}'
    return None


def read_text(path: str | Path) -> str:
    """A text file of the user's. Raises PlanError."""
    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise PlanError(str(path), f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PlanError(str(path), "is not UTF-8", "save it as UTF-8") from error
