"""What every stage is held to: it cites evidence that exists, and the briefing rests on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from fanfold import Evidence
from fanfold.apps.briefing.citations import bare_claims, cited, unknown
from fanfold.apps.briefing.types import Annex, Procurement

Check = Callable[[Any], str | None]
SHOWN = 5
ROUNDING = 0.01  # of a total


def text_checks(pieces: Iterable[Evidence]) -> tuple[Check, ...]:
    """Of the plays: ids exist, and there are some."""
    known = [piece.id for piece in pieces]

    def unknown_evidence(text: str) -> str | None:
        return _unknown(unknown(text, known), known)

    def no_evidence(text: str) -> str | None:
        return (
            None if cited(text, known) else f"it cites no evidence: write the id in brackets after each claim, e.g. [{known[0]}]"
        )

    return unknown_evidence, no_evidence


def briefing_checks(pieces: Iterable[Evidence]) -> tuple[Check, ...]:
    """Of the briefing: every claim with a figure says where it is from, too."""
    pieces = list(pieces)
    known = [piece.id for piece in pieces]

    def claims_without_evidence(text: str) -> str | None:
        bare = bare_claims(text, known)
        if not bare:
            return None
        more = f" (and {len(bare) - 1} more)" if len(bare) > 1 else ""
        return f"a claim cites no evidence{more}: {bare[0][:160]!r}; write the id in brackets after it"

    return (*text_checks(pieces), claims_without_evidence)


def procurement_checks(pieces: Iterable[Evidence]) -> tuple[Check, ...]:
    known = [piece.id for piece in pieces]

    def unknown_evidence(found: Procurement) -> str | None:
        texts = " ".join([found.summary, *(line.because for line in found.lines)])
        return _unknown([*_listed((line.evidence for line in found.lines), known), *unknown(texts, known)], known)

    def wrong_total(found: Procurement) -> str | None:
        right = sum(line.cost for line in found.lines)
        if abs(right - found.total) <= max(0.5, ROUNDING * right):
            return None
        return f"the total is {found.total:g}, but the lines add up to {right:g}"

    return unknown_evidence, wrong_total


def annex_checks(pieces: Iterable[Evidence]) -> tuple[Check, ...]:
    known = [piece.id for piece in pieces]

    def unknown_evidence(found: Annex) -> str | None:
        notes = [*found.assumptions, *found.open_questions]
        texts = " ".join([found.look_again, *(note.text for note in notes)])
        return _unknown([*_listed((note.evidence for note in notes), known), *unknown(texts, known)], known)

    return (unknown_evidence,)


def _listed(lists: Iterable[Iterable[str]], known: Collection[str]) -> list[str]:
    """Those that are no ids; brackets around one are forgiven."""
    ids = {name.casefold() for name in known}
    return list(dict.fromkeys(name for names in lists for name in names if name.strip().strip("[]").casefold() not in ids))


def _unknown(names: list[str], known: Collection[str]) -> str | None:
    if not names:
        return None
    shown = ", ".join(repr(name[:40]) for name in dict.fromkeys(names[:SHOWN]))
    return f"it cites evidence that does not exist: {shown}; there is only {', '.join(known)}"
