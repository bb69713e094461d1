"""Keys that are not the same and yet too alike: an exact search among the keys of one scope.

The rule, on texts freed of case, accents, punctuation and a plural s:

- both of up to 80 characters: the rapidfuzz ratio, as written or with the words sorted, whichever is higher (`spellings`);
- otherwise: Jaccard similarity of the sets of 3-word shingles (`shingles`).

No near key is ever missed, for a search leaves out only what cannot reach the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fanfold.core.shingles import Shingles, jaccard, shingles_of, words
from fanfold.core.spellings import Spellings, ordered, ratio_of
from fanfold.core.uniqueness import normalise

SHORT = 80  # characters of a normalised key

_ASCII = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "#%&@+<=>|~^`$"}
_PRINT = {ord(char): " " for char in "\u00a0‘’“”–—…·•«»"}  # typography of otherwise plain texts
_TYPED = {code: chr(code).lower() for code in range(128)} | _ASCII | _PRINT  # the quick way to normalise most characters
_OTHER = re.compile(r"\S*[^\x00-\x7f]\S*")


def canonical(text: str) -> str:
    """As `normalise`, and without a plural s."""
    plain = text.translate(_TYPED)
    if not plain.isascii():
        plain = _OTHER.sub(lambda found: normalise(found[0] + " 0")[:-1], plain)
    return " ".join(map(_singular, plain.split())) or text.strip()


def _singular(word: str) -> str:
    return word[:-1] if word[-1] == "s" and len(word) > 3 and word[-2] != "s" else word


class Form(NamedTuple):
    """A text, ready to be compared with many."""

    text: str
    ordered: str
    shingles: frozenset[tuple[str, ...]]


def form(text: str) -> Form:
    text = canonical(text)
    return Form(text, ordered(text), frozenset(shingles_of(words(text))))


def compared(one: Form, other: Form) -> float:
    """The rule, 0 to 1."""
    if len(one.text) <= SHORT and len(other.text) <= SHORT:
        return ratio_of(one.text, other.text, one.ordered, other.ordered)
    return jaccard(one.shingles, other.shingles)


def likeness(one: str, other: str) -> float:
    """The rule, on texts as they were written."""
    return compared(form(one), form(other))


class Near:
    """Keys, and which of them are near a new one. threshold: the likeness, above 0 and up to 1, that is too much.

    A key takes memory in proportion to its length: a short one about 0.5 kB, a long one 50 bytes a word at 0.8.
    """

    __slots__ = ("_canonical", "_last", "_long", "_serial", "_short", "_short_as_long", "_taken", "threshold")

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"a threshold is above 0 and at most 1, not {threshold}")
        self.threshold = threshold
        self._canonical: dict[str, str] = {}
        self._taken: dict[str, int] = {}  # when each was added
        self._serial = 0
        self._last = ("", "")
        self._short = Spellings(threshold)
        self._long = Shingles(threshold)
        self._short_as_long: Shingles | None = None  # made when a long key comes to be compared with short ones

    def __len__(self) -> int:
        return len(self._canonical)

    def __contains__(self, key: object) -> bool:
        return key in self._canonical

    def __iter__(self) -> Iterator[str]:
        return iter(self._canonical)

    def find(self, key: str, besides: str | None = None) -> str | None:
        """The key most alike, of those that are near; of equals, the one added first. besides: one that does not count."""
        found = [pair for pair in self.matches(key) if pair[0] != besides]
        return min(found, key=lambda pair: (-pair[1], self._taken[pair[0]]))[0] if found else None

    def matches(self, key: str) -> list[tuple[str, float]]:
        """All keys that are near, with their likeness, as they were added."""
        text = self._form(key)
        if len(text) <= SHORT:
            found = [*self._short.matches(text), *self._long.matches(text)]
        else:
            found = [*self._as_long().matches(text), *self._long.matches(text)]
        return sorted(found, key=lambda pair: self._taken[pair[0]])

    def add(self, key: str) -> None:
        """Near or not. A key that is there already stays as it is."""
        if key in self._canonical:
            return
        text = self._canonical[key] = self._form(key)
        self._serial += 1
        self._taken[key] = self._serial
        for index in self._indices(text):
            index.add(key, text)

    def remove(self, key: str) -> None:
        """KeyError: it is not there."""
        text = self._canonical.pop(key)
        del self._taken[key]
        for index in self._indices(text):
            index.remove(key, text)

    def _form(self, key: str) -> str:
        """Canonical; remembered from finding to adding."""
        if self._last[0] != key:
            self._last = (key, canonical(key))
        return self._last[1]

    def _indices(self, text: str) -> list[Spellings | Shingles]:
        if len(text) > SHORT:
            return [self._long]
        return [self._short] if self._short_as_long is None else [self._short, self._short_as_long]

    def _as_long(self) -> Shingles:
        if self._short_as_long is None:
            self._short_as_long = Shingles(self.threshold)
            for key, text in self._canonical.items():
                if len(text) <= SHORT:
                    self._short_as_long.add(key, text)
        return self._short_as_long
