"""The six kinds of examples, in the order in which they are always shown, and how many of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """count: how many are asked for unless something else is said; None: it is one text. exact: that many, and not fewer.

    listed: its items are words, not sentences. critical: it goes first where capacity is short.
    """

    name: str
    title: str
    count: int | None
    exact: bool = True
    listed: bool = False
    critical: bool = False

    @property
    def empty(self) -> list[str] | str:
        """What stands in the result where the kind failed."""
        return "" if self.count is None else []


KINDS = (
    Kind("voorbeeldzinnen", "Voorbeeldzinnen", 3, critical=True),
    Kind("praktijkvoorbeelden", "Praktijkvoorbeelden", 3, critical=True),
    Kind("tegenvoorbeelden", "Tegenvoorbeelden", 3),
    Kind("synoniemen", "Synoniemen", 5, exact=False, listed=True),
    Kind("antoniemen", "Antoniemen", 5, exact=False, listed=True),
    Kind("toelichting", "Toelichting", None),
)
NAMES = tuple(kind.name for kind in KINDS)
BY_NAME = {kind.name: kind for kind in KINDS}
