"""How a plan wants to be run, as its file says: limits, budget, deadline, cache, seed. Options of the command line win over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fanfold import config
from fanfold.planfile.reading import Scope, choices, keys, mapping, whole
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Limits

RUN_KEYS = ("limits", "budget_usd", "deadline", "timeout", "retries", "seed", "cache", "cache_ttl")
LIMIT_KEYS = tuple(field.name for field in fields(Limits))
_OPTION = {"concurrent": "max_concurrent"}


def run_words(data: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """By the names of `config.Options`; `model_limits` by model. Raises PlanError."""
    found: dict[str, Any] = {}
    for key in RUN_KEYS[1:]:
        if data.get(key) is not None:
            found[key] = config.value_of(key, _scalar(scope.resolved(data[key], key), key), key)
    limits = mapping(data.get("limits"), "limits")
    models = {str(name): words for name, words in limits.items() if "/" in str(name)}
    keys({name: limit for name, limit in limits.items() if str(name) not in models}, (*LIMIT_KEYS,), "limits")
    for name, limit in limits.items():
        if name in LIMIT_KEYS and limit is not None:
            found[_OPTION.get(name, name)] = whole(scope.resolved(limit, f"limits.{name}"), f"limits.{name}", 1)
    if models:
        found["model_limits"] = {name: _limits(words, f"limits.{name}", scope) for name, words in models.items()}
    return found


def _scalar(value: Any, path: str) -> Any:
    if isinstance(value, Mapping | list):
        raise PlanError(path, f"one value is needed, not a {'list' if isinstance(value, list) else 'mapping'}")
    if path == "cache" and not isinstance(value, bool):
        raise PlanError(path, f"true or false is needed, not {value!r}")
    return value


def _limits(words: Any, path: str, scope: Scope) -> Limits:
    """Of one model. Its name is provider/name, as in `model`."""
    from fanfold.wiring import PROVIDERS

    provider = path.removeprefix("limits.").partition("/")[0]
    if provider not in PROVIDERS:
        raise PlanError(path, f"unknown provider {provider!r}", choices(provider, PROVIDERS))
    keys(words, LIMIT_KEYS, path)
    return Limits(**{
        name: whole(scope.resolved(limit, f"{path}.{name}"), f"{path}.{name}", 1) for name, limit in words.items() if limit is not None
    })  # fmt: skip
