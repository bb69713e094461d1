"""Citations: `[E1]`, or several in one pair of brackets, `[E1, E4]`. What is between brackets and is no citation stays text.

A bracket is a citation when something in it is an id of the evidence or looks like one. `[E1, p. 3]` cites E1; `[sic]` cites nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_BRACKET = re.compile(r"(?<![\\!])\[([^\[\]\n]{1,120})\](?!\()")
_PARTS = re.compile(r"\s*(?:[,;&]|\band\b)\s*")
_LIKE_AN_ID = re.compile(r"[A-Za-z]{1,4}[ .-]?\d{1,4}[A-Za-z]?|\d{1,3}|[A-Z]{1,4}\d{1,4}\s*[-–—]\s*[A-Z]{0,4}\d{1,4}")
_PLACE = re.compile(r"(?:pp?|page|ch|sec|par|fig|tab|line|row|col|note|app)[. ]*\d{1,4}[a-z]?")  # inside of a piece: "p.3"
_WORDS = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)+")  # as ids made from names of files are
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_FIGURE = re.compile(r"\d")
_MARK = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+|[*_`>]")


@dataclass(frozen=True)
class Citation:
    """start, end: of the bracket in the text. ids: as the evidence has them; unknown: what looks like an id in it, and is none."""

    start: int
    end: int
    ids: tuple[str, ...]
    unknown: tuple[str, ...]


def citations(text: str, known: Collection[str]) -> Iterator[Citation]:
    """Those of a Markdown text, in order; code is no text."""
    by_name = {name.casefold(): name for name in known}
    worded = any(map(_WORDS.fullmatch, known))

    def like_an_id(part: str) -> bool:
        return bool(_LIKE_AN_ID.fullmatch(part) or (worded and _WORDS.fullmatch(part)))

    code = [match.span() for match in _CODE.finditer(text)]
    for bracket in _BRACKET.finditer(text):
        if any(start <= bracket.start() < end for start, end in code):
            continue
        parts = [part for part in _PARTS.split(bracket[1].strip()) if part]
        ids = tuple(by_name[part.casefold()] for part in parts if part.casefold() in by_name)
        others = [part for part in parts if part.casefold() not in by_name and not (ids and _PLACE.fullmatch(part))]
        unknown = tuple(filter(like_an_id, others))
        if ids or unknown:
            yield Citation(*bracket.span(), ids, unknown)


def cited(text: str, known: Collection[str]) -> list[str]:
    """Every id that a text cites, once, in the order of their first mention."""
    return list(dict.fromkeys(name for citation in citations(text, known) for name in citation.ids))


def unknown(text: str, known: Collection[str]) -> list[str]:
    return list(dict.fromkeys(name for citation in citations(text, known) for name in citation.unknown))


def bare_claims(text: str, known: Collection[str]) -> list[str]:
    """Paragraphs and points that give a figure and cite nothing. Headings, quotes, tables and code claim nothing by themselves."""
    found = []
    for block in blocks(_CODE.sub("", text)):
        plain = _MARK.sub("", block)
        if _FIGURE.search(plain) and len(plain.split()) > 3 and not cited(block, known):
            found.append(" ".join(plain.split()))
    return found


def blocks(text: str) -> Iterator[str]:
    """The paragraphs and the points of lists."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        apart = not stripped or stripped.startswith(("#", ">", "|", "---", "***"))
        if block and (apart or re.match(r"(?:[-*+]|\d{1,3}[.)])\s", stripped)):
            yield "\n".join(block)
            block = []
        if not apart:
            block.append(stripped)
