"""Objects that name a field twice. Each reader takes another of the two, so that nobody could say what was accepted.

The readers of JSON that are in use take the last and say nothing, so texts are looked over before they are read: keys that stand only
once in a whole text, as usual, are told by one pattern; only where one stands again is it worth reading the text a second time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_STRINGS = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?')


class Doubled(Exception):
    """The name that an object has twice."""


def doubled(texts: Iterable[str]) -> str | None:
    """A name that an object in the first of these texts that is JSON has twice; None if there is none."""
    for text in texts:
        keys = [key for key, colon in _STRINGS.findall(text) if colon]
        if len(set(keys)) == len(keys):
            continue
        try:
            json.loads(text, object_pairs_hook=_once)
        except Doubled as found:
            return str(found)
        except (ValueError, RecursionError):
            continue  # no JSON: the reader will say so
        return None
    return None


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise Doubled(name)
        seen.add(name)
