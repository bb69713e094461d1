"""`fanfold report`: the report of one run in the store, or how the runs of a plan went over time."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fanfold.cli.options import COMMON, RUN_OPTIONS, Option, command
from fanfold.cli.runs import KEPT, options_from, prices_of, started, with_store, write_as

if TYPE_CHECKING:
    from fanfold.spec.ports import Store

LAST = 50
SUMMARY = "The report of a run; or, with --history, how long all runs of a plan took, and whether they become slower or worse."


def add(main: typer.Typer) -> None:
    """Add the command."""
    argument = Annotated[
        str | None, typer.Argument(help="The id of a run, its beginning, or last.", metavar="RUN", show_default=False)
    ]
    run = inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=argument)
    own = [
        Option("history", str, "All runs of this plan or application, e.g. briefing.", panel=COMMON),
        Option("last", int, f"With --history: at most so many runs, the newest [{LAST}].", panel=COMMON),
    ]
    reading = [option for option in RUN_OPTIONS if option.name in KEPT]
    main.command("report", help=SUMMARY)(command(_report, [*own, *reading], SUMMARY, run))


def _report(given: dict[str, Any]) -> None:
    from fanfold.spec.errors import PlanError

    plan, last = given.pop("history", None), given.pop("last", None)
    if (plan is None) == (given["run"] is None):
        raise PlanError(
            "fanfold report", "name a run, or a plan with --history", "fanfold report last; fanfold report --history briefing"
        )
    if last is not None and (plan is None or last < 1):
        raise PlanError("--last", "is a number of runs from 1, and goes with --history")
    if plan is None:
        _of_run(given)
    else:
        _of_plan(given, plan, last or LAST)


def _of_run(given: dict[str, Any]) -> None:
    from fanfold.engine.opening import state as opened
    from fanfold.stored import find_run, stored_report
    from fanfold.views.report import describe

    options = options_from(given)

    async def look(store: Store) -> dict[str, Any]:
        record = await find_run(store, given["run"])
        return stored_report(record, await opened(store, record.run_id), prices_of(options))

    told = with_store(options, look)
    steps = [
        {"step": name, **{key: value for key, value in step.items() if not isinstance(value, dict)}}
        for name, step in told["steps"].items()
    ]
    write_as(options, "report", told, steps, describe(told))


def _of_plan(given: dict[str, Any], plan: str, last: int) -> None:
    from fanfold.engine.opening import state as opened
    from fanfold.spec.errors import PlanError
    from fanfold.stored import stored_report
    from fanfold.views.history import describe_history, history

    options = options_from(given)

    async def look(store: Store) -> list[tuple[str, dict[str, Any]]]:
        every = await store.runs()
        records = [record for record in every if record.plan == plan][:last]
        if not records:
            names = ", ".join(sorted({record.plan for record in every})[:12])
            raise PlanError(
                "--history", f"there are no runs of {plan!r} in this store", f"there are runs of {names}" if names else ""
            )
        prices = prices_of(options)
        return [
            (started(record), stored_report(record, await opened(store, record.run_id), prices)) for record in reversed(records)
        ]

    told = history(plan, with_store(options, look))
    rows = [{**{k: v for k, v in row.items() if k not in ("steps", "groups")}, **_seconds(row["steps"])} for row in told["runs"]]
    write_as(options, "history", told, rows, describe_history(told))


def _seconds(steps: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}_s": value for name, value in steps.items()}
