"""What must hold in the journal of any run, over all its lives, whoever wrote it: read event by event, as it grows.

Numbers are those of the project's list of invariants. It needs no conductor: whatever is in a store can be audited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fanfold.core.fold import RunState
from fanfold.core.retry import WAITS
from fanfold.spec.events import (
    ANSWER,
    AnyEvent,
    Called,
    CellEnded,
    Coords,
    Reopened,
    Rested,
    RunEnded,
    RunStarted,
    Settled,
    SpareEnded,
)
from fanfold.spec.ports import Stored

Place = tuple[int, Coords]


class Audit:
    """attempts: what is allowed to a cell, None: it is not looked at. unique: steps whose keys are distinct.

    budget: tokens of answers that all its lives together may use, None: as many as they like.
    """

    def __init__(self, attempts: int | None, unique: Iterable[int], budget: float | None = None) -> None:
        self._attempts, self._unique, self._budget = attempts, frozenset(unique), budget
        self.state = RunState()
        self.seen = 0
        self.over = False
        self.lives = 0
        self.fates: dict[Place, tuple[str, str]] = {}
        self.keys: dict[Place, str] = {}
        self._taken: set[tuple[int, str]] = set()
        self.air: dict[int, Called] = {}
        self.used = 0  # tokens of answers; of calls that were lost, the most that they may have used
        self.calls: list[tuple[int, int]] = []  # (wall at the beginning of the life, µs since then) of each call
        self._waits: Counter[Place] = Counter()
        self._judged: dict[Place, int] = {}  # answers of a cell that were refused, in all its lives
        self._t = self._wall = 0

    @property
    def accepted(self) -> set[Place]:
        return {place for place, (state, _) in self.fates.items() if state == "accepted"}

    def take(self, events: Sequence[AnyEvent]) -> None:
        """The events since the last time. Raises AssertionError for what may not be."""
        for event in events:
            assert event.seq == self.seen, f"I7: event {event.seq} where {self.seen} was due"
            self.seen += 1
            assert not self.over or isinstance(event, Reopened | RunStarted), f"I1: {event} after the end of the run"
            self._look(event)
            self.state.apply(event)

    def _look(self, event: AnyEvent) -> None:
        if isinstance(event, RunStarted):
            self.lives += 1
            self.used += sum(call.most_out for call in self.air.values())
            self.air.clear()
            self._waits.clear()
            self.over, self._t, self._wall = False, 0, event.wall
        elif not isinstance(event, Reopened):
            assert event.t >= self._t, f"I7: {event} is older than the event before it"
            self._t = event.t
        if isinstance(event, Called):
            self._called(event)
        elif isinstance(event, Settled):
            called = self.air.pop(event.call)
            assert event.took == event.t - called.t, "I17: the time in the air"
            self.used += event.tokens_out
        elif isinstance(event, Rested):
            self._waits[event.step, event.at] += event.kind == "wait"
            if event.kind == "regenerate":
                self._judged[event.step, event.at] = event.attempt - 1
            assert self._waits[event.step, event.at] <= WAITS, "I5: it waits for ever"
        elif isinstance(event, CellEnded):
            self._cell_ended(event)
        elif isinstance(event, SpareEnded):
            assert (event.step, event.at) not in self.fates, "I1: a spare is no cell"
        elif isinstance(event, Reopened):
            self._reopened(event)
        elif isinstance(event, RunEnded):
            assert not self.air, "I6: the run ended while calls were in the air"
            self.over = True

    def _called(self, event: Called) -> None:
        assert (event.step, event.at) not in self.fates, f"I4: {event} after the end of its cell"
        assert event.call not in self.air, "I7: a call number twice"
        if self._attempts is not None and event.phase == ANSWER:
            assert event.attempt <= self._attempts, "I5: an attempt too many"
            assert event.attempt > self._judged.get((event.step, event.at), 0), "I5: an attempt that was used is given again"
        self.air[event.call] = event
        booked = self.used + sum(call.tokens - call.tokens_in for call in self.air.values())
        assert self._budget is None or booked <= self._budget, f"I5: {booked} of {self._budget} tokens when a call was admitted"
        self.calls.append((self._wall, event.t))

    def _cell_ended(self, event: CellEnded) -> None:
        place = (event.step, event.at)
        self._judged.pop(place, None)
        assert place not in self.fates, f"I1: {place} ended twice"
        assert event.state == "accepted" or event.code, "a cell without a value says why"
        self.fates[place] = (event.state, event.code)
        if event.state == "accepted" and event.key is not None and event.step in self._unique:
            assert (event.step, event.key) not in self._taken, f"I3: two accepted cells share {event.key!r}"
            self._taken.add((event.step, event.key))
            self.keys[place] = event.key

    def _reopened(self, event: Reopened) -> None:
        places = [
            place
            for place, fate in self.fates.items()
            if place[0] == event.step and fate == (event.state, event.code) and (event.at is None or place[1] in event.at)
        ]
        assert event.at is None or len(places) == len(event.at), f"I1: {event} opens what had not ended so"
        for place in places:
            del self.fates[place]
            self._taken.discard((place[0], self.keys.pop(place, "")))

    # ---------------------------------------------------------------- beside the events

    def values(self, kept: Mapping[int, Iterable[Stored]]) -> None:
        """Every accepted cell has its value in the store, and nothing else has one."""
        there = {(step, value.at) for step, values in kept.items() for value in values}
        assert there == self.accepted, f"I9: values {sorted(there ^ self.accepted)[:5]} without their events, or the reverse"

    def end(self) -> None:
        """Liveness, once all faults are gone."""
        assert self.over, "I1: it never ended"
        total = self.state.total
        assert total.ended == total.cells, f"I1: {total.ended} of {total.cells} cells have ended"
