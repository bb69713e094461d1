"""What every store must do. Mix it into a test class, and pytest (asyncio_mode = auto) runs it:

>>> class TestMyStore(StoreConformance, DurableConformance):
...     def make(self):
...         return MyStore(self.path)
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, BundleEnded, Called, CellEnded, Coords, Grew, RunEnded, RunStarted, StepFacts
from fanfold.spec.ports import RunRecord, Store, Stored

S = TypeVar("S", bound=Store)


def record(run_id: str = "r1", **changes: Any) -> RunRecord:
    return msgspec.structs.replace(RunRecord(run_id=run_id, plan="haiku", started=1.5, about=b'{"seed": 7}'), **changes)


def started(seq: int, *cells: int) -> RunStarted:
    """One step for each number, with that many cells."""
    return RunStarted(seq, 0, "haiku", 7, tuple(StepFacts(f"step{i}", ("day",), size) for i, size in enumerate(cells)), 8)


def called(seq: int) -> Called:
    return Called(seq, 10 * seq, 0, (seq,), seq, 1, 0, 1, 120)


def ended(seq: int, at: Coords = (0,), *, step: int = 0, state: str = "accepted") -> CellEnded:
    return CellEnded(seq, 10 * seq, step, at, state, "", "", "", 1, "a key", {"sections": 3}, 5)


def calls(start: int, stop: int) -> list[AnyEvent]:
    return [called(seq) for seq in range(start, stop)]


def value(*at: int, step: int = 0, data: bytes = b'{"title": "Frog \xe2\x80\x93 pond"}') -> Stored:
    return Stored(step, at, data)


async def refused(deed: Awaitable[Any]) -> str:
    """The message of the StoreError that it must raise."""
    try:
        await deed
    except StoreError as error:
        return str(error)
    raise AssertionError("a StoreError was expected")


def numbers(events: Sequence[AnyEvent]) -> list[int]:
    return [event.seq for event in events]


@asynccontextmanager
async def opened(store: S) -> AsyncIterator[S]:
    """Closed at the end."""
    try:
        yield store
    finally:
        await store.close()


class StoreConformance(ABC):
    """The port, for any store."""

    @abstractmethod
    def make(self) -> Store:
        """A new and empty store."""

    async def test_events_come_back_as_they_were_written(self) -> None:
        written: list[AnyEvent] = [
            started(0, 3, 2), called(1), ended(2), Grew(3, 40, 1, 5), BundleEnded(4, 50, 1, (1,), 0, 4, "skipped", "upstream"),
            RunEnded(5, 60, "partial", "timeout"),
        ]  # fmt: skip
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append(written[:2], [])
            await journal.append(written[2:], [value(0)])
            assert await journal.events(-1, 100) == written

    async def test_any_slice_of_the_events(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            for start, stop in ((0, 1), (1, 4), (4, 5), (5, 9)):
                await journal.append(calls(start, stop), [])
            for after in range(-1, 10):
                for limit in (0, 1, 2, 3, 100):
                    assert numbers(await journal.events(after, limit)) == list(range(9))[after + 1 :][:limit]

    async def test_a_new_journal_is_empty(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            assert await journal.events(-1, 10) == []
            assert await journal.values(0) == []
            assert await journal.values(3, [(0,)]) == []

    async def test_what_is_appended_is_visible_once_append_returns(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            for seq in range(20):
                assert await journal.events(seq - 1, 10) == []
                await journal.append([ended(seq, (seq,))], [value(seq)])
                assert numbers(await journal.events(seq - 1, 10)) == [seq]
                assert await journal.values(0, [(seq,)]) == [value(seq)]
                assert (await store.runs("r1"))[0].accepted == seq + 1

    async def test_a_gap_or_a_repeat_is_refused_and_nothing_is_kept(self) -> None:
        async with opened(self.make()) as store:
            await (await store.journal(record())).append(calls(0, 3), [])
            for wrong in (calls(4, 5), calls(2, 4), calls(0, 1), [called(3), called(5)], [called(3), called(3)]):
                journal = await store.journal(record())
                assert "r1" in await refused(journal.append(wrong, [value(9)]))
                assert numbers(await journal.events(-1, 100)) == [0, 1, 2]
                assert await journal.values(0) == []

    async def test_the_first_event_is_number_zero(self) -> None:
        async with opened(self.make()) as store:
            await refused((await store.journal(record())).append(calls(1, 2), []))

    async def test_a_second_value_for_a_cell_is_refused_and_nothing_is_kept(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append([ended(0, (1, 2))], [value(1, 2)])
            again = [value(0, 0), value(1, 2, data=b'"another"')]
            assert "r1" in await refused(journal.append([ended(1, (0, 0)), ended(2, (1, 2))], again))
            assert numbers(await journal.events(-1, 10)) == [0]
            assert await journal.values(0) == [value(1, 2)]
            assert (await store.runs("r1"))[0].accepted == 1
            journal = await store.journal((await store.runs("r1"))[0])
            await journal.append([ended(1, (0, 0))], [value(0, 0)])
            assert numbers(await journal.events(-1, 10)) == [0, 1]
            assert await journal.values(0) == [value(0, 0), value(1, 2)]

    async def test_a_value_twice_in_one_batch_is_refused(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await refused(journal.append([called(0)], [value(0), value(0)]))
            assert await journal.values(0) == []
            assert await journal.events(-1, 10) == []

    async def test_a_value_is_written_with_its_event(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await refused(journal.append([], [value(0)]))
            assert await journal.values(0) == []

    async def test_a_journal_that_refused_takes_nothing_more_until_it_is_opened_anew(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await refused(journal.append(calls(1, 2), []))
            assert "anew" in await refused(journal.append(calls(0, 1), []))
            journal = await store.journal(record())
            await journal.append(calls(0, 1), [])
            assert numbers(await journal.events(-1, 10)) == [0]

    async def test_one_refused_run_does_not_take_the_others_with_it(self) -> None:
        async with opened(self.make()) as store:
            journals = [await store.journal(record(f"r{i}")) for i in range(5)]
            batches = [calls(int(i == 2), 3) for i in range(5)]
            results = await asyncio.gather(
                *(journal.append(batch, []) for journal, batch in zip(journals, batches, strict=True)), return_exceptions=True
            )
            assert [type(result) is type(None) for result in results] == [True, True, False, True, True]
            assert [len(await journal.events(-1, 10)) for journal in journals] == [3, 3, 0, 3, 3]

    async def test_all_values_come_in_axis_order(self) -> None:
        cells = [(7, 300), (0, 70_000), (256, 0), (0, 2), (7, 4), (1, 0), (0, 10)]
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            for seq, at in enumerate(cells):
                await journal.append([ended(seq, at)], [value(*at), value(*at, step=1, data=b"1")])
            assert await journal.values(0) == [value(*at) for at in sorted(cells)]
            assert await journal.values(1) == [value(*at, step=1, data=b"1") for at in sorted(cells)]
            assert await journal.values(2) == []

    async def test_values_asked_for_come_in_the_order_of_asking(self) -> None:
        size = 1200
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            there = [at for at in range(size) if at % 7]
            await journal.append([called(0)], [value(at, data=b"%d" % at) for at in there])
            asked = [(at * 7919) % size for at in range(size)]
            found = await journal.values(0, [(at,) for at in asked])
            assert [v.at[0] for v in found] == [at for at in asked if at % 7]
            assert all(v.data == b"%d" % v.at[0] for v in found)
            assert await journal.values(0, []) == []
            assert [v.at for v in await journal.values(0, [(1,), (0,), (1,)])] == [(1,), (1,)]

    async def test_a_cell_without_axes_has_a_value(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append([ended(0, ())], [value()])
            assert await journal.values(0) == await journal.values(0, [()]) == [value()]

    async def test_runs_do_not_see_each_other(self) -> None:
        async with opened(self.make()) as store:
            one, two = await store.journal(record("one")), await store.journal(record("two"))
            for seq in range(10):
                await one.append([ended(seq, (seq,))], [value(seq, data=b"1")])
                await two.append([ended(seq, (seq,))], [value(seq, data=b"2")])
            assert {v.data for v in await one.values(0)} == {b"1"}
            assert numbers(await two.events(-1, 100)) == list(range(10))
            assert [run.accepted for run in await store.runs()] == [10, 10]

    async def test_a_thousand_tasks_append_at_once(self) -> None:
        async with opened(self.make()) as store:
            journals = [await store.journal(record(f"r{i}")) for i in range(4)]
            await asyncio.gather(
                *(journals[n % 4].append([ended(n // 4, (n,))], [value(n, data=b"%d" % n)]) for n in range(1000))
            )
            for i, journal in enumerate(journals):
                assert numbers(await journal.events(-1, 1000)) == list(range(250))
                assert await journal.values(0) == [value(n, data=b"%d" % n) for n in range(i, 1000, 4)]

    async def test_a_cancelled_append_harms_nobody(self) -> None:
        async with opened(self.make()) as store:
            journals = [await store.journal(record(f"r{i}")) for i in range(6)]
            tasks = [asyncio.create_task(journal.append(calls(0, 2), [])) for journal in journals]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for journal in journals:  # all of a cancelled batch may have been written, or nothing
                assert numbers(await journal.events(-1, 10)) in ([0, 1], [])
            assert all([len(await journal.events(-1, 10)) == 2 for journal in journals[1::2]])

    async def test_the_callers_lists_stay_the_callers(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            events, values = calls(0, 3), [value(0)]
            task = asyncio.create_task(journal.append(events, values))
            await asyncio.sleep(0)
            events.clear()
            values.clear()
            await task
            (await journal.events(-1, 10)).clear()
            assert numbers(await journal.events(-1, 10)) == [0, 1, 2]
            assert await journal.values(0) == [value(0)]

    # ---------------------------------------------------------------- runs

    async def test_runs_are_listed_newest_first(self) -> None:
        async with opened(self.make()) as store:
            for name, at in (("b", 2.0), ("a", 1.0), ("d", 3.25), ("c", 3.0), ("e", 3.25)):
                await store.journal(record(name, started=at))
            assert [run.run_id for run in await store.runs()] == ["e", "d", "c", "b", "a"]

    async def test_an_unknown_run_is_an_empty_list(self) -> None:
        async with opened(self.make()) as store:
            assert await store.runs() == await store.runs("nobody") == []
            await store.journal(record())
            assert await store.runs("nobody") == []

    async def test_a_record_comes_back_as_it_was_given(self) -> None:
        given = record("r – 1/ü", cost_usd=0.125, about=b"\x00\xff not JSON", started=1700000000.123456, plan="", state="queued")
        async with opened(self.make()) as store:
            await store.journal(given)
            assert await store.runs(given.run_id) == await store.runs() == [given]

    async def test_the_life_of_a_record(self) -> None:
        async with opened(self.make()) as store:

            async def now() -> RunRecord:
                (found,) = await store.runs("r1")
                return found

            journal = await store.journal(record())
            await journal.append([started(0, 3, 0)], [])
            assert await now() == record(cells=3)
            await journal.append([ended(1), ended(2, (1,), state="failed"), Grew(3, 9, 1, 40)], [value(0)])
            assert await now() == record(cells=43, accepted=1)
            filled, skipped = BundleEnded(4, 9, 1, (), 5, 15, "accepted", ""), BundleEnded(5, 9, 1, (), 15, 40, "skipped", "")
            await journal.append([filled, skipped], [])
            assert await now() == record(cells=43, accepted=11)
            await journal.append([RunEnded(6, 10, "partial", "")], [])
            assert await now() == record(cells=43, accepted=11, state="partial")

    async def test_a_known_run_has_its_record_replaced_and_its_journal_kept(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append([started(0, 3), ended(1), RunEnded(2, 9, "cancelled", "cancelled")], [value(0)])
            again = record(plan="haiku 2", about=b"new", cost_usd=2.0, cells=3, accepted=1, state="queued")
            journal = await store.journal(again)
            assert await store.runs() == [again]
            assert numbers(await journal.events(-1, 10)) == [0, 1, 2]
            await journal.append([started(3, 2), Grew(4, 1, 0, 7), ended(5, (1,)), RunEnded(6, 9, "complete", "")], [value(1)])
            (run,) = await store.runs()
            assert (run.state, run.cells, run.accepted, run.cost_usd) == ("complete", 7, 2, 2.0)

    async def test_after_close_everything_is_refused(self) -> None:
        store = self.make()
        journal = await store.journal(record())
        await store.close()
        await store.close()
        for deed in (
            journal.append([called(0)], []), journal.events(-1, 1), journal.values(0), store.runs(), store.journal(record())
        ):  # fmt: skip
            assert "closed" in await refused(deed)

    async def test_a_store_that_was_never_used_closes(self) -> None:
        await self.make().close()


class DurableConformance(ABC):
    """For a store that outlives its process."""

    @abstractmethod
    def make(self) -> Store:
        """The store under test: the same one whenever it is made again in one test."""

    async def test_opened_again_it_gives_the_same(self) -> None:
        async with opened(self.make()) as store:
            journal = await store.journal(record())
            await journal.append([started(0, 2), ended(1)], [value(0)])
            await journal.append([ended(2, (1,)), RunEnded(3, 5, "complete", "")], [value(1)])
            before = (await store.runs(), await journal.events(-1, 10), await journal.values(0))
        async with opened(self.make()) as store:
            assert await store.runs() == before[0] == [record(state="complete", cells=2, accepted=2)]
            journal = await store.journal(before[0][0])
            assert (await store.runs(), await journal.events(-1, 10), await journal.values(0)) == before

    async def test_a_journal_goes_on_where_it_ended(self) -> None:
        for life in range(3):
            async with opened(self.make()) as store:
                journal = await store.journal(record())
                assert len(await journal.events(-1, 100)) == 5 * life
                await journal.append(calls(5 * life, 5 * life + 5), [])
        async with opened(self.make()) as store:
            assert numbers(await (await store.journal(record())).events(-1, 100)) == list(range(15))

    async def test_close_writes_what_waits(self) -> None:
        store = self.make()
        journals = [await store.journal(record(f"r{i}")) for i in range(50)]
        tasks = [asyncio.create_task(journal.append(calls(0, 3), [])) for journal in journals]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*tasks)
        async with opened(self.make()) as store:
            assert len(await store.runs()) == 50
            assert numbers(await (await store.journal(record("r49"))).events(-1, 10)) == [0, 1, 2]

    async def test_two_stores_on_one_place_see_each_other(self) -> None:
        async with opened(self.make()) as one, opened(self.make()) as two:
            mine = await one.journal(record("mine"))
            theirs = await two.journal(record("theirs"))
            await asyncio.gather(*(j.append([called(seq)], []) for seq in range(20) for j in (mine, theirs)))
            assert {run.run_id for run in await one.runs()} == {run.run_id for run in await two.runs()} == {"mine", "theirs"}
