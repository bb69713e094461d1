"""A server that fails on purpose: raw TCP on the loopback, one fault a mode, chosen by the path of the request.

    async with FaultServer() as server:
        provider = OpenAI(wire, server.url("rst"), "sk-test")
        ...
        assert server.hits["rst"] == 1

`hits` counts the requests that arrived, which is the truth about retries. The answers speak OpenAI's chat completions; those of
`FaultServer(modes(ANTHROPIC))` another dialect; `FaultServer({**MODES, "mine": reply(200, b"…")})` adds modes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from fanfold.testing.faults.anthropic import ANTHROPIC
from fanfold.testing.faults.chat import CHAT, error
from fanfold.testing.faults.dialect import modes
from fanfold.testing.faults.exchange import Exchange, Mode, reply
from fanfold.testing.faults.google import GOOGLE

DIALECTS = {dialect.name: dialect for dialect in (CHAT, ANTHROPIC, GOOGLE)}
MODES: dict[str, Mode] = modes(CHAT)


@dataclass
class FaultServer:
    """modes: name -> mode. port: 0 for any that is free. hits: requests by mode. requests: the last body each mode received. connections: opened so far."""

    modes: Mapping[str, Mode] = field(default_factory=lambda: MODES)
    host: str = "127.0.0.1"
    hits: Counter[str] = field(default_factory=Counter)
    requests: dict[str, Exchange] = field(default_factory=dict)
    connections: int = 0
    port: int = 0

    def url(self, mode: str) -> str:
        """The base URL under which everything fails in this mode."""
        return f"http://{self.host}:{self.port}/mode/{mode}/v1"

    async def arrived(self, mode: str) -> None:
        """Wait for the first request in this mode."""
        while not self.hits[mode]:
            self._arrival.clear()
            await self._arrival.wait()

    async def quiet(self) -> None:
        """Wait until every client has gone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrival = asyncio.Event()
        self._server = await asyncio.start_server(self._connected, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away: most modes make it
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request. Whether another may follow on this connection."""
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in rest if header)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = line.split(" ")[1]
        mode = (path.split("/") + [""] * 3)[2]
        self.hits[mode] += 1
        exchange = Exchange(mode, f"http://{self.host}:{self.port}", headers, body, reader, writer, path, self.hits[mode])
        self.requests[mode] = exchange
        self._arrival.set()
        await self.modes.get(mode, reply(404, error(f"no mode {mode!r}")))(exchange)
        return exchange.keep
