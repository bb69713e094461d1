"""Any schema gets an answer that is valid against it, in varied but repetitive words."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from random import Random
from typing import Annotated, Literal, Optional
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from fanfold.providers.schema import strict_subset, without_added_nulls
from fanfold.sim.filler import Filler
from fanfold.sim.pattern import matching
from fanfold.sim.pen import Habits, Pen
from fanfold.sim.vocabulary import Vocabulary
from fanfold.spec import phrases

VOCABULARY = Vocabulary()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Ingredient(BaseModel):
    name: str
    grams: float = Field(gt=0, le=500)


class Tree(BaseModel):
    label: str
    children: list[Tree] = []
    twin: Optional[Tree] = None  # noqa: UP045 - as users write it


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str = Field(min_length=3, max_length=12)
    summary: str = Field(min_length=200)
    code: str = Field(pattern=r"^[A-Z]{2}-\d{3,5}(x|y)?$")
    stars: int = Field(ge=1, le=5)
    year: int = Field(gt=2000)
    depth: float = Field(lt=-3)
    step: int = Field(multiple_of=7, ge=10, le=40)
    share: float = Field(gt=0, lt=0.01)


class Formats(BaseModel):
    day: dt.date
    moment: dt.datetime
    hour: dt.time
    span: dt.timedelta
    key: UUID
    host: IPv4Address
    amount: Decimal
    maybe: int | None
    kind: Literal["a", "b"]
    one: Literal["only"]
    colour: Colour
    flag: bool
    any_of: int | str | list[int]
    anything: dict[str, object]


class Lists(BaseModel):
    some: list[Ingredient] = Field(min_length=2, max_length=3)
    exact: list[str] = Field(min_length=5, max_length=5)
    unique: set[int]
    pair: tuple[int, str]
    colours: set[Colour] = Field(min_length=2)
    prices: dict[str, float] = Field(min_length=2)
    by_colour: dict[Colour, int]
    by_key: dict[Annotated[str, Field(pattern="^k[0-9]$")], bool]
    nested: list[list[Annotated[int, Field(ge=3, le=4)]]]
    empty: list[int] = Field(max_length=0)


TYPES = [Ingredient, Tree, Closed, Formats, Lists, list[Ingredient], int, dict[str, Ingredient], Ingredient | Closed]


def fill(schema, seed=0, prompt="Write about whales.", **habits):
    return Filler(Pen(Random(seed), prompt, schema, Habits(**habits)), VOCABULARY).fill()


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_valid_for_what_pydantic_asks(kind):
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()
    for seed in range(40):
        value = fill(schema, seed)
        adapter.validate_python(value)
        jsonschema_rs.validate(schema, value)


@pytest.mark.parametrize("kind", [Ingredient, Tree, Closed, Formats], ids=str)
def test_valid_when_the_bounds_are_only_told_in_words(kind):
    """Strict schemas carry no bounds: those stand in the descriptions, and a model reads them."""
    adapter = TypeAdapter(kind)
    original = adapter.json_schema()
    told = strict_subset(original).schema
    for seed in range(40):
        adapter.validate_python(without_added_nulls(fill(told, seed), original))


RAW = [
    {"type": "object", "properties": {"a": {"$ref": "#/definitions/x"}}, "required": ["a"], "definitions": {"x": {"type": "null"}}},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}],
     "properties": {"b": {"enum": [1, "x", None]}}},
    {"type": ["string", "null"], "minLength": 50, "maxLength": 60},
    {"type": "object", "minProperties": 4, "additionalProperties": {"type": "boolean"}},
    {"oneOf": [{"type": "string", "format": "email"}, {"type": "number", "minimum": 3, "maximum": 3}]},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
    {"properties": {"x": True}, "required": ["x"]},
    {"type": "string", "enum": ["only"]},
    {"type": "array"},
    {"type": "string", "pattern": "^(?=.*[a-z])[a-z0-9]{8}$"},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {},
]  # fmt: skip


@pytest.mark.parametrize("schema", RAW, ids=str)
def test_valid_for_raw_schemas(schema):
    validator = jsonschema_rs.validator_for(schema)
    for seed in range(40):
        validator.validate(fill(schema, seed))


def test_recursion_ends():
    schema = {"$defs": {"N": {"type": "object", "properties": {"n": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]},
              "many": {"type": "array", "items": {"$ref": "#/$defs/N"}}}, "required": ["n", "many"]}}, "$ref": "#/$defs/N"}  # fmt: skip
    for seed in range(10):
        jsonschema_rs.validate(schema, fill(schema, seed))


def test_duplicates_really_happen_in_21_draws():
    schema = Closed.model_json_schema()
    titled = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    for schema in (titled, Ingredient.model_json_schema()):
        field = next(iter(schema["properties"]))
        duplicated = sum(len({fill(schema, 1000 * batch + n)[field] for n in range(21)}) < 21 for batch in range(40))
        assert duplicated >= 30
        names = {fill(schema, seed)[field] for seed in range(200)}
        assert len(names) > 60, "but it is no parrot"


def test_taken_names_are_avoided():
    schema = Ingredient.model_json_schema()
    taken = [fill(schema, seed)["name"] for seed in range(100)]
    prompt = "Write about whales.\n\n" + phrases.avoid(taken)
    assert not {fill(schema, seed, prompt, obeys=1.0)["name"] for seed in range(100)} & set(taken)


def test_a_judge_usually_passes_and_its_reason_agrees():
    class Verdict(BaseModel):
        reason: str
        passed: bool = Field(alias="pass")

    answers = [fill(Verdict.model_json_schema(), seed) for seed in range(400)]
    assert list(answers[0]) == ["reason", "pass"]
    assert 0.9 < sum(answer["pass"] for answer in answers) / 400 < 1
    assert all(fill(Verdict.model_json_schema(), seed, passes=1.0)["pass"] is True for seed in range(50))
    good, bad = ({a["reason"][:10] for a in answers if a["pass"] is verdict} for verdict in (True, False))
    assert good and bad and not good & bad


def test_a_judge_that_compares_usually_finds_both_good_and_its_reason_agrees():
    class Preference(BaseModel):
        reason: str
        better: Literal["first", "second", "tie"]

    answers = [fill(Preference.model_json_schema(), seed) for seed in range(400)]
    assert list(answers[0]) == ["reason", "better"]
    assert {answer["better"] for answer in answers} == {"first", "second", "tie"}
    assert 0.9 < sum(answer["better"] == "tie" for answer in answers) / 400 < 1


def test_fields_hold_what_their_names_say():
    schema = TypeAdapter(
        type("Person", (BaseModel,), {"__annotations__": {"author": str, "city": str, "rating": int, "review_text": str}})
    ).json_schema()
    value = fill(schema, 3)
    assert value["city"] in VOCABULARY.words["cities"]
    assert 1 <= value["rating"] <= 5
    assert value["author"].split(" ", 1)[0] in VOCABULARY.words["first_names"]
    assert len(value["review_text"]) > 100
    assert any("whales" in fill(schema, seed)["review_text"].lower() for seed in range(5)), "it speaks of the prompt"


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}$",
        r"^(red|green|blue)+$",
        r"^[^a-z]{3}$",
        r"\w+@\w+\.com",
        r"^a.*?z$",
        r"^(?!x)[w-z]{4}$",
        r"^[A-Za-z\d_]{5,}$",
    ],
)
def test_texts_that_match(pattern):
    import re

    for seed in range(30):
        assert re.search(pattern, matching(Random(seed), pattern))


def test_what_is_no_pattern_gives_nothing():
    assert matching(Random(1), "(unclosed") is None
    assert matching(Random(1), "^a(?!.*)b$") is None
