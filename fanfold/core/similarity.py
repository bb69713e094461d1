"""Keys that are not the same and yet too alike: an exact search among the keys of one scope.

The rule, on texts freed of case, accents, punctuation and a plural s:

- both of up to 80 characters: the rapidfuzz ratio, as written or with the words sorted, whichever is higher;
- otherwise: Jaccard similarity of the sets of 3-word shingles.

No near key is ever missed, for a search leaves out only what cannot reach the threshold. Short keys: a ratio of t needs t/2
of all characters in common, as multisets, in any order; that is counted for all keys at once, in bit planes with a bit for
each key. Long ones: prefix filtering (Bayardo, Ma, Srikant 2007; Xiao et al. 2008) with shingles in the order of the age of
their last word, newest first: an order that never changes, as the filter demands, and in which what all texts share is last.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence, Set
from math import ceil, dist, hypot, inf, sqrt
from typing import Any, NamedTuple, TypeAlias, TypeVar

from rapidfuzz.fuzz import ratio

from fanfold.core.uniqueness import normalise

SHORT = 80  # characters of a normalised key
LEAST = 1e-9  # a bound that rounding put a hair too high would hide a near key

_ASCII = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "#%&@+<=>|~^`$"}
_PRINT = {ord(char): " " for char in "\u00a0‘’“”–—…·•«»"}  # typography of otherwise plain texts
_TYPED = {code: chr(code).lower() for code in range(128)} | _ASCII | _PRINT  # the quick way to normalise most characters
_OTHER = re.compile(r"\S*[^\x00-\x7f]\S*")
_WORD = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\\s\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")

Shingle: TypeAlias = tuple[int, ...]
"""Three neighbouring words by number, the last one first."""

Reading: TypeAlias = tuple[list[int], set[Shingle], list[Shingle]]

Name = TypeVar("Name", bound=Hashable)
Word = TypeVar("Word", int, str)


def canonical(text: str) -> str:
    """As `normalise`, and without a plural s."""
    plain = text.translate(_TYPED)
    if not plain.isascii():
        plain = _OTHER.sub(lambda found: normalise(found[0] + " 0")[:-1], plain)
    return " ".join(map(_singular, plain.split())) or text.strip()


def _singular(word: str) -> str:
    return word[:-1] if word[-1] == "s" and len(word) > 3 and word[-2] != "s" else word


def words(text: str) -> list[str]:
    """The words of a canonical text; in scripts without spaces, its characters."""
    return text.split() if text.isascii() else _WORD.findall(text)


class Form(NamedTuple):
    """A text, ready to be compared with many."""

    text: str
    ordered: str
    shingles: frozenset[tuple[str, ...]]


def form(text: str) -> Form:
    text = canonical(text)
    return Form(text, _ordered(text), frozenset(_shingles(words(text))))


def compared(one: Form, other: Form) -> float:
    """The rule, 0 to 1."""
    if len(one.text) <= SHORT and len(other.text) <= SHORT:
        return _ratio(one.text, other.text, one.ordered, other.ordered)
    return jaccard(one.shingles, other.shingles)


def likeness(one: str, other: str) -> float:
    """The rule, on texts as they were written."""
    return compared(form(one), form(other))


def jaccard(one: Set[Any], other: Set[Any]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def _ratio(a: str, b: str, a_ordered: str, b_ordered: str) -> float:
    return max(ratio(a, b), ratio(a_ordered, b_ordered)) / 100


def _ordered(text: str) -> str:
    return " ".join(sorted(text.split()))


def _shingles(listed: Sequence[Word]) -> set[tuple[Word, ...]]:
    """Three neighbours each, the last one first. Of fewer than three words: all of them as one."""
    return set(zip(listed[2:], listed[1:], listed, strict=False)) or {tuple(listed)}


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
        self._texts[place : place + 1] = [(text, _ordered(text))]
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
        ordered = _ordered(text)
        for place in _places(self._candidates(text)):
            other, other_ordered = self._texts[place]
            likeness = _ratio(text, other, ordered, other_ordered)
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
                likeness = jaccard(mine, _shingles(numbers))
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
        shingles = _shingles(numbers)
        first = len(shingles) - ceil(self.threshold * len(shingles) - LEAST) + 1
        reading = numbers, shingles, sorted(shingles, reverse=True)[:first]
        self._last = text, len(known), reading
        return reading


class NearVectors:
    """Vectors under names, by cosine similarity. Each is compared with all: 3 us for 384 numbers."""

    __slots__ = ("_size", "_units", "threshold")

    def __init__(self, threshold: float) -> None:
        if not -1 <= threshold <= 1:
            raise ValueError(f"a cosine is from -1 to 1, not {threshold}")
        self.threshold = threshold
        self._units: dict[str, tuple[float, ...]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._units)

    def find(self, vector: Sequence[float], besides: str | None = None) -> str | None:
        """The name of the vector most alike, if that is near; of equals, the first. ValueError: another length, or all zero."""
        unit = self._unit(vector)
        far = sqrt(2 - 2 * self.threshold)  # of unit vectors, |a - b|² = 2 - 2 cos(a, b)
        best, found = far + LEAST, None
        for name, other in self._units.items():
            if name != besides and (apart := dist(unit, other)) < best:
                best, found = apart, name
        return found

    def add(self, name: str, vector: Sequence[float]) -> None:
        self._units[name] = self._unit(vector)
        self._size = len(vector)

    def remove(self, name: str) -> None:
        del self._units[name]

    def _unit(self, vector: Sequence[float]) -> tuple[float, ...]:
        if self._units and len(vector) != self._size:
            raise ValueError(f"a vector of {len(vector)} numbers among vectors of {self._size}")
        length = hypot(*vector)
        if not 0 < length < inf:
            raise ValueError("a vector must be finite and not all zeros")
        return tuple([x / length for x in vector])
