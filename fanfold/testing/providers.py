"""The conformance suite of the Provider port: what every adapter does, whatever happens on the other side.

The other side is a server that fails on purpose, and the simulated provider, which speaks every dialect: answers, limits, errors.

    class TestMine(ProviderConformance):
        @asynccontextmanager
        async def provider(self, base_url):
            wire = Wire()
            yield MyAdapter(wire, base_url, KEY)
            await wire.close()

An adapter for another dialect replaces `modes`, `streamed` (and, where its server says other things, `plain`).
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from fanfold.sim.server import Running, start
from fanfold.sim.world import World
from fanfold.spec.calls import Answer, Chunk, Fault, Message, Request, Scope
from fanfold.spec.errors import Code
from fanfold.spec.ports import Provider
from fanfold.testing.faults.dialect import TEXT
from fanfold.testing.faults.exchange import Mode
from fanfold.testing.faultserver import MODES, FaultServer

KEY = "sk-test-0123456789"
SHORT_S = 0.25
LONG_S = 20.0


class Expected(NamedTuple):
    """code: of the Fault, "" for an Answer. exact: whether the usage is the reported one."""

    code: str
    scope: Scope = Scope.CELL
    wait_s: float | None = None
    exact: bool = True


GOOD = Expected("")
GUESSED = Expected("", exact=False)
BROKEN, BAD, CUT, LATE = Expected(Code.TRANSIENT), Expected(Code.MALFORMED), Expected(Code.TRUNCATED), Expected(Code.TIMEOUT)
FILTERED, TOO_LONG, LIMITED = Expected(Code.FILTERED), Expected(Code.TOO_LONG), Expected(Code.RATE_LIMITED)
AUTH, QUOTA = Expected(Code.AUTH, Scope.ACCOUNT), Expected(Code.QUOTA, Scope.ACCOUNT)
DENIED = Expected(Code.AUTH, Scope.LANE)
ALIEN = Expected(Code.MALFORMED, Scope.ENDPOINT)
REFUSED, UNKNOWN = Expected(Code.BAD_REQUEST), Expected(Code.BAD_REQUEST, Scope.LANE)

PLAIN: dict[str, Expected] = {
    "good": GOOD, "not_streamed": GOOD,
    "rst": BROKEN, "hang": LATE, "head_then_hang": LATE, "drip": LATE, "short_body": BROKEN, "bad_chunk": BROKEN,
    "not_http": BROKEN, "html200": ALIEN, "html200_as_json": ALIEN, "html502": BROKEN,
    "nothing": ALIEN, "null": BAD, "string": BAD, "list": BAD, "object": BAD,
    "choices_null": BAD, "choices_empty": BAD, "message_null": BAD, "content_null": BAD, "empty": BAD, "no_finish_reason": BROKEN,
    "odd_finish": BAD, "error_in_200": LIMITED, "strange_error_in_200": BAD, "length": CUT, "length_zero": TOO_LONG,
    "content_filter": FILTERED, "refusal": FILTERED, "truncated_json": BAD, "nan": BAD, "deep": BAD, "huge_number": BAD,
    "surrogate": BAD, "bad_utf8": BAD, "no_usage": GUESSED, "zero_usage": GUESSED, "odd_usage": GUESSED,
    "quota429": QUOTA, "402": QUOTA, "429": LIMITED, "429_wait": LIMITED._replace(wait_s=1.0),
    "429_text": LIMITED._replace(wait_s=41.724), "429_final": Expected(Code.QUOTA), "429_too_large": TOO_LONG,
    "401": AUTH, "403": DENIED, "404_model": UNKNOWN, "404_path": UNKNOWN,
    "400": REFUSED, "400_schema": Expected(Code.BAD_REQUEST, Scope.STEP), "422": REFUSED, "too_long": TOO_LONG,
    "500": BROKEN, "503": BROKEN._replace(wait_s=3.0), "529": BROKEN, "redirect": Expected(Code.BAD_REQUEST, Scope.ENDPOINT),
    "gzip_bomb": BAD, "huge_header": ALIEN, "many_headers": ALIEN, "endless": BAD,
}  # fmt: skip
"""What becomes of each mode when the answer is asked for whole."""

STREAMED: dict[str, Expected] = {
    "good": GOOD, "not_streamed": GOOD, "mislabelled": GOOD, "finish_without_done": GOOD, "usage_last": GOOD,
    "empty_finish": GOOD, "byte_split": GOOD, "crlf": GOOD, "cr": GOOD, "pings": GOOD, "silent_after_done": GOOD,
    "cut": BROKEN, "rst_stream": BROKEN, "empty_stream": BROKEN, "cut_clean": BROKEN, "no_finish": BROKEN, "done_without_finish": BROKEN,
    "empty_finish_only": BROKEN, "length_stream": CUT, "filtered_stream": FILTERED, "error_event": LIMITED, "overloaded_event": BROKEN, "stopped_empty": BAD,
    "no_json_event": BAD, "bad_utf8_event": BAD, "endless_event": BAD, "pings_only": LATE, "silent_stream": LATE,
    "endless_stream": BAD, "rst": BROKEN, "hang": LATE, "429_wait": LIMITED._replace(wait_s=1.0), "html200": ALIEN, "500": BROKEN,
    "401": AUTH,
}  # fmt: skip
"""What becomes of each mode when the answer is asked for in pieces."""

_OF_CHAT = ("usage_last", "empty_finish", "empty_finish_only")
STREAMED_ELSEWHERE = {name: expected for name, expected in STREAMED.items() if name not in _OF_CHAT} | {
    "finish_without_done": BROKEN
}
"""The same for other dialects, which know no empty reason, and whose last event must come."""


SHAPE = {
    "title": "Dish",
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 60},
        "course": {"enum": ["starter", "main"]},
        "minutes": {"type": "integer", "minimum": 1, "maximum": 600},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1},
        "note": {"type": "string"},
    },
    "required": ["name", "course", "minutes", "steps"],
    "$defs": {"Step": {"type": "object", "properties": {"do": {"type": "string"}}, "required": ["do"]}},
}
"""Bounds, choices, references, lists and an optional property: each dialect says them in its own way."""
QUICK_S = 0.01


def request(*, timeout_s: float = LONG_S, idle_s: float = LONG_S, **more: Any) -> Request:
    return Request(model="m", messages=(Message("user", "Say it."),), timeout_s=timeout_s, idle_s=idle_s, **more)


class ProviderConformance(ABC):
    """Test methods for any runner that awaits them; nothing here needs pytest."""

    modes: Mapping[str, Mode] = MODES
    plain: Mapping[str, Expected] = PLAIN
    streamed: Mapping[str, Expected] = STREAMED
    tells_limits: bool = True
    """Whether the dialect tells of limits in headers."""

    @abstractmethod
    def provider(self, base_url: str) -> AbstractAsyncContextManager[Provider]:
        """The adapter under test, with the key KEY, and all that it holds open."""

    async def test_whole_answers_end_as_they_should(self) -> None:
        await self._each(self.plain, stream=False)

    async def test_streams_end_as_they_should(self) -> None:
        await self._each(self.streamed, stream=True)

    async def _each(self, table: Mapping[str, Expected], *, stream: bool) -> None:
        """Every mode at once: one request each, no exception, nothing accepted that did not end well."""
        async with FaultServer(self.modes) as server:

            async def one(mode: str, expected: Expected) -> None:
                heard: list[str] = []
                late = expected.code == Code.TIMEOUT
                asked = request(stream=stream, **({"timeout_s": 2 * SHORT_S, "idle_s": SHORT_S} if late else {}))
                async with self.provider(server.url(mode)) as provider:
                    outcome = await provider.call(asked, lambda chunk: heard.append(chunk.text))
                self._as_expected(mode, outcome, expected)
                assert server.hits[mode] == 1, f"{mode}: {server.hits[mode]} requests for one call"
                assert stream or not heard, f"{mode}: heard pieces that were not asked for"
                assert "" not in heard, f"{mode}: heard an empty piece"
                assert not isinstance(outcome, Answer) or not stream or "".join(heard) == outcome.text, mode

            await asyncio.gather(*(one(mode, expected) for mode, expected in table.items()))

    def _as_expected(self, mode: str, outcome: Answer | Fault, expected: Expected) -> None:
        said = repr(outcome)
        assert KEY not in said, f"{mode}: shows the key"
        assert "in-the-query" not in said, f"{mode}: shows a query"
        if isinstance(outcome, Answer):
            assert expected.code == "", f"{mode}: accepted {said}"
            assert outcome.text == TEXT, f"{mode}: {said}"
            assert outcome.usage.exact is expected.exact, f"{mode}: {said}"
            assert outcome.usage.tokens_in > 0 and outcome.usage.tokens_out > 0, f"{mode}: {said}"
        else:
            found = (outcome.code, outcome.scope, outcome.retry_after_s)
            assert found == (expected.code, expected.scope, expected.wait_s), f"{mode}: {said}"
            assert outcome.message and outcome.message.isprintable() and len(outcome.message) < 700, f"{mode}: {said}"
            assert outcome.scope is Scope.CELL or outcome.hint, f"{mode}: {said}"
            assert Code(outcome.code), mode
        msgspec.json.encode(outcome)  # it will be journaled

    async def test_rate_limit_headers_are_passed_on(self) -> None:
        async with FaultServer(self.modes) as server, self.provider(server.url("good")) as provider:
            outcome = await provider.call(request(), _unheard)
        passed = any("ratelimit" in name and name == name.lower() for name in outcome.headers)
        assert passed is self.tells_limits and bool(outcome.told) is self.tells_limits, outcome

    async def test_deadlines_hold(self) -> None:
        loop = asyncio.get_running_loop()
        for mode in ("hang", "head_then_hang", "drip"):
            async with FaultServer(self.modes) as server, self.provider(server.url(mode)) as provider:
                began = loop.time()
                outcome = await provider.call(request(timeout_s=SHORT_S), _unheard)
                assert isinstance(outcome, Fault) and outcome.code == Code.TIMEOUT, (mode, outcome)
                assert SHORT_S * 0.9 <= loop.time() - began < SHORT_S + 1, mode

    async def test_cancelled_calls_free_their_connections(self) -> None:
        """Two hundred calls cancelled at every stage; the pool is as good as new (FAULTS B11)."""
        async with FaultServer(self.modes) as server, self.provider(server.url("drip")) as provider:
            calls = [asyncio.create_task(provider.call(request(stream=n % 2 == 1), _unheard)) for n in range(200)]
            for n, call in enumerate(calls):
                if n % 20 == 0:
                    await asyncio.sleep(0.001)
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ended)
            async with asyncio.timeout(LONG_S):
                await server.quiet()
            server.modes = {**self.modes, "drip": self.modes["good"]}
            after = await asyncio.gather(*(provider.call(request(), _unheard) for _ in range(20)))
            assert all(isinstance(answer, Answer) for answer in after), after

    async def test_a_connection_closed_behind_our_back_is_one_lost_call_at_most(self) -> None:
        async with FaultServer(self.modes) as server, self.provider(server.url("close_quietly")) as provider:
            outcomes = [await provider.call(request(), _unheard) for _ in range(5)]
            answers = sum(isinstance(outcome, Answer) for outcome in outcomes)
            assert server.hits["close_quietly"] == answers >= 1
            lost = [outcome.code for outcome in outcomes if isinstance(outcome, Fault)]
            assert set(lost) <= {Code.TRANSIENT}

    async def test_nobody_listening(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound and not listening: refuses
            port = unused.getsockname()[1]
            async with self.provider(f"http://127.0.0.1:{port}/v1") as provider:
                outcome = await provider.call(request(), _unheard)
        assert isinstance(outcome, Fault) and (outcome.code, outcome.scope) == (Code.TRANSIENT, Scope.ENDPOINT)
        assert f"127.0.0.1:{port}" in outcome.hint
        assert outcome.usage.tokens_in == 0, "nothing was sent"

    async def test_what_cannot_be_sent_is_a_fault(self) -> None:
        async with FaultServer(self.modes) as server, self.provider(server.url("good")) as provider:
            half = msgspec.structs.replace(request(), messages=(Message("user", "\ud800"),))
            strange = request(sampling={"temperature": object()})
            for asked in (half, strange):
                outcome = await provider.call(asked, _unheard)
                assert isinstance(outcome, Fault) and outcome.code == Code.BAD_REQUEST
            assert server.hits["good"] == 0

    async def test_its_repr_keeps_the_key(self) -> None:
        async with self.provider("http://127.0.0.1:1/v1") as provider:
            assert KEY not in repr(provider)

    # ---------------------------------------------------------------- the simulated provider

    @asynccontextmanager
    async def _served(self, **world: Any) -> AsyncIterator[tuple[Provider, Running]]:
        running = await start(World(**{"fixed_s": QUICK_S, **world}), api_key=KEY)
        try:
            async with self.provider(running.url) as provider:
                yield provider, running
        finally:
            await running.stop()

    async def _outcome(self, asked: Request, **world: Any) -> Answer | Fault:
        async with self._served(**world) as (provider, _):
            return await provider.call(asked, _unheard)

    async def test_answers_and_what_they_cost(self) -> None:
        heard: list[str] = []
        async with self._served() as (provider, running):
            whole = await provider.call(request(), _unheard)
            counted = running.stats.as_dict()
        async with self._served() as (provider, _):
            pieces = await provider.call(request(stream=True), lambda chunk: heard.append(chunk.text))
        assert isinstance(whole, Answer) and isinstance(pieces, Answer), (whole, pieces)
        assert whole.text == pieces.text == "".join(heard) and len(heard) > 1
        assert whole.usage == pieces.usage and whole.usage.exact
        assert (whole.usage.tokens_in, whole.usage.tokens_out) == (counted["tokens_in"], counted["tokens_out"])
        assert whole.request_id or not self.tells_limits, "who tells of limits names requests too"

    async def test_answers_with_a_shape(self) -> None:
        for stream in (False, True):
            heard: list[Chunk] = []
            async with self._served() as (provider, _):
                asked = request(schema=SHAPE, schema_name="Dish", stream=stream)
                outcome = await provider.call(asked, heard.append)
            assert isinstance(outcome, Answer), outcome
            dish = msgspec.json.decode(outcome.text)
            assert set(SHAPE["required"]) <= set(dish) <= set(SHAPE["properties"]) and dish["course"] in ("starter", "main")
            assert dish["steps"] and all(isinstance(step["do"], str) for step in dish["steps"])
            assert dish.get("note", "") is not None, "an optional property is left out, never null"
            assert stream is bool(heard)

    async def test_answers_that_are_cut_off_or_filtered(self) -> None:
        cut = await self._outcome(request(sampling={"max_tokens": 5}))
        assert isinstance(cut, Fault) and (cut.code, cut.usage.tokens_out) == (Code.TRUNCATED, 5), cut
        filtered = await self._outcome(request(), faults={"filter": 1.0})
        assert isinstance(filtered, Fault) and filtered.code == Code.FILTERED, filtered

    async def test_what_is_refused(self) -> None:
        async with self._served() as (provider, running):
            wrong = await provider.call(request(sampling={"temperature": "hot"}), _unheard)
            unknown = await provider.call(msgspec.structs.replace(request(), model="missing-model"), _unheard)
            assert running.stats.answered == 0
        running = await start(World(), api_key="another")
        async with self.provider(running.url) as provider:
            denied = await provider.call(request(), _unheard)
        await running.stop()
        assert isinstance(wrong, Fault) and wrong.code == Code.BAD_REQUEST and wrong.scope is not Scope.LANE, wrong
        assert isinstance(unknown, Fault) and (unknown.code, unknown.scope) == (Code.BAD_REQUEST, Scope.LANE), unknown
        assert "model" in unknown.hint and "base URL" not in unknown.hint
        assert isinstance(denied, Fault) and (denied.code, denied.scope) == (Code.AUTH, Scope.ACCOUNT), denied

    async def test_a_server_in_trouble(self) -> None:
        for fault, overload in (("500", False), ("502", False), ("503", True), ("529", True)):
            outcome = await self._outcome(request(), faults={fault: 1.0})
            assert isinstance(outcome, Fault), outcome
            assert (outcome.code, outcome.scope, outcome.overload) == (Code.TRANSIENT, Scope.CELL, overload), outcome
        spent = await self._outcome(request(), faults={"quota": 1.0})
        assert isinstance(spent, Fault) and spent.code == Code.QUOTA and spent.scope in (Scope.LANE, Scope.ACCOUNT), spent
        async with FaultServer(self.modes) as server, self.provider(server.url("overloaded_event")) as provider:
            heard: list[str] = []
            outcome = await provider.call(request(stream=True), lambda chunk: heard.append(chunk.text))
        assert isinstance(outcome, Fault) and outcome.code == Code.TRANSIENT and outcome.overload and heard, outcome
        assert outcome.usage.tokens_in > 0, "what was written may be charged"

    async def test_limits_are_learned(self) -> None:
        async with self._served(rpm=1, tpm=60_000, refused_cost=0) as (provider, _):
            answer = await provider.call(request(), _unheard)
            refused = await provider.call(request(), _unheard)
        assert isinstance(answer, Answer) and isinstance(refused, Fault), (answer, refused)
        assert (refused.code, refused.refused, refused.scope) == (Code.RATE_LIMITED, "requests", Scope.CELL), refused
        assert refused.retry_after_s is not None and 50 < refused.retry_after_s <= 60, refused
        assert any((limit.counts, limit.span_s, limit.limit) == ("requests", 60, 1) for limit in refused.told), refused
        told = {limit.counts: limit for limit in answer.told}
        assert ("requests" in told and "tokens" in told) is self.tells_limits, answer
        if self.tells_limits:
            assert (told["requests"].limit, told["requests"].remaining) == (1, 0) and told["tokens"].limit == 60_000
            assert told["requests"].reset_s is not None and 50 < told["requests"].reset_s <= 61

    async def test_cancelled_calls_leave_the_server(self) -> None:
        async with self._served(fixed_s=30.0) as (provider, running):
            calls = [asyncio.create_task(provider.call(request(stream=stream), _unheard)) for stream in (False, True)]
            async with asyncio.timeout(LONG_S):
                while running.stats.in_flight < 2:  # noqa: ASYNC110 - counters have no event
                    await asyncio.sleep(0.005)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
                while running.stats.in_flight:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert running.stats.cancelled == 2 and all(call.cancelled() for call in calls)


def _unheard(chunk: Chunk) -> None:
    """For calls whose pieces are of no interest."""
