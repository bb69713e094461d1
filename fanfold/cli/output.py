"""Where a result goes, and in what form."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from fanfold.config import Options
from fanfold.engine.logs import one_line
from fanfold.spec.errors import PlanError
from fanfold.table import Readable, check_format, text_of, write_table
from fanfold.views import exports, tables
from fanfold.views.columns import columns_of_rows
from fanfold.views.tables import write_rows

LONGEST_LINE = 4_000  # characters of a message
FORMATS = ("json", "jsonl", "csv", "parquet", "md")
ENDINGS = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".md": "md", ".markdown": "md",
    ".html": "html", ".htm": "html", ".ics": "ics", ".parquet": "parquet",
}  # fmt: skip
"""Ending of a file -> the format that it means, whether or not this version or the application writes that."""


class Target:
    """A file, a file in a folder, or stdout. Checked before anything is called. Raises PlanError.

    documents: formats that the application writes itself, beside those that any result has.
    """

    def __init__(self, options: Options, name: str, documents: Sequence[str] = ()) -> None:
        self.format = self._format(options, name, documents)
        self.path: Path | None = None
        if options.out is not None and options.out != "-":
            self.path = Path(options.out)
            if self.path.is_dir() or options.out.endswith(("/", os.sep)):
                self.path = self.path / f"{name}.{self.format}"
            self._check(self.path)
        if options.stream and self.path is None and options.format not in (None, "jsonl"):
            raise PlanError(
                "--stream", f"writes JSON lines, not {options.format}", "leave --format out, or write the result with --out"
            )

    def _format(self, options: Options, name: str, documents: Sequence[str]) -> str:
        """As asked for, or by the file's ending (one that means nothing here is JSON), or by who reads."""
        option, asked = "--format", options.format
        if asked is None and options.out not in (None, "-"):
            name_of_file = Path(str(options.out)).name.lower()
            own = max(
                (d for d in documents if name_of_file.endswith(f".{d}")), key=len, default=None
            )  # "chat.jsonl" before "jsonl"
            option, asked = "--out", own or ENDINGS.get(Path(name_of_file).suffix, "json")
        if asked is None:
            return "md" if sys.stdout.isatty() else "json"
        choices = (*FORMATS, *documents)
        if asked not in choices:
            raise PlanError(option, f"{asked} is not a format of {name}; choose from {', '.join(choices)}")
        if asked == "parquet":
            check_format(option, asked)
            if options.out in (None, "-") and sys.stdout.isatty():
                raise PlanError(option, "parquet is not for a terminal", "name a file: --out FILE.parquet")
        return asked

    def _check(self, path: Path) -> None:
        folder = path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PlanError("--out", f"the folder {folder} cannot be made: {error.strerror}") from error
        if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
            raise PlanError("--out", f"{path} cannot be written", "choose another place")

    def write(self, data: dict[str, Any], rows: Iterable[dict[str, Any]], markdown: str) -> None:
        """The result in the target's format; a file is replaced only when it is whole."""
        chunks: Iterable[str]
        if self.format == "parquet":
            held = list(rows)
            columns = columns_of_rows(held)
            with self._bytes() as path:
                write_rows(path, self.format, held, columns)
            return
        if self.format == "md":
            chunks = [markdown.rstrip() + "\n"]
        elif self.format == "json":
            chunks = exports.to_json(data)
        else:
            chunks = exports.to_csv(list(rows)) if self.format == "csv" else exports.to_jsonl(rows)
        self._put(chunks)

    @property
    def tabular(self) -> bool:
        """Whether it takes rows, and nothing else of a result."""
        return self.format in tables.FORMATS

    async def save(self, table: Readable) -> None:
        """The rows of a run, a page at a time; a file is replaced only when it is whole. Raises OSError, StoreError."""
        if self.path is None and self.format != "parquet":
            async for chunks in text_of(table, self.format):
                write_out(chunks)
            return
        with self._bytes() as path:
            await write_table(table, path, self.format)

    @contextmanager
    def _bytes(self) -> Iterator[Path]:
        """The file; for stdout, one that is copied there when it is whole."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="fanfold-") as folder:
            path = Path(folder) / "rows"
            yield path
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()

    def write_text(self, text: str) -> None:
        """A document as it is."""
        self._put([exports.plain(text)])

    def _put(self, chunks: Iterable[str]) -> None:
        if self.path is not None:
            exports.write(self.path, chunks)
        else:
            write_out(chunks)


def write_out(chunks: Iterable[str]) -> None:
    """To stdout. A reader that went away (`| head`) is no error. Raises OSError where it cannot be written, e.g. on a full disk."""
    try:
        for chunk in chunks:
            sys.stdout.write(chunk)
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere()
    except OSError:
        _to_nowhere()  # what is left would be written again at the end of the program, and fail again
        raise


def _to_nowhere() -> None:
    """From now on nothing that is written to stdout arrives, and nothing fails."""
    with suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


def say(text: str) -> None:
    """A message to stderr: no keys, and no control character but the ends of its own lines. Where nobody listens, it is lost."""
    with suppress(OSError, ValueError):
        sys.stderr.write("\n".join(one_line(line, LONGEST_LINE) for line in text.split("\n")) + "\n")
        sys.stderr.flush()


def ready_streams() -> None:
    """Write results as UTF-8 whatever the locale is; a terminal is shown what it can show. What a caller has closed is nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # `2>&-`: what is written there is lost, and nothing else
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the program lives
            setattr(sys, name, nowhere)
            atexit.register(nowhere.close)
        elif isinstance(stream, TextIOWrapper):
            if stream.isatty() or name == "stderr":
                stream.reconfigure(errors="backslashreplace" if name == "stderr" else "replace")
            else:
                stream.reconfigure(encoding="utf-8")


def line(data: dict[str, Any]) -> Sequence[str]:
    """One line of JSON."""
    return list(exports.to_jsonl([data]))
