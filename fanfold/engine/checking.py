"""Whether a user's check wants its cell as well: `check(value)` or `check(value, cell)`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any


def takes_cell(check: Callable[..., Any]) -> bool:
    """A second parameter without a default is the cell."""
    try:
        parameters = list(signature(check).parameters.values())
    except (TypeError, ValueError):
        return False  # it tells no signature: a built-in
    places = [each for each in parameters if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 and places[1].default is Parameter.empty
