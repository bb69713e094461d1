"""The only HTTP client: its pool, its loops, its doors."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import time

import pytest

from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Heed, Silence, Target, Wire
from fanfold.spec.calls import Answer, Fault, Scope
from fanfold.spec.errors import Code
from fanfold.testing.faults.chat import event
from fanfold.testing.faults.exchange import raw, repeat
from fanfold.testing.faultserver import FaultServer
from fanfold.testing.providers import KEY, request


@pytest.fixture
async def wire():
    wire = Wire(connections=20, body_limit=1 << 20)
    yield wire
    await wire.close()


def unheard(chunk):
    """Nothing of interest."""


async def test_connections_are_used_again(wire):
    async with FaultServer() as server:
        for stream_it in (False, True, False, True):
            outcome = await OpenAI(wire, server.url("good"), KEY).call(request(stream=stream_it), unheard)
            assert isinstance(outcome, Answer)
        assert server.connections == 1


async def test_there_are_never_more_connections_than_allowed():
    wire = Wire(connections=3)
    async with FaultServer() as server:
        provider = OpenAI(wire, server.url("good"), KEY)
        outcomes = await asyncio.gather(*(provider.call(request(), unheard) for _ in range(30)))
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert server.connections <= 3
    await wire.close()


async def test_waiting_for_a_connection_is_no_failure_to_connect():
    wire = Wire(connections=1, connect_s=0.1)
    async with FaultServer() as server:
        provider = OpenAI(wire, server.url("slow"), KEY)

        async def slow(exchange):
            await asyncio.sleep(0.2)
            await server.modes["good"](exchange)

        server.modes = {**server.modes, "slow": slow}
        outcomes = await asyncio.gather(*(provider.call(request(), unheard) for _ in range(2)))
        assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
    await wire.close()


async def test_a_name_that_does_not_exist(wire):
    outcome = await OpenAI(wire, "http://fanfold.invalid/v1", KEY).call(request(), unheard)
    assert isinstance(outcome, Fault)
    assert (outcome.code, outcome.scope) == (Code.TRANSIENT, Scope.ENDPOINT)
    assert outcome.hint == "is the server running at fanfold.invalid:80?"


async def test_a_name_that_is_looked_up_for_ever(monkeypatch):
    """It ends at the connect deadline, and delays nobody else meanwhile (FAULTS B8)."""
    import threading

    release = threading.Event()
    monkeypatch.setattr("fanfold.providers.resolver.socket.getaddrinfo", lambda *args: release.wait(30) and [])
    wire = Wire(connect_s=0.2)
    provider = OpenAI(wire, "http://slow.example/v1", KEY)
    calls = [asyncio.create_task(provider.call(request(), unheard)) for _ in range(20)]
    began = time.monotonic()
    await asyncio.to_thread(lambda: None)
    assert time.monotonic() - began < 0.15, "the default executor is free"
    outcomes = await asyncio.gather(*calls)
    assert {(outcome.code, outcome.scope) for outcome in outcomes} == {(Code.TRANSIENT, Scope.ENDPOINT)}
    assert 0.2 <= time.monotonic() - began < 2
    release.set()
    await wire.close()


async def test_a_server_that_does_not_take_connections():
    """A full queue drops what knocks: the deadline to connect ends it, long before that of the call (FAULTS B2)."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for knocking in (first, second):
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        wire = Wire(connect_s=0.2)
        began = time.monotonic()
        outcome = await OpenAI(wire, f"http://127.0.0.1:{full.getsockname()[1]}/v1", KEY).call(request(), unheard)
        assert (outcome.code, outcome.scope) == (Code.TRANSIENT, Scope.ENDPOINT)
        assert "no connection in time" in outcome.message
        assert time.monotonic() - began < 3
        await wire.close()


async def test_proxies_of_the_environment_are_not_used(wire, monkeypatch):
    async with FaultServer({"sink": raw(b"")}) as sink, FaultServer() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{sink.port}")
        assert isinstance(await OpenAI(wire, server.url("good"), KEY).call(request(), unheard), Answer)
        assert sink.connections == 0


async def test_it_can_be_closed_twice_and_used_again():
    wire = Wire()
    await wire.close()
    async with FaultServer() as server:
        for _ in range(2):
            assert isinstance(await OpenAI(wire, server.url("good"), KEY).call(request(), unheard), Answer)
            await wire.close()
            await wire.close()


async def test_closing_ends_calls_in_the_air():
    wire = Wire()
    async with FaultServer() as server:
        call = asyncio.create_task(OpenAI(wire, server.url("hang"), KEY).call(request(), unheard))
        await server.arrived("hang")
        await wire.close()
        outcome = await call
        assert isinstance(outcome, Fault) and outcome.code == Code.TRANSIENT


def test_one_wire_on_two_loops_one_after_the_other():
    wire = Wire()

    async def once():
        async with FaultServer() as server:
            return await OpenAI(wire, server.url("good"), KEY).call(request(), unheard)

    async def twice_and_close():
        outcome = await once()
        await wire.close()
        return outcome

    assert isinstance(asyncio.run(once()), Answer)  # left open: its connections ended with the server
    assert isinstance(asyncio.run(twice_and_close()), Answer)


LEAKS = """
import asyncio, gc, sys
from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
assert "aiohttp" not in sys.modules, "it is loaded when it is used"
from fanfold.testing.faultserver import FaultServer
from fanfold.testing.providers import KEY, request

async def main():
    async with FaultServer() as server:
        wire = Wire()
        for mode in ("good", "rst", "hang", "short_body", "gzip_bomb", "html502", "silent_after_done"):
            for stream in (False, True):
                await OpenAI(wire, server.url(mode), KEY).call(request(stream=stream, timeout_s=0.3, idle_s=0.2), lambda chunk: None)
        calls = [asyncio.create_task(OpenAI(wire, server.url("hang"), KEY).call(request(), print)) for _ in range(20)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await wire.close()
    gc.collect()

asyncio.run(main(), debug=False)
gc.collect()
"""


def test_nothing_is_left_open():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", LEAKS], capture_output=True, text=True, timeout=60, check=False
    )
    said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("Executing <"))
    assert (done.returncode, said) == (0, "")


async def test_pings_do_not_prolong_the_silence_and_content_does(wire):
    async def pinging(exchange):
        await exchange.head(200, {"Content-Type": "text/event-stream", "Connection": "close"})
        exchange.keep = False
        for _ in range(8):
            await exchange.send(event({"content": "a"}))
            await asyncio.sleep(0.05)
        await repeat(b"", b": ping\n\n")(exchange)

    async with FaultServer({"it": pinging}) as server:
        began = time.monotonic()
        outcome = await OpenAI(wire, server.url("it"), KEY).call(request(stream=True, idle_s=0.3), unheard)
    assert outcome.code == Code.TIMEOUT
    assert time.monotonic() - began > 0.6, "0.35 s of content first, then 0.3 s of pings"


async def test_the_silence_takes_one_timer_however_many_pieces():
    loop = asyncio.get_running_loop()
    made, ended = [], asyncio.Event()
    call_at = loop.call_at
    loop.call_at = lambda *args, **kwargs: made.append(1) or call_at(*args, **kwargs)
    began = loop.time()
    silence = Silence(0.05, ended.set)
    for _ in range(1000):
        silence.broken()
    assert len(made) == 1
    await ended.wait()
    assert loop.time() - began >= 0.05
    assert len(made) <= 2, "it looked once more, at most"
    silence.over()
    del loop.call_at


async def test_an_event_that_ends_the_interest_ends_the_reading(wire):
    told = []

    def listener(found):
        told.append(found.data)
        return Heed.END

    async with FaultServer() as server:
        target = Target(server.url("endless_stream") + "/x", "host", {})
        outcome = await wire.stream(target, b"{}", listener, timeout_s=10, idle_s=10)
        assert outcome.status == 200 and outcome.streamed
        assert len(told) == 1
        await server.quiet()


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    return folder


async def tls_server(certificate, seen):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def serve(reader, writer):
        seen.append(await reader.read(10))
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)


async def test_an_untrusted_certificate_is_refused_before_a_byte_is_sent(wire, certificate):
    seen = []
    server = await tls_server(certificate, seen)
    port = server.sockets[0].getsockname()[1]
    outcome = await OpenAI(wire, f"https://127.0.0.1:{port}/v1", KEY).call(request(), unheard)
    assert (outcome.code, outcome.scope) == (Code.TRANSIENT, Scope.ENDPOINT)
    assert "certificate" in outcome.message
    trusting = Wire(ca_file=str(certificate / "cert.pem"))
    outcome = await OpenAI(trusting, f"https://127.0.0.1:{port}/v1", KEY).call(request(), unheard)
    assert outcome.scope is Scope.CELL, "trusted: the connection was made, and lost"
    await trusting.close()
    server.close()
    await server.wait_closed()
    assert seen == [b"POST /v1/c"]
    gc.collect()


async def test_https_to_a_server_without_it(wire):
    def plain(reader, writer):
        writer.write(b"HTTP/1.1 400 This is plain HTTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await OpenAI(wire, f"https://127.0.0.1:{port}/v1", KEY).call(request(), unheard)
    server.close()
    await server.wait_closed()
    assert (outcome.code, outcome.scope) == (Code.TRANSIENT, Scope.ENDPOINT)
    assert outcome.hint == "does it speak https?"
