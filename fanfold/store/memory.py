"""A store that lives as long as its process: for tests, dry runs and one-off fan-outs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, Coords, Reopened
from fanfold.spec.ports import Journal, Kept, RunRecord, Snapshot, Stored
from fanfold.store.cache import MOST_BYTES, ROW_BYTES
from fanfold.store.tally import ENDED, Refused, Tally


class Shelf:
    """Everything kept of one run."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.tally = Tally().recorded(record)
        self.events: list[AnyEvent] = []
        self.values: dict[int, dict[Coords, Stored]] = {}
        self.snapshot: Snapshot | None = None
        self.leased = False  # somebody works on it
        self.gone = False  # deleted


class MemoryStore:
    """Acknowledges at once. Nothing outlives it."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._closed = False
        self.cache = MemoryCache(self)

    async def journal(self, record: RunRecord) -> Journal:
        self.usable()
        shelf = self._shelves.get(record.run_id)
        if shelf is None:
            shelf = self._shelves[record.run_id] = Shelf(record)
        shelf.record, shelf.tally = record, shelf.tally.recorded(record)
        shelf.leased = record.state not in ENDED
        return MemoryJournal(self, shelf)

    async def runs(self, run_id: str | None = None) -> list[RunRecord]:
        self.usable()
        shelves = [shelf for name, shelf in self._shelves.items() if run_id in (None, name)]
        shelves.reverse()  # of runs that began at the same time, the one recorded last is the newest
        shelves.sort(key=lambda shelf: shelf.record.started, reverse=True)
        return [
            replace(shelf.record, state=shelf.tally.state, cells=shelf.tally.cells, accepted=shelf.tally.accepted)
            for shelf in shelves
        ]  # fmt: skip

    def look(self, run_id: str) -> MemoryJournal:
        shelf = self._shelves.get(run_id)
        if shelf is None:
            shelf = Shelf(RunRecord(run_id=run_id, plan="", started=0.0))
            shelf.gone = True
        return MemoryJournal(self, shelf)

    async def delete(self, run_id: str) -> None:
        if self._shelf(run_id).leased:
            raise Refused(f"run {run_id} is going on: cancel it first")
        self._shelves.pop(run_id).gone = True
        self.cache.forget(run_id)

    async def keep(self, run_id: str, snapshot: Snapshot) -> None:
        shelf = self._shelf(run_id)
        if snapshot.seq >= shelf.tally.next:
            raise Refused(f"run {run_id}: event {snapshot.seq}, up to which a snapshot goes, is not in the store")
        shelf.snapshot = snapshot

    async def latest(self, run_id: str) -> Snapshot | None:
        self.usable()
        shelf = self._shelves.get(run_id)
        return shelf.snapshot if shelf is not None else None

    def _shelf(self, run_id: str) -> Shelf:
        self.usable()
        shelf = self._shelves.get(run_id)
        if shelf is None:
            raise Refused(f"run {run_id} is not in the store")
        return shelf

    async def close(self) -> None:
        self._closed = True

    def usable(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


class MemoryCache:
    """The cache of a `MemoryStore`. most: bytes."""

    def __init__(self, store: MemoryStore, most: int = MOST_BYTES) -> None:
        self._store, self._most = store, most
        self._entries: dict[bytes, Kept] = {}  # oldest first
        self._size = 0

    async def get(self, keys: Sequence[bytes]) -> list[Kept]:
        self._store.usable()
        return [self._entries[key] for key in keys if key in self._entries]

    async def put(self, entries: Sequence[Kept]) -> None:
        self._store.usable()
        for entry in entries:
            self._drop(entry.key)
            self._entries[entry.key] = entry
            self._size += len(entry.data) + ROW_BYTES
        while self._size > self._most:
            self._drop(next(iter(self._entries)))

    def forget(self, run: str) -> None:
        for key in [key for key, entry in self._entries.items() if entry.run == run]:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry.data) + ROW_BYTES


class MemoryJournal:
    """One run's part of a `MemoryStore`."""

    def __init__(self, store: MemoryStore, shelf: Shelf) -> None:
        self._store, self._shelf = store, shelf
        self._failed = ""

    async def append(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        self._store.usable()
        if self._failed:
            raise StoreError(f"the journal takes nothing more until it is opened anew: {self._failed}")
        try:
            self._write(events, values)
        except Refused as error:
            self._failed, self._shelf.leased = str(error), False
            raise

    def _write(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        shelf = self._shelf
        run = shelf.record.run_id
        self._there()
        tally = shelf.tally.after(run, events, values)
        for event in events:
            if isinstance(event, Reopened) and event.state == "accepted":
                kept = shelf.values.get(event.step, {})
                for at in event.at or ():
                    kept.pop(at, None)
        taken: set[tuple[int, Coords]] = set()
        for value in values:
            if value.at in shelf.values.get(value.step, ()) or (value.step, value.at) in taken:
                raise Refused(f"run {run}: step {value.step} has a value at {list(value.at)} already")
            taken.add((value.step, value.at))
        shelf.tally, shelf.leased = tally, tally.state not in ENDED
        shelf.events += events
        for value in values:
            shelf.values.setdefault(value.step, {})[value.at] = value

    async def events(self, after: int, limit: int) -> list[AnyEvent]:
        self._there()
        start = max(0, after + 1)
        return self._shelf.events[start : start + max(0, limit)]

    async def values(self, step: int, cells: Sequence[Coords] | None = None) -> list[Stored]:
        self._there()
        kept = self._shelf.values.get(step, {})
        return [kept[at] for at in (sorted(kept) if cells is None else cells) if at in kept]

    def _there(self) -> None:
        self._store.usable()
        if self._shelf.gone:
            raise Refused(f"run {self._shelf.record.run_id} is not in the store any more")
