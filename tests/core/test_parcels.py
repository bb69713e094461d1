"""Several cells in one request, as the conductor sees it: who goes together, what is booked, what a fault of it means."""

from __future__ import annotations

import pytest

from fanfold.core.limiter import REQUESTS, TOTAL, Limiter, Window
from fanfold.core.parcel import LINGER, Muster, Parcel, shared
from fanfold.core.run import Queue
from fanfold.spec.calls import Fault, Reply, Usage, Work
from fanfold.spec.events import Called, Rested, Settled
from fanfold.spec.parcels import counted
from fanfold.spec.plan import Step
from fanfold.testing.heap import Flight, Heap
from tests.core.test_conductor import SECOND, begin, check_log, plan_of

GOOD = Reply(usage=Usage(tokens_in=20, tokens_out=30))


def several(outcomes=lambda call: GOOD, took=SECOND):
    return lambda command: [Flight(took, outcomes(call)) for call in (command, *command.riders)]


def going(cells=12, items=5, *, kin=lambda cell: "k", common=90, fly_together=None, delay=lambda cell: 0, **options):
    grid = plan_of([Step("a", "{n}", over="n")], {"n": range(cells)})
    rules = {"a": {"items": items, **options.pop("rule", {})}}
    conductor, run = begin(grid, rules=rules, **options)
    prepare = lambda cell, phase: (delay(cell), Work(100, 50, kin=kin(cell), common=common))  # noqa: E731
    heap = Heap(conductor, lambda call: Flight(SECOND, GOOD), prepare, fly_together=fly_together or several())
    return conductor, run, heap


def parcels_of(heap, run):
    """Cells of each request, in order."""
    found = {}
    for event in heap.log[run.id]:
        if isinstance(event, Called):
            found.setdefault(event.call if event.lead < 0 else event.lead, []).append(event.at[0])
    return list(found.values())


def test_cells_go_together_in_their_order():
    conductor, run, heap = going()
    heap.run()
    state = check_log(heap, run)
    assert parcels_of(heap, run) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    assert state.total.calls == 3 and state.max_in_flight == 3 and state.wall_us == SECOND
    assert state.total.sequential_us == 3 * SECOND and state.lanes[1].calls == 3
    assert conductor.lanes[1].in_air == 0 and run.riders == 0 and not run.musters[0].held


def test_only_kin_go_together_and_each_kind_in_full_requests():
    _, run, heap = going(20, kin=lambda cell: "ab"[cell.at[0] % 2])
    heap.run()
    assert parcels_of(heap, run) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9], [10, 12, 14, 16, 18], [11, 13, 15, 17, 19]]


def test_who_has_no_kin_goes_alone():
    _, run, heap = going(3, kin=lambda cell: "")
    heap.run()
    assert parcels_of(heap, run) == [[0], [1], [2]]


@pytest.mark.parametrize(("cap", "most"), [(1, 1), (3, 3)])
def test_a_slot_is_for_a_request(cap, most):
    _, run, heap = going(40, cap=cap)
    heap.run()
    state = check_log(heap, run)
    assert state.max_in_flight == most and state.total.calls == 8
    assert all(len(each) == 5 for each in parcels_of(heap, run)), "the window holds enough for full requests"


def test_what_all_say_is_booked_once_and_what_was_used_is_settled():
    window = Window(10_000)
    _, run, heap = going(5, limiter=Limiter([(TOTAL, window), (REQUESTS, Window(10))]))
    booked = []
    heap.watch = lambda heap: booked.append(window.used)
    heap.run()
    assert booked[1] == 5 * 100 - 4 * 90 + 5 * 50, "the prompt once, the answers five times"
    assert window.used == 5 * (20 + 30)
    called = [event for event in heap.log[run.id] if isinstance(event, Called)]
    assert [event.tokens_in for event in called] == [100, 10, 10, 10, 10]
    assert sum(event.tokens for event in called) == booked[1]


def test_what_is_late_is_not_waited_for_and_what_comes_soon_is():
    _, run, heap = going(6, 6, delay=lambda cell: {3: LINGER // 2, 5: 10 * LINGER}.get(cell.at[0], 0))
    heap.run()
    assert parcels_of(heap, run) == [[0, 1, 2, 4, 3], [5]]
    times = [event.t for event in heap.log[run.id] if isinstance(event, Called)]
    assert times == [LINGER] * 5 + [10 * LINGER]


@pytest.mark.parametrize("code", ["transient", "rate_limited", "timeout"])
def test_one_fault_is_one_fault_and_they_are_tried_again_together(code):
    """For the breaker, the limiter and the budget of retries; each cell has its own count of retries."""
    told = []

    def fly(command):
        fault = Fault(
            code=code, status=500 if code == "transient" else 429, retry_after_s=2.0 if code == "rate_limited" else None
        )
        return several(lambda call: GOOD if told else fault)(command)

    conductor, run, heap = going(10, 10, fly_together=fly)
    lane = conductor.lanes[1]
    before = lane.retries.left

    def watch(heap):
        if not told and any(isinstance(event, Rested) for event in heap.log.get(run.id, [])):
            told.append((lane.breaker._faults, before - lane.retries.left))

    heap.watch = watch
    heap.run()
    faults, paid = told[0]
    assert faults == (code != "rate_limited") and paid <= 10
    assert parcels_of(heap, run) == [list(range(10))] * 2
    state = check_log(heap, run)
    assert state.total.calls == 2 and state.total.rate_limited == (code == "rate_limited")
    assert state.total.retries == (0 if code == "rate_limited" else 10), "each cell is tried again"


def test_missing_ones_go_together_again_twice_and_then_alone():
    missing = Fault(code="truncated", usage=Usage(tokens_in=5))
    _, run, heap = going(4, 4, fly_together=several(lambda call: GOOD if call.cell.at == (0,) else missing), rule={"attempts": 1})
    heap.run()
    assert parcels_of(heap, run) == [[0, 1, 2, 3], [1, 2, 3], [1], [2], [3]]
    assert check_log(heap, run).total.accepted == 4


def test_one_that_is_not_wanted_any_more_leaves_the_others_their_call():
    """Its share is charged when the request is over; its slot is the request's."""
    conductor, run, heap = going(3, 3)

    def watch(heap):
        if heap.now == 0 and len(run.calls) == 3 and not run.calls[0].doom:
            conductor._doom(run.calls[0], "cancelled")
            assert conductor.lanes[1].in_air == 1

    heap.watch = watch
    with pytest.raises(AssertionError, match="stuck"):
        heap.run()  # the cell that lost its call waits for nothing
    settled = [event for event in heap.log[run.id] if isinstance(event, Settled)]
    assert [(event.call, event.outcome, event.took) for event in settled] == [
        (0, "cancelled", SECOND),
        (1, "ok", SECOND),
        (2, "ok", SECOND),
    ]
    assert conductor.lanes[1].in_air == 0 and run.flying == 0


def test_a_request_is_over_when_its_last_call_is():
    parcel = Parcel(2)
    records = [type("Record", (), {"id": n, "doom": "", "cell": None})() for n in range(2)]
    assert [parcel.add(record) for record in records] == [False, True] and parcel.told == (2, 0)
    assert parcel.settled(Usage(tokens_in=3, tokens_out=4)) is None
    assert parcel.settled(Usage(tokens_in=1, tokens_out=2)) == (4, 6)
    assert not parcel.forsaken
    records[0].doom = records[1].doom = "cancelled"
    assert parcel.forsaken


@pytest.mark.parametrize(
    ("sizes", "common", "shares"),
    [([100, 80, 90], 70, [100, 10, 20]), ([100, 80], 500, [100, 1]), ([5, 9], 0, [5, 9]), ([7], 7, [7])],
)
def test_shares_of_a_prompt(sizes, common, shares):
    assert shared(sizes, common) == shares


@pytest.mark.parametrize("total", [0, 1, 7, 100, 10**9])
@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [0, 5, 0, 2], [0, 0], [10**6, 1, 3]])
def test_parts_add_up(total, weights):
    parts = list(counted(total, weights))
    assert sum(parts) == total and min(parts) >= 0 and len(parts) == len(weights)
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if not weight and any(weights))


def test_a_muster_lets_go_who_are_enough_and_all_when_nobody_else_comes():
    class One:
        def __init__(self, id):
            self.id, self.rule = id, type("Rule", (), {"items": 2})

    muster, cells = Muster(), [One(n) for n in range(4)]
    muster.coming = {9}
    muster.hold(cells[0], Work(1, 1, kin="a"))
    assert muster.leaving(cells[0]) == []
    muster.hold(cells[1], Work(1, 1, kin="b"))
    assert muster.leaving(cells[1]) == []
    muster.hold(cells[2], Work(1, 1, kin="a"))
    assert [cell for cell, _ in muster.leaving(cells[2])] == [cells[0], cells[2]]
    assert muster.drop(cells[0]) is None and list(muster.held) == [1]
    muster.coming.clear()
    muster.hold(cells[3], Work(1, 1, kin="c"))
    assert [cell for cell, _ in muster.leaving(cells[3])] == [cells[1], cells[3]] and not muster.held


def test_a_cell_that_is_in_another_request_by_now_stays_in_it():
    class Named:
        def __init__(self, parcel):
            self.cell = type("Cell", (), {"parcel": parcel})()

    gone, newer = Parcel(2), Parcel(2)
    stays, leaves = Named(newer), Named(gone)
    assert [gone.add(stays), gone.add(leaves)] == [False, True] and repr(gone) == "<Parcel of 2, 2 open>"
    gone.dissolve()
    assert stays.cell.parcel is newer and leaves.cell.parcel is None


def test_a_queue_gives_who_can_go_together_and_keeps_the_order_of_the_others():
    class One:
        def __init__(self, id, company, rule="r", place=0):
            self.id, self.company, self.rule, self.place = id, company, rule, place

    queue = Queue(2)
    cells = [One(0, "a"), One(1, "b"), One(2, "a"), One(3, ""), One(4, "a", "other", 1), One(5, "a")]
    for cell in cells[:4]:
        queue.add_ready(0, cell, urgent=False)
    queue.add_ready(1, cells[4], urgent=False)
    queue.add_ready(0, cells[5], urgent=True)
    together = queue.fellows(5)
    assert [cell.id for cell in together] == [5, 0, 2]
    queue.pop_all(together)
    assert [queue.pop().id for _ in range(3)] == [1, 3, 4] and not queue.waiting and not queue.ready_mask
