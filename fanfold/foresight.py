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
from fanfold.spec.calls import Answer, Fault, Request
from fanfold.spec.compiled import CompiledPlan
from fanfold.spec.errors import Code, PlanError
from fanfold.spec.plan import Limits
from fanfold.spec.ports import Store
from fanfold.wiring import SIMULATED, Settings, Wiring, default_model, open_store, split_model, wire_steps


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
    prices: Mapping[str, tuple[float, float]],
) -> Asked:
    """A plan as an engine of these settings would run it. Raises PlanError for what could not be run."""
    needs_model = any(s.step.function is None and not (s.step.model or plan.plan.model) for s in plan.steps)
    model = model or (default_model() if needs_model and settings.provider is None else SIMULATED)
    known = settings.provider is None or isinstance(settings.provider, Nobody)
    alone = replace(settings, provider=Nobody(), dry=known)
    conductor = Conductor()
    works, rules = wire_steps(plan, Wiring(alone, conductor), model)
    names = [lane.name for lane in conductor.lanes]
    kinds = _kinds(plan, model) if known else {}
    steps = [
        AskedStep(
            work.compiled, replace(rule, take=0), "" if rule.lane == LOCAL else names[rule.lane],
            "" if rule.judge_lane is None else names[rule.judge_lane], work.schema,
            None if work.judge_shape is None else work.judge_shape.schema, work.streamed_field is not None,
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
        None if deadline_s is None else round(deadline_s * 1e6), prices={**_listed(kinds), **prices},
        free=frozenset(name for name, kind in kinds.items() if kind == "sim"), base_url=settings.base_url,
    )  # fmt: skip


def _listed(kinds: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """Prices of the public list, of models that are somebody's."""
    from fanfold.providers.prices import listed

    return listed(name for name, kind in kinds.items() if kind != "sim")


def _kinds(plan: CompiledPlan, model: str) -> dict[str, str]:
    """Model -> its provider, of all that the plan names. Raises PlanError as a run would, where the name stands."""
    found = _providers(model, "model")
    for step in plan.steps:
        words = step.step
        if words.function is None and (named := words.model or plan.plan.model):
            found |= _providers(named, f"steps.{step.name}.model")
        if words.judge is not None and words.judge.model:
            found |= _providers(words.judge.model, f"steps.{step.name}.judge.model")
    return found


def _providers(chain: str, path: str) -> dict[str, str]:
    """Of "a/x | b/y", which falls back from a to b: {"a/x": "a", "b/y": "b"}."""
    try:
        return {name.strip(): split_model(name)[0] for name in chain.split("|")}
    except PlanError as error:
        raise PlanError(path, error.message, error.hint) from error


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


def prices_of(table: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """A table of prices as configuration has it: model: [in, out], or model: {in: …, out: …}. Raises PlanError."""
    found = {}
    for model, price in table.items():
        given = (price.get("in"), price.get("out")) if isinstance(price, Mapping) else price
        if not isinstance(given, list | tuple) or len(given) != 2 or not all(map(_is_price, given)):
            hint = f"write {model}: [0.15, 0.60]: US dollars for a million tokens in, and out"
            raise PlanError(f"prices.{model}", f"{price!r} is not a price", hint)
        found[str(model)] = (float(given[0]), float(given[1]))
    return found


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
