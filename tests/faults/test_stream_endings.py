"""The golden table: how each stream that ends in another way is read, by every adapter (FAULTS A18).

complete: an answer. truncated: cut at its limit. error: the code of a fault. "-": cannot happen in that dialect. Nothing is accepted
but what the model is said to have ended; what the network did after that does not matter.
"""

from __future__ import annotations

import asyncio

import pytest

from fanfold.providers.anthropic import Anthropic
from fanfold.providers.google import Google
from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
from fanfold.spec.calls import Answer, Chunk
from fanfold.testing.faults.dialect import TEXT
from fanfold.testing.faultserver import FaultServer
from fanfold.testing.providers import KEY, request
from tests.faults.facing import MODES

TABLE = """
stream                what it is                                          openai          anthropic       google
good                  pieces, a reason, the last event                    complete        complete        complete
finish_without_done   a reason, and no last event                         complete        transient       transient
done_without_finish   the last event, and no reason                       transient       transient       transient
no_finish             a clean end in the midst of the text                transient       transient       transient
cut                   the connection closes inside an event               transient       transient       transient
cut_clean             a clean end inside an event                         transient       transient       transient
rst_stream            the connection is reset                             transient       transient       transient
empty_stream          a clean end before anything                         transient       transient       transient
empty_finish          a reason of "" with each piece, then one            complete        -               -
empty_finish_only     no reason but ""                                    transient       -               -
usage_last            the usage after the reason, no last event           complete        -               -
length_stream         the reason is the limit                             truncated       truncated       truncated
filtered_stream       the reason is a filter                              filtered        filtered        filtered
stopped_empty         a reason, and no text                               malformed       malformed       malformed
error_event           a 429 inside the 200                                rate_limited    rate_limited    rate_limited
overloaded_event      an overload inside the 200                          transient       transient       transient
no_json_event         an event that is no JSON                            malformed       malformed       malformed
bad_utf8_event        an event that is no UTF-8                           malformed       malformed       malformed
byte_split            one byte a chunk, characters cut in four            complete        complete        complete
crlf                  lines end with CR LF                                complete        complete        complete
cr                    lines end with CR                                   complete        complete        complete
pings                 a BOM, comments, pings, empty events                complete        complete        complete
mislabelled           a stream by another content type                    complete        complete        complete
not_streamed          no stream at all                                    complete        complete        complete
silent_after_done     everything, and the connection stays open           complete        complete        complete
silent_stream         silence after the first piece                       timeout         timeout         timeout
pings_only            pings and nothing else                              timeout         timeout         timeout
endless_stream        pieces without end                                  malformed       malformed       malformed
endless_event         an event without end                                malformed       malformed       malformed
"""
ADAPTERS = {"openai": OpenAI, "anthropic": Anthropic, "google": Google}
_HEAD, *_LINES = TABLE.strip().splitlines()
ROWS = [(line.split()[0], *line.split()[-3:]) for line in _LINES]
CASES = [
    (stream, adapter, decision)
    for stream, *decisions in ROWS
    for adapter, decision in zip(ADAPTERS, decisions, strict=True)
    if decision != "-"
]


def test_the_table_is_whole():
    assert _HEAD.split()[-3:] == list(ADAPTERS) and len(ROWS) >= 14
    assert len({stream for stream, *_ in ROWS}) == len(ROWS)
    assert all(stream in MODES[adapter] for stream, adapter, _ in CASES)


@pytest.mark.parametrize(("stream", "adapter", "decision"), CASES, ids=[f"A18-{case[0]}-{case[1]}" for case in CASES])
async def test_a_stream_is_read_as_the_table_says(stream, adapter, decision):
    heard: list[str] = []

    def hear(chunk: Chunk) -> None:
        heard.append(chunk.text)

    async with FaultServer(MODES[adapter]) as server:
        wire = Wire(body_limit=1 << 19)
        asked = request(stream=True, **({"idle_s": 0.2} if decision == "timeout" else {}))
        outcome = await asyncio.wait_for(ADAPTERS[adapter](wire, server.url(stream), KEY).call(asked, hear), 20)
        await wire.close()
        assert server.hits[stream] == 1
    if isinstance(outcome, Answer):
        assert decision == "complete" and outcome.text == "".join(heard) == TEXT and outcome.finish == "stop"
    else:
        assert outcome.code == decision, outcome
        assert decision in ("rate_limited", "filtered") or outcome.usage.tokens_in > 0, "what broke off may be charged"
