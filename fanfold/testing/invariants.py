"""What must hold in every history, checked after every step. Numbers are those of the project's list of invariants."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any

from fanfold.core.commands import ANSWER, JUDGE
from fanfold.core.conductor import Conductor
from fanfold.core.fates import RACES
from fanfold.core.fold import RunState
from fanfold.core.lane import AHEAD
from fanfold.core.limiter import MINUTE, SECOND
from fanfold.core.parcel import MISSED
from fanfold.core.retry import WAITS
from fanfold.core.run import CLOSING, Run
from fanfold.core.traffic import FINAL
from fanfold.core.uniqueness import normalise
from fanfold.spec.calls import Fault, Reply, Usage
from fanfold.spec.events import (
    AnyEvent,
    BundleEnded,
    Called,
    CellEnded,
    Coords,
    Hit,
    Reopened,
    Rested,
    RunEnded,
    RunStarted,
    Settled,
    SpareEnded,
    StepSwept,
)
from fanfold.testing.counted import Counted
from fanfold.testing.gathered import Gathered
from fanfold.testing.handed import Handed
from fanfold.testing.joined import Joined

Place = tuple[int, Coords]


class Invariants:
    """Folds a run's events beside the conductor, and looks at both. Every failure is an AssertionError that names its invariant."""

    def __init__(self, climate: Any, conductor: Conductor, run: Run, world: Any) -> None:
        self.climate, self.conductor, self.run, self.world = climate, conductor, run, world
        self.seen = 0
        self.state = RunState()
        self.ended: dict[Place, str] = {}
        self.swept: set[int] = set()
        self.keys: set[tuple[Any, str]] = set()
        self.air: dict[int, Called] = {}
        self.answers: dict[Place, int] = defaultdict(int)
        self.good: dict[tuple[Place, int], Reply | Fault] = {}  # what was delivered last, by phase
        self.passed: dict[Place, set[bool]] = {}  # orders in which the judge let its latest answer pass
        self.starts: dict[int, deque[int]] = defaultdict(deque)
        self.gates: dict[int, int] = defaultdict(int)
        self.condemned: set[int] = set()
        self.waits: dict[Place, int] = defaultdict(int)
        self.over = self.relived = False
        self.counted = Counted(run)
        self.handed = Handed(run)
        self.joined = Joined(conductor)
        self.gathered = Gathered(conductor, run)
        self.origin = run.origin
        self.fates: dict[Place, tuple[str, str]] = {}
        self.own_key: dict[Place, tuple[Any, str]] = {}
        self.when: dict[Place, int] = {}
        self.judged: dict[Place, int] = {}  # answers of a cell that were refused, in all its lives
        self.lives = 1

    def revive(self, climate: Any, conductor: Conductor, run: Run, world: Any) -> None:
        """Another process goes on with the run: what is written stands, what was in the air and in memory is gone."""
        self.climate, self.conductor, self.run, self.world, self.origin = climate, conductor, run, world, run.origin
        self.swept, self.over = set(), False
        self.lives += 1
        for memory in (self.air, self.answers, self.gates, self.waits):
            memory.clear()
        self.condemned.clear()
        self.counted.begin(run)
        self.handed.revive(run)
        self.joined = self.joined.revive(conductor)
        self.gathered.revive(conductor, run)

    def _reopened(self, event: Reopened) -> None:
        """It may be ended again; its key, its candidates and its coordinates are free."""
        gone = [
            place
            for place, fate in self.fates.items()
            if place[0] == event.step and fate == (event.state, event.code) and (event.at is None or place[1] in event.at)
        ]
        assert len(gone) == event.cells, f"I7: {event} where {len(gone)} had ended so"
        for place in gone:
            del self.ended[place], self.fates[place]
            self.keys.discard(self.own_key.pop(place, ("", "")))
        self.handed.reopened(event.step, {at for _, at in gone})

    # ---------------------------------------------------------------- after every step

    def step(self, events: Sequence[AnyEvent], now: int) -> None:
        for event in events:
            assert not self.over, f"I7: {event} after the run had ended"
            assert event.seq == self.seen, f"I7: event {event.seq} where {self.seen} was due"
            assert event.t <= now - self.origin, "I7: an event from the future"
            self.seen += 1
            self._look(event)
            self.state.apply(event)
        self._bounds()
        self.gathered.look(now)

    def _look(self, event: AnyEvent) -> None:
        self.joined.saw(event)
        self.gathered.saw(event)
        if isinstance(event, Hit):
            self.passed[event.step, event.at] = set()
        if isinstance(event, Reopened):
            self._reopened(event)
        elif isinstance(event, RunStarted) and event.seq:
            self.relived = True
        elif isinstance(event, Called):
            if self.relived:
                self.counted.revive(
                    self.run, {place: fate for place, fate in self.fates.items() if self.run.rules[place[0]].counted}
                )
                self.relived = False
            self._called(event)
        elif isinstance(event, Settled):
            self._settled(event)
        elif isinstance(event, CellEnded):
            self._cell_ended(event)
        elif isinstance(event, SpareEnded):
            self.counted.spare_ended(event)
            for phase in (ANSWER, JUDGE) if event.fills is not None else ():
                assert event.fills is not None
                good = self.good.get(((event.step, event.at), phase))
                self.passed[event.step, event.fills] = self.passed.get((event.step, event.at), set())
                if good is not None:
                    self.good[(event.step, event.fills), phase] = good
        elif isinstance(event, BundleEnded):
            for position in range(event.start, event.stop):
                self._end((event.step, self.run.grid.coords(event.step, event.at, position)), event)
        elif isinstance(event, Rested):
            self.waits[event.step, event.at] += event.kind == "wait"
            assert self.waits[event.step, event.at] <= WAITS, "I5: it waits for ever"
            if event.kind == "regenerate":
                self.judged[event.step, event.at] = event.attempt - 1
            if self.run.rules[event.step].counted:
                self.counted.rested(event)
        elif isinstance(event, StepSwept):
            assert self.run.stop is not None, "I1: swept without a stop"
            self.swept.add(event.step)
        elif isinstance(event, RunEnded):
            self.over = True
            grace = CLOSING if any(rule.fallback for rule in self.run.rules) else SECOND
            assert self._stopped is None or event.t <= self._stopped + grace, "I6, I16: it went on after its end was called"

    def _called(self, event: Called) -> None:
        place, rule = (event.step, event.at), self.run.rules[event.step]
        assert place not in self.ended, f"I4: {place} is called after its end"
        assert event.call not in self.air, "I7: a call number twice"
        assert self._stopped is None or event.t <= self._stopped, "I6: an admission after the end was called"
        assert event.lane not in self.condemned, "I12: sent to a lane that had been condemned"
        for edge in self.run.grid.nodes[event.step].ins:  # I8
            members = [(edge.src.index, at) for at in self.run.grid.members(edge, event.at)]
            assert all(member in self.ended for member in members), f"I8: {place} began before its needs had ended"
            accepted = [member for member in members if self.ended[member] == "accepted"]
            wanted = self.run.grid.nodes[event.step].at_least
            least = min(1, wanted) if edge.single else wanted
            enough = len(accepted) >= least or (not members and least <= 1) or rule.fallback
            assert enough, f"I8: {place} began with {len(accepted)} of the {least} values it needs"
        self.air[event.call] = event
        records = self.run.calls.values()
        alive = sum(not r.doom and (r.cell.rule.index, r.cell.at) == place for r in records)
        assert alive <= 2, f"I4: {alive} calls that count for {place}"
        if rule.counted:
            self.counted.called(event)
        elif event.phase == ANSWER:
            self.answers[place] += 1
            assert event.attempt > self.judged.get(place, 0), "I5: an attempt that was used is given again"
            assert event.attempt <= rule.attempts, f"I5: attempt {event.attempt} of {rule.attempts}"
            most = (1 + self.climate.hedges) * ((rule.attempts + RACES) * (1 + rule.retries) + WAITS + len(rule.chain) + MISSED)
            assert self.answers[place] <= most, "I5: calls without end"
        assert event.t >= self.gates[event.lane], "I15: sent while the server had asked to wait"
        self._rate(event)

    @property
    def _stopped(self) -> int | None:
        """When the run was told to end, if it was: microseconds."""
        moments = [moment for moment in (self.climate.cancel, self.climate.deadline) if moment is not None]
        return min(moments, default=None)

    def _rate(self, event: Called) -> None:
        if event.lead >= 0:
            return
        starts = self.starts[event.lane]
        at = event.t + self.origin
        starts.append(at)
        while starts[0] <= at - MINUTE:
            starts.popleft()
        assert self.climate.rpm is None or len(starts) <= self.climate.rpm, f"I2: {len(starts)} starts in a minute"

    def _settled(self, event: Settled) -> None:
        called = self.air.pop(event.call)
        if event.outcome == "ok":
            self.good[(event.step, event.at), event.phase] = self.world.outcome(event.call)
            self._passed((event.step, event.at), event)
        rule = self.run.rules[event.step]
        assert event.took == event.t - called.t, "I17: the time in the air"
        assert event.took <= rule.timeout, "I16: a call outlived its deadline"
        flight = self.world.outcome(event.call)
        charged = event.tokens_in > 0 or flight.usage.tokens_in == 0
        assert charged or event.outcome != "cancelled" or self.run.stop, "U4: what was sent and cancelled is not charged"
        if isinstance(flight, Fault) and flight.scope in FINAL and event.outcome == flight.code:
            self.condemned.add(called.lane)
        if event.outcome == "rate_limited" and isinstance(flight, Fault) and flight.retry_after_s is not None:
            self.gates[called.lane] = max(self.gates[called.lane], event.t + int(flight.retry_after_s * 1_000_000))

    def _passed(self, place: Place, event: Settled) -> None:
        if event.phase == ANSWER:
            self.passed[place] = set()
        elif getattr(self.world.outcome(event.call), "verdict", False):
            self.passed[place].add(event.call in self.world.swapped)

    def _cell_ended(self, event: CellEnded) -> None:
        place, rule = (event.step, event.at), self.run.rules[event.step]
        self._end(place, event)
        self.judged.pop(place, None)
        assert rule.counted or event.attempts <= rule.attempts, "I5: more answers judged than allowed"
        self.counted.cell_ended(event)
        self.handed.cell_ended(event)
        if event.state != "accepted":
            assert event.code, "a cell that failed says why"
            return
        if event.code:
            assert rule.fallback, "filled by a fallback that was not declared"
            return
        found = self.joined.found.get(place)
        if found is None:
            reply = self.good[place, ANSWER]
        else:
            reply = Reply(usage=Usage(), key=event.key)
            assert self.world.knew(event), "C8: what the cache had was accepted nowhere"
        assert isinstance(reply, Reply) and reply.finding is None, "I9: accepted an answer that was not good"
        if rule.judge_lane is not None and (found is None or place in self.joined.judged):
            verdict = self.good[place, JUDGE]
            assert isinstance(verdict, Reply) and verdict.verdict, "I9: accepted what the judge refused"
            assert not rule.both_orders or self.passed[place] == {False, True}, "I9: accepted without a good word in either order"
        if rule.unique is not None:
            assert event.key == normalise(reply.key or ""), "I9: accepted under another key than its own"
            scope = (event.step, *(event.at[i] for i in rule.unique), event.key)
            assert scope not in self.keys, f"I3: two accepted cells share {event.key!r}"
            self.keys.add(scope)  # type: ignore[arg-type]
            self.own_key[place] = scope  # type: ignore[assignment]

    def _end(self, place: Place, event: CellEnded | BundleEnded) -> None:
        assert place not in self.ended, f"I1: {place} ended twice"
        assert place[0] not in self.swept, f"I1: {place} ended after its step was swept"
        self.ended[place] = event.state
        self.fates[place] = (event.state, event.code)
        self.when[place] = event.seq

    def _bounds(self) -> None:
        for lane in self.conductor.lanes:
            assert 0 <= lane.in_air <= lane.cap, f"I14: {lane!r}"
            assert lane.preparing >= 0 and lane.ready >= 0, f"{lane!r}"
        caps = sum(lane.cap for lane in self.conductor.lanes)
        waiting = sum(cell.state == "resting" for cell in self.run.cells.values())
        assert len(self.run.cells) - waiting <= ((AHEAD + 2) * caps + 1) * max(rule.items for rule in self.run.rules), (
            "I20: more cells alive than the window holds"
        )
        self.counted.look()
        self.handed.look()
        self.joined.look()
        assert len(self.air) == len(self.run.calls), "I7: the log knows other calls than the conductor"

    # ---------------------------------------------------------------- at the end

    def end(self) -> None:
        """Liveness: everything has ended, and nothing is left behind."""
        run = self.run
        assert self.over and run.ended and not self.air and not run.calls, "I1: it did not end"
        known = {(node.index, at) for node in run.grid.nodes for at in run.grid.cells(node.index)}
        lost = {place for place in known - self.ended.keys() if place[0] not in self.swept}
        assert not lost, f"I1: cells without an end: {sorted(lost)[:5]}"
        assert self.ended.keys() <= known, "I1: cells that nobody declared"
        for lane in self.conductor.lanes:
            assert lane.in_air == lane.preparing == lane.ready == 0, f"left behind: {lane!r}"
        self.joined.end()
        if run.stop is None:
            self.counted.end()
            self.handed.end()
            assert run.keys.reserved == 0, "U2: keys reserved and never given back"
            assert not run.cells and run.open == 0, "I1: cells left behind"
            assert all(not edge.groups and not edge.watchers for node in run.grid.nodes for edge in node.ins), (
                "I20: groups left behind"
            )
        self._made_from_what_stands()
        total = self.state.total
        assert total.ended == total.cells == sum(run.grid.totals), "I1: the counts do not add up"
        self._verdict()

    def _made_from_what_stands(self) -> None:
        """I11: no value is older than what it was made from, as if that had not been made again in a later life."""
        for place, fate in self.fates.items() if self.lives > 1 else ():
            if fate[0] == "accepted" and place in self.ended:
                for edge in self.run.grid.nodes[place[0]].ins:
                    members = [(edge.src.index, at) for at in self.run.grid.members(edge, place[1])]
                    newest = max((self.when[member] for member in members if member in self.ended), default=-1)
                    assert newest < self.when[place], f"I11: {place} is older than what it was made from"

    def _verdict(self) -> None:
        """I22: how it ended is a function of how its cells ended."""
        required = [rule for rule in self.run.rules if rule.required]
        own = any(step.own for step in self.state.steps)
        filled = any(step.fallback for step in self.state.steps) and not self.run.tally.cut_off
        whole = all(self.state.steps[rule.index].own == self.state.steps[rule.index].cells for rule in required)
        stopped = self.run.stop is not None
        cancelled = stopped and self.run.stop is not None and self.run.stop[0] == "cancelled"
        if stopped and whole:  # lists that were never found may have had cells
            ended = Counter(step for step, _ in self.ended)
            grid = self.run.grid
            whole = own and not any(node.makes and ended[node.index] < grid.totals[node.index] for node in grid.nodes)
        expected = "cancelled" if cancelled else "complete" if whole else "partial" if own or filled else "failed"
        assert self.state.state == expected, f"I22: {self.state.state} instead of {expected}"
