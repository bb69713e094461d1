"""How fast a run could have been: no schedule of the same calls is shorter than these bounds.

A bound holds for any order of the calls, so wall time against bound says how good the schedule was, and `by` what to change
to be faster. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

MINUTE_US = 60_000_000
PATH, SLOTS, REQUESTS, TOKENS = "critical path", "concurrency", "requests/min", "tokens/min"


class Bound(msgspec.Struct, frozen=True):
    """us: no schedule takes less. by: what binds."""

    us: int
    by: str


class Job(msgspec.Struct, frozen=True):
    """One call of a graph. head: the longest chain of calls before it; tail: the longest chain after it."""

    head: int
    duration: int
    tail: int


def lower_bound(
    path_us: int, work_us: int, cap: int, *, calls: int = 0, rpm: int | None = None, tokens: int = 0, tpm: int | None = None
) -> Bound:
    """The largest of what each scarce thing needs by itself.

    path_us: the longest chain of calls; work_us: all calls one after another, of which `cap` may be in the air at once.
    rpm, tpm: declared limits, None when there is none: at most that many requests, or tokens of calls, start in any 60 s.
    """
    return max(
        Bound(path_us, PATH),
        Bound(-(-work_us // max(cap, 1)), SLOTS),
        Bound(windows_us(calls, rpm), REQUESTS),
        Bound(windows_us(tokens, tpm), TOKENS),
        key=lambda bound: bound.us,  # the first of equals
    )


def windows_us(amount: int, per_minute: int | None) -> int:
    """The least time from the first start to the last when at most `per_minute` may start in any 60 s.

    Starts within less than k minutes lie in k windows of one minute, which hold k × per_minute: the rest comes later.
    """
    if per_minute is None or amount <= 0:
        return 0
    return (amount - 1) // max(per_minute, 1) * MINUTE_US


def head_tail_bound(jobs: Iterable[Job], cap: int, *, rpm: int | None = None) -> Bound:
    """A closer bound where the graph is known (Carlier's subset bound, here for many machines): O(n log n).

    Of any set of calls, none begins before the earliest head, all of them take their slots (or their requests), and the one that
    ends last still has at least the shortest tail before it. The sets tried are those with the longest tails.
    """
    jobs = list(jobs)
    path = max((job.head + job.duration + job.tail for job in jobs), default=0)
    candidates = [Bound(path, PATH), Bound(_slots(jobs, max(cap, 1)), SLOTS), Bound(_requests(jobs, rpm), REQUESTS)]
    return max(candidates, key=lambda bound: bound.us)


def _slots(jobs: list[Job], cap: int) -> int:
    best = work = 0
    head: int | None = None
    for job in sorted(jobs, key=lambda job: -job.tail):
        head = job.head if head is None else min(head, job.head)
        work += job.duration
        best = max(best, head - (-work // cap) + job.tail)
    return best


def _requests(jobs: list[Job], rpm: int | None) -> int:
    if rpm is None:
        return 0
    best = 0
    head: int | None = None
    for count, job in enumerate(sorted(jobs, key=lambda job: -(job.duration + job.tail)), start=1):
        head = job.head if head is None else min(head, job.head)
        best = max(best, head + windows_us(count, rpm) + job.duration + job.tail)
    return best
