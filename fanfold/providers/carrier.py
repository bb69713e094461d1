"""A user's client in the place of our own HTTP client: bytes out, bytes or events in, every failure a Fault, every wait ended by us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from fanfold.providers.netfault import Silent, TooLarge
from fanfold.providers.sdk import Opened, Sdk
from fanfold.providers.sdkfault import fault_of
from fanfold.providers.sse import Event, EventParser
from fanfold.providers.wire import BODY_LIMIT, ENDING_S, GRACE_S, STREAM_LIMIT, Heed, Received, Silence, Target
from fanfold.spec.calls import Fault


class Carrier:
    """As `Wire`, over a client. The address below its base URL is the target's; key and headers are the client's."""

    def __init__(self, sdk: Sdk, *, body_limit: int = BODY_LIMIT) -> None:
        self._sdk, self._body_limit = sdk, body_limit

    async def post(self, target: Target, body: bytes, *, timeout_s: float) -> Received | Fault:
        """Send, and receive the whole response. timeout_s: for all of it."""
        try:
            async with asyncio.timeout(timeout_s), self._sdk.opened(self._path(target), body, timeout_s, stream=False) as opened:
                return Received(opened.status, opened.headers, await self._whole(opened))
        except Exception as error:  # noqa: BLE001 - a client raises whatever it likes
            return fault_of(error, target.host, timeout_s)

    async def stream(
        self, target: Target, body: bytes, told: Callable[[Event], Heed], *, timeout_s: float, idle_s: float
    ) -> Received | Fault:
        """Send, and tell each event as it comes; as `Wire.stream`."""
        try:
            async with asyncio.timeout(timeout_s), self._sdk.opened(self._path(target), body, timeout_s, stream=True) as opened:
                kind = opened.headers.get("content-type", "").lstrip().lower()
                if opened.status == 200 and kind.startswith("text/event-stream"):
                    await self._events(opened, told, idle_s)
                    return Received(200, opened.headers, b"", streamed=True)
                whole = await self._whole(opened)
        except Exception as error:  # noqa: BLE001 - as above
            return fault_of(error, target.host, timeout_s)
        if opened.status == 200 and whole.lstrip()[:5] in (b"data:", b"event"):  # a stream under another name
            for event in EventParser().feed(whole):
                if told(event) is Heed.END:
                    break
            return Received(200, opened.headers, b"", streamed=True)
        return Received(opened.status, opened.headers, whole)

    async def close(self) -> None:
        """The client is the user's, and stays open."""

    def _path(self, target: Target) -> str:
        return target.url.partition("?")[0].removeprefix(self._sdk.base_url)

    async def _whole(self, opened: Opened) -> bytes:
        chunks, size = [], 0
        async for chunk in opened.pieces:
            size += len(chunk)
            if size > self._body_limit:
                raise TooLarge(f"an answer of more than {self._body_limit} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    async def _events(self, opened: Opened, told: Callable[[Event], Heed], idle_s: float) -> None:
        loop, ended = asyncio.get_running_loop(), False
        try:
            async with asyncio.timeout(None) as limit:
                silence = Silence(idle_s, lambda: limit.reschedule(loop.time()))
                try:
                    async for event in self._read(opened):
                        heed = told(event)
                        if heed is Heed.CONTENT:
                            silence.broken()
                        elif heed is Heed.ENDING:
                            silence.shorten(ENDING_S)
                        elif heed is Heed.END:
                            ended = True
                            silence.shorten(GRACE_S)
                            break
                    if ended:
                        async for _ in opened.pieces:  # the rest, so that its connection can be used again
                            pass
                finally:
                    silence.over()
        except TimeoutError:
            if not ended and not limit.expired():
                raise
            if not ended:
                raise Silent(f"no content for {idle_s:g} s") from None
        except Exception:
            if not ended:
                raise

    async def _read(self, opened: Opened) -> AsyncIterator[Event]:
        parser, size = EventParser(), 0
        async for chunk in opened.pieces:
            size += len(chunk)
            if size > self._body_limit * STREAM_LIMIT:
                raise TooLarge(f"a stream of more than {self._body_limit * STREAM_LIMIT} bytes")
            for event in parser.feed(chunk):
                yield event
            if parser.held > self._body_limit:
                raise TooLarge(f"an event of more than {self._body_limit} bytes")

    def __repr__(self) -> str:
        return f"<Carrier {self._sdk!r}>"
