"""What identifies an answer: a field of it, the whole, or what the user's key makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from fanfold.core.cosine import packed
from fanfold.engine.shapes import Unfit, key_of, key_text
from fanfold.engine.usercode import UserCode, described
from fanfold.spec.plan import Unique

SAID = 80  # characters of an answer that is called by its own text


class Unkeyed(Exception):
    """The key function gave nothing that can be compared. The message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As in `Reply`: key, exact, vector, said."""

    key: str | None = None
    exact: bool = False
    vector: bytes | None = None
    said: str | None = None

    @property
    def words(self) -> dict[str, Any]:
        return {"key": self.key, "exact": self.exact, "vector": self.vector, "said": self.said}


def named(unique: Unique | None, value: Any) -> Identity:
    """What is known of it before the user's key is asked. Raises Unfit when the field is not there, or empty."""
    if unique is None or (unique.by is None and unique.key is not None):
        return Identity()
    key, exact = key_of(value, unique)
    if not key.strip():
        raise Unfit(f"its identity {unique.by or ''!r} is empty")
    return Identity(key, exact)


async def keyed(unique: Unique | None, value: Any, name: Identity, user: UserCode, timeout_s: float) -> Identity:
    """With what the user's key gives: a text instead of the name; a vector beside it. Raises Unkeyed."""
    if unique is None or unique.key is None:
        return name
    given = await _asked(unique, value, user, timeout_s)
    if given is None:  # else all answers would have the same key
        raise Unkeyed("key gave None: it must return a text or a vector")
    try:
        numbers = _numbers(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unkeyed(f"key gave a list that is not all numbers: {described(error)}") from error
    if numbers is not None:
        try:
            vector = packed(numbers)
        except (ValueError, OverflowError) as error:
            raise Unkeyed(f"key gave a vector that cannot be compared: {error}") from error
        if unique.by is not None:
            return Identity(name.key, name.exact, vector)
        digest = blake2b(vector, digest_size=12).hexdigest()
        return Identity(f"={digest}", True, vector, value if isinstance(value, str) and len(value) <= SAID else "")
    if unique.by is not None:
        raise Unkeyed("key gave no vector: beside by=, which is compared as text, it must give one; or leave by out")
    try:
        key, exact = key_text(given)
    except Exception as error:
        raise Unkeyed(f"key gave what cannot be written down: {described(error)}") from error
    if not key.strip():
        raise Unkeyed("key gave an empty text")
    return Identity(key, exact)


async def _asked(unique: Unique, value: Any, user: UserCode, timeout_s: float) -> Any:
    assert unique.key is not None
    try:
        async with asyncio.timeout(timeout_s) as limit:
            return await user(unique.key, value)
    except TimeoutError as error:
        if limit.expired():
            raise Unkeyed(f"key gave nothing within {timeout_s:g} s") from error
        raise Unkeyed(f"key failed: {described(error)}") from error
    except Exception as error:
        raise Unkeyed(f"key failed: {described(error)}") from error


def _numbers(given: Any) -> Sequence[float] | None:
    """A vector, if it is one: a list or a tuple of numbers, or an array that gives one. Raises Unkeyed for an empty one, TypeError,
    ValueError or OverflowError for one of anything else."""
    if not isinstance(given, list | tuple):
        if not callable(getattr(given, "tolist", None)):
            return None
        given = given.tolist()
        if not isinstance(given, list):  # a single number of such an array's kind
            return None
    if not given:
        raise Unkeyed("key gave a vector of no numbers")
    return [float(x) for x in given]
