"""The conductor. Its law:

1. Everything that changes the fate of a cell happens here, or in a `core` function called from here.
2. It is told the time; it never asks.

It is told facts (`prepared`, `identified`, `settled`) and answers with commands (`Prepare`, `Call`, `Cancel`). What has
happened is drained as events, numbered per run. Every operation costs the same in a run of twenty cells and of a million.
Time is in integer microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from fanfold.core.breaker import NEVER, Breaker
from fanfold.core.commands import FALLBACK, JUDGE, Command, Recall
from fanfold.core.commons import Membership
from fanfold.core.concurrency import Concurrency, Fixed
from fanfold.core.fates import name_of
from fanfold.core.grid import Grid
from fanfold.core.lane import Lane
from fanfold.core.limiter import Limiter
from fanfold.core.parcel import Muster
from fanfold.core.relive import Life
from fanfold.core.run import LOCAL, CallRecord, Cell, Rule, Run, Stop
from fanfold.core.states import State
from fanfold.core.together import Together
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Scope, Work
from fanfold.spec.errors import Code
from fanfold.spec.events import AnyEvent, Settled

Outcome: TypeAlias = Reply | Fault
USUAL = 1 / 16  # of the newest call in what calls use on average
FIRST = Life()
_PASSED = "the run's deadline has passed"


class Conductor(Together):
    """The verbs of the shell. What they lead to: `together` (several items in a call), `tail` (late calls), `traffic` (calls), `fates` (cells), `rows` (what begins), `floor`."""

    def add_lane(self, name: str, limiter: Limiter, cap: int | Concurrency) -> Lane:
        """A place where calls go. Its number is what rules name it by. cap: calls in the air, or who decides that."""
        lane = Lane(len(self.lanes), name, limiter, Fixed(cap) if isinstance(cap, int) else cap)
        self.lanes.append(lane)
        return lane

    def add(
        self,
        grid: Grid,
        rules: Sequence[Rule],
        now: int,
        *,
        seed: int = 0,
        cap: int | None = None,
        deadline: int | None = None,
        priority: int = 1,
        life: Life = FIRST,
    ) -> Run:
        """Begin a run, or go on with it. cap: its own limit of calls in the air. deadline: microseconds from now.

        priority: 0 critical, 1 normal, 2 optional. life: what it has behind it.
        """
        run = Run(self._runs, grid, rules, seed=seed, cap=cap or 1 << 30, now=now, priority=priority)
        run.served = self._served
        self._runs += 1
        self.runs[run.id] = run
        run.wall, run.money = life.wall, life.money
        if life.past is not None:
            run.seq = life.past.seq + 1
        self._emit_start(run, now)
        self._restore(run, life, now)
        for lane in self.lanes:  # a new run may try again where nobody was there, or where it was told to come later
            if lane.condemned is not None and (
                lane.condemned.scope is Scope.ENDPOINT or (lane.until is not None and lane.until <= now)
            ):
                lane.condemned = lane.until = None
                lane.breaker = Breaker()
            lane.breaker.wanted = not lane.breaker.closed
        lanes = any(lane.condemned is not None or not lane.breaker.closed for lane in self.lanes)
        self._troubled = lanes or any(other.refused or other.closing is not None for other in self.runs.values())
        if deadline is not None:
            run.deadline = now + deadline
            self._timers.set(run.deadline, run)
        run.open += 1  # held open until all its roots are in
        shared = tuple(rule.index for rule in run.rules if rule.shared)
        if shared:
            run.waits_for_keys = True
            self._out.append(Recall(run, shared))
        else:
            self._begin_roots(run, now)
        return run

    def _begin_roots(self, run: Run, now: int) -> None:
        self._wake(run, run.grid.roots(), now)
        run.open -= 1
        self._close_if_done(run, now)

    def cancel(self, run: Run, now: int) -> None:
        """Stop a run at once: nothing more starts, what is in the air is cancelled. Idempotent."""
        self._stop(run, Stop((State.CANCELLED, Code.CANCELLED, "the run was cancelled")), now)

    # ================================================================ facts and commands

    def commands(self, now: int) -> list[Command]:
        """What is to be done now, in order."""
        if self._stirred:  # first: what is due may be a twin for a spare that is not needed any more
            self._even_out(now)
        self._due(now)
        while self._stirred or self._freed:  # who waited for others, and is not needed any more, stirs its pool
            self._even_out(now)
            self._go_on(now)
        if self._wanting:
            self._twins(now)
        lanes = [lane for lane in self.lanes if lane.to_send.runs or lane.to_prepare.runs]
        if len(lanes) > 1:  # when slots are short, the one that has sent nothing for longest goes first
            lanes.sort(key=lambda lane: lane.latest)
        for lane in lanes:
            if lane.to_send.runs:
                self._admit(lane, now)  # first: what is sent makes room in the window
            if lane.to_prepare.runs:
                self._prepare(lane, now)
        for lane in lanes if len(lanes) > 1 else ():  # what another lane has sent may have made room where they take turns
            if lane.to_prepare.runs:
                self._prepare(lane, now)
        if self.lanes[LOCAL].to_prepare.runs:  # a run that has just run out of money is filled by its fallbacks
            self._prepare(self.lanes[LOCAL], now)
        if self._thin:
            self._launch(now)
        if self._wanting:
            self._twins(now)  # again: a second look at the same moment must find nothing more to do
        if self._freed:
            self._go_on(now)
        out, self._out = self._out, []
        return out

    def prepared(self, cell: Cell, result: Work | Hit | Broken, now: int) -> None:
        """The prompt is rendered and sized; or the value is there already; or it cannot be had."""
        joins = isinstance(result, Work) and bool(result.same or result.spoilt) and self._joins(cell, result, now)
        if cell.rule.items > 1 and self._musters(cell, result if isinstance(result, Work) and not joins else None, now):
            return  # it goes on being prepared until there are others to be asked with
        if not joins:  # else likewise, until somebody else's answer is there
            self._go_ahead(cell, result, now)

    def _go_ahead(self, cell: Cell, result: Work | Hit | Broken, now: int) -> None:
        lane = self.lanes[cell.lane]
        lane.preparing -= 1
        cell.run.preparing -= 1
        if cell.run.stop is not None:
            self._close_if_done(cell.run, now)
        elif isinstance(result, Hit) and result.work is not None and not result.known:
            self._found(cell, result.reply, result.work, now)
        elif isinstance(result, Broken):
            if cell.phase == FALLBACK and cell.failure is not None:
                code, message, hint = cell.failure
                cell.failure = (code, f"{message}; its fallback failed: {result.fault.message}", hint)
            self._fail(cell, result.fault.code, result.fault.message, result.fault.hint, now)
        elif isinstance(result, Hit):
            cell.move(State.GATED)
            cell.service = now - cell.since
            if cell.phase == FALLBACK or (result.known and result.work is None):
                cell.lengths = result.reply.lengths
                if (misfit := self._misfit(cell, result.reply)) is not None:
                    self._fail(cell, Code.CHECK_FAILED, misfit, "", now)
                elif cell.rule.unique is not None and not self._claim(cell, result.reply):
                    self._fail(cell, Code.DUPLICATE, self._taken(cell, name_of(result.reply)), "", now)
                else:
                    self._accept(cell, now)
            else:
                if result.work is not None:
                    cell.tokens = (result.work.tokens_in, result.work.tokens_out)
                self._answered(cell, result.reply, now)
        else:
            self._to_call(cell, result, now)

    def recalled(self, run: Run, found: Mapping[int, Membership] | Fault, now: int) -> None:
        """The keys that a run shares with others, by step; or why they cannot be had. Only now its first cells begin."""
        run.waits_for_keys = False
        if not isinstance(found, Fault):
            for step, member in found.items():
                run.keys.share((step,), member)
        if run.stop is not None:
            run.keys.leave()
            self._close_if_done(run, now)
        elif isinstance(found, Fault):
            self._stop(run, Stop((State.FAILED, found.code, found.message)), now)
        else:
            self._begin_roots(run, now)

    def identified(self, call: int, name: str, now: int) -> None:
        """The identity field of a streamed answer is complete: its key is taken at once, or the call is cancelled."""
        record = self._calls[call]
        cell = record.cell
        if record.doom:
            return
        record.named = True
        rival = self._rival(record, name)
        if rival is not None and not self._overtakes(record, rival):
            self._doom(record, Code.CANCELLED)
            return
        if self._take(cell, name, exact=False):
            if rival is not None:
                self._doom(rival, Code.CANCELLED)
            return
        alone = record.other() < 0
        self._doom(record, "duplicate")
        if alone:
            self._outrun(cell, name, now)

    def sent(self, call: int, now: int) -> None:
        """A call's bytes leave now, once its admission was durable: limits and times count from here."""
        record = self._calls[call]
        for each in (record,) if record.parcel is None else record.parcel.records:
            each.started = now
        self.lanes[record.lane].limiter.sent(record.bookings, now)

    def landed(self, call: int, now: int) -> None:
        """A call's answer has come and is being checked: its deadline is met."""
        self._calls[call].landed = now

    def settled(self, call: int, outcome: Outcome, now: int) -> None:
        """A call is over. Its slot and what it did not use come back; only the call that counts changes its cell."""
        counted = self.counts(call)
        record = self._calls.pop(call)
        cell, lane, run = record.cell, self.lanes[record.lane], record.cell.run
        del run.calls[call]
        usage = outcome.usage
        whole = (usage.tokens_in, usage.tokens_out) if record.parcel is None else self._unpacked(record, record.parcel, usage)
        if whole is not None:
            lane.in_air -= 1
            lane.limiter.settle(record.bookings, *whole, now)
        if run.money is not None:
            run.money.settle(record.cost, lane.price, usage)
        used = usage.tokens_in + usage.tokens_out
        run.served += (used - record.charged) / run.share
        lane.usual += USUAL * (used - lane.usual) if lane.usual else used
        if run.flying + 1 >= run.cap or run.money is not None:  # it was at its own cap, or short of money
            for index, queue in run.queues.items():
                if queue.waiting:
                    self.lanes[index].to_send.add(run)
        word = record.doom or ("ok" if isinstance(outcome, Reply) else str(outcome.code))
        took = (now if record.landed is None else record.landed) - record.started
        self._emit(
            run, Settled, now, cell.rule.index, cell.at, call, record.phase, word, took, usage.tokens_in, usage.tokens_out, usage.exact,
            usage.tokens_cached,
        )  # fmt: skip
        if isinstance(outcome, Fault):
            self._heard_of(record, outcome, now)
        else:
            self._delivered(record, lane, took, outcome, now)
        if whole is not None and record.parcel is not None and record.parcel.answered:
            lane.late.went_well()
            self._did_well(record, lane, took, whole[1], now)
        twin = record.other()
        if not counted:
            self._close_if_done(run, now)  # it was the last thing to wait for, perhaps
        elif isinstance(outcome, Fault) and twin >= 0:
            self._let_go(record)
            self._twin_failed(self._calls[twin], now)
        else:
            self._let_go(record)
            if twin >= 0:
                self._doom(self._calls[twin], Code.CANCELLED)
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
        if whole is not None and record.parcel is not None:
            record.parcel.dissolve()

    def _delivered(self, record: CallRecord, lane: Lane, took: int, reply: Reply, now: int) -> None:
        """What an answer teaches of its lane, whether or not it still counts."""
        tokens_out, of = reply.usage.tokens_out, record.cell
        (of.run.verdicts if record.phase == JUDGE else of.run.answers)[of.rule.index].saw(tokens_out)
        lane.proven = True
        lane.refused_since = None
        if reply.told:
            lane.limiter.heard(reply.told, now, sent_at=record.started)
            lane.is_limited()
        if record.parcel is not None:
            record.parcel.answered = True
            return
        lane.late.answered(took, None if record.first is None else record.started + took - record.first, tokens_out)
        self._did_well(record, lane, took, tokens_out, now)

    def _did_well(self, record: CallRecord, lane: Lane, took: int, tokens_out: int, now: int) -> None:
        """A request was answered."""
        if lane.adapts:
            lane.concurrency.progressed(max(0, tokens_out - record.heard), now, streamed=record.first is not None)
            lane.concurrency.finished(lane.in_air + 1, now, took=took, tokens=tokens_out)
        lane.retries.succeeded()
        self._learned(lane, now)
        if lane.breaker.troubled:
            self._well(lane, now)

    def wake_at(self, now: int) -> int | None:
        """The next moment at which something changes by itself. Nobody polls."""
        moment = self._timers.next()
        for lane in self.lanes:
            if not lane.to_send.runs or lane.in_air >= lane.cap or len(self._calls) - self._riders >= self.cap:
                continue
            if (run := lane.to_send.first()) is not None:
                opens = lane.open_at(*self._load(self._next(run, run.queues[lane.index], lane)), now)
                if opens < NEVER:
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

    @property
    def busy(self) -> bool:
        return bool(self.runs)

    @property
    def silent(self) -> bool:
        """Nothing has happened that was not drained."""
        return not self._touched

    # ================================================================ time

    def _due(self, now: int) -> None:
        while (what := self._timers.due(now)) is not None:
            if isinstance(what, Cell):
                if what.state is State.PREPARING:
                    self._give_up(what, Code.TIMEOUT, f"it was not prepared within {what.rule.timeout / 1e6:g} s")
                else:
                    self._resting -= 1
                    self._ready(what, urgent=True)
            elif isinstance(what, CallRecord):
                self._look_at(what, now)
            elif isinstance(what, Lane):
                what.breaker.wanted = True
            elif isinstance(what, Muster):
                self._march(what, now)
            elif what.closing is None:
                self._end_early(what, Fault(code=Code.TIMEOUT, message=_PASSED), now)
            else:
                self._stop(what, Stop((State.FAILED, what.closing.code, what.closing.message)), now)
