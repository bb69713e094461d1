"""R1-R5 in any order of events: two runs share keys, twins name different things, cells are refused, cancelled, and the process dies."""

from __future__ import annotations

from itertools import combinations
from math import cos, sin

from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.core.commons import Commons, Keyring, Membership
from fanfold.core.similarity import likeness
from fanfold.core.uniqueness import Reservations, normalise

NAMES = ("Tomato Soup", "tomato soups", "Soup, tomato", "Lentil Dal", "Lentil dhal", "Pie", "pie!", "Mushroom Risotto")
NEAR, SCOPE, RUNS, ITEMS = 0.85, (0,), 2, 6


def direction(degrees: float) -> list[float]:
    return [cos(degrees / 57.3), sin(degrees / 57.3), 0.5]


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True)) / 1.25


class World:
    """Items belong to one of two runs each. What is accepted is written down, and known to whoever comes after a crash."""

    def __init__(self, near: float, vectors: bool) -> None:
        self.near, self.vectors = near, vectors
        self.accepted: list[tuple[str, list[float] | None]] = []
        self.done: set[int] = set()
        self._begin()

    def _begin(self) -> None:
        commons = Commons()
        commons.restore([(normalise(name), vector) for name, vector in self.accepted])
        self.rings = [Keyring() for _ in range(RUNS)]
        for n, ring in enumerate(self.rings):
            ring.share(SCOPE, commons.join(f"run {n}", Membership))
        self.held: dict[int, tuple[str, list[float] | None]] = {}

    def take(self, item: int, name: str, degrees: int) -> None:
        """One of its calls names it; another, its twin, may have named it something else."""
        held = self.held.get(item)
        vector = direction(degrees) if self.vectors else None
        key, before = (SCOPE, normalise(name)), None if held is None else (SCOPE, normalise(held[0]))
        if self.rings[item % RUNS].take(key, name, item, before, 1.0 if self.vectors else self.near, vector, self.near):
            self.held[item] = name, vector

    def commit(self, item: int) -> None:
        if item in self.held:
            name, vector = self.held.pop(item)
            self.rings[item % RUNS].commit((SCOPE, normalise(name)), item)
            self.accepted.append((name, vector))
            self.done.add(item)

    def release(self, item: int) -> None:
        if item in self.held:
            self.rings[item % RUNS].release((SCOPE, normalise(self.held.pop(item)[0])), item)

    def cancel(self, item: int) -> None:
        self.rings[item % RUNS].leave()
        for other in [other for other in self.held if other % RUNS == item % RUNS]:
            del self.held[other]

    def crash(self, item: int) -> None:
        self._begin()

    def look(self) -> None:
        for (one, a), (other, b) in combinations(self.accepted, 2):
            assert normalise(one) != normalise(other), f"accepted twice: {one!r}"
            if a is None or b is None:
                assert self.near == 1 or likeness(one, other) < self.near, f"accepted {one!r} beside {other!r}"
            else:
                assert cosine(a, b) < self.near - 1e-6 or self.near == 1, f"accepted {one!r} beside {other!r}"
        held = len(self.held)
        assert sum(ring.shared[SCOPE].reserved for ring in self.rings) == held, "reserved and forgotten"


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "take", "commit", "commit", "release", "cancel", "crash"]),
        st.integers(0, ITEMS - 1),
        st.sampled_from(NAMES),
        st.sampled_from([0, 10, 90]),
    ),
    min_size=12,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_no_two_accepted_are_the_same_whatever_happens_when(actions):
    play(World(1.0, False), actions)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_no_two_accepted_are_too_much_alike_whatever_happens_when(actions):
    play(World(NEAR, False), actions)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_no_two_accepted_have_vectors_too_much_alike_whatever_happens_when(actions):
    play(World(NEAR, True), actions)


def play(world, actions):
    for action, item, name, degrees in actions:
        if item in world.done:
            continue
        if action == "take":
            world.take(item, name, degrees)
        else:
            getattr(world, action)(item)
        world.look()


@settings(max_examples=100, deadline=None)
@given(ACTIONS)
def test_what_was_given_back_is_free_again(actions):
    """Liveness: once nothing is held, every name that is not near an accepted one can be had."""
    world = World(NEAR, False)
    for action, item, name, degrees in actions:
        if item in world.done or action == "crash":
            continue
        if action == "take":
            world.take(item, name, degrees)
        else:
            getattr(world, action)(item)
    for item in list(world.held):
        world.release(item)
    for name in NAMES:
        free = all(likeness(name, other) < NEAR for other, _ in world.accepted)
        world.take(99, name, 0)
        assert (99 in world.held and world.held[99][0] == name) is free
        world.release(99)


def test_a_vector_replaces_the_one_before_of_the_same_cell():
    keys = Reservations()
    one, other = ((), "a"), ((), "b")
    assert keys.take(one, "A", 1, None, vector=[1.0, 0.0], cosine=0.9)
    assert keys.take(one, "A", 1, one, vector=[0.0, 1.0], cosine=0.9)
    assert keys.take(other, "B", 2, None, vector=[1.0, 0.0], cosine=0.9)
    assert not keys.take(((), "c"), "C", 3, None, vector=[0.1, 1.0], cosine=0.9) and keys.against == "A"
    keys.release(one, 1)
    assert keys.take(((), "c"), "C", 3, None, vector=[0.1, 1.0], cosine=0.9)


def test_what_is_told_of_many_is_what_is_likely_near_and_crowded():
    keys, scope = Reservations(), ()
    for i in range(400):
        key = (scope, f"{'pasta' if i % 3 else 'curry'} with item{i % 97} number{i}")
        assert keys.take(key, key[1].title(), i, None)
        if i % 2:
            keys.commit(key, i)
    clash = f"pasta with item{200 % 97} number200"
    assert not keys.take((scope, clash), "x", 999, None) and keys.clash == clash
    told = keys.avoid(scope, 999, keys.clash)
    assert told[0] == clash.title() and len(told) <= 40 + 1 + 10
    alike = {f"{'Pasta' if i % 3 else 'Curry'} With Item6 Number{i}" for i in (6, 103, 297, 394)}
    assert alike <= set(told), "the nearest of what it collided with"
    assert keys.crowded(scope)[:2] == ("pasta", "curry") and "with" not in keys.crowded(scope)


def test_few_are_told_whole_and_long_ones_by_how_they_begin():
    keys = Reservations()
    for i in range(150):
        keys.take(((), f"{i}"), f"{i} " + "long " * 99, i, None)
    told = keys.avoid((), 7)
    assert len(told) == 149 and keys.crowded(()) == () and all(len(name) == 80 and name.endswith("…") for name in told)
