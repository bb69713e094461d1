"""`async for token in run.tokens()`: what the calls say while they say it, and how each cell ends."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from types import TracebackType

from fanfold.engine.job import Job
from fanfold.engine.shapes import text_of
from fanfold.engine.spoken import Place
from fanfold.spec.calls import At
from fanfold.spec.events import AnyEvent, CellEnded, RunEnded, StepSwept
from fanfold.spec.hidden import hide

PAGE = 100  # events read at once
RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of one cell's answer.

    step, at: which cell. text: what it has said since the piece before; "" in most last ones. restart: drop what you have of this
    cell: it begins anew, with this piece. state: "running", and in the cell's last piece what became of it: accepted, failed, skipped
    or cancelled. What a cell has said is its value when it is accepted, and provisional until then.
    """

    step: str
    at: At
    text: str
    restart: bool = False
    state: str = RUNNING

    @property
    def provisional(self) -> bool:
        """Whether checks, a judge, or a twin may still replace it."""
        return self.state != "accepted"

    @property
    def done(self) -> bool:
        """Whether it is the cell's last."""
        return self.state != RUNNING


class Tokens(AsyncIterator[Token]):
    """One listener. It begins with what the calls in the air have said so far, and ends with the run, with `aclose`, or when it is let go of.

    Ends are read from the journal, texts from what all listeners share: a slow one holds the numbers of the pieces it has had, no text,
    and gets several pieces as one. Raises StoreError when the store fails.
    """

    def __init__(self, job: Job, steps: Collection[int]) -> None:
        job.followed = True
        self._job, self._steps = job, frozenset(steps)
        self._ear = job.spoken.join(steps)
        self._after = job.written
        self._had: dict[Place, tuple[int, int]] = {}  # by open cell: the version, and how many pieces of it
        self._events: deque[AnyEvent] = deque()
        self._ends: deque[Token] = deque()
        self._closed = False

    def __aiter__(self) -> Tokens:
        return self

    async def __anext__(self) -> Token:
        while not self._closed:
            if self._ends:
                return self._ends.popleft()
            if (token := self._piece() or await self._end()) is not None:
                return token
            if not self._events and not self._ear.fresh and not self._ends and not await self._more():
                await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Listen no more."""
        self._closed = True
        self._job.spoken.leave(self._ear)

    async def __aenter__(self) -> Tokens:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    # ================================================================ pieces

    def _piece(self) -> Token | None:
        """The next that was said by a cell which is open."""
        fresh = self._ear.fresh
        while fresh:
            place = next(iter(fresh))
            del fresh[place]
            speech = self._job.spoken.open.get(place)
            if speech is None or speech.spare or not speech.version:
                continue
            version, parts = speech.version, speech.parts
            had, count = self._had.get(place, (0, 0))
            said = parts[count:] if had == version else parts[:]
            if said:
                self._had[place] = (version, len(said) + (count if had == version else 0))
                return self._token(place, "".join(said), restart=had not in (0, version))
        return None

    # ================================================================ ends

    async def _end(self) -> Token | None:
        """The next end that the journal tells of."""
        while self._events:
            event = self._events.popleft()
            if isinstance(event, CellEnded) and event.step in self._steps:
                return await self._last(event)
            if isinstance(event, StepSwept | RunEnded):
                self._leave_off(event)
                return self._ends.popleft() if self._ends else None
        return None

    async def _last(self, event: CellEnded) -> Token:
        """What is missing of the text, if what was said is what was accepted; else the value, as one piece."""
        place = (event.step, event.at)
        self._ear.fresh.pop(place, None)
        had, count = self._had.pop(place, (0, 0))
        if event.state != "accepted":
            return self._token(place, "", state=event.state)
        speech = self._job.spoken.ended(place)
        if speech is not None and speech.good and not event.code:
            same = had == speech.version
            return self._token(place, "".join(speech.parts[count if same else 0 :]), had != 0 and not same, "accepted")
        found = await self._job.values.get(event.step, [event.at])
        return self._token(place, text_of(found[event.at]), had != 0, "accepted")

    def _leave_off(self, event: StepSwept | RunEnded) -> None:
        """Cells that were ended with their step, or with the run."""
        for place in [place for place in self._had if isinstance(event, RunEnded) or place[0] == event.step]:
            del self._had[place]
            state = event.state if isinstance(event, StepSwept) else "cancelled"
            self._ends.append(self._token(place, "", state=state))

    async def _more(self) -> bool:
        """Wait for something to read. Whether there may be."""
        job = self._job

        def ready() -> bool:
            return job.written > self._after or job.ended or job.error is not None

        await self._ear.wait(ready)
        if self._ear.fresh:
            return True
        if job.written > self._after:
            events = await job.journal.events(self._after, PAGE)
            self._after = events[-1].seq
            self._events.extend(e for e in events if isinstance(e, CellEnded | StepSwept | RunEnded))
            return True
        if job.error is not None:
            await self.aclose()
            raise job.error
        return not job.ended

    def _token(self, place: Place, text: str, restart: bool = False, state: str = RUNNING) -> Token:
        step, at = place
        return Token(self._job.steps[step].name, self._job.labels(step, at), hide(text), restart, state)
