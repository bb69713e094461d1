"""Stores that fail: full for a moment or for ever, gone with their process, before or after the write; and SQLite in virtual time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, Called, Coords
from fanfold.spec.ports import Journal, RunRecord, Snapshot, Store, Stored

T = TypeVar("T")

MESSAGES = {
    "full": "the disk is full",
    "io": "disk I/O error",
    "busy": "another process has been writing for 30 s: database is locked",
    "killed": "killed",
}


class Disk:
    """What the stores of several lives share. left: appends until it fails, None: it does not. kind: of `MESSAGES`.

    after: the batch that fails is kept all the same, as when the acknowledgement was lost. once: the next one succeeds. broken:
    called at each failure. admitted: calls whose admission is durable.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.kind, self.after, self.once = "full", False, False
        self.broken: Callable[[], object] = lambda: None
        self.admitted = self.appends = 0

    def fail(self, left: int, kind: str = "full", *, after: bool = False, once: bool = False) -> None:
        self.left, self.kind, self.after, self.once = left, kind, after, once

    def heal(self) -> None:
        self.left = None

    def due(self) -> bool:
        """Whether the append that is tried now fails."""
        if self.left is None:
            return False
        self.left -= 1
        if self.left >= 0:
            return False
        self.left = None if self.once else 0
        return True


class OnDisk:
    """One life's view of a store. dead: its process was killed, nothing of it is written any more."""

    def __init__(self, store: Any, disk: Disk) -> None:
        self._store, self.disk = store, disk
        self.dead = False

    async def journal(self, record: RunRecord) -> Journal:
        self.alive()
        return OnDiskJournal(await self._store.journal(record), self)

    def look(self, run_id: str) -> Journal:
        journal: Journal = self._store.look(run_id)
        return journal

    async def runs(self, run_id: str | None = None) -> list[RunRecord]:
        found: list[RunRecord] = await self._store.runs(run_id)
        return found

    async def keep(self, run_id: str, snapshot: Snapshot) -> None:
        self.alive()
        await self._store.keep(run_id, snapshot)

    async def latest(self, run_id: str) -> Snapshot | None:
        found: Snapshot | None = await self._store.latest(run_id)
        return found

    @property
    def cache(self) -> Any:
        return getattr(self._store, "cache", None)

    async def close(self) -> None:
        """It is closed by whoever made it."""

    def alive(self) -> None:
        if self.dead:
            raise StoreError(MESSAGES["killed"])


class OnDiskJournal:
    """As a real one, it takes nothing more after a failure until it is opened anew."""

    def __init__(self, journal: Journal, store: OnDisk) -> None:
        self._journal, self._store, self._failed = journal, store, ""

    async def append(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        self._store.alive()
        if self._failed:
            raise StoreError(f"the journal takes nothing more until it is opened anew: {self._failed}")
        disk = self._store.disk
        disk.appends += 1
        if not disk.due():
            await self._write(events, values)
            return
        if disk.after:
            await self._write(events, values)
        self._failed = MESSAGES[disk.kind]
        disk.broken()
        raise StoreError(self._failed)

    async def _write(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        await self._journal.append(events, values)
        self._store.disk.admitted += sum(isinstance(event, Called) for event in events)

    async def events(self, after: int, limit: int) -> list[AnyEvent]:
        return await self._journal.events(after, limit)

    async def values(self, step: int, cells: Sequence[Coords] | None = None) -> list[Stored]:
        return await self._journal.values(step, cells)


class Beside:
    """A loop of its own in a thread of its own: what a store with threads does there takes no virtual time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="beside", daemon=True)
        self._thread.start()

    def __call__(self, deed: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(deed, self._loop).result(60)

    def store(self, make: Callable[[], Store]) -> BesideStore:
        return BesideStore(make(), self)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BesideStore:
    """A store as it is seen from virtual time, which stands still until its deed is done."""

    def __init__(self, store: Any, do: Beside) -> None:
        self._store, self._do = store, do

    async def journal(self, record: RunRecord) -> Journal:
        return BesideJournal(self._do(self._store.journal(record)), self._do)

    def look(self, run_id: str) -> Journal:
        return BesideJournal(self._store.look(run_id), self._do)

    async def runs(self, run_id: str | None = None) -> list[RunRecord]:
        found: list[RunRecord] = self._do(self._store.runs(run_id))
        return found

    async def keep(self, run_id: str, snapshot: Snapshot) -> None:
        self._do(self._store.keep(run_id, snapshot))

    async def latest(self, run_id: str) -> Snapshot | None:
        found: Snapshot | None = self._do(self._store.latest(run_id))
        return found

    async def close(self) -> None:
        self._do(self._store.close())


class BesideJournal:
    def __init__(self, journal: Any, do: Beside) -> None:
        self._journal, self._do = journal, do

    async def append(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        self._do(self._journal.append(events, values))

    async def events(self, after: int, limit: int) -> list[AnyEvent]:
        found: list[AnyEvent] = self._do(self._journal.events(after, limit))
        return found

    async def values(self, step: int, cells: Sequence[Coords] | None = None) -> list[Stored]:
        found: list[Stored] = self._do(self._journal.values(step, cells))
        return found
