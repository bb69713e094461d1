"""What the shell tells the conductor. Facts of one batch are told in an order that does not depend on arrival."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from fanfold.core.commons import Membership
from fanfold.core.conductor import Conductor
from fanfold.core.run import Cell, Run
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Work
from fanfold.spec.ports import Clock


class Prepared(msgspec.Struct, frozen=True, gc=False):
    cell: Cell
    result: Work | Hit | Broken

    @property
    def order(self) -> tuple[int, int, int]:
        return (0, self.cell.id, 0)

    def tell(self, conductor: Conductor, now: int) -> None:
        conductor.prepared(self.cell, self.result, now)


class Recalled(msgspec.Struct, frozen=True):
    """What earlier runs have accepted; the run may begin."""

    run: Run
    found: dict[int, Membership] | Fault

    @property
    def order(self) -> tuple[int, int, int]:
        return (-1, self.run.id, 0)

    def tell(self, conductor: Conductor, now: int) -> None:
        conductor.recalled(self.run, self.found, now)


class Offered(msgspec.Struct, frozen=True, gc=False):
    """Candidates that there are for a cell, by key, best first."""

    cell: Cell
    keys: tuple[str, ...]

    @property
    def order(self) -> tuple[int, int, int]:
        return (0, self.cell.id, -1)

    def tell(self, conductor: Conductor, now: int) -> None:
        conductor.offered(self.cell, self.keys, now)


class Identified(msgspec.Struct, frozen=True, gc=False):
    call: int
    name: str

    @property
    def order(self) -> tuple[int, int, int]:
        return (1, self.call, 0)

    def tell(self, conductor: Conductor, now: int) -> None:
        conductor.identified(self.call, self.name, now)


class Heard(msgspec.Struct, frozen=True, gc=False):
    """So many tokens of content have streamed."""

    call: int
    tokens: int

    @property
    def order(self) -> tuple[int, int, int]:
        return (1, self.call, -1)

    def tell(self, conductor: Conductor, now: int) -> None:
        conductor.heard(self.call, self.tokens, now)


class Landed(msgspec.Struct, frozen=True, gc=False):
    """The answer has arrived; the user's checks of it are still running."""

    call: int

    @property
    def order(self) -> tuple[int, int, int]:
        return (1, self.call, 1)

    def tell(self, conductor: Conductor, now: int) -> None:
        conductor.landed(self.call, now)


class Settled(msgspec.Struct, frozen=True):
    """lay_down: told whether the call counts, before it is settled: only then what came of it is the cell's."""

    call: int
    outcome: Reply | Fault
    lay_down: Callable[[bool], None]

    @property
    def order(self) -> tuple[int, int, int]:
        return (1, self.call, 2)

    def tell(self, conductor: Conductor, now: int) -> None:
        self.lay_down(conductor.counts(self.call))
        conductor.settled(self.call, self.outcome, now)


Fact: TypeAlias = Recalled | Offered | Prepared | Heard | Identified | Landed | Settled


class Inbox:
    """Where facts arrive. A batch closes when its instant is over; it is told by cell and call, not by arrival."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._facts: list[Fact] = []
        self._waiting: asyncio.Future[None] | None = None
        self._nudged = False

    def put(self, fact: Fact) -> None:
        self._facts.append(fact)
        self.nudge()

    def nudge(self) -> None:
        """Let whoever waits look again; or, when nobody waits just now, whoever comes next."""
        self._nudged = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def batch(self, until: int | None) -> list[Fact]:
        """The facts there are; else wait for the first, a nudge, or the moment `until` (microseconds)."""
        if not self._facts and not self._nudged:
            await self._wait(until)
        self._nudged = False
        await self._clock.quiet(answered=any(isinstance(fact, Settled) for fact in self._facts))
        facts, self._facts = self._facts, []
        facts.sort(key=lambda fact: fact.order)
        return facts

    async def _wait(self, until: int | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = None if until is None else loop.call_at(loop.time() + max(0, until - self._clock.now()) / 1e6, self.nudge)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()
