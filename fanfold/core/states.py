"""The life of a cell. This table is the truth: the conductor moves along it, and the diagram in the docs is made from it."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"
    PREPARING = "preparing"
    READY = "ready"
    CALLING = "calling"
    GATED = "gated"
    RESTING = "resting"
    ACCEPTED = "accepted"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


S = State
TERMINAL = frozenset({S.ACCEPTED, S.FAILED, S.SKIPPED, S.CANCELLED})

TRANSITIONS: tuple[tuple[State, str, State], ...] = (
    (S.WAITING, "what it needs is there", S.PREPARING),
    (S.WAITING, "what it needs has no value", S.SKIPPED),
    (S.WAITING, "what it needs has no value, and it has a fallback", S.PREPARING),
    (S.WAITING, "more answers of its counted axis are hopeless", S.FAILED),
    (S.PREPARING, "Work: the prompt is rendered and sized", S.READY),
    (S.PREPARING, "Hit: the answer is known already, or it is the fallback's", S.GATED),
    (S.PREPARING, "Broken: it cannot be prepared", S.FAILED),
    (S.READY, "its turn, and the limiter is open", S.CALLING),
    (S.READY, "its lane is condemned, or its step refused", S.FAILED),
    (S.CALLING, "identity streamed, key taken", S.RESTING),
    (S.CALLING, "Reply", S.GATED),
    (S.CALLING, "transient Fault, or its deadline", S.RESTING),
    (S.CALLING, "permanent Fault", S.FAILED),
    (S.GATED, "no finding, key owned", S.ACCEPTED),
    (S.GATED, "a judge is to be asked", S.READY),
    (S.GATED, "a finding, a verdict against it, or its key is taken", S.RESTING),
    (S.GATED, "attempts used up", S.FAILED),
    (S.RESTING, "its moment has come", S.READY),
    (S.RESTING, "attempts or retries used up, or its lane is condemned", S.FAILED),
    (S.PREPARING, "it cannot be prepared, and a spare may fill it", S.RESTING),
    (S.READY, "its lane is condemned, and a spare may fill it", S.RESTING),
    (S.READY, "the answer of a spare fills it", S.ACCEPTED),
    (S.CALLING, "the answer of a spare fills it", S.ACCEPTED),
    (S.RESTING, "the answer of a spare fills it", S.ACCEPTED),
    (S.FAILED, "it has a fallback", S.PREPARING),
)
"""(state, fact, next state). `FAILED → PREPARING` is not a way out of a terminal state: a cell with a fallback has not ended yet.
Beside these: cancel, budget and deadline end any state that is not terminal."""

NEXT: dict[State, frozenset[State]] = {
    state: frozenset(after for before, _, after in TRANSITIONS if before is state) | {S.CANCELLED} for state in State
}
