"""Answers that were refused. What they said is written into the journal beside why, so that a result can show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from msgspec.structs import replace

from fanfold.core.fold import JUDGED
from fanfold.engine.usercode import printable
from fanfold.spec.calls import At
from fanfold.spec.events import AnyEvent, CellEnded, Coords, Drafted, Rested, SpareEnded

Refusing: TypeAlias = Rested | SpareEnded | CellEnded
REFUSING = (Rested, SpareEnded, CellEnded)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that was judged and not accepted.

    at: coordinates of its cell; a draw beyond those that were asked for has its own. code, check, reason: why, as in the report.
    text: the answer as the model wrote it: all of it, or as much as was heard of one that was cut off, "" where nothing was.
    """

    at: At
    code: str
    check: str
    reason: str
    text: str


class Latest:
    """By cell: what its latest answer said, until it is known what becomes of it."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, Coords], str] = {}

    def asks(self, step: int, at: Coords) -> None:
        """It is asked anew: what it said before was not this."""
        self._texts.pop((step, at), None)

    def says(self, step: int, at: Coords, text: str) -> None:
        self._texts[step, at] = text

    def told(self, event: Refusing) -> Refusing:
        """The event with the answer that it refuses, if it does. A spare that fills a cell tells what that cell's own answer was."""
        if isinstance(event, Rested):
            if event.kind != "regenerate":
                return event
            text = self._texts.pop((event.step, event.at), "")
        elif isinstance(event, SpareEnded) and event.fills is not None:
            self._texts.pop((event.step, event.at), None)
            text = self._texts.get((event.step, event.fills), "")
        else:
            text = self._texts.pop((event.step, event.at), "")
        return replace(event, text=printable(text)) if text and (isinstance(event, Rested) or event.code in JUDGED) else event


@dataclass(slots=True)
class Refusals:
    """Folds the journal into the answers of one step that were refused, in the order in which that happened."""

    told: list[tuple[Coords, str, str, str, str]] = field(default_factory=list)
    _drafts: dict[Coords, str] = field(default_factory=dict)

    def apply(self, event: AnyEvent) -> None:
        """An event of the step. What another life of the run had written down before its judge was asked is known from there."""
        if isinstance(event, Drafted):
            self._drafts[event.at] = event.text
        elif isinstance(event, Rested) and event.kind == "regenerate":
            self._refused(event.at, event.code, event.check, event.reason, event.text)
        elif isinstance(event, SpareEnded):
            if event.code in JUDGED:
                self._refused(event.fills or event.at, event.code, event.check, event.reason, event.text)
            self._drafts.pop(event.at, None)
        elif isinstance(event, CellEnded):
            if event.code in JUDGED and (event.text or event.at in self._drafts):
                self._refused(event.at, event.code, event.check, event.message, event.text)
            self._drafts.pop(event.at, None)

    def _refused(self, at: Coords, code: str, check: str, reason: str, text: str) -> None:
        drafted = self._drafts.pop(at, "")
        self.told.append((at, code, check, reason, text or drafted))

    def __iter__(self) -> Iterator[tuple[Coords, str, str, str, str]]:
        """(coordinates, code, check, reason, text)."""
        return iter(self.told)
