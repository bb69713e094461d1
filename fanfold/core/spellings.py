"""Short texts by how they are spelled: an exact search in bit planes.

A rapidfuzz ratio of t needs t/2 of all characters in common, as multisets, in any order; that is counted for all keys at once, with a
bit for each key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from math import ceil
from typing import TypeVar

from rapidfuzz.fuzz import ratio

LEAST = 1e-9  # a bound that rounding put a hair too high would hide a near key

Name = TypeVar("Name", bound=Hashable)


def ratio_of(a: str, b: str, a_ordered: str, b_ordered: str) -> float:
    """Of two short texts, as written or with their words sorted, whichever is higher: 0 to 1."""
    return max(ratio(a, b), ratio(a_ordered, b_ordered)) / 100


def ordered(text: str) -> str:
    return " ".join(sorted(text.split()))


class Spellings:
    """Short texts, by how many characters they share. Each has a place, which is a bit of every mask."""

    __slots__ = ("_free", "_holding", "_keys", "_lengths", "_places", "_texts", "threshold")

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._keys: list[str] = []
        self._texts: list[tuple[str, str]] = []
        self._places: dict[str, int] = {}
        self._free: list[int] = []
        self._holding: dict[tuple[str, int], int] = {}  # (character, n) -> those with at least n of it
        self._lengths: dict[int, int] = {}

    def add(self, key: str, text: str) -> None:
        place = self._free.pop() if self._free else len(self._keys)
        self._keys[place : place + 1] = [key]
        self._texts[place : place + 1] = [(text, ordered(text))]
        self._places[key] = place
        bit = 1 << place
        for token in _letters(text):
            self._holding[token] = self._holding.get(token, 0) | bit
        self._lengths[len(text)] = self._lengths.get(len(text), 0) | bit

    def remove(self, key: str, text: str) -> None:
        place = self._places.pop(key)
        bit = 1 << place
        for token in _letters(text):
            _clear(self._holding, token, bit)
        _clear(self._lengths, len(text), bit)
        self._free.append(place)

    def matches(self, text: str) -> Iterator[tuple[str, float]]:
        in_order = ordered(text)
        for place in _places(self._candidates(text)):
            other, other_ordered = self._texts[place]
            likeness = ratio_of(text, other, in_order, other_ordered)
            if likeness >= self.threshold:
                yield self._keys[place], likeness

    def _candidates(self, text: str) -> int:
        """Those that share enough characters for their length."""
        needed: dict[int, int] = {}
        for length, mask in self._lengths.items():
            common = ceil(self.threshold * (len(text) + length) / 2 - LEAST)
            if common <= min(len(text), length):
                needed[common] = needed.get(common, 0) | mask
        if not needed:
            return 0
        planes = _counted([self._holding[token] for token in _letters(text) if token in self._holding])
        found = 0
        for common, mask in needed.items():
            found |= _at_least(common, planes, mask)
        return found


def _letters(text: str) -> list[tuple[str, int]]:
    return [(char, n) for char, count in Counter(text).items() for n in range(1, count + 1)]


def _clear(masks: dict[Name, int], name: Name, bit: int) -> None:
    masks[name] ^= bit
    if not masks[name]:
        del masks[name]


def _counted(masks: list[int]) -> list[int]:
    """In how many of the masks each bit is set: binary digits, lowest first, a mask each (carry-save addition)."""
    planes, level = [], masks
    while level:
        carried = []
        while len(level) > 1:
            a, b = level.pop(), level.pop()
            c = level.pop() if level else 0
            either = a ^ b
            level.append(either ^ c)
            carried.append((a & b) | (either & c))
        planes.append(level[0])
        level = carried
    return planes


def _at_least(least: int, planes: list[int], mask: int) -> int:
    """The bits of the mask whose count is at least so much."""
    if least >> len(planes):
        return 0
    above, equal = 0, mask
    for n in range(len(planes) - 1, -1, -1):
        if least >> n & 1:
            equal &= planes[n]
        else:
            above |= equal & planes[n]
            equal &= ~planes[n]
    return above | equal


def _places(mask: int) -> Iterator[int]:
    digits = bin(mask)[:1:-1]
    place = digits.find("1")
    while place >= 0:
        yield place
        place = digits.find("1", place + 1)
