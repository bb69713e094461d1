"""The way of events out of the engine: the journal first, then everybody else."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from fanfold.core.run import Run
from fanfold.engine.answers import Entry
from fanfold.engine.job import Job
from fanfold.engine.refused import REFUSING
from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, CellEnded, Drafted, RunEnded, SpareEnded
from fanfold.spec.ports import Sink, Stored

logger = logging.getLogger("fanfold")


class Bus:
    """A value is visible only after it is written; a view that fails is taken off, and never stops a run."""

    def __init__(self, job_of: Callable[[Run], Job], forget: Callable[[Run], object]) -> None:
        """forget: told of a run whose last event is written."""
        self._job_of, self._forget = job_of, forget
        self._sinks: dict[str, list[Sink]] = {}

    def attach(self, job: Job, sink: Sink) -> None:
        self._sinks.setdefault(job.run_id, []).append(sink)

    async def publish(self, batches: Sequence[tuple[Run, list[AnyEvent]]]) -> None:
        """Write each run's batch, then show it. Raises StoreError."""
        jobs = [(self._job_of(run), events) for run, events in batches]
        if len(jobs) == 1:
            await self._write(*jobs[0])
        elif jobs:
            await asyncio.gather(*(self._write(job, events) for job, events in jobs))
        for (run, _), (job, events) in zip(batches, jobs, strict=True):
            job.wrote(events)
            await job.freezer.look(job.store, job.journal, job.run_id, job.state)
            await self._show(job, events)
            if job.ended:
                self._forget(run)

    async def _write(self, job: Job, events: list[AnyEvent]) -> None:
        events[:] = [job.with_text(event) if isinstance(event, Drafted) else event for event in events]
        values: list[Stored] = []
        kept = []
        known: list[Entry] = []
        for n, event in enumerate(events):
            if isinstance(event, REFUSING):
                event = events[n] = job.latest.told(event)
            if isinstance(event, SpareEnded):
                job.hand_over(event)
            elif isinstance(event, CellEnded):
                draft = job.drafts.pop((event.step, event.at), None)
                if draft is not None and event.state == "accepted":
                    events[n] = replace(event, verdict=draft.verdict) if draft.verdict else event
                    values.append(Stored(event.step, event.at, draft.data))
                    kept.append((event.step, event.at, draft.value, len(draft.data)))
                    known += draft.entries()
        try:
            await job.journal.append(events, values)
        except StoreError as error:
            job.broke(error)
            raise
        for step, at, value, size in kept:
            job.values.keep(step, at, value, size)
        if job.answers is not None:
            job.answers.keep(job.run_id, known)
            if isinstance(events[-1], RunEnded):
                await job.answers.flush()

    async def _show(self, job: Job, events: list[AnyEvent]) -> None:
        sinks = self._sinks.get(job.run_id, [])
        for sink in list(sinks):
            try:
                result = sink(events)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                logger.exception("a view failed and was removed: %r", sink)
                sinks.remove(sink)
        if job.ended:
            self._sinks.pop(job.run_id, None)
