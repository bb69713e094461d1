"""Calls: admitted through their lanes, and what their faults say of the lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from fanfold.core.breaker import NEVER
from fanfold.core.commands import ANSWER, JUDGE, Call
from fanfold.core.joint import Joint
from fanfold.core.lane import Hold, Lane
from fanfold.core.limiter import Booking
from fanfold.core.money import cost_of
from fanfold.core.parcel import Parcel, shared
from fanfold.core.retry import WAIT_MOST_S, asked
from fanfold.core.run import CallRecord, Cell, Queue, Run
from fanfold.core.states import State
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.errors import Code
from fanfold.spec.events import Called, Paced

TRIAL, SPREAD = 3, 4  # purposes of draws
ILL = frozenset({Code.TRANSIENT, Code.TIMEOUT})
FINAL = (Scope.LANE, Scope.ACCOUNT)  # no other call would fare better there
VERDICT = 100  # tokens of a judge's answer, before the first
MORE_MONEY = "give more, and resume the run"
PATIENCE = 10_000_000  # µs of nothing but 429s, waits to come included, after which what can go elsewhere does
TOLD_AGAIN, TOLD_ANEW = 5_000_000, 500_000  # µs between two tellings of what holds a run back: the same, and something else


class Traffic(Joint):
    """From a cell that is ready to a call in the air."""

    def _admit(self, lane: Lane, now: int) -> None:
        """Slot first; then requests and tokens in one step; what is admitted is sent at once."""
        cap = lane.cap
        while lane.in_air < cap and len(self._calls) - self._riders < self.cap and (run := lane.to_send.first()) is not None:
            queue = run.queues[lane.index]
            cells = self._next(run, queue, lane)
            tokens_in, tokens_out = self._load(cells)
            if lane.open_at(tokens_in, tokens_out, now) > now:
                if now >= lane.looked_at + TOLD_ANEW:
                    self._tell_hold(self._hold(run, lane, now), lane, now)
                return
            if run.money is not None and not self._affordable(run, cells, lane, now):
                continue
            if len(cells) == 1:
                queue.pop()
            else:
                queue.pop_all(cells)
            lane.ready -= len(cells)
            self._served = run.served
            lane.late.begun()
            for cell in cells:
                cell.move(State.CALLING)
                cell.twins = 0
            cells[0].call = self._send(cells[0], lane, now, *cells[1:]).id
        if now >= lane.looked_at + TOLD_ANEW:
            self._tell_hold(self._full(lane), lane, now)

    def _next(self, run: Run, queue: Queue, lane: Lane) -> list[Cell]:
        """The cells of the next call; of several, fewer where all together would never fit a limit, or what is left of the money."""
        head = queue.head()
        if run.items == 1 or head.rule.items == 1:
            return [head]
        cells = queue.fellows(head.rule.items)
        while len(cells) > 1 and not lane.limiter.holds(*self._load(cells)):
            cells.pop()
        if run.money is not None and not run.calls:
            while len(cells) > 1 and not run.money.fits(sum(self._costs(cells, lane))):
                cells.pop()
        return cells

    def _affordable(self, run: Run, cells: Sequence[Cell], lane: Lane, now: int) -> bool:
        """Whether the money of its run is enough for the next call. If not, the run waits for what is in the air, and ends with that."""
        assert run.money is not None
        cost = sum(self._costs(cells, lane))
        if run.money.fits(cost):
            return True
        if run.calls:
            run.money.short = True
        else:
            self._end_early(run, Fault(code=Code.BUDGET, message=f"the budget of {run.money.too_dear(cost)}; {MORE_MONEY}"), now)
        return False

    def _costs(self, cells: Sequence[Cell], lane: Lane) -> list[int]:
        """By cell, what its part of their next call may cost."""
        if len(cells) == 1:
            return [self._cost(cells[0], lane)]
        return [self._cost(cell, lane, booked) for cell, booked in zip(cells, self._booked(cells), strict=True)]

    def _cost(self, cell: Cell, lane: Lane, booked: int | None = None) -> int:
        """What its next call may cost there, and the verdict that follows an answer, in picodollars. booked: tokens of the prompt."""
        tokens_in, _ = self._size(cell)
        most, rule = self._most_out(cell), cell.rule
        cost = cost_of(lane.price, tokens_in if booked is None else booked, most)
        if cell.phase == ANSWER and rule.judge_lane is not None:
            verdict = cell.run.verdicts[rule.index].most(VERDICT)
            cost += (1 + rule.both_orders) * cost_of(self.lanes[rule.judge_lane].price, tokens_in + most, verdict)
        return cost

    def _most_out(self, cell: Cell) -> int:
        """Tokens out of its next call at the most, as far as is known."""
        if cell.phase == JUDGE:
            return cell.run.verdicts[cell.rule.index].most(cell.judge_tokens[1])
        return cell.run.answers[cell.rule.index].most(cell.tokens[1])

    def _hold(self, run: Run, lane: Lane, now: int) -> Hold | None:
        """The limit that keeps the next call from starting."""
        if not lane.breaker.closed and lane.limiter.gate <= now:
            return Hold("trouble")
        if lane.limiter.gate > now:
            return Hold("wait")
        found = Hold(*lane.limiter.binding(now, *self._load(self._next(run, run.queues[lane.index], lane))))
        return found if found.by else None

    def _full(self, lane: Lane) -> Hold | None:
        """Nothing may start although no limit says so: all slots are taken, of the lane, of all lanes, or of its runs."""
        if lane.to_send.first() is not None:
            return Hold("concurrency", limit=min(lane.cap, self.cap))
        caps = [run.cap for run in self.runs.values() if (q := run.queues.get(lane.index)) is not None and q.waiting]
        return Hold("concurrency", limit=min(caps)) if caps else None

    def _tell_hold(self, hold: Hold | None, lane: Lane, now: int) -> None:
        """Every run that waits here is told; and when nothing holds it back any more."""
        lane.looked_at = now
        if hold is None:
            hold = Hold("")
        if hold.alike(lane.told) and (not hold.by or now < lane.told_at + TOLD_AGAIN):
            return
        before, lane.told, lane.told_at = lane.told, hold, now
        for run in self.runs.values():
            queue = run.queues.get(lane.index)
            if queue is not None and (queue.waiting or (not hold.by and before.by)):
                self._emit(run, Paced, now, lane.index, hold.by, hold.share, hold.limit, hold.source)

    def _send(self, cell: Cell, lane: Lane, now: int, *riders: Cell) -> CallRecord:
        """Book a call and have it sent; with riders, one request for all of them."""
        cells = (cell, *riders)
        tokens_in, tokens_out = self._load(cells) if riders else self._size(cell)
        bookings = lane.limiter.book(tokens_in, tokens_out, now)
        lane.in_air += 1
        lane.breaker.tried()
        lane.latest = self._made
        if not riders:
            record = self._begun(cell, lane, bookings, None, tokens_in, now)
            self._out.append(self._call(cell, record, tokens_in))
            return record
        parcel = Parcel(len(cells))
        calls = []
        for each, size in zip(cells, self._booked(cells), strict=True):
            record = self._begun(each, lane, bookings, parcel, size, now)
            calls.append(self._call(each, record, size))
        self._out.append(msgspec.structs.replace(calls[0], riders=tuple(calls[1:])))
        return parcel.records[0]

    def _begun(
        self, cell: Cell, lane: Lane, bookings: tuple[Booking, ...], parcel: Parcel | None, tokens_in: int, now: int
    ) -> CallRecord:
        """The call of one cell goes out. parcel: the request that it shares; tokens_in: of that request's prompt, what is for it."""
        run = cell.run
        record = CallRecord(self._made, cell, lane.index, now, bookings)
        self._made += 1
        self._calls[record.id] = run.calls[record.id] = record
        record.parcel = cell.parcel = parcel
        if parcel is not None:
            rides = parcel.add(record)
            self._riders += rides
            run.riders += rides
            cell.call, record.hedge_at = record.id, NEVER
        record.charged = lane.usual
        if run.money is not None:
            record.cost = self._cost(cell, lane, tokens_in)
            run.money.book(record.cost)
        run.served += record.charged / run.share
        self._watch(record, lane, now)
        self._emit(
            run, Called, now, cell.rule.index, cell.at, record.id, cell.judged + 1, cell.phase, lane.index,
            tokens_in + self._size(cell)[1], tokens_in, self._most_out(cell), *(() if parcel is None else parcel.told),
        )  # fmt: skip
        return record

    if TYPE_CHECKING:

        def _watch(self, record: CallRecord, lane: Lane, now: int) -> None: ...

    def _size(self, cell: Cell) -> tuple[int, int]:
        """Tokens in and out of its next call, the latter as the answers of its step have been."""
        if cell.phase == JUDGE:
            tokens_in, guess = cell.judge_tokens
            return tokens_in, cell.run.verdicts[cell.rule.index].expected(guess)
        tokens_in, guess = cell.tokens
        return tokens_in, cell.run.answers[cell.rule.index].expected(guess)

    def _load(self, cells: Sequence[Cell]) -> tuple[int, int]:
        """Tokens in and out of one request for these cells."""
        if len(cells) == 1:
            return self._size(cells[0])
        return sum(self._booked(cells)), sum(self._size(cell)[1] for cell in cells)

    def _booked(self, cells: Sequence[Cell]) -> list[int]:
        """By cell, tokens of the prompt that it adds to one request for all of them."""
        return shared([self._size(cell)[0] for cell in cells], min(cell.common for cell in cells))

    def _call(self, cell: Cell, record: CallRecord, booked: int) -> Call:
        if cell.phase == JUDGE:
            return Call(record.id, cell, JUDGE, record.lane, swapped=cell.opinion is not None)
        avoid: tuple[str, ...] = ()
        crowded: tuple[str, ...] = ()
        if cell.rule.unique is not None:
            cell.asked = cell.run.keys.taken(self._scope(cell))
        if cell.rule.unique is not None and (cell.judged or cell.run.keys.hot):
            avoid = cell.run.keys.avoid(self._scope(cell), cell.id, cell.clash)
            crowded = cell.run.keys.crowded(self._scope(cell))
        cell.told = bool(avoid) or cell.judged > 0
        return Call(record.id, cell, ANSWER, record.lane, avoid, cell.reason, cell.repair, cell.longer, crowded, booked=booked)

    def _heard_of(self, record: CallRecord, fault: Fault, now: int) -> None:
        """What a fault says beyond its own call. It is acted upon here, whether or not that call still counts."""
        lane, run = self.lanes[record.lane], record.cell.run
        hopeless = fault.scope in FINAL or (fault.retry_after_s or 0) > WAIT_MOST_S
        alien = fault.scope is Scope.ENDPOINT and fault.code == Code.MALFORMED
        if fault.scope not in FINAL and hopeless:
            fault = msgspec.structs.replace(
                fault, message=f"{fault.message}; it asks to wait for {_span(fault.retry_after_s or 0)}"
            )
        if hopeless or (fault.scope is Scope.ENDPOINT and not alien and not lane.proven):
            shared = fault.scope is Scope.ACCOUNT and lane.account
            for each in [each for each in self.lanes if shared and each.account == lane.account] or [lane]:
                self._condemn(each, fault, now)
        elif fault.scope is Scope.STEP and run.stop is None:
            self._troubled = True
            run.refused.setdefault((record.cell.rule.index, record.lane), fault)
            self._reroute(run, [record.cell.rule], now)
        elif fault.code == Code.RATE_LIMITED:
            lane.is_limited()
            wait = None if fault.retry_after_s is None else asked(fault.retry_after_s, 0.0)
            lane.limiter.throttled(
                wait, now, sent_at=record.started, refused=fault.refused, told=fault.told, jitter=record.cell.draw(SPREAD)
            )
        lane.proven = lane.proven or fault.status > 0
        if fault.overload:
            lane.concurrency.overloaded(record.started, now)
        if fault.code == Code.RATE_LIMITED and lane.refused(now) >= PATIENCE and self._spared(lane):
            self._troubled = True
            lane.breaker.rest(max(now, lane.limiter.gate))
            assert lane.breaker.until is not None
            self._timers.set(lane.breaker.until, lane)
            self._lanes_changed(lane, now)
        elif (alien or fault.code in ILL) and not record.doom:
            self._ill(lane, record, fault, now)
        elif not record.doom and fault.status > 0:
            self._well(lane, now)  # somebody is there
        else:
            lane.breaker.said_nothing(record.started)

    def _ill(self, lane: Lane, record: CallRecord, fault: Fault, now: int) -> None:
        """A call was not answered as a server does that is well: perhaps it is better left alone."""
        lane.late.failed()
        alien = fault.code not in ILL
        if not lane.breaker.failed(record.started, now, record.cell.draw(TRIAL), alien=alien):
            return
        self._troubled = True
        if lane.breaker.hopeless and self._needed(lane):
            message = f"{fault.message}; it has failed again and again"
            self._condemn(lane, Fault(code=fault.code, message=message, hint=fault.hint, scope=Scope.ENDPOINT), now)
        else:
            assert lane.breaker.until is not None
            self._timers.set(lane.breaker.until, lane)
            self._lanes_changed(lane, now)

    def _needed(self, lane: Lane) -> bool:
        """Whether somebody has nowhere else to go that is well."""
        return not self._spared(lane)

    def _spared(self, lane: Lane) -> bool:
        """Whether all that could go through it has another lane to go to now."""
        for run in self.runs.values():
            for rule in run.rules if run.stop is None else ():
                for chain in (rule.chain, rule.judge_chain):
                    other = self._usable(run, rule, [index for index in chain if index != lane.index])
                    if lane.index in chain and (other is None or not other.breaker.closed):
                        return False
        return True

    def _well(self, lane: Lane, now: int) -> None:
        if lane.breaker.succeeded():
            self._lanes_changed(lane, now)

    def _lanes_changed(self, lane: Lane, now: int) -> None:
        """A breaker has opened or closed: what has another lane to go to goes there, or comes back."""
        for run in list(self.runs.values()):
            if run.stop is None:
                rules = [rule for rule in run.rules if lane.index in (*rule.chain, *rule.judge_chain)]
                if any(len(rule.chain) > 1 or len(rule.judge_chain) > 1 for rule in rules):
                    self._reroute(run, rules, now)

    def _condemn(self, lane: Lane, fault: Fault, now: int) -> None:
        """Nothing more goes through this lane: a wrong key, no quota, an unknown model, nobody there."""
        if lane.condemned is None:
            lane.condemned = fault
            self._troubled = True
            if fault.scope not in FINAL and fault.retry_after_s is not None:
                lane.until = now + asked(fault.retry_after_s, 0.0)
            for run in list(self.runs.values()):
                if run.stop is None:
                    rules = [rule for rule in run.rules if lane.index in (*rule.chain, *rule.judge_chain)]
                    run.tally.cut_off |= any(self._refusal(run, rule) is not None for rule in rules)
                    self._reroute(run, rules, now)


def _span(seconds: float) -> str:
    """86400 -> "24 h", 1200 -> "20 min": only what is too long to wait for is told."""
    return f"{seconds / 3600:.3g} h" if seconds >= 3600 else f"{seconds / 60:.3g} min"
