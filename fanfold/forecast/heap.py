"""A shell without a loop: a heap of moments around the conductor. Nothing is called and nothing waits; time jumps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

from fanfold.core.commands import Abandon, Call, Cancel, Command, Prepare
from fanfold.core.conductor import Conductor
from fanfold.core.run import Cell
from fanfold.forecast.weather import Flight, Weather
from fanfold.spec.calls import Broken, Fault, Hit, Usage, Work
from fanfold.spec.errors import Code
from fanfold.spec.events import AnyEvent

FIRST, HALF, NAMED, CUT_OFF, LANDED = range(5)
Moment: TypeAlias = tuple[int, int, int]
"""When, of which call, what: at one moment facts are told in the order of their calls."""


class Heap:
    """One run to its end. heard: told every batch of events."""

    def __init__(self, conductor: Conductor, weather: Weather, heard: Callable[[Sequence[AnyEvent]], None]) -> None:
        self._conductor, self._weather, self._heard = conductor, weather, heard
        self._moments: list[Moment] = []
        self._flights: dict[int, tuple[Cell, int, Flight]] = {}  # call -> cell, when it began, what becomes of it
        self._flying: dict[int, int] = {}  # cell -> its calls in the air
        self._parcels: dict[int, tuple[int, ...]] = {}  # call -> all calls of its request, where those are several
        self._left: set[int] = set()  # calls that nobody waits for
        self._prepared: dict[int, tuple[Cell, Work | Hit | Broken]] = {}
        self.now = 0

    def run(self) -> None:
        conductor = self._conductor
        while True:
            for command in conductor.commands(self.now):
                self._perform(command)
            for _, events in conductor.drain():
                self._heard(events)
            if self._prepared:
                prepared, self._prepared = self._prepared, {}
                for cell, result in prepared.values():
                    conductor.prepared(cell, result, self.now)
            elif conductor.busy:
                self._advance()
            elif conductor.silent:
                return

    def _perform(self, command: Command) -> None:
        if isinstance(command, Prepare):
            self._prepared[command.cell.id] = command.cell, self._weather.prepare(command.cell, command.phase)
        elif isinstance(command, Call):
            self._depart(command)
        elif isinstance(command, Cancel):
            self._cancel(command.call)
        elif isinstance(command, Abandon) and command.cell.id in self._prepared:
            self._prepared[command.cell.id] = command.cell, Broken(fault=command.fault)

    def _cancel(self, call: int) -> None:
        """A request ends when nobody waits for any of it; until then, who left it waits for its end."""
        if call not in self._flights:
            return
        self._left.add(call)
        open_calls = [each for each in self._parcels.get(call, (call,)) if each in self._flights]
        if self._left.issuperset(open_calls):
            for each in open_calls:
                heappush(self._moments, (self.now, each, CUT_OFF))

    def _depart(self, command: Call) -> None:
        if not command.riders:
            self._begin(command, self._weather.fly(command, self._flying.get(command.cell.id, 0)))
        else:
            calls = (command, *command.riders)
            for each, flight in zip(calls, self._weather.fly_together(command), strict=True):
                self._parcels[each.call] = tuple([one.call for one in calls])
                self._begin(each, flight)
        self._conductor.sent(command.call, self.now)

    def _begin(self, command: Call, flight: Flight) -> None:
        cell = command.cell
        self._flying[cell.id] = self._flying.get(cell.id, 0) + 1
        self._flights[command.call] = cell, self.now, flight
        if flight.name is not None and flight.named < flight.took:
            heappush(self._moments, (self.now + flight.named, command.call, NAMED))
        if flight.first is not None:
            heappush(self._moments, (self.now + flight.first, command.call, FIRST))
            heappush(self._moments, (self.now + (flight.first + flight.took) // 2, command.call, HALF))
        heappush(self._moments, (self.now + flight.took, command.call, LANDED))

    def _advance(self) -> None:
        """To the next moment at which something happens, and everything that happens then."""
        wake, moments = self._conductor.wake_at(self.now), self._moments
        if moments and (wake is None or moments[0][0] <= wake):
            self.now = max(self.now, moments[0][0])
        elif wake is not None:
            self.now = max(self.now, wake)
        else:
            raise AssertionError(f"stuck: {self._conductor!r}")
        while moments and moments[0][0] <= self.now:
            _, call, what = heappop(moments)
            if call in self._flights:
                self._tell(call, what)

    def _tell(self, call: int, what: int) -> None:
        cell, began, flight = self._flights[call]
        if what in (FIRST, HALF):
            self._conductor.heard(call, 1 if what == FIRST else max(1, flight.outcome.usage.tokens_out // 2), self.now)
            return
        if what == NAMED:
            assert flight.name is not None
            self._conductor.identified(call, flight.name, self.now)
            return
        del self._flights[call]
        self._parcels.pop(call, None)
        self._flying[cell.id] -= 1
        if not self._flying[cell.id]:
            del self._flying[cell.id]
        left = call in self._left
        self._left.discard(call)
        outcome = flight.outcome if what == LANDED and not left else _cut_off(flight, self.now - began)
        self._conductor.settled(call, outcome, self.now)


def _cut_off(flight: Flight, after: int) -> Fault:
    """What a call that was cancelled has used: its prompt, and the part of its answer that had come."""
    said = flight.outcome.usage.tokens_out * after // max(1, flight.took)
    return Fault(code=Code.CANCELLED, message="cancelled", usage=Usage(tokens_in=flight.tokens_in, tokens_out=said, exact=False))
