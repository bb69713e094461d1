"""How different from each other the accepted answers are: figures that are told with the number of things they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from math import exp, log, log2
from typing import Any

import msgspec

from fanfold.core.draw import uniform
from fanfold.core.shingles import words
from fanfold.core.similarity import Near, canonical, compared, form
from fanfold.core.uniqueness import normalise

WORDS = 50_000  # that are counted: distinct-n falls with the length of a text, so compare like with like
SAMPLE = 200  # texts that are compared with each other
CLUSTERED = 10_000  # keys


class Figure(msgspec.Struct, frozen=True):
    """value: none where there is nothing to say it of. of: how many things it was found from."""

    value: float | None
    of: int


class FacetFigures(msgspec.Struct, frozen=True):
    """entropy: in bits, at most log2 of the declared values. coverage: the part of them that was used."""

    entropy: Figure
    coverage: Figure


class Figures(msgspec.Struct, frozen=True):
    """unique: different keys for each accepted. distinct_1, distinct_2: different words, and pairs of neighbours, for each one.
    clusters: effective number, exp of the entropy of their sizes. nearest: mean likeness of a text and the one most like it."""

    unique: Figure
    distinct_1: Figure
    distinct_2: Figure
    clusters: Figure
    nearest: Figure
    facets: Mapping[str, FacetFigures]


class Diversity:
    """Told of each accepted answer. facets: name -> the values declared. near: the likeness that joins keys to a cluster."""

    def __init__(self, near: float = 0.85, facets: Mapping[str, Sequence[Any]] | None = None, seed: int = 0) -> None:
        self._keys: set[str] = set()
        self._accepted = 0
        self._once = Distinct(1)
        self._twice = Distinct(2)
        self._clusters = Clusters(near)
        self._declared = {name: set(map(str, values)) for name, values in (facets or {}).items()}
        self._used: dict[str, Counter[str]] = {name: Counter() for name in self._declared}
        self._seed = seed
        self._sample: list[str] = []

    def saw(self, key: str, text: str, facet: Mapping[str, Any] | None = None) -> None:
        self._keep(text)
        self._accepted += 1
        self._keys.add(normalise(key))
        listed = words(canonical(text))
        self._once.saw(listed)
        self._twice.saw(listed)
        self._clusters.saw(key)
        for name, used in self._used.items():
            if facet is not None and name in facet:
                used[str(facet[name])] += 1

    def figures(self) -> Figures:
        """Costs some milliseconds for short texts, and up to 0.3 s for a full sample of long ones: once, at the end."""
        return Figures(
            unique=_part(len(self._keys), self._accepted),
            distinct_1=self._once.figure(),
            distinct_2=self._twice.figure(),
            clusters=self._clusters.figure(),
            nearest=nearest(self._sample),
            facets={name: _facet(used, self._declared[name]) for name, used in self._used.items()},
        )

    def _keep(self, text: str) -> None:
        """A sample of all so far, each as likely as any other (Vitter 1985, algorithm R), and the same for a seed."""
        if len(self._sample) < SAMPLE:
            self._sample.append(text)
            return
        place = int(uniform(self._seed, self._accepted) * (self._accepted + 1))
        if place < SAMPLE:
            self._sample[place] = text


class Distinct:
    """Different runs of n words among the first WORDS ones. A run does not cross from one text into the next."""

    __slots__ = ("_count", "_found", "_n")

    def __init__(self, n: int) -> None:
        self._n, self._count = n, 0
        self._found: set[tuple[str, ...]] = set()

    def saw(self, listed: Sequence[str]) -> None:
        runs = list(islice(zip(*(listed[i:] for i in range(self._n)), strict=False), WORDS - self._count))
        self._count += len(runs)
        self._found.update(runs)

    def figure(self) -> Figure:
        return _part(len(self._found), self._count)


class Clusters:
    """Keys that are near, or near to one that is, and so on: connected components, of the first CLUSTERED keys."""

    __slots__ = ("_count", "_near", "_parents", "_sizes")

    def __init__(self, near: float) -> None:
        self._near = Near(near)
        self._count = 0
        self._parents: dict[str, str] = {}
        self._sizes: dict[str, int] = {}  # of those that are nobody's child

    def saw(self, key: str) -> None:
        if self._count == CLUSTERED:
            return
        self._count += 1
        if key in self._parents:
            self._sizes[self._root(key)] += 1
            return
        self._parents[key], self._sizes[key] = key, 1
        for other, _ in self._near.matches(key):
            self._join(self._root(other), self._root(key))
        self._near.add(key)

    def figure(self) -> Figure:
        return Figure(exp(_entropy(self._sizes.values()) * log(2)) if self._count else None, self._count)

    def _root(self, key: str) -> str:
        parents = self._parents
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    def _join(self, one: str, other: str) -> None:
        if one == other:
            return
        small, large = sorted((one, other), key=self._sizes.__getitem__)
        self._parents[small] = large
        self._sizes[large] += self._sizes.pop(small)


def nearest(texts: Sequence[str]) -> Figure:
    """Mean likeness of each text and the one of the others that is most like it."""
    forms = [form(text) for text in texts]
    best = [0.0] * len(forms)
    for i, one in enumerate(forms):
        for k in range(i):
            likeness = compared(one, forms[k])
            best[i], best[k] = max(best[i], likeness), max(best[k], likeness)
    return Figure(sum(best) / len(best) if len(best) > 1 else None, len(best))


def _facet(used: Counter[str], declared: set[str]) -> FacetFigures:
    total = used.total()
    return FacetFigures(
        entropy=Figure(_entropy(used.values()) if total else None, total),
        coverage=_part(len(declared & set(used)), len(declared)),
    )


def _entropy(counts: Collection[int]) -> float:
    """In bits."""
    total = sum(counts)
    return sum(n / total * log2(total / n) for n in counts)


def _part(some: int, of: int) -> Figure:
    return Figure(some / of if of else None, of)
