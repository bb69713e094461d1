"""What each cell of a run took, folded from its journal: a few numbers a cell, in arrays."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from fanfold.spec.events import ANSWER, AnyEvent, Called, CellEnded, Coords, Reopened, RunStarted, Settled, SpareEnded
from fanfold.spec.prices import Price

if TYPE_CHECKING:
    from fanfold.engine.job import Job

MILLION = 1_000_000
FEW = 500  # cells that need no detour
Prices = Callable[[str], Price | None]


class Took(NamedTuple):
    """What one cell took. model: that wrote it, or was asked last; "" for none. elapsed_s: from its first call to its end. cost_usd: None: not known."""

    model: str = ""
    attempts: int = 0
    calls: int = 0
    elapsed_s: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0


class Meter:
    """Folds the journal into what each cell of one step took: a few numbers a cell, in arrays."""

    def __init__(self, sizes: Sequence[int | None]) -> None:
        """sizes: of the step's axes, None for those that are found by another step."""
        self._sizes = list(sizes)
        static = all(size is not None for size in sizes)
        self._spread = prod(size or 0 for size in sizes) if static else 0
        self._others: dict[Coords, int] = {}
        self.state, self.lane = array("b"), array("h")
        self.first, self.last = array("q"), array("q")
        self.attempts, self.calls = array("l"), array("l")
        self.tokens_in, self.tokens_out, self.cost = array("q"), array("q"), array("d")
        for kept, empty in self._arrays():
            kept.extend([empty] * self._spread if self._spread < FEW else array(kept.typecode, [empty]) * self._spread)

    def _arrays(self) -> list[tuple[array[Any], int]]:
        return [
            (self.state, 0), (self.lane, -1), (self.first, -1), (self.last, -1), (self.attempts, 0), (self.calls, 0),
            (self.tokens_in, 0), (self.tokens_out, 0), (self.cost, 0),
        ]  # fmt: skip

    def place(self, at: Coords) -> int:
        """Where a cell's numbers are; a spare's and those of found axes follow behind."""
        if self._spread:
            place = 0
            for index, size in zip(at, self._sizes, strict=True):
                if index >= (size or 0):
                    break
                place = place * (size or 0) + index
            else:
                return place
        place = self._others.setdefault(at, self._spread + len(self._others))
        for kept, empty in self._arrays() if place == len(self.state) else ():
            kept.append(empty)
        return place

    def fill(self, at: Coords, fills: Coords) -> None:
        """What a spare took is the cell's that it fills."""
        source, to = self.place(at), self.place(fills)
        for kept in (self.calls, self.tokens_in, self.tokens_out):
            kept[to] += kept[source]
        self.cost[to] += self.cost[source]
        self.lane[to] = self.lane[source]
        begun = [t for t in (self.first[source], self.first[to]) if t >= 0]
        self.first[to] = min(begun, default=-1)


class Meters:
    """What the cells of a run took. prices: of a model; None: not known."""

    def __init__(self, job: Job, prices: Prices) -> None:
        assert job.run is not None
        sizes = job.run.grid.sizes
        self._of = [Meter([sizes[axis] for axis in work.compiled.over]) for work in job.steps]
        self._prices = prices
        self._models: list[str] = []
        self._lanes: dict[int, int] = {}  # of this life -> number of its model
        self._in_the_air: dict[int, tuple[int, bool]] = {}  # call -> number of its model, and whether it is for an answer

    def apply(self, event: AnyEvent) -> None:
        if isinstance(event, Called):
            meter, place = self._of[event.step], self._of[event.step].place(event.at)
            meter.calls[place] += 1
            model = self._lanes.get(event.lane, -1)
            self._in_the_air[event.call] = model, event.phase == ANSWER
            if event.phase == ANSWER and meter.lane[place] < 0:
                meter.lane[place] = model
            if meter.first[place] < 0:
                meter.first[place] = event.t
        elif isinstance(event, Settled):
            self._settled(event)
        elif isinstance(event, CellEnded):
            meter, place = self._of[event.step], self._of[event.step].place(event.at)
            meter.last[place], meter.attempts[place] = event.t, event.attempts
            meter.state[place] = event.state == "accepted"
        elif isinstance(event, SpareEnded):
            if event.fills is not None:
                self._of[event.step].fill(event.at, event.fills)
        elif isinstance(event, Reopened):
            for at in event.at or ():
                self._of[event.step].state[self._of[event.step].place(at)] = 0
        elif isinstance(event, RunStarted):
            self._begin(dict(event.lanes))

    def _begin(self, lanes: Mapping[int, str]) -> None:
        """Another life of the run: its calls and lanes have numbers of their own."""
        self._models += [name for name in dict.fromkeys(lanes.values()) if name not in self._models]
        self._lanes = {lane: self._models.index(name) for lane, name in lanes.items()}
        self._in_the_air = {}

    def _settled(self, event: Settled) -> None:
        meter, place = self._of[event.step], self._of[event.step].place(event.at)
        meter.tokens_in[place] += event.tokens_in
        meter.tokens_out[place] += event.tokens_out
        model, answers = self._in_the_air.pop(event.call, (-1, False))
        if answers and event.outcome != "cancelled":
            meter.lane[place] = model  # the last that said anything: what is accepted was said by it
        price = self._prices(self._models[model] if model >= 0 else "")
        used = event.tokens_in or event.tokens_out
        meter.cost[place] += (
            (float("nan") if used else 0) if price is None else price.of(event.tokens_in, event.tokens_out, event.cached)
        )

    def accepted(self, step: int, at: Coords) -> bool:
        return bool(self._of[step].state[self._of[step].place(at)])

    def took(self, step: int, at: Coords) -> Took:
        meter, place = self._of[step], self._of[step].place(at)
        begun, ended, cost = meter.first[place], meter.last[place], meter.cost[place]
        return Took(
            self._models[meter.lane[place]] if meter.lane[place] >= 0 else "", meter.attempts[place], meter.calls[place],
            round((ended - begun) / MILLION, 3) if 0 <= begun <= ended else 0.0, meter.tokens_in[place], meter.tokens_out[place],
            None if cost != cost else round(cost, 9),
        )  # fmt: skip
