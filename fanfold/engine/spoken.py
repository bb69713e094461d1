"""What the calls in the air say, for whoever listens. No fact of the run: nothing of it is journaled, and nobody waits for a listener.

A cell is heard through one call at a time. Where another takes its place (a retry, a redraw, the faster of two), the version of what
is heard grows, and every listener drops what it had. Texts are kept once for all listeners, while the cell is open; of those that have
ended only the latest, so that a listener who is a moment late still gets the end of a text; one who is later gets the value instead.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias
from weakref import WeakSet

from fanfold.core.commands import Call
from fanfold.core.run import Cell
from fanfold.spec.calls import Chunk
from fanfold.spec.events import AnyEvent, CellEnded, Coords, RunEnded, SpareEnded, StepSwept

Place: TypeAlias = tuple[int, Coords]
"""A cell: its step and coordinates."""

KEPT = 1 << 20  # characters of cells that have ended


class Speech:
    """What is heard of one cell. parts: pieces of the call that is shown. over: that call has ended. good: its answer was not refused by rules."""

    __slots__ = ("calls", "good", "over", "parts", "shown", "spare", "version")

    def __init__(self, spare: bool) -> None:
        self.calls: dict[int, list[str]] = {}
        self.shown, self.version, self.spare = -1, 0, spare
        self.over, self.good = True, False
        self.parts: list[str] = []

    def show(self, call: int) -> None:
        if call != self.shown:
            self.shown, self.parts, self.version = call, self.calls[call], self.version + 1
        self.over = self.good = False


class Ear:
    """One listener: the steps it is for, and the cells of which it has not heard all. `hear` never blocks and holds no text."""

    def __init__(self, steps: Collection[int]) -> None:
        self.steps = frozenset(steps)
        self.fresh: dict[Place, None] = {}
        self._woken: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def hear(self, place: Place) -> None:
        self.fresh[place] = None
        self.wake()

    def wake(self) -> None:
        """May be called from any thread."""
        if self._loop is None or self._woken is None or self._woken.is_set() or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, until: Callable[[], bool]) -> None:
        """Until something is fresh, or the condition holds; it is looked at whenever somebody wakes this."""
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        while not self.fresh and not until():
            await self._woken.wait()
            self._woken.clear()
        self._woken = None


class Spoken:
    """Of one run."""

    def __init__(self) -> None:
        self.open: dict[Place, Speech] = {}
        self._ended: OrderedDict[Place, tuple[Speech, int]] = OrderedDict()
        self._room = KEPT
        self._ears: WeakSet[Ear] = WeakSet()

    # ================================================================ listeners

    def join(self, steps: Collection[int]) -> Ear:
        """From now on calls of these steps are asked for their answers in pieces. It ends when the ear is let go of."""
        ear = Ear(steps)
        ear.fresh.update(dict.fromkeys(place for place in list(self.open) if place[0] in ear.steps))
        self._ears.add(ear)
        return ear

    def leave(self, ear: Ear) -> None:
        self._ears.discard(ear)

    def wanted(self, step: int) -> bool:
        return any(step in ear.steps for ear in self._ears)

    def ended(self, place: Place) -> Speech | None:
        """What an ended cell has said, if that is still known."""
        found = self._ended.get(place)
        return None if found is None else found[0]

    def wake(self) -> None:
        """There are new events, or there will be none."""
        for ear in self._ears:
            ear.wake()

    # ================================================================ calls

    def listener(self, command: Call, heard: Callable[[Chunk], None]) -> Callable[[Chunk], None]:
        """Hears what a call says, and passes it on."""
        place, parts = self._begin(command)

        def listen(chunk: Chunk) -> None:
            heard(chunk)
            parts.append(chunk.text)
            self._said(place, command.call)

        return listen

    def whole(self, command: Call, text: str) -> None:
        """An answer that came in one piece."""
        if text and self.wanted(command.cell.rule.index):
            place, parts = self._begin(command)
            parts.append(text)
            self._said(place, command.call)

    def _begin(self, command: Call) -> tuple[Place, list[str]]:
        place = (command.cell.rule.index, command.cell.at)
        speech = self.open.get(place) or self.open.setdefault(place, Speech(command.cell.spare))
        return place, speech.calls.setdefault(command.call, [])

    def _said(self, place: Place, call: int) -> None:
        speech = self.open.get(place)
        if speech is None or call not in speech.calls:  # it has lost already
            return
        if speech.over:
            speech.show(call)
        if speech.shown == call:
            self._tell(place)

    def settled(self, cell: Cell, call: int, good: bool) -> None:
        """A call is over. good: its answer is the cell's now, unless a judge says otherwise."""
        place = (cell.rule.index, cell.at)
        speech = self.open.get(place)
        if speech is None or call not in speech.calls:
            return
        if good and speech.calls[call]:
            speech.show(call)
            speech.good = speech.over = True
            speech.calls.clear()  # a twin that is still in the air is not heard any more
            self._tell(place)
            return
        del speech.calls[call]
        if speech.shown == call:
            speech.over = True
            other = next((each for each, parts in speech.calls.items() if parts), None)
            if other is not None:
                speech.show(other)
                self._tell(place)

    def _tell(self, place: Place) -> None:
        for ear in self._ears:
            if place[0] in ear.steps:
                ear.hear(place)

    # ================================================================ ends

    def wrote(self, events: Sequence[AnyEvent]) -> None:
        """These are durable: what ended is kept for a while, and listeners read of it in the journal."""
        for event in events if self.open else ():
            if isinstance(event, CellEnded):
                self._end((event.step, event.at))
            elif isinstance(event, SpareEnded):
                self._spare_over(event)
            elif isinstance(event, StepSwept | RunEnded):
                for place in list(self.open):
                    if isinstance(event, RunEnded) or place[0] == event.step:
                        self._end(place)
        self.wake()

    def _spare_over(self, event: SpareEnded) -> None:
        """Its answer is that of the cell it fills; until then nobody has heard of it."""
        speech = self.open.pop((event.step, event.at), None)
        if speech is not None and event.fills is not None:
            before = self.open.get((event.step, event.fills))
            speech.version = 1 if before is None else before.version + 1
            speech.spare = False
            self.open[event.step, event.fills] = speech

    def _end(self, place: Place) -> None:
        speech = self.open.pop(place, None)
        if speech is None or not self._ears:
            return
        size = sum(map(len, speech.parts))
        self._ended[place] = (speech, size)
        self._room -= size
        while self._room < 0:
            self._room += self._ended.popitem(last=False)[1][1]
