"""Who writes an answer, and what happens when that fails."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from random import Random

import pytest

from fanfold.sim import content
from fanfold.sim.content import ContentError, Contents, in_order
from fanfold.sim.pen import Habits
from fanfold.spec.calls import Message, Request

SCHEMA = {"title": "Dish", "type": "object", "properties": {"name": {"type": "string"}, "minutes": {"type": "integer"}},
          "required": ["name", "minutes"]}  # fmt: skip


def ask(schema=SCHEMA, name="answer", prompt="Cook."):
    return Request(model="m", messages=(Message("system", "You cook."), Message("user", prompt)), schema=schema, schema_name=name)


def write(contents, request, seed=1):
    return contents.write(request, Random(seed), Habits())


def test_found_by_title_or_by_name():
    seen = []

    def dish(pen):
        seen.append(pen)
        return {"minutes": 5, "name": pen.choose(["soup"])}

    contents = Contents({"Dish": dish})
    assert write(contents, ask()) == '{"name":"soup","minutes":5}', "in the order of the schema"
    untitled = {key: value for key, value in SCHEMA.items() if key != "title"}
    assert json.loads(write(contents, ask(untitled, "Dish")))["name"] == "soup"
    assert json.loads(write(contents, ask({**SCHEMA, "title": "Other"}, "Other")))["name"] != "soup"
    assert "You cook." in seen[0].prompt and "Cook." in seen[0].prompt
    assert seen[0].schema == SCHEMA


def test_entry_points_are_looked_up_when_first_needed(monkeypatch):
    looked = []

    def points(group):
        looked.append(group)
        if group == content.SPEECH:
            return []
        return [EntryPoint("Dish", "json:dumps", group), EntryPoint("Lost", "no_such_module_here:x", group)]

    monkeypatch.setattr(content, "entry_points", points)
    contents = Contents()
    write(contents, ask(None))
    write(contents, ask(None))
    assert looked == ["fanfold.speech"], "text needs no content function"
    write(contents, ask({"title": "Else", **{k: v for k, v in SCHEMA.items() if k != "title"}}))
    with pytest.raises(ContentError, match=r"'Dish'.*TypeError"):
        write(contents, ask())
    with pytest.raises(ContentError, match=r"'Lost' \(no_such_module_here:x\) could not be loaded: ModuleNotFoundError"):
        write(contents, ask({**SCHEMA, "title": "Lost"}))
    assert looked == ["fanfold.speech", "fanfold.content"], "once per provider"


def test_a_failing_function_says_which():
    with pytest.raises(ContentError, match="'Dish': ZeroDivisionError"):
        write(Contents({"Dish": lambda pen: 1 / 0}), ask())


def test_texts_speak_of_the_prompt_and_keep_to_markdown():
    text = write(Contents({}), ask(None, prompt="Tell me about lighthouses."))
    assert "lighthouses" in text.lower() and 300 < len(text) < 3000
    assert "#" not in text
    assert write(Contents({}), ask(None, prompt="Tell me about lighthouses in Markdown.")).startswith("# ")
    assert len({write(Contents({}), ask(None), seed) for seed in range(30)}) > 25


def test_a_text_is_written_by_the_first_who_knows_the_prompt():
    def sea(pen):
        return "Of the sea." if "sea" in pen.prompt else None

    contents = Contents({}, [sea, lambda pen: "Of the air." if "air" in pen.prompt or "sea" in pen.prompt else None])
    assert write(contents, ask(None, prompt="Of the sea and the air?")) == "Of the sea."
    assert write(contents, ask(None, prompt="Of the air?")) == "Of the air."
    assert len(write(contents, ask(None, prompt="Of lighthouses?"))) > 40
    with pytest.raises(ContentError, match="ZeroDivisionError"):
        write(Contents({}, [lambda pen: 1 / 0]), ask(None))


def test_order_leaves_what_it_does_not_know():
    assert list(in_order({"z": 1, "b": 2, "a": 3}, {"properties": {"a": {}, "b": {}, "c": {}}})) == ["a", "b", "z"]
    assert in_order([2, 1], {}) == [2, 1]
