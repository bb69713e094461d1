"""Whole runs of the conductor under the heap simulator: no asyncio, no clock but the heap's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanfold.core.commands import FALLBACK, JUDGE, Call
from fanfold.core.conductor import Conductor
from fanfold.core.draw import uniform
from fanfold.core.fold import RunState
from fanfold.core.grid import Grid
from fanfold.core.lane import AHEAD
from fanfold.core.limiter import REQUESTS, TOTAL, Limiter, Window
from fanfold.core.run import Cell, Rule, Run
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Scope, Usage, Work
from fanfold.spec.compile import compile_plan
from fanfold.spec.events import Called, CellEnded, Rested, RunEnded, Settled, StepSwept
from fanfold.spec.plan import Plan, Step
from fanfold.testing.heap import Flight, Heap

SECOND = 1_000_000
OK = Reply(usage=Usage(tokens_in=100, tokens_out=100))


def plan_of(steps: list[Step], axes: dict[str, Any]) -> Grid:
    return Grid(compile_plan(Plan("test", steps, axes)))


def begin(
    grid: Grid, *, cap: int = 8, limiter: Limiter | None = None, rules: dict[str, dict[str, Any]] | None = None, **options: Any
):
    conductor = Conductor()
    lane = conductor.add_lane("model", limiter or Limiter(), cap)
    made = [
        Rule(index=node.index, name=node.name, **{"lane": lane.index, **(rules or {}).get(node.name, {})}) for node in grid.nodes
    ]
    return conductor, conductor.add(grid, made, 0, **options)


def ended(heap: Heap, run: Run) -> dict[tuple[str, tuple[int, ...]], CellEnded]:
    found = {}
    for event in heap.log[run.id]:
        if isinstance(event, CellEnded):
            key = (run.rules[event.step].name, event.at)
            assert key not in found, "a terminal state never changes"
            found[key] = event
    return found


def check_log(heap: Heap, run: Run) -> RunState:
    """What holds of every log: numbers without a gap, one end per cell, calls settled, nothing in the air after the end."""
    events = heap.log[run.id]
    assert [event.seq for event in events] == list(range(len(events)))
    assert all(a.t <= b.t for a, b in itertools.pairwise(events))
    assert isinstance(events[-1], RunEnded)
    air = set()
    for event in events:
        if isinstance(event, Called):
            air.add(event.call)
        elif isinstance(event, Settled):
            air.remove(event.call)
    assert not air
    state = RunState().apply_all(events)
    total = state.total
    assert total.ended == total.cells == sum(run.grid.totals)
    assert all(lane.in_air == lane.preparing == lane.ready == 0 for lane in heap.conductor.lanes)
    assert run.keys.reserved == 0 or run.stop is not None
    return state


def test_a_fan_out_takes_the_time_of_one_call():
    grid = plan_of(
        [Step("recipe", "{day} {meal}", over=("day", "meal")), Step("shopping", "{recipe}")],
        {"day": range(7), "meal": list("abc")},
    )
    conductor, run = begin(grid, cap=64)
    heap = Heap(conductor, lambda call: Flight(SECOND, OK))
    heap.run()
    assert heap.now == 2 * SECOND
    assert len(ended(heap, run)) == 22
    assert check_log(heap, run).path_us == 2 * SECOND


def test_an_aligned_cell_starts_when_its_own_need_is_done():
    grid = plan_of([Step("engineer", "{n}", over="n"), Step("target", "{engineer}", over="n")], {"n": range(3)})
    conductor, run = begin(grid)
    heap = Heap(
        conductor, lambda call: Flight((1 + 2 * call.cell.at[0]) * SECOND if call.cell.rule.name == "engineer" else SECOND, OK)
    )
    heap.run()
    assert [event.t for event in heap.log[run.id] if isinstance(event, Called) and event.step == 1] == [
        SECOND,
        3 * SECOND,
        5 * SECOND,
    ]


@pytest.mark.parametrize("sections", [(2, 0, 3), (1, 1, 1), (0, 0, 0)])
def test_ragged_dynamic_axes_unfold_and_gather(sections):
    steps = [
        Step("outline", "{doc}", over="doc"),
        Step("section", "{outline} {section_no}", over=("doc", "section_no")),
        Step("edit", "{section}", over="doc"),
        Step("index", "{section}"),
    ]
    grid = plan_of(steps, {"doc": range(3), "section_no": {"each": "outline.sections"}})
    conductor, run = begin(grid)

    def fly(call: Call) -> Flight:
        if call.cell.rule.name == "outline":
            return Flight(SECOND, Reply(usage=Usage(), lengths={"section_no": sections[call.cell.at[0]]}))
        return Flight(SECOND, OK)

    heap = Heap(conductor, fly)
    heap.run()
    done = ended(heap, run)
    assert sum(1 for step, _ in done if step == "section") == sum(sections)
    assert all(event.state == "accepted" for event in done.values())
    assert len(done) == 3 + sum(sections) + 3 + 1
    assert list(grid.cells(1)) == [(d, s) for d in range(3) for s in range(sections[d])]
    check_log(heap, run)


def test_five_ragged_levels_overlap_fully():
    names = ["chapters", "sections", "questions", "answers"]
    axes: dict[str, Any] = {"doc": range(2)}
    steps = [Step("s0", "{doc}", over="doc")]
    over = ["doc"]
    for i, name in enumerate(names):
        axes[name] = {"each": f"s{i}.x"}
        over.append(name)
        steps.append(Step(f"s{i + 1}", "go", over=tuple(over), needs=(f"s{i}",)))
    steps.append(Step("all", "{s4}", over="doc"))
    grid = plan_of(steps, axes)
    conductor, run = begin(grid, cap=1000)

    def length(at: tuple[int, ...]) -> int:
        return int(uniform(3, *at) * 4)

    def fly(call: Call) -> Flight:
        index = call.cell.rule.index
        lengths = {names[index]: length(call.cell.at)} if index < 4 else None
        return Flight(int(SECOND * (1 + uniform(5, index, *call.cell.at))), Reply(usage=Usage(), lengths=lengths))

    heap = Heap(conductor, fly)
    heap.run()
    state = check_log(heap, run)
    assert state.state == "complete"
    assert heap.now == state.path_us, "nothing ever waited for anything but its needs"


def test_broadcast_and_two_needs_of_different_shape():
    steps = [
        Step("text", "{doc}", over="doc"),
        Step("guide", "{lang}", over="lang"),
        Step("translation", "{text} {guide}", over=("lang", "doc")),
    ]
    grid = plan_of(steps, {"doc": range(2), "lang": range(3)})
    conductor, run = begin(grid)
    heap = Heap(conductor, lambda call: Flight(SECOND * (1 + call.cell.at[0]), OK))
    heap.run()
    done = ended(heap, run)
    assert sorted(at for step, at in done if step == "translation") == [(a, b) for a in range(3) for b in range(2)]
    starts = {e.at: e.t for e in heap.log[run.id] if isinstance(e, Called) and e.step == 2}
    assert starts == {(lang, doc): SECOND * (1 + max(lang, doc)) for lang in range(3) for doc in range(2)}
    check_log(heap, run)


def test_a_failed_need_skips_what_hangs_on_it_and_a_gather_goes_on():
    steps = [Step("a", "{n}", over="n"), Step("b", "{a}", over="n"), Step("c", "{b}", at_least=1), Step("d", "{b}", at_least=3)]
    grid = plan_of(steps, {"n": range(3)})
    conductor, run = begin(grid)
    bad = Fault(code="bad_request", message="no")
    heap = Heap(conductor, lambda call: Flight(SECOND, bad if call.cell.rule.name == "a" and call.cell.at == (1,) else OK))
    heap.run()
    done = ended(heap, run)
    assert done["a", (1,)].state == "failed"
    assert ("b", (1,)) not in done, "skipped in a bundle"
    assert done["c", ()].state == "accepted"
    assert ("d", ()) not in done
    state = check_log(heap, run)
    assert state.state == "partial"
    assert state.steps[1].skipped == 1 and state.steps[3].skipped == 1


def test_a_fallback_fills_a_cell_whose_need_failed():
    steps = [Step("plays", "x"), Step("procurement", "{plays}", fallback={}), Step("annex", "{procurement}")]
    grid = plan_of(steps, {})
    conductor, run = begin(grid, rules={"procurement": {"fallback": True}})

    def prepare(cell: Cell, phase: int):
        return (0, Hit(reply=Reply(usage=Usage()))) if phase == FALLBACK else (0, Work(1, 1))

    heap = Heap(conductor, lambda call: Flight(SECOND, Fault(code="filtered") if call.cell.rule.name == "plays" else OK), prepare)
    heap.run()
    done = ended(heap, run)
    assert done["procurement", ()].state == "accepted" and done["procurement", ()].code == "upstream"
    assert done["annex", ()].state == "accepted" and done["annex", ()].code == ""
    assert check_log(heap, run).state == "partial"


def test_duplicates_are_cancelled_as_soon_as_their_name_has_streamed():
    grid = plan_of([Step("recipe", "x", over="n")], {"n": range(2)})
    conductor, run = begin(grid, rules={"recipe": {"unique": ()}})
    names = iter(["Soup", "soup!", "Stew"])
    avoid = []

    def fly(call: Call) -> Flight:
        name = next(names)
        avoid.append(call.avoid)
        return Flight(10 * SECOND, Reply(usage=Usage(), key=name), named=(SECOND + call.call, name))

    heap = Heap(conductor, fly)
    heap.run()
    assert heap.now == 11 * SECOND + 1, "the loser began again at once, not after its whole answer"
    assert avoid == [(), (), ("Soup",)]
    assert {event.key for event in ended(heap, run).values()} == {"soup", "stew"}
    assert [e.outcome for e in heap.log[run.id] if isinstance(e, Settled)].count("duplicate") == 1
    check_log(heap, run)


def test_late_duplicates_and_keys_that_change_between_stream_and_end():
    grid = plan_of([Step("recipe", "x", over="n")], {"n": range(3)})
    conductor, run = begin(grid, rules={"recipe": {"unique": ()}})
    script = iter([("A", "B"), (None, "C"), ("D", "B"), (None, "E"), (None, "F")])

    def fly(call: Call) -> Flight:
        streamed, final = next(script)
        return Flight(SECOND + call.call, Reply(usage=Usage(), key=final), named=(1, streamed) if streamed else None)

    heap = Heap(conductor, fly)
    heap.run()
    assert {event.key for event in ended(heap, run).values()} == {"b", "c", "e"}
    check_log(heap, run)


def test_a_rejected_answer_is_repaired_twice_then_drawn_anew():
    grid = plan_of([Step("a", "x")], {})
    conductor, run = begin(grid, rules={"a": {"unique": (), "attempts": 5}})
    calls: list[Call] = []

    def fly(call: Call) -> Flight:
        calls.append(call)
        return Flight(SECOND, Reply(usage=Usage(), key="k", check="short", finding="too short"))

    heap = Heap(conductor, fly)
    heap.run()
    assert [(c.repair, c.reason) for c in calls] == [
        (False, ""),
        (True, "too short"),
        (True, "too short"),
        (False, "too short"),
        (True, "too short"),
    ]
    event = ended(heap, run)["a", ()]
    assert (event.state, event.code, event.attempts) == ("failed", "check_failed", 5)
    check_log(heap, run)


def test_a_judge_that_faults_is_asked_again_and_keeps_the_answer():
    grid = plan_of([Step("a", "x")], {})
    conductor, run = begin(grid, rules={"a": {"judge_lane": 1, "unique": ()}})
    verdicts = iter(
        [Fault(code="transient"), Reply(usage=Usage(), verdict=False, finding="dull"), Reply(usage=Usage(), verdict=True)]
    )
    answers = []

    def fly(call: Call) -> Flight:
        if call.phase == JUDGE:
            return Flight(SECOND, next(verdicts))
        answers.append(call.reason)
        return Flight(SECOND, Reply(usage=Usage(), key="k", judge=(50, 10)))

    heap = Heap(conductor, fly)
    heap.run()
    assert answers == ["", "dull"]
    assert ended(heap, run)["a", ()].attempts == 2
    check_log(heap, run)


def test_transient_faults_are_retried_within_their_budget_and_no_further():
    grid = plan_of([Step("a", "x")], {})
    conductor, run = begin(grid)
    calls = []
    heap = Heap(conductor, lambda call: calls.append(call) or Flight(1, Fault(code="transient", message="500")))  # type: ignore[func-returns-value]
    heap.run()
    assert len(calls) == 5
    waits = [e.until - e.t for e in heap.log[run.id] if isinstance(e, Rested)]
    assert all(SECOND * n // 4 <= wait <= SECOND * n // 2 for n, wait in zip((1, 2, 2, 2), waits, strict=True)), (
        "one cell alone is no outage"
    )
    assert ended(heap, run)["a", ()].code == "transient"


def test_retries_of_different_cells_do_not_come_together():
    grid = plan_of([Step("a", "x", over="n")], {"n": range(20)})
    conductor, run = begin(grid, cap=20)
    heap = Heap(conductor, lambda call: Flight(1, Fault(code="transient")))
    heap.run()
    first = [e.until for e in heap.log[run.id] if isinstance(e, Rested) and e.t == 1]
    assert len(first) == len(set(first)) == 20


def test_a_cell_waits_for_a_rate_limit_at_most_so_often():
    conductor, run = begin(plan_of([Step("a", "x")], {}))

    def fly(call: Call) -> Flight:
        assert call.call < 50, "it waits for ever"
        return Flight(1, Fault(code="rate_limited", retry_after_s=0.1, status=429))

    heap = Heap(conductor, fly)
    heap.run()
    assert sum(isinstance(e, Called) for e in heap.log[run.id]) == 21
    assert ended(heap, run)["a", ()].code == "rate_limited"


def test_the_longest_chain_goes_first_when_slots_are_short():
    steps = [Step("leaf", "x", over="n"), Step("one", "x"), Step("two", "{one}"), Step("three", "{two}")]
    conductor, _ = begin(plan_of(steps, {"n": range(6)}), cap=2)
    heap = Heap(conductor, lambda call: Flight(SECOND, OK))
    heap.run()
    assert heap.now == 5 * SECOND, "9 calls, 2 at once, and the chain of 3 begun first"


def test_chains_are_finished_not_only_begun():
    """With very many cells, the deepest step goes first: memory stays bounded, and results come early."""
    steps = [Step("engineer", "x", over="n"), Step("target", "{engineer}", over="n")]
    conductor, run = begin(plan_of(steps, {"n": range(3000)}), cap=4)
    most = 0

    def watch(heap: Heap) -> None:
        nonlocal most
        most = max(most, sum(queue.bundles for queue in run.queues.values()))

    heap = Heap(conductor, lambda call: Flight(SECOND, OK), watch=watch)
    heap.run()
    assert most <= 4 * 4 + 4 + 1
    check_log(heap, run)


def test_a_429_pauses_the_whole_lane_and_costs_no_attempt():
    grid = plan_of([Step("a", "x", over="n")], {"n": range(5)})
    conductor, run = begin(grid, cap=2)
    starts = []

    def fly(call: Call) -> Flight:
        starts.append(heap.now)
        if len(starts) <= 2:
            return Flight(1000, Fault(code="rate_limited", retry_after_s=3.0, status=429))
        return Flight(1000, OK)

    heap = Heap(conductor, fly)
    heap.run()
    assert all(start >= 3 * SECOND for start in starts[2:])
    assert all(event.attempts == 1 for event in ended(heap, run).values())
    assert check_log(heap, run).state == "complete"


@pytest.mark.parametrize(
    ("fault", "hits"),
    [
        (Fault(code="auth", scope=Scope.LANE, status=401), 4),
        (Fault(code="transient", scope=Scope.ENDPOINT), 4),
        (Fault(code="bad_request", scope=Scope.STEP, status=400), 4),
        (Fault(code="bad_request", status=400), 30),
    ],
)
def test_a_fault_condemns_as_much_as_its_scope(fault, hits):
    grid = plan_of([Step("a", "x", over="n"), Step("b", "{a}", over="n")], {"n": range(30)})
    conductor, run = begin(grid, cap=4)
    calls = []
    heap = Heap(conductor, lambda call: calls.append(call) or Flight(1, fault))  # type: ignore[func-returns-value]
    heap.run()
    assert len(calls) == hits
    state = check_log(heap, run)
    assert state.state == "failed" and state.steps[0].failed == 30 and state.steps[1].skipped == 30


def test_a_call_that_hangs_is_cancelled_at_its_deadline_and_tried_again():
    grid = plan_of([Step("a", "x")], {})
    conductor, run = begin(grid, rules={"a": {"timeout": 5 * SECOND}})
    flights = iter([Flight(1000 * SECOND, OK), Flight(SECOND, OK)])
    heap = Heap(conductor, lambda call: next(flights))
    heap.run()
    assert [e.outcome for e in heap.log[run.id] if isinstance(e, Settled)] == ["timeout", "ok"]
    assert 6 * SECOND < heap.now < 7 * SECOND
    check_log(heap, run)


def test_the_deadline_of_a_run_ends_what_is_left():
    grid = plan_of([Step("a", "x", over="n"), Step("b", "{a}")], {"n": range(10)})
    conductor, run = begin(grid, cap=2, deadline=int(2.5 * SECOND))
    heap = Heap(conductor, lambda call: Flight(SECOND, OK))
    heap.run()
    assert heap.now == int(2.5 * SECOND)
    state = check_log(heap, run)
    assert (state.state, state.why, state.steps[0].accepted) == ("partial", "timeout", 4)
    assert {e.code for e in heap.log[run.id] if isinstance(e, StepSwept)} == {"timeout"}


def test_limits_hold_in_every_window():
    grid = plan_of([Step("a", "x", over="n")], {"n": range(50)})
    limiter = Limiter([(REQUESTS, Window(10)), (TOTAL, Window(4000))])
    conductor, run = begin(grid, cap=50, limiter=limiter)
    starts = []
    heap = Heap(conductor, lambda call: starts.append(heap.now) or Flight(SECOND, OK), lambda cell, phase: (0, Work(200, 200)))  # type: ignore[func-returns-value]
    heap.run()
    for i, start in enumerate(starts):
        assert sum(start <= other < start + 60 * SECOND for other in starts[i:]) <= 10
    assert heap.now < 5 * 61 * SECOND
    check_log(heap, run)


def test_memory_follows_the_window():
    grid = plan_of([Step("a", "x", over="n")], {"n": range(200_000)})
    conductor, run = begin(grid, cap=8)
    heap = Heap(conductor, lambda call: Flight(SECOND, OK))
    most = 0

    def watch(heap: Heap) -> None:
        nonlocal most
        most = max(most, len(run.cells))
        if heap.now >= 20 * SECOND and run.stop is None:
            conductor.cancel(run, heap.now)

    heap.watch = watch
    heap.run()
    assert most <= 2 * 8 + 8
    assert check_log(heap, run).state == "cancelled"


WEATHER = ["ok"] * 10 + [
    "transient",
    "rate_limited",
    "malformed",
    "truncated",
    "timeout",
    "finding",
    "dull",
    "filtered",
    "hang",
    "broken",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32), docs=st.integers(1, 4), langs=st.integers(1, 3), cap=st.integers(1, 6),
    bad=st.sampled_from(["mild", "fatal"]), cancel=st.none() | st.integers(0, 12 * SECOND), rpm=st.none() | st.integers(20, 60),
)  # fmt: skip
def test_any_weather(seed, docs, langs, cap, bad, cancel, rpm):
    """Random histories: whatever comes, every cell ends once, limits and keys hold, and nothing is left."""
    steps = [
        Step("outline", "{doc}", over="doc"),
        Step("guide", "{lang}", over="lang", fallback="x"),
        Step("section", "{outline} {guide} {part}", over=("doc", "lang", "part")),
        Step("edit", "{section}", over=("doc",)),
        Step("book", "{edit} {guide}", at_least=1),
        Step("count", "{section} {outline}"),
    ]
    grid = plan_of(steps, {"doc": range(docs), "lang": range(langs), "part": {"each": "outline.parts"}})
    rules = {
        "section": {"unique": (), "judge_lane": 1, "attempts": 4},
        "guide": {"fallback": True},
        "outline": {"unique": (0,), "timeout": 9 * SECOND},
    }
    limiter = Limiter([(REQUESTS, Window(rpm))] if rpm else [])
    conductor, run = begin(grid, cap=cap, limiter=limiter, rules=rules, seed=seed)
    if bad == "fatal" and seed % 5 == 0:
        conductor.lanes[1].proven = False
    grid_s = [0, 1, 2, 3, 5]

    def draw(call: Call, purpose: int, n: int) -> int:
        return int(uniform(seed, call.call, purpose) * n)

    def fly(call: Call) -> Flight:
        took = grid_s[draw(call, 1, len(grid_s))] * SECOND
        word = WEATHER[draw(call, 2, len(WEATHER))]
        name = f"name {draw(call, 3, 30)}"
        named = (
            (min(took, grid_s[draw(call, 4, 3)] * SECOND), name)
            if draw(call, 5, 3) and call.phase != JUDGE and call.cell.rule.unique is not None
            else None
        )
        key = name if draw(call, 6, 5) else f"other {draw(call, 7, 9)}"
        if word in ("transient", "malformed", "truncated", "timeout", "filtered"):
            scope = Scope.LANE if bad == "fatal" and word == "filtered" and draw(call, 8, 4) == 0 else Scope.CELL
            return Flight(took, Fault(code=word, status=500, scope=scope), named)
        if word == "rate_limited":
            return Flight(took, Fault(code=word, retry_after_s=[None, 0.5, 3.0][draw(call, 9, 3)], status=429))
        if word == "hang":
            return Flight(1000 * SECOND, OK, named)
        if call.phase == JUDGE:
            return Flight(
                took, Reply(usage=Usage(tokens_in=5), verdict=word != "dull", finding="dull" if word == "dull" else None)
            )
        lengths = {"part": draw(call, 10, 4)} if call.cell.rule.name == "outline" else None
        finding = "bad" if word == "finding" else None
        judge = (10, 10) if call.cell.rule.name == "section" else None
        return Flight(
            took, Reply(usage=Usage(tokens_in=draw(call, 11, 300)), key=key, finding=finding, lengths=lengths, judge=judge), named
        )

    def prepare(cell: Cell, phase: int):
        if phase == FALLBACK:
            broken = uniform(seed, cell.id) < 0.2
            return (0, Broken(fault=Fault(code="internal")) if broken else Hit(reply=Reply(usage=Usage())))
        return (
            [0, SECOND][cell.id % 2],
            Broken(fault=Fault(code="internal")) if uniform(seed, cell.id, 7) < 0.03 else Work(100, 100),
        )

    starts: list[int] = []

    def watch(heap: Heap) -> None:
        lane = conductor.lanes[1]
        assert 0 <= lane.in_air <= cap and lane.in_air == len(run.calls)
        assert lane.preparing + lane.ready <= AHEAD * lane.cap + 2 * cap + len(run.cells)

    heap = Heap(conductor, lambda call: starts.append(heap.now) or fly(call), prepare, watch=watch)  # type: ignore[func-returns-value]
    if cancel is not None:
        heap.at.append((cancel, lambda: conductor.cancel(run, heap.now)))
    heap.run()
    state = check_log(heap, run)
    if cancel is None:
        assert run.open == 0 and not run.cells and state.state != "cancelled"
        assert sum(len(e.groups) for n in grid.nodes for e in n.ins) == 0
    keys = [(e.step, e.at[:1] if run.rules[e.step].name == "outline" else (), e.key) for e in ended(heap, run).values() if e.key]
    assert len(keys) == len(set(keys)), "two accepted cells share a key"
    if rpm:
        for i, start in enumerate(starts):
            assert sum(start <= other < start + 60 * SECOND for other in starts[i:]) <= rpm


def test_a_wrong_key_stops_every_model_that_it_is_for():
    """Another refusal may be about one model."""
    for scope, asked in ((Scope.ACCOUNT, 3), (Scope.LANE, 6)):
        grid = plan_of([Step("a", "{n}", over="n"), Step("b", "{n}", over="n")], {"n": range(20)})
        conductor = Conductor()
        lanes = [conductor.add_lane(name, Limiter(), 3) for name in ("one", "two")]
        for lane in lanes:
            lane.account = "provider"
        rules = [Rule(index=0, name="a", lane=1), Rule(index=1, name="b", lane=2)]
        refused = Fault(code="auth", message="no", scope=scope, status=400)
        calls = []

        def fly(command: Call, calls=calls, refused=refused) -> Flight:
            calls.append(command)
            return Flight(SECOND if command.lane == 1 else 2 * SECOND, refused)

        conductor.cap = asked
        run = conductor.add(grid, rules, 0)
        heap = Heap(conductor, fly)
        heap.run()
        assert all(event.code == "auth" for event in ended(heap, run).values()) or run.tally.bad == 40
        assert len(calls) <= asked, f"{scope}: {len(calls)} calls"
