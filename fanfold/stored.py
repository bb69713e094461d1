"""Runs as the store has them: their result, with the plan or without it. Nothing is called, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fanfold.api import Bill, Run
from fanfold.core.conductor import Conductor
from fanfold.core.fold import RunState
from fanfold.core.grid import Grid
from fanfold.core.relive import Life
from fanfold.ended import Ended, result_of
from fanfold.engine.clock import LoopClock
from fanfold.engine.fingerprint import moved
from fanfold.engine.job import Job
from fanfold.engine.opening import reading
from fanfold.engine.opening import state as opened
from fanfold.engine.shell import Shell
from fanfold.foresight import Nobody
from fanfold.providers.prices import Tariff
from fanfold.result import Result
from fanfold.spec.compile import compile_plan
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Limits, Plan
from fanfold.spec.ports import RunRecord, Store
from fanfold.spec.prices import Price
from fanfold.views.report import report
from fanfold.views.spend import cost_of
from fanfold.wiring import Settings, Wiring, wire_steps

Json = dict[str, Any]


async def find_run(store: Store, name: str) -> RunRecord:
    """By its id, by a beginning of it that no other has, or "last". Raises PlanError where there is none."""
    records = await store.runs()
    if name == "last" and records:
        return records[0]
    found = [record for record in records if record.run_id == name] or [r for r in records if r.run_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(record.run_id for record in found[:3])
        raise PlanError("run", f"{name!r} may be any of {len(found)} runs: {some}", "give more of its id")
    raise PlanError("run", f"there is no run {name!r} in this store", "see `fanfold runs list`, or give its --store")


async def stored_result(store: Store, record: RunRecord, plan: Plan, prices: Mapping[str, Price]) -> Result:
    """The result of a run as it stands, with the plan that it was begun with. Raises PlanError for another one, StoreError."""
    run, ended = await stored_table(store, record, plan, prices)
    return await result_of(ended, run.report())


async def stored_table(store: Store, record: RunRecord, plan: Plan, prices: Mapping[str, Price]) -> tuple[Run, Ended]:
    """The same as rows, a page at a time."""
    job, run, bill = await _reopened(store, record, plan, prices)
    ended = Ended(job, bill.price)
    await ended.load()
    return run, ended


async def _reopened(store: Store, record: RunRecord, plan: Plan, prices: Mapping[str, Price]) -> tuple[Job, Run, Bill]:
    about = msgspec.json.decode(record.about)
    compiled = compile_plan(plan)
    conductor = Conductor()
    works, rules = wire_steps(
        compiled, Wiring(Settings(provider=Nobody(), dry=True), conductor), about.get("model") or "sim/default"
    )
    job = Job(record.run_id, compiled, works, await reading(store, record.run_id))
    if found := moved(about.get("words", {}), compiled):
        raise PlanError(
            f"axes.{min(found)}",
            f"holds other values than when run {record.run_id} was made",
            "put the file that they come from back as it was, or resume the run: it makes again what has changed",
        )
    job.store = store
    past = await job.read_on()
    names = [step.name for step in past.steps]
    if names != [work.name for work in works][: len(names)]:
        raise PlanError(
            "plan", f"run {record.run_id} has other steps: {', '.join(names)}", "give the plan that it was begun with"
        )
    job.run = conductor.add(Grid(compiled), rules, 0, seed=past.seed, life=Life(past=past, shown=True))
    models = {conductor.lanes[lane].name for work in works for lane in (*work.routes, *work.judge_routes)}
    bill = Bill(job, Tariff(prices), models)
    await bill.load()
    limits = Limits(**about.get("limits", {}))
    return job, Run(job, Shell(conductor, LoopClock()), limits, bill), bill


async def raw_result(store: Store, record: RunRecord, prices: Mapping[str, Price]) -> Json:
    """The result of a run whose plan is not at hand: coordinates are numbers, from 1. Raises StoreError."""
    state = await opened(store, record.run_id)
    journal = await reading(store, record.run_id)
    values: dict[str, list[Json]] = {}
    for index, step in enumerate(state.steps):
        kept = await journal.values(index)
        values[step.name] = [
            {"at": {axis: n + 1 for axis, n in zip(step.over, one.at, strict=True)}, "value": msgspec.json.decode(one.data)}
            for one in kept
        ]
    errors = [
        {
            "stage": state.steps[each.step].name,
            "cell": {axis: n + 1 for axis, n in zip(state.steps[each.step].over, each.at, strict=False)},
            "code": each.code, "message": each.message, "hint": each.hint, "attempts": each.attempts,
        }
        for each in state.errors
    ]  # fmt: skip
    return {"values": values, "errors": errors, "report": stored_report(record, state, prices)}


def stored_report(record: RunRecord, state: RunState, prices: Mapping[str, Price]) -> Json:
    """The report of a run as it stands."""
    tariff = Tariff(prices)
    cost = cost_of(state, tariff.all(state.used), len(state.used))
    limits = Limits(**msgspec.json.decode(record.about).get("limits", {}))
    told = report(state, run_id=record.run_id, cost_usd=cost.usd, cost_is=cost.is_, limits=limits)
    return {**told, "cost_uncertain_usd": cost.uncertain} if cost.uncertain else told
