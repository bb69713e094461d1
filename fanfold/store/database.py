"""The writing end of a store's file: one connection, one transaction for a group, checkpoints. Everything under the lock."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from fanfold.spec.errors import StoreError
from fanfold.spec.ports import RunRecord
from fanfold.store.cache import MOST_BYTES, Room
from fanfold.store.leases import RENEWALS, TERM_S, Leases, Owner
from fanfold.store.lock import FileLock
from fanfold.store.rows import Removal
from fanfold.store.schema import in_words, make_place, open_writer
from fanfold.store.tally import Tally
from fanfold.store.transaction import Item, Written, immediate, write

logger = logging.getLogger("fanfold")

CHECKPOINT_BYTES = 4 << 20
COMMIT_BYTES = 4 * 4096
"""What a small transaction adds to the log: the pages of journal, values and tallies that it touches."""


class Database:
    """Blocks: only the writer's thread uses it. Raises StoreError; after any but Refused it must not be used again."""

    def __init__(
        self,
        path: Path,
        durability: str,
        wait_s: float,
        term_s: float = TERM_S,
        clock: Callable[[], float] = time.time,
        cache_bytes: int = MOST_BYTES,
    ) -> None:
        """term_s: how long a lease holds without being renewed. clock: Unix time, the same for all who use the store."""
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
        self._term_s, self._clock, self._renew_at = term_s, clock, 0.0
        self._room = Room(cache_bytes)
        self._known: dict[str, Tally] = {}
        self._held: dict[str, int] = {}  # run -> fence
        self._logged = 0  # bytes in the log since the last checkpoint, about
        self._wipe = False  # what was deleted must not stay in the log either
        self._owner = Owner.here()
        self._file = _file(path)
        self._look_for_losses()
        logger.debug("store %s: SQLite %s, durability %s", path, sqlite3.sqlite_version, durability)

    def write(self, items: Sequence[Item]) -> None:
        """One transaction. Durable when it returns; raises Refused when an item is wrong, and nothing is kept then."""
        try:
            with self._lock:
                self._is_there()
                written = write(self._db, items, self._known, self._leases(), self._room)
                self._count(written.events)
        except (sqlite3.Error, ValueError) as error:
            raise in_words(self.path, error) from error
        self._remember(written)
        self._logged += COMMIT_BYTES + sum(len(item.about) if isinstance(item, RunRecord) else item.size for item in items)
        self._wipe = self._wipe or any(isinstance(item, Removal) for item in items)

    def _is_there(self) -> None:
        """Writing to a file that was deleted succeeds, and is for nothing."""
        if _file(self.path) != self._file:
            raise StoreError(f"{self.path}: it was deleted, or another file was put in its place, while it was in use")

    def _remember(self, written: Written) -> None:
        for run, fence in written.leases.items():
            if fence is None:
                self._held.pop(run, None)
            else:
                self._held[run] = fence
        for run, tally in written.tallies.items():
            if tally is not None and run in self._held:
                self._known[run] = tally
            else:
                self._known.pop(run, None)
        if written.leases:
            self._renew_at = min(self._renew_at or inf, self._clock() + self._term_s / RENEWALS) if self._held else 0.0

    # ---------------------------------------------------------------- leases

    def _leases(self) -> Leases:
        return Leases(self._db, self._owner, self._held, self._clock(), self._term_s)

    @property
    def renewal_s(self) -> float | None:
        """Seconds until leases have to be renewed; None when there are none. A clock that was set back delays nothing."""
        return min(max(0.0, self._renew_at - self._clock()), self._term_s / RENEWALS) if self._held else None

    def renew(self) -> None:
        """Keep the leases. Raises StoreError."""
        if not self._held:
            return
        try:
            with self._lock, immediate(self._db):
                self._leases().renew()
        except sqlite3.Error as error:
            raise in_words(self.path, error) from error
        self._renew_at = self._clock() + self._term_s / RENEWALS

    def give_up(self) -> None:
        """Nothing more will be written: others in this process may take the runs over."""
        self._owner.leave()

    def _release(self) -> None:
        """Others may go on with the runs at once. Where that fails, they find out by themselves that this store is gone."""
        if self._held:
            leases = self._leases()
            with suppress(sqlite3.Error), immediate(self._db):
                for run in self._held:
                    leases.release(run)

    # ---------------------------------------------------------------- the number of events, beside the file

    def _count(self, more: int) -> None:
        mark = self._lock.mark
        with suppress(sqlite3.Error):
            self._lock.set_mark(mark + more if mark is not None else self._events())

    def _events(self) -> int:
        (number,) = self._db.execute("SELECT coalesce(sum(next), 0) FROM tallies").fetchone()
        return int(number)

    def _look_for_losses(self) -> None:
        """A log that was deleted, or an older copy put in the file's place: SQLite opens it, and says nothing."""
        with suppress(sqlite3.Error, StoreError, TypeError, ValueError):  # a damaged file is noticed where it is read
            if (self._lock.mark or 0) <= self._events():
                return
            with self._lock:  # now nobody writes
                lost = (self._lock.mark or 0) - self._events()
                if lost > 0:
                    logger.warning(
                        "store %s: %d events that had been written are not there any more: its log (%s-wal) was deleted, or an older "
                        "copy was put in its place",
                        self.path, lost, self.path.name,
                    )  # fmt: skip
                    self._lock.set_mark(self._events())

    # ---------------------------------------------------------------- the log

    def tidy(self) -> None:
        """Move the log into the file when it has grown. Readers are not disturbed: what they look at is moved the next time."""
        if self._logged < CHECKPOINT_BYTES and not self._wipe:
            return
        try:
            with self._lock:
                if self._wipe:
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                else:
                    self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise in_words(self.path, error) from error
        self._logged, self._wipe = 0, False

    def close(self) -> None:
        """Leaves one file where nobody else has it open. Loses nothing where that fails: the log is read at the next opening."""
        try:
            with self._lock:  # also for the close: SQLite makes a checkpoint of its own when the last connection goes
                self._db.execute("PRAGMA busy_timeout=0")
                self._release()
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._db.close()
        except (sqlite3.Error, StoreError) as error:
            logger.warning("store %s: closed without a checkpoint: %s", self.path, error)
            self._db.close()
        self._owner.leave()
        self._lock.close()


def _file(path: Path) -> tuple[int, int] | None:
    """Which file bears the name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
