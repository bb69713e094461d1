"""Which model wrote the answer of each cell: the one whose call was answered last before it ended."""

from __future__ import annotations

from fanfold.spec.events import ANSWER, AnyEvent, Called, Coords, RunStarted, Settled, SpareEnded


class Authors:
    """A fold. `of(step, at)`: the model's name; "" where no call was answered: a function, a fallback, or the cache."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._air: dict[int, str] = {}
        self._wrote: dict[tuple[int, Coords], str] = {}

    def of(self, step: int, at: Coords) -> str:
        return self._wrote.get((step, at), "")

    def apply(self, event: AnyEvent) -> None:
        if isinstance(event, Called):
            if event.phase == ANSWER:
                self._air[event.call] = self._names.get(event.lane, "")
        elif isinstance(event, Settled):
            model = self._air.pop(event.call, "")
            if model and event.outcome == "ok":
                self._wrote[event.step, event.at] = model
        elif isinstance(event, SpareEnded):
            model = self._wrote.pop((event.step, event.at), "")
            if event.fills is not None:
                self._wrote[event.step, event.fills] = model
        elif isinstance(event, RunStarted):  # numbers of calls and lanes are those of one life
            self._names, self._air = dict(event.lanes), {}
