"""What a cell is offered: candidates of its step, by key. Which of them are its own is the conductor's to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

from fanfold.core.commands import Give
from fanfold.core.run import Cell as CoreCell
from fanfold.engine.shapes import text_of
from fanfold.engine.usercode import UserCode, described, printable
from fanfold.spec.plan import Candidates, Cell

Offer = Callable[[Sequence[str]], Awaitable[Give]]
"""Tells the conductor the keys of what there is, best first, and returns what it gives of them."""

MOST = 10_000  # candidates that a source may name for one cell
_LONGEST_KEY = 200  # characters that are written down as they are


class Unoffered(Exception):
    """What the user's source of candidates, or their key, did not do. The message says what."""


async def handed_out(user: UserCode, declared: Candidates, core: CoreCell, cell: Cell, offer: Offer) -> list[Any]:
    """The candidates of a cell, best first. Raises Unoffered for a source or a key of the user's that fails."""
    while True:
        if callable(declared.source):
            found = await _retrieved(user, declared.source, cell)
        else:
            assert isinstance(declared.source, Sequence)
            found = [declared.source[number] for number in core.dealt]
        given = await offer([await _key(user, declared, candidate) for candidate in found])
        if not given.again:
            return [found[place] for place in given.places]


async def _retrieved(user: UserCode, source: Callable[..., Any], cell: Cell) -> list[Any]:
    try:
        return list(islice(_listed(await user(source, cell)), MOST))
    except Exception as error:
        raise Unoffered(f"the source of its candidates failed: {described(error)}") from error


def _listed(found: Any) -> Any:
    if found is None:
        return ()
    if isinstance(found, str | bytes | Mapping) or not hasattr(found, "__iter__"):
        raise TypeError(f"a source of candidates returns a list, not {type(found).__name__}")
    return found


async def _key(user: UserCode, declared: Candidates, candidate: Any) -> str:
    if declared.key is not None:
        try:
            key = await user(declared.key, candidate)
        except Exception as error:
            raise Unoffered(f"the key of a candidate failed: {described(error)}") from error
        if not isinstance(key, str):
            raise Unoffered(f"the key of a candidate is a text, not {type(key).__name__}: return its id or its name")
    else:
        key = _own_name(candidate)
    text = printable(key)
    if len(text) <= _LONGEST_KEY:
        return text
    return text[:80] + "…" + blake2b(text.encode(), digest_size=16).hexdigest()


def _own_name(candidate: Any) -> str:
    """Its `id`, else its `name`, else all of it."""
    for field in ("id", "name"):
        found = candidate.get(field) if isinstance(candidate, Mapping) else getattr(candidate, field, None)
        if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
            return str(found)
    return text_of(candidate)
