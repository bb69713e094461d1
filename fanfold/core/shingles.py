"""Long texts by their 3-word shingles: an exact search by prefix filtering.

Bayardo, Ma, Srikant 2007; Xiao et al. 2008. Shingles are in the order of the age of their last word, newest first: an order that
never changes, as the filter demands, and in which what all texts share is last.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence, Set
from math import ceil
from typing import Any, TypeAlias, TypeVar

from fanfold.core.spellings import LEAST

_WORD = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\\s\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")

Shingle: TypeAlias = tuple[int, ...]
"""Three neighbouring words by number, the last one first."""

Reading: TypeAlias = tuple[list[int], set[Shingle], list[Shingle]]

Word = TypeVar("Word", int, str)


def words(text: str) -> list[str]:
    """The words of a canonical text; in scripts without spaces, its characters."""
    return text.split() if text.isascii() else _WORD.findall(text)


def jaccard(one: Set[Any], other: Set[Any]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def shingles_of(listed: Sequence[Word]) -> set[tuple[Word, ...]]:
    """Three neighbours each, the last one first. Of fewer than three words: all of them as one."""
    return set(zip(listed[2:], listed[1:], listed, strict=False)) or {tuple(listed)}


class Shingles:
    """Long texts, by their 3-word shingles. Words are numbered as they first come; the numbers stay."""

    __slots__ = ("_having", "_last", "_texts", "_words", "threshold")

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._words: dict[str, int] = {}
        self._texts: dict[str, tuple[array[int], int]] = {}  # its words, and how many shingles they are
        self._last: tuple[str, int, Reading] = ("", -1, ([], set(), []))
        self._having: dict[Shingle, tuple[str, ...]] = {}  # those with the shingle among their newest

    def add(self, key: str, text: str) -> None:
        numbers, shingles, newest = self._read(text)
        for word, number in zip(words(text), numbers, strict=True):
            self._words.setdefault(word, number)
        self._texts[key] = array("I", numbers), len(shingles)
        for shingle in newest:
            self._having[shingle] = (*self._having.get(shingle, ()), key)

    def remove(self, key: str, text: str) -> None:
        del self._texts[key]
        for shingle in self._read(text)[2]:
            rest = tuple([other for other in self._having[shingle] if other != key])
            if rest:
                self._having[shingle] = rest
            else:
                del self._having[shingle]

    def matches(self, text: str) -> Iterator[tuple[str, float]]:
        if not self._texts:
            return
        _, mine, newest = self._read(text)
        least = self.threshold * len(mine) - LEAST
        for key in dict.fromkeys([key for shingle in newest for key in self._having.get(shingle, ())]):
            numbers, size = self._texts[key]
            if size >= least and len(mine) >= self.threshold * size - LEAST:
                likeness = jaccard(mine, shingles_of(numbers))
                if likeness >= self.threshold:
                    yield key, likeness

    def _read(self, text: str) -> Reading:
        """Its words by number, its shingles, and so many of them that two texts without a common one there cannot be near.

        Words never seen have the numbers that they will have if the text is added next; so the reading is kept until then.
        """
        if self._last[:2] == (text, len(self._words)):
            return self._last[2]
        known, unseen = self._words, dict[str, int]()
        numbers = [known[word] if word in known else unseen.setdefault(word, len(known) + len(unseen)) for word in words(text)]
        shingles = shingles_of(numbers)
        first = len(shingles) - ceil(self.threshold * len(shingles) - LEAST) + 1
        reading = numbers, shingles, sorted(shingles, reverse=True)[:first]
        self._last = text, len(known), reading
        return reading
