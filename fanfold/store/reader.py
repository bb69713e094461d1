"""The reading end of a store's file: a connection that cannot write, and never serves a row whose checksum is wrong."""

from __future__ import annotations

import logging
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, Coords
from fanfold.spec.ports import Kept, RunRecord, Snapshot, Stored
from fanfold.store import cache
from fanfold.store.rows import Picture, checksum, decode_events, pack, picture_row, record_row, unpack
from fanfold.store.schema import in_words, open_reader
from fanfold.store.tally import Tally
from fanfold.store.transaction import stored_tally

logger = logging.getLogger("fanfold")

CELLS = 500
"""Cells asked for in one statement."""

BATCHES = """
SELECT first, last, payload, crc FROM journal
WHERE run = :run AND first >= (SELECT coalesce(max(first), 0) FROM journal WHERE run = :run AND first <= :start)
ORDER BY first
"""


class Reader:
    """Blocks: only the reader's thread reads, and only the writer's thread closes, once nobody reads. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._proven: dict[tuple[str, int], int] = {}  # (run, step) -> values that were there when all were looked at

    def events(self, run: str, after: int, limit: int) -> list[AnyEvent]:
        start, found = max(0, after + 1), list[AnyEvent]()
        with self._snapshot(f"run {run}, events from {start}") as db:
            end = min(self._tally(db, run).next, start + limit)
            if start >= end:
                return found
            for batch in self._batches(db, run, start):
                found += batch[max(0, start - batch[0].seq) :]
                if start + len(found) >= end:
                    return found[: end - start]
        raise self._damaged(f"run {run}: events {start + len(found)} to {end - 1} are missing")

    def _batches(self, db: sqlite3.Connection, run: str, start: int) -> Iterator[list[AnyEvent]]:
        reached = start
        for first, last, payload, crc in db.execute(BATCHES, {"run": run, "start": start}):
            where = f"run {run}: events {first} to {last}"
            if checksum(payload, run, first) != crc:
                raise self._damaged(f"{where} do not match their checksum")
            events = decode_events(payload)
            if first > reached or [event.seq for event in events] != list(range(first, last + 1)):
                raise self._damaged(f"{where} are not those that were written there")
            reached = last + 1
            yield events

    def values(self, run: str, step: int, cells: Sequence[Coords] | None) -> list[Stored]:
        with self._snapshot(f"run {run}, values of step {step}") as db:
            if cells is None:
                return list(self._all(db, run, step))
            found = self._picked(db, run, step, cells)
            if len(found) < len(set(cells)):
                self._prove_absence(db, run, step)
            return [found[at] for at in cells if at in found]

    def _all(self, db: sqlite3.Connection, run: str, step: int) -> Iterator[Stored]:
        count = 0
        for row in db.execute("SELECT at, data, crc FROM stored WHERE run = ? AND step = ? ORDER BY at", (run, step)):
            count += 1
            yield self._value(run, step, *row)
        if count != self._written(db, run, step):
            raise self._damaged(f"run {run}: of {self._written(db, run, step)} values of step {step}, {count} are there")

    def _written(self, db: sqlite3.Connection, run: str, step: int) -> int:
        steps = self._tally(db, run).steps
        return steps[step][1] if step < len(steps) else 0

    def _prove_absence(self, db: sqlite3.Connection, run: str, step: int) -> None:
        """A value that is not found may never have been written, or the index that leads to it is damaged. All are looked for, and
        again when there are twice as many: that costs no more than writing them did."""
        written = self._written(db, run, step)
        if written < 2 * self._proven.get((run, step), 0):
            return
        values = self._all(db, run, step)
        while part := [value.at for value in islice(values, CELLS)]:
            if len(self._picked(db, run, step, part)) < len(part):
                raise self._damaged(f"run {run}: values of step {step} cannot be found by their cells")
        self._proven[run, step] = written

    def _picked(self, db: sqlite3.Connection, run: str, step: int, cells: Sequence[Coords]) -> dict[Coords, Stored]:
        keys = [pack(at) for at in cells]
        found: dict[Coords, Stored] = {}
        for start in range(0, len(keys), CELLS):
            part = keys[start : start + CELLS]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT at, data, crc FROM stored WHERE run = ? AND step = ? AND at IN ({marks})"
            for row in db.execute(sql, (run, step, *part)):
                value = self._value(run, step, *row)
                found[value.at] = value
        return found

    def _value(self, run: str, step: int, at: bytes, data: bytes, crc: int) -> Stored:
        if checksum(data, run, step, at.hex()) != crc:
            raise self._damaged(f"run {run}: the value of step {step} at {list(unpack(at))} does not match its checksum")
        return Stored(step, unpack(at), data)

    def snapshot(self, run: str) -> Snapshot | None:
        """A damaged one is told of and left alone: what it was made of is still there."""
        with self._snapshot(f"run {run}, its snapshot") as db:
            row = db.execute("SELECT * FROM snapshots WHERE run = ?", (run,)).fetchone()
        if row is None:
            return None
        with suppress(TypeError, ValueError, AttributeError):
            if picture_row(Picture(run, row[1], row[2], len(row[2]))) == row:
                return Snapshot(row[1], row[2])
        logger.warning("store %s: run %s: its snapshot does not match its checksum, and is not used", self._path, run)
        return None

    def answers(self, keys: Sequence[bytes]) -> list[Kept]:
        with self._snapshot("the cache") as db:
            return cache.look(db, keys)

    def runs(self, run: str | None) -> list[RunRecord]:
        sql, wanted = ("SELECT * FROM runs", ()) if run is None else ("SELECT * FROM runs WHERE run = ?", (run,))
        with self._snapshot("the list of runs" if run is None else f"run {run}") as db:
            return [self._record(db, *row) for row in db.execute(f"{sql} ORDER BY started DESC, rowid DESC", wanted).fetchall()]

    def _record(
        self, db: sqlite3.Connection, run: str, plan: str, started: float, cost: float | None, about: bytes, crc: int
    ) -> RunRecord:
        tally = self._tally(db, run)
        record = RunRecord(
            run_id=run, plan=plan, started=started, state=tally.state, cells=tally.cells, accepted=tally.accepted, cost_usd=cost,
            about=about,
        )  # fmt: skip
        if record_row(record)[-1] != crc:
            raise self._damaged(f"the record of run {run} does not match its checksum")
        return record

    def _tally(self, db: sqlite3.Connection, run: str) -> Tally:
        tally = stored_tally(db, run)
        if tally is None:
            raise StoreError(f"{self._path}: run {run} is not in the store any more")
        return tally

    @contextmanager
    def _snapshot(self, what: str) -> Iterator[sqlite3.Connection]:
        """One moment of the file, however much is written meanwhile. what: names it, should it turn out to be damaged."""
        try:
            if self._db is None:
                self._db = open_reader(self._path)
            self._db.execute("BEGIN DEFERRED")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise in_words(self._path, error) from error
        except (TypeError, ValueError, AttributeError, struct.error) as error:
            raise self._damaged(f"{what}: {error}") from error

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{self._path} is damaged: {what}. Restore a copy of the file, or give up this run")

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
