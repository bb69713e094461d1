"""What must hold of requests for several cells: one slot and one booking each, nobody in them who should be alone, nobody left waiting."""

from __future__ import annotations

from collections import defaultdict

from fanfold.core.conductor import Conductor
from fanfold.core.parcel import LINGER, MISSED
from fanfold.core.run import Run
from fanfold.core.states import State
from fanfold.spec.events import ANSWER, AnyEvent, Called, Coords, Rested, RunStarted


class Gathered:
    """Told of the events of a run, and looks at the conductor after every step."""

    def __init__(self, conductor: Conductor, run: Run) -> None:
        self._conductor, self._run = conductor, run
        self._lead: Called | None = None
        self._due = 0  # riders of the last lead that have not been told
        self._missing: dict[tuple[int, Coords], int] = defaultdict(int)
        self._alone: set[tuple[int, Coords]] = set()

    def revive(self, conductor: Conductor, run: Run) -> None:
        """Another process goes on: who was missing how often was known to the one before only."""
        self._conductor, self._run = conductor, run
        self._missing.clear()
        self._alone.clear()

    def saw(self, event: AnyEvent) -> None:
        if isinstance(event, Called):
            self._called(event)
            return
        assert not self._due, f"I22: {event} stands between the calls of one request"
        if isinstance(event, Rested):
            place = event.step, event.at
            self._missing[place] += event.kind == "missing"
            assert self._missing[place] <= MISSED, f"I22: {place} is missing again and again"
            if event.kind in ("regenerate", "apart") or self._missing[place] == MISSED:
                self._alone.add(place)
        elif isinstance(event, RunStarted):
            self._lead = None

    def _called(self, event: Called) -> None:
        place, rule = (event.step, event.at), self._run.rules[event.step]
        assert 1 <= event.items <= rule.items, f"I22: {event.items} in one request of {rule.items}"
        assert event.items == 1 or event.phase == ANSWER, "I22: a judge is asked about several at once"
        assert event.items == 1 or place not in self._alone, f"I22: {place} was refused, and is asked with others"
        if event.lead < 0:
            assert not self._due, "I22: a request for fewer cells than it says"
            self._lead, self._due = event, event.items - 1
            return
        lead = self._lead
        assert lead is not None and self._due and event.call == lead.call + lead.items - self._due, "I22: whose request is this?"
        assert (event.lead, event.items, event.step, event.lane) == (lead.call, lead.items, lead.step, lead.lane), (
            f"I22: {event}, {lead}"
        )
        self._due -= 1

    def look(self, now: int) -> None:
        """After every step."""
        assert not self._due, "I22: a request for fewer cells than it says"
        run = self._run
        requests = {id(record.parcel) if record.parcel is not None else -record.id for record in run.calls.values()}
        assert len(requests) == run.flying, "I14: calls and requests"
        flying = sum(each.flying for each in self._conductor.runs.values())
        assert flying == sum(lane.in_air for lane in self._conductor.lanes), "I14: slots and requests"
        for record in run.calls.values():
            if record.parcel is not None and not record.doom:
                kin = {one.cell.kin for one in record.parcel.records}
                assert len(kin) == 1 and "" not in kin, f"I22: asked together, and cannot be: {kin}"
        waiting = {cell for flight in self._conductor._joint.values() for cell in flight.waiting}
        for muster in run.musters.values():
            coming = {id for id in muster.coming if id in run.cells and run.cells[id].state is State.PREPARING}
            assert coming == muster.coming and not coming & (waiting | muster.held.keys()), "I22: they wait for who is not coming"
            assert not muster.held or (muster.coming and muster.until >= 0), "I22: they wait for nobody"
            assert muster.until < 0 or now <= muster.until <= now + LINGER, "I22: they wait too long"
