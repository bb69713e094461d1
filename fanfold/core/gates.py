"""What becomes of an answer that was not good: repaired from itself, drawn anew, or the end of its cell."""

from __future__ import annotations

from enum import Enum

from fanfold.spec.errors import Code

REPAIRS = 2  # times that an answer is corrected before it is given up, with its key, for a fresh one


class Again(Enum):
    REPAIR = "repair"  # keep the key; show the model its answer and the reason
    REDRAW = "redraw"  # give the key back; a fresh answer, told what to avoid
    LONGER = "longer"  # a fresh answer with more room
    NEVER = "never"


def again(code: Code, *, judged: int, attempts: int, rejections: int, longer: bool) -> Again:
    """What to do next.

    judged: answers judged so far; rejections: how often checks or the judge refused since the last fresh draw; longer: it
    had more room already. A truncated answer is given more room once; asked again with the broken text it would only break
    again.
    """
    if judged >= attempts:
        return Again.NEVER
    if code is Code.TRUNCATED:
        return Again.NEVER if longer else Again.LONGER
    if code is Code.CHECK_FAILED and rejections <= REPAIRS:
        return Again.REPAIR
    return Again.REDRAW
