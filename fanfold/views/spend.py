"""What a run has cost so far: the tokens of each model, at its prices."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fanfold.spec.events import AnyEvent, Called, RunStarted, Settled
from fanfold.spec.prices import Price

DIGITS = 6  # a millionth of a dollar is about a token


class Cost(NamedTuple):
    """usd: US dollars, None while nothing is known. is_: "exact", "at_least" or "unknown".

    uncertain: the part of it for calls whose tokens nobody has told, as they were booked or estimated.
    """

    usd: float | None
    is_: str
    uncertain: float = 0.0


@dataclass(slots=True)
class Used:
    """What went to one model, as the provider told it. cached: of the tokens in.

    untold: calls that were sent and whose tokens nobody has told; guessed_in, guessed_out: what they were booked or estimated at.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    told: int = 0
    untold: int = 0
    guessed_in: int = 0
    guessed_out: int = 0


class Spend:
    """A fold over the events of a run, through all its lives. Models are known by name; by the number of their lane where nobody said it."""

    def __init__(self) -> None:
        self._used: dict[Hashable, Used] = {}
        self._names: dict[int, str] = {}
        self._air: dict[int, tuple[Used, Called]] = {}  # by call

    def __call__(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if isinstance(event, Called):
                self._air[event.call] = self._used.setdefault(self._names.get(event.lane, event.lane), Used()), event
            elif isinstance(event, Settled):
                self._settled(self._air.pop(event.call)[0], event)
            elif isinstance(event, RunStarted):
                self._started(event)

    def cut_off(self) -> None:
        """A life of the run is over: what is in the air will never be told, and may have been charged."""
        for used, called in self._air.values():
            used.untold += 1
            used.guessed_in += called.tokens_in
            used.guessed_out += called.most_out
        self._air.clear()

    def _started(self, event: RunStarted) -> None:
        self.cut_off()
        self._names = dict(event.lanes)  # lanes have other numbers in another process

    def _settled(self, used: Used, event: Settled) -> None:
        if not event.exact:
            used.untold += 1
            used.guessed_in += event.tokens_in
            used.guessed_out += event.tokens_out
            return
        used.told += 1
        used.tokens_in += event.tokens_in
        used.tokens_out += event.tokens_out

    @property
    def models(self) -> set[Hashable]:
        """Those that were called."""
        return set(self._used)

    def cost(self, prices: Mapping[Any, Price], models: int) -> Cost:
        """At these prices, by model; one that has none is not in them. models: how many the run may use.

        Exact when every call has told what it used. At least: while calls are in the air, where the tokens of one are an estimate, or
        where a model has no price. Unknown: without any price.
        """
        if len(prices) == 0 and (models or self._used):
            return Cost(None, "unknown")
        priced = {model: used for model, used in self._used.items() if model in prices}
        open_ = len(priced) < len(self._used) or any(self._waits(used) and any(prices[model]) for model, used in priced.items())
        if open_ and not any(used.told or used.guessed_in or not any(prices[model]) for model, used in priced.items()):
            return Cost(None, "unknown")
        told = sum(prices[model].of(used.tokens_in, used.tokens_out, used.cached) for model, used in priced.items())
        guessed = sum(prices[model].of(used.guessed_in, used.guessed_out) for model, used in priced.items())
        return Cost(round(told + guessed, DIGITS), "at_least" if open_ else "exact", round(guessed, DIGITS))

    def _waits(self, used: Used) -> bool:
        return used.untold > 0 or any(air is used for air, _ in self._air.values())
