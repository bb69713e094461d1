"""Whole histories out of one number: a plan, a world that behaves as badly as the seed says, and what must hold all the time.

The same world drives both shells: the heap simulator and the real engine's shell in virtual time. Latencies come from a small grid, so
that events collide. Calls with and without a streamed identity are mixed, and identities that differ between stream and end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as with_

from fanfold.core.commands import FALLBACK, JUDGE, Call
from fanfold.core.conductor import Conductor
from fanfold.core.draw import fold, uniform
from fanfold.core.fold import RunState
from fanfold.core.grid import Grid
from fanfold.core.hedge import ENOUGH, Hedging
from fanfold.core.limiter import REQUESTS, TOTAL, Limiter, Window
from fanfold.core.run import Cell, Rule
from fanfold.core.turns import Turns, strides
from fanfold.engine.facts import Fact, Heard, Identified
from fanfold.engine.job import Job
from fanfold.engine.offers import Offer
from fanfold.engine.shell import Shell
from fanfold.spec.calls import Broken, Chunk, Fault, Hit, Reply, Scope, Usage, Work
from fanfold.spec.compile import compile_plan
from fanfold.spec.compiled import CompiledPlan
from fanfold.spec.events import AnyEvent, CellEnded, Coords
from fanfold.spec.plan import Plan, Step
from fanfold.spec.ports import RunRecord
from fanfold.store.memory import MemoryStore
from fanfold.testing.heap import Flight, Heap
from fanfold.testing.invariants import Invariants
from fanfold.testing.virtual import VirtualClock
from fanfold.testing.virtual import run as run_virtual

SECOND = 1_000_000
GRID = (0, 1, 1, 2, 3, 5)  # seconds that a call may take
FAULTS = ("transient", "timeout", "malformed", "truncated", "filtered", "rate_limited", "hang")


@dataclass(frozen=True)
class Climate:
    """How bad it gets. Probabilities per call or preparation, except: rpm, tpm (None: no limit), cap, cancel and deadline in µs."""

    seed: int
    days: int = 0  # above 0: a week of recipes of so many days, 4 * days + 1 cells, instead of the ragged plan
    docs: int = 2
    langs: int = 2
    cap: int = 4
    lanes: int = 1
    hedges: bool = False  # lanes know from the start what is late, and may send a twin for every second call
    shared: bool = False  # one step's keys are those of all runs of the store, which are asked for first
    counted: int = (
        0  # above 0: so many interchangeable reviews of each document beside the ragged plan; filled by a fallback where odd
    )
    pool: int = 0  # above 0: so many candidates that the parts share, and as many names from which guides are offered some
    few: int = 0  # above 0: the cells of a step ask so few different things, and a cache has what was accepted before
    chain: bool = False  # answers and verdicts fall back to another lane
    shares: bool = False  # answers are shared out over the lanes, two of the first to one of the last
    compares: bool = False  # judges are asked in either order
    items: int = 1  # answers of one call
    names: int = 40
    faults: float = 0.15
    findings: float = 0.1
    refusals: float = 0.1
    fatal: float = 0.0
    refused: float = 0.1  # of the calls that are filtered: the whole step is refused
    broken: float = 0.02
    rpm: int | None = None
    tpm: int | None = None
    cancel: int | None = None
    deadline: int | None = None

    @classmethod
    def week(cls, seed: int, days: int) -> Climate:
        """Distinct, judged recipes by day and meal, a summary of each day, one list: with all that can go wrong mildly."""
        return cls(seed, days=days, cap=32, names=60 * days, faults=0.05, findings=0.05, refusals=0.05, broken=0.001, refused=0.0)

    @classmethod
    def of(cls, seed: int) -> Climate:
        """The climate of a seed: every knob drawn from it."""

        def one_of(purpose: int, *options: Any) -> Any:
            return options[int(uniform(seed, -1, purpose) * len(options))]

        counted = one_of(17, 0, 0, 0, 2, 5, 12, 16, 30)
        return cls(
            seed=seed,
            docs=one_of(1, 1, 2, 3, 4),
            langs=one_of(2, 1, 2, 3),
            cap=one_of(3, 1, 2, 3, 6, 50) if not counted else one_of(3, 1, 4, 16, 50, 50),
            lanes=one_of(4, 1, 1, 2),
            shared=one_of(18, False, True),
            chain=one_of(15, False, False, True),
            shares=one_of(20, False, False, True),
            compares=one_of(19, False, False, True),
            hedges=one_of(16, False, True),
            counted=counted,
            pool=one_of(18, 0, 0, 3, 8, 20, 60),
            few=one_of(19, 0, 0, 1, 3, 12),
            items=one_of(20, 1, 1, 2, 3, 5),
            names=one_of(5, 4, 12, 60),
            faults=one_of(6, 0.0, 0.1, 0.3, 0.6),
            findings=one_of(7, 0.0, 0.1, 0.4),
            refusals=one_of(8, 0.0, 0.1, 0.4),
            fatal=one_of(9, 0.0, 0.0, 0.02),
            broken=one_of(10, 0.0, 0.03),
            rpm=one_of(11, None, None, 10, 40),
            tpm=one_of(12, None, None, 3_000),
            cancel=one_of(13, None, None, None, 0, 1, 2 * SECOND, 7 * SECOND),
            deadline=one_of(14, None, None, None, 1 * SECOND, 4 * SECOND, 30 * SECOND),
        )


def plan_of(climate: Climate) -> CompiledPlan:
    """Ragged fan-out, broadcast, two needs of different shape, gathers of gathers, a fallback, a judge, keys run-wide and within an axis."""
    if climate.days:
        week = [
            Step("recipe", "{day} {meal}", over=("day", "meal")),
            Step("summary", "{recipe}", over="day"),
            Step("list", "{recipe} {summary}"),
        ]
        return compile_plan(Plan("week", week, {"day": range(climate.days), "meal": ["breakfast", "lunch", "dinner"]}))
    steps = [
        Step("outline", "{doc}", over="doc"),
        Step("guide", "{lang}", over="lang", fallback="-"),
        Step("part", "{outline} {guide} {chapter}", over=("doc", "lang", "chapter")),
        Step("edit", "{part} {outline}", over="doc"),
        Step("book", "{edit} {guide}", required=False),
        Step("count", "{part}", at_least=2),
    ]
    axes = {"doc": range(climate.docs), "lang": range(climate.langs), "chapter": {"each": "outline.chapters"}}
    if climate.counted:
        steps += [
            Step("review", "{guide}", over=("n", "lang")),
            Step("reply", "{review}", over=("n", "lang"), required=False),
            Step("digest", "{review} {reply}", over="lang", at_least=climate.counted // 2),
        ]
        axes["n"] = {"count": climate.counted}
    return compile_plan(Plan("weather", steps, axes))


class World:
    """Answers by (seed, number of the call): whatever asks in the same order is told the same."""

    def __init__(self, climate: Climate) -> None:
        self.climate = climate
        self._told: dict[int, Reply | Fault] = {}
        self._accepted: set[tuple[int, str | None]] = set()
        self.known: dict[str, CellEnded] = {}  # the cache: what was asked, and the cell that was accepted last with it
        self.swapped: set[int] = set()  # calls of judges that are shown the other answer first

    def outcome(self, call: int) -> Reply | Fault:
        """What a call was told; one that was cut off before it left was told nothing."""
        return self._told.get(call, Fault(code="cancelled"))

    def _draw(self, call: int, purpose: int) -> float:
        return uniform(self.climate.seed, call, purpose)

    def _one_of(self, call: int, purpose: int, options: tuple[Any, ...]) -> Any:
        return options[int(self._draw(call, purpose) * len(options))]

    def prepare(self, cell: Cell, phase: int) -> tuple[int, Work | Hit | Broken]:
        """(µs, result). Functions and fallbacks are hits."""
        delay = 0 if self._draw(cell.id, 1) < 0.7 else self._one_of(cell.id, 8, (1, 1, 3)) * SECOND
        if self._draw(cell.id, 2 + phase) < self.climate.broken:
            return delay, Broken(fault=Fault(code="internal", message="broken"))
        if phase == FALLBACK:
            return delay, Hit(reply=Reply(usage=Usage(), lengths={"chapter": 1} if cell.rule.name == "outline" else None))
        kin = "" if self.climate.items == 1 else self._one_of(cell.id, 7, ("a", "a", "a", "b", ""))
        work = Work(50 + int(100 * self._draw(cell.id, 9)), 100, kin=kin, common=int(60 * self._draw(cell.id, 6)))
        return delay, self._looked_up(cell, work) if self.climate.few and not cell.rule.function else work

    def same(self, step: int, at: Coords) -> str:
        """What a cell asks: some of its step ask the same."""
        return f"{step} {int(uniform(self.climate.seed, step, fold(at)) * self.climate.few)}"

    def _looked_up(self, cell: Cell, work: Work) -> Work | Hit:
        """Sometimes what is known is damaged, or refused by a check that was not there before; and some judges are asked again."""
        same = self.same(cell.rule.index, cell.at)
        found = self.known.get(same)
        work = with_(work, same=same)
        if found is None:
            return work
        if self._draw(cell.id, 60) < 0.1:
            return with_(work, spoilt="damaged")
        finding = "bad" if self._draw(cell.id, 61) < self.climate.findings else None
        judge = (20, 10) if cell.rule.judge_lane is not None and self._draw(cell.id, 62) < 0.3 else None
        reply = Reply(
            usage=Usage(), key=found.key, check="rule" if finding else "", finding=finding, lengths=found.lengths, judge=judge
        )
        return Hit(reply=reply, work=work)

    def knew(self, event: CellEnded) -> bool:
        """Whether an accepted cell of its step had this key."""
        return (event.step, event.key) in self._accepted

    def remember(self, events: Sequence[AnyEvent]) -> None:
        """Told of what is durable: what was accepted is in the cache from now on."""
        for event in events:
            if self.climate.few and isinstance(event, CellEnded) and event.state == "accepted" and not event.code:
                self.known[self.same(event.step, event.at)] = event
                self._accepted.add((event.step, event.key))

    def offer(self, cell: Cell) -> tuple[int, tuple[str, ...]]:
        """(µs, keys) of the candidates that there are for a cell. Some of a pool are twins; what is retrieved is much the same for all."""
        delay = self._one_of(cell.id, 40, (0, 0, 1)) * SECOND
        if cell.rule.stock is not None:
            return delay, tuple(f"c{number * 5 % (6 * cell.rule.stock) // 6}" for number in cell.dealt)
        found = int(self._draw(cell.id, 41) * 6)
        return delay, tuple(f"c{int(self._draw(cell.id, 42 + n) ** 2 * self.climate.pool)}" for n in range(found))

    def fly(self, command: Call) -> Flight:
        flight = self._flight(command)
        if command.swapped:
            self.swapped.add(command.call)
        if command.cell.rule.streams and command.phase != JUDGE and self._draw(command.call, 24) < 0.7:
            moments = sorted(min(flight.took, self._one_of(command.call, 25 + i, (0, 1, 2, 3)) * SECOND) for i in range(2))
            flight = replace(flight, heard=tuple(zip(moments, (5, 40), strict=True)))
        self._told[command.call] = flight.outcome
        return flight

    def fly_together(self, command: Call) -> list[Flight]:
        """Of a request for several cells: it ends at one moment for all; now and then its tail is cut off, or one in the middle left out."""
        lead, calls = self._flight(command), (command, *command.riders)
        took, number = lead.took, command.call
        whole = len(calls) if self._draw(number, 50) < 0.6 else int(self._draw(number, 51) * (len(calls) + 1))
        out = int(self._draw(number, 52) * len(calls)) if self._draw(number, 53) < 0.2 else -1
        missing = Fault(code=self._one_of(number, 54, ("truncated", "malformed")), message="missing", usage=Usage(tokens_in=7))
        flights = []
        for place, call in enumerate(calls):
            outcome = self._flight(call).outcome
            if isinstance(lead.outcome, Fault):
                outcome = lead.outcome
            elif place >= whole or place == out or isinstance(outcome, Fault):
                outcome = missing
            self._told[call.call] = outcome
            flights.append(Flight(took, outcome))
        return flights

    def _flight(self, command: Call) -> Flight:
        climate, call, cell = self.climate, command.call, command.cell
        took = self._one_of(call, 10, GRID) * SECOND
        name = f"name {int(self._draw(call, 11) ** 2 * climate.names)}"
        streams = cell.rule.unique is not None and command.phase != JUDGE and self._draw(call, 12) < 0.6
        named = (min(took, self._one_of(call, 13, (0, 1, 1, 2)) * SECOND), name) if streams else None
        if self._draw(call, 14) < climate.fatal:
            return Flight(took, Fault(code="auth", message="no key", scope=Scope.ACCOUNT, status=401), named)
        if self._draw(call, 15) < climate.faults:
            return self._fault(call, took, named)
        usage = Usage(tokens_in=int(150 * self._draw(call, 16)), tokens_out=int(200 * self._draw(call, 17)))
        if command.phase == JUDGE:
            against = self._draw(call, 18) < climate.refusals
            return Flight(took, Reply(usage=usage, verdict=not against, finding="dull" if against else None, check="judge"))
        key = name if self._draw(call, 19) < 0.8 else f"other {int(self._draw(call, 20) * climate.names)}"
        finding = "bad" if self._draw(call, 21) < climate.findings else None
        lengths = {"chapter": self._one_of(call, 22, (0, 1, 2, 4))} if cell.rule.name == "outline" else None
        judge = (20, 10) if cell.rule.judge_lane is not None else None
        reply = Reply(usage=usage, key=key, check="rule" if finding else "", finding=finding, lengths=lengths, judge=judge)
        return Flight(took, reply, named)

    def _fault(self, call: int, took: int, named: tuple[int, str] | None) -> Flight:
        kind = self._one_of(call, 30, FAULTS)
        if kind == "hang":
            return Flight(10_000 * SECOND, Fault(code="internal"), named)
        if kind == "rate_limited":
            return Flight(took, Fault(code=kind, retry_after_s=self._one_of(call, 31, (None, 0.5, 3.0)), status=429))
        scope = Scope.STEP if kind == "filtered" and self._draw(call, 32) < self.climate.refused else Scope.CELL
        return Flight(took, Fault(code=kind, message=kind, status=500, scope=scope), named)


def rules_of(plan: CompiledPlan, climate: Climate) -> list[Rule]:
    words: dict[str, dict[str, Any]] = {
        "outline": {"unique": (), "streams": True, "timeout": 9 * SECOND},
        "guide": {"fallback": True},
        "part": {"unique": (0,), "streams": True, "judge_lane": climate.lanes, "attempts": 4, "timeout": 20 * SECOND},
        "book": {"required": False},
        "recipe": {"unique": (), "streams": True, "judge_lane": climate.lanes, "attempts": 8, "timeout": 20 * SECOND},
    }
    if climate.shared:
        words["outline"] |= {"shared": True}
    if climate.counted:
        words["review"] = {"unique": (1,), "counted": (0,), "streams": True, "attempts": 3, "timeout": 20 * SECOND}
        words["review"] |= {"fallback": climate.counted % 2 == 1}
        if climate.names > 20:
            words["review"] |= {"judge_lane": climate.lanes}
    if climate.pool:
        words["part"] |= {"take": 1 + climate.seed % 2, "stock": climate.pool}
        words["guide"] |= {"take": 2}
        words.setdefault("edit", {}).update(take=3)
    if climate.chain:
        for word in words.values():
            word |= {"then": (climate.lanes + 1,)} | ({"judge_then": (1,)} if "judge_lane" in word else {})
    if climate.shares:
        last = climate.lanes + climate.chain
        for step in plan.steps if last > 1 else ():
            sizes = [plan.axes[axis].size for axis in step.over]
            words.setdefault(step.name, {}).update(
                then=tuple(range(2, last + 1)), turns=Turns((tuple(range(1, last)), (last,)), (2, 1), strides(sizes))
            )
    if climate.compares:
        for word in words.values():
            word |= {"both_orders": "judge_lane" in word}
    for name in ("outline", "guide", "part", "edit", "review", "recipe"):
        words.setdefault(name, {}).update(items=climate.items)
    steps = plan.steps
    return [Rule(index=s.index, name=s.name, lane=1, **{"timeout": 30 * SECOND, **words.get(s.name, {})}) for s in steps]


def conductor_of(climate: Climate) -> Conductor:
    """With the lanes of the climate, its limits in each."""
    conductor = Conductor()
    for n in range(climate.lanes + climate.chain):
        dimensions = [(kind, Window(limit)) for kind, limit in ((REQUESTS, climate.rpm), (TOTAL, climate.tpm)) if limit]
        lane = conductor.add_lane(f"lane {n + 1}", Limiter(dimensions), climate.cap)
        if climate.hedges:
            lane.late = Hedging(share=0.5)
            for i in range(ENOUGH):
                lane.late.first((1 + i % 2) * SECOND)
                lane.late.answered((1 + i % 3) * SECOND, SECOND, 100)
    return conductor


def spent(call: Call) -> Usage:
    """What a call that is cut off has used: the same in both shells."""
    if call.cell.parcel is not None:
        return Usage(tokens_in=call.booked, exact=False)
    return Usage(tokens_in=call.cell.judge_tokens[0] if call.phase == JUDGE else call.cell.tokens[0], exact=False)


def heap_history(climate: Climate) -> list[AnyEvent]:
    """The history under the heap simulator, every step watched. Raises AssertionError for what may not be."""
    plan, conductor, world = plan_of(climate), conductor_of(climate), World(climate)
    run = conductor.add(Grid(plan), rules_of(plan, climate), 0, seed=climate.seed, deadline=climate.deadline)
    watch = Invariants(climate, conductor, run, world)
    heap = Heap(
        conductor, world.fly, world.prepare, spent, lambda heap: watch.step(heap.log.get(run.id, [])[watch.seen :], heap.now),
        offer=world.offer, told=world.remember, fly_together=world.fly_together,
    )  # fmt: skip
    if climate.cancel is not None:
        heap.at.append((climate.cancel, lambda: conductor.cancel(run, heap.now)))
    heap.run()
    watch.end()
    return heap.log[run.id]


class WorldAttempts:
    """The world in place of prompts and providers: what the real shell performs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def prepare_at_once(self, job: Any, cell: Cell) -> Work | Broken | None:
        if cell.rule.take and cell.phase != FALLBACK:
            return None
        delay, result = self._world.prepare(cell, cell.phase)
        return (
            result if delay == 0 and not isinstance(result, Hit) else None
        )  # what waits is asked once more: nothing has changed by then

    async def prepare(self, job: Any, cell: Cell, offer: Offer) -> Work | Hit | Broken:
        given = cell.phase == FALLBACK or not cell.rule.take
        while not given:
            delay, keys = self._world.offer(cell)
            if delay:
                await asyncio.sleep(delay / 1e6)
            given = not (await offer(keys)).again
        delay, result = self._world.prepare(cell, cell.phase)
        if delay:
            await asyncio.sleep(delay / 1e6)
        return result

    async def call(self, job: Any, command: Call, heard: Callable[[Chunk], None], put: Callable[[Fact], None]) -> Reply | Fault:
        flight = self._world.fly(command)
        passed = 0
        told: list[tuple[int, Fact]] = [(moment, Heard(command.call, tokens)) for moment, tokens in flight.heard]
        if flight.named is not None:
            told.append((flight.named[0], Identified(command.call, flight.named[1])))
        for moment, fact in sorted(told, key=lambda pair: pair[0]):
            await asyncio.sleep((moment - passed) / 1e6)
            passed = moment
            put(fact)
        await asyncio.sleep((flight.took - passed) / 1e6)
        return flight.outcome

    async def ask_together(self, job: Any, command: Call) -> list[Any]:
        flights = self._world.fly_together(command)
        await asyncio.sleep(flights[0].took / 1e6)
        return [flight.outcome for flight in flights]

    async def examined(self, job: Any, command: Call, answer: Any, put: Callable[[Fact], None]) -> Reply | Fault:
        outcome: Reply | Fault = answer
        return outcome


def shell_history(climate: Climate) -> list[AnyEvent]:
    """The same history under the real shell, in virtual time: dispatch, inbox, bus, journal, tasks and their cancellation."""
    return run_virtual(_shell_history(climate))


async def _shell_history(climate: Climate) -> list[AnyEvent]:
    plan, conductor, world = plan_of(climate), conductor_of(climate), World(climate)
    shell = Shell(conductor, VirtualClock())
    shell.attempts = WorldAttempts(world)  # type: ignore[assignment]
    journal = await MemoryStore().journal(RunRecord(run_id="history", plan="weather", started=0.0))
    job = Job("history", plan, [], journal)
    watch: list[Invariants] = []
    failures: list[AssertionError] = []

    def told(events: Sequence[AnyEvent]) -> None:
        if not watch:
            assert job.run is not None
            watch.append(Invariants(climate, conductor, job.run, world))
        world.remember(events)
        try:
            watch[0].step(events, shell.clock.now())
        except AssertionError as error:
            failures.append(error)  # raised at the end: a view that fails is only taken off

    shell.start(job, rules_of(plan, climate), seed=climate.seed, cap=None, deadline=climate.deadline, sinks=[told])
    if climate.cancel is not None:
        asyncio.get_running_loop().call_at(climate.cancel / 1e6, shell.cancel, job)
    while not job.ended:
        await job.more(job.written)
    await shell.close()
    if failures:
        raise failures[0]
    watch[0].end()
    events: list[AnyEvent] = []
    while page := await journal.events(len(events) - 1, 1000):
        events += page
    assert repr(job.state) == repr(RunState().apply_all(events)), "the state that is served is the fold of the journal"
    return events


def same_log(climate: Climate) -> list[AnyEvent]:
    """Both shells write the same events, one for one. Raises AssertionError with the seed, and where they part."""
    one, other = heap_history(climate), shell_history(climate)
    for a, b in zip(one, other, strict=False):
        assert a == b, f"seed {climate.seed}: the heap wrote {a}, the shell {b}"
    assert len(one) == len(other), f"seed {climate.seed}: {len(one)} events under the heap, {len(other)} under the shell"
    return one
