"""Connections that are used again, and never one that the other side has closed meanwhile.

A server may close an idle connection at any moment. Where that was noticed, the connector has let it go. Where the news has come to this
machine and was not read yet, sending would be in vain: the request would be lost, and nobody could say whether it was served. So a used
connection is looked at once more before anything is written to it; that nothing was sent is certain then, and another connection is free
of charge. One that is closed after that is a lost call, which may have been charged.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class Pool(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._used: WeakSet[Any] = WeakSet()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        """One that is new, or one on which nothing has come since its last answer. Ends, as each that is not is closed."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol not in self._used:
                self._used.add(protocol)
                return connection
            if not _has_news(connection.transport):
                return connection
            connection.close()


def _has_news(transport: Any) -> bool:
    """Whether something waits to be read: on an idle connection that is its end, or nothing that was asked for."""
    idle = transport.get_extra_info("socket") if transport is not None else None
    if idle is None or idle.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([idle], [], [], 0)[0])
    poll = select.poll()
    poll.register(idle.fileno(), select.POLLIN)
    return bool(poll.poll(0))
