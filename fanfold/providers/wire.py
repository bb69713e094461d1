"""The only HTTP client: bytes out, bytes or events in, every failure a Fault.

Nothing is retried, no redirect followed, no proxy taken from the environment; TLS is always verified. Every wait ends: a
deadline to connect, one for the whole call, and for streams one for the silence between pieces of content, which pings do
not prolong. Responses are read decompressed and only up to a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from fanfold.providers.netfault import Silent, TooLarge, fault_of, network_errors
from fanfold.providers.sse import Event, EventParser
from fanfold.spec.calls import Fault

if TYPE_CHECKING:
    import aiohttp

BODY_LIMIT = 8 << 20
HEADER_LIMIT = 16 << 10  # of one header; their number is limited too
HEADERS_LIMIT = 128
STREAM_LIMIT = 8  # a stream wraps each token in some 250 bytes, so that all of it may be as many times a body's limit
CONNECT_S = 5.0
HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "fanfold"}
"""Of every call. Answers are small: unpacking them would cost more than it saves."""
ENDING_S = 2.0  # the longest silence after an event that is probably the last
GRACE_S = 0.25  # for the end of a stream that has said all, so that its connection can be used again
DNS_TTL_S = 60


class Heed(Enum):
    """What an event was to its listener."""

    NOTHING = "nothing"  # a ping: the silence goes on
    CONTENT = "content"
    ENDING = "ending"  # nothing, or little, comes after it, and no event will say so
    END = "end"  # the last that is of interest


class Received(msgspec.Struct, frozen=True, gc=False):
    """A complete response. headers: lower-case names. body: empty when `streamed`, which the listener has heard."""

    status: int
    headers: dict[str, str]
    body: bytes
    streamed: bool = False


class Target:
    """Where calls of one kind go, with headers that are the same for all of them."""

    __slots__ = ("headers", "host", "prepared", "url")

    def __init__(self, url: str, host: str, headers: Mapping[str, str]) -> None:
        self.url, self.host, self.headers = url, host, headers
        self.prepared: tuple[Any, Any] | None = None
        """The same as objects of the HTTP library, once it is loaded."""

    def __repr__(self) -> str:
        return f"<Target {self.host}>"


class Line(Protocol):
    """What an adapter sends over: our own client (`Wire`), or a user's (`carrier`)."""

    async def post(self, target: Target, body: bytes, *, timeout_s: float) -> Received | Fault: ...

    async def stream(
        self, target: Target, body: bytes, told: Callable[[Event], Heed], *, timeout_s: float, idle_s: float
    ) -> Received | Fault: ...


class Wire:
    """One pool of connections, for one engine. It opens at the first call, on the loop of that call; `close` ends it."""

    def __init__(
        self, *, connections: int = 1024, body_limit: int = BODY_LIMIT, connect_s: float = CONNECT_S, ca_file: str | None = None
    ) -> None:
        """connections: at most so many at once. ca_file: certificate authorities to trust instead of the system's."""
        self._connections, self._body_limit, self._connect_s, self._ca_file = connections, body_limit, connect_s, ca_file
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard: AsyncGenerator[None, None] | None = None
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    @staticmethod
    def load() -> None:
        """Import the HTTP library now (a tenth of a second), not while the first call is waiting for it."""
        import aiohttp

        assert aiohttp is not None

    async def post(self, target: Target, body: bytes, *, timeout_s: float) -> Received | Fault:
        """Send, and receive the whole response. timeout_s: for all of it."""
        try:
            response = await self._send(target, body, timeout_s)
            return Received(response.status, _lower(response.headers), await self._whole(response))
        except network_errors() as error:
            return fault_of(error, target.host, timeout_s)

    async def stream(
        self, target: Target, body: bytes, told: Callable[[Event], Heed], *, timeout_s: float, idle_s: float
    ) -> Received | Fault:
        """Send, and tell each event as it comes; a response that is no event stream is received whole.

        idle_s: the longest time without content, from the head of the response on. Once `told` has answered END, the
        stream has ended well, whatever the network does then.
        """
        try:
            response = await self._send(target, body, timeout_s)
            headers = _lower(response.headers)
            if response.status == 200 and headers.get("content-type", "").lstrip().lower().startswith("text/event-stream"):
                await self._events(response, told, idle_s)
                return Received(200, headers, b"", streamed=True)
            whole = await self._whole(response)
        except network_errors() as error:
            return fault_of(error, target.host, timeout_s)
        if response.status == 200 and whole.lstrip()[:5] in (b"data:", b"event"):  # a stream under another name
            for event in EventParser().feed(whole):
                if told(event) is Heed.END:
                    break
            return Received(200, headers, b"", streamed=True)
        return Received(response.status, headers, whole)

    async def close(self) -> None:
        """Close every connection. The next call would open anew."""
        session, self._session, self._loop = self._session, None, None
        guard, self._guard = self._guard, None
        if guard is not None:
            await guard.aclose()
        if session is not None:
            await session.close()

    # ---------------------------------------------------------------- going out

    async def _send(self, target: Target, body: bytes, timeout_s: float) -> aiohttp.ClientResponse:
        session = self._session
        if session is None or self._loop is not asyncio.get_running_loop():
            session = await self._open()
        timeout = self._timeouts.get(timeout_s) or self._timeout(timeout_s)
        url, headers = target.prepared or _prepare(target)
        return await session.post(url, data=body, headers=headers, allow_redirects=False, timeout=timeout)

    async def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        from fanfold.providers.pool import Pool
        from fanfold.providers.resolver import Resolver

        before, loop = self._session, self._loop
        connector = Pool(
            limit=self._connections, limit_per_host=0, ttl_dns_cache=DNS_TTL_S, resolver=Resolver(self._connect_s),
            **({"ssl": _trusting(self._ca_file)} if self._ca_file else {}),
        )  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._session = session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
            max_line_size=HEADER_LIMIT, max_field_size=HEADER_LIMIT, max_headers=HEADERS_LIMIT,
        )  # fmt: skip
        self._guard = _closed_with_its_loop(session)
        await anext(self._guard)
        if before is not None and loop is not None and loop.is_closed():
            await before.close()  # the pool of a loop that has gone; one of a living loop belongs to its thread or process
        return session

    def _timeout(self, timeout_s: float) -> aiohttp.ClientTimeout:
        import aiohttp

        if len(self._timeouts) > 64:
            self._timeouts.clear()
        # sock_connect, not connect: waiting for a free connection is no failure to connect
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._connect_s)
        self._timeouts[timeout_s] = timeout
        return timeout

    # ---------------------------------------------------------------- coming in

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, decompressed, up to the limit."""
        length = response.content_length
        if length is not None and length <= self._body_limit and "Content-Encoding" not in response.headers:
            return await response.read()
        try:
            if length is not None and length > self._body_limit:
                raise TooLarge(f"an answer of {length} bytes, {self._body_limit} are allowed")
            return await self._counted(response)
        finally:
            response.close()  # a body read to its end has given its connection back already

    async def _counted(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > self._body_limit:
                raise TooLarge(f"an answer of more than {self._body_limit} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    async def _events(self, response: aiohttp.ClientResponse, told: Callable[[Event], Heed], idle_s: float) -> None:
        content = response.content
        silence = Silence(idle_s, lambda: content.set_exception(Silent(f"no content for {idle_s:g} s")))
        parser, size, ended = EventParser(), 0, False
        try:
            while chunk := await content.readany():
                size += len(chunk)
                if size > self._body_limit * STREAM_LIMIT:
                    raise TooLarge(f"a stream of more than {self._body_limit * STREAM_LIMIT} bytes")
                if parser.held > self._body_limit:
                    raise TooLarge(f"an event of more than {self._body_limit} bytes")
                for event in parser.feed(chunk) if not ended else ():
                    heed = told(event)
                    if heed is Heed.CONTENT:
                        silence.broken()
                    elif heed is Heed.ENDING:
                        silence.shorten(ENDING_S)
                    elif heed is Heed.END:
                        ended = True
                        silence.shorten(GRACE_S)
                        break
        except network_errors():
            if not ended:
                raise
        finally:
            silence.over()
            response.close()


class Silence:
    """The time without content. One timer a stream, moved lazily: content only notes when it came."""

    __slots__ = ("_end", "_longest_s", "_loop", "_since", "_timer")

    def __init__(self, longest_s: float, end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._longest_s, self._end = longest_s, end
        self._since = self._loop.time()
        self._timer = self._loop.call_at(self._since + longest_s, self._look)

    def broken(self) -> None:
        self._since = self._loop.time()

    def shorten(self, longest_s: float) -> None:
        """From now on, at most this."""
        self._timer.cancel()
        self._longest_s = min(longest_s, self._longest_s)
        self._since = self._loop.time()
        self._timer = self._loop.call_at(self._since + self._longest_s, self._look)

    def over(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        due = self._since + self._longest_s
        if due <= self._loop.time():
            self._end()
        else:
            self._timer = self._loop.call_at(due, self._look)


async def _closed_with_its_loop(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Ends when the event loop shuts its generators down, which is before it is closed: no connection outlives its loop."""
    try:
        yield
    finally:
        await session.close()
        await asyncio.sleep(0)  # transports close in the next round


def _prepare(target: Target) -> tuple[Any, Any]:
    from multidict import CIMultiDict
    from yarl import URL

    target.prepared = URL(target.url), CIMultiDict(target.headers)
    return target.prepared


def _trusting(ca_file: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=ca_file)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
