"""What a check is given: the value alone, or, where it takes two, its cell as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def takes_cell(check: Callable[..., Any]) -> bool:
    """Whether it has two positional parameters without a default."""
    try:
        return _takes_cell(check)
    except TypeError:  # an object that is no dictionary key
        return _asks_two(check)


@lru_cache(maxsize=1024)
def _takes_cell(check: Callable[..., Any]) -> bool:
    return _asks_two(check)


def _asks_two(check: Callable[..., Any]) -> bool:
    try:
        parameters = signature(check).parameters.values()
    except (TypeError, ValueError):  # it tells no signature: a built-in
        return False
    return sum(each.kind in _POSITIONAL and each.default is Parameter.empty for each in parameters) == 2
