"""Everything that happens in a run, in the past tense: numbered, journaled, and folded by every view.

`seq` counts 0, 1, 2 … inside a run. `t` is microseconds since the run began. Cells are named by the index of their step
and the indexes of their coordinates: never by an id, so that a journal can be resumed by another process.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Coords: TypeAlias = tuple[int, ...]

ANSWER, JUDGE = 0, 1  # phases of a cell: what a call is for


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    seq: int
    t: int


class StepFacts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A step as the folds need it. cells: how many are known from the start; more are told by `Grew`."""

    name: str
    over: tuple[str, ...]
    cells: int
    weight: float = 1.0
    required: bool = True
    counted: bool = False


class RunStarted(Event, frozen=True, gc=False, array_like=True, tag=True):
    plan: str
    seed: int
    steps: tuple[StepFacts, ...]
    cap: int
    """Calls that may be in the air at once."""
    wall: int = 0
    """When it began, in microseconds since the epoch, by the clock on the wall; 0 where nobody said."""
    lanes: tuple[tuple[int, str], ...] = ()
    """The lanes that its calls may take, by number, and the models behind them."""


class Reopened(Event, frozen=True, gc=False, array_like=True, tag=True):
    """Cells that had ended so in an earlier life of the run are open again; what they had is void.

    cells: how many. at: which; None: all of the step that had ended so, none of which had been accepted. took: keys of their
    candidates, which are free again.
    """

    step: int
    state: str
    code: str
    cells: int
    at: tuple[Coords, ...] | None
    took: tuple[str, ...] = ()


class Grew(Event, frozen=True, gc=False, array_like=True, tag=True):
    """A dynamic axis got its length: the step now has this many cells in all."""

    step: int
    cells: int


class Called(Event, frozen=True, gc=False, array_like=True, tag=True):
    """Admitted: slot, requests and tokens are booked; bytes may leave once this is durable."""

    step: int
    at: Coords
    call: int
    attempt: int
    phase: int
    lane: int
    tokens: int
    """Booked: input and output, estimated."""
    tokens_in: int = 0
    """Of them, input."""
    most_out: int = 0
    """Output at the most, as far as is known: with the input, what a call that is lost may have cost."""
    items: int = 1
    """Calls of the request that it is made in; tokens and money are its share of it."""
    lead: int = -1
    """The call whose request it shares; -1: it is the first of its own."""


class Settled(Event, frozen=True, gc=False, array_like=True, tag=True):
    """The call is over. outcome: "ok", "duplicate", "cancelled", or the code of a fault. took: microseconds in the air."""

    step: int
    at: Coords
    call: int
    phase: int
    outcome: str
    took: int
    tokens_in: int
    tokens_out: int
    exact: bool
    cached: int = 0
    """Of the tokens in: those that the provider had already, at a lower price."""


class Hit(Event, frozen=True, gc=False, array_like=True, tag=True):
    """The cache had an answer for a cell. outcome: "ok", and no call was made for it; or why it was of no use, and one is made: the code
    of the gate that refused it, "damaged" or "expired".
    """

    step: int
    at: Coords
    outcome: str


class Rested(Event, frozen=True, gc=False, array_like=True, tag=True):
    """The cell will be tried again. kind: "retry" (transport), "wait" (rate limit), "regenerate" (the answer was not good), "fallback" (at
    another lane), "missing" (the answer to several cells held none for it) or "apart" (what was asked for several cells was refused).
    """

    step: int
    at: Coords
    kind: str
    code: str
    reason: str
    check: str
    attempt: int
    until: int
    """Microseconds since the run began."""
    text: str = ""
    """The answer that was not good, as the model wrote it, or as much of it as was heard; the shell writes it in."""


class Drafted(Event, frozen=True, gc=False, array_like=True, tag=True):
    """An answer is good, and waits: for its judge, or (a spare's) for a cell that it can fill. It is paid for: whoever goes on with the
    run need not buy it again.

    key, exact, said, vector, lengths, judge: as `Reply` has them. took: microseconds of the call. text: the value, as JSON; the shell
    writes it in, the core never sees it. verdict: likewise, of an answer that its judge has passed.
    """

    step: int
    at: Coords
    key: str | None
    exact: bool
    said: str | None
    vector: bytes | None
    lengths: dict[str, int] | None
    judge: tuple[int, int] | None
    took: int
    text: str = ""
    verdict: str = ""


class CellEnded(Event, frozen=True, gc=False, array_like=True, tag=True):
    """Terminal, once per cell. state: accepted, failed, skipped or cancelled. code: why, when it has no value of its own.

    An accepted cell with a code was filled by its fallback. path: microseconds of the longest chain of answers that ends here.
    vector: the direction by which an accepted value is compared, beside its key: four bytes a number.
    """

    step: int
    at: Coords
    state: str
    code: str
    message: str
    hint: str
    attempts: int
    key: str | None
    lengths: dict[str, int] | None
    path: int
    vector: bytes | None = None
    took: tuple[str, ...] = ()
    """Keys of the candidates that are its own for good, when it was accepted."""
    check: str = ""
    """What refused its last answer, where that is why; "judge" beside any other code: that its judge gave no verdict."""
    text: str = ""
    """That answer, as in `Rested`."""
    verdict: str = ""
    """What its judge said of the answer that was accepted, as JSON; the shell writes it in."""


class SpareEnded(Event, frozen=True, gc=False, array_like=True, tag=True):
    """A spare of a counted axis is over: a draw at coordinates beyond those that are asked for, never a cell of the result.

    fills: its answer is that of this cell, whose end follows; None: it was for nothing. code: then why its answer was refused, and the
    check that refused it; or "". Where it fills a cell: of the last answer of that cell. reason, text: likewise, as in `Rested`.
    """

    step: int
    at: Coords
    fills: Coords | None
    code: str
    check: str
    reason: str = ""
    text: str = ""


class BundleEnded(Event, frozen=True, gc=False, array_like=True, tag=True):
    """A whole row of cells that never began ended together: those of `step` whose position in their bundle is in [start, stop).

    `at` are the coordinates that all of them share (the step's trigger axes); folds that want single cells expand it.
    """

    step: int
    at: Coords
    start: int
    stop: int
    state: str
    code: str
    message: str = ""
    hint: str = ""


class StepSwept(Event, frozen=True, gc=False, array_like=True, tag=True):
    """Every cell of the step that had not ended has ended thus: the run was cancelled, or its deadline or budget ended it."""

    step: int
    state: str
    code: str
    message: str = ""


class Paced(Event, frozen=True, gc=False, array_like=True, tag=True):
    """What keeps the next call of a lane from starting. by: "concurrency", "wait" (the server asked for it), "trouble" (the server
    fails, and is left alone for a moment), "start" (nothing is known yet), what a limit counts ("requests", "tokens", "input tokens",
    "output tokens"), or "" (nothing, any more).

    share: how much of that limit is used, 0 … 1. limit: per minute, 0 when there is none. source: "declared", "told" or "guessed".
    """

    lane: int
    by: str
    share: float = 0.0
    limit: int = 0
    source: str = ""


class RunEnded(Event, frozen=True, gc=False, array_like=True, tag=True):
    """state: complete, partial, failed or cancelled. why: the code that stopped it early, or ""."""

    state: str
    why: str


AnyEvent: TypeAlias = (
    RunStarted
    | Reopened
    | Grew
    | Called
    | Settled
    | Hit
    | Rested
    | Drafted
    | CellEnded
    | SpareEnded
    | BundleEnded
    | StepSwept
    | Paced
    | RunEnded
)

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AnyEvent).decode
