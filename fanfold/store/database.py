"""The writing end of a store's file: one connection, one transaction for a group, checkpoints. Everything under the lock."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from fanfold.spec.errors import StoreError
from fanfold.store.lock import FileLock
from fanfold.store.rows import Batch
from fanfold.store.schema import in_words, make_place, open_writer
from fanfold.store.tally import Tally
from fanfold.store.transaction import Item, write

logger = logging.getLogger("fanfold")

CHECKPOINT_BYTES = 4 << 20
COMMIT_BYTES = 4 * 4096
"""What a small transaction adds to the log: the pages of journal, values and tallies that it touches."""


class Database:
    """Blocks: only the writer's thread uses it. Raises StoreError; after any but Refused it must not be used again."""

    def __init__(self, path: Path, durability: str, wait_s: float) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", wait_s)
        try:
            make_place(path, self._lock)
            self._db = open_writer(path, durability, self._lock)
        except BaseException as error:
            self._lock.close()
            if isinstance(error, sqlite3.Error):
                raise in_words(path, error) from error
            raise
        self._known: dict[str, Tally] = {}
        self._logged = 0  # bytes in the log since the last checkpoint, about
        logger.debug("store %s: SQLite %s, durability %s", path, sqlite3.sqlite_version, durability)

    def write(self, items: Sequence[Item]) -> None:
        """One transaction. Durable when it returns; raises Refused when an item is wrong, and nothing is kept then."""
        try:
            with self._lock:
                fresh = write(self._db, items, self._known)
        except (sqlite3.Error, ValueError) as error:
            raise in_words(self.path, error) from error
        self._remember(fresh)
        self._logged += COMMIT_BYTES + sum(item.size if isinstance(item, Batch) else len(item.about) for item in items)

    def _remember(self, fresh: dict[str, Tally]) -> None:
        for run, tally in fresh.items():
            if tally.state == "running":
                self._known[run] = tally
            else:
                self._known.pop(run, None)

    def tidy(self) -> None:
        """Move the log into the file when it has grown. Readers are not disturbed: what they look at is moved the next time."""
        if self._logged < CHECKPOINT_BYTES:
            return
        try:
            with self._lock:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise in_words(self.path, error) from error
        self._logged = 0

    def close(self) -> None:
        """Leaves one file where nobody else has it open. Loses nothing where that fails: the log is read at the next opening."""
        try:
            with self._lock:  # also for the close: SQLite makes a checkpoint of its own when the last connection goes
                self._db.execute("PRAGMA busy_timeout=0")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._db.close()
        except (sqlite3.Error, StoreError) as error:
            logger.warning("store %s: closed without a checkpoint: %s", self.path, error)
            self._db.close()
        self._lock.close()
