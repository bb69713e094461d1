"""No schedule is shorter than the bounds: tried against every order of a list scheduler on small graphs."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.core.bound import MINUTE_US, Bound, Job, head_tail_bound, lower_bound, windows_us

Graph = list[tuple[int, frozenset[int]]]  # duration in seconds, earlier nodes that must have ended


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(1, 5))
    return [
        (draw(st.integers(0, 90)), frozenset(draw(st.sets(st.integers(0, n - 1), max_size=2))) if n else frozenset())
        for n in range(size)
    ]


def schedule(graph: Graph, order: tuple[int, ...], cap: int, rpm: int | None) -> int:
    """Makespan, in seconds, when ready nodes start in this order of preference, as soon as a slot and the limit let them."""
    starts: list[int] = []
    ends: dict[int, int] = {}
    now = 0
    while len(ends) < len(graph):
        ready = [n for n in order if n not in ends and all(ends.get(need, now + 1) <= now for need in graph[n][1])]
        for n in ready:
            running = sum(end > now for end in ends.values())
            recent = sum(start > now - 60 for start in starts)
            if running < cap and (rpm is None or recent < rpm):
                starts.append(now)
                ends[n] = now + graph[n][0]
        now += 1
    return max(ends.values())


def jobs(graph: Graph) -> list[Job]:
    heads, tails = [0] * len(graph), [0] * len(graph)
    for n, (_, needs) in enumerate(graph):
        heads[n] = max((heads[need] + graph[need][0] for need in needs), default=0)
    for n in reversed(range(len(graph))):
        for need in graph[n][1]:
            tails[need] = max(tails[need], tails[n] + graph[n][0])
    return [Job(heads[n] * 1_000_000, graph[n][0] * 1_000_000, tails[n] * 1_000_000) for n in range(len(graph))]


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(1, 3), st.none() | st.integers(1, 3))
def test_no_schedule_is_shorter(graph: Graph, cap: int, rpm: int | None) -> None:
    best = min(schedule(graph, order, cap, rpm) for order in permutations(range(len(graph)))) * 1_000_000
    each = jobs(graph)
    path = max(job.head + job.duration for job in each)
    plain = lower_bound(path, sum(job.duration for job in each), cap, calls=len(graph), rpm=rpm)
    closer = head_tail_bound(each, cap, rpm=rpm)
    assert plain.us <= best
    assert closer.us <= best
    assert closer.us >= plain.us, "knowing the graph never makes the bound worse"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(50, 120))
def test_no_schedule_under_a_token_limit_is_shorter(sizes: list[int], tpm: int) -> None:
    """Greedy, in order, each call at the first second at which the last 60 s leave room for it."""
    starts: list[tuple[int, int]] = []
    now = 0
    for size in sizes:
        while sum(tokens for start, tokens in starts if start > now - 60) + size > tpm:
            now += 1
        starts.append((now, size))
    assert lower_bound(0, 0, 1, tokens=sum(sizes), tpm=tpm).us <= starts[-1][0] * 1_000_000


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (lower_bound(5, 30, 10), Bound(5, "critical path")),
        (lower_bound(5, 31, 3), Bound(11, "concurrency")),
        (lower_bound(5, 30, 10, calls=21, rpm=10), Bound(2 * MINUTE_US, "requests/min")),
        (lower_bound(5, 30, 10, calls=20, rpm=10, tokens=3001, tpm=1000), Bound(3 * MINUTE_US, "tokens/min")),
        (lower_bound(5, 30, 10, calls=10, rpm=10, tokens=1000, tpm=1000), Bound(5, "critical path")),
        (lower_bound(5, 5, 1), Bound(5, "critical path")),
        (lower_bound(0, 0, 0), Bound(0, "critical path")),
    ],
)
def test_the_largest_bound_wins_and_names_itself(bound: Bound, expected: Bound) -> None:
    assert bound == expected


def test_head_and_tail_tighten() -> None:
    """Four middle calls on two slots, between a first and a last one: 40 at best."""
    each = [Job(0, 10, 20), *[Job(10, 10, 10)] * 4, Job(20, 10, 0)]
    assert head_tail_bound(each, 2) == Bound(35, "concurrency")
    assert lower_bound(30, 60, 2) == Bound(30, "critical path")


def test_head_and_tail_of_nothing() -> None:
    assert head_tail_bound([], 4) == Bound(0, "critical path")


def test_head_and_tail_under_a_request_limit() -> None:
    each = [Job(5, 10, 0)] * 3
    assert head_tail_bound(each, 8, rpm=1) == Bound(5 + 2 * MINUTE_US + 10, "requests/min")


@pytest.mark.parametrize(("amount", "per_minute", "minutes"), [(0, 5, 0), (5, None, 0), (5, 5, 0), (6, 5, 1), (11, 5, 2)])
def test_windows(amount: int, per_minute: int | None, minutes: int) -> None:
    assert windows_us(amount, per_minute) == minutes * MINUTE_US
