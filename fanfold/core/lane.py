"""A lane: everything that goes through the same provider, account and model. A blocked lane never blocks another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace

from fanfold.core.breaker import Breaker
from fanfold.core.budget import RetryBudget
from fanfold.core.concurrency import Concurrency, Fixed, Hosted
from fanfold.core.hedge import Hedging
from fanfold.core.knee import Knee
from fanfold.core.limiter import Limiter
from fanfold.core.run import CallRecord, Run
from fanfold.spec.calls import Fault
from fanfold.spec.prices import Price

AHEAD = 2  # cells prepared or ready, for each call that may be in the air
MANY = 4  # bundles waiting, for each call that may be in the air, before the deepest step goes first


class Turns:
    """Runs that have something to do, the least served first (start-time fair queuing; Goyal, Vin, Cheng 1996).

    runs: a heap of those that may have; `first` looks.
    """

    def __init__(self, wants: Callable[[Run], bool]) -> None:
        self._wants = wants
        self.runs: list[tuple[float, int, Run]] = []
        self._queued: set[int] = set()

    def add(self, run: Run) -> None:
        if run.id not in self._queued:
            self._queued.add(run.id)
            heappush(self.runs, (run.served, run.id, run))

    def first(self) -> Run | None:
        heap = self.runs
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


HOSTED = 512  # calls in the air of a lane whose limits are elsewhere: so that sockets and memory have an end


@dataclass(frozen=True)
class Hold:
    """What keeps the next call of a lane from starting, as `spec.events.Paced` tells it."""

    by: str
    share: float = 0.0
    limit: int = 0
    source: str = ""

    def alike(self, other: Hold) -> bool:
        """Whether telling it again would be no news."""
        return (self.by, self.limit, self.source) == (other.by, other.limit, other.source) and abs(self.share - other.share) < 0.1


class Lane:
    """proven: something has been heard from the other side. condemned: nothing more goes through it, and why. account: lanes of one
    account share its key; "" for none.
    """

    def __init__(self, index: int, name: str, limiter: Limiter, concurrency: Concurrency) -> None:
        self.index, self.name, self.limiter, self.concurrency = index, name, limiter, concurrency
        self.account = ""
        self.price: Price | None = None  # None: nobody knows what it charges
        self.adapts = not isinstance(concurrency, Fixed)
        self.late = Hedging()
        self.breaker = Breaker()
        self.retries = RetryBudget()
        self.wanting: dict[int, CallRecord] = {}  # calls that are late, and have no twin for want of room
        self.in_air = 0
        self.latest = -1  # its call that was sent last
        self.usual = 0.0  # tokens that a call uses, on average
        self.preparing = 0
        self.ready = 0
        self.proven = False
        self.condemned: Fault | None = None
        self.until: int | None = None  # condemned only so long
        self.refused_since: int | None = None  # 429s, and not one answer since
        self.told, self.told_at = Hold(""), -(1 << 62)  # what holds it back, as it was last told, and when
        self.looked_at = -(1 << 62)  # when it was last looked for

        def has_fresh(run: Run) -> bool:
            return (queue := run.queues.get(index)) is not None and queue.fresh_mask != 0

        def has_ready(run: Run) -> bool:
            if run.money is not None and run.money.short:
                return False
            return (queue := run.queues.get(index)) is not None and queue.waiting > 0 and len(run.calls) - run.riders < run.cap

        self.to_prepare = Turns(has_fresh)
        self.to_send = Turns(has_ready)

    @property
    def cap(self) -> int:
        """Calls in the air at once."""
        return self.concurrency.cap

    def is_limited(self) -> None:
        """It has limits of its own: then they are what counts, not the knee of its throughput."""
        if isinstance(self.concurrency, Knee):
            self.concurrency = Hosted(HOSTED)

    def refused(self, now: int) -> int:
        """A 429 came. Returns for how long it has been of no use, and will be, in microseconds."""
        if self.refused_since is None:
            self.refused_since = now
        return max(now, self.limiter.gate) - self.refused_since

    def open_at(self, tokens_in: int, tokens_out: int, now: int) -> int:
        """The earliest moment at which a call of this size may go out, slots apart."""
        return max(self.limiter.open_at(tokens_in, tokens_out, now), self.breaker.open_at(now))

    def free(self, size: tuple[int, int], now: int) -> bool:
        """Whether a call of this size could go out now."""
        return self.in_air < self.cap and self.open_at(*size, now) <= now

    def __repr__(self) -> str:
        return f"<Lane {self.name}: {self.in_air}/{self.cap} in the air, {self.preparing} preparing, {self.ready} ready, {self.limiter!r}>"
