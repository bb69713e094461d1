"""Calls: admitted through their lanes, timed, and what their faults say of the lane."""

from __future__ import annotations

from fanfold.core.commands import ANSWER, JUDGE, Call
from fanfold.core.fates import Fates
from fanfold.core.lane import Lane
from fanfold.core.retry import WAIT_MOST_S, asked, backoff
from fanfold.core.run import CallRecord, Cell
from fanfold.core.states import State
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.errors import Code
from fanfold.spec.events import Called


class Traffic(Fates):
    """From a cell that is ready to a call in the air, and back."""

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

    def _size(self, cell: Cell) -> tuple[int, int]:
        return cell.judge_tokens if cell.phase == JUDGE else cell.tokens

    def _call(self, cell: Cell, call: int) -> Call:
        if cell.phase == JUDGE:
            return Call(call, cell, JUDGE, cell.lane)
        avoid: tuple[str, ...] = ()
        if cell.rule.unique is not None and (cell.judged or cell.run.keys.hot):
            avoid = cell.run.keys.avoid(self._scope(cell), cell.id)
        return Call(call, cell, ANSWER, cell.lane, avoid, cell.reason, cell.repair, cell.longer)

    def _timed_out(self, record: CallRecord, now: int) -> None:
        cell = record.cell
        self._doom(record, Code.TIMEOUT)
        seconds = cell.rule.timeout / 1e6
        self._faulted(cell, Fault(code=Code.TIMEOUT, message=f"no complete answer within {seconds:g} s"), now)

    def _heard_of(self, record: CallRecord, fault: Fault, now: int) -> None:
        """What a fault says beyond its own call. It is acted upon here, whether or not that call still counts."""
        lane, run = self.lanes[record.lane], record.cell.run
        hopeless = fault.scope is Scope.LANE or (fault.retry_after_s or 0) > WAIT_MOST_S
        if hopeless or (fault.scope is Scope.ENDPOINT and not lane.proven):
            self._condemn(lane, fault, now)
        elif fault.scope is Scope.STEP and run.stop is None:
            run.refused.setdefault((record.cell.rule.index, record.lane), fault)
            self._reroute(run, [record.cell.rule], now)
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
                    rules = [rule for rule in run.rules if lane.index in (*rule.chain, *rule.judge_chain)]
                    run.tally.cut_off |= any(self._refusal(run, rule) is not None for rule in rules)
                    self._reroute(run, rules, now)
