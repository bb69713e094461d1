"""Weather for the conductor alone: how long calls take, what goes wrong, which names a model draws. The same seed, the same weather."""

from __future__ import annotations

from random import Random

from fanfold.core.commands import JUDGE, Call
from fanfold.spec.calls import Fault, Reply, Usage
from fanfold.testing.heap import Flight

SECOND = 1_000_000
FAVOURITES = 50  # names that a model comes back to in a tenth of its answers
POOL = 20  # all other names, for each cell that needs one: about one answer in twenty repeats another cell's
TRANSIENT, LIMITED, FOUND, REFUSED = 0.02, 0.01, 0.05, 0.04
STREAMED, CHANGED = 0.7, 0.01  # answers whose name streams ahead, and whose name is another one at the end

_TIMEOUT = Fault(code="transient", message="HTTP 503: overloaded", status=503)
_LIMITED = Fault(code="rate_limited", message="HTTP 429: slow down", status=429, retry_after_s=0.2)
_PASSED = Reply(usage=Usage(tokens_in=400, tokens_out=20), verdict=True)
_DULL = Reply(usage=Usage(tokens_in=400, tokens_out=20), verdict=False, finding="dull", check="judge")


class Weather:
    """names: cells that need one of their own. calls: so far."""

    def __init__(self, seed: int, names: int) -> None:
        self._rng, self._pool = Random(seed), POOL * names
        self.calls = 0

    def fly(self, call: Call) -> Flight:
        """What becomes of a call. Times are log-normal, around two seconds."""
        self.calls += 1
        rng = self._rng
        took = int(SECOND * rng.lognormvariate(0.6, 0.5))
        luck = rng.random()
        if luck < TRANSIENT:
            return Flight(took // 4, _TIMEOUT)
        if luck < TRANSIENT + LIMITED:
            return Flight(SECOND // 20, _LIMITED)
        if call.phase == JUDGE:
            return Flight(took // 2, _DULL if rng.random() < REFUSED else _PASSED)
        usage = Usage(tokens_in=300, tokens_out=200 + int(200 * luck))
        if call.cell.rule.unique is None:
            return Flight(took, Reply(usage=usage))
        return self._named(call, took, usage)

    def _named(self, call: Call, took: int, usage: Usage) -> Flight:
        rng = self._rng
        name = self._name(call.avoid)
        early = (took * 3 // 10, name) if rng.random() < STREAMED else None
        if rng.random() < CHANGED:
            name = self._name(call.avoid)
        found = rng.random() < FOUND
        reply = Reply(
            usage=usage, key=name, check="short" if found else "", finding="too short" if found else None, judge=(450, 20)
        )
        return Flight(took, reply, early)

    def _name(self, avoid: tuple[str, ...]) -> str:
        """A model that is told what is taken draws something else."""
        if self._rng.random() < 0.1 and (name := f"favourite {self._rng.randrange(FAVOURITES)}") not in avoid:
            return name
        return f"dish {self._rng.randrange(self._pool)}"
