"""What was accepted in earlier runs of a step, for steps whose values are never the same as those of another run of the store.

Runs of one process that go on at the same time share one `Commons` for each step, for as long as one of them goes on. Whoever joins
reads the journals of all other runs of the plan, page by page; what is kept of them are the keys.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from fanfold.core.commons import Commons, Membership
from fanfold.core.cosine import unpacked
from fanfold.engine.job import Job
from fanfold.spec.calls import Fault
from fanfold.spec.errors import Code, StoreError
from fanfold.spec.events import AnyEvent, CellEnded, Coords, Reopened, RunStarted
from fanfold.spec.ports import Journal, RunRecord, Store

PAGE = 2_000  # events of a journal that are read at once

_lock = threading.Lock()
_open: dict[tuple[Hashable, str, str], Commons] = {}
"""By store, plan and step; only while a run that joined goes on."""


class Member(Membership):
    """Forgets the commons with the last run that leaves it: the journals know it all."""

    where: tuple[Hashable, str, str] | None = None

    def leave(self) -> None:
        super().leave()
        with _lock:
            if self.where is not None and not self.commons.joined and _open.get(self.where) is self.commons:
                del _open[self.where]


def _joined(store: Store | None, plan: str, step: str, run_id: str) -> Member:
    if store is None:
        return Commons().join(run_id, Member)
    where = (_named(store), plan, step)
    with _lock:
        commons = _open.get(where)
        if commons is None:
            commons = _open[where] = Commons(threading.Lock())
        member = commons.join(run_id, Member)
    member.where = where
    return member


def _named(store: Store) -> Hashable:
    """What is the same for two objects that are the same store: the file, where there is one."""
    path = getattr(store, "path", None)
    return id(store) if path is None else str(path.resolve() if hasattr(path, "resolve") else path)


async def recall(job: Job, steps: Iterable[int]) -> dict[int, Membership] | Fault:
    """The shared keys of these steps, with all that earlier runs have accepted; or why they cannot be had."""
    members: dict[int, Membership] = {}
    try:
        for step in steps:
            members[step] = _joined(job.store, job.plan.plan.name, job.plan.steps[step].name, job.run_id)
        if job.store is not None:
            await _read_all(job, job.store, {job.plan.steps[step].name: member.commons for step, member in members.items()})
    except StoreError as error:
        _leave(members)
        return Fault(code=Code.STORE, message=f"what earlier runs accepted cannot be read: {error}")
    except BaseException:
        _leave(members)
        raise
    return members


def _leave(members: Mapping[int, Membership]) -> None:
    for member in members.values():
        member.leave()


async def _read_all(job: Job, store: Store, commons: Mapping[str, Commons]) -> None:
    """Oldest first: what is likely is drawn first. Its own journal too, for a run that goes on after a break."""
    for record in reversed(await store.runs()):
        if record.plan != job.plan.plan.name:
            continue
        # who shares the keys has told them already; that of its own earlier life is in no memory
        wanted = {name: each for name, each in commons.items() if record.run_id == job.run_id or record.run_id not in each.joined}
        if wanted:
            if record.run_id == job.run_id:
                await _read_own(job, wanted)
            else:
                await _read(await _journal(store, record), record.run_id, wanted)


async def _read_own(job: Job, commons: Mapping[str, Commons]) -> None:
    """What its own earlier lives left: what is open again in this one has been told by now, and is void."""
    if not job.first:
        return
    kept: dict[tuple[int, Coords], tuple[str, bytes | None]] = {}
    after = -1
    while events := await job.journal.events(after, PAGE):
        for event in events:
            if isinstance(event, CellEnded) and event.state == "accepted" and event.key is not None:
                kept[event.step, event.at] = event.key, event.vector
            elif isinstance(event, Reopened):
                for at in event.at or ():
                    kept.pop((event.step, at), None)
        after = events[-1].seq
    for (step, _), (key, vector) in kept.items():
        each = commons.get(job.plan.steps[step].name)
        if each is not None:
            each.restore([(key, None if vector is None else unpacked(vector))])
    for each in commons.values():
        each.read[job.run_id] = max(after, each.read.get(job.run_id, -1))


async def _journal(store: Store, record: RunRecord) -> Journal:
    """To read only, where a store can: opening a journal writes the record of its run again."""
    look = getattr(store, "look", None)
    journal: Journal = look(record.run_id) if look is not None else await store.journal(record)
    return journal


async def _read(journal: Journal, run_id: str, commons: Mapping[str, Commons]) -> None:
    names: list[str] = []
    after = min(each.read.get(run_id, -1) for each in commons.values())
    if after >= 0:  # the names of its steps are in its first event
        names = _names(names, await journal.events(-1, 1))
    while events := await journal.events(after, PAGE):
        names = _names(names, events)
        for name, each in commons.items():
            each.restore(_accepted(events, names, name))
        after = events[-1].seq
    for each in commons.values():
        each.read[run_id] = max(after, each.read.get(run_id, -1))


def _names(names: list[str], events: Iterable[AnyEvent]) -> list[str]:
    for event in events:
        if isinstance(event, RunStarted):
            names = [facts.name for facts in event.steps]
    return names


def _accepted(events: Iterable[AnyEvent], names: list[str], step: str) -> list[tuple[str, Any]]:
    return [
        (event.key, None if event.vector is None else unpacked(event.vector))
        for event in events
        if isinstance(event, CellEnded) and event.state == "accepted" and event.key is not None and names[event.step] == step
    ]
