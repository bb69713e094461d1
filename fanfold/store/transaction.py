"""One group of writes in one `BEGIN IMMEDIATE` transaction: all of it is kept, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from fanfold.spec.events import Reopened
from fanfold.spec.ports import RunRecord
from fanfold.store.cache import Answers, Room
from fanfold.store.leases import Leases, stored_lease
from fanfold.store.rows import Batch, Picture, Removal, Row, decode_steps, pack, picture_row, record_row, tally_row
from fanfold.store.tally import ENDED, Refused, Tally

Item: TypeAlias = Batch | RunRecord | Picture | Removal | Answers

ROWS = 100
"""Rows in one statement. Each statement that SQLite steps hands the interpreter lock over and back, which costs up to some
milliseconds beside a busy event loop; so a group is a handful of statements, whatever its size."""

UPDATE_TALLIES = """
UPDATE tallies SET
    next = fresh.column2, state = fresh.column3, cells = fresh.column4, accepted = fresh.column5, steps = fresh.column6,
    crc = fresh.column7
FROM (VALUES {rows}) AS fresh, leases
WHERE tallies.run = fresh.column1 AND leases.run = fresh.column1 AND leases.fence = fresh.column8
"""
"""Where the lease of a run bears another number, its row is not among those that change."""
TABLES_OF_RUNS = ("runs", "tallies", "journal", "stored", "snapshots", "cache", "leases")
RECORD = """
INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET
    plan = excluded.plan, started = excluded.started, cost_usd = excluded.cost_usd, about = excluded.about, crc = excluded.crc
"""


@dataclass(slots=True)
class Written:
    """What a transaction did. tallies: those that changed; None: of a run that was removed. leases: run -> fence; None: no more.
    events: how many more there are in the store than before."""

    tallies: dict[str, Tally | None]
    leases: dict[str, int | None]
    events: int


def write(db: sqlite3.Connection, items: Sequence[Item], known: Mapping[str, Tally], leases: Leases, room: Room) -> Written:
    """Write the items in order and commit.

    known: tallies of runs that this store holds the lease of, as it last wrote them: nobody else can have written since.
    room: of the cache. Raises Refused when an item is wrong, sqlite3.Error when the file is; nothing is kept then.
    """
    with immediate(db):
        group = _Group(db, known, leases, room)
        for item in items:
            group.add(item)
        group.flush()
        return Written(group.fresh, leases.fresh, group.events)


@contextmanager
def immediate(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has rolled some failures back by itself
            db.execute("ROLLBACK")
        raise


class _Group:
    def __init__(self, db: sqlite3.Connection, known: Mapping[str, Tally], leases: Leases, room: Room) -> None:
        self._db, self._known, self._leases, self._room = db, known, leases, room
        self.fresh: dict[str, Tally | None] = {}
        self.events = 0
        self._fences: dict[str, int] = {}  # of the tallies in `fresh`: those under which they are written
        self._batches: list[Row] = []
        self._values: list[Row] = []
        self._void: list[Row] = []  # values of an earlier life

    def add(self, item: Item) -> None:
        if isinstance(item, Batch):
            self._append(item)
        elif isinstance(item, RunRecord):
            self._record(item)
        elif isinstance(item, Picture):
            self._keep(item)
        elif isinstance(item, Answers):
            self._room.put(self._db, item)
        else:
            self._remove(item.run)

    def _append(self, batch: Batch) -> None:
        run = batch.run
        fence = self._leases.fence(run)
        if fence is None:  # its first batch, or the first since it ended
            self._leases.take(run)
            fence = self._leases.fence(run)
        tally = self.fresh.get(run) or self._known.get(run) or stored_tally(self._db, run)
        if tally is None or fence is None:
            raise Refused(f"run {run} is not in the store any more")
        after = tally.after(run, batch.events, batch.values)
        self._put(run, after, fence)
        if batch.events:
            self._batches.append(batch.journal_row)
            for event in batch.events:
                if isinstance(event, Reopened) and event.state == "accepted":
                    self._void += [(run, event.step, pack(at)) for at in event.at or ()]
            self._values += batch.value_rows
            self.events += len(batch.events)
        if after.state in ENDED:
            self._leases.release(run)

    def _record(self, record: RunRecord) -> None:
        run, row = record.run_id, record_row(record)
        self._leases.take(run)
        tally = self.fresh.get(run) or stored_tally(self._db, run)
        if tally is None:
            tally = Tally()
            _insert(self._db, "INSERT INTO tallies VALUES {rows}", [tally_row(run, tally)])
        self._db.execute(RECORD, row)
        self._put(run, tally.recorded(record), self._leases.fence(run))
        if record.state in ENDED:
            self._leases.release(run)

    def _put(self, run: str, tally: Tally, fence: int | None) -> None:
        assert fence is not None
        self.fresh[run], self._fences[run] = tally, fence

    def _keep(self, picture: Picture) -> None:
        """By whoever works on the run, or by anybody once it has ended."""
        run, fence = picture.run, self._leases.fence(picture.run)
        tally, lease = self.fresh.get(run) or stored_tally(self._db, run), stored_lease(self._db, run)
        if tally is None or tally.next <= picture.seq:
            raise Refused(f"run {run}: event {picture.seq}, up to which a snapshot goes, is not in the store")
        if lease is None or lease.fence != fence:
            self._leases.is_free(run, lease)
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", picture_row(picture))

    def _remove(self, run: str) -> None:
        """Alone in its transaction."""
        tally, lease = stored_tally(self._db, run), stored_lease(self._db, run)
        if tally is None:
            raise Refused(f"run {run} is not in the store")
        if lease is not None and lease.owner and lease.fence == self._leases.fence(run):
            raise Refused(f"run {run} is going on: cancel it first")
        self._leases.is_free(run, lease)
        self._db.execute("PRAGMA secure_delete=ON")  # prompts and answers are nobody else's business, nor are their remains
        for table in TABLES_OF_RUNS:
            self._db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
        self.fresh[run] = self._leases.fresh[run] = None
        self.events -= tally.next

    def flush(self) -> None:
        try:
            _insert(self._db, "INSERT INTO journal VALUES {rows}", self._batches)
            if self._void:
                self._db.executemany("DELETE FROM stored WHERE run = ? AND step = ? AND at = ?", self._void)
            _insert(self._db, "INSERT INTO stored VALUES {rows}", self._values)
        except sqlite3.IntegrityError as error:
            raise Refused(self._conflict(error)) from error
        rows = [(*tally_row(run, tally), self._fences[run]) for run, tally in self.fresh.items() if tally is not None]
        if _insert(self._db, UPDATE_TALLIES, rows) != len(rows):
            raise Refused("; ".join(f"run {run}: {self._leases.lost(run)}" for run in self._fences))

    def _conflict(self, error: sqlite3.IntegrityError) -> str:
        if "journal." in str(error):
            return "; ".join(f"run {run}: {self._leases.lost(run)}" for run in self._fences)
        return f"run {', '.join(self._fences)}: one of these cells has a value already ({error})"


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
