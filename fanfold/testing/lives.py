"""Histories with several lives: the process is killed after a durable write, and another one goes on with what is in the journal.

Every batch of events is one write. To be killed before a write is to be killed after the one before it, so all crash points are the ends
of batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fanfold.core.fold import RunState
from fanfold.core.freeze import freeze, thaw
from fanfold.core.grid import Grid
from fanfold.core.past import Past
from fanfold.core.relive import Life
from fanfold.spec.events import AnyEvent
from fanfold.testing.heap import Heap
from fanfold.testing.invariants import Invariants
from fanfold.testing.weather import SECOND, Climate, World, conductor_of, plan_of, rules_of, spent

AWAY = (0, 1, 30 * SECOND, 3600 * SECOND)
"""How long a run lies there before somebody goes on with it."""


class Killed(Exception):
    """The process is gone."""


def lives_history(climate: Climate, kills: Sequence[int]) -> list[AnyEvent]:
    """The run's journal after all its lives, every step of them watched. kills: after how many writes each life but the last ends.

    Raises AssertionError for what may not be.
    """
    watch: Invariants | None = None
    log: list[AnyEvent] = []
    now = 0
    for life, kill in enumerate([*kills, None]):
        calm = replace(climate, seed=climate.seed + 1_000_003 * life) if life else climate
        calm = calm if kill is not None or not life else replace(calm, cancel=None, deadline=None)  # the last one ends by itself
        watch, heap = _live(calm, climate.seed, life, kill, log, watch, now)
        log += heap.log.get(0, [])
        if watch.over and kill is not None:
            break
        now = heap.now + AWAY[(climate.seed + life) % len(AWAY)]
    assert watch is not None
    assert repr(RunState().apply_all(log)) == repr(watch.state), "the state that is served is the fold of the journal"
    return log


def _live(
    climate: Climate, seed: int, life: int, kill: int | None, log: Sequence[AnyEvent], watch: Invariants | None, now: int
) -> tuple[Invariants, Heap]:
    plan, conductor, world = plan_of(climate), conductor_of(climate), World(climate)
    past: Past | None = None
    if life and log:
        past = thaw(Past, freeze(Past().apply_all(log)))  # as a snapshot would give it
        assert past is not None
        seed = past.seed
    began = replace(climate, seed=seed)
    run = conductor.add(
        Grid(plan), rules_of(plan, climate), now, seed=began.seed, deadline=climate.deadline, life=Life(now, past)
    )  # fmt: skip
    if watch is None or past is None:
        watch = Invariants(climate, conductor, run, world)
    else:
        watch.revive(climate, conductor, run, world)
    watching = watch
    first = watch.seen

    writes = 0

    def step(heap: Heap) -> None:
        nonlocal writes
        told = heap.log.get(run.id, [])[watching.seen - first :]
        writes += bool(told)
        watching.step(told, heap.now)
        if kill is not None and writes >= kill and not watching.over:
            raise Killed

    def earlier(of: int) -> list[str]:
        return [str(key[-1]) for (number, _), key in watching.own_key.items() if number == of]

    heap = Heap(
        conductor,
        world.fly,
        world.prepare,
        spent,
        step,
        now=now,
        offer=world.offer,
        earlier=earlier,
        told=world.remember,
        fly_together=world.fly_together,
    )
    if climate.cancel is not None:
        heap.at.append((now + climate.cancel, lambda: conductor.cancel(run, heap.now)))
    try:
        heap.run()
    except Killed:
        return watch, heap
    watch.end()
    return watch, heap
