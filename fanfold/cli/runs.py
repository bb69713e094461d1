"""`fanfold runs` and `fanfold resume`: what the store has, and going on with it."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fanfold.cli.options import COMMON, RUN_OPTIONS, Option, command

if TYPE_CHECKING:
    from fanfold.cli.jobs import Job
    from fanfold.config import Options
    from fanfold.spec.errors import PlanError
    from fanfold.spec.ports import RunRecord, Store
    from fanfold.spec.prices import Price

T = TypeVar("T")
KEPT = frozenset({"store", "config", "out", "format", "quiet"})
FROM_THE_RUN = ("model", "base_url", "seed", "attempts", "retries", "timeout", "budget_usd")
LIMITS = {**{name: name for name in ("rpm", "tpm", "input_tpm", "output_tpm", "rpd")}, "concurrent": "max_concurrent"}
NO_PLAN = "it was begun from Python: there, `await engine.resume(run_id, plan)` goes on with it"

app = typer.Typer(name="runs", help="The runs in the store: list, show, export, delete.", no_args_is_help=True)


def _runs(many: bool = False) -> inspect.Parameter:
    kind: Any = list[str] if many else str
    told = "Ids of runs, beginnings of them, or last." if many else "The id of a run, its beginning, or last."
    argument = Annotated[kind, typer.Argument(help=told, metavar="RUN…" if many else "RUN")]
    return inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY, annotation=argument)


def add(main: typer.Typer) -> None:
    """Add the commands."""
    reading = [option for option in RUN_OPTIONS if option.name in KEPT]
    for name, run, summary, argument in (
        ("list", _list, "List the runs, the newest first.", ()),
        ("show", _show, "Show a run as it stands: its state, its steps, what it has cost.", (_runs(),)),
        ("export", _export, "Write the result of a run again, in any format.", (_runs(),)),
        ("delete", _delete, "Remove runs with everything that is kept of them.", (_runs(many=True),)),
    ):
        app.command(name, help=summary)(command(run, reading, summary, *argument))
    main.add_typer(app, name="runs")
    summary = "Go on with a run where it stopped: nothing that was accepted is made again."
    again = Option("retry_refused", bool, "Try again what was refused, too.", ("--retry-refused",), COMMON)
    main.command("resume", help=summary)(command(_resume, [again, *RUN_OPTIONS], summary, _runs()))


# -------------------------------------------------------------------- commands


def _list(given: dict[str, Any]) -> None:
    options = options_from(given)
    records = with_store(options, lambda store: store.runs())
    rows = [_row(record) for record in records]
    write_as(options, "runs", rows, rows, _table(rows))


def started(record: RunRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.started))


def _row(record: RunRecord) -> dict[str, Any]:
    return {
        "run_id": record.run_id, "plan": record.plan, "state": record.state, "cells": record.cells, "accepted": record.accepted,
        "started": started(record), "cost_usd": record.cost_usd,
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "There are no runs in this store."
    shown = [("run", "plan", "state", "accepted", "started", "cost")]
    for row in rows:
        cost = "" if row["cost_usd"] is None else f"${row['cost_usd']:.4f}"
        accepted = f"{row['accepted']:,} of {row['cells']:,}"
        shown.append((row["run_id"], row["plan"], row["state"], accepted, row["started"].replace("T", " ").rstrip("Z"), cost))
    widths = [max(len(line[i]) for line in shown) for i in range(len(shown[0]))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in shown)


def _show(given: dict[str, Any]) -> None:
    from fanfold.engine.opening import state as opened
    from fanfold.stored import find_run, stored_report
    from fanfold.views.report import describe

    options = options_from(given)

    async def look(store: Store) -> tuple[RunRecord, dict[str, Any], list[Any]]:
        record = await find_run(store, given["run"])
        state = await opened(store, record.run_id)
        errors = [(state.steps[each.step].name, each) for each in state.errors]
        return record, stored_report(record, state, prices_of(options)), errors

    record, told, errors = with_store(options, look)
    shown = [
        {"stage": step, "at": list(each.at), "code": each.code, "message": each.message, "hint": each.hint, "cells": each.cells}
        for step, each in errors
    ]
    lines = [f"run {record.run_id}, started {_row(record)['started']}", describe(told)]
    lines += [f"{each['stage']}{each['at'] or ''}: {each['code']}: {each['message']}" for each in shown[:5]]
    lines += [f"… and {len(shown) - 5} more without a value of their own"] if len(shown) > 5 else []
    if record.state != "complete":
        lines.append(f"Go on with it: fanfold resume {record.run_id}")
    write_as(options, "run", {**_row(record), "errors": shown, "report": told}, shown, "\n".join(lines))


def _export(given: dict[str, Any]) -> None:
    import msgspec

    from fanfold.cli.execute import write_result
    from fanfold.cli.jobs import job_of, readable
    from fanfold.cli.output import Target
    from fanfold.spec.errors import PlanError
    from fanfold.stored import find_run, raw_result, stored_result, stored_table
    from fanfold.views.exports import to_markdown

    options = options_from(given)

    async def look(store: Store) -> tuple[Job | None, Any]:
        record = await find_run(store, given["run"])
        try:
            job = job_of(msgspec.json.decode(record.about))
        except PlanError as error:
            job = None
            _say_unplanned(error)
        if job is None:
            return None, await raw_result(store, record, prices_of(options))
        target = Target(options, job.name, tuple(job.documents))  # a wrong format is found before anything is read
        try:
            if job.tabular and target.tabular:
                table = (await stored_table(store, record, job.plan, prices_of(options)))[1]
            else:
                return job, await stored_result(store, record, job.plan, prices_of(options))
        except PlanError as error:
            _say_unplanned(error)
            return None, await raw_result(store, record, prices_of(options))
        await target.save(table)
        return job, None

    job, result = with_store(options, look)
    if result is None:
        return
    if job is not None:
        data = {**job.content(result), **result.trailer()}
        target = Target(options, job.name, tuple(job.documents))
        write_result(target, job, result, data)
        return
    rows = [
        {"step": step, **cell["at"], **(cell["value"] if isinstance(cell["value"], dict) else {"value": cell["value"]})}
        for step, cells in result["values"].items()
        for cell in cells
    ]
    write_as(options, "run", result, rows, "".join(to_markdown(readable(result))))


def _say_unplanned(error: PlanError) -> None:
    """What it was made from is gone, or is something else now: what was made is there all the same."""
    from fanfold.cli.output import say

    say(f"fanfold: {error}")
    say("What was made is written as it is in the store: cells are named by numbers, from 1.")


def _delete(given: dict[str, Any]) -> None:
    from fanfold.cli.output import say
    from fanfold.spec.errors import PlanError
    from fanfold.stored import find_run

    options = options_from(given)

    async def remove(store: Any) -> list[str]:
        if not hasattr(store, "delete"):
            raise PlanError("--store", "this store cannot delete runs")
        records = [await find_run(store, name) for name in given["run"]]  # all are known before one is gone
        for record in records:
            await store.delete(record.run_id)
        return [record.run_id for record in records]

    for run_id in with_store(options, remove):
        if not options.quiet:
            say(f"Deleted {run_id}")


def _resume(given: dict[str, Any]) -> None:
    import msgspec

    from fanfold.cli.execute import execute
    from fanfold.cli.jobs import job_of, overruling
    from fanfold.spec.errors import PlanError
    from fanfold.stored import find_run

    again = bool(given.pop("retry_refused", None))
    record = with_store(options_from(given), lambda store: find_run(store, given["run"]))
    about = msgspec.json.decode(record.about)
    job = job_of({**about, "over": {**about.get("over", {}), **overruling(given)}})
    if job is None:
        raise PlanError("run", f"run {record.run_id} has no plan here", NO_PLAN)
    options = _as_before(options_from(given), given, about)
    raise typer.Exit(execute(job, options, resume=record.run_id, retry_refused=again))


def _as_before(options: Options, given: dict[str, Any], about: dict[str, Any]) -> Options:
    """What is not given anew is as it was: model, base URL, limits and the like."""
    from fanfold.spec.plan import Limits

    default = type(options)()
    before = {**about, "timeout": about.get("timeout_s")}
    values = {
        name: before[name] for name in FROM_THE_RUN if getattr(options, name) == getattr(default, name) and before.get(name)
    }
    limits = about.get("limits") or {}
    for name, option in LIMITS.items():
        if getattr(options, option) is None and not (name == "concurrent" and options.sequential) and limits.get(name):
            values[option] = limits[name]
    if not options.model_limits and about.get("model_limits"):
        values["model_limits"] = {model: Limits(**said) for model, said in about["model_limits"].items()}
    return replace(options, **values)


# -------------------------------------------------------------------- the store


def options_from(given: dict[str, Any]) -> Options:
    from fanfold import config

    return config.options(given, given.get("config"))[0]


def prices_of(options: Options) -> dict[str, Price]:
    from fanfold.providers.prices import own_prices

    return own_prices(options.prices)


def with_store(options: Options, look: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, look, close it. Raises StoreError; PlanError where there is none."""
    from fanfold.wiring import open_store

    async def main() -> T:
        store, _ = open_store(options.store)
        try:
            return await look(store)
        finally:
            await store.close()

    return asyncio.run(main())


def write_as(options: Options, name: str, data: Any, rows: Iterable[dict[str, Any]], text: str) -> None:
    from fanfold.cli.output import Target

    Target(options, name).write(data, rows, text)
