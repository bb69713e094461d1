"""How long a server wishes us to wait."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.providers.waits import asked_in, duration_s, wait_s

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
LATER = "Wed, 21 Oct 2026 07:28:30 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1), ("1.5", 1.5), ("12ms", 0.012), ("1s", 1), ("6m0s", 360), ("2m59.56s", 179.56), ("1h2m3s", 3723), ("1d", 86400),
        ("41.724s", 41.724), ("45.837906927s", 45.837906927), ("20 seconds", 20), ("1 minute", 60), ("500µs", 0.0005),
        ("3 us", 3e-6),
        ("", None), ("0", None), ("0s", None), ("-5", None), ("nan", None), ("inf", None), ("1e400", None), ("soon", None),
        ("9" * 400, None), ("x" * 10_000, None), ("٣", None),
    ],
)  # fmt: skip
def test_durations(text, seconds):
    assert duration_s(text) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, b"", None),
        ({"retry-after": "1"}, b"", 1),
        ({"retry-after": "86400"}, b"", 86400),
        ({"retry-after-ms": "250", "retry-after": "1"}, b"", 0.25),
        ({"retry-after-ms": "nan", "retry-after": "1"}, b"", 1),
        ({"retry-after": "-5"}, b"", None),
        ({"retry-after": "nan"}, b"", None),
        ({"retry-after": "x" * 10_240}, b"", None),
        ({"retry-after": LATER, "date": DATE}, b"", 30),
        ({"retry-after": DATE, "date": LATER}, b"", None),  # a moment that has passed
        ({"retry-after": LATER}, b"", None),  # our clock is not the server's
        ({"retry-after": LATER, "date": "yesterday"}, b"", None),
        ({}, b'{"error":{"message":"Limit 10000, Used 8782. Please try again in 41.724s."}}', 41.724),
        ({}, b"Please try again in 6m0s. Visit the page.", 360),
        ({}, b"Please retry in 47.43s", 47.43),
        ({}, b"retry after 86400 seconds", 86400),
        ({}, b"try again in 20 seconds or so", 20),
        ({}, b"Try again later", None),
        ({}, b'{"details":[{"@type":"RetryInfo","retryDelay": "45.837906927s"}]}', 45.837906927),
        ({"retry-after": "2"}, b"try again in 9s", 2),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, b"", 360),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, b"", None),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "1s"}, b"", None),
        (
            {
                "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms",
            },
            b"", 2,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2026-10-21T07:28:10Z",
                "date": DATE,
            },
            b"", 10,
        ),
    ],
)  # fmt: skip
def test_wishes(headers, body, seconds):
    assert wait_s(headers, body) == (seconds if seconds is None else pytest.approx(seconds))


names = st.sampled_from(
    ["retry-after", "retry-after-ms", "date", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "ratelimit"]
)
numbers = st.integers(-(10**30), 10**30) | st.floats()
values = (
    st.text(max_size=80)
    | numbers.map(str)
    | st.sampled_from(["0", DATE, LATER, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "1s" * 40])
    | st.lists(st.sampled_from(["1", "9" * 30, ".5", "ms", "s", "m", "h", "d", "-", "e9", " "])).map("".join)
)
asking = st.builds(lambda a, b: f"{a} {b}".encode("utf-8", "replace"), st.sampled_from(["try again in", "retry in"]), values)
bodies = st.binary(max_size=200) | asking


@given(st.dictionaries(names, values), bodies)
def test_any_input_gives_a_sound_number_or_none(headers, body):
    found = wait_s(headers, body)
    assert found is None or (found > 0 and math.isfinite(found))


BAITS = ["try again in " + "1" * 100_000, "try again in " + "1s " * 50_000, "retry in 1" + " " * 100_000, '"retryDelay"' * 9_000]


@pytest.mark.parametrize("bait", BAITS, ids=range(len(BAITS)))
def test_hostile_texts_are_read_in_no_time(bait):
    began = time.process_time()
    asked_in(bait)
    assert time.process_time() - began < 1.0
