"""One group of writes in one `BEGIN IMMEDIATE` transaction: all of it is kept, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TypeAlias

from fanfold.spec.events import Reopened
from fanfold.spec.ports import RunRecord
from fanfold.store.rows import Batch, Row, decode_steps, pack, record_row, tally_row
from fanfold.store.tally import Refused, Tally

Item: TypeAlias = Batch | RunRecord

ROWS = 100
"""Rows in one statement. Each statement that SQLite steps hands the interpreter lock over and back, which costs up to some
milliseconds beside a busy event loop; so a group is a handful of statements, whatever its size."""

UPDATE_TALLIES = """
UPDATE tallies SET
    next = fresh.column2, state = fresh.column3, cells = fresh.column4, accepted = fresh.column5, steps = fresh.column6,
    crc = fresh.column7
FROM (VALUES {rows}) AS fresh WHERE tallies.run = fresh.column1
"""
RECORD = """
INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET
    plan = excluded.plan, started = excluded.started, cost_usd = excluded.cost_usd, about = excluded.about, crc = excluded.crc
"""


def write(db: sqlite3.Connection, items: Sequence[Item], known: Mapping[str, Tally]) -> dict[str, Tally]:
    """Write the items in order and commit. Returns the tallies that changed.

    known: tallies as this process last wrote them. Another process may have written since; then the primary key of the journal
    tells, because batches are gapless: the other's batch began where ours begins.
    Raises Refused when an item is wrong, sqlite3.Error when the file is; nothing is kept then.
    """
    with _immediate(db):
        group = _Group(db, known)
        for item in items:
            if isinstance(item, Batch):
                group.append(item)
            else:
                group.record(item)
        group.flush()
    return group.fresh


@contextmanager
def _immediate(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has rolled some failures back by itself
            db.execute("ROLLBACK")
        raise


class _Group:
    def __init__(self, db: sqlite3.Connection, known: Mapping[str, Tally]) -> None:
        self._db, self._known = db, known
        self.fresh: dict[str, Tally] = {}
        self._batches: list[Row] = []
        self._values: list[Row] = []
        self._void: list[Row] = []  # values of an earlier life

    def append(self, batch: Batch) -> None:
        run = batch.run
        tally = self.fresh.get(run) or self._known.get(run) or self._stored(run)
        if tally is None:
            raise Refused(f"run {run} is not in the store any more")
        self.fresh[run] = tally.after(run, batch.events, batch.values)
        if batch.events:
            self._batches.append(batch.journal_row)
            for event in batch.events:
                if isinstance(event, Reopened) and event.state == "accepted":
                    self._void += [(run, event.step, pack(at)) for at in event.at or ()]
            self._values += batch.value_rows

    def record(self, record: RunRecord) -> None:
        run, row = record.run_id, record_row(record)
        tally = self.fresh.get(run) or self._stored(run)
        if tally is None:
            tally = Tally()
            _insert(self._db, "INSERT INTO tallies VALUES {rows}", [tally_row(run, tally)])
        self._db.execute(RECORD, row)
        self.fresh[run] = tally.recorded(record)

    def flush(self) -> None:
        try:
            _insert(self._db, "INSERT INTO journal VALUES {rows}", self._batches)
            if self._void:
                self._db.executemany("DELETE FROM stored WHERE run = ? AND step = ? AND at = ?", self._void)
            _insert(self._db, "INSERT INTO stored VALUES {rows}", self._values)
        except sqlite3.IntegrityError as error:
            raise Refused(_conflict(error, self.fresh)) from error
        rows = [tally_row(run, tally) for run, tally in self.fresh.items()]
        if _insert(self._db, UPDATE_TALLIES, rows) != len(rows):
            raise Refused(f"{_names(self.fresh)}: not in the store any more")

    def _stored(self, run: str) -> Tally | None:
        return stored_tally(self._db, run)


def stored_tally(db: sqlite3.Connection, run: str) -> Tally | None:
    """Raises ValueError (msgspec's, or its own) for a damaged row."""
    row = db.execute("SELECT * FROM tallies WHERE run = ?", (run,)).fetchone()
    if row is None:
        return None
    _, following, state, cells, accepted, steps, _ = row
    tally = Tally(following, state, cells, accepted, decode_steps(steps))
    if tally_row(run, tally) != row:
        raise ValueError("the tally of the run does not match its checksum")
    return tally


def _insert(db: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> int:
    """Rows by the hundred. Returns how many were changed."""
    changed = 0
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        marks = "(" + ", ".join("?" * len(part[0])) + ")"
        cursor = db.execute(sql.format(rows=", ".join([marks] * len(part))), list(chain.from_iterable(part)))
        changed += cursor.rowcount
    return changed


def _conflict(error: sqlite3.IntegrityError, runs: Mapping[str, Tally]) -> str:
    if "journal." in str(error):
        return f"{_names(runs)}: another process has gone on with the run since"
    return f"{_names(runs)}: one of these cells has a value already ({error})"


def _names(runs: Mapping[str, Tally]) -> str:
    return "run " + ", ".join(runs)
