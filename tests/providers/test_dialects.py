"""Schemas as Anthropic enforces them, the memory of conversions, and readers that nothing can upset."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.providers import candidates, messages
from fanfold.providers.dialects import MOST_OPTIONAL, MOST_UNIONS, anthropic_subset, gemini_subset
from fanfold.providers.schema import MOST_KNOWN, Once
from fanfold.providers.wire import Heed
from fanfold.sim.server.closed import unenforceable
from fanfold.spec.calls import Answer, Fault
from fanfold.testing.providers import SHAPE, request

TEXT = {"type": "string"}


def of(properties, required=(), **more):
    return {"type": "object", "properties": properties, "required": list(required), **more}


def many(number, schema=TEXT):
    return {f"p{n}": schema for n in range(number)}


@pytest.mark.parametrize(
    ("schema", "enforced"),
    [
        (of({"a": TEXT}), True),
        (of(many(MOST_OPTIONAL)), True),
        (of(many(MOST_OPTIONAL + 1)), False),
        (of(many(90), many(90)), True),
        (of(many(MOST_UNIONS, {"anyOf": [TEXT, {"type": "null"}]}), many(MOST_UNIONS)), True),
        (of(many(MOST_UNIONS + 1, {"type": ["string", "null"]}), many(MOST_UNIONS + 1)), False),
        (of({"a": {"type": "object"}}), False),
        (of({"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": of({"b": {"$ref": "#/$defs/B"}}), "B": of({"c": TEXT})}}), True),
        (of({"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": of({"b": {"$ref": "#/$defs/B"}}), "B": of({"a": {"$ref": "#/$defs/A"}})}}), False),
        (of({"a": {"type": "array", "items": {"$ref": "#"}}}), False),
        ({"type": "array", "items": TEXT}, False),
        (SHAPE, True),
    ],
)  # fmt: skip
def test_what_anthropic_enforces(schema, enforced):
    found = anthropic_subset(schema)
    assert found.strict is enforced and not found.nulls
    assert not enforced or unenforceable(found.schema) is None, "the simulated server takes it too"


def test_optional_properties_stay_optional():
    converted = anthropic_subset(SHAPE).schema
    assert converted["required"] == SHAPE["required"] and converted["properties"]["note"] == TEXT
    assert converted["properties"]["minutes"] == {"type": "integer", "description": "At least 1; at most 600"}
    assert converted["$defs"]["Step"]["additionalProperties"] is False


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "properties", "items", "$ref", "anyOf", "allOf", "enum", "const", "required", "$defs", "format", "title", "x"]), inner, max_size=5
    ),
    max_leaves=20,
)  # fmt: skip


@given(json_like)
def test_conversions_never_raise(schema):
    asked = schema if isinstance(schema, dict) else {"properties": {"x": schema}}
    assert isinstance(gemini_subset(asked), dict)
    assert isinstance(anthropic_subset(asked).schema, dict)


def test_a_schema_is_converted_once():
    calls = []
    once = Once(lambda schema: calls.append(1) or len(calls))
    first, second = {"a": 1}, {"a": 1}
    assert (once(first), once(first), once(second)) == (1, 1, 2)
    for _ in range(MOST_KNOWN):
        once({})
    assert once(first) > 2, "what is remembered has an end"


# ---------------------------------------------------------------- readers

ANTHROPIC_WORDS = [
    "type", "content", "text", "usage", "input_tokens", "output_tokens", "stop_reason", "delta", "index", "error", "message",
    "content_block", "input", "partial_json", "message_start", "content_block_start", "content_block_delta", "message_delta",
    "message_stop", "text_delta", "input_json_delta", "tool_use", "end_turn", "refusal", "stop_details", "ping",
]  # fmt: skip
GOOGLE_WORDS = [
    "candidates", "content", "parts", "text", "thought", "finishReason", "STOP", "MAX_TOKENS", "usageMetadata", "error", "code",
    "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "promptFeedback", "blockReason", "SAFETY", "details",
]  # fmt: skip


def documents(words):
    leaves = st.none() | st.booleans() | st.integers(-5, 1 << 70) | st.floats() | st.sampled_from(words) | st.text(max_size=6)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=5),
        max_leaves=25,
    )


def bodies(words):
    return st.binary(max_size=60) | documents(words).map(lambda found: json.dumps(found).encode())


@given(bodies(ANTHROPIC_WORDS), st.sampled_from([200, 400, 429, 500]))
def test_reading_a_message_never_raises(body, status):
    assert isinstance(messages.decode(status, {}, body, request()), Answer | Fault)


@given(st.lists(bodies(ANTHROPIC_WORDS), max_size=6), st.booleans())
def test_reading_a_stream_of_messages_never_raises(events, tool):
    reading = messages.MessageStream(tool=tool)
    for data in events:
        heed, piece = reading.feed(data)
        assert not piece or heed is Heed.CONTENT
    assert isinstance(reading.end({}, request()), Answer | Fault)


@given(bodies(GOOGLE_WORDS), st.sampled_from([200, 400, 429, 500]))
def test_reading_a_response_never_raises(body, status):
    assert isinstance(candidates.decode(status, {}, body, request()), Answer | Fault)


@given(st.lists(bodies(GOOGLE_WORDS), max_size=6))
def test_reading_a_stream_of_responses_never_raises(events):
    reading = candidates.CandidateStream()
    for data in events:
        heed, piece = reading.feed(data)
        assert not piece or heed in (Heed.CONTENT, Heed.ENDING)
    assert isinstance(reading.end({}, request()), Answer | Fault)
