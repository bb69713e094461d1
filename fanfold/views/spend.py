"""What a run has cost so far: the tokens of each lane, at the prices of their models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fanfold.spec.events import AnyEvent, Called, RunStarted, Settled
from fanfold.spec.prices import Price

DIGITS = 6  # a millionth of a dollar is about a token


class Cost(NamedTuple):
    """usd: US dollars, None while nothing is known. is_: "exact", "at_least" or "unknown"."""

    usd: float | None
    is_: str


@dataclass(slots=True)
class Used:
    """What went through one lane, as the provider told it. cached: of the tokens in. untold: calls that were sent and whose tokens nobody has told."""

    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    told: int = 0
    untold: int = 0


class Spend:
    """A fold over the events of a run. Journals of older versions do not tell which tokens were cached: there, none were."""

    def __init__(self) -> None:
        self._lanes: dict[int, Used] = {}
        self._air: dict[int, Used] = {}  # by call

    def __call__(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if isinstance(event, Called):
                self._air[event.call] = self._lanes.setdefault(event.lane, Used())
            elif isinstance(event, Settled):
                self._settled(self._air.pop(event.call), event)
            elif isinstance(event, RunStarted):
                for lost in self._air.values():  # when the run was cut off
                    lost.untold += 1
                self._air.clear()

    def _settled(self, lane: Used, event: Settled) -> None:
        """An estimate is left out: it may be too high, and a cost is to be at least what is said."""
        if not event.exact:
            lane.untold += 1
            return
        lane.told += 1
        lane.tokens_in += event.tokens_in
        lane.tokens_out += event.tokens_out
        lane.cached += min(event.cached, event.tokens_in)

    def cost(self, prices: Mapping[int, Price], lanes: int) -> Cost:
        """At these prices, by lane; a lane that has none is not in them. lanes: how many the run may use.

        At least that much: while calls are in the air, where one was sent and its usage never came, or where a model has no price.
        Unknown: without any price, and where nobody has told anything.
        """
        if len(prices) == 0 and lanes:
            return Cost(None, "unknown")
        open_ = [lane for lane, used in self._lanes.items() if lane not in prices or (self._waits(used) and any(prices[lane]))]
        known = [lane for lane, used in self._lanes.items() if lane in prices and (used.told or not any(prices[lane]))]
        if open_ and not known:
            return Cost(None, "unknown")
        usd = sum(
            prices[lane].of(used.tokens_in, used.tokens_out, used.cached) for lane, used in self._lanes.items() if lane in known
        )
        return Cost(round(usd, DIGITS), "at_least" if open_ else "exact")

    def _waits(self, used: Used) -> bool:
        return used.untold > 0 or any(lane is used for lane in self._air.values())
