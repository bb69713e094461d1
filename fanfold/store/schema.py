"""The file: its tables, its marks, and how a connection to it is opened. SQL that SQLite 3.35 understands, no later."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from fanfold.spec.errors import StoreError
from fanfold.store import cache
from fanfold.store.lock import FileLock

logger = logging.getLogger("fanfold")

APPLICATION_ID = 0x46414E46  # "FANF"
VERSION = 3
BUSY_S = 5.0
"""How long SQLite itself waits for programs that do not know our lock."""

# Values are a kilobyte and more: in a WITHOUT ROWID table each would spill onto a page of its own (three times the file, and the
# time).
TABLES = """
CREATE TABLE runs (
    run TEXT NOT NULL PRIMARY KEY, plan TEXT NOT NULL, started REAL NOT NULL, cost_usd REAL, about BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE tallies (
    run TEXT NOT NULL PRIMARY KEY, next INTEGER NOT NULL, state TEXT NOT NULL, cells INTEGER NOT NULL, accepted INTEGER NOT NULL,
    steps BLOB NOT NULL, crc INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE journal (
    run TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (run, first)
);
CREATE TABLE stored (
    run TEXT NOT NULL, step INTEGER NOT NULL, at BLOB NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (run, step, at)
);
"""
ADDED = {
    2: """
CREATE TABLE leases (
    fence INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, until REAL NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE snapshots (run TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL);
""",
    3: cache.TABLE,
}
"""Version -> what it has added to the one before."""

CAUSES = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk could not be read or written",
    "SQLITE_BUSY": "another program holds it locked",
    "SQLITE_LOCKED": "another program holds it locked",
    "SQLITE_READONLY": "it may not be written to",
    "SQLITE_PERM": "it may not be opened",
    "SQLITE_AUTH": "it may not be opened",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_CORRUPT": "it is damaged: restore a copy, or move it away to start a new one",
    "SQLITE_NOTADB": "it is not a Fanfold store: give another path",
    "SQLITE_TOOBIG": "a value is too large",
    "SQLITE_NOMEM": "there is no memory left",
}


def in_words(path: Path, error: Exception) -> StoreError:
    """What went wrong, first in the words of a user, then in SQLite's. A ValueError: what was read makes no sense."""
    name = "SQLITE_CORRUPT" if isinstance(error, ValueError) else getattr(error, "sqlite_errorname", "")
    cause = CAUSES.get("_".join(name.split("_")[:2]), "it failed")
    return StoreError(f"{path}: {cause}: {error}")


def make_place(path: Path, lock: FileLock) -> None:
    """The folder (0700) and the file (0600), where they are missing: prompts and answers are nobody else's business.

    A file that is there is not touched: SQLite's POSIX locks on it would go with the first descriptor that this process closes.
    The lock keeps everybody from using a new file until ours is closed.
    """
    try:
        if path.is_dir():
            raise StoreError(f"{path}: it is a folder: give the path of a file")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            with lock, suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: it cannot be opened or created: {error.strerror or error}") from error


def open_writer(path: Path, durability: str, lock: FileLock) -> sqlite3.Connection:
    """The one connection that writes and checkpoints. Raises StoreError, or sqlite3.Error."""
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, cached_statements=256)
    try:
        try:
            unsure = _is_new(path, db)
        except StoreError:
            unsure = True  # half made, perhaps
        except sqlite3.OperationalError as error:
            unsure = error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))  # somebody may be making it just now
            if not unsure:
                raise
        if unsure:
            with lock:
                if _is_new(path, db):  # still, now that nobody else can be making it
                    _create(db)
        if _version(db) < VERSION:
            with lock:
                _migrate(db)
        db.execute(f"PRAGMA synchronous={durability.upper()}")
        db.execute("PRAGMA wal_autocheckpoint=0")  # checkpoints are ours to time, after acknowledging
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; `open_writer` has been there before."""
    place = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(place, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA cell_size_check=ON")
    except BaseException:
        db.close()
        raise
    return db


def _is_new(path: Path, db: sqlite3.Connection) -> bool:
    """Whether nothing is in it yet. Raises StoreError for a file that is not ours, or not of our time."""
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    version = _version(db)
    if mark == 0 and version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        return True
    if mark != APPLICATION_ID:
        raise StoreError(f"{path}: it is not a Fanfold store, but some other program's database: give another path")
    if version > VERSION:
        raise StoreError(
            f"{path}: it was written by a newer Fanfold (format {version}; this one knows up to {VERSION}): "
            "upgrade Fanfold, or give another path"
        )
    if version < 1:
        raise StoreError(f"{path}: it is damaged: its format number is {version}")
    return False


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _create(db: sqlite3.Connection) -> None:
    (mode,) = db.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"its file system does not allow write-ahead logging (SQLite stays in {mode} mode): give a local path")
    _change(db, TABLES + "".join(ADDED.values()), f"PRAGMA application_id={APPLICATION_ID}")


def _migrate(db: sqlite3.Connection) -> None:
    """From any older version to this one, in one transaction: whoever is interrupted leaves the older file."""
    version = _version(db)
    if version < VERSION:  # still: another process may have done it
        _change(db, "".join(ADDED[later] for later in range(version + 1, VERSION + 1)))
        logger.info("the store was brought from format %d to %d", version, VERSION)


def _change(db: sqlite3.Connection, statements: str, *more: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in (*statements.split(";"), *more, f"PRAGMA user_version={VERSION}"):
            if statement.strip():
                db.execute(statement)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
