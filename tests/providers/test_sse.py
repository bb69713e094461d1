"""Server-sent events by the WHATWG rules, from bytes in any pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.providers.sse import Event, EventParser

CASES = [
    ("LF", b"data: a\n\ndata: b\n\n", ["a", "b"]),
    ("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    ("CR", b"data: a\r\rdata: b\r\r", ["a", "b"]),
    ("mixed endings", b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", ["a", "b", "c"]),
    ("a leading BOM", b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    ("only one BOM is dropped", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", ["b"]),
    ("a BOM later is text", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
    ("comments", b": ping\n\n:\n\ndata: a\n: between\ndata: b\n\n", ["a\nb"]),
    ("several lines", b"data: a\ndata:\ndata: c\n\n", ["a\n\nc"]),
    ("one space is dropped", b"data:a\n\ndata:  b\n\n", ["a", " b"]),
    ("a field without a colon", b"data\n\nnonsense\n\n", [""]),
    ("other fields", b"id: 1\nretry: 10\nwhat: x\ndata: a\n\n", ["a"]),
    ("no data, no event", b"event: x\n\ndata: a\n\n", ["a"]),
    ("cut by the end", b"data: a\n\ndata: b\n", ["a"]),
    ("utf-8", "data: été 🌱\n\n".encode(), ["été 🌱"]),
]


def parse(*chunks):
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_rules(data, expected):
    assert [event.data.decode() for event in parse(data)] == expected
    assert [event.data.decode() for event in parse(*(data[i : i + 1] for i in range(len(data))))] == expected


def test_the_name_of_an_event_lasts_for_one_event():
    assert parse(b"event: error\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\n") == [
        Event(b"error", b"a"), Event(b"message", b"b"), Event(b"message", b"c"),
    ]  # fmt: skip


lines = st.sampled_from(
    [b"data: x", b"data:", b"data: \xc3\xa9", b"event: e", b": c", b"", b"", b"id: 3", b"\xef\xbb\xbfdata: y", b"\xff"]
)
ended = st.builds(bytes.__add__, lines, st.sampled_from([b"\n", b"\r\n", b"\r"]))
streams = st.lists(ended).map(b"".join)


@given(streams | st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_any_split_gives_the_same_events(data, cuts):
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in pairwise(places)]
    assert parse(*chunks, b"") == parse(data)


def test_what_is_held_is_counted_and_let_go():
    parser = EventParser()
    parser.feed(b"data: " + b"x" * 1000)
    assert parser.held == 1006
    parser.feed(b"x" * 1000 + b"\n")
    assert parser.held >= 2000
    parser.feed(b"\nab")
    assert parser.held == 2
