"""A machine of rules over the whole engine in virtual time: runs begun, killed and gone on with, disks that fill up, clocks that jump.

Where test_machine.py watches the conductor from within, this one knows what a user can know: what the store holds, what the provider was
asked. After every rule the journals are read on and audited; at the end all is healed, and everything has to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import BaseModel

from fanfold import Axis, Engine, Limits, Plan, PlanError, Run, Step
from fanfold.spec.calls import Answer, Fault, Scope, Usage
from fanfold.spec.errors import StoreError
from fanfold.spec.events import encode
from fanfold.store.memory import MemoryStore
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.audit import Audit
from fanfold.testing.disks import Beside, Disk, OnDisk
from fanfold.testing.virtual import VirtualClock, VirtualLoop

ATTEMPTS = 4
TOKEN = 100 / 1e6  # dollars; a call costs a cent at the most
PRICES = {"openai/x": [0.0, 100.0]}
USAGE = Usage(tokens_in=20, tokens_out=60)
GRID = (0.0, 0.5, 1.0, 1.0, 2.0, 5.0)
KINDS = (
    "ok", "same", "ok", "transient", "ok", "rate_limited", "ok", "malformed", "ok", "truncated", "ok", "filtered", "ok", "hang", "ok", "ok",
    "same", "ok", "ok", "auth",
)  # fmt: skip
SHORT = {"max_tokens": 100}
EPOCH = 1_700_000_000


class Named(BaseModel):
    name: str


class Outline(BaseModel):
    sections: list[str]


def fan(count: int) -> Plan:
    """Distinct names, a text about each, and one of all: broadcast, aligned and gathered."""
    return Plan(
        "fan",
        [
            Step("name", "a name {n}", over="n", output=Named, unique="name", attempts=ATTEMPTS, sampling=SHORT),
            Step("text", "of {name}", over="n", attempts=ATTEMPTS, sampling=SHORT),
            Step("sum", "{text}", attempts=ATTEMPTS, sampling=SHORT, fallback="-"),
        ],
        {"n": range(count)},
    )


def nested(count: int) -> Plan:
    return Plan(
        "nested",
        [
            Step("outline", "outline {doc}", over="doc", output=Outline, attempts=ATTEMPTS, sampling=SHORT),
            Step("section", "{section} of {doc}", over=("doc", "section"), attempts=ATTEMPTS, sampling=SHORT),
            Step("edit", "{section}", over="doc", attempts=ATTEMPTS, sampling=SHORT),
        ],
        {"doc": range(count), "section": {"each": "outline.sections"}},
    )


def counted(count: int) -> Plan:
    return Plan(
        "counted",
        [Step("one", "a name", over="n", output=Named, unique="name", attempts=ATTEMPTS, sampling=SHORT)],
        [Axis("n", count=count)],
    )


PLANS: dict[Callable[[int], Plan], tuple[int, ...]] = {fan: (0,), nested: (), counted: (0,)}


class Weathered:
    """Answers in turn as the weather says. It counts what it is asked, and by then the admission has to be durable."""

    def __init__(self, disk: Disk) -> None:
        self.weather: list[str] = ["ok"]
        self.hits = self.in_air = self.most = 0
        self.disk = disk
        self.wrong: list[str] = []
        self.stopped = False  # the store has failed: nothing may be asked any more

    async def call(self, request: Any, heard: Any) -> Answer | Fault:
        number = self.hits
        self.hits += 1
        if self.hits > self.disk.admitted:
            self.wrong.append(f"I10: request {self.hits} with {self.disk.admitted} admissions written")
        if self.stopped:
            self.wrong.append("I10: an admission after the store had failed")
        self.in_air += 1
        self.most = max(self.most, self.in_air)
        try:
            await asyncio.sleep(GRID[number * 7 % 11 % len(GRID)])
            return await self._answer(request, number, self.weather[number % len(self.weather)])
        finally:
            self.in_air -= 1

    async def _answer(self, request: Any, number: int, kind: str) -> Answer | Fault:
        if kind == "hang":
            await asyncio.sleep(10_000)
        if kind == "malformed":
            return Answer(text="{" if request.schema else "", usage=USAGE)
        if kind == "rate_limited":
            return Fault(code=kind, message="slow down", retry_after_s=2.0, status=429)
        if kind == "auth":
            return Fault(code=kind, message="no key", scope=Scope.ACCOUNT, status=401)
        if kind not in ("ok", "same"):
            return Fault(code=kind, message=kind, usage=USAGE if kind == "truncated" else Usage())
        return Answer(text=self._text(request, number % 2 if kind == "same" else number), usage=USAGE)

    def _text(self, request: Any, number: int) -> str:
        if request.schema is None:
            return f"text {number}"
        wanted = request.schema["properties"]
        return '{"sections": ["x", "y"]}' if "sections" in wanted else f'{{"name": "name {number}"}}'

    async def close(self) -> None:
        """Nothing is held."""


class Work:
    """One run, over its lives. run: that of its present life, None while nobody works on it."""

    def __init__(self, plan: Plan, unique: tuple[int, ...], budget: float | None) -> None:
        self.plan, self.budget = plan, budget
        self.audit = Audit(None if plan.name == "counted" else ATTEMPTS, unique, None if budget is None else budget / TOKEN)
        self.run: Run | None = None
        self.id = ""
        self.log: list[bytes] = []

    @property
    def going(self) -> bool:
        return self.run is not None and not self.run._job.ended and self.run._job.error is None


class RunsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.lost: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.lost.append(context))
        self.undo = contextlib.ExitStack()
        self.jump = 0
        self.undo.enter_context(mock.patch("fanfold.api._wall", self.wall))
        self.works: list[Work] = []
        self.disk = Disk()
        self.provider = Weathered(self.disk)
        self.disk.broken = self._broken
        self.beside: Beside | None = None
        self.folder: Path | None = None
        self.engines = 0
        self.wrong = False
        self.walls: dict[int, int] = {}  # wall clock at the beginning of a life -> virtual µs

    def wall(self) -> int:
        now = EPOCH * 1_000_000 + round(self.loop.time() * 1e6) + self.jump
        self.walls[now] = round(self.loop.time() * 1e6)
        return now

    def _broken(self) -> None:
        self.provider.stopped = True

    @initialize(
        sqlite=st.booleans(), rpm=st.sampled_from([None, None, 12]), concurrent=st.sampled_from([1, 3, 8]),
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=9),
    )  # fmt: skip
    def open(self, sqlite: bool, rpm: int | None, concurrent: int, kinds: list[str]) -> None:
        self.provider.weather = kinds
        self.sqlite, self.limits = sqlite, Limits(rpm=rpm, concurrent=concurrent)
        self.memory = MemoryStore()
        if sqlite:
            self.folder, self.beside = Path(tempfile.mkdtemp()), Beside()
            self.reader = self._sqlite()
        else:
            self.reader = self.memory
        self._boot()

    def _sqlite(self) -> Any:
        assert self.folder is not None and self.beside is not None
        path = self.folder / "runs.db"
        return self.beside.store(lambda: SqliteStore(path, durability="normal", clock=lambda: EPOCH))

    def _boot(self) -> None:
        """A process begins."""
        self.inner = self._sqlite() if self.sqlite else self.memory
        self.store = OnDisk(self.inner, self.disk)
        self.engine = self._engine(self.store)
        self.provider.stopped = False
        self.born = self.provider.hits

    def _engine(self, store: Any) -> Engine:
        self.engines += 1
        return Engine(
            "openai/x", provider=self.provider, store=store, clock=VirtualClock(), limits=self.limits, prices=PRICES, timeout_s=30,
            seed=self.engines,
        )  # fmt: skip

    def do(self, deed: Any) -> Any:
        return self.loop.run_until_complete(deed)

    # ================================================================ rules

    @precondition(lambda self: self._alive)
    @rule(
        plan=st.sampled_from(sorted(PLANS, key=lambda make: make.__name__)), count=st.sampled_from([4, 8, 2, 1]),
        budget=st.sampled_from([None, 1.0, 0.08]), deadline=st.sampled_from([None, None, 20.0]), seconds=st.sampled_from([3.0, 1.0, 0.0]),
    )  # fmt: skip
    def submit(self, plan: Any, count: int, budget: float | None, deadline: float | None, seconds: float) -> None:
        work = Work(plan(count), PLANS[plan], budget)
        self.works.append(work)
        self.do(self._submit(work, deadline))
        self.advance(seconds)

    async def _submit(self, work: Work, deadline: float | None) -> None:
        work.run = self.engine.start(work.plan, deadline_s=deadline, budget_usd=work.budget)
        work.id = work.run.id

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 1.0, 5.0, 12.0, 30.0, 61.0, 300.0]))
    def advance(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    def weather(self, kinds: list[str]) -> None:
        self.provider.weather = kinds

    @precondition(lambda self: self.works)
    @rule(which=st.integers(0, 50), sure=st.sampled_from([False, False, True]))
    def cancel(self, which: int, sure: bool) -> None:
        work = self.works[which % len(self.works)]
        if work.run is not None and sure:
            self.do(self._cancel(work.run))

    async def _cancel(self, run: Run) -> None:
        run.cancel()
        run.cancel()

    @rule(seconds=st.sampled_from([-86_400, -3600, -1, 1, 3600, 86_400]))
    def clock_jumps(self, seconds: int) -> None:
        """Forward, too: then what earlier lives sent looks older than it is, and nobody can know better."""
        self.jump += seconds * 1_000_000

    @precondition(lambda self: self._alive)
    @rule(left=st.integers(0, 12), kind=st.sampled_from(["full", "io", "busy"]), after=st.booleans(), once=st.booleans())
    def disk_fails(self, left: int, kind: str, after: bool, once: bool) -> None:
        self.disk.fail(left, kind, after=after, once=once)

    @rule()
    def disk_is_well(self) -> None:
        self.disk.heal()

    @rule(again=st.sampled_from([True, True, False]))
    def kill(self, again: bool) -> None:
        """The process is gone between two instants. again: another one goes on with all its runs at once."""
        self.do(self._kill())
        self._boot()
        if again:
            for number in range(len(self.works)):
                self.resume(number, False)

    async def _kill(self) -> None:
        self.store.dead = True
        await self.engine.__aexit__(StoreError, StoreError("killed"), None)  # nobody is told of runs that he forgot
        if self.sqlite:
            await self.inner.close()
        for work in self.works:
            work.run = None

    @precondition(lambda self: self.works and self._alive)
    @rule(which=st.integers(0, 50), refused=st.booleans())
    def resume(self, which: int, refused: bool) -> None:
        work = self.works[which % len(self.works)]
        if not work.going and self._there(work):
            try:
                self.do(self._resume(work, refused))
            except StoreError:
                assert not self._alive, "only a store that fails keeps a run that nobody works on from being gone on with"

    async def _resume(self, work: Work, refused: bool) -> None:
        work.run = await self.engine.resume(work.id, work.plan, budget_usd=work.budget, retry_refused=refused)

    @precondition(lambda self: self._alive and any(work.going and self._there(work) for work in self.works))
    @rule(which=st.integers(0, 50))
    def resume_twice(self, which: int) -> None:
        """By the engine that works on it, and by another process: neither gets it, and nothing is written."""
        going = [work for work in self.works if work.going and self._there(work)]
        work = going[which % len(going)]
        before = len(self._events(work))
        with pytest.raises(PlanError, match="is going on in this engine"):
            self.do(self._resume(work, False))
        if self.sqlite and work.run is not None and work.run._job.written >= 0:
            with pytest.raises(StoreError, match="is working on it"):
                self.do(self._stolen(work))
        assert len(self._events(work)) == before

    async def _stolen(self, work: Work) -> None:
        store = self._sqlite()
        other = self._engine(store)
        try:
            await other.resume(work.id, work.plan, budget_usd=work.budget)
        finally:
            await other.close()
            await store.close()

    # ================================================================ what must hold

    @property
    def _alive(self) -> bool:
        return self.engine._shell._error is None

    def _there(self, work: Work) -> bool:
        return bool(work.id) and bool(self.do(self.reader.runs(work.id)))

    def _state(self, work: Work) -> str:
        """As it is listed. "running" of a run that has ended: it was taken to be gone on with, and then its process was killed."""
        return self.do(self.reader.runs(work.id))[0].state

    def _events(self, work: Work, after: int = -1) -> list[Any]:
        return self.do(self.reader.look(work.id).events(after, 1_000_000)) if self._there(work) else []

    @invariant()
    def safe(self) -> None:
        self.wrong = True  # until it is known that nothing is
        self._safe()
        self.wrong = False

    def _safe(self) -> None:
        assert not self.provider.wrong, self.provider.wrong[0]
        assert self.provider.most <= (self.limits.concurrent or 1), "I14"
        assert not self.lost, self.lost
        for work in self.works:
            self._look(work)

    def _look(self, work: Work) -> None:
        if not self._there(work):
            return
        log = [encode(event) for event in self._events(work)]
        assert log[: len(work.log)] == work.log, "I7: what was written has changed"
        work.log = log
        work.audit.take(self._events(work, work.audit.seen - 1))
        journal = self.reader.look(work.id)
        steps = range(len(work.plan.steps))
        work.audit.values({step: self.do(journal.values(step)) for step in steps})
        job = work.run._job if work.run is not None else None
        if job is not None and job.error is None and job.written >= job.first:
            assert repr(job.state) == repr(work.audit.state), "I7: the state that is served is the fold of the journal"
        self._rate(work)

    def _rate(self, work: Work) -> None:
        """I2 of one run over all its lives, where the clock on the wall has not jumped forward between them."""
        if self.limits.rpm is None:
            return
        jumps = [wall - self.walls[wall] for wall in dict.fromkeys(wall for wall, _ in work.audit.calls)]
        if any(later > earlier for earlier, later in pairwise(jumps)):
            return
        at = sorted(self.walls[wall] + t for wall, t in work.audit.calls)
        for first, last in zip(at, at[self.limits.rpm :], strict=False):
            assert last - first >= 60_000_000, f"I2: {self.limits.rpm + 1} calls in {(last - first) / 1e6} s"

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        try:
            if not self.wrong:
                self._heal()
        finally:
            self._close()

    def _heal(self) -> None:
        """Everything is well again: then everything ends."""
        self.provider.weather = ["ok"]
        self.disk.heal()
        if not self._alive:
            self.do(self._kill())
            self._boot()
        for number, work in enumerate(self.works):
            if not work.going and self._there(work) and (not work.audit.over or self._state(work) == "running"):
                self.resume(number, False)
        self.do(asyncio.sleep(10_000))
        self.safe()
        for work in self.works:
            if self._there(work):
                work.audit.end()
                [record] = self.do(self.reader.runs(work.id))
                assert record.state == work.audit.state.state and record.accepted == len(work.audit.accepted)
        self.do(self.engine.__aexit__(StoreError, None, None))
        assert self.provider.in_air == 0
        assert not [task for task in asyncio.all_tasks(self.loop) if not task.done()], "tasks were left behind"

    def _close(self) -> None:
        if self.sqlite and self.beside is not None:
            self.do(self.inner.close())
            self.do(self.reader.close())
            self.beside.close()
        asyncio.set_event_loop(None)
        self.loop.close()
        self.undo.close()
        if self.folder is not None:
            shutil.rmtree(self.folder)


RunsMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("FANFOLD_MACHINES", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRunsMachine = RunsMachine.TestCase
