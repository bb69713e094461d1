"""Snapshots of a run while it goes on, so that opening it again need not read all its events. Losing one costs time, nothing else."""

from __future__ import annotations

import logging
from typing import Any

from fanfold.core.fold import RunState
from fanfold.core.freeze import freeze
from fanfold.spec.errors import StoreError
from fanfold.spec.ports import Snapshot, Snapshots, Store

logger = logging.getLogger("fanfold")

EVERY = 20_000  # events between two snapshots: read again in a fifth of a second
BYTES_PER_EVENT = 20
"""A large snapshot is kept less often: for each so many bytes that it has, one event more must have come."""


class Freezer:
    """Of one run. every: events between two snapshots, at least."""

    def __init__(self, every: int = EVERY) -> None:
        self._every = every
        self._next: int | None = None

    async def look(self, store: Store | None, run_id: str, state: RunState) -> None:
        """Called after each batch that is written, with the state after it. A run that has ended needs no more."""
        if self._next is None:
            self._next = state.seq - state.seq % self._every + self._every
        snapshots = snapshots_of(store)
        if snapshots is None or state.seq < self._next or state.state != "running":
            return
        data = freeze(state)
        self._next = state.seq + max(self._every, len(data) // BYTES_PER_EVENT)
        try:
            await snapshots.keep(run_id, Snapshot(state.seq, data))
        except StoreError as error:  # the next batch will tell, if there is nothing more to be written
            logger.warning("run %s: its snapshot could not be kept: %s", run_id, error)


def snapshots_of(store: Store | None) -> Snapshots | None:
    """A store that keeps none is a store too."""
    found: Any = store
    return found if hasattr(store, "keep") and hasattr(store, "latest") else None
