"""Moments of a run that hardly any run has: each is brought about on purpose, and what must come of it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fanfold.core.commands import FALLBACK, Abandon, Call, Cancel, Command, Prepare
from fanfold.core.concurrency import Concurrency, Hosted
from fanfold.core.conductor import Conductor
from fanfold.core.cosine import packed
from fanfold.core.grid import Grid
from fanfold.core.knee import Knee
from fanfold.core.limiter import Limiter
from fanfold.core.money import Money
from fanfold.core.relive import Life
from fanfold.core.run import Rule, Run
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Scope, Told, Usage, Work
from fanfold.spec.compile import compile_plan
from fanfold.spec.errors import Code
from fanfold.spec.events import Called, CellEnded, RunEnded, Settled, SpareEnded, StepSwept
from fanfold.spec.events import Hit as HitTold
from fanfold.spec.plan import Axis, Plan, Step
from fanfold.spec.prices import Price
from fanfold.testing.heap import Flight, Heap

SECOND = 1_000_000
OK = Reply(usage=Usage(tokens_in=100, tokens_out=100))
WORK = Work(100, 100)


def row(conductor: Conductor, n: int | Axis, *lanes: int, life: Life | None = None, **rule: Any) -> Run:
    """A run of one step with n cells, which goes through these lanes."""
    grid = Grid(compile_plan(Plan("p", [Step("a", "{n}", over="n")], [n if isinstance(n, Axis) else Axis("n", range(n))])))
    made = Rule(index=0, name="a", lane=lanes[0], then=tuple(lanes[1:]), **rule)
    return conductor.add(grid, [made], 0, **({} if life is None else {"life": life}))


def one_lane(cap: int | Concurrency = 8, limiter: Limiter | None = None) -> tuple[Conductor, int]:
    conductor = Conductor()
    return conductor, conductor.add_lane("model", limiter or Limiter(), cap).index


def called(conductor: Conductor, now: int = 0) -> list[Call]:
    """Have everything prepared at once; the calls that follow."""
    calls: list[Call] = []
    while commands := conductor.commands(now):
        calls += of(Call, commands)
        for command in of(Prepare, commands):
            conductor.prepared(command.cell, WORK, now)
    return calls


def of(kind: type[Any], things: list[Any]) -> list[Any]:
    return [thing for thing in things if isinstance(thing, kind)]


def drained(conductor: Conductor, run: Run) -> list[Any]:
    return [event for of, events in conductor.drain() if of is run for event in events]


def played(conductor: Conductor, run: Run, fly: Callable[[Call], Flight], **words: Any) -> list[Any]:
    heap = Heap(conductor, fly, **words)
    heap.run()
    return heap.log[run.id]


# ==================================================================== runs that are stopped in the midst of something


def test_a_preparation_is_given_up_once_however_many_reasons_there_are():
    conductor, lane = one_lane()
    run = row(conductor, 1, lane, timeout=SECOND)
    (prepare,) = conductor.commands(0)
    (abandon,) = of(Abandon, conductor.commands(SECOND))
    assert abandon.fault.code == Code.TIMEOUT and abandon.cell is prepare.cell
    conductor.cancel(run, SECOND)
    assert conductor.commands(SECOND) == [], "its preparation was given up already"
    assert conductor.busy, "the fact of it still comes"
    conductor.prepared(prepare.cell, Broken(fault=abandon.fault), 2 * SECOND)
    events = drained(conductor, run)
    assert not conductor.busy and events[-1].state == "cancelled"
    assert [event.code for event in of(StepSwept, events)] == ["cancelled"] and not of(CellEnded, events)


def test_a_call_is_cancelled_once_however_many_reasons_there_are():
    conductor, lane = one_lane()
    run = row(conductor, 2, lane, timeout=SECOND)
    calls = called(conductor)
    cancels = of(Cancel, conductor.commands(SECOND))
    assert [each.call for each in cancels] == [each.call for each in calls], "both are late"
    conductor.cancel(run, SECOND)
    assert conductor.commands(SECOND) == []
    for call in calls:
        conductor.settled(call.call, Fault(code="cancelled", message=""), SECOND)
    assert not conductor.busy
    assert [event.outcome for event in of(Settled, drained(conductor, run))] == ["timeout", "timeout"]


def test_what_a_stopped_run_waited_to_send_opens_at_no_moment():
    conductor, lane = one_lane()
    run = row(conductor, 1, lane)
    (prepare,) = conductor.commands(0)
    conductor.prepared(prepare.cell, WORK, 0)
    assert conductor.wake_at(0) == 0, "it may go out now"
    conductor.cancel(run, 0)
    assert conductor.wake_at(0) is None and not conductor.busy


def test_a_pool_that_has_changed_as_its_run_is_stopped_launches_nothing():
    conductor, lane = one_lane()
    run = row(conductor, Axis("n", count=3), lane, counted=(0,))
    calls = called(conductor)
    conductor.settled(calls[0].call, OK, 0)
    conductor.cancel(run, 0)
    assert [type(command) for command in conductor.commands(0)] == [Cancel, Cancel]
    assert sum(event.state == "accepted" for event in of(CellEnded, drained(conductor, run))) == 1


def test_a_lane_is_condemned_by_the_last_call_of_a_stopped_run():
    conductor, lane = one_lane()
    first, second = row(conductor, 1, lane), row(conductor, 1, lane)
    one, _ = called(conductor)
    conductor.cancel(first, SECOND)
    conductor.settled(one.call, Fault(code="auth", message="the key was revoked", scope=Scope.LANE), SECOND)
    assert [event.state for event in of(RunEnded, drained(conductor, first))] == ["cancelled"]
    assert conductor.lanes[lane].condemned is not None and conductor.busy, "the other call is in the air"
    third = row(conductor, 1, lane)
    assert drained(conductor, third)[-1].state == "failed", "nobody else tries"
    assert not second.ended


def test_when_a_breaker_opens_only_what_still_runs_goes_elsewhere():
    conductor, lane = one_lane()
    other = conductor.add_lane("other", Limiter(), 8).index
    stopped, run = row(conductor, 1, lane, other), row(conductor, 3, lane, other)
    gone, *calls = called(conductor)
    conductor.cancel(stopped, 0)
    drained(conductor, stopped)
    for call in calls:
        conductor.settled(call.call, Fault(code="malformed", message="a page", scope=Scope.ENDPOINT), SECOND)
    assert not conductor.lanes[lane].breaker.closed
    assert {each.lane for each in called(conductor, SECOND)} == {other}
    assert drained(conductor, stopped) == [], "it waits for its call, and nothing else happens to it"
    conductor.settled(gone.call, Fault(code="cancelled", message=""), SECOND)
    assert stopped.ended and not run.ended


# ==================================================================== gates


def test_a_fallback_with_a_vector_that_fits_no_other_is_no_value():
    conductor, lane = one_lane(cap=1)
    run = row(conductor, 2, lane, unique=(), near=0.9, embeds=True, fallback=True, attempts=1)
    short, long = packed([3, 4]), packed([1, 2, 2])

    def fly(call: Call) -> Flight:
        good = Reply(usage=Usage(), key="a", exact=True, vector=short)
        return Flight(SECOND, good if call.cell.at == (0,) else Fault(code="filtered", message="refused"))

    fallen = Hit(reply=Reply(usage=Usage(), key="b", exact=True, vector=long))
    events = played(conductor, run, fly, prepare=lambda cell, phase: (0, fallen if phase == FALLBACK else WORK))
    good, bad = of(CellEnded, events)
    assert (good.state, bad.state, bad.code) == ("accepted", "failed", "filtered")
    assert run.keys.reserved == 0


def test_an_answer_from_the_cache_with_a_vector_that_fits_no_other_is_asked_for_again():
    conductor, lane = one_lane(cap=1)
    run = row(conductor, 2, lane, unique=(), near=0.9, embeds=True)
    answers = [packed([3, 4]), packed([4, -3])]
    stale = Hit(reply=Reply(usage=Usage(), key="stale", exact=True, vector=packed([1, 2, 2])), work=WORK)

    def fly(call: Call) -> Flight:
        place = call.cell.at[0]
        return Flight(SECOND, Reply(usage=Usage(), key=f"k{place}", exact=True, vector=answers[place]))

    events = played(conductor, run, fly, prepare=lambda cell, phase: (2 * SECOND * cell.at[0], stale if cell.at[0] else WORK))
    assert [(event.at, event.outcome) for event in of(HitTold, events)] == [((1,), "check_failed")]
    assert [event.state for event in of(CellEnded, events)] == ["accepted"] * 2 and len(of(Called, events)) == 2


# ==================================================================== money


def test_who_waits_for_a_call_that_there_is_no_money_for_ends_with_it():
    conductor, lane = one_lane()
    conductor.lanes[lane].price = Price(tokens_in=1e6, tokens_out=1e6)  # a dollar a token
    run = row(conductor, 3, lane, life=Life(money=Money(1.0)), fallback=True)
    given = Hit(reply=OK)
    events = played(
        conductor,
        run,
        lambda call: Flight(SECOND, OK),
        prepare=lambda cell, phase: (0, given if phase == FALLBACK else Work(9, 9, "s")),
    )
    assert not of(Called, events) and {event.t for event in events} == {0}, "those who waited are told at once"
    assert [(event.state, event.code) for event in of(CellEnded, events)] == [("accepted", "budget")] * 3


# ==================================================================== what answers and faults say of a lane


def test_a_server_of_ones_own_that_tells_of_limits_is_held_to_those():
    conductor, lane = one_lane(Knee(), Limiter(learns=True))
    run = row(conductor, 3, lane)
    told = Reply(usage=Usage(), told=(Told(counts="requests", limit=2, remaining=0, reset_s=60.0),))
    (first,) = called(conductor)
    conductor.settled(first.call, told, SECOND)
    assert isinstance(conductor.lanes[lane].concurrency, Hosted)
    assert conductor.lanes[lane].limiter.binding(SECOND, 1, 1)[0] == "requests"
    assert not run.ended


def test_a_limiter_that_does_not_learn_hears_nothing():
    conductor, lane = one_lane(8, Limiter(learns=False))
    run = row(conductor, 100, lane)
    empty = Reply(usage=Usage(), told=(Told(counts="requests", limit=1, remaining=0, reset_s=3600.0),))
    events = played(conductor, run, lambda call: Flight(SECOND, empty))
    assert events[-1].state == "complete" and events[-1].t == 13 * SECOND, "as fast as its slots allow"


def test_a_429_says_that_there_are_limits():
    conductor, lane = one_lane(Knee())
    row(conductor, 1, lane)
    (call,) = called(conductor)
    conductor.settled(call.call, Fault(code="rate_limited", message="slow down", retry_after_s=1.0, status=429), SECOND)
    assert isinstance(conductor.lanes[lane].concurrency, Hosted)


@pytest.mark.parametrize("how", ["says so", "is late"])
def test_a_server_that_has_too_much_to_do_gets_fewer_calls(how):
    conductor, lane = one_lane(Knee())
    row(conductor, 32, lane, timeout=2 * SECOND)
    calls = called(conductor)
    assert len(calls) == 32
    if how == "says so":
        for call in calls:
            conductor.settled(call.call, Fault(code="transient", message="busy", overload=True, status=503), SECOND)
    else:
        assert len(of(Cancel, conductor.commands(2 * SECOND))) == 32
    assert conductor.lanes[lane].cap == int(32 * 0.7), "one cut for all that were sent together"


@pytest.mark.parametrize(("seconds", "span"), [(86_400, "24 h"), (1200, "20 min")])
def test_a_wait_that_is_too_long_is_told_in_words(seconds, span):
    conductor, lane = one_lane()
    run = row(conductor, 1, lane)
    fault = Fault(code="rate_limited", message="no quota left", retry_after_s=seconds)
    (end,) = of(CellEnded, played(conductor, run, lambda call: Flight(SECOND, fault)))
    assert end.message == f"no quota left; it asks to wait for {span}"


# ==================================================================== a stream that crawls


def streams(n: int, crawler: Flight) -> tuple[Run, list[Any], Conductor]:
    """n cells, of which the last is answered by a stream that crawls, and its twin by one that does not."""
    conductor, lane = one_lane(Knee())
    run = row(conductor, n, lane, unique=(), streams=True)
    sent = [0]

    def fly(call: Call) -> Flight:
        sent[0] += 1
        if sent[0] == n:
            return crawler
        name = f"name {call.cell.at[0]}" if sent[0] < n else "fresh"
        reply = Reply(usage=Usage(tokens_in=100, tokens_out=100), key=name)
        return Flight(SECOND, reply, named=(SECOND // 5, name), heard=((SECOND // 10, 1),))

    return run, played(conductor, run, fly), conductor


def crawler(name: str, took: int = 100 * SECOND) -> Flight:
    reply = Reply(usage=Usage(tokens_in=100, tokens_out=100), key=name)
    return Flight(took, reply, named=(SECOND // 5, name), heard=((SECOND // 10, 1), (5 * SECOND, 5), (6 * SECOND, 6)))


def test_a_fresh_call_overtakes_one_that_crawls_and_its_name_stands():
    """A cell holds one key: the one that crawled had named another, and goes."""
    run, events, _ = streams(60, crawler("slow"))
    twins = [event for event in of(Called, events) if event.at == (59,)]
    assert len(twins) == 2, "one twin, although it was slow once more a second later"
    assert [(e.call, e.outcome) for e in of(Settled, events) if e.at == (59,)] == [
        (twins[0].call, "cancelled"), (twins[1].call, "ok"),
    ]  # fmt: skip
    ends = {event.at: event for event in of(CellEnded, events)}
    assert ends[59,].key == "fresh" and len(ends) == 60
    assert events[-1].t < twins[0].t + 7 * SECOND, "not the 100 s of the one that crawled"
    assert run.keys.reserved == 0


# ==================================================================== spares


class Deaf(Heap):
    """What is being prepared comes to an end, whoever gives it up: the fact was on its way."""

    def _perform(self, command: Command) -> None:
        if not isinstance(command, Abandon):
            super()._perform(command)


@pytest.mark.parametrize("heap", [Heap, Deaf])
def test_a_member_that_is_still_being_prepared_when_its_pool_is_full_is_not_called(heap):
    """Of six, one is prepared for a minute; a spare fills it meanwhile. Whether its preparation is cut short or not: nothing is called for it."""
    conductor, lane = one_lane()
    run = row(conductor, Axis("n", count=6), lane, counted=(0,), attempts=9)
    answers = [0]

    def fly(call: Call) -> Flight:
        answers[0] += 1
        bad = Reply(usage=Usage(), finding="dull", check="taste")
        return Flight(SECOND, bad if answers[0] % 2 else OK)

    slow = heap(conductor, fly, lambda cell, phase: (60 * SECOND if cell.at == (5,) and not cell.spare else 0, WORK))
    slow.run()
    events = slow.log[run.id]
    assert [event.state for event in of(CellEnded, events)] == ["accepted"] * 6
    assert (5,) in {event.fills for event in of(SpareEnded, events)}
    assert not [event for event in of(Called, events) if event.at == (5,)]
    assert (events[-1].t < 60 * SECOND) is (heap is Heap)
