"""What the conductor asks the shell to do. Each ends in exactly one fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from fanfold.spec.calls import Fault

if TYPE_CHECKING:
    from fanfold.core.run import Cell, Run

ANSWER, JUDGE, FALLBACK = 0, 1, 2
"""Phases of a cell. FALLBACK is never called: it is prepared, and the declared value is its hit."""


class Prepare(msgspec.Struct, frozen=True, gc=False):
    """Render the cell's prompt and size it; or run its function or fallback. Ends in `prepared`.

    A cell of a step with candidates is asked first what it is offered: `offered`, then `Give`, then `prepared`.
    """

    cell: Cell
    phase: int


class Give(msgspec.Struct, frozen=True, gc=False):
    """What a cell that is being prepared was offered at these places is its own: render its prompt with it. Ends in `prepared`.

    again: nothing of it was free; look at what it is dealt now, and offer that.
    """

    cell: Cell
    places: tuple[int, ...]
    again: bool = False


class Abandon(msgspec.Struct, frozen=True, gc=False):
    """Give up preparing a cell. Its `prepared` still comes, once, broken by this fault. For a cell already prepared: nothing to do."""

    cell: Cell
    fault: Fault


class Call(msgspec.Struct, frozen=True, gc=False):
    """Send it through a lane. Ends in one `settled`; `identified` may come before.

    avoid: names to end the prompt with. reason: why the last answer was refused; repair: show that answer as well.
    longer: give it more room than the last time. crowded: words that too many names have already. swapped: a judge is shown the other
    answer first. riders: further calls that are made with it, in one request; each ends in a `settled` of its own. booked: tokens of the
    prompt that it adds to that request.
    """

    call: int
    cell: Cell
    phase: int
    lane: int
    avoid: tuple[str, ...] = ()
    reason: str = ""
    repair: bool = False
    longer: bool = False
    crowded: tuple[str, ...] = ()
    swapped: bool = False
    riders: tuple[Call, ...] = ()
    booked: int = 0


class Recall(msgspec.Struct, frozen=True, gc=False):
    """Find out what was accepted in earlier runs of these steps, by index. Ends in one `recalled`; until then nothing of the run begins."""

    run: Run
    steps: tuple[int, ...]


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """End a call that is in the air. Its `settled` still comes, once. For a call already settled: nothing to do."""

    call: int


Command: TypeAlias = Prepare | Give | Abandon | Call | Cancel | Recall
