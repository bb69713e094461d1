"""Ingredient phrases as words: lower case, without accents, plurals brought to one form, cut where a phrase turns."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

Words = tuple[str, ...]

_PARTS = re.compile(r"[a-z]+|[,;()+/&]")
_TURNS = frozenset({",", ";", "(", ")", "+", "/", "&", "and", "or", "with", "plus", "in", "for", "without", "w"})
_IRREGULAR = {"leaves": "leaf", "loaves": "loaf", "halves": "half", "calves": "calf", "geese": "goose", "octopuses": "octopus"}
_DOUBLE_ES = ("che", "she", "xe", "sse", "ze")


def singular(word: str) -> str:
    """One form for singular and plural. Not always a word ("hummu"): both sides of a comparison go through here."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if len(word) > 4 and word.endswith("oe"):
        return word[:-1]
    if len(word) > 4 and word.endswith("ie"):
        return word[:-2] + "y"
    if len(word) > 4 and word.endswith(_DOUBLE_ES):
        return word[:-1]
    return word


def plain(text: str) -> str:
    """Lower case, no accents, no apostrophes: "Lamb’s" → "lambs", "crème" → "creme"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return "".join(char for char in decomposed if unicodedata.category(char)[0] != "M" and char not in "'’`´")


@lru_cache(maxsize=8192)
def segments(phrase: str) -> tuple[Words, ...]:
    """The runs of words between commas, brackets, "and", "or", "with": no compound reaches across these."""
    runs: list[list[str]] = [[]]
    for part in _PARTS.findall(plain(phrase)):
        if part in _TURNS:
            runs.append([])
        else:
            runs[-1].append(singular(part))
    return tuple(tuple(run) for run in runs if run)


def words(phrase: str) -> Words:
    """A lexicon term: the same forms, in one run."""
    return tuple(singular(part) for part in re.findall(r"[a-z]+", plain(phrase)))


def places(term: Words, run: Words) -> list[int]:
    """Where `term` stands in `run`."""
    size = len(term)
    return [i for i in range(len(run) - size + 1) if run[i : i + size] == term] if size else []
