"""What follows from the verdicts of a judge that is asked twice, and from a judge that gives none."""

from __future__ import annotations

from typing import NamedTuple

from fanfold.spec.calls import Reply
from fanfold.spec.errors import Code

TIE = "a tie, which is not enough: with the two in the other order, the judge preferred the other one"
NO_VERDICT = "there was an answer, but its judge gave no verdict"
HINT = "give the judge another model, or two: model='a | b'"
UNREADABLE = frozenset({Code.MALFORMED, Code.TRUNCATED, Code.FILTERED, Code.TOO_LONG})
"""Faults of a judge that another model may not have: the answer that waits for it is worth asking on."""
ILL = UNREADABLE | {Code.TRANSIENT, Code.TIMEOUT, Code.RATE_LIMITED, Code.QUOTA, Code.AUTH}


class Opinion(NamedTuple):
    """good: at least as good as the other one."""

    good: bool
    reason: str


def opinion(reply: Reply) -> Opinion:
    return Opinion(bool(reply.verdict), reply.finding or "the judge refused it")


def unheard(code: str, message: str, hint: str) -> tuple[str, str]:
    """(message, hint) of an answer that is lost for want of a verdict, and not for what it says."""
    return f"{NO_VERDICT}: {message}", hint or (HINT if code in ILL else "")


def objection(first: Opinion | None, last: Opinion) -> str | None:
    """Why an answer does not pass, None when it does. first: what was said in the other order, None when only one was asked for.

    Judges prefer what they are shown first (or last): two verdicts that differ say nothing but that, and count as a tie.
    """
    if first is None or first.good == last.good:
        return None if last.good else last.reason
    return f"{TIE}. {last.reason if first.good else first.reason}"
