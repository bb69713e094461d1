"""A process that writes batches for as long as it lives, and prints each number once it is durable. For test_crash."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from fanfold.store.sqlite import SqliteStore
from fanfold.testing.stores import called, ended, record, value


async def main(path: str, run: str, batches: int, durability: Any = "full") -> None:
    store = SqliteStore(path, durability=durability)
    journal = await store.journal(next(iter(await store.runs(run)), record(run)))
    start = len(await journal.events(-1, 1_000_000))
    for seq in range(start, start + 3 * batches, 3):
        await journal.append([called(seq), called(seq + 1), ended(seq + 2, (seq,))], [value(seq, data=b"%d" % seq * 200)])
        print(seq + 2, flush=True)
    await store.close()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
