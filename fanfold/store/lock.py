"""One writing process at a time: an advisory lock on a file beside the store.

SQLite before 3.51.3 can damage a database in WAL mode when two connections write or checkpoint at the same moment. Under this
lock no two of ours ever do. Where the platform has no `flock`, there is no lock, and one process must own the file.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from types import ModuleType, TracebackType

from fanfold.spec.errors import StoreError

try:
    import fcntl as _fcntl
except ImportError:  # Windows
    fcntl: ModuleType | None = None
else:
    fcntl = _fcntl

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.0002, 0.005
"""Short, because `flock` is not fair: who writes without a break leaves gaps of some ten microseconds only."""


MARK_BYTES = 20


class FileLock:
    """Blocks the thread that enters it, so only the writer's thread does. wait_s: how long at most."""

    def __init__(self, path: str, wait_s: float) -> None:
        self._path, self._wait_s = path, wait_s
        self._file = -1

    def __enter__(self) -> FileLock:
        if fcntl is None:
            return self
        try:
            self._open()
            self._acquire(fcntl)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be locked: {error.strerror or error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @property
    def mark(self) -> int | None:
        """A number kept in the file of the lock; None when there is none (yet). Read it with or without the lock."""
        if fcntl is None:
            return None
        try:
            self._open()
            return int(os.pread(self._file, MARK_BYTES, 0))
        except (OSError, ValueError):
            return None

    def set_mark(self, number: int) -> None:
        """Only under the lock. Never synced: it may be behind what it counts, and nothing depends on it."""
        if self._file >= 0:
            with suppress(OSError):
                os.pwrite(self._file, f"{number:{MARK_BYTES - 1}}\n".encode(), 0)

    def _open(self) -> None:
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _acquire(self, flock: ModuleType) -> None:
        deadline, pause_s = time.monotonic() + self._wait_s, FIRST_PAUSE_S
        while True:
            try:
                flock.flock(self._file, flock.LOCK_EX | flock.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StoreError(
                        f"another process is writing to the store and has held {self._path} for {self._wait_s:g} s: "
                        "let it end, or give another store"
                    ) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
