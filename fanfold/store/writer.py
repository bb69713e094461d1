"""The writer's thread: takes everything that waits, writes it in one transaction, then tells those who wait.

Group commit without a timer: while one group is being synced the next one gathers, so a lone batch is never kept waiting and
many batches share one sync. The event loops never touch the file.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from fanfold.spec.errors import StoreError
from fanfold.store.database import Database
from fanfold.store.rows import Removal
from fanfold.store.tally import Refused
from fanfold.store.transaction import Item

logger = logging.getLogger("fanfold")


@dataclass(frozen=True, slots=True)
class Waiting:
    item: Item
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


class Writer:
    """commits: transactions so far. failed: why nothing more is taken, or "". before_end: called before the file is let go."""

    def __init__(self, path: Path, make: Callable[[], Database], before_end: Callable[[], None]) -> None:
        """make: opens the file; blocks, and raises StoreError."""
        self.path, self._make = path, make
        self._before_end = before_end
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()  # None: stop
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._opened: Future[str] = Future()  # why it could not be, or ""
        self._ended: Future[None] = Future()
        self.commits = 0
        self.failed = ""

    # ---------------------------------------------------------------- from the event loops

    async def write(self, item: Item) -> None:
        """Durable when it returns. Raises StoreError, and then nothing of it is kept."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._closed:
                raise self._shut()
            self._start()
            self._queue.put(Waiting(item, loop, future))
        await future

    def wait_open(self) -> None:
        """Blocks until the file is there, so only the reader's thread calls it. Raises StoreError when it cannot be opened."""
        with self._lock:
            self._start()
        if why := self._opened.result():
            raise StoreError(why)

    def stop(self) -> None:
        """Write what waits and end, without being waited for."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
                if self._thread is None:
                    self._ended.set_result(None)

    async def close(self) -> None:
        """Stop and wait for the end."""
        self.stop()
        await asyncio.shield(asyncio.wrap_future(self._ended))
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            if self._closed:
                raise self._shut()
            # a daemon: a process may end without closing its store, for what was acknowledged is durable
            self._thread = threading.Thread(target=self._run, name="fanfold-store", daemon=True)
            self._thread.start()

    def _shut(self) -> StoreError:
        return StoreError(f"{self.path}: the store is closed")

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            database = self._open()
            stopping = False
            while not stopping:
                group, stopping = self._take(None if database is None or self.failed else database.renewal_s)
                self._renew(database)
                self._settle(database, group)
                self._tend(database, Database.tidy)
            self._before_end()
            if database is not None:
                database.close()
        finally:
            self._ended.set_result(None)

    def _open(self) -> Database | None:
        database = None
        try:
            database = self._make()
        except StoreError as error:
            self.failed = str(error)
        except Exception as error:
            logger.exception("the store could not be opened")
            self.failed = f"{self.path}: it cannot be opened: {error!r}"
        self._opened.set_result(self.failed)
        return database

    def _take(self, longest_s: float | None) -> tuple[list[Waiting], bool]:
        """Everything that waits, or nothing after `longest_s`; and whether that was the end."""
        group: list[Waiting] = []
        try:
            waiting = self._queue.get(timeout=longest_s)
        except Empty:
            return group, False
        while waiting is not None:
            group.append(waiting)
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _settle(self, database: Database | None, group: Sequence[Waiting]) -> None:
        """Write a group and tell those who wait. One that is refused must not take the others with it."""
        if not group:
            return
        if database is None or self.failed:
            tell(group, self.failed)
            return
        if len(group) > 1 and any(isinstance(waiting.item, Removal) for waiting in group):
            for waiting in group:
                self._settle(database, [waiting])
            return
        try:
            database.write([waiting.item for waiting in group])
        except Refused as error:
            if len(group) == 1:
                tell(group, str(error), Refused)
            else:
                for waiting in group:
                    self._settle(database, [waiting])
        except StoreError as error:
            self._fail(database, str(error), group)
        except Exception as error:
            logger.exception("the store's writer failed")
            self._fail(database, f"{database.path}: it failed: {error!r}", group)
        else:
            self.commits += 1
            tell(group)

    def _fail(self, database: Database, why: str, group: Sequence[Waiting]) -> None:
        database.give_up()
        self.failed = f"the store takes nothing more until it is opened anew: {why}"
        tell(group, why)

    def _renew(self, database: Database | None) -> None:
        """While the runs of this store go on, nobody else may."""
        if database is not None and database.renewal_s == 0:
            self._tend(database, Database.renew)

    def _tend(self, database: Database | None, deed: Callable[[Database], None]) -> None:
        if database is None or self.failed:
            return
        try:
            deed(database)
        except StoreError as error:
            self._fail(database, str(error), ())


def tell(group: Sequence[Waiting], error: str = "", kind: type[StoreError] = StoreError) -> None:
    """Complete the futures of a group: one call into each event loop."""
    futures: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for waiting in group:
        futures[waiting.loop].append(waiting.future)
    for loop, theirs in futures.items():
        with suppress(RuntimeError):  # that loop has been closed: nobody waits there any more
            loop.call_soon_threadsafe(_complete, theirs, error, kind)


def _complete(futures: Sequence[asyncio.Future[None]], error: str, kind: type[StoreError]) -> None:
    for future in futures:
        if future.done():  # cancelled meanwhile
            continue
        if error:
            future.set_exception(kind(error))
        else:
            future.set_result(None)
