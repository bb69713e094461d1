"""The conductor. Its law:

1. Everything that changes the fate of a cell happens here, or in a `core` function called from here.
2. It is told the time; it never asks.

It is told facts (`prepared`, `identified`, `settled`) and answers with commands (`Prepare`, `Call`, `Cancel`). What has
happened is drained as events, numbered per run. Every operation costs the same in a run of twenty cells and of a million.
Time is in integer microseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from fanfold.core.commands import ANSWER, FALLBACK, JUDGE, Abandon, Call, Cancel, Command, Prepare
from fanfold.core.gates import Again, again
from fanfold.core.grid import Grid, Woken
from fanfold.core.lane import MANY, Lane
from fanfold.core.limiter import Limiter
from fanfold.core.retry import WAIT_MOST_S, WAITS, Remedy, asked, backoff, remedy
from fanfold.core.run import LOCAL, Bundle, CallRecord, Cell, Rule, Run, Stop
from fanfold.core.states import State
from fanfold.core.timers import Timers
from fanfold.core.uniqueness import Key, normalise
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Scope, Work
from fanfold.spec.errors import Code
from fanfold.spec.events import (
    AnyEvent,
    BundleEnded,
    Called,
    CellEnded,
    Grew,
    Rested,
    RunEnded,
    RunStarted,
    Settled,
    StepFacts,
    StepSwept,
)

Outcome: TypeAlias = Reply | Fault
Waiter: TypeAlias = Cell | CallRecord | Run
PACE, WAIT = 1, 2  # purposes of draws


class Conductor:
    """lanes: number 0 is for what is not a model call; the others are named by the rules of the runs."""

    def __init__(self, *, cap: int = 1 << 30, local_cap: int = 16) -> None:
        """cap: calls in the air at once, over all lanes. local_cap: half of what may be prepared at once without a model."""
        self.cap = cap
        self.lanes = [Lane(LOCAL, "local", Limiter(), local_cap)]
        self.runs: dict[int, Run] = {}
        self._calls: dict[int, CallRecord] = {}
        self._timers: Timers[Waiter] = Timers(self._waits, self._awaited)
        self._resting = 0
        self._out: list[Command] = []
        self._touched: dict[int, Run] = {}
        self._runs = self._cells = self._made = 0

    # ================================================================ verbs of the shell

    def add_lane(self, name: str, limiter: Limiter, cap: int) -> Lane:
        """A place where calls go. Its number is what rules name it by."""
        lane = Lane(len(self.lanes), name, limiter, cap)
        self.lanes.append(lane)
        return lane

    def add(
        self, grid: Grid, rules: Sequence[Rule], now: int, *, seed: int = 0, cap: int | None = None, deadline: int | None = None
    ) -> Run:
        """Begin a run. cap: its own limit of calls in the air. deadline: microseconds from now."""
        run = Run(self._runs, grid, rules, seed=seed, cap=cap or 1 << 30, now=now)
        run.served = min((other.served for other in self.runs.values()), default=0.0)  # no credit for having been away
        self._runs += 1
        self.runs[run.id] = run
        self._emit_start(run, now)
        for lane in self.lanes:  # a new run may try again where nobody was there, or where it was told to come later
            if lane.condemned is not None and (
                lane.condemned.scope is Scope.ENDPOINT or (lane.until is not None and lane.until <= now)
            ):
                lane.condemned = lane.until = None
        if deadline is not None:
            run.deadline = now + deadline
            self._timers.set(run.deadline, run)
        run.open += 1  # held open until all its roots are in
        self._wake(run, grid.roots(), now)
        run.open -= 1
        self._close_if_done(run, now)
        return run

    def commands(self, now: int) -> list[Command]:
        """What is to be done now, in order."""
        self._due(now)
        first = self._made % len(self.lanes)  # when slots are short, lanes take turns
        for lane in (*self.lanes[first:], *self.lanes[:first]):
            if lane.to_send:
                self._admit(lane, now)  # first: what is sent makes room in the window
            if lane.to_prepare:
                self._prepare(lane, now)
        out, self._out = self._out, []
        return out

    def prepared(self, cell: Cell, result: Work | Hit | Broken, now: int) -> None:
        """The prompt is rendered and sized; or the value is there already; or it cannot be had."""
        lane = self.lanes[cell.lane]
        lane.preparing -= 1
        cell.run.preparing -= 1
        if cell.run.stop is not None:
            self._close_if_done(cell.run, now)
        elif isinstance(result, Broken):
            if cell.phase == FALLBACK and cell.failure is not None:
                code, message, hint = cell.failure
                cell.failure = (code, f"{message}; its fallback failed: {result.fault.message}", hint)
            self._fail(cell, result.fault.code, result.fault.message, result.fault.hint, now)
        elif isinstance(result, Hit):
            cell.move(State.GATED)
            cell.service = now - cell.since
            if cell.phase == FALLBACK:
                cell.lengths = result.reply.lengths
                if cell.rule.unique is not None and not self._take(cell, result.reply.key or "", exact=result.reply.exact):
                    self._fail(cell, Code.DUPLICATE, f"{result.reply.key!r} is taken", "", now)
                else:
                    self._accept(cell, now)
            else:
                self._answered(cell, result.reply, now)
        elif (fault := self._blocked(cell)) is not None:
            self._fail(cell, fault.code, fault.message, fault.hint, now)
        else:
            cell.tokens = (result.tokens_in, result.tokens_out)
            self._ready(cell, urgent=False)

    def identified(self, call: int, name: str, now: int) -> None:
        """The identity field of a streamed answer is complete: its key is taken at once, or the call is cancelled."""
        record = self._calls[call]
        cell = record.cell
        if record.doom or self._take(cell, name, exact=False):
            return
        self._doom(record, "duplicate")
        self._again(cell, Code.DUPLICATE, f"{name!r} is taken", "", now)

    def sent(self, call: int, now: int) -> None:
        """A call's bytes leave now, once its admission was durable: limits and times count from here."""
        record = self._calls[call]
        record.started = now
        self.lanes[record.lane].limiter.sent(record.bookings, now)

    def landed(self, call: int, now: int) -> None:
        """A call's answer has come and is being checked: its deadline is met."""
        self._calls[call].landed = now

    def settled(self, call: int, outcome: Outcome, now: int) -> None:
        """A call is over. Its slot and what it did not use come back; only the call that counts changes its cell."""
        record = self._calls.pop(call)
        cell, lane, run = record.cell, self.lanes[record.lane], record.cell.run
        del run.calls[call]
        lane.in_air -= 1
        usage = outcome.usage
        lane.limiter.settle(record.bookings, usage.tokens_in, usage.tokens_out, now)
        run.served += usage.tokens_in + usage.tokens_out - sum(record.tokens)
        for index, queue in run.queues.items():  # it may have been at its own cap
            if queue.has_ready:
                self.lanes[index].to_send.add(run)
        word = record.doom or ("ok" if isinstance(outcome, Reply) else str(outcome.code))
        took = (now if record.landed is None else record.landed) - record.started
        self._emit(
            run, Settled, now, cell.rule.index, cell.at, call, record.phase, word, took, usage.tokens_in, usage.tokens_out, usage.exact
        )  # fmt: skip
        if isinstance(outcome, Fault):
            self._heard_of(record, outcome, now)
        else:
            lane.proven = True
        if cell.call != call or run.stop is not None:
            self._close_if_done(run, now)  # it was the last thing to wait for, perhaps
        else:
            cell.call = -1
            if isinstance(outcome, Fault):
                self._faulted(cell, outcome, now)
            elif record.phase == JUDGE:
                cell.move(State.GATED)
                cell.service += took
                self._judged(cell, outcome, now)
            else:
                cell.move(State.GATED)
                cell.service = took
                self._answered(cell, outcome, now)

    def wake_at(self, now: int) -> int | None:
        """The next moment at which something changes by itself. Nobody polls."""
        moment = self._timers.next()
        for lane in self.lanes:
            if lane.in_air < lane.cap and len(self._calls) < self.cap and (run := lane.to_send.first()) is not None:
                head = run.queue(lane.index).head()
                opens = lane.limiter.open_at(*self._size(head), now)
                moment = opens if moment is None else min(moment, opens)
        return moment

    def drain(self) -> list[tuple[Run, list[AnyEvent]]]:
        """What has happened since the last time, per run, in order."""
        touched, self._touched = self._touched, {}
        out = []
        for run in touched.values():
            out.append((run, run.events))
            run.events = []
        return out

    def cancel(self, run: Run, now: int) -> None:
        """Stop a run at once: nothing more starts, what is in the air is cancelled. Idempotent."""
        self._stop(run, Stop((State.CANCELLED, Code.CANCELLED, "the run was cancelled")), now)

    @property
    def busy(self) -> bool:
        return bool(self.runs)

    @property
    def silent(self) -> bool:
        """Nothing has happened that was not drained."""
        return not self._touched

    # ================================================================ time

    def _waits(self, when: int, what: Waiter) -> bool:
        """Whether a timer still means something."""
        if isinstance(what, Cell):
            return what.state in (State.RESTING, State.PREPARING) and what.wake == when and what.run.stop is None
        if isinstance(what, CallRecord):
            return not what.doom and what.landed is None and what.id in self._calls
        return what.stop is None and not what.ended

    def _awaited(self) -> int:
        """How many timers may mean something now."""
        return len(self._calls) + self._resting + len(self.runs) + sum(lane.preparing for lane in self.lanes)

    def _due(self, now: int) -> None:
        while (what := self._timers.due(now)) is not None:
            if isinstance(what, Cell):
                if what.state is State.PREPARING:
                    self._give_up(what, Code.TIMEOUT, f"it was not prepared within {what.rule.timeout / 1e6:g} s")
                else:
                    self._resting -= 1
                    self._ready(what, urgent=True)
            elif isinstance(what, CallRecord):
                self._timed_out(what, now)
            else:
                self._stop(what, Stop((State.FAILED, Code.TIMEOUT, "the run's deadline has passed")), now)

    def _timed_out(self, record: CallRecord, now: int) -> None:
        cell = record.cell
        self._doom(record, Code.TIMEOUT)
        seconds = cell.rule.timeout / 1e6
        self._faulted(cell, Fault(code=Code.TIMEOUT, message=f"no complete answer within {seconds:g} s"), now)

    # ================================================================ bundles and cells begin

    def _wake(self, run: Run, woken: Sequence[Woken], now: int) -> None:
        """Open bundles; skip those whose needs have no value, and what hangs on them."""
        todo = deque(woken)
        while todo:
            step, at, ok, path = todo.popleft()
            rule = run.rules[step]
            size = run.grid.size(step, at)
            if size == 0:
                continue
            run.open += size
            failure = None
            if not ok:
                failure = (str(Code.UPSTREAM), f"step {rule.name!r} needs a value that is missing", "")
            elif (fault := self._refusal(run, rule)) is not None:
                failure = (fault.code, fault.message, fault.hint)
            bundle = Bundle(step, at, size, path, failure)
            if failure is None or rule.fallback:
                self._open(run, bundle)
            else:
                todo.extend(self._end_bundle(run, bundle, now))

    def _open(self, run: Run, bundle: Bundle) -> None:
        lane = self.lanes[LOCAL if bundle.failure else run.rules[bundle.step].lane]
        run.queue(lane.index).add_bundle(run.place[bundle.step], bundle)
        lane.to_prepare.add(run)

    def _end_bundle(self, run: Run, bundle: Bundle, now: int) -> list[Woken]:
        """End what has not begun of a bundle: skipped for want of a value, failed for want of a lane. Returns what that wakes."""
        assert bundle.failure is not None
        rule, grid = run.rules[bundle.step], run.grid
        code, message, hint = bundle.failure
        state = State.SKIPPED if code == Code.UPSTREAM else State.FAILED
        start, n = bundle.next, bundle.size - bundle.next
        self._emit(run, BundleEnded, now, rule.index, bundle.at, start, bundle.size, str(state), code, message, hint)
        run.open -= n
        run.tally.ended[rule.index] += n
        run.tally.bad += n * rule.required
        node = grid.nodes[rule.index]
        woken: list[Woken] = []
        if node.outs or node.makes:
            for position in range(start, bundle.size):
                woken += self._grid_ended(run, rule, grid.coords(rule.index, bundle.at, position), None, None, now)
        return woken

    def _grid_ended(
        self, run: Run, rule: Rule, at: tuple[int, ...], path: int | None, lengths: dict[str, int] | None, now: int
    ) -> list[Woken]:
        """Tell the grid that a cell ended; path None: without a value."""
        grid, node = run.grid, run.grid.nodes[rule.index]
        woken: list[Woken] = []
        if node.makes:
            woken, grew = grid.unfold(rule.index, at, None if path is None else lengths or {})
            for step in dict.fromkeys(grew):
                self._emit(run, Grew, now, step, grid.totals[step])
        if node.outs:
            woken += grid.ended(rule.index, at, path is not None, path or 0)
        return woken

    def _prepare(self, lane: Lane, now: int) -> None:
        """Unfold cells and have them prepared, a bounded number ahead: memory follows the window, not the job."""
        while lane.preparing + lane.ready < lane.window and (run := lane.to_prepare.first()) is not None:
            queue = run.queue(lane.index)
            place, bundle = queue.next_bundle(MANY * lane.cap)
            at = run.grid.coords(bundle.step, bundle.at, bundle.next)
            bundle.next += 1
            if bundle.next == bundle.size:
                queue.drop_bundle(place)
            cell = Cell(self._cells, run, run.rules[bundle.step], at, bundle.path)
            self._cells += 1
            run.cells[cell.id] = cell
            if bundle.failure is not None:
                cell.failure, cell.phase = bundle.failure, FALLBACK
            self._begin(cell, now)

    def _begin(self, cell: Cell, now: int) -> None:
        cell.move(State.PREPARING)
        cell.since = now
        cell.wake = now + cell.rule.timeout
        self._timers.set(cell.wake, cell)
        self.lanes[cell.lane].preparing += 1
        cell.run.preparing += 1
        self._out.append(Prepare(cell, cell.phase))

    def _give_up(self, cell: Cell, code: str, message: str) -> None:
        """Its preparation takes too long, or its run is over. The fact still comes, and ends it."""
        cell.wake = -1
        self._out.append(Abandon(cell, Fault(code=str(code), message=message)))

    def _ready(self, cell: Cell, *, urgent: bool) -> None:
        cell.move(State.READY)
        lane = self.lanes[cell.lane]
        cell.run.queue(lane.index).add_ready(cell.run.place[cell.rule.index], cell, urgent=urgent)
        lane.ready += 1
        lane.to_send.add(cell.run)

    # ================================================================ calls begin

    def _size(self, cell: Cell) -> tuple[int, int]:
        return cell.judge_tokens if cell.phase == JUDGE else cell.tokens

    def _admit(self, lane: Lane, now: int) -> None:
        """Slot first; then requests and tokens in one step; what is admitted is sent at once."""
        while lane.in_air < lane.cap and len(self._calls) < self.cap and (run := lane.to_send.first()) is not None:
            queue = run.queue(lane.index)
            cell = queue.head()
            tokens_in, tokens_out = self._size(cell)
            if lane.limiter.open_at(tokens_in, tokens_out, now) > now:
                break
            queue.pop()
            lane.ready -= 1
            lane.in_air += 1
            record = CallRecord(self._made, cell, lane.index, now, lane.limiter.book(tokens_in, tokens_out, now))
            self._made += 1
            self._calls[record.id] = run.calls[record.id] = record
            run.served += tokens_in + tokens_out
            cell.move(State.CALLING)
            cell.call = record.id
            self._timers.set(now + cell.rule.timeout, record)
            self._emit(
                run, Called, now, cell.rule.index, cell.at, record.id, cell.judged + 1, cell.phase, lane.index, tokens_in + tokens_out
            )  # fmt: skip
            self._out.append(self._call(cell, record.id))

    def _call(self, cell: Cell, call: int) -> Call:
        if cell.phase == JUDGE:
            return Call(call, cell, JUDGE)
        avoid: tuple[str, ...] = ()
        if cell.rule.unique is not None and (cell.judged or cell.run.keys.hot):
            avoid = cell.run.keys.avoid(self._scope(cell), cell.id)
        return Call(call, cell, ANSWER, avoid, cell.reason, cell.repair, cell.longer)

    # ================================================================ answers and faults

    def _scope(self, cell: Cell) -> tuple[int, ...]:
        assert cell.rule.unique is not None
        return (cell.rule.index, *(cell.at[i] for i in cell.rule.unique))

    def _take(self, cell: Cell, name: str, *, exact: bool) -> bool:
        key: Key = (self._scope(cell), name if exact else normalise(name))
        if not cell.run.keys.take(key, name, cell.id, cell.key):
            return False
        cell.key = key
        return True

    def _release(self, cell: Cell) -> None:
        if cell.key is not None:
            cell.run.keys.release(cell.key, cell.id)
            cell.key = None

    def _answered(self, cell: Cell, reply: Reply, now: int) -> None:
        """The gates, in order of cost: rule checks, then the key, then the judge."""
        cell.lengths = reply.lengths
        if reply.finding is not None:
            code = Code.MALFORMED if reply.check == "schema" else Code.CHECK_FAILED
            self._again(cell, code, reply.finding, reply.check, now)
        elif cell.rule.unique is not None and not self._take(cell, reply.key or "", exact=reply.exact):
            self._again(cell, Code.DUPLICATE, f"{reply.key!r} is taken", "", now)
        elif reply.judge is not None and cell.rule.judge_lane is not None:
            cell.judge_tokens = reply.judge
            cell.phase = JUDGE
            if (fault := self._blocked(cell)) is not None:
                self._fail(cell, fault.code, fault.message, fault.hint, now)
            else:
                self._ready(cell, urgent=True)
        else:
            self._accept(cell, now)

    def _judged(self, cell: Cell, reply: Reply, now: int) -> None:
        if reply.verdict:
            self._accept(cell, now)
        else:
            cell.phase = ANSWER
            self._again(cell, Code.CHECK_FAILED, reply.finding or "the judge refused it", reply.check or "judge", now)

    def _again(self, cell: Cell, code: Code, reason: str, check: str, now: int, hint: str = "") -> None:
        """An answer was judged and is not good: correct it, draw another, or give up."""
        cell.judged += 1
        cell.rejections += code is Code.CHECK_FAILED
        attempts = 1 if cell.rule.function else cell.rule.attempts
        step = again(code, judged=cell.judged, attempts=attempts, rejections=cell.rejections, longer=cell.longer)
        if step is Again.NEVER:
            self._fail(cell, code, reason, hint or _HINTS.get(code, ""), now)
            return
        cell.retries = 0
        cell.repair = step is Again.REPAIR
        cell.longer = cell.longer or step is Again.LONGER
        cell.reason = reason if check else ""
        if step is Again.REDRAW:
            cell.rejections = 0
        if not cell.repair:
            self._release(cell)
        self._rest(cell, "regenerate", code, reason, check, now, now)

    def _faulted(self, cell: Cell, fault: Fault, now: int) -> None:
        """The call did not deliver. A judge's fault asks the judge again and keeps the answer and its key."""
        cure = remedy(fault.code)
        if cure is Remedy.RETRY and cell.retries < cell.rule.retries:
            wait = backoff(cell.retries, cell.draw(PACE))
            if fault.retry_after_s is not None:
                wait = max(wait, asked(fault.retry_after_s, cell.draw(WAIT)))
            cell.retries += 1
            self._pause(cell, "retry", fault, now + wait, now)
        elif cure is Remedy.WAIT and cell.waits < WAITS:
            cell.waits += 1
            gate = max(now, self.lanes[cell.lane].limiter.gate)
            self._pause(cell, "wait", fault, gate + int((gate - now) * cell.draw(WAIT) / 10), now)
        elif cure is Remedy.REGENERATE and cell.phase == ANSWER:
            self._again(cell, Code(fault.code), fault.message, "", now, fault.hint)
        elif cure is Remedy.REGENERATE and cell.retries < cell.rule.retries:
            cell.retries += 1  # an unreadable judge is asked again
            self._pause(cell, "retry", fault, now, now)
        else:
            self._fail(cell, fault.code, fault.message, fault.hint, now)

    def _blocked(self, cell: Cell) -> Fault | None:
        """Why no call of this cell can go out any more, if so."""
        return self._refusal(cell.run, cell.rule)

    def _refusal(self, run: Run, rule: Rule) -> Fault | None:
        """Why no cell of a step can be filled any more: it was refused, or the lane of its answers or of its judge is condemned."""
        judge = None if rule.judge_lane is None else self.lanes[rule.judge_lane].condemned
        return run.refused.get(rule.index) or self.lanes[rule.lane].condemned or judge

    def _pause(self, cell: Cell, kind: str, fault: Fault, until: int, now: int) -> None:
        if cell.phase == ANSWER:
            self._release(cell)
        deadline = cell.run.deadline
        if deadline is not None and until >= deadline:
            self._fail(cell, fault.code, f"{fault.message}; the next try would be past the run's deadline", fault.hint, now)
            return
        self._rest(cell, kind, fault.code, fault.message, "", until, now)

    def _rest(self, cell: Cell, kind: str, code: str, reason: str, check: str, until: int, now: int) -> None:
        if (blocked := self._blocked(cell)) is not None:
            self._fail(cell, blocked.code, blocked.message, blocked.hint, now)
            return
        cell.move(State.RESTING)
        cell.wake = until
        run = cell.run
        self._emit(
            run, Rested, now, cell.rule.index, cell.at, kind, str(code), reason, check, cell.judged + 1, until - run.origin
        )  # fmt: skip
        if until <= now:
            self._ready(cell, urgent=True)
        else:
            self._resting += 1
            self._timers.set(until, cell)

    def _heard_of(self, record: CallRecord, fault: Fault, now: int) -> None:
        """What a fault says beyond its own call. It is acted upon here, whether or not that call still counts."""
        lane, run = self.lanes[record.lane], record.cell.run
        hopeless = fault.scope is Scope.LANE or (fault.retry_after_s or 0) > WAIT_MOST_S
        if hopeless or (fault.scope is Scope.ENDPOINT and not lane.proven):
            self._condemn(lane, fault, now)
        elif fault.scope is Scope.STEP and run.stop is None:
            run.refused.setdefault(record.cell.rule.index, fault)
            self._abandon(run, fault, [record.cell.rule], now)
        elif fault.code == Code.RATE_LIMITED:
            lane.limiter.throttled(backoff(0, 1.0) if fault.retry_after_s is None else asked(fault.retry_after_s, 0.0), now)
        lane.proven = lane.proven or fault.status > 0

    def _condemn(self, lane: Lane, fault: Fault, now: int) -> None:
        """Nothing more goes through this lane: a wrong key, no quota, an unknown model, nobody there."""
        if lane.condemned is None:
            lane.condemned = fault
            if fault.scope is not Scope.LANE and fault.retry_after_s is not None:
                lane.until = now + asked(fault.retry_after_s, 0.0)
            for run in list(self.runs.values()):
                if run.stop is None:
                    run.tally.cut_off = True
                    self._abandon(run, fault, [rule for rule in run.rules if lane.index in (rule.lane, rule.judge_lane)], now)

    def _abandon(self, run: Run, fault: Fault, rules: Sequence[Rule], now: int) -> None:
        """End every cell of these steps that waits, and every one that would come."""
        run.open += 1  # held open while its cells end
        bundles: list[Bundle] = []
        for rule in rules:
            for index in {rule.lane, rule.lane if rule.judge_lane is None else rule.judge_lane}:
                cells, fresh = run.queue(index).take(run.place[rule.index])
                self.lanes[index].ready -= len(cells)
                bundles += fresh
        concerned = {rule.index for rule in rules}
        for cell in list(run.cells.values()):
            if cell.rule.index in concerned and cell.phase != FALLBACK and cell.state in (State.READY, State.RESTING):
                self._resting -= cell.state is State.RESTING
                self._fail(cell, fault.code, fault.message, fault.hint, now)
        for bundle in bundles:
            bundle.failure = (fault.code, fault.message, fault.hint)
            if run.rules[bundle.step].fallback:
                self._open(run, bundle)
            else:
                self._wake(run, self._end_bundle(run, bundle, now), now)
        run.open -= 1
        self._close_if_done(run, now)

    def _doom(self, record: CallRecord, why: str) -> None:
        """Cancel a call that no longer counts. Its slot comes back when it settles."""
        record.doom = str(why)
        if record.cell.call == record.id:
            record.cell.call = -1
        self._out.append(Cancel(record.id))

    # ================================================================ cells end

    def _accept(self, cell: Cell, now: int) -> None:
        if cell.key is not None:
            cell.run.keys.commit(cell.key, cell.id)
        if cell.failure is None:
            cell.run.tally.own += 1
        else:
            cell.run.tally.filled += 1
            cell.run.tally.bad += cell.rule.required
        self._end(cell, State.ACCEPTED, cell.failure or ("", "", ""), now)

    def _fail(self, cell: Cell, code: str, message: str, hint: str, now: int) -> None:
        self._release(cell)
        if cell.rule.fallback and cell.phase != FALLBACK:
            cell.move(State.FAILED)
            cell.failure = (str(code), message, hint)
            cell.phase = FALLBACK
            self._begin(cell, now)
            return
        cell.run.tally.bad += cell.rule.required
        self._end(cell, State.FAILED, cell.failure or (str(code), message, hint), now)

    def _end(self, cell: Cell, state: State, why: tuple[str, str, str], now: int) -> None:
        run, rule = cell.run, cell.rule
        cell.move(state)
        del run.cells[cell.id]
        accepted = state is State.ACCEPTED
        path = cell.path + cell.service if accepted else None
        name = None if cell.key is None else cell.key[1]
        self._emit(
            run, CellEnded, now, rule.index, cell.at, str(state), *why, cell.judged + (cell.failure is None and accepted), name,
            cell.lengths if accepted else None, path or 0,
        )  # fmt: skip
        run.tally.ended[rule.index] += 1
        self._wake(run, self._grid_ended(run, rule, cell.at, path, cell.lengths, now), now)
        run.open -= 1
        self._close_if_done(run, now)

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
        if run.ended or (run.open if run.stop is None else run.preparing) or run.calls:
            return
        run.ended = True
        del self.runs[run.id]
        for rule in run.rules:
            if run.stop is not None and (run.open or run.grid.totals[rule.index] > run.tally.ended[rule.index]):
                self._emit(run, StepSwept, now, rule.index, *map(str, run.stop))
        self._emit(run, RunEnded, now, self._verdict(run), "" if run.stop is None else str(run.stop[1]))

    def _verdict(self, run: Run) -> str:
        if run.stop is not None and run.stop[0] == State.CANCELLED:
            return "cancelled"
        if run.stop is None and run.tally.bad == 0:
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
        lanes = {lane for rule in run.rules for lane in (rule.lane, rule.judge_lane) if lane}
        cap = min(run.cap, sum(self.lanes[i].cap for i in lanes) or self.lanes[LOCAL].cap)
        self._emit(run, RunStarted, now, grid.plan.plan.name, run.seed, steps, cap)

    def _emit(self, run: Run, event: type[AnyEvent], now: int, *details: object) -> None:
        run.emit(event, now, *details)
        self._touched[run.id] = run

    def __repr__(self) -> str:
        return f"<Conductor {len(self.runs)} runs, {len(self._calls)} calls in the air, {self._resting} resting>"


_HINTS = {
    Code.CHECK_FAILED: "loosen the check, give more attempts, or use a stronger model",
    Code.DUPLICATE: "ask for fewer, vary the prompt, or give more attempts",
    Code.TRUNCATED: "raise sampling.max_tokens, or ask for less in one answer",
    Code.MALFORMED: "the model does not keep to the schema: simplify it, or use another model",
}
