"""What every store of ours must do with runs that nobody works on, and with who works on them. Beside `stores`, and mixed in like it:

>>> class TestMyStore(StoreConformance, ArchiveConformance, DurableConformance, LeaseConformance):
...     def make(self):
...         return MyStore(self.path, clock=self.clock)
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from fanfold.spec.events import RunEnded
from fanfold.spec.ports import Snapshot
from fanfold.testing.stores import called, calls, ended, numbers, opened, record, refused, started, value


class Time:
    """A clock that is set by hand, in seconds."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class ArchiveConformance(ABC):
    """Looking, deleting, snapshots: for any store."""

    @abstractmethod
    def make(self) -> Any:
        """A new and empty store."""

    async def test_looking_reads_and_records_nothing(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append([started(0, 2), ended(1)], [value(0)])
            look = store.look("r1")
            assert numbers(await look.events(-1, 10)) == [0, 1]
            assert await look.values(0) == [value(0)]
            assert await store.runs() == [record(cells=2, accepted=1)]
            await journal.append([ended(2, (1,))], [])
            assert numbers(await look.events(1, 10)) == [2]

    async def test_looking_at_an_unknown_run_is_refused(self) -> None:
        async with opened(self.make()) as store:
            assert "nobody" in await refused(store.look("nobody").events(-1, 10))
            assert await store.runs() == []

    async def test_a_deleted_run_is_gone_and_the_others_are_not(self) -> None:
        async with opened(self.make()) as store:
            for name in ("r1", "r2"):
                journal = await store.journal(record(name))
                await journal.append([started(0, 1), ended(1), RunEnded(2, 30, "complete", "")], [value(0)])
                await store.keep(name, Snapshot(2, b"frozen"))
            await store.delete("r1")
            assert [run.run_id for run in await store.runs()] == ["r2"]
            assert "r1" in await refused(store.look("r1").events(-1, 10))
            assert await store.latest("r1") is None
            assert numbers(await store.look("r2").events(-1, 10)) == [0, 1, 2]
            assert await store.look("r2").values(0) == [value(0)]
            assert await store.latest("r2") == Snapshot(2, b"frozen")
            fresh = await store.journal(record("r1"))
            assert await fresh.events(-1, 10) == [] and await fresh.values(0) == []

    async def test_what_is_not_there_cannot_be_deleted(self) -> None:
        async with opened(self.make()) as store:
            assert "not in the store" in await refused(store.delete("nobody"))
            await (await store.journal(record())).append([called(0), RunEnded(1, 1, "complete", "")], [])
            await store.delete("r1")
            assert "not in the store" in await refused(store.delete("r1"))

    async def test_a_run_that_goes_on_cannot_be_deleted(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            assert "going on" in await refused(store.delete("r1"))
            await journal.append(calls(0, 3), [])
            assert "going on" in await refused(store.delete("r1"))
            await journal.append([RunEnded(3, 40, "cancelled", "cancelled")], [])
            await store.delete("r1")
            assert await store.runs() == []

    async def test_nothing_is_written_for_a_run_that_was_deleted(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append([called(0), RunEnded(1, 1, "complete", "")], [])
            await store.delete("r1")
            assert "r1" in await refused(journal.append([called(2)], []))
            assert "r1" in await refused(store.keep("r1", Snapshot(0, b"")))
            assert await store.runs() == []

    async def test_the_last_snapshot_is_kept(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append(calls(0, 9), [])
            assert await store.latest("r1") is None
            for seq in (3, 8):
                await store.keep("r1", Snapshot(seq, b"\x00\xff" * seq))
                assert await store.latest("r1") == Snapshot(seq, b"\x00\xff" * seq)
            assert await store.latest("nobody") is None

    async def test_a_snapshot_of_what_is_not_written_is_refused(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append(calls(0, 3), [])
            assert "event 3" in await refused(store.keep("r1", Snapshot(3, b"")))
            assert "nobody" in await refused(store.keep("nobody", Snapshot(0, b"")))
            assert await store.latest("r1") is None
            await journal.append(calls(3, 5), [])  # the journal is well


class LeaseConformance(ABC):
    """One works on a run, and nobody else: for a store that several may open at once. `make` gives it `self.clock`, and a term of 30 s."""

    clock: Time

    @abstractmethod
    def make(self) -> Any:
        """The store under test: the same one whenever it is made again in one test."""

    def later(self, seconds: float) -> Any:
        """The same store for one that lives later: those made before stand still, as a process does that was stopped."""
        self.clock = Time(self.clock.now + seconds)
        return self.make()

    async def test_nobody_else_works_on_a_run_that_goes_on(self) -> None:
        async with opened(self.make()) as one, opened(self.make()) as two:
            journal = await one.journal(record())
            await journal.append(calls(0, 2), [])
            assert "is working on it" in await refused(two.journal(record()))
            assert "is working on it" in await refused(two.delete("r1"))
            assert "is working on it" in await refused(two.look("r1").append(calls(2, 3), []))
            assert "is working on it" in await refused(two.keep("r1", Snapshot(1, b"")))
            assert numbers(await two.look("r1").events(-1, 10)) == [0, 1]
            await journal.append(calls(2, 4), [])
            await two.journal(record("r2"))  # a refusal harms nothing else
            assert [run.state for run in await two.runs("r1")] == ["running"]

    async def test_a_run_that_has_ended_is_anybodys(self) -> None:
        async with opened(self.make()) as one, opened(self.make()) as two:
            first = await one.journal(record())
            await first.append([*calls(0, 2), RunEnded(2, 30, "partial", "")], [])
            second = await two.journal(record())
            await second.append(calls(3, 5), [])
            assert "is working on it" in await refused(one.journal(record()))
            await second.append([RunEnded(5, 60, "complete", "")], [])
            await one.delete("r1")
            assert await two.runs() == []

    async def test_a_closed_store_leaves_its_runs_to_others(self) -> None:
        async with opened(self.make()) as two:
            async with opened(self.make()) as one:
                await (await one.journal(record())).append(calls(0, 2), [])
                assert "is working on it" in await refused(two.journal(record()))
            journal = await two.journal(record())
            await journal.append(calls(2, 3), [])
            assert numbers(await journal.events(-1, 10)) == [0, 1, 2]

    async def test_whoever_lost_the_lease_writes_nothing_more(self) -> None:
        """Stopped for longer than the lease holds, and woken up: Q4."""
        async with opened(self.make()) as one:
            stale = await one.journal(record())
            await stale.append(calls(0, 2), [])
            async with opened(self.later(31)) as two:
                journal = await two.journal(record())
                assert "taken it over" in await refused(stale.append(calls(2, 4), []))  # before the other has written anything
                await journal.append([ended(2, (0,))], [value(0)])
                assert "taken it over" in await refused(one.look("r1").append(calls(2, 4), []))
                assert "r1" in await refused(one.look("r1").append(calls(3, 4), []))
                assert "is working on it" in await refused(one.keep("r1", Snapshot(1, b"")))
                assert "is working on it" in await refused(one.journal(record(plan="another")))
                assert numbers(await two.look("r1").events(-1, 10)) == [0, 1, 2]
                assert await two.latest("r1") is None
                assert [run.plan for run in await two.runs()] == ["haiku"]
                await journal.append(calls(3, 5), [])

    async def test_it_writes_nothing_after_the_other_has_ended_either(self) -> None:
        async with opened(self.make()) as one:
            stale = await one.journal(record())
            await stale.append(calls(0, 2), [])
            async with opened(self.later(31)) as two:
                journal = await two.journal(record())
                await journal.append([RunEnded(2, 30, "complete", "")], [])
                assert "r1" in await refused(stale.append(calls(2, 3), []))
                assert "r1" in await refused(one.look("r1").append(calls(3, 4), []))
                again = await one.journal(record())  # knowingly, it may
                await again.append(calls(3, 4), [])
                assert numbers(await again.events(-1, 10)) == [0, 1, 2, 3]

    async def test_an_old_number_is_refused_even_when_the_run_was_made_anew(self) -> None:
        async with opened(self.make()) as one:
            stale = await one.journal(record())
            async with opened(self.later(31)) as two:
                journal = await two.journal(record())
                await journal.append([RunEnded(0, 1, "failed", "")], [])
                await two.delete("r1")
                await two.journal(record())
                assert "r1" in await refused(stale.append(calls(0, 1), []))
                assert await two.look("r1").events(-1, 10) == []

    async def test_writing_and_waiting_keep_the_lease(self) -> None:
        async with opened(self.make()) as one, opened(self.make()) as two:
            journal = await one.journal(record())
            for seq in range(12):
                self.clock.now += 15
                await journal.append([called(seq)], [])
                assert "is working on it" in await refused(two.journal(record()))

    async def test_only_one_of_many_gets_a_run(self) -> None:
        async with opened(self.make()) as first:
            await (await first.journal(record())).append([RunEnded(0, 1, "partial", "")], [])
        stores = [self.make() for _ in range(5)]
        try:
            found = await asyncio.gather(*(store.journal(record()) for store in stores), return_exceptions=True)
            journals = [each for each in found if not isinstance(each, BaseException)]
            assert len(journals) == 1
            await journals[0].append(calls(1, 3), [])
        finally:
            for store in stores:
                await store.close()
