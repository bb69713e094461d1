"""Snapshots of a run while it goes on, so that opening it again need not read all its events. Losing one costs time, nothing else."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

import msgspec

from fanfold.core.fold import RunState
from fanfold.core.freeze import freeze, thaw
from fanfold.core.past import Past
from fanfold.spec.errors import StoreError
from fanfold.spec.ports import Journal, Snapshot, Snapshots, Store

logger = logging.getLogger("fanfold")

EVERY = 20_000  # events between two snapshots: read again in a fifth of a second
BYTES_PER_EVENT = 10
"""A large snapshot is kept less often: for each so many bytes that it has, one event more must have come."""
PAGE = 5_000  # events that are read at once

Part = TypeVar("Part", RunState, Past)

_split = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


class Freezer:
    """Of one run. every: events between two snapshots, at least; None: `EVERY`.

    The state is at hand; what the next life needs beside it is not kept while the run goes on, for it grows with the run: it is made
    from the snapshot before and the events since.
    """

    def __init__(self, every: int | None = None) -> None:
        self._every = every or EVERY
        self._next: int | None = None

    async def look(self, store: Store | None, journal: Journal, run_id: str, state: RunState) -> None:
        """Called after each batch that is written, with the state after it. A run that has ended needs no more."""
        if self._next is None:
            self._next = state.seq - state.seq % self._every + self._every
        snapshots = snapshots_of(store)
        if snapshots is None or state.seq < self._next or state.state != "running":
            return
        frozen, last = freeze(state), state.seq
        try:
            past = await _past(snapshots, journal, run_id, last)
            data = pack(frozen, past)
            self._next = last + max(self._every, len(data) // BYTES_PER_EVENT)
            await snapshots.keep(run_id, Snapshot(last, data))
        except StoreError as error:  # the next batch will tell, if there is nothing more to be written
            self._next = last + self._every
            logger.warning("run %s: its snapshot could not be kept: %s", run_id, error)


async def _past(snapshots: Snapshots, journal: Journal, run_id: str, last: int) -> Past:
    snapshot = await snapshots.latest(run_id)
    past = (None if snapshot is None else past_of(snapshot)) or Past()
    while past.seq < last and (events := await journal.events(past.seq, min(PAGE, last - past.seq))):
        past.apply_all(events)
    return past


def pack(state: bytes, past: Past) -> bytes:
    """A snapshot: the frozen state, and the past; each can be had without the other."""
    return msgspec.msgpack.encode((state, freeze(past)))


def state_of(snapshot: Snapshot) -> RunState | None:
    """None where it is of another version."""
    state: RunState | None = _part(snapshot, 0, RunState)
    return state


def past_of(snapshot: Snapshot) -> Past | None:
    past: Past | None = _part(snapshot, 1, Past)
    return past


def _part(snapshot: Snapshot, place: int, kind: type[Part]) -> Part | None:
    try:
        found = thaw(kind, _split(snapshot.data)[place])
    except msgspec.MsgspecError:
        return None
    return found if found is not None and found.seq == snapshot.seq else None


def snapshots_of(store: Store | None) -> Snapshots | None:
    """A store that keeps none is a store too."""
    found: Any = store
    return found if hasattr(store, "keep") and hasattr(store, "latest") else None
