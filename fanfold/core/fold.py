"""The one fold over the events of a run: status page, progress, report, metrics and tests all read this state.

Pure and incremental: each event costs the same in a run of twenty cells and of a million, and memory follows the cells
that have a call behind them and have not ended, never the run. Times are microseconds since the run began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from fanfold.core.counts import COUNTED, Counts, LaneState, LiveCell, StepState, Used, add
from fanfold.spec.errors import Code
from fanfold.spec.events import (
    ANSWER,
    JUDGE,
    AnyEvent,
    BundleEnded,
    Called,
    CellEnded,
    Coords,
    Drafted,
    Grew,
    Hit,
    Paced,
    Reopened,
    Rested,
    RunEnded,
    RunStarted,
    Settled,
    SpareEnded,
    StepSwept,
)

ERRORS_KEPT = 1000
ONE_AT_A_TIME_SPARES = frozenset({"duplicate", str(Code.CANCELLED), str(Code.RATE_LIMITED)})
"""Outcomes of calls that a one-at-a-time run would not have made: cancelled because a parallel twin took the key (or won the
race), cut off with the run, or sent into a limit."""
JUDGED = frozenset({Code.CHECK_FAILED, Code.DUPLICATE, Code.MALFORMED, Code.TRUNCATED})
"""Why a cell ends for good when it is its last answer, not its last call, that was no good."""

JUDGES = "judge"
"""The check that refused an answer, when it was the judge. Beside any other code: no answer was refused, its judge gave no verdict."""


class Failure(msgspec.Struct, frozen=True):
    """Why one cell has no value of its own (filled: it has its fallback's); or `cells` of them that never began, then `at` is only what they share."""

    step: int
    at: Coords
    code: str
    message: str
    hint: str = ""
    attempts: int = 0
    cells: int = 1
    filled: bool = False


class Shortfall(msgspec.Struct, frozen=True):
    """A counted step that ended with fewer values of its own than were asked for. code: what took most of the missing ones."""

    step: str
    asked: int
    accepted: int
    code: str


@dataclass(slots=True)
class RunState:
    """The state of a run after the events applied so far.

    state: queued, running, complete, partial, failed or cancelled; why: the code that stopped it early. lives: 1, and 1 more
    for each resume. wall_us: time of the last event, without the time between two lives. path_us: the longest chain of answers.
    exact: whether all tokens were told by the providers. paced: what last held the run back, at paced_at; held_us: how long each
    (kind, source) did. used: tokens by model, for what it costs. errors: the first `ERRORS_KEPT` cells without a value of their own (cells filled by their fallback too); fallbacks: those of them that were filled.
    """

    plan: str = ""
    seed: int = 0
    cap: int = 0
    state: str = "queued"
    why: str = ""
    seq: int = -1
    lives: int = 0
    wall_us: int = 0
    path_us: int = 0
    max_in_flight: int = 0
    exact: bool = True
    steps: list[StepState] = field(default_factory=list)
    lanes: dict[int, LaneState] = field(default_factory=dict)
    errors: list[Failure] = field(default_factory=list)
    fallbacks: list[Failure] = field(default_factory=list)
    paced: Paced | None = None
    paced_at: int = 0
    held_us: dict[tuple[str, str], int] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)
    _air: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)  # call -> (step, lane, tokens in, most out)
    _parcels: dict[int, tuple[int, int]] = field(default_factory=dict)  # call -> (items of its request, call that leads it or -1)
    _riders: int = 0  # of the calls in the air, those that need no request of their own
    _shift: int = 0  # from the time of this life to the time of the run
    _names: dict[int, str] = field(default_factory=dict)  # of the lanes of this life

    # ---------------------------------------------------------------- folding

    def apply_all(self, events: Iterable[AnyEvent]) -> RunState:
        for event in events:
            self.apply(event)
        return self

    def apply(self, event: AnyEvent) -> None:
        """Take one event in. One that was taken in before (by its number) changes nothing, so that folds may overlap."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        if isinstance(event, RunStarted):
            self._started(event)
        now = event.t + self._shift
        self.wall_us = max(self.wall_us, now)
        match event:
            case RunStarted():
                pass
            case Called():
                self._called(event, now)
            case Settled():
                self._settled(event, now)
            case Hit():
                add(self.steps[event.step].hits, event.outcome, 1)
            case CellEnded():
                self._cell_ended(event)
            case Rested():
                self._rested(event)
            case SpareEnded():
                self._spare_ended(event)
            case BundleEnded():
                self._bundle_ended(event)
            case Reopened():
                self._reopened(event)
            case Drafted():
                pass
            case Grew():
                step = self.steps[event.step]
                step.cells = max(step.cells, event.cells)  # a resumed run tells again how it grew
            case StepSwept():
                self._swept(event)
            case Paced():
                self._paced(event, now)
            case RunEnded():
                self._paced(None, now)
                self.state, self.why = event.state, event.why
            case _:
                assert_never(event)

    def _paced(self, event: Paced | None, now: int) -> None:
        before = self.paced
        if before is not None and before.by:
            key = before.by, before.source
            self.held_us[key] = self.held_us.get(key, 0) + now - self.paced_at
        self.paced, self.paced_at = event, now

    def _started(self, event: RunStarted) -> None:
        self.plan, self.seed, self.state, self.why = event.plan, event.seed, "running", ""
        self.cap = max(self.cap, event.cap)
        self.lives += 1
        if self.lives == 1:
            self.steps = [StepState.of(facts) for facts in event.steps]
            self._names = dict(event.lanes)
            return
        self._shift = max(0, self.wall_us - event.t)
        self.cut_off()
        self._rename_lanes(dict(event.lanes))
        for step, facts in zip(self.steps, event.steps, strict=False):
            step.reopen()
            step.cells = facts.cells
        self.steps += [StepState.of(facts) for facts in event.steps[len(self.steps) :]]

    def cut_off(self) -> None:
        """A life of the run is over: what is in the air will never be told, and may have been charged."""
        for call, (step, lane, tokens_in, most_out) in self._air.items():
            self.steps[step].lost += not self._rides(call)
            self.used[self._model(lane)].guess(tokens_in, most_out)
        self._air.clear()
        self._parcels.clear()
        self._riders = 0

    def _rides(self, call: int) -> bool:
        """Whether a call in the air needs no request of its own."""
        return self._parcels.get(call, (1, -1))[1] >= 0

    def _model(self, lane: int) -> str:
        """The name of the model behind a lane; its number where nobody said it."""
        return self._names.get(lane, str(lane))

    @property
    def lane_names(self) -> Mapping[int, str]:
        """Models by the number of their lane, in this life of the run."""
        return self._names

    @property
    def models_in_the_air(self) -> set[str]:
        return {self._model(lane) for _, lane, _, _ in self._air.values()}

    def _rename_lanes(self, names: dict[int, str]) -> None:
        """Lanes have other numbers in another process; those of models that are not called any more count below 0."""
        number = {name: lane for lane, name in names.items()}
        if names and self._names:
            self.lanes = {number.get(self._names.get(lane, ""), -1 - lane): used for lane, used in self.lanes.items()}
        self._names = names or self._names

    def _reopened(self, event: Reopened) -> None:
        step = self.steps[event.step]
        step.end(event.state, -event.cells)
        if event.code:
            add(step.codes, event.code, -event.cells)
            step.fallback -= event.cells if event.state == "accepted" else 0
            self._forget(event, filled=event.state == "accepted")
        step.candidates.difference_update(event.took)

    def _forget(self, event: Reopened, *, filled: bool) -> None:
        at = None if event.at is None else set(event.at)

        def gone(failure: Failure) -> bool:
            alike = (failure.step, failure.code, failure.filled) == (event.step, event.code, filled)
            return alike and (at is None or failure.at in at)

        self.errors = [failure for failure in self.errors if not gone(failure)]
        self.fallbacks = [failure for failure in self.fallbacks if not gone(failure)]

    def _called(self, event: Called, now: int) -> None:
        step = self.steps[event.step]
        alone = event.lead < 0
        step.calls += alone
        step.first_called = now if step.first_called is None else step.first_called
        cell = step.live.get(event.at)
        if cell is None:
            cell = step.live[event.at] = LiveCell()
        step.hedges += bool(cell.calls)  # the first one still counts
        cell.calls.add(event.call)
        step.move(cell, "checking" if event.phase == JUDGE else "running")
        self._air[event.call] = (event.step, event.lane, event.tokens_in, event.most_out)
        self.used.setdefault(self._model(event.lane), Used()).calls += alone
        if event.items > 1:
            self._parcels[event.call] = event.items, event.lead
            self._riders += not alone
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.lanes.setdefault(event.lane, LaneState()).calls += alone

    def _settled(self, event: Settled, now: int) -> None:
        step, tokens = self.steps[event.step], event.tokens_in + event.tokens_out
        step.last_settled = now
        step.tokens_in += event.tokens_in
        step.tokens_out += event.tokens_out
        self.exact = self.exact and event.exact
        _, lane, _, _ = self._air.pop(event.call)
        used = self.used[self._model(lane)]
        used.busy_us += event.took
        if event.exact:
            used.tell(event.tokens_in, event.tokens_out, event.cached)
        else:
            used.guess(event.tokens_in, event.tokens_out)
        self.lanes[lane].tokens += tokens
        items, lead = self._parcels.pop(event.call, (1, -1))
        self._riders -= lead >= 0
        if lead < 0:
            add(step.outcomes, event.outcome, 1)
            step.rate_limited += event.outcome == Code.RATE_LIMITED
        if event.outcome not in ONE_AT_A_TIME_SPARES:
            step.sequential_us += event.took // items + (event.took % items if lead < 0 else 0)
        if event.outcome == "ok" and event.phase == ANSWER:
            step.latencies.add(event.took)
        cell = step.live.get(event.at)
        counts = cell is not None and event.call in cell.calls
        if cell is not None and counts and event.outcome == "ok":
            cell.calls.clear()
            cell.tokens += tokens
            step.move(cell, "checking")
            return
        step.wasted += tokens
        if cell is not None and counts:
            cell.calls.discard(event.call)
            if not cell.calls and cell.state == "running":
                step.move(cell, "waiting")

    def _rested(self, event: Rested) -> None:
        step = self.steps[event.step]
        step.retries += event.kind == "retry"
        step.waits += event.kind == "wait"
        cell = step.live.get(event.at)
        if cell is not None:
            cell.calls.clear()  # one that is still in the air has lost
            if event.kind == "regenerate":
                step.drop(cell)
                cell.tokens = 0
            elif cell.state == "running":
                step.move(cell, "waiting")  # in the other case a judge is asked again: the answer stands
        if event.kind == "regenerate":
            step.regenerations += 1
            if event.code == Code.DUPLICATE:
                add(step.taken, event.at, 1)
            step.reject(event.code, event.check, event.reason)

    def _cell_ended(self, event: CellEnded) -> None:
        step = self.steps[event.step]
        cell = step.live.pop(event.at, None)
        step.taken.pop(event.at, None)
        step.candidates.update(event.took)
        own = event.state == "accepted" and not event.code
        taken_along = step.counted and _refused_before(cell, event.code)
        if cell is not None:
            cell.tokens = 0 if own else cell.tokens
            step.drop(cell)
        step.end(event.state, 1)
        self.path_us = max(self.path_us, event.path)
        if own:
            return
        add(step.codes, event.code, 1)
        if event.code in JUDGED and not taken_along and (event.check != JUDGES or event.code == Code.CHECK_FAILED):
            step.rejected_last += 1
            step.reject(event.code, event.check, event.message)
        if event.state == "accepted":
            step.fallback += 1
        if event.state in ("accepted", "failed"):
            filled = event.state == "accepted"
            self._keep(Failure(event.step, event.at, event.code, event.message, event.hint, event.attempts, filled=filled))

    def _spare_ended(self, event: SpareEnded) -> None:
        """What stood behind a cell that it fills was for nothing; the spare is that cell now."""
        step = self.steps[event.step]
        spare = step.live.pop(event.at, None)
        if event.fills is not None and spare is None:  # answered in an earlier life
            step.live.setdefault(event.fills, LiveCell())
        if event.fills is not None and spare is not None:
            before = step.live.pop(event.fills, None)
            step.live[event.fills], spare = spare, before
        if spare is not None:
            step.drop(spare)
        if event.code in JUDGED:
            step.rejected_last += 1
            step.reject(event.code, event.check, event.reason)

    def _keep(self, failure: Failure) -> None:
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(failure)
            if failure.filled:
                self.fallbacks.append(failure)

    def _bundle_ended(self, event: BundleEnded) -> None:
        step, cells = self.steps[event.step], event.stop - event.start
        step.end(event.state, cells)
        add(step.codes, event.code, cells)
        if event.state == "failed":
            self._keep(Failure(event.step, event.at, event.code, event.message, event.hint, 0, cells))

    def _swept(self, event: StepSwept) -> None:
        step = self.steps[event.step]
        step.drop_all()
        step.sweep, step.swept = event, step.waiting
        step.end(event.state, step.swept)
        add(step.codes, event.code, step.swept)

    # ---------------------------------------------------------------- what it tells

    @property
    def total(self) -> Counts:
        """The counts of all steps together."""
        return Counts(*(sum(getattr(step, name) for step in self.steps) for name in COUNTED))

    @property
    def in_flight(self) -> int:
        return len(self._air) - self._riders

    @property
    def percent(self) -> float:
        """By the weights of the steps, 0 … 100. A run that was stopped stays at what it had reached."""
        if self.state not in ("queued", "running") and not self.why:
            return 100.0
        whole = sum(step.weight for step in self.steps)
        if not whole:
            return 0.0
        return 100.0 * sum(step.weight * step.fraction for step in self.steps) / whole

    @property
    def accepted_per_s(self) -> float:
        return 1e6 * sum(step.accepted for step in self.steps) / self.wall_us if self.wall_us else 0.0

    @property
    def shortfall(self) -> list[Shortfall]:
        """Of the counted steps, once the run has ended."""
        if self.state in ("queued", "running"):
            return []
        return [
            Shortfall(step.name, step.cells, step.own, max(step.codes, key=lambda code: step.codes[code], default=""))
            for step in self.steps
            if step.counted and step.own < step.cells
        ]

    def __repr__(self) -> str:
        total = self.total
        return (
            f"<RunState {self.plan or '-'} {self.state} {self.percent:.0f} %: {total.accepted}/{total.cells} accepted, "
            f"{total.failed} failed, {self.in_flight} in the air, {total.calls} calls, {self.wall_us / 1e6:.1f} s>"
        )


def _refused_before(cell: LiveCell | None, code: str) -> bool:
    """Of a cell that others of its counted axis took along: it was never drawn, or its own refusal has been counted."""
    return code in (Code.DUPLICATE, Code.CHECK_FAILED) and (cell is None or (cell.state == "waiting" and not cell.calls))


def fold(events: Iterable[AnyEvent]) -> RunState:
    """The state after these events, which begin with the run's first."""
    return RunState().apply_all(events)
