"""Near-duplicates among 10,000 keys of one run: microseconds to find and add one, and what it misses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from statistics import quantiles
from time import thread_time_ns

from fanfold.core.cosine import NearVectors
from fanfold.core.similarity import Near, likeness
from fanfold.core.uniqueness import Reservations

KEYS, SHORT_AT, LONG_AT, VECTORS = 10_000, 0.85, 0.8, 10_000
MOST_US, SAMPLE = 150.0, 300
MOST_VECTOR_US, MOST_LIST_US = 50_000.0, 500.0
DRAWN, SPACE, SKEW, AT_ONCE, MOST_DRAWS = 600, 20_000, 1.24, 32, 2.2
LETTERS = "eeeeeaaaatttoooiiinnnsssrrrhhdlucmfwypvbgk"
OPENING = "in this recipe we bring together a few simple things that you will find in every kitchen around the world "


def measure() -> Iterator[tuple[str, float, float | None]]:
    vocabulary = words(5_000, Random(1))
    for what, threshold, keys in (
        ("short keys", SHORT_AT, names(vocabulary, Random(2))),
        ("texts of 150 words", LONG_AT, texts(vocabulary, Random(3), "")),
        ("texts of 150 words, 54 of them in common", LONG_AT, texts(vocabulary, Random(4), OPENING * 3)),
    ):
        near, costs = filled(keys, threshold)
        yield f"{KEYS:,} {what} at {threshold}: mean us each", sum(costs) / KEYS, MOST_US
        yield f"{what}: us each of the last 1,000", sum(costs[-1000:]) / 1000, MOST_US
        yield f"{what}: us, 99 of 100", quantiles(costs, n=100)[-1], None
        yield f"{what}: near pairs missed, of {SAMPLE} changed a little", missed(near, threshold, list(near)), 0
    yield f"one vector of 384 among {VECTORS:,}: us", vectors(Random(5)), MOST_VECTOR_US
    yield f"an avoid-list of {KEYS:,} names: us", listed(names(vocabulary, Random(7))), MOST_LIST_US
    yield f"draws a value of {DRAWN} of a skewed kind, told nothing", draws(told=False), None
    yield f"draws a value of {DRAWN} of a skewed kind, told the list", draws(told=True), MOST_DRAWS


def filled(keys: Sequence[str], threshold: float) -> tuple[Near, list[float]]:
    """Each key as a run meets it: found or else added. Costs in microseconds."""
    near, costs = Near(threshold), []
    for key in keys:
        began = thread_time_ns()
        if near.find(key) is None:
            near.add(key)
        costs.append((thread_time_ns() - began) / 1000)
    return near, costs


def missed(near: Near, threshold: float, keys: Sequence[str]) -> int:
    draw, count = Random(6), 0
    for key in draw.sample(keys, SAMPLE):
        parts = key.split()
        parts[draw.randrange(len(parts))] = "other"
        changed = " ".join(parts)
        count += likeness(key, changed) >= threshold and near.find(changed) is None
    return count


def words(count: int, draw: Random) -> list[str]:
    return ["".join(draw.choices(LETTERS, k=draw.randint(3, 10))) for _ in range(count)]


def zipf(vocabulary: Sequence[str], draw: Random) -> Iterator[str]:
    weights = [1 / (n + 5) for n in range(len(vocabulary))]
    while True:
        yield from draw.choices(vocabulary, weights, k=10_000)


def names(vocabulary: Sequence[str], draw: Random) -> list[str]:
    stream = zipf(vocabulary, draw)
    return [" ".join(islice(stream, draw.randint(2, 5))) for _ in range(KEYS)]


def texts(vocabulary: Sequence[str], draw: Random, opening: str) -> list[str]:
    """One in twenty repeats the one before with every fortieth word changed."""
    stream, found = zipf(vocabulary, draw), list[str]()
    own = 150 - len(opening.split())
    for n in range(KEYS):
        text = list(islice(stream, own))
        if n % 20 == 19:
            text = found[-1].removeprefix(opening).split()
            text[::40] = islice(stream, len(text[::40]))
        found.append(opening + " ".join(text))
    return found


def vectors(draw: Random) -> float:
    near = NearVectors(0.9)
    for n in range(VECTORS):
        near.add(str(n), [draw.gauss(0, 1) for _ in range(384)])
    asked = [draw.gauss(0, 1) for _ in range(384)]
    began = thread_time_ns()
    near.find(asked)
    return (thread_time_ns() - began) / 1000


def listed(keys: Sequence[str]) -> float:
    """Mean of many lists, each for a cell that has just collided."""
    taken, draw = Reservations(), Random(8)
    for n, key in enumerate(dict.fromkeys(keys)):
        taken.take(((), key), key, n, None)
        taken.commit(((), key), n)
    began = thread_time_ns()
    for key in draw.sample(keys, SAMPLE):
        taken.take(((), key), key, -2, None)
        taken.avoid((), -2, taken.clash)
        taken.crowded(())
    return (thread_time_ns() - began) / 1000 / SAMPLE


def draws(*, told: bool) -> float:
    """Values drawn by Zipf's law, so many at a time, each again until it is a new one; a name that the prompt said is taken is not drawn."""
    taken, draw = Reservations(), Random(9)
    weights = [(n + 1) ** -SKEW for n in range(SPACE)]
    stream = (n for _ in iter(int, 1) for n in draw.choices(range(SPACE), weights, k=10_000))
    waiting, clash, drawn, done = list(range(DRAWN)), dict[int, str](), 0, 0
    while done < DRAWN:
        batch, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        lists = [frozenset(taken.avoid((), cell, clash.get(cell, "")) if told and taken.hot else ()) for cell in batch]
        for cell, avoided in zip(batch, lists, strict=True):
            name = next(name for n in stream if (name := f"name {n}") not in avoided)
            drawn += 1
            if taken.take(((), name), name, cell, None):
                taken.commit(((), name), cell)
                done += 1
            else:
                clash[cell] = taken.clash
                waiting.append(cell)
    return drawn / DRAWN
