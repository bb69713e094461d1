"""Markdown as elements: headings, paragraphs, lists, quotes, code, emphasis, links and citations. Everything else stays text.

Answers come from a model: nothing in them becomes markup but these. A citation leads to its piece in the list of evidence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element

from fanfold.apps.briefing.citations import citations
from fanfold.apps.briefing.elements import e

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*$")
_POINT = re.compile(r"[ \t]{0,3}(?:[-*+]|(\d{1,3})[.)])[ \t]+(.*)$")
_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)")
_RULE = re.compile(r"[ \t]{0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`|\*\*(?P<strong>[^*\n]+(?:\*(?!\*)[^*\n]+)*)\*\*|(?<![\w*])\*(?P<em>[^*\s][^*\n]*?)\*(?![\w*])"
    r"|(?<!\w)_(?P<em2>[^_\s][^_\n]*?)_(?!\w)|\[(?P<label>[^\]\n]+)\]\((?P<href>https?://[^\s()<>]+)\)|\\(?P<plain>[\\`*_\[\]<>#|-])"
)


def marked(text: str, known: Collection[str], *, deeper: int = 0) -> Iterator[Element]:
    """The blocks of a text. deeper: levels that its headings go down, so that they fit below others."""
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        at, block = _block(lines, at, known, deeper)
        if block is not None:
            yield block


def _block(lines: list[str], at: int, known: Collection[str], deeper: int) -> tuple[int, Element | None]:
    """One block, and where the next one begins."""
    line = lines[at]
    if not line.strip():
        return at + 1, None
    if heading := _HEADING.match(line):
        level = min(6, len(heading[1]) + deeper)
        return at + 1, e(f"h{level}", *inline(heading[2], known))
    if fence := _FENCE.match(line):
        return _code(lines, at, fence[1])
    if _RULE.match(line):
        return at + 1, e("hr")
    if line.lstrip().startswith(">"):
        end = _while(lines, at, lambda each: each.lstrip().startswith(">"))
        inner = "\n".join(each.lstrip()[1:].removeprefix(" ") for each in lines[at:end])
        return end, e("blockquote", *marked(inner, known, deeper=deeper))
    if _POINT.match(line):
        return _list(lines, at, known)
    end = _while(lines, at, lambda each: bool(each.strip()) and not _begins(each))
    end = max(end, at + 1)
    return end, e("p", *inline(" ".join(each.strip() for each in lines[at:end]), known))


def _begins(line: str) -> bool:
    """Whether another block begins here."""
    return bool(_HEADING.match(line) or _FENCE.match(line) or _POINT.match(line) or line.lstrip().startswith(">"))


def _while(lines: list[str], at: int, holds: object) -> int:
    assert callable(holds)
    while at < len(lines) and holds(lines[at]):
        at += 1
    return at


def _code(lines: list[str], at: int, fence: str) -> tuple[int, Element]:
    end = _while(lines, at + 1, lambda each: not each.strip().startswith(fence))
    return end + 1, e("pre", e("code", "\n".join(lines[at + 1 : end]), cls="block"))


def _list(lines: list[str], at: int, known: Collection[str]) -> tuple[int, Element]:
    """Points of one kind; a line that is further in goes on with the point before it."""
    first = _POINT.match(lines[at])
    assert first is not None
    points: list[str] = []
    while at < len(lines):
        point = _POINT.match(lines[at])
        if point is not None and bool(point[1]) == bool(first[1]):
            points.append(point[2])
        elif point is None and lines[at].strip() and not _begins(lines[at]):
            points[-1] += " " + lines[at].strip()
        elif not lines[at].strip() and at + 1 < len(lines) and _POINT.match(lines[at + 1]):
            pass
        else:
            break
        at += 1
    return at, e("ol" if first[1] else "ul", *(e("li", *inline(point, known)) for point in points))


# -------------------------------------------------------------------- inside a block


def inline(text: str, known: Collection[str]) -> Iterator[Element | str]:
    """Emphasis, code, links and citations in a line of text."""
    at = 0
    for mark in _INLINE.finditer(text):
        yield from _linked(text[at : mark.start()], known)
        yield _mark(mark, known)
        at = mark.end()
    yield from _linked(text[at:], known)


def _mark(mark: re.Match[str], known: Collection[str]) -> Element | str:
    if mark["code"] is not None:
        return e("code", mark["code"])
    if mark["strong"] is not None:
        return e("strong", *inline(mark["strong"], known))
    if mark["label"] is not None:
        return e("a", mark["label"], href=mark["href"], rel="noreferrer")
    if mark["plain"] is not None:
        return mark["plain"]
    return e("em", *inline(mark["em"] or mark["em2"], known))


def _linked(text: str, known: Collection[str]) -> Iterator[Element | str]:
    """Each id of a citation leads to its piece; what is unknown stays text."""
    at = 0
    for citation in citations(text, known):
        if citation.ids:
            yield text[at : citation.start]
            yield cites(citation.ids)
            at = citation.end
    yield text[at:]


def cites(ids: Collection[str]) -> Element:
    """`[E1, E4]`, each a link."""
    parts: list[Element | str] = []
    for name in ids:
        parts += [", " if parts else "[", e("a", name, href=f"#{anchor(name)}")]
    return e("span", *parts, "]", cls="cite")


def anchor(name: str) -> str:
    return f"evidence-{name}"
