"""`fanfold plan`: what a run would take, before a paid call. The same words as the run itself, with `plan` before them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from fanfold.cli.options import RUN_OPTIONS, Option, arguments_of, command, options_of

if TYPE_CHECKING:
    from fanfold.config import Options
    from fanfold.forecast.foresee import Band, Forecast
    from fanfold.spec.app import App
    from fanfold.spec.plan import Plan

FILE = "PLAN.yaml"
HELP = "Foresee a run before a paid call: calls, tokens, cost, time, what bounds it. Nothing is called."


class Foreseeable(TyperGroup):
    """Applications by name; whatever else comes first belongs to a plan file."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = [FILE, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [FILE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="plan",
    cls=Foreseeable,
    help=HELP,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def add_app(application: App, plan_of: Callable[[dict[str, Any]], tuple[Plan, Options]]) -> None:
    """`fanfold plan NAME`, with the options of `fanfold NAME`. plan_of: what was given -> plan and options; raises PlanError."""
    options = [*options_of(application.params, application.arguments), *RUN_OPTIONS]
    _add(application.name, application.summary, options, plan_of, *arguments_of(application.params, application.arguments))


def add_file(plan_of: Callable[[dict[str, Any]], tuple[Plan, Options]], settings: Option) -> None:
    """`fanfold plan PLAN.yaml`, with the options of `fanfold run`."""
    argument = typer.Argument(help="A plan file: YAML or JSON.", metavar=FILE)
    plan = inspect.Parameter("plan", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, argument])
    _add(FILE, "Any plan file.", [settings, *RUN_OPTIONS], plan_of, plan)


def _add(
    name: str,
    summary: str,
    options: list[Option],
    plan_of: Callable[[dict[str, Any]], tuple[Plan, Options]],
    *positional: inspect.Parameter,
) -> None:
    def run(given: dict[str, Any]) -> None:
        plan, options = plan_of(given)
        _foresee(plan, options)

    app.command(name, help=f"Foresee: {summary}")(command(run, options, summary, *positional))


def _foresee(plan: Plan, options: Options) -> None:
    """Raises PlanError as the run would, StoreError."""
    from fanfold.cli.execute import refuse_later
    from fanfold.cli.output import Target
    from fanfold.spec.errors import PlanError

    refuse_later(options)
    if options.format not in (None, "json", "md"):
        raise PlanError("--format", f"a forecast is json or md, not {options.format!r}", "leave it out")
    target = Target(options, f"{plan.name} plan")
    forecast = _forecast(plan, options)
    target.write(forecast.to_json(), [], describe(forecast))
    if forecast.hint and target.format == "json" and not options.quiet:
        sys.stderr.write(f"{forecast.hint}\n")


def _forecast(plan: Plan, options: Options) -> Forecast:
    """Beside the store's, no loop and no thread: Ctrl-C ends it at once."""
    import asyncio

    from fanfold.forecast.foresee import foresee
    from fanfold.foresight import ask, learned
    from fanfold.providers.prices import own_prices
    from fanfold.spec.compile import compile_plan
    from fanfold.wiring import Settings

    settings = Settings(
        base_url=options.base_url, limits=options.limits, timeout_s=options.timeout, retries=options.retries,
        attempts=options.attempts, prices=own_prices(options.prices),
    )  # fmt: skip
    asked = ask(compile_plan(plan), settings, options.model, deadline_s=options.deadline)
    return foresee(asyncio.run(learned(asked, options.store)), seed=options.seed or 0)


# -------------------------------------------------------------------- for people


def describe(forecast: Forecast) -> str:
    """A forecast as aligned text."""
    from fanfold.views.wording import clean, seconds

    rows = list(_rows(forecast, seconds))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    models = " and ".join(map(clean, forecast.models)) or "no model"
    lines = [f"{clean(forecast.plan)}: {forecast.cells:,} cells with {models}, foreseen; nothing was called", ""]
    for name, *numbers, more in rows:
        shown = [name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]
        lines.append(("  " + "  ".join([*shown, more])).rstrip())
    lines += ["", *_changes(forecast, seconds), *_basis(forecast)]
    return "\n".join(lines)


def _rows(forecast: Forecast, seconds: Callable[[float], str]) -> Iterator[tuple[str, str, str, str, str]]:
    """(what, p10, p50, p90, what more there is to say)."""

    def row(name: str, band: Band, shown: Callable[[float], str], more: str = "") -> tuple[str, str, str, str, str]:
        return (name, shown(band.p10), shown(band.p50), shown(band.p90), more)

    yield ("", "p10", "p50", "p90", "")
    yield row("time", forecast.wall_s, seconds, f"its calls one after another {seconds(forecast.sequential_s)}")
    again = f"{forecast.duplicates.p50:,} for a duplicate" if forecast.duplicates.p50 else ""
    drawn = f"{forecast.drawn_again.p50:,} {'answer' if forecast.drawn_again.p50 == 1 else 'answers'} drawn again"
    yield row("calls", forecast.calls, _count, drawn + (again and f", {again}"))
    yield row("tokens in", forecast.tokens_in, _count)
    yield row("tokens out", forecast.tokens_out, _count)
    if forecast.cost_usd is not None:
        yield row("cost", forecast.cost_usd, _dollars)
    short = forecast.cells - forecast.accepted.p50
    yield row("accepted", forecast.accepted, _count, f"{short:,} cells would fail" if short > 0 else "")
    yield ("lower bound", seconds(forecast.lower_bound_s), "", "", f"bound by {forecast.bound_by}")


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _dollars(value: float) -> str:
    return f"${value:,.4f}"


def _changes(forecast: Forecast, seconds: Callable[[float], str]) -> Iterator[str]:
    """What something else would lead to, one a line."""
    if not forecast.what_if:
        return
    yield "What would change it (medians):"
    width = max(len(each.change) for each in forecast.what_if)
    for each in forecast.what_if:
        cost = "" if each.cost_usd is None else f"  {_dollars(each.cost_usd)}"
        yield f"  {each.change:<{width}}  {seconds(each.wall_s):>12}{cost}"
    yield ""


def _basis(forecast: Forecast) -> Iterator[str]:
    runs = f"learned from {forecast.learned_from} earlier runs" if forecast.learned_from else "declared estimates"
    yield f"From {forecast.seeds} seeds in virtual time; {runs}."
    for hint in forecast.hint.split("; ") if forecast.hint else []:
        yield hint[:1].upper() + hint[1:] + "."
