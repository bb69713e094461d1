"""The slow tail: a call that is late is looked at, hedged by a second one, or given up.

Deadlines within a call: its first content, then all of it. Before those, a call slower than nearly all before it gets a twin
(hedged requests; Dean and Barroso, The Tail at Scale, 2013): the first good answer wins, the other is cancelled and charged. Both
stand for one cell, and hold one key between them.
"""

from __future__ import annotations

from fanfold.core.knee import Knee
from fanfold.core.lane import NEVER, Lane
from fanfold.core.run import CallRecord
from fanfold.core.traffic import Traffic
from fanfold.spec.calls import Fault
from fanfold.spec.errors import Code

ASK_AGAIN = 1_000_000  # µs until a twin that was not possible is asked for again


class Tail(Traffic):
    """What time does to a call in the air."""

    def heard(self, call: int, tokens: int, now: int) -> None:
        """So many tokens of content have streamed. Told at the first, and now and then."""
        record = self._calls[call]
        lane = self.lanes[record.lane]
        if record.first is None:
            record.first = now
            lane.late.first(now - record.started)
        if lane.adapts:
            lane.concurrency.progressed(tokens - record.heard, now, streamed=True)
        record.heard = tokens
        fresh = record.other() < 0 and record.hedge_at != NEVER and not record.doom
        if fresh and self._crawls(record, lane, now) and self._hedge(record, now):
            record.hedge_at = NEVER  # one twin is enough

    def _watch(self, record: CallRecord, lane: Lane, now: int) -> None:
        """Set the moment at which this call is looked at next: its hedge, its first content, its end."""
        moments = [record.started + record.cell.rule.timeout]
        if record.first is None:
            if record.streams:
                moments.append(record.started + lane.late.first_deadline())
            if record.hedge_at is None and record.other() < 0:
                after = lane.late.hedge_after(streamed=record.streams)
                record.hedge_at = None if after is None else record.started + after
            if record.hedge_at is not None and record.other() < 0:
                moments.append(max(record.hedge_at, now + 1))
        record.check = max(now + 1, min(moments)) if now > record.started else min(moments)
        self._timers.set(record.check, record)

    def _look_at(self, record: CallRecord, now: int) -> None:
        """The moment has come at which a call is looked at."""
        lane, timeout = self.lanes[record.lane], record.cell.rule.timeout
        if now >= record.started + timeout:
            self._late(record, f"no complete answer within {timeout / 1e6:g} s", now)
        elif record.first is None and record.streams and now >= record.started + lane.late.first_deadline():
            lane.late.first_missed()
            self._late(record, f"nothing was heard within {(now - record.started) / 1e6:g} s", now)
        else:
            if record.first is None and record.other() < 0 and record.hedge_at is not None and now >= record.hedge_at:
                record.hedge_at = NEVER if self._hedge(record, now) else now + ASK_AGAIN
            self._watch(record, lane, now)

    def _late(self, record: CallRecord, message: str, now: int) -> None:
        """Give a call up. Its twin, if it has one, goes on alone."""
        lane = self.lanes[record.lane]
        if isinstance(lane.concurrency, Knee):
            lane.concurrency.overloaded(record.started, now)  # it may have queued for all that time
        alone, fault = record.other() < 0, Fault(code=Code.TIMEOUT, message=message)
        self._doom(record, Code.TIMEOUT)
        self._ill(self.lanes[record.lane], record, fault, now)
        if alone:
            self._faulted(record.cell, fault, now)

    def _crawls(self, record: CallRecord, lane: Lane, now: int) -> bool:
        """Whether its tokens come so slowly that a fresh call would be done sooner."""
        assert record.first is not None
        return lane.late.crawls(record.heard, now - record.first, record.tokens[1])

    def _hedge(self, record: CallRecord, now: int) -> bool:
        """Send a twin: through the next lane of the chain that is free, else through the same one; never beyond a limit or the budget,
        nor ahead of a cell that waits: it would only take that one's place.
        """
        cell, run = record.cell, record.cell.run
        if len(self._calls) >= self.cap or len(run.calls) >= run.cap or run.stop is not None:
            return False
        own = self.lanes[record.lane]
        usable = [self.lanes[i] for i in cell.chain if self._usable(run, cell.rule, (i,)) is not None]
        for lane in sorted(usable, key=lambda lane: lane is own):
            size = self._size(cell)
            if not lane.ready and lane.free(size, now) and own.late.allowed:
                own.late.spend()
                cell.hedge = self._send(cell, lane, now).id
                return True
        return False
