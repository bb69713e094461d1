"""How endings of answers are read: golden tables for streams and whole responses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.providers.chat import ChatStream, decode
from fanfold.providers.sse import EventParser
from fanfold.providers.wire import Heed
from fanfold.spec.calls import Answer, Fault, Message, Request, Usage
from fanfold.spec.errors import Code
from fanfold.testing.faults.chat import completion, event

REQUEST = Request(model="m", messages=(Message("user", "Say something nice, please."),))
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 4}}
LOST = Fault(code=Code.TRANSIENT, message="the connection was lost")
SILENT = Fault(code=Code.TIMEOUT, message="no content")

ROLE, HEL, LO = event({"role": "assistant", "content": ""}), event({"content": "Hel"}), event({"content": "lo"})
STOP, LENGTH, NO_REASON = event({}, "stop"), event({}, "length"), event({}, "")
LAST, DONE = event(None, usage=USAGE), b"data: [DONE]\n\n"
OK = "Hello"

STREAMS = [
    ("as it should be", [ROLE, HEL, LO, STOP, LAST, DONE], None, OK),
    ("finish without DONE", [HEL, LO, STOP], None, OK),
    ("usage-only last chunk", [HEL, LO, STOP, LAST], None, OK),
    ("usage in the finishing chunk", [HEL, LO, event({}, "stop", usage=USAGE), DONE], None, OK),
    ("the reason comes with the last piece", [HEL, event({"content": "lo"}, "stop"), DONE], None, OK),
    ("empty reasons on the way", [event({"content": "Hel"}, ""), event({"content": "lo"}, ""), STOP, DONE], None, OK),
    ("the connection breaks after the finish", [HEL, LO, STOP], LOST, OK),
    ("silence after the finish", [HEL, LO, STOP], SILENT, OK),
    ("a first chunk without choices", [event(None, prompt_filter_results=[]), HEL, LO, STOP, DONE], None, OK),
    ("pings between", [b": ping\n\n", HEL, b"data:\n\n", LO, STOP, DONE], None, OK),
    ("a server's own word", [HEL, LO, event({}, "EOS"), DONE], None, OK),
    ("content as parts", [event({"content": [{"type": "text", "text": "Hello"}]}), STOP, DONE], None, OK),
    ("thinking is not the answer", [event({"reasoning_content": "hm"}), HEL, LO, STOP, DONE], None, OK),
    ("another choice's piece", [HEL, event({"content": "xx"}).replace(b'"index": 0', b'"index": 1'), LO, STOP, DONE], None, OK),
    ("something after DONE", [HEL, LO, STOP, DONE, event({"content": "!"})], None, OK),
    ("CRLF", [piece.replace(b"\n", b"\r\n") for piece in (HEL, LO, STOP, DONE)], None, OK),
    ("DONE without a finish", [HEL, LO, DONE], None, Code.TRANSIENT),
    ("a clean end without anything", [HEL, LO], None, Code.TRANSIENT),
    ("only an empty reason", [HEL, LO, NO_REASON, DONE], None, Code.TRANSIENT),
    ("cut in the middle of an event, cleanly", [HEL, LO[:-9]], None, Code.TRANSIENT),
    ("cut by the network", [HEL, LO[:-9]], LOST, Code.TRANSIENT),
    ("nothing but pings", [b": ping\n\n"], SILENT, Code.TIMEOUT),
    ("nothing at all", [], None, Code.TRANSIENT),
    ("DONE and nothing else", [DONE], None, Code.TRANSIENT),
    ("length", [HEL, LENGTH, LAST, DONE], None, Code.TRUNCATED),
    ("length, then the network", [HEL, LENGTH], LOST, Code.TRUNCATED),
    ("content filter", [HEL, event({}, "content_filter"), DONE], None, Code.FILTERED),
    ("a refusal", [event({"refusal": "No."}), STOP, DONE], None, Code.FILTERED),
    ("an error event", [HEL, b'data: {"error": {"code": 429, "message": "slow"}}\n\n', DONE], None, Code.RATE_LIMITED),
    (
        "an event named error",
        [HEL, b'event: error\ndata: {"type": "overloaded_error", "message": "x"}\n\n'],
        None,
        Code.TRANSIENT,
    ),
    ("an error in a choice", [event({}, "error").replace(b'"index"', b'"error": {"code": 502}, "index"')], None, Code.TRANSIENT),
    ("broken off by the server", [HEL, event({}, "abort"), DONE], None, Code.TRANSIENT),
    ("a reason nobody knows", [HEL, LO, event({}, "tired"), DONE], None, Code.MALFORMED),
    ("a call of a tool", [event({"tool_calls": []}, "tool_calls"), DONE], None, Code.MALFORMED),
    ("no JSON", [HEL, b"data: {oops\n\n", STOP, DONE], None, Code.MALFORMED),
    ("bad UTF-8", [HEL, b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n', STOP, DONE], None, Code.MALFORMED),
    ("half of a pair", [b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n', STOP, DONE], None, Code.MALFORMED),
    ("nothing said", [ROLE, STOP, DONE], None, Code.MALFORMED),
    ("null", [b"data: null\n\n"], None, Code.MALFORMED),
]


def fold(pieces, broken=None):
    chat, heard, heeds = ChatStream(), [], []
    for found in EventParser().feed(b"".join(pieces)):
        heed, text = chat.feed(found.data, found.name)
        heeds.append(heed)
        heard.append(text)
    return chat.end({"x-ratelimit-limit-tokens": "5"}, REQUEST, broken), "".join(heard), heeds


@pytest.mark.parametrize(("pieces", "broken", "expected"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS])
def test_streams(pieces, broken, expected):
    outcome, heard, _ = fold(pieces, broken)
    if isinstance(outcome, Answer):
        assert outcome.text == heard == expected
        assert outcome.headers == {"x-ratelimit-limit-tokens": "5"}
    else:
        assert outcome.code == expected, outcome


@pytest.mark.parametrize("row", [row for row in STREAMS if LAST in row[1] and row[3] == OK], ids=lambda row: row[0])
def test_usage_of_a_stream_is_exact_when_it_was_told(row):
    assert fold(row[1])[0].usage == Usage(tokens_in=9, tokens_out=2, tokens_cached=4)


def test_usage_of_a_stream_is_guessed_otherwise():
    usage = fold([HEL, LO, STOP, DONE])[0].usage
    assert not usage.exact
    assert usage.tokens_in > 5 and usage.tokens_out >= 2
    assert fold([HEL, LENGTH, LAST, DONE])[0].usage.exact, "a truncated answer was paid for as well"


def test_what_counts_as_content():
    _, _, heeds = fold([ROLE, event({"reasoning_content": "hm"}), HEL, event(None), STOP, DONE])
    assert heeds == [Heed.NOTHING, Heed.CONTENT, Heed.CONTENT, Heed.NOTHING, Heed.NOTHING, Heed.END]


@given(st.lists(st.sampled_from([ROLE, HEL, LO, STOP, LENGTH, NO_REASON, LAST, DONE, b"data: 1\n\n"]), max_size=8))
def test_no_stream_is_accepted_without_a_reason_to(pieces):
    outcome, heard, _ = fold(pieces)
    before = pieces[: pieces.index(DONE)] if DONE in pieces else pieces
    if isinstance(outcome, Answer):
        assert [piece for piece in before if piece in (STOP, LENGTH)][-1] == STOP
        assert outcome.text == heard != ""


def whole(status=200, body=b"", headers=None):
    return decode(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode(), REQUEST)


WHOLE = [
    (completion(), ""), (completion(finish="end_turn"), ""), (completion([{"type": "text", "text": "a"}]), ""),
    (completion(choices=[{"text": "legacy", "finish_reason": "stop"}]), ""),
    (completion(finish="length"), Code.TRUNCATED), (completion("", "length", usage={"completion_tokens": 0}), Code.TOO_LONG),
    (completion("", "length", usage={"completion_tokens": 50}), Code.TRUNCATED),
    (completion(finish=None), Code.TRANSIENT), (completion(finish=""), Code.TRANSIENT), (completion(finish=5), Code.TRANSIENT),
    (completion("", "content_filter"), Code.FILTERED), (completion(finish="error"), Code.TRANSIENT),
    (completion(choices=[{"error": {"code": 429}, "finish_reason": "error"}]), Code.RATE_LIMITED),
    (completion(choices=None), Code.MALFORMED), (completion(choices=[]), Code.MALFORMED), (completion(choices=[5]), Code.MALFORMED),
    (completion(choices={"0": {}}), Code.MALFORMED), (completion(5), Code.MALFORMED), (completion(""), Code.MALFORMED),
    ([], Code.MALFORMED), (None, Code.MALFORMED), ("x", Code.MALFORMED), ({}, Code.MALFORMED), (b"", Code.MALFORMED),
    (b"\xef\xbb\xbf{}", Code.MALFORMED), (b'{"choices": []} and more', Code.MALFORMED), (b"```json\n{}\n```", Code.MALFORMED),
    (b'{"a": 1e999}', Code.MALFORMED), ({"error": {"code": 503}}, Code.TRANSIENT), ([{"error": {"code": 503}}], Code.MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), WHOLE, ids=range(len(WHOLE)))
def test_whole_responses(body, code):
    outcome = whole(body=body)
    assert (outcome.code if isinstance(outcome, Fault) else "") == code, outcome


def test_a_page_is_shown_escaped_and_short():
    fault = whole(body=b"<h1>Log in\x1b[31m</h1>\r\n" + b"x" * 5000, headers={"content-type": "text/html"})
    assert fault.message.startswith(r"not JSON (text/html): <h1>Log in\x1b[31m</h1> xxx")
    assert len(fault.message) < 260


def test_the_request_id_is_the_servers():
    assert whole(body=completion()).request_id == "chatcmpl-1"
    assert whole(body=completion(), headers={"x-request-id": "req_1"}).request_id == "req_1"


USAGES = [
    ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}, (9, 2, True)),
    ({"prompt_tokens": 9, "completion_tokens": 2}, (9, 2, True)),
    ({"prompt_tokens": 9.0, "completion_tokens": 2}, (9, 2, True)),
    ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 31}, (9, 22, False)),  # thinking that was not counted
    ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 3}, (9, 2, False)),
    ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": "x"}, (9, 2, False)),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES, ids=range(len(USAGES)))
def test_usage(usage, expected):
    found = whole(body=completion("Hi", usage=usage)).usage
    assert (found.tokens_in, found.tokens_out, found.exact) == expected


ODD = [None, 5, [], {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": -3, "completion_tokens": 2},
       {"prompt_tokens": True, "completion_tokens": 2}, {"prompt_tokens": 9}, {"prompt_tokens": 9, "completion_tokens": 0},
       {"prompt_tokens": 10**12, "completion_tokens": 2}]  # fmt: skip


@pytest.mark.parametrize("usage", ODD, ids=range(len(ODD)))
def test_usage_that_cannot_be_true_is_guessed_and_never_below_the_truth(usage):
    found = whole(body=completion("Good morning to you", usage=usage)).usage
    assert not found.exact
    assert found.tokens_in >= 6 and found.tokens_out >= 4  # as cl100k counts them


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["stop", "length"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "finish_reason", "usage", "error", "refusal", "prompt_tokens", "index"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(values)
def test_no_response_raises(value):
    data = json.dumps(value).encode()
    assert isinstance(decode(200, {}, data, REQUEST), Answer | Fault)
    assert isinstance(fold([b"data: " + data + b"\n\n", STOP, DONE])[0], Answer | Fault)
