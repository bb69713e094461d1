"""The benchmarks measure what they say: on small runs, without a target."""

from __future__ import annotations

from time import process_time

from bench import memory, price
from bench._sampling import Sample
from bench._service import PROMPT, SCHEMA, Note, body
from bench.rooms import ROOMS
from fanfold.engine.shapes import Typed
from fanfold.providers.openai import encode
from fanfold.providers.schema import strict_subset
from fanfold.spec.calls import Message, Request


def test_a_run_of_the_conductor_has_its_price():
    found = price.price(days=20, seed=1)
    assert 0.1 < found.us < 10_000
    assert found.calls > 1.75, "three recipes of four cells have a judge"
    assert found.events > 1 + 2 * found.calls, "each call is called and settled, each cell ends"


def test_the_weather_has_everything_in_it(monkeypatch):
    outcomes: dict[str, int] = {}

    class Noting(price.Clocked):
        def drain(self):
            for _, events in price.Conductor.drain(self):
                for event in events:
                    word = getattr(event, "outcome", None) or getattr(event, "code", None) or getattr(event, "check", "")
                    outcomes[word] = outcomes.get(word, 0) + 1
            return []

    monkeypatch.setattr(price, "Clocked", Noting)
    price.price(days=150, seed=1)
    assert {"ok", "duplicate", "transient", "rate_limited", "check_failed"} <= set(outcomes)


def test_memory_is_looked_at_and_cells_are_found():
    watch = memory.watched(10_000, every=200, stop=600)
    assert len(watch.looks) >= 3
    assert memory.CAP < watch.most_cells < 10 * memory.WINDOW


def test_a_sample_gives_time_to_the_room_that_spends_it():
    def busy() -> None:
        until = process_time() + 0.1
        while process_time() < until:
            sum(range(1000))

    sample = Sample([("here", __file__, frozenset({"busy"}))])
    with sample.taken():
        busy()
    assert sample.looks > 5 and sample.rooms["here"] > 0.05
    assert not {room for room, *_ in ROOMS} & {"", "other"}


def test_a_bare_client_sends_what_the_engine_sends():
    import msgspec

    for streamed in (False, True):
        request = Request(
            model="sim", messages=(Message("user", PROMPT.format(n=7)),), schema=Typed(Note, "x").schema, schema_name="Note", stream=streamed
        )  # fmt: skip
        assert request.schema is not None
        ours = msgspec.json.decode(encode(request, strict_subset(request.schema)))
        theirs = body(7, streamed=streamed)
        form = ours.pop("response_format")["json_schema"]
        assert {key: value for key, value in theirs.items() if key != "response_format"} == ours
        assert set(form["schema"]["properties"]) == set(SCHEMA["properties"])
