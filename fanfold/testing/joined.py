"""What must hold of the cache and of those who ask the same: one leads, the others wait and are forgotten by nobody."""

from __future__ import annotations

from fanfold.core.conductor import Conductor
from fanfold.core.states import State
from fanfold.spec.events import JUDGE, AnyEvent, Called, CellEnded, Coords, Drafted, Hit, Rested, SpareEnded

Place = tuple[int, Coords]


class Joined:
    """Told of the events of a run, and looks at the conductor. found: cells that have an answer of the cache. judged: of them, those
    whose judge was asked all the same."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self.found: dict[Place, Hit] = {}
        self.judged: set[Place] = set()
        self._ended: set[Place] = set()
        self._drafted: set[Place] = set()
        self._leads: dict[str, tuple[int, int]] = {}  # (cell, answers judged when it began to lead)

    def revive(self, conductor: Conductor) -> Joined:
        """Another process goes on: of what was found, it knows the answers that waited and were written down."""
        again = Joined(conductor)
        again._drafted = self._drafted
        again.found = {place: hit for place, hit in self.found.items() if place in self._drafted}
        return again

    def saw(self, event: AnyEvent) -> None:
        if isinstance(event, Drafted):
            self._drafted.add((event.step, event.at))
        elif isinstance(event, CellEnded | SpareEnded | Rested) and not (
            isinstance(event, Rested) and event.kind != "regenerate"
        ):
            self._drafted.discard((event.step, event.at))
        if isinstance(event, Hit):
            place = (event.step, event.at)
            assert place not in self._ended, "C1: an answer was found for a cell that had ended"
            if event.outcome == "ok":
                self.found[place] = event
        elif isinstance(event, Called):
            place = (event.step, event.at)
            if event.phase == JUDGE and place in self.found:
                self.judged.add(place)
            assert event.phase == JUDGE or place not in self.found, "C2: called although the cache had the answer"
        elif isinstance(event, Rested) and event.kind == "regenerate":
            self.found.pop((event.step, event.at), None)
            self.judged.discard((event.step, event.at))
        elif isinstance(event, SpareEnded) and event.fills is not None:
            self._filled((event.step, event.at), (event.step, event.fills))
        elif isinstance(event, CellEnded):
            self._ended.add((event.step, event.at))

    def _filled(self, spare: Place, cell: Place) -> None:
        self.judged.discard(cell)
        if spare in self.judged:
            self.judged.add(cell)
        if spare in self.found:
            self.found[cell] = self.found[spare]
        else:
            self.found.pop(cell, None)

    def look(self) -> None:
        """After every step."""
        joint = self._conductor._joint
        for same, flight in joint.items():
            leader = flight.leader
            assert leader.same == same and leader.id in leader.run.cells, f"C3: led by a cell that is gone: {leader!r}"
            assert leader.run.stop is None, "C3: led by a cell of a run that was stopped"
            muster = leader.run.musters.get(leader.rule.index)
            gathers = muster is not None and leader.id in {*muster.held, *self._conductor._freed}
            assert gathers or leader.state in (State.READY, State.CALLING, State.GATED, State.RESTING), f"C3: {leader!r} leads"
            first = self._leads.setdefault(same, (leader.id, leader.judged))
            if first[0] != leader.id:
                first = self._leads[same] = (leader.id, leader.judged)
            assert leader.judged == first[1], "C4: it leads with an answer refused"
            for waiter, _ in flight.waiting.values():
                assert waiter.state is State.PREPARING and waiter.same == same, f"C5: {waiter!r} waits"
        for same in [same for same in self._leads if same not in joint]:
            del self._leads[same]
        for run in [run for run in self._conductor.runs.values() if run.stop is None]:
            preparing = sum(cell.state is State.PREPARING for cell in run.cells.values())
            assert preparing == run.preparing, f"C6: {run.preparing} are being prepared, and {preparing} cells know of it"

    def end(self) -> None:
        assert not self._conductor._joint and not self._conductor._freed, "C7: left behind by those who asked the same"
