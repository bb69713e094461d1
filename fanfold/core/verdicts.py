"""What follows from the verdicts of a judge that is asked twice, and from a judge that gives none."""

from __future__ import annotations

from typing import NamedTuple

from fanfold.spec.calls import Reply

TIE = "a tie, which is not enough: with the two in the other order, the judge preferred the other one"
NO_VERDICT = "there was an answer, but its judge gave no verdict"
HINT = "give the judge another model, or two: model='a | b'"


class Opinion(NamedTuple):
    """good: at least as good as the other one."""

    good: bool
    reason: str


def opinion(reply: Reply) -> Opinion:
    return Opinion(bool(reply.verdict), reply.finding or "the judge refused it")


def objection(first: Opinion | None, last: Opinion) -> str | None:
    """Why an answer does not pass, None when it does. first: what was said in the other order, None when only one was asked for.

    Judges prefer what they are shown first (or last): two verdicts that differ say nothing but that, and count as a tie.
    """
    if first is None or first.good == last.good:
        return None if last.good else last.reason
    return f"{TIE}. {last.reason if first.good else first.reason}"
