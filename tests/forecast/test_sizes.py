from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from fanfold.engine import tokens
from fanfold.engine.attempt import AVOID_TOKENS as ENGINES
from fanfold.forecast import sizes
from fanfold.forecast.asked import AVOID_TOKENS
from fanfold.spec.calls import Message
from fanfold.spec.plan import Judge, Plan, Step, Unique
from tests.forecast.plans import asked, report


class Part(BaseModel):
    name: str
    amount: float


class Recipe(BaseModel):
    name: str
    parts: list[Part] = Field(min_length=10, max_length=20)
    steps: list[str]
    kind: Part | None = None


def test_prompts_are_booked_as_the_engine_books_them():
    assert AVOID_TOKENS == ENGINES
    for length in (10, 500, 20_000):
        messages = [Message("system", "x" * length), Message("user", "x" * 30)]
        assert sizes.booked(length + 30, 2) == pytest.approx(tokens.estimate_messages(messages), abs=2)


@pytest.mark.parametrize("most", [None, 300])
def test_answers_are_booked_as_the_engine_books_them(most):
    assert sizes.guess(most) == tokens.guess(most) == (150 if most else 512)
    assert sizes.VERDICT_MOST == tokens.VERDICT_MOST


def test_an_answer_is_as_long_as_its_schema_says():
    schema = Recipe.model_json_schema()
    whole = sizes.answer_characters(schema, Recipe)
    parts = sizes.answer_characters(schema, Recipe, ("parts",))
    assert whole > parts > 15 * len('{"name": "…", "amount": 1}')
    assert sizes.answer_characters(schema, Recipe, ("kind", "amount")) < 10
    assert sizes.answer_characters(schema, Recipe, ("nothing",)) == sizes.WORDS
    assert sizes.item_characters(schema, ("parts",)) == pytest.approx(parts / 15, rel=0.1)
    assert sizes.answer_characters(None, str) < sizes.answer_characters(None, sizes.Markdown)


def test_odd_schemas_have_a_length_all_the_same():
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"next": {"$ref": "#/$defs/a"}}}}}
    self = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    for schema in (loop, self, {}, {"type": ["string", "null"]}, {"anyOf": [{"type": "null"}]}, {"enum": []}, {"type": "array"}):
        assert 0 < sizes.answer_characters(schema, dict) < 10_000


def test_a_prompt_is_measured_with_what_goes_into_it():
    plan = Plan(
        "p",
        [
            Step("a", "{long} {row.text} {n}", over=("row", "n"), system="{{ {long}", unique=Unique()),
            Step("b", "{a}", over="row"),
            Step("c", lambda cell: "x", judge=Judge("{value}")),
        ],
        {"row": [{"text": "x" * 400}, {"text": "x" * 200}], "n": range(3)},
        {"long": "y" * 4000},
    )  # fmt: skip
    (_, _, a), (_, _, b), (_, _, c) = asked(plan).prospects
    assert a.charged == pytest.approx((4000 + 300 + 4000) / 4, rel=0.02)
    assert a.booked == pytest.approx((8300 / 3.6) * 1.1 + AVOID_TOKENS, rel=0.02)
    assert b.charged == pytest.approx(3 * asked(plan).prospects[0][1].voice.tokens_out, rel=0.05), "three answers are gathered"
    assert c.charged > 100 and c.judge_charged > 100


def test_lists_that_are_not_known_yet_have_a_usual_length():
    _, _, size = asked(report()).prospects[2]
    one = asked(report()).prospects[1][1].voice.tokens_out
    assert size.charged == pytest.approx(5 * one, rel=0.05)
