"""The cache as the engine uses it: what is asked for at one moment is read together, and written behind what was accepted.

It never stops a run: what cannot be read is a miss, and what cannot be written is not kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from fanfold.engine.asked import FORMAT, Asked
from fanfold.spec.calls import Request
from fanfold.spec.errors import StoreError
from fanfold.spec.ports import Cache, Kept

logger = logging.getLogger("fanfold")

MONTH_S = 30 * 24 * 3600.0
DAMAGED, EXPIRED = "damaged", "expired"


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An answer as it was delivered. key: of what was asked; the key that it is found under must be this one. forever: it was drawn
    without chance, and is as good as on the first day."""

    format: int
    key: bytes
    text: str
    forever: bool = False


class Answered:
    """An answer, and what it is the answer to."""

    __slots__ = ("asked", "certain", "text")

    def __init__(self, asked: Asked, text: str, certain: bool) -> None:
        self.asked, self.text, self.certain = asked, text, certain

    def entry(self) -> Entry:
        return Entry(FORMAT, self.asked.key, self.text, self.certain)


def certain(request: Request) -> bool:
    """Whether chance has no part in the answer."""
    return request.sampling.get("temperature") == 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Answers:
    """ttl_s: how long an answer is good; None: a month, and for ever where it was drawn without chance. wall: seconds since the epoch."""

    def __init__(self, cache: Cache, ttl_s: float | None = None, wall: Callable[[], float] = time.time) -> None:
        self._cache, self._ttl_s, self._wall = cache, ttl_s, wall
        self._asked: dict[bytes, list[asyncio.Future[Entry | str | None]]] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._fresh: dict[bytes, Kept] = {}  # accepted, and not written yet
        self._writing: asyncio.Task[None] | None = None

    # ---------------------------------------------------------------- reading

    async def get(self, key: bytes) -> Entry | str | None:
        """The answer; or why the one that was kept is of no use; or None where there is none."""
        if key in self._fresh:
            return self._judged(self._fresh[key])
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._begin)
        future: asyncio.Future[Entry | str | None] = loop.create_future()
        self._asked.setdefault(key, []).append(future)
        return await future

    def _begin(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.get_running_loop().create_task(self._read(asked))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, asked: dict[bytes, list[asyncio.Future[Entry | str | None]]]) -> None:
        found: dict[bytes, Entry | str] = {}
        try:
            found = {kept.key: self._judged(kept) for kept in await self._cache.get(list(asked))}
        except StoreError as error:
            logger.warning("the cache could not be read: %s", error)
        finally:
            for key, futures in asked.items():
                for future in futures:
                    if not future.done():  # who asked may have given up
                        future.set_result(found.get(key))

    def _judged(self, kept: Kept) -> Entry | str:
        try:
            entry = _decode(kept.data)
        except (msgspec.MsgspecError, ValueError):
            return DAMAGED
        if entry.format != FORMAT or entry.key != kept.key or not entry.text:
            return DAMAGED
        longest = self._ttl_s if self._ttl_s is not None else None if entry.forever else MONTH_S
        return EXPIRED if longest is not None and self._wall() - kept.made > longest else entry

    # ---------------------------------------------------------------- writing

    def keep(self, run: str, entries: Sequence[Entry]) -> None:
        """Answers whose acceptance is durable. They are found from now on, and written as soon as may be."""
        now = self._wall()
        for entry in entries:
            self._fresh[entry.key] = Kept(entry.key, run, now, _encode(entry))
        if self._fresh and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Until nothing is left: what comes meanwhile is written together."""
        try:
            while batch := list(self._fresh.values()):
                try:
                    await self._cache.put(batch)
                except StoreError as error:
                    logger.warning("%d answers could not be put into the cache: %s", len(batch), error)
                for kept in batch:
                    if self._fresh.get(kept.key) is kept:
                        del self._fresh[kept.key]
        finally:
            self._writing = None

    async def flush(self) -> None:
        """Wait until what was kept is written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
