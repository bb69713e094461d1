"""Several items in one call: a hundred cells with 1, 5 and 10 in a call, with and without a limit of 60 requests a minute.

Whole runs in virtual time on the simulated provider: a prompt of about 1,500 tokens, all but one line of which is the same for all; answers
of about 150 tokens at 65 a second. And through sockets, against a service whose answers are sometimes cut off. What is asked is how many
requests are made, what is paid for the prompts, and what is waited for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from bench._service import service
from fanfold import Engine, Limits, Plan, Step
from fanfold.sim.pace import Pace
from fanfold.sim.pen import Pen
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.testing.virtual import VirtualClock, run

CELLS, EACH, RPM = 100, (1, 5, 10), 60
PROMPT = "Write for a guide of harbours, and keep to the rules of the house.\n" * 88 + "\nHarbour: number {n}"
BODY = "One thing leads to another, and so it goes on for a while. " * 10
PACE = Pace(first_s=0.6, tokens_per_s=65.0, tail=0.0)
CUT_OFF = 0.2  # of the answers through sockets


class Entry(BaseModel):
    name: str
    text: str


@dataclass(frozen=True)
class Cost:
    """Of one run. span: seconds."""

    calls: int
    tokens_in: int
    tokens_out: int
    span: float
    missing: int


def entry(pen: Pen) -> dict[str, str]:
    return {"name": f"Harbour {pen.rng.getrandbits(40)}", "text": BODY}


def plan(items: int) -> Plan:
    step = Step("entry", PROMPT, output=Entry, over="n", unique="name", items_per_call=items)
    return Plan("guide", [step], {"n": range(CELLS)})


def cost(items: int, rpm: int | None = None, seed: int = 1) -> Cost:
    async def main() -> Cost:
        provider = SimProvider(World(seed=seed, pace=PACE), contents={"Entry": entry})
        limits = Limits(rpm=rpm, concurrent=512)
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), seed=seed, limits=limits) as engine:
            return told((await engine.run(plan(items))).report)

    return run(main())


def told(report: dict[str, object]) -> Cost:
    names = ("calls", "tokens_in", "tokens_out", "wall_s", "failed")
    return Cost(*(report[name] for name in names))  # type: ignore[arg-type]


async def _over_http(url: str, items: int) -> Cost:
    async with Engine("openai/sim", base_url=url, api_key="none", store=":memory:", seed=1) as engine:
        return told((await engine.run(plan(items))).report)


def over_http(items: int) -> Cost:
    with service("--faults", f"truncated={CUT_OFF}", "--seed", "1", latency_s="0.2") as url:
        return asyncio.run(_over_http(url, items))


def measure() -> Iterator[tuple[str, float, float | None]]:
    alone, held = cost(1), cost(1, RPM)
    yield f"{CELLS} cells, 1 in a call: requests", alone.calls, None
    yield "1 in a call: tokens in", alone.tokens_in, None
    yield "1 in a call: s", alone.span, None
    yield f"1 in a call, {RPM} requests a minute: s", held.span, None
    for items in EACH[1:]:
        each, limited = cost(items), cost(items, RPM)
        yield f"{items} in a call: requests, of those of 1", each.calls / alone.calls, 1 / items
        yield f"{items} in a call: tokens in, of those of 1", each.tokens_in / alone.tokens_in, 1.2 / items
        yield f"{items} in a call: tokens out, of those of 1", each.tokens_out / alone.tokens_out, 1.1
        yield f"{items} in a call: s, times those of 1", each.span / alone.span, items
        yield f"{items} in a call, {RPM} requests a minute: s, of those of 1", limited.span / held.span, 0.6
        yield f"{items} in a call: missing", each.missing + limited.missing, 0
    lost = CELLS
    for items in EACH:
        each = over_http(items)
        yield f"over HTTP, {CUT_OFF:.0%} cut off, {items} in a call: requests", each.calls, 2 * CELLS / items + 10
        yield f"over HTTP, {CUT_OFF:.0%} cut off, {items} in a call: tokens in", each.tokens_in, None
        yield f"over HTTP, {CUT_OFF:.0%} cut off, {items} in a call: missing", each.missing, lost
        lost = each.missing if items == 1 else lost
