"""One call for all who ask the same: the others wait, and take its answer from the cache.

Whoever is ready to call for something first leads. When it is accepted, those who wait are prepared again, and find the answer. When it
fails, is refused or is given up, the next of them leads. To wait costs no attempt and no slot, and never more time than a
preparation may take: then a cell calls for itself. Who leads asks for the bare request only: what is asked again, with a reason or
names to avoid, is another question, and its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from fanfold.core.commands import FALLBACK
from fanfold.core.relive import reply_of
from fanfold.core.run import Cell, Run, Stop
from fanfold.core.spares import Spares
from fanfold.core.states import State
from fanfold.spec import events
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Work
from fanfold.spec.errors import Code


class Flight:
    """What one cell calls for, and who waits for it, by id, in the order in which they came."""

    __slots__ = ("leader", "waiting")

    def __init__(self, leader: Cell) -> None:
        self.leader = leader
        self.waiting: dict[int, tuple[Cell, Work]] = {}


class Joint(Spares):
    """What is different where several cells ask the same, or the cache has the answer."""

    def __init__(self, *, cap: int = 1 << 30, local_cap: int = 16) -> None:
        super().__init__(cap=cap, local_cap=local_cap)
        self._joint: dict[str, Flight] = {}
        self._freed: dict[
            int, tuple[Cell, Work | Broken | None]
        ] = {}  # waited, and go on when commands are asked for; None: prepared anew

    # ================================================================ what preparing gave

    def _found(self, cell: Cell, reply: Reply, work: Work, now: int) -> None:
        """The cache has an answer. It passes the same gates as any other; refused there it has cost nothing, and a call is made."""
        outcome = self._gate(cell, reply)
        self._emit(cell.run, events.Hit, now, cell.rule.index, cell.at, outcome or "ok")
        if outcome:
            self._to_call(cell, work, now)
        else:
            cell.tokens = (work.tokens_in, work.tokens_out)  # its judge may refuse it still
            cell.move(State.GATED)
            cell.service = now - cell.since
            self._answered(cell, reply, now)

    def _gate(self, cell: Cell, reply: Reply) -> str:
        """The code of the gate that refuses an answer, or ""; then its key is the cell's."""
        if reply.finding is not None:
            return str(Code.MALFORMED if reply.check == "schema" else Code.CHECK_FAILED)
        if self._misfit(cell, reply) is not None:
            return str(Code.CHECK_FAILED)
        if cell.rule.unique is not None and not self._claim(cell, reply):
            return str(Code.DUPLICATE)
        return ""

    def _to_call(self, cell: Cell, work: Work, now: int) -> None:
        if (fault := self._blocked(cell)) is not None:
            self._fail(cell, fault.code, fault.message, fault.hint, now)
        else:
            cell.tokens = (work.tokens_in, work.tokens_out)
            cell.kin, cell.common = work.kin, work.common
            draft = None if cell.run.past is None else self._drafted(cell, now)
            if draft is None:
                self._ready(cell, urgent=False)
            else:  # it was answered in an earlier life
                cell.move(State.GATED)
                cell.service = draft.took
                self._answered(cell, reply_of(draft), now)

    # ================================================================ to lead, or to wait

    def _joins(self, cell: Cell, work: Work, now: int) -> bool:
        """Whether somebody else is calling for the same already, so that it waits. If not, it leads from now on."""
        if cell.run.stop is not None:
            return False
        if work.spoilt:
            self._emit(cell.run, events.Hit, now, cell.rule.index, cell.at, work.spoilt)
        if not work.same or cell.judged or cell.rule.take or self._blocked(cell) is not None:
            return False  # refused before, it asks something else; and what has candidates of its own is not prepared twice
        cell.same = work.same
        flight = self._joint.get(work.same)
        if flight is None:
            self._joint[work.same] = Flight(cell)
            return False
        flight.waiting[cell.id] = (cell, replace(work, spoilt=""))
        return True

    def _lands(self, cell: Cell, *, accepted: bool = False) -> None:
        """It calls for the bare request no longer. accepted: its answer is in the cache before the next command is performed."""
        flight = self._joint.get(cell.same)
        if flight is None or flight.leader is not cell:
            return
        del self._joint[cell.same]
        cell.same = ""
        for waiter, work in flight.waiting.values():
            self._freed[waiter.id] = (waiter, None if accepted else work)

    def _go_on(self, now: int) -> None:
        """Those who waited in vain: the first leads, the others wait for it; who is given up ends as if being prepared."""
        while self._freed:
            cell, result = self._freed.pop(next(iter(self._freed)))
            cell.same = ""
            if result is not None:
                self.prepared(cell, result, now)
                continue
            cell.wake = now + cell.rule.timeout
            self._timers.set(cell.wake, cell)
            self._have_prepared(cell)

    if TYPE_CHECKING:

        def prepared(self, cell: Cell, result: Work | Hit | Broken, now: int) -> None: ...

    def _give_up(self, cell: Cell, code: str, message: str, hint: str = "") -> None:
        """Nobody prepares a cell that waits for another: it ends by itself; or, when it has waited too long, calls for itself."""
        flight = self._joint.get(cell.same)
        waited = flight.waiting.pop(cell.id, None) if flight is not None else None
        if waited is None and cell.id not in self._freed:
            super()._give_up(cell, code, message, hint)
            return
        late = code == Code.TIMEOUT and cell.run.stop is None and cell.run.closing is None
        if waited is not None and late:
            self._freed[cell.id] = (cell, replace(waited[1], same=""))
        else:
            self._freed[cell.id] = (cell, Broken(fault=Fault(code=str(code), message=message, hint=hint)))
        cell.wake = -1

    # ================================================================ how leading ends

    def _again(self, cell: Cell, code: Code, reason: str, check: str, now: int, hint: str = "") -> None:
        self._lands(cell)
        super()._again(cell, code, reason, check, now, hint)

    def _fail(self, cell: Cell, code: str, message: str, hint: str, now: int) -> None:
        self._lands(cell)
        super()._fail(cell, code, message, hint, now)

    def _hop(self, cell: Cell, fault: Fault, now: int) -> bool:
        left = super()._hop(cell, fault, now)
        if left:  # what it asks of another model is another question
            self._lands(cell)
        return left

    def _end(self, cell: Cell, state: State, why: tuple[str, str, str], now: int) -> None:
        self._lands(cell, accepted=state is State.ACCEPTED and cell.phase != FALLBACK)
        super()._end(cell, state, why, now)

    def _spare_over(self, cell: Cell, why: tuple[str, str, str], now: int, fills: tuple[int, ...] | None = None) -> None:
        self._lands(cell)
        super()._spare_over(cell, why, now, fills)

    def _stop(self, run: Run, stop: Stop, now: int) -> None:
        for cell in run.cells.values():
            self._lands(cell)
        super()._stop(run, stop, now)
