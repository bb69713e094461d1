"""A whole run against the fault server: the real engine, the real adapter, the loopback between them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fanfold import Engine, Plan, Result, Step
from fanfold.spec.errors import Code
from fanfold.spec.events import AnyEvent, Called, CellEnded, Settled
from fanfold.testing.faults.dialect import modes
from fanfold.testing.faults.exchange import Mode
from fanfold.testing.faultserver import DIALECTS, FaultServer
from fanfold.testing.providers import KEY

SPOKEN = tuple(DIALECTS)
MODES: dict[str, dict[str, Mode]] = {name: modes(dialect) for name, dialect in DIALECTS.items()}


@dataclass
class Faced:
    """What a run has seen and done. hits: requests that arrived, by mode. wall_s: how long it took."""

    result: Result
    events: list[AnyEvent] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0
    server: FaultServer | None = None

    @property
    def calls(self) -> list[Called]:
        return [event for event in self.events if isinstance(event, Called)]

    @property
    def settled(self) -> list[Settled]:
        return [event for event in self.events if isinstance(event, Settled)]

    @property
    def codes(self) -> set[str]:
        """Of the cells that have no value of their own."""
        return {error.code for error in self.result.errors}

    @property
    def said(self) -> str:
        """All that anybody is told."""
        return repr([*self.events, *self.result.errors, self.result.report])


async def faced(
    dialect: str, mode: str, *, cells: int = 3, added: dict[str, Mode] | None = None, model: str = "m", plan: Plan | None = None,
    **options: Any,
) -> Faced:  # fmt: skip
    """A run of `cells` cells in this mode. Its outcome obeys the invariants that hold whatever happens."""
    plan = plan or Plan("p", [Step("a", "Say {n}", over="n")], {"n": range(cells)})
    async with FaultServer({**MODES[dialect], **(added or {})}) as server:
        return await facing(server, dialect, mode, model=model, plan=plan, **options)


async def facing(
    server: FaultServer, dialect: str, mode: str, *, plan: Plan, model: str = "m", deadline_s: float | None = None, **options: Any
) -> Faced:
    events: list[AnyEvent] = []
    names = " | ".join(f"{dialect}/{name}" for name in model.split(" | "))
    began = time.monotonic()
    options = {"timeout_s": 10.0, "retries": 0, "attempts": 1, "seed": 1, **options}
    async with Engine(names, base_url=server.url(mode), api_key=KEY, store=":memory:", **options) as engine:
        result = await engine.start(plan, sinks=[events.extend], deadline_s=deadline_s).result()
    found = Faced(result, events, server.hits, time.monotonic() - began, server)
    check(found)
    return found


def check(found: Faced) -> None:
    """I1, I5, I13, I19: each cell ends once, every request was admitted, and no key is shown."""
    ends = Counter((event.step, event.at) for event in found.events if isinstance(event, CellEnded))
    assert set(ends.values()) <= {1}, "I1: a cell ended twice"
    assert found.hits.total() <= len(found.calls), "I13: more requests than admissions"
    assert len(found.settled) == len(found.calls), "I17: a call was never settled"
    assert found.codes <= set(Code), "a code that there is not"
    assert KEY not in found.said, "I19: the key is shown"


def within(found: Faced, most_s: float) -> None:
    assert found.wall_s <= most_s, f"took {found.wall_s:.2f} s, {most_s:g} s are allowed"
