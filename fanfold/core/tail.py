"""The slow tail: a call that is late is looked at, hedged by a second one, or given up.

Deadlines within a call: its first content, then all of it. Before those, a call slower than nearly all before it gets a twin
(hedged requests; Dean and Barroso, The Tail at Scale, 2013): the first good answer wins, the other is cancelled and charged. Both
stand for one cell, and hold one key between them.
"""

from __future__ import annotations

from fanfold.core.breaker import NEVER
from fanfold.core.knee import Knee
from fanfold.core.lane import Lane
from fanfold.core.run import CallRecord, Cell
from fanfold.core.traffic import Traffic
from fanfold.core.uniqueness import normalise
from fanfold.spec.calls import Fault
from fanfold.spec.errors import Code

TWINS = 2  # for one call: the second when the first fails, or is late itself
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
            self._learned(lane, now)
        if lane.adapts:
            lane.concurrency.progressed(tokens - record.heard, now, streamed=True)
        record.heard = tokens
        fresh = record.other() < 0 and record.hedge_at != NEVER and not record.doom
        if fresh and self._crawls(record, lane, now) and self._hedge(record, now):
            record.hedge_at = NEVER  # one twin is enough

    def _watch(self, record: CallRecord, lane: Lane, now: int) -> None:
        """Set the moment at which this call is looked at next: its hedge, its first content, its end."""
        end = record.started + record.timeout
        moments = [end]
        if record.first is None:
            if record.streams:
                moments.append(record.started + lane.late.first_deadline())
            if record.hedge_at is None:
                after = lane.late.hedge_after(streamed=record.streams)
                record.hedge_at = None if after is None else record.started + after
            if record.hedge_at is not None and self._younger(record):
                moments.append(max(record.hedge_at, now + 1))
        record.check = max(min(now + 1, end), min(moments)) if now > record.started else min(moments)
        self._timers.set(record.check, record)

    def _look_at(self, record: CallRecord, now: int) -> None:
        """The moment has come at which a call is looked at."""
        lane, timeout = self.lanes[record.lane], record.timeout
        if now >= record.started + timeout:
            self._late(record, f"no complete answer within {timeout / 1e6:g} s", now)
        elif record.first is None and record.streams and now >= record.started + lane.late.first_deadline():
            lane.late.first_missed()
            self._late(record, f"nothing was heard within {(now - record.started) / 1e6:g} s", now)
        else:
            if record.first is None and record.hedge_at is not None and now >= record.hedge_at and self._younger(record):
                self._want_twin(record, lane, now)
            self._watch(record, lane, now)

    def _want_twin(self, record: CallRecord, lane: Lane, now: int) -> None:
        """It is late: send a twin, or do so as soon as there is room for one. A twin that is late itself makes way for another."""
        other = record.other()
        if other >= 0 and self._berth(record.cell, lane, now) is not None:
            record.hedge_at = NEVER
            self._doom(record, Code.CANCELLED)
            self._twin_failed(self._calls[other], now)
        elif other < 0 and self._hedge(record, now):
            record.hedge_at = NEVER
        else:
            record.hedge_at = now + ASK_AGAIN
            if lane.limiter.eager:  # else room is scarce, and a second is soon enough
                lane.wanting[record.id] = record
                self._wanting.add(lane.index)

    @staticmethod
    def _younger(record: CallRecord) -> bool:
        """Whether it is the only call of its cell, or the last one."""
        return record.id > record.other()

    def _twins(self, now: int) -> None:
        """Where there is room, those that are late have their twins."""
        for index in sorted(self._wanting):
            lane = self.lanes[index]
            if lane.in_air < lane.cap and (not lane.ready or lane.limiter.eager):
                self._pair(lane, now)
                if not lane.wanting:
                    self._wanting.discard(index)

    def _pair(self, lane: Lane, now: int) -> None:
        for record in list(lane.wanting.values()):
            if record.doom or record.other() >= 0 or record.first is not None or record.id not in self._calls:
                del lane.wanting[record.id]
            elif self._hedge(record, now):
                record.hedge_at = NEVER
                del lane.wanting[record.id]
            else:
                return

    def _learned(self, lane: Lane, now: int) -> None:
        """When it becomes known what is late, the calls that are in the air already are looked at anew."""
        if lane.late.learned():
            for record in list(self._calls.values()):
                if record.lane == lane.index and not record.doom and record.hedge_at != NEVER and record.landed is None:
                    record.hedge_at = None
                    self._watch(record, lane, now)

    def _twin_failed(self, record: CallRecord, now: int) -> None:
        """The other call goes on alone, and may have another twin: it is late still."""
        if record.first is None and not record.doom and record.landed is None:
            record.hedge_at = now
            self._watch(record, self.lanes[record.lane], now)

    def _rival(self, record: CallRecord, name: str) -> CallRecord | None:
        """The call beside it, where that has streamed another name. A cell holds one key (R5), so that only one of them can go on."""
        other = self._calls.get(record.other())
        key = record.cell.key
        return other if other is not None and other.named and key is not None and key[1] != normalise(name) else None

    @staticmethod
    def _overtakes(record: CallRecord, rival: CallRecord) -> bool:
        """Whether it was sent because the other's tokens came so slowly. Else both began late, and the one that was named first is ahead."""
        return rival.first is not None and rival.first < record.started

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
        _, expected = self._size(record.cell)
        return lane.late.crawls(record.heard, now - record.first, expected)

    def _hedge(self, record: CallRecord, now: int) -> bool:
        """Send a twin: through the next lane of the chain that is free, else through the same one; never beyond a limit or the budget.

        Where cells wait for a limit it would only take the place of one; where they wait for slots, the late call keeps one busy.
        """
        own = self.lanes[record.lane]
        lane = self._berth(record.cell, own, now)
        if lane is None:
            return False
        own.late.spend()
        record.cell.twins += 1
        record.cell.hedge = self._send(record.cell, lane, now).id
        return True

    def _berth(self, cell: Cell, own: Lane, now: int) -> Lane | None:
        """Where a twin of its call in the lane `own` could go."""
        run = cell.run
        if self._flying >= self.cap or run.flying >= run.cap or run.stop is not None or not own.late.allowed:
            return None
        if cell.twins >= TWINS:
            return None
        usable = [self.lanes[i] for i in cell.twin_lanes if self._usable(run, cell.rule, (i,)) is not None]
        for lane in sorted(usable, key=lambda lane: lane is own):
            if lane.free(self._size(cell), now) and (not lane.ready or lane.limiter.eager):
                return lane if run.money is None or run.money.fits(self._cost(cell, lane)) else None
        return None
