"""The doors to the outside: at most three methods each. Everything else is data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from fanfold.spec.calls import Answer, Chunk, Fault, Request
from fanfold.spec.events import AnyEvent, Coords

T = TypeVar("T")


class Provider(Protocol):
    """A place where calls go. `call` never raises for what the other side does: it returns a Fault.

    Cancelling the task that awaits `call` ends the call and frees its connection. A provider never retries.
    """

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        """Make one call. heard: told each piece of content in order while it streams (never when `request.stream` is False)."""
        ...

    async def close(self) -> None: ...


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An accepted value as the store keeps it: JSON bytes."""

    step: int
    at: Coords
    data: bytes


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the store lists it. started: seconds since the epoch. about: what is needed to build its plan again, as JSON."""

    run_id: str
    plan: str
    started: float
    state: str = "running"
    cells: int = 0
    accepted: int = 0
    cost_usd: float | None = None
    about: bytes = b"{}"


class Journal(Protocol):
    """One run's part of the store. Everything that is awaited here is durable when it returns."""

    async def append(self, events: Sequence[AnyEvent], values: Sequence[Stored]) -> None:
        """Write a batch in one transaction. Raises StoreError; then nothing of the batch is kept."""
        ...

    async def events(self, after: int, limit: int) -> list[AnyEvent]:
        """At most `limit` events with a number above `after`, in order (`after=-1`: from the first)."""
        ...

    async def values(self, step: int, cells: Sequence[Coords] | None = None) -> list[Stored]:
        """Accepted values of a step by coordinates: those asked for, in that order, absent ones left out; or all, sorted."""
        ...


class Store(Protocol):
    """Journal, values and runs. One writer; any number of readers."""

    async def journal(self, record: RunRecord) -> Journal:
        """Open the journal of a run to write in. A new `run_id` is recorded first; a known one has its record replaced.

        The run is leased until it ends or the store is closed: nobody else can open or delete it, and what is appended by whoever
        lost the lease is refused. Raises StoreError where somebody works on the run. A record whose `state` says that the run has
        ended is only written down; the run is leased then with its first batch.
        """
        ...

    async def runs(self, run_id: str | None = None) -> list[RunRecord]:
        """The runs, newest first; or the one with that id; unknown: an empty list."""
        ...

    async def close(self) -> None: ...


class Archive(Protocol):
    """What a store can do with runs that nobody works on here. Every store of ours is one."""

    def look(self, run_id: str) -> Journal:
        """The journal of a run to read in. Nothing is recorded for it, and it may be read while another process writes it."""
        ...

    async def delete(self, run_id: str) -> None:
        """Remove a run and all that is kept of it, in one transaction. Raises StoreError where somebody works on it, or it is unknown."""
        ...


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What somebody made of a run's events up to number `seq`, in bytes of their own, so that opening need not read them again."""

    seq: int
    data: bytes


class Snapshots(Protocol):
    """One snapshot for each run: the last that was kept. Losing one costs time, nothing else. Every store of ours keeps them."""

    async def keep(self, run_id: str, snapshot: Snapshot) -> None:
        """Raises StoreError where those events are not in the store, or where somebody else works on the run."""
        ...

    async def latest(self, run_id: str) -> Snapshot | None:
        """None where there is none, or where it is damaged."""
        ...


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An accepted answer as the cache keeps it. run: the one it was made in. made: when, in seconds since the epoch.

    data: b"" where what was kept is damaged: then nothing else of it is to be trusted.
    """

    key: bytes
    run: str
    made: float
    data: bytes


class Cache(Protocol):
    """Answers by what was asked. Bounded: the oldest go first. Losing any of them costs a call, nothing else.

    Every store of ours has one, as its `cache`.
    """

    async def get(self, keys: Sequence[bytes]) -> list[Kept]:
        """What is kept under these keys, in any order; absent ones are left out. Raises StoreError."""
        ...

    async def put(self, entries: Sequence[Kept]) -> None:
        """Keep these, in the place of what has their keys. Raises StoreError."""
        ...


class Clock(Protocol):
    """Time, and the only way to leave the event loop."""

    def now(self) -> int:
        """Microseconds, monotonic, from an arbitrary origin."""
        ...

    async def quiet(self, *, answered: bool) -> None:
        """Return when everything that can happen at this instant has happened. On a real clock: at once, or a moment later when
        calls have answered and more will: one commit then serves several.
        """
        ...

    async def offload(self, function: Callable[..., T], *args: Any) -> T:
        """Run blocking code beside the event loop."""
        ...


class Sink(Protocol):
    """A view: told every batch of events once it is durable. One that raises is removed and logged, never fatal."""

    def __call__(self, events: Sequence[AnyEvent]) -> Awaitable[None] | None: ...
