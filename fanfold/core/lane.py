"""A lane: everything that goes through the same provider, account and model. A blocked lane never blocks another."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush, heapreplace

from fanfold.core.limiter import Limiter
from fanfold.core.run import Run
from fanfold.spec.calls import Fault

AHEAD = 2  # cells prepared or ready, for each call that may be in the air
MANY = 4  # bundles waiting, for each call that may be in the air, before the deepest step goes first


class Turns:
    """Runs that have something to do, the least served first (start-time fair queuing; Goyal, Vin, Cheng 1996)."""

    def __init__(self, wants: Callable[[Run], bool]) -> None:
        self._wants = wants
        self._heap: list[tuple[float, int, Run]] = []
        self._queued: set[int] = set()

    def add(self, run: Run) -> None:
        if run.id not in self._queued:
            self._queued.add(run.id)
            heappush(self._heap, (run.served, run.id, run))

    def __bool__(self) -> bool:
        """Whether somebody may have something to do."""
        return bool(self._heap)

    def first(self) -> Run | None:
        heap = self._heap
        while heap:
            served, id, run = heap[0]
            if not self._wants(run):
                heappop(heap)
                self._queued.discard(id)
            elif run.served != served:
                heapreplace(heap, (run.served, id, run))
            else:
                return run
        return None


class Lane:
    """cap: calls in the air at once. proven: something has been heard from the other side."""

    def __init__(self, index: int, name: str, limiter: Limiter, cap: int) -> None:
        self.index, self.name, self.limiter, self.cap = index, name, limiter, cap
        self.in_air = 0
        self.preparing = 0
        self.ready = 0
        self.proven = False
        self.condemned: Fault | None = None
        self.until: int | None = None  # condemned only so long
        self.to_prepare = Turns(lambda run: run.queue(index).fresh_mask != 0)
        self.to_send = Turns(lambda run: run.queue(index).has_ready and len(run.calls) < run.cap)

    @property
    def window(self) -> int:
        return AHEAD * self.cap

    def __repr__(self) -> str:
        return f"<Lane {self.name}: {self.in_air}/{self.cap} in the air, {self.preparing} preparing, {self.ready} ready, {self.limiter!r}>"
