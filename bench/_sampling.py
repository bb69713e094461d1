"""Where the main thread's CPU goes: its innermost frame that belongs to a room, looked at a few hundred times a second of CPU.

Nothing is instrumented, so that cheap functions are not made dear. What C code spends is its caller's.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import process_time, thread_time
from types import FrameType

INTERVAL_S = 0.001  # of CPU; kernels make it up to four times as long

Room = tuple[str, str, frozenset[str]]
"""Its name, a part of the path of its files, and the names of its functions there; none for all of them."""


class Sample:
    """rooms: seconds of CPU by room. other_threads: seconds. looks: how often it was looked."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self._rooms, self._known = rooms, {}
        self.rooms: Counter[str] = Counter()
        self.other_threads = 0.0
        self.looks = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self._look)
        process, self._last = process_time(), thread_time()
        thread = self._last
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            self.other_threads += (process_time() - process) - (thread_time() - thread)

    def _look(self, number: int, frame: FrameType | None) -> None:
        """The time since the last look is all given to the room where it is now."""
        now = thread_time()
        self.rooms[self._room(frame)] += now - self._last
        self._last = now
        self.looks += 1

    def _room(self, frame: FrameType | None) -> str:
        while frame is not None:
            code = frame.f_code
            if code not in self._known:
                self._known[code] = self._room_of(code.co_filename, code.co_name)
            if (room := self._known[code]) is not None:
                return room
            frame = frame.f_back
        return "elsewhere"

    def _room_of(self, path: str, function: str) -> str | None:
        for room, part, functions in self._rooms:
            if part in path and (not functions or function in functions):
                return room
        return None
