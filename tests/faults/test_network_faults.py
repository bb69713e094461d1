"""What networks do (FAULTS 3.B), each with its check: through the real engine and the real adapters, over the loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from fanfold import Limits, Plan, Step
from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
from fanfold.spec.calls import Answer, Fault, Scope
from fanfold.spec.errors import Code
from fanfold.testing.faults.exchange import raw
from fanfold.testing.faultserver import FaultServer
from fanfold.testing.providers import KEY, request
from tests.faults.facing import SPOKEN, Faced, check, faced, facing, within

ONE = Plan("p", [Step("a", "Say it")])
SHORT_S = 0.3


def unheard(chunk):
    """Nothing of interest."""


# ---------------------------------------------------------------- B1 … B6


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_nobody_listens(dialect):
    """B1. The run ends at once, however many retries there are, and names the host alone."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = FaultServer({})
        closed.port = unused.getsockname()[1]
        found = await facing(
            closed, dialect, "any?key=in-the-query", plan=Plan("p", [Step("a", "Say {n}", over="n")], {"n": range(9)}), retries=4
        )
    within(found, 2.0)
    assert found.codes == {"transient"} and len(found.result.errors) == 9
    assert f"127.0.0.1:{closed.port}" in found.said and "in-the-query" not in found.said


BREAKING = ["rst", "rst_body", "short_body", "bad_chunk", "early_chunk_end", "no_chunk_end", "not_http"]


@pytest.mark.parametrize("mode", BREAKING)
async def test_a_connection_that_breaks_is_tried_again_and_may_be_charged(mode):
    """B3, B6: nothing of it is accepted, and its tokens are counted as an estimate (I9, I17)."""
    runs = await asyncio.gather(*(faced(dialect, mode, cells=1, retries=1) for dialect in SPOKEN))
    for found in runs:
        if mode == "early_chunk_end":
            assert found.codes == {"malformed"}, "by HTTP it is whole: what it holds is not"
            continue
        assert found.codes == {"transient"} and found.hits[mode] == len(found.calls) == 2
        assert found.result.values == []
        assert all(event.tokens_in > 0 and not event.exact for event in found.settled)
        assert found.result.report["tokens_are"] == "estimated"


@pytest.mark.parametrize("mode", ["hang", "head_then_hang", "drip"])
async def test_every_wait_ends(mode):
    """B4, B5: the deadline of the call is of all of it, whatever drips meanwhile (I16)."""
    runs = await asyncio.gather(*(faced(dialect, mode, timeout_s=SHORT_S) for dialect in SPOKEN))
    for found in runs:
        assert found.codes == {"timeout"} and found.hits[mode] <= len(found.calls) == 3
        assert all(SHORT_S * 1e6 <= event.took <= (SHORT_S + 1) * 1e6 for event in found.settled)


async def test_a_peer_that_is_gone_without_a_word():
    """B4, half open: it takes the connection and reads nothing. The same deadline ends it."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)
        gone = FaultServer({})
        gone.port = mute.getsockname()[1]
        found = await facing(gone, "openai", "any", plan=ONE, timeout_s=SHORT_S)
    assert found.codes == {"timeout"}
    within(found, SHORT_S + 1)


# ---------------------------------------------------------------- B7


class Closing:
    """Answers once on each connection, and closes it when told to: from a thread, so that nobody sees it before it is too late."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.requests = 0
        self.connections: list[socket.socket] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"}"):
            data += connection.recv(65536)
        self.requests += 1
        body = b'{"choices": [{"message": {"content": "Good"}, "finish_reason": "stop"}]}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    def hang_up(self) -> None:
        """Close what is open, and wait until the news has come to this machine."""
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.connections.clear()

    def close(self) -> None:
        self.hang_up()
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


async def test_a_connection_that_was_closed_while_idle_costs_nothing():
    """B7. Nothing was sent on it: another one is taken, and the server sees each request once."""
    server = Closing()
    wire = Wire()
    provider = OpenAI(wire, f"http://127.0.0.1:{server.port}/v1", KEY)
    for n in range(1, 6):
        outcome = await provider.call(request(), unheard)
        assert isinstance(outcome, Answer), outcome
        assert server.requests == n
        server.hang_up()  # the loop does not run between this and the next call: it cannot have noticed
    await wire.close()
    server.close()


async def test_a_connection_that_is_closed_on_the_request_is_a_lost_call():
    """B7. Whether it was served nobody knows: it is an attempt, and may be charged."""

    async def closes(exchange):
        exchange.keep = False
        if exchange.nth == 1:
            exchange.keep = True
            await FaultServer().modes["not_streamed"](exchange)

    async with FaultServer({"it": closes}) as server:
        wire = Wire()
        provider = OpenAI(wire, server.url("it"), KEY)
        assert isinstance(await provider.call(request(), unheard), Answer)
        lost = await provider.call(request(), unheard)
        await wire.close()
        assert isinstance(lost, Fault) and (lost.code, lost.scope) == (Code.TRANSIENT, Scope.CELL)
        assert lost.usage.tokens_in > 0 and not lost.usage.exact
        assert (server.hits["it"], server.connections) == (2, 1)


# ---------------------------------------------------------------- B8


async def test_a_name_that_moves_is_looked_up_again(monkeypatch):
    """B8. What was looked up is kept for a while, and no longer."""
    monkeypatch.setattr("fanfold.providers.wire.DNS_TTL_S", 0.2)
    at = ["127.0.0.1"]
    asked = []

    def look_up(host, port, *rest):
        asked.append(at[0])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at[0], port))]

    monkeypatch.setattr("fanfold.providers.resolver.socket.getaddrinfo", look_up)
    async with FaultServer() as first:
        wire = Wire()
        provider = OpenAI(wire, f"http://model.example:{first.port}/mode/close_quietly/v1", KEY)
        for _ in range(3):
            assert isinstance(await provider.call(request(), unheard), Answer)
        assert len(asked) == 1, "kept"
        port = first.port
    try:
        second = FaultServer(host="127.0.0.2", port=port)
        await second.__aenter__()
    except OSError:
        pytest.skip("this machine has one loopback address")
    at[0] = "127.0.0.2"
    await asyncio.sleep(0.25)
    outcome = await provider.call(request(), unheard)
    await wire.close()
    await second.__aexit__()
    assert isinstance(outcome, Answer) and second.hits["close_quietly"] == 1


# ---------------------------------------------------------------- B10


def certificate(folder, name, alternative, *dates):
    """A self-signed certificate. dates: from and to, when it is not of now."""
    key, cert, config = (folder / f"{name}.{end}" for end in ("key", "pem", "conf"))
    config.write_text(
        f"[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/{name}.db\nserial={folder}/{name}.serial\nnew_certs_dir={folder}\n"
        f"default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName={alternative}\n"
        "[req]\ndistinguished_name=d\n[d]\n"
    )
    (folder / f"{name}.db").write_text("")
    (folder / f"{name}.serial").write_text("01\n")
    new = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test",
           "-config", config, "-keyout", key, "-out", folder / "request.pem"]  # fmt: skip
    sign = ["openssl", "ca", "-batch", "-selfsign", "-config", config, "-keyfile", key, "-in", folder / "request.pem", "-out", cert,
            "-notext", *(["-startdate", dates[0], "-enddate", dates[1]] if dates else ["-days", "2"])]  # fmt: skip
    for command in (new, sign):
        subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize(
    ("why", "alternative", "dates", "trusted"),
    [
        ("self-signed", "IP:127.0.0.1", (), False),
        ("wrong name", "DNS:elsewhere.example", (), True),
        ("expired", "IP:127.0.0.1", ("20200101000000Z", "20200102000000Z"), True),
    ],
)
async def test_a_certificate_that_is_not_right_gets_no_byte(tmp_path, why, alternative, dates, trusted):
    """B10. Refused before anything is sent. The one way around is to name an authority; there is no switch that looks away."""
    try:
        cert, key = certificate(tmp_path, "it", alternative, *dates)
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    seen = []

    async def serve(reader, writer):
        seen.append(await reader.read(10))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    wire = Wire(ca_file=str(cert) if trusted else None)
    outcome = await OpenAI(wire, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", KEY).call(request(), unheard)
    await wire.close()
    server.close()
    await server.wait_closed()
    assert isinstance(outcome, Fault) and (outcome.code, outcome.scope) == (Code.TRANSIENT, Scope.ENDPOINT), why
    assert "certificate" in outcome.message and not any(seen), (why, seen)


# ---------------------------------------------------------------- B11, B13, B14


async def test_a_thousand_cancelled_calls_leave_a_pool_that_works():
    """B11. Two hundred at a time contend for twenty connections, and are cancelled at every stage."""
    async with FaultServer() as server:
        wire = Wire(connections=20)
        slow, good = (OpenAI(wire, server.url(mode), KEY) for mode in ("drip", "good"))
        for batch in range(5):
            calls = [asyncio.create_task(slow.call(request(stream=n % 2 == 1), unheard)) for n in range(200)]
            for n, call in enumerate(calls):
                if n % 40 == batch:
                    await asyncio.sleep(0.001)
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        outcomes = await asyncio.gather(*(good.call(request(), unheard) for _ in range(5)))
        assert all(isinstance(outcome, Answer) for outcome in outcomes)
        assert len(server._tasks) <= 20, "I14: more connections are open than may be"
        await wire.close()


SERVER = """
import asyncio, sys
from fanfold.testing.faultserver import FaultServer
async def main():
    async with FaultServer() as server:
        print(server.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print(server.hits.total(), flush=True)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
async def test_a_provider_that_stands_still_and_goes_on():
    """B13. Answers that come after their deadline are of no use, and are charged; each cell ends once."""
    process = subprocess.Popen(  # noqa: ASYNC220 - it is stopped by its number
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        server = FaultServer({})
        server.port = int(await asyncio.to_thread(process.stdout.readline))
        os.kill(process.pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(0.6, os.kill, process.pid, signal.SIGCONT)
        plan = Plan("p", [Step("a", "Say {n}", over="n")], {"n": range(4)})
        found = await facing(server, "openai", "good", plan=plan, timeout_s=SHORT_S, retries=4, limits=Limits(concurrent=4))
        process.stdin.write("\n")
        process.stdin.flush()
        hits = int(await asyncio.to_thread(process.stdout.readline))
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.communicate()
    assert found.result.exit_code == 0
    late = [event for event in found.settled if event.outcome == "timeout"]
    assert len(late) >= 4 and all(event.tokens_in > 0 and not event.exact for event in late), "charged, as an estimate (I17)"
    assert hits <= len(found.calls) == len(late) + sum(event.outcome == "ok" for event in found.settled)


async def test_proxies_of_the_environment_are_left_alone(monkeypatch):
    """B14. Nothing goes to them, reachable or not, with or without exceptions."""
    async with FaultServer({"sink": raw(b"")}) as sink:
        for address in (f"http://127.0.0.1:{sink.port}", "http://127.0.0.1:1"):
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, address)
            for exceptions in ("", "example.org"):
                monkeypatch.setenv("NO_PROXY", exceptions)
                for dialect in SPOKEN:
                    found = await faced(dialect, "good", cells=1)
                    assert found.result.exit_code == 0 and found.hits["good"] == 1
        assert sink.connections == 0


def test_what_is_checked_of_every_run_can_fail():
    """The invariants of `facing.check`, on a run that broke one."""

    class Empty:
        errors, report = (), {}

    broken = Faced(Empty())
    broken.hits["good"] = 1
    with pytest.raises(AssertionError, match="I13"):
        check(broken)
