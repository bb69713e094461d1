"""A plan file's own givens as options of `fanfold run PLAN.yaml` and `fanfold plan PLAN.yaml`: `--days 3` beside `--set days=3`.

They are read from the file that the command line names, before the command line itself is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanfold.cli.options import RUN_OPTIONS, Option

if TYPE_CHECKING:
    from fanfold.config import Options
    from fanfold.planfile.givens import Given
    from fanfold.spec.plan import Plan

COMMANDS = ("run", "plan")
ENDINGS = (".yaml", ".yml", ".json")
PREFIX = "given__"
HELPS = frozenset({"--help", "-h"})
SET = "Override a given of the plan: --set days=3."
SCHEMA = Option("schema", bool, "Print the JSON Schema of plan files, for editors, and exit.", ("--schema",), "Parameters")
METAVARS = {"integer": "INTEGER", "number": "NUMBER", "text": "TEXT", "list": "LIST", "mapping": "MAPPING", "any": "VALUE"}
KINDS: Mapping[str, Any] = {"integer": int, "number": float}


def options(args: Sequence[str]) -> list[Option]:
    """`--set`, and what the plan file on this command line has of its own. Raises PlanError for a file that cannot be read."""
    from fanfold.spec.errors import PlanError

    path = _file(args)
    try:
        givens = {} if path is None else _givens(path)
    except PlanError:
        if not HELPS & set(args):
            raise
        givens = {}
    own = [_option(given) for given in givens.values() if free(given)]
    taken = [given.name for given in givens.values() if not free(given)]
    flags = " and ".join(f"--{name.replace('_', '-')}" for name in taken)
    are = "are the run's own options" if len(taken) > 1 else "is the run's own option"
    more = f" The only way for {' and '.join(taken)}: {flags} {are}." if taken else ""
    return [*own, Option("set", list[str], SET + more, panel="Parameters"), SCHEMA]


@cache
def _givens(path: str) -> dict[str, Given]:
    from fanfold.planfile import givens_of

    return givens_of(path)


def _file(args: Sequence[str]) -> str | None:
    """The plan file that `run` or `plan` is asked for, if it is one that there is."""
    if not args or args[0] not in COMMANDS:
        return None
    valued = {flag for option in RUN_OPTIONS if option.kind is not bool for flag in _flags(option)} | {"--set"}
    before = ""
    for arg in args[1:]:
        own = before.startswith("-") and "=" not in before and before not in valued  # perhaps a given's: --days 5, or a flag
        is_plan = Path(arg).suffix.lower() in ENDINGS
        if not arg.startswith("-") and before not in valued and (is_plan or not own):
            return arg if Path(arg).is_file() else None  # without such an ending it may be an application: fanfold plan mealplan
        before = arg
    return None


def _flags(option: Option) -> list[str]:
    return [flag for flags in option.flags or (f"--{option.name.replace('_', '-')}",) for flag in flags.split("/")]


_TAKEN = frozenset({"--set", "--schema", *HELPS, *(flag for option in RUN_OPTIONS for flag in _flags(option))})


def free(given: Given) -> bool:
    """Whether a given can be an option: its name is one, and not one of the run's own."""
    return given.name.isidentifier() and not _TAKEN & set(_own_flags(given))


def _own_flags(given: Given) -> list[str]:
    name = given.name.replace("_", "-")
    return [f"--{name}", f"--no-{name}"] if given.kind == "flag" else [f"--{name}"]


def _option(given: Given) -> Option:
    from fanfold.spec.plan import UNSET

    said = [given.help] if given.help else []
    said += [f"One of {', '.join(map(str, given.choices))}."] if given.choices else []
    ends = [f"{end:g}" if end is not None else "" for end in (given.least, given.most)]
    said += [f"[{'..'.join(ends)}]"] if any(ends) else []
    said += ["[required]" if given.default is UNSET else f"[default: {_shown(given.default)}]"]
    kind = bool if given.kind == "flag" else KINDS.get(given.kind, str)
    return Option(
        PREFIX + given.name, kind, " ".join(said), ("/".join(_own_flags(given)),), "Parameters of the plan",
        metavar=METAVARS.get(given.kind),
    )  # fmt: skip


def _shown(default: Any) -> str:
    import json

    text = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


# -------------------------------------------------------------------- what was given


def settings(given: Mapping[str, Any]) -> list[str]:
    """`--set` and the plan's own options, as `name=value`. Raises PlanError for one that is given both ways."""
    from fanfold.cli.jobs import pairs
    from fanfold.spec.errors import PlanError

    said = list(given.get("set") or [])
    twice = pairs(said)
    for name, value in given.items():
        if not name.startswith(PREFIX) or value is None:
            continue
        bare = name.removeprefix(PREFIX)
        if bare in twice:
            raise PlanError(f"--{bare.replace('_', '-')}", f"clashes with --set {bare}", "give one of the two")
        said.append(f"{bare}={str(value).lower() if isinstance(value, bool) else value}")
    return said


def plan_of(given: dict[str, Any]) -> tuple[Plan, Options]:
    """The plan that was asked for, and how to run it. Options win over the file. Raises PlanError."""
    from fanfold import config
    from fanfold.cli.jobs import pairs
    from fanfold.planfile import overruled, read_plan
    from fanfold.spec.errors import PlanError

    config.options(given, given.get("config"))  # what is wrong there is said first
    told = pairs(settings(given))
    _tell_clashes(given, told)
    try:
        file = read_plan(given["plan"], told)
    except PlanError as error:
        name = error.path.removeprefix("--set ")
        if error.path == name or given.get(PREFIX + name) is None:
            raise
        raise PlanError(f"--{name.replace('_', '-')}", error.message, error.hint) from error
    options, _ = config.options(given, given.get("config"), plan=file.run)
    return overruled(file.plan, given), options


def _tell_clashes(given: Mapping[str, Any], told: Mapping[str, str]) -> None:
    from fanfold.cli.output import say

    if given.get("quiet"):
        return
    for each in _givens(given["plan"]).values():
        if not free(each) and given.get(each.name) is not None and each.name not in told:
            flag = f"--{each.name.replace('_', '-')}"
            say(f"{flag} is the run's own option; the plan's given of that name is --set {each.name}={_shown(each.default)}")


def located(given: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Where mistakes in the plan file are said with their line."""
    from fanfold.files import read_text
    from fanfold.planfile import located as lines

    return lines(read_text(given["plan"]), given["plan"], [name for name, value in given.items() if value is not None])


# -------------------------------------------------------------------- for editors


def schema_wanted(args: Sequence[str]) -> bool:
    """`fanfold run --schema`: no plan is named."""
    return bool(args) and args[0] in COMMANDS and "--schema" in args and not HELPS & set(args)


def print_schema() -> None:
    from fanfold.planfile.schema import written

    sys.stdout.write(written())
