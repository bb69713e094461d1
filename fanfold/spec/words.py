"""The words of one step: each of its kind, in its range, and together making sense."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from fanfold.spec.compiled import CompiledAxis
from fanfold.spec.errors import PlanError
from fanfold.spec.names import field_exists, near
from fanfold.spec.plan import Step, Unique

KEY = "a key takes the value and returns a text or a vector"
MOST_ITEMS = 100  # of one call
PRIORITIES = ("critical", "normal", "optional")


def _kinds(step: Step, path: str) -> None:
    """Words of a wrong kind: found here, not where they would first be used."""
    kinds: tuple[tuple[str, Any, str], ...] = (
        ("needs", str | list | tuple, "names of steps"),
        ("checks", list | tuple, "a list of callables"),
        ("sampling", Mapping, "a mapping such as {'temperature': 0.7}"),
        ("model", str | None, "provider/name"),
    )
    for word, kind, meant in kinds:
        value = getattr(step, word)
        if not isinstance(value, kind):
            raise PlanError(f"{path}.{word}", f"{word} is {meant}, not {value!r}")
    if step.function is not None and not callable(step.function):
        raise PlanError(f"{path}.function", f"{step.function!r} is not callable")
    if step.known is not None and not (callable(step.known) and step.prompt is not None):
        raise PlanError(f"{path}.known", "known is a callable cell -> value, of a step that has a prompt")
    most = step.sampling.get("max_tokens")
    if most is not None and not is_whole(most, 1):
        raise PlanError(f"{path}.sampling.max_tokens", f"a whole number from 1 is needed, not {most!r}")


def check_words(step: Step, path: str) -> None:
    _kinds(step, path)

    def whole(word: str, least: int) -> None:
        value = getattr(step, word)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise PlanError(f"{path}.{word}", f"{word} is a whole number from {least}, not {value!r}")

    whole("attempts", 1)
    whole("at_least", 0)
    whole("items_per_call", 1)
    if not _is_number(step.weight) or not 0 <= step.weight < float("inf"):
        raise PlanError(f"{path}.weight", f"a weight is a number from 0, not {step.weight!r}")
    if step.timeout_s is not None and (not _is_number(step.timeout_s) or not 0 < step.timeout_s < float("inf")):
        raise PlanError(f"{path}.timeout_s", f"a time-out is a number of seconds above 0, not {step.timeout_s!r}")
    if not _is_number(step.retry_timeout_share) or not 0 < step.retry_timeout_share <= 1:
        raise PlanError(f"{path}.retry_timeout_share", f"a share above 0 and up to 1 is needed, not {step.retry_timeout_share!r}")
    if step.priority not in PRIORITIES:
        raise PlanError(f"{path}.priority", f"{step.priority!r} is not a priority", "one of " + ", ".join(PRIORITIES))
    for check in step.checks:
        if not callable(check):
            raise PlanError(
                f"{path}.checks", f"{check!r} is not callable", "a check takes the value and returns None or a reason"
            )
    if step.items_per_call > MOST_ITEMS:
        raise PlanError(f"{path}.items_per_call", f"no model keeps {step.items_per_call:,} items apart", "5 to 10 are usual")
    if step.items_per_call > 1 and step.function is not None:
        raise PlanError(f"{path}.items_per_call", "a function is called for each cell", "leave it at 1")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _takes_one(key: Any, path: str) -> None:
    """A key that could not be called would only be found out when answers have been paid for."""
    if not callable(key):
        raise PlanError(path, f"{key!r} is not callable", KEY)
    try:
        signature(key).bind(None)
    except ValueError:
        return  # it tells no signature: a built-in
    except TypeError as error:
        raise PlanError(path, f"the key cannot be called with the value alone: {error}", KEY) from error


def unique_of(step: Step, axes: Mapping[str, CompiledAxis], over: tuple[str, ...]) -> Unique | None:
    unique = Unique(by=step.unique) if isinstance(step.unique, str) else step.unique
    if unique is None:
        return None
    path = f"steps.{step.name}.unique"
    if not isinstance(unique, Unique):
        raise PlanError(path, f"unique is a field name or a Unique, not {type(unique).__name__}")
    if unique.by is not None and not isinstance(unique.by, str):
        raise PlanError(f"{path}.by", f"by is the name of a field, not {unique.by!r}")
    if not isinstance(unique.within, str | list | tuple):
        raise PlanError(f"{path}.within", f'within is "run", "store", or names of axes, not {unique.within!r}')
    if isinstance(unique.near, bool) or not isinstance(unique.near, int | float) or not 0 < unique.near <= 1:
        raise PlanError(
            f"{path}.near",
            f"near is a similarity above 0 and up to 1, not {unique.near!r}",
            "write near=0.85, or leave it out: then keys must be equal to count as the same",
        )
    if unique.key is not None:
        _takes_one(unique.key, f"{path}.key")
    if unique.within not in ("run", "store"):
        for name in (unique.within,) if isinstance(unique.within, str) else unique.within:
            if name not in over:
                raise PlanError(f"{path}.within", f"{name!r} is not an axis of the step", near(name, ("run", "store", *over)))
    if unique.by is not None:
        fields = tuple(unique.by.split("."))
        if step.output in (str, int, float, bool):
            raise PlanError(
                f"{path}.by",
                f"the output {step.output.__name__} has no field {unique.by!r}",
                "use Unique(by=None) for the whole value",
            )
        field_exists(step.output, fields, f"{path}.by")
    return unique
