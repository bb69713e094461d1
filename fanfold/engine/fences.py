"""The Markdown inside an answer: out of the fence that models put around it. Fences inside it are its own."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w-]*)[^\n`]*$", re.MULTILINE)
NAMES = ("markdown", "md")
PLAIN = ("", "text", "txt")


def unfenced(text: str) -> str:
    """The first block that says it is Markdown, to its end, or to the end of the text where it has none; or what an outer fence holds.

    An answer without such a fence is taken whole. A fence with a name opens a block inside the block; one without closes the last that is open.
    """
    fences = list(_FENCE.finditer(text))
    opening = next((i for i, fence in enumerate(fences) if fence[2].lower() in NAMES), None)
    if opening is None:
        whole = len(fences) > 1 and not text[: fences[0].start()].strip() and not text[fences[-1].end() :].strip()
        if not (whole and fences[0][2].lower() in PLAIN and _end(fences, 0) == len(fences) - 1):
            return text
        opening = 0
    closing = _end(fences, opening)
    end = len(text) if closing is None else fences[closing].start()
    return text[fences[opening].end() : end].strip()


def _end(fences: list[re.Match[str]], opening: int) -> int | None:
    """The number of the fence that closes the one at `opening`."""
    open_ones = [fences[opening][1]]
    for number, fence in enumerate(fences[opening + 1 :], opening + 1):
        closes = not fence[2] and fence[1][0] == open_ones[-1][0] and len(fence[1]) >= len(open_ones[-1])
        if closes:
            open_ones.pop()
        elif fence[2] or fence[1][0] != open_ones[-1][0]:
            open_ones.append(fence[1])
        if not open_ones:
            return number
    return None
