"""Texts that match a regular expression: what a string with a `pattern` needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

_PRINTABLE = ascii_lowercase + ascii_uppercase + digits + " -_.,!"
_CATEGORIES = {
    "CATEGORY_DIGIT": digits, "CATEGORY_WORD": ascii_lowercase + digits, "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": ascii_lowercase, "CATEGORY_NOT_WORD": " -", "CATEGORY_NOT_SPACE": ascii_lowercase,
}  # fmt: skip
_TRIES = 30
_MOST = 3  # repetitions beyond the least, where a pattern allows any number


def matching(rng: Random, pattern: str) -> str | None:
    """A text in which the pattern is found. None for a pattern that is not understood: an unusual one, or no regular one."""
    try:
        compiled = re.compile(pattern)
        parsed = import_module("re._parser").parse(pattern)
        for _ in range(_TRIES):
            text = _sequence(rng, parsed)
            if compiled.search(text):
                return text
    except (re.error, KeyError, OverflowError, RecursionError):
        return None
    return None


def _sequence(rng: Random, nodes: Iterable[tuple[Any, Any]]) -> str:
    return "".join(_NODES[str(kind)](rng, argument) for kind, argument in nodes)


def _repeat(rng: Random, argument: Any) -> str:
    least, most, body = argument
    times = rng.randint(least, min(int(most), least + _MOST))
    return "".join(_sequence(rng, body) for _ in range(times))


def _class(rng: Random, members: Any) -> str:
    if str(members[0][0]) == "NEGATE":
        refused = set().union(*map(_characters, members[1:]))
        return rng.choice([char for char in _PRINTABLE if char not in refused] or ["~"])
    return rng.choice(_characters(members[rng.randrange(len(members))]))


def _characters(member: Any) -> str:
    kind, argument = member
    if str(kind) == "RANGE":
        return "".join(map(chr, range(argument[0], min(argument[1], argument[0] + 200) + 1)))
    return chr(argument) if str(kind) == "LITERAL" else _CATEGORIES[str(argument)]


def _nothing(rng: Random, argument: Any) -> str:
    """Anchors and assertions write nothing; whether they hold is tested on the whole."""
    return ""


_NODES: dict[str, Callable[[Random, Any], str]] = {
    "LITERAL": lambda rng, code: chr(code),
    "NOT_LITERAL": lambda rng, code: rng.choice([char for char in _PRINTABLE if ord(char) != code]),
    "ANY": lambda rng, _: rng.choice(ascii_lowercase),
    "IN": _class,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": _repeat,
    "SUBPATTERN": lambda rng, argument: _sequence(rng, argument[-1]),
    "ATOMIC_GROUP": _sequence,
    "BRANCH": lambda rng, argument: _sequence(rng, rng.choice(argument[1])),
    "AT": _nothing,
    "ASSERT": _nothing,
    "ASSERT_NOT": _nothing,
}
