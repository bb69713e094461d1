"""The store of one machine: one SQLite file, one writing thread, one reading thread. Several processes may share the file."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec, TypeVar

from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, Coords
from fanfold.spec.ports import Journal, Kept, RunRecord, Snapshot, Stored
from fanfold.store.cache import MOST_BYTES, Answers
from fanfold.store.database import Database
from fanfold.store.leases import TERM_S
from fanfold.store.reader import Reader
from fanfold.store.rows import Batch, Picture, Removal
from fanfold.store.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    """Opened when it is first used, so errors are raised there, as StoreError.

    durability: "full" survives a power cut; "normal" survives the death of the process, and a power cut may take the last
    moments. wait_s: how long a write waits for another process that writes. term_s, clock: of the leases on runs, see `leases`.
    cache_bytes: how much the cache may hold.
    After a failed write it takes nothing more until it is opened anew; reading goes on.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Literal["full", "normal"] = "full",
        wait_s: float = 30.0,
        term_s: float = TERM_S,
        clock: Callable[[], float] = time.time,
        cache_bytes: int = MOST_BYTES,
    ) -> None:
        if durability not in ("full", "normal"):
            raise StoreError(f"durability is full or normal, not {durability!r}")
        self.path = Path(path).expanduser()
        self._how = (durability, wait_s, term_s, clock, cache_bytes)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Threads and connections of this process; the file is opened at the first use."""
        self._process = os.getpid()
        self._reader = Reader(self.path)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fanfold-read")
        make = partial(Database, self.path, *self._how)
        self._writer = Writer(self.path, make, partial(_leave, self._pool, self._reader))
        self._forgotten = weakref.finalize(self, self._writer.stop)  # forgotten, or the interpreter ends

    def _after_fork(self) -> None:
        """A forked process has none of its parent's threads, and must not touch its connections: it begins anew beside them."""
        if self._process != os.getpid():
            self._forgotten.detach()
            _of_the_parent.append((self._reader, self._pool, self._writer))
            self._begin()

    @property
    def commits(self) -> int:
        """Transactions written so far: one for every group of batches."""
        return self._writer.commits

    async def journal(self, record: RunRecord) -> Journal:
        self._after_fork()
        await self._writer.write(record)
        return SqliteJournal(self, record.run_id)

    def look(self, run_id: str) -> SqliteJournal:
        """A run's journal to read in; nothing is written for it."""
        return SqliteJournal(self, run_id)

    async def runs(self, run_id: str | None = None) -> list[RunRecord]:
        return await self.read(Reader.runs, run_id)

    async def delete(self, run_id: str) -> None:
        self._after_fork()
        await self._writer.write(Removal(run_id))

    async def keep(self, run_id: str, snapshot: Snapshot) -> None:
        self._after_fork()
        await self._writer.write(Picture(run_id, snapshot.seq, snapshot.data, len(snapshot.data)))

    async def latest(self, run_id: str) -> Snapshot | None:
        return await self.read(Reader.snapshot, run_id)

    @property
    def cache(self) -> SqliteCache:
        return SqliteCache(self)

    async def write(self, item: Batch | Answers) -> None:
        self._after_fork()
        await self._writer.write(item)

    async def read(self, function: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a method of the reader in its thread."""
        if self._closed:
            raise StoreError(f"{self.path}: the store is closed")
        self._after_fork()

        def call() -> T:
            self._writer.wait_open()
            return function(self._reader, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def close(self) -> None:
        """Write what waits, move the log into the file, end the threads. Again: nothing."""
        self._closed = True
        self._after_fork()
        await self._writer.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "failed" if self._writer.failed else "open"
        return f"<SqliteStore {self.path}: {state}, {self.commits} commits>"


_of_the_parent: list[object] = []
"""Kept for ever: to let go of a connection would close it, in a process that may not."""


def _leave(pool: ThreadPoolExecutor, reader: Reader) -> None:
    """The reader goes before the writer: the last connection to go makes a checkpoint, and only the writer's may."""
    pool.shutdown()
    reader.close()


class SqliteJournal:
    """One run's part of a `SqliteStore`."""

    def __init__(self, store: SqliteStore, run: str) -> None:
        self._store, self._run = store, run
        self._failed = ""

    async def append(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        if self._failed:
            raise StoreError(f"the journal takes nothing more until it is opened anew: {self._failed}")
        try:
            await self._store.write(Batch.of(self._run, events, values))
        except StoreError as error:
            self._failed = self._failed or str(error)
            raise

    async def events(self, after: int, limit: int) -> list[AnyEvent]:
        return await self._store.read(Reader.events, self._run, after, limit)

    async def values(self, step: int, cells: Sequence[Coords] | None = None) -> list[Stored]:
        return await self._store.read(Reader.values, self._run, step, cells)


class SqliteCache:
    """The cache of a `SqliteStore`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def get(self, keys: Sequence[bytes]) -> list[Kept]:
        return await self._store.read(Reader.answers, keys)

    async def put(self, entries: Sequence[Kept]) -> None:
        await self._store.write(Answers(tuple(entries)))
