"""Opening a run that is in the store: the last snapshot of it, and the events after that.

Whoever shows a run asks for its `state`; whoever goes on with it asks for its past as well.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fanfold.core.fold import RunState
from fanfold.core.past import Past
from fanfold.engine.freezer import past_of, snapshots_of, state_of
from fanfold.spec.errors import StoreError
from fanfold.spec.ports import Journal, Snapshot, Store

logger = logging.getLogger("fanfold")

PAGE = 5_000  # events that are read at once


async def state(store: Store, run_id: str) -> RunState:
    """The state of a run after all its events. Raises StoreError where it is not in the store, or cannot be read."""
    snapshot = await _snapshot(store, run_id)
    found = (None if snapshot is None else state_of(snapshot)) or RunState()
    journal = await reading(store, run_id)
    while events := await journal.events(found.seq, PAGE):
        found.apply_all(events)
        await asyncio.sleep(0)  # a million of them take seconds: others have their turn
    return found


async def whole(store: Store, journal: Journal, run_id: str) -> tuple[RunState, Past]:
    """The state of a run and what it leaves to its next life. Raises StoreError."""
    snapshot = await _snapshot(store, run_id)
    found = past = None
    if snapshot is not None:
        found, past = state_of(snapshot), past_of(snapshot)
    if found is None or past is None:
        if snapshot is not None:
            logger.info("run %s: its snapshot is of another version, and is not used", run_id)
        found, past = RunState(), Past()
    while events := await journal.events(found.seq, PAGE):
        found.apply_all(events)
        past.apply_all(events)
        await asyncio.sleep(0)
    return found, past


async def reading(store: Store, run_id: str) -> Journal:
    """Its journal to read in. Raises StoreError where the run is not in the store."""
    look: Any = getattr(store, "look", None)
    if look is not None:
        journal: Journal = look(run_id)
        return journal
    for record in await store.runs(run_id):
        return await store.journal(record)
    raise StoreError(f"run {run_id} is not in the store")


async def _snapshot(store: Store, run_id: str) -> Snapshot | None:
    snapshots = snapshots_of(store)
    return None if snapshots is None else await snapshots.latest(run_id)
