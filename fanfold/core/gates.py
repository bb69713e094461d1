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


def again(code: Code, judged: int, attempts: int, rejections: int) -> Again:
    """What to do next. judged: answers judged so far; rejections: how often checks or the judge refused since the last fresh draw.

    A truncated answer is given more room once; asked again with the broken text it would only break again.
    """
    if judged >= attempts:
        return Again.NEVER
    if code is Code.TRUNCATED:
        return Again.LONGER if rejections == 0 else Again.NEVER
    if code is Code.CHECK_FAILED:
        return Again.REPAIR if rejections <= REPAIRS else Again.REDRAW
    return Again.REDRAW
