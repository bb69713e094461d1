"""The cache's table: accepted answers by what was asked, bounded, each with a sum so that damage is seen, not served.

SQLite decides nothing about what an entry means or how long it is good. Entries go when they are the oldest and there is no more room,
and with the run that they were made in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from fanfold.spec.ports import Kept
from fanfold.store.rows import Row, checksum

TABLE = """
CREATE TABLE cache (
    key BLOB NOT NULL PRIMARY KEY, run TEXT NOT NULL, made REAL NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX cache_by_age ON cache (made, size);
CREATE INDEX cache_by_run ON cache (run);
"""
MOST_BYTES = 1 << 30
SPARE = 16  # one part in so many of the room is made free at a time, and is written before anybody looks again
KEYS = 500  # asked for in one statement
ROW_BYTES = 200  # of an entry, beside its content


@dataclass(frozen=True, slots=True)
class Answers:
    """Entries to keep."""

    entries: tuple[Kept, ...]

    @property
    def size(self) -> int:
        return sum(len(entry.data) + ROW_BYTES for entry in self.entries)


class Room:
    """How much the table holds, as far as this process need know. most: bytes."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._left = 0  # may be written until somebody has to look

    def put(self, db: sqlite3.Connection, answers: Answers) -> None:
        """In the transaction of the caller."""
        db.executemany("INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?, ?, ?)", [_row(entry) for entry in answers.entries])
        self._left -= answers.size
        if self._left < 0:
            self._make_room(db)
            self._left = self._most // SPARE

    def _make_room(self, db: sqlite3.Connection) -> None:
        """The oldest go, until so much is free that the next look is far."""
        (size,) = db.execute("SELECT coalesce(sum(size), 0) FROM cache").fetchone()
        if size <= self._most - self._most // SPARE:
            return
        excess, until = size - self._most + 2 * (self._most // SPARE), 0.0
        for made, each in db.execute("SELECT made, size FROM cache ORDER BY made"):
            until = made
            excess -= each
            if excess <= 0:
                break
        db.execute("DELETE FROM cache WHERE made <= ?", (until,))


def look(db: sqlite3.Connection, keys: Sequence[bytes]) -> list[Kept]:
    """Those that are there; of a row that does not match its sum, the key alone."""
    found: list[Kept] = []
    for start in range(0, len(keys), KEYS):
        part = keys[start : start + KEYS]
        marks = ", ".join("?" * len(part))
        for row in db.execute(f"SELECT * FROM cache WHERE key IN ({marks})", part):
            key, run, made, _, data, _ = row
            entry = Kept(key, run, made, data) if isinstance(data, bytes) and isinstance(made, float) else None
            sound = entry is not None and _row(entry) == row
            found.append(entry if entry is not None and sound else Kept(key, "", 0.0, b""))
    return found


def _row(entry: Kept) -> Row:
    size = len(entry.data) + ROW_BYTES
    return (entry.key, entry.run, entry.made, size, entry.data, checksum(entry.data, entry.key.hex(), entry.run, entry.made))
