"""Several items in one call: the first answers go to their cells, whatever becomes of the others.

Cells of one step whose prompts can be joined leave together, as many as the step allows, in the order in which they wait. They wait for
one another only while prompts are being prepared, and not for long: never for anything that depends on an answer. What was refused
is asked again alone, with the reason; what is merely missing from an answer was never judged, and goes again with others, or
alone when that has happened twice. What a request was refused for as a whole (too long, filtered) may be the fault of one of its cells: each
is asked alone before it fails for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fanfold.core.commands import ANSWER
from fanfold.core.lane import Lane
from fanfold.core.parcel import LINGER, Muster, Parcel
from fanfold.core.retry import Remedy, remedy
from fanfold.core.run import CallRecord, Cell
from fanfold.core.tail import Tail
from fanfold.spec.calls import Broken, Fault, Hit, Scope, Usage, Work
from fanfold.spec.errors import Code

OF_ONE = frozenset({Code.BAD_REQUEST, Code.FILTERED, Code.TOO_LONG})
"""What a request for several cells is refused for, and one for each of them perhaps not."""


class Together(Tail):
    """What is different where a request is for several cells."""

    # ================================================================ before the call

    def _have_prepared(self, cell: Cell) -> None:
        if cell.rule.items > 1 and cell.phase == ANSWER:
            cell.run.musters.setdefault(cell.rule.index, Muster()).coming.add(cell.id)
        super()._have_prepared(cell)

    def _musters(self, cell: Cell, work: Work | None, now: int) -> bool:
        """Whether a cell whose prompt is ready waits for others that are nearly so. work: None where it has no call to make."""
        muster = cell.run.musters.get(cell.rule.index)
        if muster is None:
            return False
        muster.coming.discard(cell.id)
        waits = work is not None and bool(work.kin) and not cell.judged and cell.wake >= 0 and cell.run.stop is None
        if waits:
            assert work is not None
            muster.hold(cell, work)
        self._leave(muster, cell, now)
        return waits

    def _leave(self, muster: Muster, newest: Cell, now: int) -> None:
        for cell, work in muster.leaving(newest):
            self._go_ahead(cell, work, now)
        if muster.held and muster.until < 0:
            muster.until = now + LINGER
            self._timers.set(muster.until, muster)

    def _march(self, muster: Muster, now: int) -> None:
        """They have waited long enough for what is still being prepared."""
        for cell, work in muster.all():
            self._go_ahead(cell, work, now)

    def _give_up(self, cell: Cell, code: str, message: str, hint: str = "") -> None:
        """Nobody prepares a cell that waits for others: it ends by itself; or, when it has waited too long, asks alone."""
        muster = cell.run.musters.get(cell.rule.index)
        found = None if muster is None else muster.drop(cell)
        if found is None:
            super()._give_up(cell, code, message, hint)
            return
        self._lands(cell)
        cell.wake = -1
        late = code == Code.TIMEOUT and cell.run.stop is None and cell.run.closing is None
        broken = Broken(fault=Fault(code=str(code), message=message, hint=hint))
        self._freed[cell.id] = cell, Work(found[1].tokens_in, found[1].tokens_out) if late else broken

    if TYPE_CHECKING:

        def _go_ahead(self, cell: Cell, result: Work | Hit | Broken, now: int) -> None: ...

    # ================================================================ its end

    def _unpacked(self, record: CallRecord, parcel: Parcel, usage: Usage) -> tuple[int, int] | None:
        """A call is over. Returns what its request has used, tokens in and out, once all of that is over."""
        whole = parcel.settled(usage)
        if whole is None:
            record.cell.run.riders -= 1
            self._riders -= 1
        return whole

    def _heard_of(self, record: CallRecord, fault: Fault, now: int) -> None:
        """One fault of a request is one fault, however many cells it is for."""
        if record.parcel is not None:
            if not self._speaks(record):
                return
            if fault.scope is Scope.STEP:  # perhaps only because it asks for several
                record.cell.run.single.add((record.cell.rule.index, record.lane))
                fault = msgspec.structs.replace(fault, scope=Scope.CELL)
        super()._heard_of(record, fault, now)

    def _speaks(self, record: CallRecord) -> bool:
        """Whether this call's fault is that of its request: the first that is told, not of who was cancelled if others can tell."""
        parcel = record.parcel
        assert parcel is not None
        if parcel.heard or parcel.answered or (record.doom and parcel.open):
            return False
        parcel.heard = True
        return True

    def _late(self, record: CallRecord, message: str, now: int) -> None:
        super()._late(record, message, now)
        if record.parcel is not None:
            fault = Fault(code=Code.TIMEOUT, message=message)
            for other in record.parcel.records:
                if not other.doom and other.landed is None and other.id in self._calls:
                    self._doom(other, Code.TIMEOUT)
                    self._faulted(other.cell, fault, now)

    def _faulted(self, cell: Cell, fault: Fault, now: int) -> None:
        if cell.parcel is None or not self._again_soon(cell, fault, now):
            super()._faulted(cell, fault, now)

    def _again_soon(self, cell: Cell, fault: Fault, now: int) -> bool:
        """Whether what befell its request says nothing of this cell: it is asked again, at no cost of its own."""
        if remedy(fault.code) is Remedy.REGENERATE and fault.scope is not Scope.ENDPOINT:
            cell.missed += 1
            self._pause(cell, "missing", fault, now, now)
        elif fault.code in OF_ONE or fault.scope is Scope.STEP:
            cell.apart = True
            self._pause(cell, "apart", fault, now, now)
        else:
            cell.apart = cell.apart or (fault.code == Code.TIMEOUT and cell.retries > 0)  # fewer answers take less time
            return False
        return True

    def _draw(self, cell: Cell, purpose: int) -> float:
        """What was asked together is tried again together."""
        return super()._draw(cell if cell.parcel is None else cell.parcel.lead, purpose)

    def _affords(self, cell: Cell, lane: Lane, fault: Fault) -> bool:
        """They are one retry."""
        parcel = cell.parcel
        if parcel is None:
            return super()._affords(cell, lane, fault)
        if parcel.paid is None:
            parcel.paid = super()._affords(cell, lane, fault)
        return parcel.paid
