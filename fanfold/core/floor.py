"""What the conductor looks at: lanes, runs, calls in the air, timers; and how a run ends."""

from __future__ import annotations

from typing import TypeAlias

from fanfold.core.commands import Abandon, Cancel, Command
from fanfold.core.concurrency import Fixed
from fanfold.core.lane import Lane
from fanfold.core.limiter import Limiter
from fanfold.core.parcel import Muster
from fanfold.core.pool import Pool
from fanfold.core.run import LOCAL, CallRecord, Cell, Rule, Run, Stop
from fanfold.core.states import State
from fanfold.core.timers import Timers
from fanfold.spec.calls import Fault
from fanfold.spec.errors import Code
from fanfold.spec.events import AnyEvent, RunEnded, RunStarted, StepFacts, StepSwept

Waiter: TypeAlias = Cell | CallRecord | Run | Lane | Muster


class Floor:
    """lanes: number 0 is for what is not a model call; the others are named by the rules of the runs."""

    def __init__(self, *, cap: int = 1 << 30, local_cap: int = 16) -> None:
        """cap: calls in the air at once, over all lanes. local_cap: half of what may be prepared at once without a model."""
        self.cap = cap
        self.lanes = [Lane(LOCAL, "local", Limiter(), Fixed(local_cap))]
        self.runs: dict[int, Run] = {}
        self._calls: dict[int, CallRecord] = {}
        self._timers: Timers[Waiter] = Timers(self._waits, self._awaited)
        self._resting = 0
        self._out: list[Command] = []
        self._touched: dict[int, Run] = {}
        self._runs = self._cells = self._made = 0
        self._riders = 0  # of the calls, those that need no request of their own
        self._wanting: set[int] = set()  # lanes with calls that are late and have no twin
        self._troubled = False  # whether some lane or step is not to be used: until then, nobody need ask
        self._stirred: dict[Pool, tuple[Run, Rule]] = {}  # pools of which something has changed
        self._thin: dict[Pool, tuple[Run, Rule]] = {}  # pools that may want spares
        self._served = 0.0  # virtual time: what the run that was served last had been served

    @property
    def _flying(self) -> int:
        """Requests in the air."""
        return len(self._calls) - self._riders

    # ================================================================ timers

    def _waits(self, when: int, what: Waiter) -> bool:
        """Whether a timer still means something."""
        if isinstance(what, Cell):
            return what.state in (State.RESTING, State.PREPARING) and what.wake == when and what.run.stop is None
        if isinstance(what, CallRecord):
            return what.check == when and not what.doom and what.landed is None and what.id in self._calls
        if isinstance(what, Lane):
            return what.breaker.until == when and what.condemned is None
        if isinstance(what, Muster):
            return what.until == when
        return what.stop is None and not what.ended

    def _awaited(self) -> int:
        """How many timers may mean something now."""
        return len(self._calls) + self._resting + len(self.runs) + len(self.lanes) + sum(lane.preparing for lane in self.lanes)

    # ================================================================ giving up

    def _give_up(self, cell: Cell, code: str, message: str, hint: str = "") -> None:
        """Its preparation takes too long, or its run is over. The fact still comes, and ends it."""
        if cell.wake < 0:
            return  # already: what was said first stands
        cell.wake = -1
        self._out.append(Abandon(cell, Fault(code=str(code), message=message, hint=hint)))

    def _doom(self, record: CallRecord, why: str) -> None:
        """Cancel a call that no longer counts. Its slot comes back when it settles."""
        record.doom = str(why)
        self._let_go(record)
        if why != Code.TIMEOUT and (record.parcel is None or record.parcel.forsaken):
            self.lanes[record.lane].breaker.gave_up()
        self._out.append(Cancel(record.id))

    def _let_go(self, record: CallRecord) -> None:
        """A call counts no longer: the one beside it, if any, is the only one now."""
        cell = record.cell
        if cell.call == record.id:
            cell.call, cell.hedge = cell.hedge, -1
        else:
            assert cell.hedge == record.id, "only a call that counts is let go"
            cell.hedge = -1

    def counts(self, call: int) -> bool:
        """Whether what comes of a call in the air will decide about its cell."""
        record = self._calls.get(call)
        return record is not None and call in (record.cell.call, record.cell.hedge) and record.cell.run.stop is None

    # ================================================================ runs end

    def _stop(self, run: Run, stop: Stop, now: int) -> None:
        if run.stop is not None or run.ended:
            return
        run.stop = stop
        for cell in run.cells.values():
            self._resting -= cell.state is State.RESTING
            if cell.state is State.PREPARING:
                self._give_up(cell, stop[1], stop[2])
        for index, queue in run.queues.items():
            cells, _ = queue.take()
            self.lanes[index].ready -= len(cells)
        for record in run.calls.values():
            if not record.doom:
                self._doom(record, stop[1])
        self._close_if_done(run, now)

    def _close_if_done(self, run: Run, now: int) -> None:
        if run.ended or (run.open if run.stop is None else run.preparing) or run.calls or run.waits_for_keys:
            return
        run.ended = True
        run.keys.leave()
        del self.runs[run.id]
        for rule in run.rules:
            if run.stop is not None and (run.open or run.grid.totals[rule.index] > run.tally.ended[rule.index]):
                self._emit(run, StepSwept, now, rule.index, *map(str, run.stop))
        early = str(run.stop[1]) if run.stop is not None else "" if run.closing is None else run.closing.code
        self._emit(run, RunEnded, now, self._verdict(run), early)

    def _verdict(self, run: Run) -> str:
        if run.stop is not None and run.stop[0] == State.CANCELLED:
            return "cancelled"
        if run.tally.bad == 0 and (run.stop is None or (run.tally.own and not _owes(run))):
            return "complete"
        return "partial" if run.tally.own or (run.tally.filled and not run.tally.cut_off) else "failed"

    # ================================================================ events

    def _emit_start(self, run: Run, now: int) -> None:
        grid = run.grid
        steps = tuple(
            StepFacts(
                rule.name, grid.nodes[rule.index].over, grid.totals[rule.index], rule.weight, rule.required,
                any(grid.plan.axes[a].counted for a in grid.nodes[rule.index].over),
            )
            for rule in run.rules
        )  # fmt: skip
        firsts = [chain[0] for rule in run.rules for chain in (rule.turns.chains if rule.turns is not None else (rule.chain,))]
        lanes = {lane for lane in (*firsts, *(rule.judge_lane for rule in run.rules)) if lane}
        cap = min(run.cap, sum(self.lanes[i].cap for i in lanes) or self.lanes[LOCAL].cap)
        called = {lane for rule in run.rules for lane in (*rule.chain, *rule.judge_chain) if lane}
        names = tuple((lane, self.lanes[lane].name) for lane in sorted(called))
        self._emit(run, RunStarted, now, grid.plan.plan.name, run.seed, steps, cap, run.wall, names)

    def _emit(self, run: Run, event: type[AnyEvent], now: int, *details: object) -> None:
        run.events.append(event(run.seq, now - run.origin, *details))  # type: ignore[arg-type]
        run.seq += 1
        self._touched[run.id] = run

    def __repr__(self) -> str:
        return f"<Conductor {len(self.runs)} runs, {len(self._calls)} calls in the air, {self._resting} resting>"


def _owes(run: Run) -> bool:
    """Whether a run that was stopped has required cells that have not ended, or may have had some that nobody knows of."""
    grid, ended = run.grid, run.tally.ended

    def whole(step: int) -> bool:
        sources = [grid.source_of[axis].index for axis in grid.nodes[step].over if axis in grid.source_of]
        return ended[step] == grid.totals[step] and all(map(whole, sources))

    return not all(whole(rule.index) for rule in run.rules if rule.required)
