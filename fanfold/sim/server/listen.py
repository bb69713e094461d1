"""Listening: in a running loop, or for a whole process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from fanfold.sim.server.service import Service
from fanfold.sim.stats import Stats
from fanfold.sim.world import World

_STOP_S = 0.05  # calls in the air are cut off when the server stops


@dataclass(frozen=True)
class Running:
    """A server that listens. url: its base URL, as an OpenAI client wants it."""

    host: str
    port: int
    stats: Stats
    _runner: web.AppRunner

    @property
    def root(self) -> str:
        """The base URL without a version, as Anthropic's and Google's clients want it."""
        return self.url.removesuffix("/v1")

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    async def stop(self) -> None:
        """Close the port, and cut off what is in the air."""
        await self._runner.cleanup()


async def start(
    world: World, host: str = "127.0.0.1", port: int = 0, *, api_key: str | None = None, models: Sequence[str] | None = None
) -> Running:
    """Listen. port: 0 for any. api_key: the only one accepted; None: any, or none. models: the only ones known, `sim*` for all that begin so; None: all.

    Raises OSError when the port cannot be had.
    """
    service = Service(world, api_key, models)
    runner = web.AppRunner(
        service.application(), access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_S, keepalive_timeout=75
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=4096).start()
    except BaseException:
        await runner.cleanup()
        raise
    return Running(host, runner.addresses[0][1], service.stats, runner)


def serve_forever(
    world: World,
    host: str = "127.0.0.1",
    port: int = 8100,
    *,
    api_key: str | None = None,
    models: Sequence[str] | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. announce: told the base URL once it listens. Raises OSError when the port cannot be had."""

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        running = await start(world, host, port, api_key=api_key, models=models)
        try:
            with suppress(NotImplementedError):  # where loops take no signals, Ctrl-C raises instead
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, stopped.set)
            if announce is not None:
                announce(running.url)
            await stopped.wait()
        finally:
            await running.stop()

    asyncio.run(main())
