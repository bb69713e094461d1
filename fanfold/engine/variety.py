"""How different the accepted answers of a step are, and how evenly they lie over its facets: once, when its run has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import nsmallest
from math import log2
from typing import Any

from fanfold.core.counts import StepState
from fanfold.core.diversity import Diversity, Figure
from fanfold.core.draw import uniform
from fanfold.engine.job import Job, StepWork
from fanfold.engine.shapes import Unfit, key_of, plain, text_of
from fanfold.spec.events import Coords

SAMPLED = 200  # accepted answers that are looked at: a run of 100,000 ends as soon as one of 200
LOOKED_AT = 1_500  # characters of each: about as many words as are counted of 200 texts
CLUSTERED = 0.85  # likeness that joins answers to a cluster, where the step does not say which counts as equal
Json = dict[str, Any]


class Given:
    """The facets of a step's cells, when its run has ended. declared: texts of the values of each facet, used or not."""

    def __init__(
        self, job: Job, step: int, taken: Mapping[Coords, int], fills: Mapping[Coords, Coords], proposed: Mapping[Coords, Any]
    ) -> None:
        """taken: by cell, its answers that were somebody else's already, from the journal; fills: where the spare stood whose answer it
        has, for whose facets that was written. proposed: answers of what proposes them."""
        self._spread, self._run = job.steps[step].spread, job.run
        self._taken, self._fills, self._proposed = taken, fills, proposed
        self.declared: dict[str, dict[str, None]] = {}
        if self._spread is not None:
            for answer in proposed.values() if self._spread.source else (None,):
                with suppress(Unfit):  # a fallback that is no mapping
                    for name, values in self._spread.values(answer).items():
                        self.declared.setdefault(name, {}).update((text_of(value), None) for value in values)

    def of(self, at: Coords) -> dict[str, Any]:
        """None of them, where what proposes them has no value."""
        spread = self._spread
        if spread is None or self._run is None:
            return {}
        answer = self._proposed.get(spread.shared(at))
        if spread.source and answer is None:
            return {}
        at = self._fills.get(at, at)
        try:
            return spread.of(at, self._run.seed, self._taken.get(at, 0), answer)
        except Unfit:  # as the cell was told
            return {}


async def given_to(job: Job, step: int, taken: Mapping[Coords, int], fills: Mapping[Coords, Coords]) -> Given:
    spread = job.steps[step].spread
    proposed = await job.values.all(job.plan.step(spread.source).index) if spread is not None and spread.source else {}
    return Given(job, step, taken, fills, proposed)


def sampled(job: Job, step: int, own: Sequence[Coords]) -> list[Coords]:
    """The cells whose answers are looked at. own: those with an accepted answer of their own; none for steps that need not differ."""
    if (job.steps[step].compiled.unique is None and job.steps[step].spread is None) or job.run is None:
        return []
    seed, index = job.run.seed, job.steps[step].compiled.index
    return [own[n] for n in sorted(nsmallest(SAMPLED, range(len(own)), key=lambda n: uniform(seed, index, n)))]


def variety(job: Job, step: int, given: Given, own: Sequence[Coords], sample: Sequence[Any]) -> Json | None:
    """Of a step whose answers are to differ, or that has facets. own: as in `sampled`; sample: the answers of those that it chose.

    Every figure is {value, of}: `of` is the number of things it was found from. None for other steps.
    """
    work, state = job.steps[step], job.state.steps[step]
    if (work.compiled.unique is None and work.spread is None) or job.run is None:
        return None
    told = _answers(work, state, sample)
    return {**told, "facets": _facets(given.declared, map(given.of, own))} if work.spread is not None else told


def _answers(work: StepWork, state: StepState, sample: Sequence[Any]) -> Json:
    unique = work.compiled.unique
    found = Diversity(unique.near if unique is not None and unique.near < 1 else CLUSTERED)
    for value in sample:
        text = "\n".join(_texts(plain(value)))[:LOOKED_AT]
        found.saw(_identity(work, value) or text, text)
    figures = found.figures()
    judged = state.own + state.regenerations + state.rejected_last
    return {
        "collisions": _told(Figure(state.duplicates / judged if judged else None, judged)),
        "distinct_1": _told(figures.distinct_1),
        "distinct_2": _told(figures.distinct_2),
        "clusters": _told(figures.clusters),
        "nearest": _told(figures.nearest),
    }


def _identity(work: StepWork, value: Any) -> str:
    unique = work.compiled.unique
    if unique is None or unique.by is None:
        return ""
    try:
        return key_of(value, unique)[0]
    except Unfit:  # a fallback's, or the user's own key
        return ""


def _texts(value: Any) -> Iterator[str]:
    """What an answer says, without the names of its fields, which all have in common."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif value is not None:
        yield text_of(value)


def _facets(declared: Mapping[str, Iterable[str]], chosen: Iterable[Mapping[str, Any]]) -> Json:
    """By facet: how often each value was used (`counts`), the part of them that was, and how evenly: 1 when all alike."""
    counts = {name: Counter(dict.fromkeys(values, 0)) for name, values in declared.items()}
    for facet in chosen:
        for name, value in facet.items():
            counts[name][text_of(value)] += 1
    return {name: _facet(used) for name, used in counts.items()}


def _facet(used: Counter[str]) -> Json:
    total, most = used.total(), log2(len(used))
    shares = [n / total for n in used.values() if n]
    even = sum(share * -log2(share) for share in shares) / most if most and shares else None
    return {
        "counts": dict(used),
        "coverage": _told(Figure(len(shares) / len(used), len(used))),
        "entropy": _told(Figure(even, total)),
    }


def _told(figure: Figure) -> Json:
    return {"value": None if figure.value is None else round(figure.value, 3), "of": figure.of}
