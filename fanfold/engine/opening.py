"""Opening a run that is in the store: the last snapshot of its fold, and the events after it.

Whoever goes on with a run, or shows it, asks `opening(store, run_id)` and gets `state`, a `RunState` of the events up to `state.seq` (of none:
-1, where there is no snapshot that can be used), and `pages()`, the events after that. `state(store, run_id)` folds them: the state at the end.

    opened = await opening(store, run_id)
    async for events in opened.pages():        # lists of events, in order, from number opened.state.seq + 1 on
        opened.state.apply_all(events)

While a run goes on, its `Freezer` keeps a snapshot of it every so often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fanfold.core.fold import RunState
from fanfold.core.freeze import thaw
from fanfold.engine.freezer import snapshots_of
from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent
from fanfold.spec.ports import Journal, Store

logger = logging.getLogger("fanfold")

PAGE = 5_000  # events that are read at once


@dataclass(slots=True)
class Opening:
    state: RunState
    journal: Journal

    async def pages(self) -> AsyncIterator[list[AnyEvent]]:
        """The events after the snapshot, whether or not `state` has taken them in meanwhile. Raises StoreError."""
        after = self.state.seq
        while events := await self.journal.events(after, PAGE):
            yield events
            after = events[-1].seq


async def opening(store: Store, run_id: str) -> Opening:
    """Raises StoreError where the run is not in the store, or cannot be read."""
    look: Any = getattr(store, "look", None)
    journal = look(run_id) if look is not None else await _journal(store, run_id)
    return Opening(await _thawed(store, run_id) or RunState(), journal)


async def state(store: Store, run_id: str) -> RunState:
    """The state of a run after all its events. Raises StoreError."""
    opened = await opening(store, run_id)
    async for events in opened.pages():
        opened.state.apply_all(events)
        await asyncio.sleep(0)  # a million of them take seconds: others have their turn
    return opened.state


async def _journal(store: Store, run_id: str) -> Journal:
    for record in await store.runs(run_id):
        return await store.journal(record)
    raise StoreError(f"run {run_id} is not in the store")


async def _thawed(store: Store, run_id: str) -> RunState | None:
    snapshots = snapshots_of(store)
    snapshot = await snapshots.latest(run_id) if snapshots is not None else None
    if snapshot is None:
        return None
    found = thaw(RunState, snapshot.data)
    if found is None or found.seq != snapshot.seq:
        logger.info("run %s: its snapshot is of another version, and is not used", run_id)
        return None
    return found
