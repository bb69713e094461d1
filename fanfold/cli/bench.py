"""`fanfold bench`: an application one call at a time and in parallel, run for real and drawn side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from fanfold.cli.options import COMMON, RUN_OPTIONS, Option, arguments_of, command, options_of

if TYPE_CHECKING:
    from fanfold.api import Engine, Run
    from fanfold.config import Options
    from fanfold.result import Result
    from fanfold.spec.app import App
    from fanfold.spec.events import AnyEvent
    from fanfold.spec.plan import Plan
    from fanfold.spec.ports import Provider

    Asked = tuple[Any, Plan, Options]

USUAL = "mealplan"
LATENCY_S = "0.2"
NOTHING, PARTIAL, CANCELLED = 1, 3, 130  # exit codes
HELP = f"Run an application ({USUAL} if none is named) one call at a time and in parallel, and draw both side by side."
LATENCY = Option(
    "latency", str, f"Seconds for a call of the simulated model, or lognormal for times as they are [{LATENCY_S}].", panel=COMMON
)
LEFT_OUT = frozenset({"sequential", "deadline", "budget_usd", "cache", "cache_ttl", "stream"})
OPTIONS = (*(option for option in RUN_OPTIONS if option.name not in LEFT_OUT), LATENCY)


class Usual(TyperGroup):
    """An application by name; options alone are the usual one's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = [USUAL, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(name="bench", cls=Usual, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})


def add_app(application: App, asked: Callable[[dict[str, Any], Mapping[str, Any]], Asked]) -> None:
    """`fanfold bench NAME`, with the application's parameters. asked: (what was given, a size) -> parameters, plan, options."""

    def run(given: dict[str, Any]) -> None:
        raise typer.Exit(_bench(application, given, asked))

    options = [*options_of(application.params, application.arguments), *OPTIONS]
    words = arguments_of(application.params, application.arguments)
    app.command(application.name, help=f"Measure: {application.summary}")(command(run, options, application.summary, *words))


@dataclass
class Side:
    """One way of running it. calls: (step, coordinates, start, end) of each, in microseconds since the run began."""

    result: Result | None = None
    calls: list[tuple[int, tuple[int, ...], int, int]] = field(default_factory=list)

    def __call__(self, events: Sequence[AnyEvent]) -> None:
        """A sink."""
        from fanfold.spec.events import Settled

        self.calls += [(e.step, e.at, e.t - e.took, e.t) for e in events if isinstance(e, Settled)]

    @property
    def report(self) -> dict[str, Any]:
        return self.result.report if self.result is not None else {}

    def told(self) -> dict[str, Any]:
        return {name: self.report.get(name) for name in ("state", "wall_s", "calls", "accepted", "failed", "max_in_flight")}


@dataclass
class Size:
    """One plan to measure, both ways. name: "days 3". names: (step, coordinates) -> what a row of the picture is called."""

    name: str
    given: Mapping[str, Any]
    plan: Plan
    sequential: Side = field(default_factory=Side)
    parallel: Side = field(default_factory=Side)
    names: dict[tuple[int, tuple[int, ...]], str] = field(default_factory=dict)

    @property
    def speedup(self) -> float | None:
        """How many times faster; None where one of the two did not get to its end: that would compare different things."""
        one, other = self.sequential.report, self.parallel.report
        if one.get("state") != "complete" or other.get("state") != "complete" or not other["wall_s"]:
            return None
        return round(float(one["wall_s"]) / float(other["wall_s"]), 2)

    def told(self) -> dict[str, Any]:
        return {
            "size": dict(self.given),
            "cells": self.sequential.report.get("cells"),
            "sequential": self.sequential.told(),
            "parallel": self.parallel.told(),
            "speedup": self.speedup,
        }


# -------------------------------------------------------------------- running


def _bench(application: App, given: dict[str, Any], asked: Callable[[dict[str, Any], Mapping[str, Any]], Asked]) -> int:
    """Measure, show, and say how it went: the exit code. Raises PlanError before anything is called, StoreError."""
    import asyncio

    from fanfold.cli.execute import UNWRITTEN, collect_less, refuse_later
    from fanfold.cli.output import Target, say
    from fanfold.wiring import default_model

    sizes, options = _sizes(application, given, asked)
    refuse_later(options)
    target = Target(options, f"{application.name} bench")
    model = options.model or default_model()
    latency = _latency([size.plan for size in sizes], model, given.get("latency"))
    provider = None if latency is None else _simulated(latency, options.seed or 0)
    collect_less()
    speak = (lambda text: None) if options.quiet else say
    done = asyncio.run(_measure(sizes, replace(options, model=model), provider, speak))
    data = {"app": application.name, "model": model, "latency": latency, "sizes": [size.told() for size in done]}
    try:
        _show(target, data, done)
    except OSError as error:
        say(f"fanfold: the result cannot be written to {target.path or 'stdout'}: {error.strerror or error}")
        return UNWRITTEN
    return _exit_code([side.result for size in done for side in (size.sequential, size.parallel)])


def _sized(given: dict[str, Any], size: Mapping[str, Any], asked: Callable[[dict[str, Any], Mapping[str, Any]], Asked]) -> Asked:
    """A size, or what was given alone where that is another case: a term of one's own has not the definition of ours."""
    from fanfold.spec.errors import PlanError

    try:
        return asked(given, {} if any(given.get(name) is not None for name in size) else size)
    except PlanError:
        return asked(given, {})


def _sizes(
    application: App, given: dict[str, Any], asked: Callable[[dict[str, Any], Mapping[str, Any]], Asked]
) -> tuple[list[Size], Options]:
    """The application's sizes, each once: a parameter that was given is the same for all. Raises PlanError."""
    found: dict[str, Size] = {}
    for size in application.bench or ({},):
        params, plan, options = _sized(given, size, asked)
        shown = params.model_dump(mode="json")
        own = {name: shown[name] for name in size if shown[name] not in (None, False)}
        name = ", ".join(f"{name} {value}" for name, value in own.items()) or application.name
        found.setdefault(name, Size(name, own, plan))
    return list(found.values()), replace(options, sequential=False, deadline=None, stream=False)


def _latency(plans: Sequence[Plan], model: str, given: str | None) -> str | None:
    """How long the simulated model takes; None for a real one. Raises PlanError when it was given for a real one."""
    from fanfold.wiring import chain_of

    named = {model}
    for plan in plans:
        named |= {name for step in plan.steps for name in (step.model or plan.model, step.judge and step.judge.model) if name}
    if all(part.startswith("sim/") for name in named for part in chain_of(name)):
        return given or LATENCY_S
    if given is not None:
        from fanfold.spec.errors import PlanError

        raise PlanError("--latency", f"is for the simulated model, not for {model}", "leave it out")
    return None


def _simulated(latency: str, seed: int) -> Provider:
    from fanfold.sim.provider import SimProvider
    from fanfold.sim.world import World
    from fanfold.spec.errors import PlanError

    try:
        return SimProvider(World.parse(latency=latency, seed=seed))
    except ValueError as error:
        raise PlanError("--latency", str(error)) from error


async def _measure(
    sizes: Sequence[Size], options: Options, provider: Provider | None, speak: Callable[[str], None]
) -> list[Size]:
    """Each size both ways, in one engine, so that declared limits hold over all of it. It ends early at Ctrl-C, and where nothing is accepted."""
    from fanfold.cli.execute import listen_for_signals

    await _warm_up(sizes[0].plan)
    going: list[Run] = []
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        for run in going:
            run.cancel()

    listen_for_signals(stop)
    done: list[Size] = []
    async with _engine(options, provider) as engine:
        for size in sizes:
            done.append(size)
            for side, plan, how in (
                (size.sequential, replace(size.plan, concurrent=1), "one at a time"),
                (size.parallel, size.plan, "in parallel"),
            ):
                speak(f"{size.name}, {how} …")
                run = engine.start(plan, sinks=[side], about={"bench": size.name})
                going[:] = [run]
                side.result = await run.result()
                size.names.update(_names(run, side))
                for error in side.result.errors[:3]:
                    speak(f"  {error.stage}: {error.code}: {error.message}")
                if stopped or side.result.exit_code == NOTHING:
                    return done
    return done


def _engine(options: Options, provider: Provider | None) -> Engine:
    from fanfold.api import Engine

    return Engine(
        options.model, limits=options.limits, store=options.store or ":memory:", base_url=options.base_url, seed=options.seed or 0,
        timeout_s=options.timeout, retries=options.retries, attempts=options.attempts, provider=provider,
    )  # fmt: skip


async def _warm_up(plan: Plan) -> None:
    """Once without a real call and without waiting, not counted: else what is first would pay for what is loaded at first use."""
    from fanfold.api import Engine

    async with Engine("sim/default", store=":memory:", seed=0, provider=_simulated("0", 0)) as engine:
        await engine.run(plan)


def _names(run: Run, side: Side) -> dict[tuple[int, tuple[int, ...]], str]:
    """Coordinates as people call them."""
    from fanfold.views.wording import spoken

    steps = list(side.result.steps) if side.result is not None else []
    several = len({step for step, *_ in side.calls}) > 1
    named = {}
    for step, at, _, _ in side.calls:
        words = [
            f"{axis} {value}" if isinstance(value, int) else str(spoken(value)) for axis, value in run.labels(step, at).items()
        ]
        named[step, at] = " ".join([steps[step], *words] if several or not words else words)
    return named


def _exit_code(results: Sequence[Result | None]) -> int:
    """130 when it was stopped, 1 when nothing was accepted in any run, 3 when something was not."""
    codes = [result.exit_code for result in results if result is not None]
    if CANCELLED in codes:
        return CANCELLED
    return 0 if not any(codes) else NOTHING if all(code == NOTHING for code in codes) else PARTIAL


# -------------------------------------------------------------------- showing


def _show(target: Any, data: dict[str, Any], sizes: Sequence[Size]) -> None:
    from fanfold.cli.benchpicture import describe

    text = describe(data, sizes)
    if target.format == "md" and target.path is None and sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        shown = Text(text)
        shown.highlight_regex("█+", "green")
        shown.highlight_regex(r"[\d.]+×", "bold")
        Console(highlight=False).print(shown, soft_wrap=True)
        return
    rows = [_row(each) for each in data["sizes"]]
    target.write(data, rows, text)


def _row(size: dict[str, Any]) -> dict[str, Any]:
    sides = {
        f"{side}_{name}": size[side][name] for side in ("sequential", "parallel") for name in ("wall_s", "calls", "accepted")
    }
    return {**size["size"], "cells": size["cells"], **sides, "speedup": size["speedup"]}
