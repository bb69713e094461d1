"""The front door's part of a forecast: the plan wired as for a run, but with nobody behind it; and what the store has of earlier runs.

No key is needed and no connection is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fanfold import config
from fanfold.core.conductor import Conductor
from fanfold.core.run import LOCAL
from fanfold.forecast.asked import Asked, AskedStep
from fanfold.forecast.learn import learn
from fanfold.providers.prices import Tariff, has_list, own_prices
from fanfold.spec.calls import Answer, Fault, Request
from fanfold.spec.compiled import CompiledPlan
from fanfold.spec.errors import Code
from fanfold.spec.plan import Limits
from fanfold.spec.ports import Store
from fanfold.wiring import SIMULATED, Settings, Wiring, chain_of, default_model, leaves_open, open_store, split_model, wire_steps


class Nobody:
    """The provider of a plan that is only foreseen."""

    async def call(self, request: Request, heard: Any) -> Answer | Fault:
        return Fault(code=Code.INTERNAL, message="a forecast makes no calls")

    async def close(self) -> None:
        """Nothing is held."""


def ask(
    plan: CompiledPlan,
    settings: Settings,
    model: str | None,
    *,
    deadline_s: float | None = None,
    prices: Mapping[str, Any] | None = None,
) -> Asked:
    """A plan as an engine of these settings would run it. prices: before those of the settings. Raises PlanError for what could not run."""
    needs_model = any(leaves_open(s.step, plan.plan.model) for s in plan.steps)
    model = model or (default_model() if needs_model and settings.provider is None else SIMULATED)
    known = settings.provider is None or isinstance(settings.provider, Nobody)
    alone = replace(settings, provider=Nobody(), dry=known)
    conductor = Conductor()
    works, rules = wire_steps(plan, Wiring(alone, conductor), model)
    names = [lane.name for lane in conductor.lanes]
    if known:
        for name in chain_of(model):  # wrong even where no step would use it
            split_model(name)
    tariff = Tariff({**settings.prices, **own_prices(prices or {})}, listed=known)
    steps = [  # near=1.0: names that are drawn are numbers, of which 17 and 18 would be nearly the same
        AskedStep(
            work.compiled, replace(rule, take=0, near=1.0), "" if rule.lane == LOCAL else names[rule.lane],
            "" if rule.judge_lane is None else names[rule.judge_lane], work.schema,
            work.judge_schema, work.streamed_field is not None,
            () if rule.turns is None else tuple(names[chain[0]] for chain in rule.turns.chains),
        )
        for work, rule in zip(works, rules, strict=True)
    ]  # fmt: skip

    def open_lanes(limits: Limits) -> Conductor:
        fresh = Conductor(cap=limits.concurrent or 1 << 30)
        wiring = Wiring(replace(alone, limits=limits), fresh)
        for name in names[LOCAL + 1 :]:
            wiring.route(name)
        return fresh

    return Asked(
        plan, tuple(steps), model, open_lanes, settings.limits, max((lane.cap for lane in conductor.lanes[LOCAL + 1 :]), default=1),
        None if deadline_s is None else round(deadline_s * 1e6), prices=tariff.all(names[LOCAL + 1 :]), has_list=has_list(),
        base_url=settings.base_url,
    )  # fmt: skip


async def learned(asked: Asked, store: str | Path | Store | None) -> Asked:
    """With what earlier runs of the same plan and models have taught. A store that is not there yet is not made. Raises StoreError."""
    if isinstance(store, str | Path | None) and not _is_there(store):
        return asked
    opened, ours = open_store(store)
    try:
        return await learn(asked, opened)
    finally:
        if ours:
            await opened.close()


def _is_there(store: str | Path | None) -> bool:
    path = config.default_store() if store is None else Path(store)
    return store != ":memory:" and path.expanduser().exists()
