"""One run as the shell keeps it: the user's words beside what the conductor knows, and the values in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fanfold.core.fold import RunState
from fanfold.core.past import Past
from fanfold.core.run import Cell, Run
from fanfold.engine.answers import Answered, Answers, Entry, certain
from fanfold.engine.asked import Asked, Samples, digest
from fanfold.engine.freezer import Freezer
from fanfold.engine.opening import PAGE, reading, whole
from fanfold.engine.parcel import Common
from fanfold.engine.refused import Latest
from fanfold.engine.shapes import Shape, identity_first, list_in, shape_of, text_of
from fanfold.engine.spoken import Spoken
from fanfold.engine.spread import Spread
from fanfold.engine.tokens import VERDICT_MOST, PromptSize, guess
from fanfold.engine.values import Values
from fanfold.engine.verdicts import judge_shape, verdict_last
from fanfold.spec import parcels
from fanfold.spec.calls import Request
from fanfold.spec.compiled import CompiledPlan, CompiledStep
from fanfold.spec.errors import PlanError, StoreError
from fanfold.spec.events import AnyEvent, Coords, Drafted, SpareEnded
from fanfold.spec.ports import Journal, Provider, Store
from fanfold.spec.template import Template, dig


@dataclass(frozen=True)
class Route:
    """Where the calls of a step go: a lane of the conductor, the provider behind it, the model's name there.

    origin: what else answers depend on: which provider, in which version of our adapter, at which address.
    """

    lane: int
    provider: Provider
    model: str
    streams: bool = True
    origin: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)


class StepWork:
    """One step with everything that an attempt needs, worked out once."""

    def __init__(self, step: CompiledStep, routes: Sequence[Route], judge_routes: Sequence[Route], timeout_s: float) -> None:
        """routes: where its answers come from, the preferred one first; none for a function. judge_routes: likewise."""
        path = f"steps.{step.name}"
        self.compiled, self.step, self.name = step, step.step, step.name
        self.routes = {route.lane: route for route in routes}
        self.judge_routes = {route.lane: route for route in judge_routes}
        self.timeout_s = timeout_s
        self.idle_s = timeout_s  # the longest silence without content in a streamed answer
        plain_function = step.step.function is not None and step.step.output is str
        self.shape: Shape = shape_of(Any if plain_function else step.step.output, f"{path}.output")
        self.schema = identity_first(self.shape, step.unique)
        self.sampling = dict(step.step.sampling)
        self.guess, self.judge_guess = guess(self.sampling.get("max_tokens")), guess(VERDICT_MOST)
        self.prompts, self.judge_prompts = PromptSize(), PromptSize()
        self.judge_shape: Shape | None = None
        if step.step.judge is not None:
            self.judge_shape = judge_shape(step.step.judge, f"{path}.judge")
        self.judge_schema = None if self.judge_shape is None else verdict_last(self.judge_shape.schema)
        self.compares = step.step.judge is not None and step.step.judge.versus is not None
        self.streamed_field = self._streamed_field()
        self.several = parcels.schema_of(self.schema, self.shape.name) if step.step.items_per_call > 1 else None
        self.common = Common()
        self.spread: Spread | None = None
        self._samples: Samples | None = None
        self.proposes = False  # the facets of other steps

    def samples(self, plan: CompiledPlan) -> Samples:
        if self._samples is None:
            self._samples = Samples(plan, self.compiled)
        return self._samples

    def check_givens(self, given: Mapping[str, Any]) -> None:
        """Raises PlanError for a given that a prompt names and that cannot be written into it."""
        for template in (self.compiled.prompt, self.compiled.system, self.compiled.judge_prompt):
            for slot in template.slots if template is not None else ():
                if slot.name not in given:
                    continue
                try:
                    text_of(dig(given[slot.name], slot.path))
                except (ValueError, TypeError) as error:
                    raise PlanError(
                        f"given.{slot.text}", f"cannot be written into a prompt: {error}", "give a text or plain data"
                    ) from error

    def _streamed_field(self) -> str | None:
        """The field whose value can be reserved while the answer still streams."""
        unique = self.compiled.unique
        if unique is None or not unique.by or "." in unique.by or self.schema is None:
            return None
        return unique.by

    def judge_prompt(self) -> Template | Callable[..., Any]:
        judge = self.step.judge
        assert judge is not None
        return self.compiled.judge_prompt or judge.prompt  # type: ignore[return-value]


@dataclass(slots=True)
class Draft:
    """The latest answer of a cell, until it is accepted or replaced. rival: what its judge compares it with, None for nothing.

    verdict: what its judge said when it passed, as JSON.

    answers, verdicts: what the cache is to keep of it once it is accepted.
    """

    value: Any
    data: bytes
    rival: Any = None
    verdict: str = ""
    answers: list[Answered] = field(default_factory=list)
    verdicts: list[Entry] = field(default_factory=list)

    def keep_answer(self, asked: Asked, request: Request, text: str) -> None:
        self.answers.append(Answered(asked, text, certain(request)))

    def keep_verdict(self, route: Route, request: Request, text: str) -> None:
        """One that lets it pass."""
        if (found := digest(route, request)) is not None:
            self.verdicts.append(Answered(Asked(found), text, certain(request)).entry())

    def entries(self) -> list[Entry]:
        return [*(answered.entry() for answered in self.answers), *self.verdicts]


@dataclass(slots=True)
class Landing:
    """What came of one call: its text, and its value if it has one. A cell may have two calls in the air; one of them counts."""

    text: str
    draft: Draft | None = None


class Job:
    """A run's shell side. `state` is the same fold as every view's; `news` wakes those who follow the journal."""

    def __init__(self, run_id: str, plan: CompiledPlan, steps: Sequence[StepWork], journal: Journal) -> None:
        self.run_id, self.plan, self.steps, self.journal = run_id, plan, steps, journal
        self.values = Values(journal, [step.shape for step in steps])
        self.landings: dict[int, Landing] = {}  # by call
        self.drafts: dict[tuple[int, Coords], Draft] = {}  # by cell
        self.latest = Latest()
        self.spoken = Spoken()
        self.state = RunState()
        self.run: Run | None = None
        self.first = 0  # number of the first event of its present life
        self.store: Store | None = None  # where earlier runs are looked up, and snapshots kept
        self.freezer = Freezer()
        self.answers: Answers | None = None  # the cache, where it is used
        self.error: StoreError | None = None
        self.followed = False  # whether anybody waits for it, or has cancelled it
        self.foreseen: dict[str, Any] | None = None  # what a forecast said
        self.written = -1  # number of the last durable event
        self._watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether its present life has: that of an earlier one is over from the start."""
        return self.written >= self.first and self.state.state not in ("queued", "running")

    def lay_down(self, cell: Cell, call: int, counts: bool) -> None:
        """What a call has brought is the cell's now, if it counts; else it is dropped."""
        landing = self.landings.pop(call, None)
        self.spoken.settled(cell, call, counts and landing is not None and landing.draft is not None)
        if landing is not None and counts:
            cell.work.previous = landing.text
            self.latest.says(cell.rule.index, cell.at, landing.text)
            if landing.draft is not None:
                self.drafts[cell.rule.index, cell.at] = landing.draft

    def with_text(self, event: Drafted) -> Drafted:
        """What is written down of an answer that waits is the answer itself, too."""
        draft = self.drafts.get((event.step, event.at))
        return event if draft is None else msgspec.structs.replace(event, text=draft.data.decode(), verdict=draft.verdict)

    def take_back(self, past: Past, changed: Collection[int]) -> None:
        """Answers that earlier lives left without an end. One that cannot be read any more is made again."""
        for index, step in enumerate(past.steps):
            for at, event in list(step.drafts.items()):
                try:
                    if index in changed or not event.text:
                        raise ValueError("its step is made again")
                    value = self.steps[index].shape.decode(event.text.encode())
                except ValueError:
                    del step.drafts[at]
                else:
                    self.drafts[index, at] = Draft(value, event.text.encode(), verdict=event.verdict)

    def hand_over(self, event: SpareEnded) -> None:
        """A spare's answer is that of the cell it fills, or nobody's."""
        draft = self.drafts.pop((event.step, event.at), None)
        if draft is not None and event.fills is not None:
            assert self.run is not None
            for answered in draft.answers:
                answered.asked = answered.asked.of(event.fills, self.run.rules[event.step].counted)
            self.drafts[event.step, event.fills] = draft

    def wrote(self, events: Sequence[AnyEvent]) -> None:
        self.state.apply_all(events)
        self.written = events[-1].seq
        self.spoken.wrote(events)
        self.wake()

    async def read_on(self) -> Past:
        """Take in what earlier lives have written, and return what they leave to the next."""
        assert self.store is not None
        self.state, past = await whole(self.store, await reading(self.store, self.run_id), self.run_id)
        self.written = self.state.seq
        self.first = self.written + 1
        return past

    async def read_more(self, past: Past) -> bool:
        """Take in what was written since `read_on`. Returns whether there was anything."""
        before = past.seq
        while events := await self.journal.events(past.seq, PAGE):
            self.state.apply_all(events)
            past.apply_all(events)
        self.written = self.state.seq
        self.first = self.written + 1
        return past.seq > before

    def broke(self, error: StoreError) -> None:
        self.error = error
        self.spoken.wake()
        self.wake()

    def wake(self) -> None:
        with self._lock:
            for loop, event in self._watchers:
                loop.call_soon_threadsafe(event.set)

    async def more(self, after: int) -> None:
        """Wait until there are events beyond `after`, or the run is over."""
        self.followed = True
        watcher = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._watchers.add(watcher)
        try:
            while self.written <= after and not self.ended and self.error is None:
                watcher[1].clear()
                await watcher[1].wait()
        finally:
            with self._lock:
                self._watchers.discard(watcher)

    # ---------------------------------------------------------------- values and coordinates

    def facet(self, step: int, at: Coords, needs: Mapping[str, Any]) -> dict[str, Any]:
        """A cell's value of each facet, as things stand; none where what proposes them has no value. Raises Unfit."""
        spread = self.steps[step].spread
        if spread is None or self.run is None or (spread.source and spread.source not in needs):
            return {}
        taken = self.state.steps[step].taken.get(at, 0) if self.state.steps else 0
        return spread.of(at, self.run.seed, taken, needs.get(spread.source))

    def axis_value(self, axis: str, at: dict[str, int], needs: dict[str, Any]) -> Any:
        """An axis' own value at a cell; a dynamic axis' value is in the answer it came from."""
        compiled = self.plan.axes[axis]
        if compiled.values is not None:
            return compiled.values[at[axis]]
        return list_in(needs[compiled.source], compiled.path)[at[axis]]

    def labels(self, step: int, at: Coords) -> dict[str, Any]:
        """Coordinates as a user sees them; a dynamic axis is shown by its number, from 1, and so is a spare of a counted one."""
        shown: dict[str, Any] = {}
        for axis, index in zip(self.plan.steps[step].over, at, strict=True):
            values = self.plan.axes[axis].values
            beyond = values is not None and index >= len(values)
            shown[axis] = index + 1 if values is None or beyond else values[index]
        return shown
