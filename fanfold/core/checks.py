"""Rule checks by name, with parameters: each makes a callable, value in, None or a reason out. Reasons tell the model what to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fanfold.spec.template import dig

Check = Callable[[Any], str | None]


def _part(of: str | None) -> Callable[[Any], Any]:
    path = tuple(of.split(".")) if of else ()
    return lambda value: dig(value, path)


def _bounds(what: str, measure: Callable[[Any], float], of: str | None, least: float | None, most: float | None) -> Check:
    if least is None and most is None:
        raise ValueError("give min, max or both")
    if least is not None and most is not None and least > most:
        raise ValueError(f"min {least} is above max {most}")
    part, where = _part(of), f"{of}: " if of else ""

    def check(value: Any) -> str | None:
        n = measure(part(value))
        if least is not None and n < least:
            return f"{where}{what} is {n:g}, at least {least:g} is needed"
        if most is not None and n > most:
            return f"{where}{what} is {n:g}, at most {most:g} is allowed"
        return None

    return check


def length(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    """Characters of a text, or items of a list."""
    return _bounds("length", len, of, min, max)


def words(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    return _bounds("number of words", lambda text: len(str(text).split()), of, min, max)


def items(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    return _bounds("number of items", len, of, min, max)


def number(min: float | None = None, max: float | None = None, of: str | None = None) -> Check:
    return _bounds("value", float, of, min, max)


def matches(pattern: str, of: str | None = None) -> Check:
    """The whole text fits a regular expression."""
    compiled, part = re.compile(pattern), _part(of)
    return lambda value: None if compiled.fullmatch(str(part(value))) else f"{of or 'the text'} must match {pattern}"


def contains(text: str | Sequence[str], of: str | None = None) -> Check:
    """Every one of the texts occurs, upper or lower case."""
    wanted, part = _texts(text), _part(of)

    def check(value: Any) -> str | None:
        found = _flat(part(value))
        missing = [w for w in wanted if w.casefold() not in found]
        return f"{of or 'the text'} must contain {', '.join(map(repr, missing))}" if missing else None

    return check


def excludes(text: str | Sequence[str], of: str | None = None) -> Check:
    """None of the texts occurs, upper or lower case."""
    banned, part = _texts(text), _part(of)

    def check(value: Any) -> str | None:
        found = _flat(part(value))
        bad = [w for w in banned if w.casefold() in found]
        return f"{of or 'the text'} must not contain {', '.join(map(repr, bad))}" if bad else None

    return check


def one_of(values: Sequence[Any], of: str | None = None) -> Check:
    part, allowed = _part(of), list(values)
    return lambda value: None if part(value) in allowed else f"{of or 'the value'} must be one of {', '.join(map(str, allowed))}"


def no_repeats(of: str | None = None) -> Check:
    """No item of a list occurs twice, upper or lower case."""
    part = _part(of)

    def check(value: Any) -> str | None:
        seen: set[str] = set()
        for item in part(value):
            key = str(item).casefold().strip()
            if key in seen:
                return f"{of or 'the list'} repeats {str(item)!r}"
            seen.add(key)
        return None

    return check


def _texts(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _flat(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return "\n".join(map(str, value)).casefold()
    return str(value).casefold()


NAMED: Mapping[str, Callable[..., Check]] = {
    "length": length, "words": words, "items": items, "number": number, "matches": matches,
    "contains": contains, "excludes": excludes, "one_of": one_of, "no_repeats": no_repeats,
}  # fmt: skip
