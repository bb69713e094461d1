"""How many calls a server works on at once, from its first answers: whatever more it is sent only waits, and may wait too long.

A server with few slots takes the calls one after the other: each answer comes later than the last, however short it is. A server that shares
itself among all calls is equally slow with all of them. So what tells the two apart is the speed of a call over its whole time (tokens
per second, waiting included): in a queue it falls to a quarter of the first answers', and then so many slots have been busy since
as what was delivered would have taken at the first answers' speed.
"""

from __future__ import annotations

from math import ceil
from statistics import median

FIRST = 4  # answers whose speed is taken for that of a call that did not wait
SLOWER = 4  # times: then a call has waited
IN_A_ROW = 4


class Slots:
    """Told of the answers of a lane, from its first call on."""

    __slots__ = ("_began", "_first", "_slow", "_tokens", "_usual")

    def __init__(self) -> None:
        self._began: int | None = None
        self._first: list[float] = []
        self._usual = 0.0
        self._tokens = self._slow = 0

    def answered(self, took: int, tokens: int, now: int) -> int | None:
        """took: microseconds from sending to the end. Returns how many slots there are, once it is plain that calls wait for them."""
        if took <= 0 or tokens <= 0:
            return None
        if self._began is None:
            self._began = now - took
        self._tokens += tokens
        speed = tokens / took
        if len(self._first) < FIRST:
            self._first.append(speed)
            self._usual = median(self._first)
            return None
        self._slow = self._slow + 1 if speed * SLOWER < self._usual else 0
        if self._slow < IN_A_ROW:
            return None
        return ceil(self._tokens / (now - self._began) / self._usual)
