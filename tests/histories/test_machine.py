"""A machine of rules over the real shell in virtual time: submit, wait, change the weather, cancel; and what must hold after every rule."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fanfold.core.fold import RunState
from fanfold.engine.job import Job
from fanfold.engine.shell import Shell
from fanfold.spec.events import AnyEvent
from fanfold.spec.ports import RunRecord
from fanfold.store.memory import MemoryStore
from fanfold.testing.invariants import Invariants
from fanfold.testing.virtual import VirtualClock, VirtualLoop
from fanfold.testing.weather import SECOND, Climate, World, WorldAttempts, conductor_of, plan_of, rules_of

BASE = Climate(seed=7, cap=3, lanes=2, names=40)


class EngineMachine(RuleBasedStateMachine):
    """Several runs in one engine. Events are journaled; each run's are watched as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.lost: list[object] = []
        self.loop.set_exception_handler(lambda _, context: self.lost.append(context))
        self.conductor, self.world, self.store = conductor_of(BASE), World(BASE), MemoryStore()
        self.shell = Shell(self.conductor, VirtualClock())
        self.shell.attempts = WorldAttempts(self.world)  # type: ignore[assignment]
        self.jobs: list[Job] = []
        self.watches: dict[str, Invariants] = {}
        self.failures: list[AssertionError] = []

    def step(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(
        docs=st.integers(1, 3),
        langs=st.integers(1, 2),
        days=st.sampled_from([0, 0, 2]),
        deadline=st.sampled_from([None, None, 5, 60]),
    )
    def submit(self, docs: int, langs: int, days: int, deadline: int | None) -> None:
        self.loop.run_until_complete(self._submit(replace(BASE, docs=docs, langs=langs, days=days), deadline))

    async def _submit(self, climate: Climate, deadline_s: int | None) -> None:
        deadline = None if deadline_s is None else deadline_s * SECOND
        climate = replace(climate, deadline=deadline)
        name = f"run {len(self.jobs)}"
        plan = plan_of(climate)
        job = Job(name, plan, [], await self.store.journal(RunRecord(run_id=name, plan="weather", started=0.0)))

        def told(events: Sequence[AnyEvent]) -> None:
            try:
                if name not in self.watches:
                    assert job.run is not None
                    self.watches[name] = Invariants(climate, self.conductor, job.run, self.world)
                self.watches[name].step(events, self.shell.clock.now())
            except AssertionError as error:
                self.failures.append(error)

        self.shell.start(job, rules_of(plan, climate), seed=len(self.jobs), cap=None, deadline=deadline, sinks=[told])
        self.jobs.append(job)

    @rule(seconds=st.sampled_from([0, 1, 1, 2, 5, 30, 300]))
    def advance(self, seconds: int) -> None:
        self.step(seconds)

    @rule(faults=st.sampled_from([0.0, 0.2, 0.9]), findings=st.sampled_from([0.0, 0.5]), names=st.sampled_from([2, 40]))
    def weather(self, faults: float, findings: float, names: int) -> None:
        self.world.climate = replace(BASE, faults=faults, findings=findings, names=names, refused=0.0)

    @precondition(lambda self: self.jobs)
    @rule(which=st.integers(0, 50), twice=st.booleans())
    def cancel(self, which: int, twice: bool) -> None:
        self.loop.run_until_complete(self._cancel(self.jobs[which % len(self.jobs)], twice))

    async def _cancel(self, job: Job, twice: bool) -> None:
        assert job.run is not None
        watch = self.watches.get(job.run_id)
        if watch is not None and not job.ended and job.run.stop is None:
            watch.climate = replace(watch.climate, cancel=self.shell.clock.now() - job.run.origin)
        for _ in range(1 + twice):
            self.shell.cancel(job)

    @invariant()
    def safe(self) -> None:
        if self.failures:
            raise self.failures[0]
        assert not self.lost, self.lost

    @invariant()
    def the_state_is_the_fold_of_the_journal(self) -> None:
        for job in self.jobs[-3:]:
            events = self.loop.run_until_complete(job.journal.events(-1, 100_000))
            assert repr(job.state) == repr(RunState().apply_all(events))

    def teardown(self) -> None:
        """Heal the weather, then demand that everything ends."""
        self.world.climate = replace(BASE, faults=0.0, findings=0.0, refusals=0.0, broken=0.0, names=10_000)
        self.step(100_000)
        self.safe()
        for job in self.jobs:
            assert job.ended and job.error is None, f"{job.run_id} never ended: {self.conductor!r}"
            self.watches[job.run_id].end()
        self.loop.run_until_complete(self.shell.close())
        assert not [task for task in asyncio.all_tasks(self.loop) if not task.done()], "tasks were left behind"
        asyncio.set_event_loop(None)
        self.loop.close()


EngineMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("FANFOLD_MACHINES", "60")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestEngineMachine = EngineMachine.TestCase
