"""The one reader of environment and configuration. Precedence: option, environment (`FANFOLD_…`), config file, default.

A clash inside one level is an error; a later level is simply overruled.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fanfold.spec.errors import PlanError
from fanfold.spec.hidden import keep_unsaid
from fanfold.spec.plan import Limits
from fanfold.spec.secret import Secret

CLASHES = (("sequential", "max_concurrent"), ("quiet", "verbose"))


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run, as opposed to what: every common option of the command line. Seconds, tokens and requests a minute."""

    model: str | None = None
    base_url: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    rpd: int | None = None
    model_limits: Mapping[str, Limits] = field(default_factory=dict)
    max_concurrent: int | None = None
    sequential: bool = False
    attempts: int | None = None
    retries: int = 4
    timeout: float = 120.0
    deadline: float | None = None
    budget_usd: float | None = None
    seed: int | None = None
    store: str | None = None
    cache: bool | None = None
    cache_ttl: float | None = None
    out: str | None = None
    format: str | None = None
    stream: bool = False
    quiet: bool = False
    verbose: bool = False
    prices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        concurrent = 1 if self.sequential else self.max_concurrent
        return Limits(self.rpm, self.tpm, self.input_tpm, self.output_tpm, self.rpd, concurrent)


_FIELDS = {f.name: f for f in fields(Options) if f.name != "model_limits"}
_LIMITS = {
    "rpm": "rpm",
    "tpm": "tpm",
    "input_tpm": "input_tpm",
    "output_tpm": "output_tpm",
    "rpd": "rpd",
    "max_concurrent": "concurrent",
}
_INTEGERS = {**dict.fromkeys(_LIMITS, 1), "attempts": 1, "retries": 0, "seed": None}
_NUMBERS = {"timeout": 0, "deadline": 0, "cache_ttl": 0, "budget_usd": 0}
_FLAGS = ("sequential", "cache", "stream", "quiet", "verbose")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def options(
    given: Mapping[str, Any],
    config_file: str | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    also: tuple[str, ...] = (),
    section: str = "",
    plan: Mapping[str, Any] = MappingProxyType({}),
    words: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    places: dict[str, str] | None = None,
) -> tuple[Options, dict[str, Any]]:
    """Join the levels. Returns the common options, and what the levels say of the names in `also` (an application's parameters).

    places: filled in: where each of the latter is said, e.g. "--days", "FANFOLD_DAYS", "my.toml: days".

    given: command-line options, None where not given. section: the table of a config file that holds the application's own.
    plan: what a plan file says of how to run it: the last level before the defaults. words: puts what a config file says into these
    names (see `App.config`). Raises PlanError naming the option and the level.
    """
    environ = os.environ if environ is None else environ
    names = (*_FIELDS, *also)
    levels: list[tuple[str, dict[str, Any]]] = [("--{}", {k: v for k, v in given.items() if v is not None and k in names})]
    levels.append(("FANFOLD_{}", {k: environ[f"FANFOLD_{k.upper()}"] for k in names if environ.get(f"FANFOLD_{k.upper()}")}))
    config_file = config_file or environ.get("FANFOLD_CONFIG")
    if config_file:
        levels.append((f"{config_file}: {{}}", _read_config(config_file, names, section, words)))
    joined: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for label, level in levels:
        for name in [name for name in level if name in also]:
            value = level.pop(name)
            if name not in more:
                more[name] = value
                if places is not None:
                    places[name] = _label(label, name)
        values = {name: value_of(name, value, _label(label, name)) for name, value in level.items()}
        for one, other in CLASHES:
            if values.get(one) and values.get(other):
                raise PlanError(_label(label, one), f"clashes with {_label(label, other)}", "give one of the two")
            if values.get(one) or values.get(other):  # a level that says one of them speaks for both
                values.setdefault(one, None)
                values.setdefault(other, None)
        for name, value in values.items():
            joined.setdefault(name, value)
    joined = {**_by_plan(plan, joined), **joined}
    return Options(**{name: value for name, value in joined.items() if value is not None}), more


def _by_plan(plan: Mapping[str, Any], joined: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan file says and nothing else does. A limit that another level sets is that of every model."""
    found = {name: value for name, value in plan.items() if name not in joined}
    overruled = {limit: None for name, limit in _LIMITS.items() if joined.get(name) is not None}
    if joined.get("sequential"):
        overruled["concurrent"] = None
    if "model_limits" in plan:
        found["model_limits"] = {model: replace(limits, **overruled) for model, limits in plan["model_limits"].items()}
    return found


def _label(label: str, name: str) -> str:
    if label.startswith("--"):
        return label.format(name.replace("_", "-"))
    return label.format(name.upper() if label.startswith("FANFOLD") else name)


def value_of(name: str, value: Any, path: str) -> Any:
    """A value as its option needs it. Raises PlanError."""
    if name in _INTEGERS:
        return _integer(value, _INTEGERS[name], path)
    if name in _NUMBERS:
        return _number(value, path)
    if name in _FLAGS:
        flag = value if isinstance(value, bool) else _WORDS.get(str(value).strip().lower())
        if flag is None:
            raise PlanError(path, f"{value!r} is neither true nor false")
        return flag
    if name == "prices":
        if not isinstance(value, Mapping):
            raise PlanError(path, "a table of prices belongs in the config file")
        return value
    return str(value)


def _integer(value: Any, least: int | None, path: str) -> int:
    try:
        number = int(str(value).replace("_", "")) if not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or (least is not None and number < least):
        raise PlanError(path, f"a whole number{'' if least is None else f' from {least}'} is needed, not {value!r}")
    return number


def _number(value: Any, path: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number < float("inf"):
        raise PlanError(path, f"a number above 0 is needed, not {value!r}")
    return number


def _read_config(
    name: str, known: tuple[str, ...], section: str, words: Callable[[dict[str, Any]], dict[str, Any]] | None
) -> dict[str, Any]:
    from fanfold.files import read_text

    path, text = Path(name), read_text(name)
    if path.suffix in (".yaml", ".yml"):
        from fanfold.files import parse_yaml

        data = parse_yaml(text, name)
    else:
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise PlanError(name, f"is not valid TOML: {error}") from error
    if not isinstance(data, Mapping):
        raise PlanError(name, "a config file holds names and values")
    if words is not None:
        try:
            data = words(dict(data))
        except PlanError as error:
            raise PlanError(f"{name}: {error.path}", error.message, error.hint) from error
    own = data.get(section) or {} if section else {}
    if not isinstance(own, Mapping):
        raise PlanError(f"{name}: {section}", "holds names and values")
    others = {key for key, value in data.items() if isinstance(value, Mapping) and key not in known}  # of applications
    flat = {str(key).replace("-", "_"): value for key, value in {**data, **own}.items() if key not in others}
    unknown = [*(key for key in flat if key not in known), *(sorted(others - _applications()) if others else ())]
    if unknown:
        from difflib import get_close_matches

        close = get_close_matches(str(unknown[0]), [*known, *_applications()], 1)
        raise PlanError(f"{name}: {unknown[0]}", "is not an option", f"did you mean {close[0]!r}?" if close else "see --help")
    return flat


def _applications() -> set[str]:
    """Names of those that are installed: a config file may have a table for each."""
    from importlib.metadata import entry_points

    return {point.name for point in entry_points(group="fanfold.apps")}


def data_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where runs are kept unless a store is named: the user's data folder of the platform."""
    environ = os.environ if environ is None else environ
    if environ.get("FANFOLD_HOME"):
        return Path(environ["FANFOLD_HOME"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fanfold"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "fanfold"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fanfold"


def default_store() -> Path:
    return data_folder() / "runs.db"


def variable(names: tuple[str, ...], environ: Mapping[str, str] | None = None) -> str | None:
    """The first of these environment variables that is set."""
    environ = os.environ if environ is None else environ
    return next((environ[name] for name in names if environ.get(name)), None)


def secret(names: tuple[str, ...], environ: Mapping[str, str] | None = None) -> Secret | None:
    """The key in the first of these variables that is set. Raises PlanError, naming the variable, for what can be no key."""
    environ = os.environ if environ is None else environ
    name = next((name for name in names if environ.get(name)), None)
    return None if name is None else Secret(environ[name], name)


_SECRET_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_SHORTEST_SECRET = 16  # of variables that only sound like secrets: shorter values may be ordinary words


def keep_secrets_unsaid(environ: Mapping[str, str] | None = None) -> None:
    """Whatever the environment holds that is called a key, of ours or of others: a check's exception may repeat all of it."""
    environ = os.environ if environ is None else environ
    for name, value in environ.items():
        ours = name.endswith("_API_KEY") or name.startswith("FANFOLD_")
        if _SECRET_NAMES.search(name) and len(value) >= (0 if ours else _SHORTEST_SECRET):
            keep_unsaid(value.strip())
