"""Numbers and texts inside the bounds of a schema, whether its keywords or the words of its description give them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

Schema = Mapping[str, Any]

_TOLD = re.compile(
    r"\b(at least|at most|more than|less than|a multiple of) (-?\d+(?:\.\d+)?)(?: (characters|items|properties))?"
    r"|\b(no item twice)|\bformat ([a-z0-9-]+)",
    re.IGNORECASE,
)
_PATTERN = re.compile(
    r"matches the pattern (.+?)(?:; (?:format|at least|at most|more than|less than|a multiple) .*)?$", re.IGNORECASE
)
_KEYWORDS = {
    ("at least", "characters"): "minLength", ("at most", "characters"): "maxLength", ("at least", "items"): "minItems",
    ("at most", "items"): "maxItems", ("at least", "properties"): "minProperties", ("at most", "properties"): "maxProperties",
    ("at least", ""): "minimum", ("at most", ""): "maximum", ("more than", ""): "exclusiveMinimum",
    ("less than", ""): "exclusiveMaximum", ("a multiple of", ""): "multipleOf",
}  # fmt: skip


def told(schema: Schema) -> Schema:
    """The schema with the bounds that its description tells in words; its own keywords win."""
    said = schema.get("description")
    if not isinstance(said, str) or not said:
        return schema
    found: dict[str, Any] = {}
    for match in _TOLD.finditer(said):
        how, number, what, unique, form = match.groups()
        if unique:
            found["uniqueItems"] = True
        elif form:
            found["format"] = form
        elif (keyword := _KEYWORDS.get((how.lower(), what or ""))) is not None:
            found[keyword] = float(number) if "." in number else int(number)
    if (pattern := _PATTERN.search(said)) is not None:
        found["pattern"] = _compiling(pattern.group(1))
    return {**found, **schema} if found else schema


def _compiling(pattern: str) -> str:
    """The pattern may stand in parentheses, whose last one is not its own."""
    try:
        re.compile(pattern)
    except re.error:
        return pattern.removesuffix(")")
    return pattern


def number_within(rng: Random, schema: Schema, usual: tuple[float, float] | None, *, whole: bool) -> int | float:
    """usual: the range that a field of that name has where the schema leaves it open."""
    low, high = _range(schema, usual)
    step = schema.get("multipleOf")
    if step or whole:
        step = step or 1
        least, most = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if least * step <= schema.get("exclusiveMinimum", -math.inf):
            least += 1
        if most * step >= schema.get("exclusiveMaximum", math.inf):
            most -= 1
        value = rng.randint(least, max(least, most)) * step
        return int(value) if whole else value
    return _between(rng, low, high)


def _between(rng: Random, low: float, high: float) -> float:
    """With few decimals if such a number lies strictly between the bounds."""
    exact = low + (high - low) * (0.02 + 0.96 * rng.random())
    for digits in (1, 2, 3, 6):
        rounded = round(exact, digits)
        if low < rounded < high:
            return rounded
    return exact


def _range(schema: Schema, usual: tuple[float, float] | None) -> tuple[float, float]:
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    low, high = usual or (1.0, 10.0)
    if lows and highs:
        return max(lows), min(highs)
    if lows:
        least = max(lows)
        return max(least, low), high if high > max(least, low) else max(least, low) + max(9.0, abs(least))
    if highs:
        most = min(highs)
        return (low if low < most else most - max(9.0, abs(most))), min(most, high)
    return low, high


def sized(schema: Schema, text: str, more: Callable[[], str]) -> str:
    """A text made long enough, then short enough. more: says one more sentence."""
    least = schema.get("minLength", 0)
    most = schema.get("maxLength")
    while len(text) < least:
        text = f"{text} {more()}" if most is None or len(text) + 20 < most else text + "."
    if most is None or len(text) <= most:
        return text
    cut = text[:most].rsplit(" ", 1)[0].rstrip(" ,;")
    return cut if len(cut) >= max(1, least) else text[:most]
