"""The other shell: a plain heap of moments around the conductor. No asyncio, no threads, no values.

The same conductor under this simulator and under the asyncio shell in virtual time must write the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from fanfold.core.commands import FALLBACK, Abandon, Call, Cancel, Command, Give, Prepare, Recall
from fanfold.core.commons import Commons, Membership
from fanfold.core.conductor import Conductor
from fanfold.core.run import Cell
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Usage, Work
from fanfold.spec.events import AnyEvent

Prepared = Work | Hit | Broken


@dataclass(frozen=True)
class Flight:
    """What becomes of a call: after `took` µs its outcome; after `named` µs its identity field has streamed; at each of `heard` that
    many tokens of content have."""

    took: int
    outcome: Reply | Fault
    named: tuple[int, str] | None = None
    heard: tuple[tuple[int, int], ...] = ()


@dataclass
class Heap:
    """prepare: what a cell's preparation gives, and after how many µs; offer: likewise the keys of the candidates it is offered. fly: what becomes of a call; fly_together: likewise of a request for several cells, by call. cancelled: what a call that is
    cut off has used. watch: told every step; told: each batch of events, once it is durable. earlier: keys that earlier lives of the run have left, by step. at: (moment, action) from outside, in order of moments."""

    conductor: Conductor
    fly: Callable[[Call], Flight]
    prepare: Callable[[Cell, int], tuple[int, Prepared]] = lambda cell, phase: (0, Work(100, 100))
    cancelled: Callable[[Call], Usage] = lambda call: Usage(tokens_in=1, tokens_out=1, exact=False)
    watch: Callable[[Heap], None] | None = None
    now: int = 0
    log: dict[int, list[AnyEvent]] = field(default_factory=dict)
    at: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    earlier: Callable[[int], Sequence[str]] = lambda step: ()
    offer: Callable[[Cell], tuple[int, tuple[str, ...]]] = lambda cell: (0, ())
    told: Callable[[list[AnyEvent]], None] = lambda events: None
    fly_together: Callable[[Call], list[Flight]] = lambda call: []
    _moments: list[tuple[int, tuple[int, int, int], int, object]] = field(default_factory=list)
    _pushed: int = 0
    _preparing: dict[int, int] = field(default_factory=dict)  # cell -> the moment that counts
    _dead: set[int] = field(default_factory=set)
    _flights: dict[int, Flight] = field(default_factory=dict)
    _commands: dict[int, Call] = field(default_factory=dict)
    _parcels: dict[int, tuple[int, ...]] = field(default_factory=dict)  # call -> all calls of its request
    _left: set[int] = field(default_factory=set)  # cancelled calls of requests that others still wait for

    def run(self) -> None:
        """Until the conductor has nothing left to do."""
        self.at.sort(key=lambda action: action[0])
        while True:
            commands = self.conductor.commands(self.now)
            self._drain()
            for command in commands:
                self._perform(command)
            if self.watch is not None:
                self.watch(self)
            if not self.conductor.busy:
                return
            self._advance()

    def _drain(self) -> None:
        for run, events in self.conductor.drain():
            self.log.setdefault(run.id, []).extend(events)
            self.told(events)

    def _perform(self, command: Command) -> None:
        if isinstance(command, Prepare):
            if command.cell.rule.take and command.phase != FALLBACK:
                self._offer(command.cell)
            else:
                self._prepare(command.cell, *self.prepare(command.cell, command.phase), last=0)
        elif isinstance(command, Give):
            if command.cell.id not in self._preparing:
                return
            if command.again:
                self._offer(command.cell)
            else:
                self._prepare(command.cell, *self.prepare(command.cell, command.cell.phase), last=0)
        elif isinstance(command, Call):
            self._depart(command)
        elif isinstance(command, Recall):
            self._push(0, (-1, command.run.id, 0), command)
        elif isinstance(command, Abandon) and command.cell.id in self._preparing:
            self._prepare(command.cell, 0, Broken(fault=command.fault), last=1)
        elif isinstance(command, Cancel) and command.call in self._flights:
            self._cancel(command.call)

    def _depart(self, command: Call) -> None:
        calls = (command, *command.riders)
        flights = self.fly_together(command) if command.riders else [self.fly(command)]
        for each, flight in zip(calls, flights, strict=True):
            self._flights[each.call], self._commands[each.call] = flight, each
            if command.riders:
                self._parcels[each.call] = tuple(one.call for one in calls)
            for moment, tokens in flight.heard:
                self._push(moment, (1, each.call, -1), tokens)
            if flight.named is not None:
                self._push(flight.named[0], (1, each.call, 0), flight.named[1])
            self._push(flight.took, (1, each.call, 2), flight.outcome)

    def _cancel(self, call: int) -> None:
        """A request ends when nobody waits for any of it; until then, who left it waits for its end."""
        self._left.add(call)
        open_calls = [each for each in self._parcels.get(call, (call,)) if each in self._flights]
        if not self._left.issuperset(open_calls):
            return
        for each in open_calls:
            self._dead.add(each)
            usage = self.cancelled(self._commands[each])
            self._push(0, (1, each, 2), Fault(code="cancelled", message="cancelled", usage=usage))

    def _prepare(self, cell: Cell, delay: int, result: Prepared, *, last: int) -> None:
        """A cell is prepared once at a time: what was abandoned, or begun before, says nothing any more."""
        self._preparing[cell.id] = self._pushed + 1
        self._push(delay, (0, cell.id, last), (cell, result))

    def _offer(self, cell: Cell) -> None:
        delay, keys = self.offer(cell)
        self._preparing[cell.id] = self._pushed + 1
        self._push(delay, (0, cell.id, -1), (cell, keys))

    def _push(self, delay: int, order: tuple[int, int, int], what: object) -> None:
        self._pushed += 1
        heappush(self._moments, (self.now + delay, order, self._pushed, what))

    def _stale(self) -> bool:
        """Whether the first moment is of something that was cut off before: nothing happens then, and nobody wakes."""
        _, (kind, number, _), pushed, what = self._moments[0]
        if kind < 0:
            return False
        if kind == 0:
            return self._preparing.get(number) != pushed
        if number not in self._flights:
            return True
        return number in self._dead and not (isinstance(what, Fault) and what.code == "cancelled")

    def _advance(self) -> None:
        while self._moments and self._stale():
            heappop(self._moments)
        wake = self.conductor.wake_at(self.now)
        times = [
            t for t in (wake, self._moments[0][0] if self._moments else None, self.at[0][0] if self.at else None) if t is not None
        ]
        if not times:
            raise AssertionError(f"stuck: {self.conductor!r} {list(self.conductor.runs.values())}")
        self.now = max(self.now, min(times))
        while self.at and self.at[0][0] <= self.now:
            self.at.pop(0)[1]()
        while self._moments and self._moments[0][0] <= self.now:  # one batch is one instant, in order of cell and call
            if self._stale():
                heappop(self._moments)
                continue
            _, (kind, number, last), _, what = heappop(self._moments)
            if isinstance(what, Recall):
                members = {step: Commons().join("", Membership) for step in what.steps}
                for step, member in members.items():
                    member.commons.restore([(key, None) for key in self.earlier(step)])
                self.conductor.recalled(what.run, members, self.now)
            elif kind == 0 and last == -1:
                self._preparing[number] = 0  # it waits for what it is given
                self.conductor.offered(*what, self.now)  # type: ignore[misc, call-arg]
            elif kind == 0:
                del self._preparing[number]
                self.conductor.prepared(*what, self.now)  # type: ignore[misc, call-arg]
            elif last == -1:
                self.conductor.heard(number, what, self.now)  # type: ignore[arg-type]
            elif last == 0:
                self.conductor.identified(number, what, self.now)  # type: ignore[arg-type]
            else:
                del self._flights[number], self._commands[number]
                if number in self._left and number not in self._dead:
                    what = Fault(code="cancelled", message="cancelled", usage=what.usage)  # type: ignore[attr-defined]
                self.conductor.settled(number, what, self.now)  # type: ignore[arg-type]
