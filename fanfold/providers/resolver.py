"""Names to addresses, beside the loop and beside its default executor: a stalled lookup delays nobody but its own host.

The connector asks once a host at a time and keeps the answer, so a thread per lookup is a thread per host and minute.
"""

from __future__ import annotations

import asyncio
import socket
import threading

from aiohttp.abc import AbstractResolver, ResolveResult


class Resolver(AbstractResolver):
    """Raises OSError when there is no answer within `deadline_s`."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()
        threading.Thread(target=_look_up, args=(host, port, family, loop, found), name="fanfold-dns", daemon=True).start()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await found
        except TimeoutError:
            raise OSError(None, f"no address of {host} within {self._deadline_s:g} s") from None

    async def close(self) -> None:
        """Nothing is held."""


def _look_up(
    host: str, port: int, family: int, loop: asyncio.AbstractEventLoop, found: asyncio.Future[list[ResolveResult]]
) -> None:
    """In its own thread: getaddrinfo can take as long as it likes."""
    error: OSError | None = None
    results: list[ResolveResult] = []
    try:
        for kind, _, proto, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM):
            results.append(
                ResolveResult(
                    hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=proto,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )  # fmt: skip
    except (OSError, UnicodeError) as failure:
        error = failure if isinstance(failure, OSError) else OSError(None, "the host name is not valid")
    try:
        loop.call_soon_threadsafe(_tell, found, results, error)
    except RuntimeError:
        return  # the loop has closed: nobody waits any more


def _tell(found: asyncio.Future[list[ResolveResult]], results: list[ResolveResult], error: OSError | None) -> None:
    if found.done():
        return
    if error is None:
        found.set_result(results)
    else:
        found.set_exception(error)
