"""`fanfold`: each application is a command, and so is any plan. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fanfold import __version__
from fanfold.cli import bench, foresee, planopts, report, runs
from fanfold.cli.options import RUN_OPTIONS, arguments_of, command, options_of, run_options

if TYPE_CHECKING:
    from fanfold.config import Options
    from fanfold.spec.app import App
    from fanfold.spec.plan import Plan

RUN = "Run a plan file: any plan, no Python. With PLAN.yaml --help its own givens are shown."
_TYPES = frozenset({"int", "float", "bool", "str", "none", "date", "datetime"})
COMMON_NAMES = frozenset(option.name for option in (*RUN_OPTIONS, bench.LATENCY))

app = typer.Typer(
    name="fanfold",
    help="Fill many typed answers with model calls at once: all distinct, all checked, nothing lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fanfold {__version__}")
        raise typer.Exit


@app.callback()
def fanfold(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Fill many typed answers with model calls at once: all distinct, all checked, nothing lost."""


# -------------------------------------------------------------------- applications


def _add_app(point: EntryPoint) -> None:
    try:
        application: App = point.load()
    except Exception as error:  # noqa: BLE001 - somebody's application is broken: the others still work
        _add_broken(point.name, f"cannot be loaded: {type(error).__name__}: {error}")
        return

    def run(given: dict[str, Any]) -> None:
        _run_app(application, given)

    shown = options_of(application.params, application.arguments)
    words = arguments_of(application.params, application.arguments)
    clash = [option.name for option in shown if option.name in COMMON_NAMES]
    if clash:
        raise RuntimeError(f"application {point.name!r} redefines common options: {', '.join(clash)}")
    app.command(point.name, help=application.summary)(
        command(run, [*shown, *run_options(application.documents)], application.summary, *words)
    )
    foresee.add_app(application, lambda given: _asked(application, given)[1:])
    bench.add_app(application, lambda given, size: _asked(application, given, size))


def _add_broken(name: str, why: str) -> None:
    def call() -> None:
        from fanfold.spec.errors import PlanError

        raise PlanError(name, why, "reinstall the package it comes from")

    app.command(name, help=f"({why})")(call)


def _asked(application: App, given: dict[str, Any], size: Mapping[str, Any] = MappingProxyType({})) -> tuple[Any, Plan, Options]:
    """What was given, as the application's parameters, its plan, and how to run it. Raises PlanError.

    size: parameters instead of the defaults, where nothing was given.
    """
    from fanfold import config

    places: dict[str, str] = {}
    options, more = config.options(
        given,
        given.get("config"),
        also=tuple(application.params.model_fields),
        section=application.name,
        words=application.config,
        places=places,
    )
    params = _params(application, {**size, **more}, places)
    return params, _plan_of(application, params, places), options


def _run_app(application: App, given: dict[str, Any]) -> None:
    from fanfold.cli.execute import execute
    from fanfold.cli.jobs import app_job

    params, plan, options = _asked(application, given)
    _leave(execute(app_job(application, params, plan), options))


def _params(application: App, given: dict[str, Any], places: Mapping[str, str]) -> Any:
    """The parameter model made of what was given. Raises PlanError naming the option, or where else it was said."""
    from pydantic import ValidationError

    from fanfold.spec.errors import PlanError

    try:
        return application.params(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        whole = first["loc"] if first["type"] in ("missing", "extra_forbidden") else first["loc"][:1]
        path = ".".join([_place(whole[0], places), *map(str, whole[1:])]) if whole else ""
        inner = _inside(first["loc"][len(whole) :])
        raise PlanError(path, inner + str(first["msg"]).removeprefix("Value error, ")) from error


def _place(name: str | int, places: Mapping[str, str]) -> str:
    return places.get(str(name), f"--{str(name).replace('_', '-')}")


def _inside(loc: Sequence[str | int]) -> str:
    """The place inside of what one option was given, e.g. "[0].share: ". Names of types are of no use there."""
    places = [part for part in loc if isinstance(part, int) or not (part in _TYPES or "[" in part)]
    said = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in places).removeprefix(".")
    return f"{said}: " if said else ""


def _plan_of(application: App, params: Any, places: Mapping[str, str]) -> Any:
    """The application's plan; a parameter that it refuses is named as the option that it is here, or where else it was said."""
    from fanfold.spec.errors import PlanError

    try:
        return application.plan(params)
    except PlanError as error:
        if error.path not in application.params.model_fields:
            raise
        raise PlanError(_place(error.path, places), error.message, error.hint) from error


# -------------------------------------------------------------------- plans


def _run_plan(given: dict[str, Any]) -> None:
    from fanfold.cli.execute import execute
    from fanfold.cli.jobs import file_job, overruling

    plan, options = planopts.plan_of(given)
    with planopts.located(given):
        code = execute(file_job(plan, given["plan"], planopts.settings(given), overruling(given)), options)
    _leave(code)


def _add_run() -> None:
    plan = inspect.Parameter(
        "plan",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[str, typer.Argument(help="A plan file: YAML or JSON.", metavar="PLAN.yaml")],
    )
    own = planopts.options(sys.argv[1:])
    app.command("run", help=RUN)(command(_run_plan, [*own, *RUN_OPTIONS], RUN, plan))
    foresee.add_file(planopts.plan_of, own, planopts.located)
    app.add_typer(foresee.app, name="plan")
    app.add_typer(bench.app, name="bench")
    runs.add(app)
    report.add(app)


# -------------------------------------------------------------------- the simulated provider


@app.command()
def sim(
    port: Annotated[int, typer.Option(help="0 for any free one.", min=0, max=65535)] = 8100,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    rpm: Annotated[int | None, typer.Option(help="Requests per minute it allows.", min=1)] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens per minute it allows.", min=1)] = None,
    bucket: Annotated[
        float, typer.Option(help="Seconds of refill that its limits hold: 60 lets a whole minute's worth pass at once.")
    ] = 60.0,
    headers: Annotated[bool, typer.Option(help="Whether answers tell the limits in their headers.")] = True,
    hint: Annotated[str | None, typer.Option(help="How a 429 says when to come back: ms, s (whole seconds) or none.")] = None,
    charge: Annotated[
        str, typer.Option(help="What the token limit counts: reserve (max_tokens, as OpenAI) or actual.")
    ] = "reserve",
    capacity: Annotated[int | None, typer.Option(help="Calls at once above which everybody is served slower.", min=1)] = None,
    latency: Annotated[
        str, typer.Option(help="Seconds for every answer, or lognormal; with a slow tail: 0.5,2%x10.")
    ] = "lognormal",
    faults: Annotated[str, typer.Option(help="What goes wrong and how often: 429=0.05,500=0.02,hang=0.01.")] = "",
    collapse: Annotated[
        float, typer.Option(help="How much it repeats its favourites: 0 not at all, 2 all the time.", min=0)
    ] = 1.0,
    repeat: Annotated[
        float, typer.Option(help="How often it gives one of three favourites, whatever it is told, 0 to 1.", min=0, max=1)
    ] = 0.0,
    slips: Annotated[float, typer.Option(help="How often it breaks a rule, 0 to 1.", min=0, max=1)] = 0.05,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    api_key: Annotated[str | None, typer.Option(help="The only key it takes; any if not given.")] = None,
    models: Annotated[
        str, typer.Option(help="The models it knows, comma between; sim* is all that begin so, * any.")
    ] = "sim*,default",
) -> None:
    """A simulated provider, OpenAI-compatible, for trying things out: latency, limits, faults, repetition."""
    from fanfold.sim.server import serve_forever
    from fanfold.sim.world import World
    from fanfold.spec.errors import PlanError

    try:
        world = World.parse(
            rpm=rpm, tpm=tpm, bucket_s=bucket, headers=headers, hint=hint, charge=charge, capacity=capacity, latency=latency,
            faults=faults, seed=seed, collapse=collapse, repeat=repeat, slips=slips,
        )  # fmt: skip
    except ValueError as error:
        raise PlanError("fanfold sim", str(error)) from error
    try:
        known = [name.strip() for name in models.split(",") if name.strip()]
        announce = lambda url: typer.echo(f"Simulated provider at {url}  (Ctrl-C ends it)")  # noqa: E731
        serve_forever(world, host, port, api_key=api_key, models=known, announce=announce)
    except OSError as error:
        raise PlanError(
            "--port", f"{host}:{port}: {error.strerror or error}", "choose another port, or 0 for a free one"
        ) from error


# -------------------------------------------------------------------- the way out


def _leave(code: int) -> None:
    raise typer.Exit(code)


def main() -> None:
    """The program. Exit codes: 0, 1, 2, 3, 4, 130 as documented."""
    from fanfold import config
    from fanfold.cli.output import ready_streams
    from fanfold.spec.errors import PlanError, StoreError

    ready_streams()
    config.keep_secrets_unsaid()
    try:
        if planopts.schema_wanted(sys.argv[1:]):
            return planopts.print_schema()
        for point in sorted(entry_points(group="fanfold.apps"), key=lambda point: point.name):
            _add_app(point)
        _add_run()
        app()
    except PlanError as error:
        _complain(str(error), 2)
    except StoreError as error:
        _complain(f"the store failed: {error}", 4)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - a mistake of ours: said in one line, and whole where it is asked for
        _unexpected(error)


def _complain(text: str, code: int) -> None:
    from fanfold.cli.output import say

    say(f"fanfold: {text}")
    sys.exit(code)


def _unexpected(error: Exception) -> None:
    """An error that nothing above expects. Its traceback is for --verbose, and without keys like everything else."""
    from fanfold.cli.output import say
    from fanfold.engine.logs import shown
    from fanfold.engine.usercode import described

    verbose = {"--verbose", "-v"} & set(sys.argv) or os.environ.get("FANFOLD_VERBOSE")
    if verbose:
        say(shown(error))
    hint = "" if verbose else " (--verbose shows where; please report it)"
    _complain(f"an error inside Fanfold: {described(error)}{hint}", 1)
