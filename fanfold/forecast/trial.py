"""One seed of a forecast: a whole run in virtual time, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fanfold.core.bound import Bound, Job, head_tail_bound, lower_bound
from fanfold.core.fold import ONE_AT_A_TIME_SPARES, RunState
from fanfold.core.grid import Grid
from fanfold.core.hedge import Hedging
from fanfold.forecast.asked import Asked
from fanfold.forecast.heap import Heap
from fanfold.forecast.weather import Weather
from fanfold.spec.events import ANSWER, AnyEvent, Called, CellEnded, Coords, Settled
from fanfold.spec.plan import Limits
from fanfold.spec.prices import Price

SMALL = 2_000  # calls of a run whose closer bound is worth working out


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to. steps: (cells, accepted, calls) by step. cost_usd: None without a price for every model that was called.
    held_us: how long each thing, as `Paced` names it, held the next call back.
    """

    cells: int
    accepted: int
    calls: int
    wall_us: int
    sequential_us: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    duplicates: int
    drawn_again: int
    hedges: int
    most_at_once: int
    held_us: dict[str, int]
    bound: Bound
    steps: tuple[tuple[int, int, int], ...]


def trial(asked: Asked, seed: int, limits: Limits, cap: int | None, *, hedges: bool = True) -> Trial:
    """Run the plan once under these limits. cap: calls of the run in the air at once, None for no limit of its own."""
    conductor = asked.open(limits)
    for lane in conductor.lanes:
        lane.late = lane.late if hedges else Hedging(share=0)
    grid = Grid(asked.plan)
    ledger = Ledger(small=sum(grid.totals) <= SMALL)
    conductor.add(grid, [step.rule for step in asked.steps], 0, seed=seed, cap=cap, deadline=asked.deadline)
    Heap(conductor, Weather(asked, seed), ledger.hear).run()
    names = [lane.name for lane in conductor.lanes]
    return ledger.trial(asked, names, limits)


class Ledger:
    """Everything that is counted of a run: the fold that reports are made of, tokens by lane, and chains where the run is small."""

    def __init__(self, *, small: bool) -> None:
        self.state = RunState()
        self._lanes: dict[int, list[int]] = {}  # tokens in and out
        self._of: dict[int, int] = {}  # call -> lane
        self._riders: set[int] = set()  # calls in the air that need no request of their own
        self._small = small
        self._calls: list[tuple[int, Coords, int]] = []
        self._ended: dict[tuple[int, Coords], tuple[int, int]] = {}  # its chain, and its own part of it
        self._service: dict[tuple[int, Coords], int] = {}

    def hear(self, events: Sequence[AnyEvent]) -> None:
        self.state.apply_all(events)
        for event in events:
            if isinstance(event, Called):
                self._of[event.call] = event.lane
                if event.lead >= 0:
                    self._riders.add(event.call)
            elif isinstance(event, Settled):
                spent = self._lanes.setdefault(self._of.pop(event.call), [0, 0])
                spent[0] += event.tokens_in
                spent[1] += event.tokens_out
                if self._small:
                    self._settled(event)
            elif isinstance(event, CellEnded) and self._small:
                cell = event.step, event.at
                self._ended[cell] = event.path, self._service.get(cell, 0)

    def _settled(self, event: Settled) -> None:
        if event.outcome in ONE_AT_A_TIME_SPARES:
            return
        cell = event.step, event.at
        if event.call not in self._riders:
            self._calls.append((*cell, event.took))
        if event.outcome == "ok":
            self._service[cell] = event.took + (0 if event.phase == ANSWER else self._service.get(cell, 0))

    # ---------------------------------------------------------------- what it came to

    def trial(self, asked: Asked, lanes: Sequence[str], limits: Limits) -> Trial:
        state, total = self.state, self.state.total
        return Trial(
            cells=total.cells, accepted=total.accepted, calls=total.calls, wall_us=state.wall_us,
            sequential_us=total.sequential_us, tokens_in=total.tokens_in, tokens_out=total.tokens_out,
            cost_usd=self._cost(lanes, asked.prices), duplicates=total.duplicates, drawn_again=total.regenerations,
            hedges=total.hedges, most_at_once=state.max_in_flight, held_us={by: held for (by, _), held in state.held_us.items()},
            bound=self._bound(asked, limits), steps=tuple((step.cells, step.accepted, step.calls) for step in state.steps),
        )  # fmt: skip

    def _cost(self, lanes: Sequence[str], prices: Mapping[str, Price]) -> float | None:
        cost = 0.0
        for lane, (tokens_in, tokens_out) in self._lanes.items():
            price = prices.get(lanes[lane])
            if price is None:
                return None
            cost += price.of(tokens_in, tokens_out)
        return cost

    def _bound(self, asked: Asked, limits: Limits) -> Bound:
        """As the report of a run has it; closer where the graph is small enough to look at every chain."""
        state = self.state
        cap = max(state.cap, state.max_in_flight)
        lanes = state.lanes.values()
        bounds = [
            lower_bound(
                state.path_us, state.total.sequential_us, cap, calls=max((lane.calls for lane in lanes), default=0), rpm=limits.rpm,
                tokens=max((lane.tokens for lane in lanes), default=0), tpm=limits.tpm,
            )
        ]  # fmt: skip
        if self._small:
            bounds.append(head_tail_bound(self._jobs(asked), cap, rpm=limits.rpm if len(lanes) == 1 else None))
        best = max(bounds, key=lambda bound: bound.us)
        return Bound(min(best.us, state.wall_us), best.by)

    def _jobs(self, asked: Asked) -> list[Job]:
        """Every call, with the chain before its cell, and the shortest that can follow its step."""
        tails = self._tails(asked)
        jobs = []
        for step, at, took in self._calls:
            path, own = self._ended.get((step, at), (0, 0))
            jobs.append(Job(max(0, path - own), took, tails[step]))
        return jobs

    def _tails(self, asked: Asked) -> list[int]:
        """By step: the shortest chain of answers that was needed after any of its cells."""
        least: dict[int, int] = {}
        for (step, _), (path, own) in self._ended.items():
            least[step] = min(least.get(step, own), own if path else 0)
        tails = [0] * len(asked.steps)
        for index in reversed(asked.plan.order):
            for need in asked.plan.steps[index].needs:
                source = asked.plan.step(need).index
                tails[source] = max(tails[source], least.get(index, 0) + tails[index])
        return tails
