"""Whole engine over loopback HTTP, SQLite journal at full durability: CPU of a call, over that of bare aiohttp with a semaphore.

The simulated provider is another process. Answers of about 1 kB after a fixed 50 ms, no faults; the same requests. Pairs are
interleaved, and the figure is the median of their ratios. CPU is of the whole client process, with the store's thread.
The engine renders, books, journals, decodes, checks and gathers the result; the bare client only decodes the response.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median

import aiohttp

from bench._service import ask_bare, ask_engine, ask_official, service
from fanfold import Engine, Limits
from fanfold.cli.execute import GC_THRESHOLD
from fanfold.store.sqlite import SqliteStore

MOST = 2.0
AT = ((64, 512, 9), (512, 1024, 7))  # (in the air, calls, pairs)
OFFICIAL_CALLS = 256
WARM = 3


def measure() -> Iterator[tuple[str, float, float | None]]:
    gc.freeze()  # as the program does, for both
    gc.set_threshold(*GC_THRESHOLD)
    with service() as url, tempfile.TemporaryDirectory() as folder:
        yield "characters of an answer, on average", asyncio.run(answer_size(url)), None
        for cap, calls, pairs in AT:
            for streamed in (False, True):
                store = SqliteStore(Path(folder) / f"{cap}-{streamed}.db")
                found = asyncio.run(paired(url, store, cap, calls, pairs, streamed=streamed))
                yield from figures(f"{cap} in the air, {'streamed' if streamed else 'plain'}", found)
                if cap == AT[0][0]:
                    official = asyncio.run(cpu_of_official(url, cap, streamed=streamed))
                    yield "    the official client over bare, once", official / median(bare for bare, _ in found), None


async def paired(url: str, store: SqliteStore, cap: int, calls: int, pairs: int, *, streamed: bool) -> list[tuple[float, float]]:
    """µs of CPU per call: (bare, ours), once for each pair."""
    engine = Engine("openai/sim", base_url=url, api_key="none", store=store, limits=Limits(concurrent=cap))
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    found = []
    async with engine, session:
        for _ in range(WARM + pairs):  # the first open connections, and let the pace grow
            bare = await cpu(lambda: ask_bare(session, url, calls, cap, streamed=streamed))
            ours = await cpu(lambda: ask_engine(engine, calls, streamed=streamed))
            found.append((bare / calls * 1e6, ours / calls * 1e6))
    await store.close()
    return found[WARM:]


def figures(what: str, pairs: list[tuple[float, float]]) -> list[tuple[str, float, float | None]]:
    return [
        (f"{what}: bare aiohttp, µs of CPU per call", median(bare for bare, _ in pairs), None),
        (f"{what}: the engine, µs of CPU per call", median(ours for _, ours in pairs), None),
        (f"{what}: the engine over bare", median(ours / bare for bare, ours in pairs), MOST),
    ]


async def answer_size(url: str) -> float:
    async with aiohttp.ClientSession() as session:
        return await ask_bare(session, url, 64, 64, streamed=False)


async def cpu_of_official(url: str, cap: int, *, streamed: bool) -> float:
    """µs of CPU per call, after a round that opens connections."""
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        await ask_official(client, cap, cap, streamed=streamed)
        spent = await cpu(lambda: ask_official(client, OFFICIAL_CALLS, cap, streamed=streamed))
        return spent / OFFICIAL_CALLS * 1e6


async def cpu(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds of CPU that this process spends on it, in all threads."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    await work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
