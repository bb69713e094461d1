"""Where a call's CPU goes at 64 in flight, plain answers over loopback HTTP: µs by room, the engine's and a bare client's.

By sampling. Shares are steady to a few hundredths; µs depend on the machine and on who else uses it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from bench._sampling import Room, Sample
from bench._service import ask_bare, ask_engine, service
from fanfold import Engine, Limits
from fanfold.store.sqlite import SqliteStore

CAP, CALLS, ROUNDS = 64, 1024, 10


def _room(name: str, part: str, *functions: str) -> Room:
    return (name, part, frozenset(functions))


BEFORE = ("prepare", "prepare_at_once", "_gather", "_user_cell", "_messages", "_render", "_work", "labels", "axis_value")
ROOMS = (
    _room("limiter", "/core/limiter.py"),
    _room("events and folds", "/core/fold.py"),
    _room("events and folds", "/core/counts.py"),
    _room("events and folds", "/engine/bus.py", "_show"),
    _room("events and folds", "/engine/job.py", "wrote", "wake", "more"),
    _room("prompts", "/engine/prompts.py"),
    _room("prompts", "/engine/tokens.py"),
    _room("prompts", "/spec/template.py"),
    _room("prompts", "/spec/plan.py"),
    _room("prompts", "/engine/attempt.py", *BEFORE),
    _room("prompts", "/engine/job.py"),
    _room("conductor", "/fanfold/core/"),
    _room("journal and store", "/fanfold/store/"),
    _room("journal and store", "/engine/bus.py"),
    _room("journal and store", "/fanfold/api.py"),
    _room("request encode", "/providers/openai.py", "encode", "response_format", "_strict"),
    _room("request encode", "/engine/attempt.py", "_request"),
    _room("request encode", "/bench/_service.py", "body"),
    _room("request encode", "/json/encoder.py"),
    _room("decode and validate", "/providers/chat.py"),
    _room("decode and validate", "/providers/reading.py"),
    _room("decode and validate", "/providers/usage.py"),
    _room("decode and validate", "/providers/taxonomy.py"),
    _room("decode and validate", "/providers/schema.py"),
    _room("decode and validate", "/providers/openai.py"),
    _room("decode and validate", "/engine/shapes.py"),
    _room("decode and validate", "/engine/usercode.py"),
    _room("decode and validate", "/engine/attempt.py"),
    _room("decode and validate", "/json/decoder.py"),
    _room("wire", "/fanfold/providers/"),
    _room("wire", "/aiohttp/"),
    _room("wire", "/yarl/"),
    _room("wire", "/asyncio/selector_events.py"),
    _room("wire", "/asyncio/streams.py"),
    _room("result", "/fanfold/result.py"),
    _room("result", "/engine/values.py"),
    _room("dispatch", "/fanfold/engine/"),
    _room("asyncio", "/asyncio/"),
    _room("asyncio", "/selectors.py"),
    _room("elsewhere", "/bench/_service.py"),
)


def measure() -> Iterator[tuple[str, float, float | None]]:
    with service() as url, tempfile.TemporaryDirectory() as folder:
        ours, bare = asyncio.run(sampled(url, Path(folder)))
    calls = CALLS * ROUNDS
    for name, sample in (("engine", ours), ("bare", bare)):
        for room, seconds in sample.rooms.most_common():
            yield f"{name}: {room}, µs per call", seconds / calls * 1e6, None
        yield f"{name}: other threads (the store's), µs per call", sample.other_threads / calls * 1e6, None
        whole = sum(sample.rooms.values()) + sample.other_threads
        yield f"{name}: all, µs per call, of {sample.looks:,} looks", whole / calls * 1e6, None


async def sampled(url: str, folder: Path) -> tuple[Sample, Sample]:
    ours, bare = Sample(ROOMS), Sample(ROOMS)
    store = SqliteStore(folder / "rooms.db")
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    async with (
        Engine("openai/sim", base_url=url, api_key="none", store=store, limits=Limits(concurrent=CAP)) as engine,
        session,
    ):
        await ask_engine(engine, CAP, streamed=False)
        await ask_bare(session, url, CAP, CAP, streamed=False)
        for _ in range(ROUNDS):
            with ours.taken():
                await ask_engine(engine, CALLS, streamed=False)
            with bare.taken():
                await ask_bare(session, url, CALLS, CAP, streamed=False)
    await store.close()
    return ours, bare
