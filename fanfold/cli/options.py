"""Options as data: the common ones, and those that a parameter model's fields become."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

COMMON = "Running"


@dataclass(frozen=True)
class Option:
    """One option. kind: its type; None is always allowed and means not given."""

    name: str
    kind: Any
    help: str
    flags: tuple[str, ...] = ()
    panel: str | None = None
    default: Any = None
    metavar: str | None = None

    def parameter(self) -> inspect.Parameter:
        names = self.flags or (f"--{self.name.replace('_', '-')}",)
        text = re.sub(r"\[(?=[a-z#/@])", r"\\[", self.help)  # else help takes it for markup and leaves it out
        info = typer.Option(*names, help=text, rich_help_panel=self.panel, show_default=False, metavar=self.metavar)
        annotation = Annotated[Union[self.kind, None], info]  # type: ignore[name-defined]  # noqa: UP007
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=self.default, annotation=annotation)


def _common(name: str, kind: Any, help: str, *flags: str) -> Option:
    return Option(name, kind, help, flags, COMMON)


MODEL_OPTIONS = (
    _common(
        "model",
        str,
        "Which model: openai/NAME, or sim/default for the simulated one; a | b to fall back, a = 0.7, b = 0.3 to share.",
    ),
    _common("base_url", str, "An OpenAI-compatible server, e.g. http://127.0.0.1:8100/v1."),
)
RUN_OPTIONS = (
    *MODEL_OPTIONS,
    _common("rpm", int, "Requests per minute, never exceeded."),
    _common("tpm", int, "Tokens per minute, never exceeded."),
    _common("max_concurrent", int, "Calls in the air at once."),
    _common("sequential", bool, "One call at a time.", "--sequential", "--no-async"),
    _common("attempts", int, "Answers judged per cell before it fails."),
    _common("retries", int, "Retries of a call whose transport failed [4]."),
    _common("timeout", float, "Seconds for one call [120]."),
    _common("deadline", float, "Seconds for the whole run."),
    _common("budget_usd", float, "Stop before spending more."),
    _common("seed", int, "Of jitter, and of the simulated model."),
    _common("store", str, "Where runs are kept [runs.db in the user's data folder]."),
    _common(
        "cache", bool, "Answer from earlier runs where they asked the same [on for plans and with --seed].", "--cache/--no-cache"
    ),
    _common("cache_ttl", float, "Seconds for which an earlier answer is good [a month; for ever at temperature 0]."),
    _common("config", str, "A TOML or YAML file with any of these options."),
    _common("out", str, "Write the result here: a file, or a folder."),
    _common("format", str, "json, jsonl, csv, parquet or md [md on a terminal, else json, or by the file's ending]."),
    _common("stream", bool, "Write each cell as a line of JSON as it ends.", "--stream"),
    _common("quiet", bool, "No progress and no report.", "--quiet", "-q"),
    _common("verbose", bool, "Log what happens.", "--verbose", "-v"),
)


def run_options(documents: Iterable[str] = ()) -> tuple[Option, ...]:
    """The common options of a command that writes these documents too."""
    *first, last = "json", "jsonl", "csv", "parquet", "md", *documents
    formats = f"{', '.join(first)} or {last}"
    return tuple(
        replace(option, help=option.help.replace("json, jsonl, csv, parquet or md", formats))
        if option.name == "format"
        else option
        for option in RUN_OPTIONS
    )


def options_of(params: type[Any], without: Sequence[str] = ()) -> list[Option]:
    """A parameter model's fields as options. Texts stay texts: the model itself reads and checks them. without: those that are words."""
    return [
        Option(name, _plain(field.annotation), _help(field), panel="Parameters")
        for name, field in params.model_fields.items()
        if name not in without
    ]


def arguments_of(params: type[Any], names: Sequence[str]) -> list[inspect.Parameter]:
    """Fields that are words of the command line, in this order. Each may be left out: the model says what it needs."""
    found = []
    for name in names:
        info = typer.Argument(help=_help(params.model_fields[name]), metavar=name.upper(), show_default=False)
        annotation = Annotated[Union[str, None], info]  # noqa: UP007
        found.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    return found


def _help(field: Any) -> str:
    text = str(field.description or "")
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    if default in (None, "", [], (), False):
        return text
    shown = ",".join(map(str, default)) if isinstance(default, list | tuple) else default
    return f"{text.rstrip('.')} [{shown}]." if text else f"[{shown}]"


def _plain(annotation: Any) -> Any:
    """The command line's kind for a field: numbers and flags as such, everything else as text."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        kinds = {_plain(arg) for arg in get_args(annotation) if arg is not NoneType}
        return kinds.pop() if len(kinds) == 1 else str
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin is Literal:
        return str
    return annotation if annotation in (int, float, bool) else str


def command(
    run: Callable[[dict[str, Any]], None], options: Sequence[Option], help: str, *positional: inspect.Parameter
) -> Callable[..., None]:
    """A function that Typer can read: `run` is called with everything that was given."""

    def call(**given: Any) -> None:
        run(given)

    parameters = [*positional, *(option.parameter() for option in options)]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    call.__doc__ = help
    return call
