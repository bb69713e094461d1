"""JSON Schemas in OpenAI's strict subset."""

from __future__ import annotations

import enum
from typing import Any, Literal

import jsonschema_rs
import pytest
from pydantic import BaseModel, Field

from fanfold.providers.schema import response_name, strict_subset, without_added_nulls


def obj(properties, **more):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False, **more}


def optional(schema):
    """What becomes of an optional property with this schema."""
    return strict_subset({"type": "object", "properties": {"x": schema}}).schema["properties"]["x"]


def required(schema):
    return strict_subset({"type": "object", "properties": {"x": schema}, "required": ["x"]}).schema["properties"]["x"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a", "b"]}, {"type": ["string", "null"], "enum": ["a", "b", None]}),
        ({"enum": ["a", None]}, {"enum": ["a", None]}),
        ({"const": "a", "type": "string"}, {"anyOf": [{"const": "a", "type": "string"}, {"type": "null"}]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"anyOf": [{"type": "string"}, {"const": 1}]}, {"anyOf": [{"type": "string"}, {"const": 1}, {"type": "null"}]}),
        ({"type": "string", "description": "D", "default": "x"}, {"type": ["string", "null"], "description": "D"}),
        ({"type": "array", "items": {"type": "string"}}, {"type": ["array", "null"], "items": {"type": "string"}}),
    ],
)
def test_an_optional_property_may_be_null(schema, expected):
    assert optional(schema) == expected


@pytest.mark.parametrize(
    ("schema", "description"),
    [
        ({"minLength": 1, "maxLength": 60}, "At least 1 characters; at most 60 characters"),
        ({"pattern": "^a+$"}, "Matches the pattern ^a+$"),
        ({"format": "date"}, "Format date"),
        ({"minimum": 0, "maximum": 5, "multipleOf": 0.5}, "At least 0; at most 5; a multiple of 0.5"),
        ({"exclusiveMinimum": 0, "description": "Grams"}, "Grams (more than 0)"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 9, "uniqueItems": True,
          "description": "Steps"},
         "Steps (at least 1 items; at most 9 items; no item twice)"),
    ],
)  # fmt: skip
def test_bounds_are_told_in_words(schema, description):
    converted = required({"type": "string", "title": "X", **schema})
    expected = {"type": "string", **schema, "description": description}
    assert converted == {key: expected[key] for key in expected if key in ("type", "items", "description")}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (obj({"a": {"type": "string"}}), True),
        (obj({}), True),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True}, True),
        ({"type": "object", "additionalProperties": {"type": "string"}}, False),
        ({"type": "object"}, False),
        (obj({"a": {"type": "object", "additionalProperties": {"type": "integer"}}}), False),
        (obj({"a": {}}), False),
        (obj({"a": True}), False),
        (obj({"a": {"type": "array"}}), False),
        (obj({"a": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}}}), False),
        (obj({"a": {"$ref": "https://example.org/schema"}}), False),
        (obj({"a": {"$ref": "#/$defs/Missing"}}), False),
        (obj({"a": {"not": {"type": "string"}, "type": "integer"}}), False),
        (obj({"a": {"allOf": [{"type": "string"}, {"minLength": 1}]}}), False),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"type": "string"}, False),
        ({}, False),
    ],
)
def test_what_cannot_be_enforced_is_not_strict(schema, strict):
    assert strict_subset(schema).strict is strict


def test_a_free_form_object_keeps_its_values_schema():
    converted = strict_subset({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}).schema
    assert converted["additionalProperties"] == {"type": "integer", "description": "At least 1"}


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Ingredient(BaseModel):
    name: str = Field(min_length=1, description="In the singular")
    grams: float = Field(gt=0)
    note: str | None = None


class Recipe(BaseModel):
    name: str
    size: Size = Field(description="How much")
    kind: Literal["soup", "cake"] = "soup"
    ingredients: list[Ingredient] = Field(min_length=1, max_length=20)
    garnish: Ingredient | None = None
    minutes: int = Field(default=30, ge=1)


class Node(BaseModel):
    name: str
    children: list[Node] = []


def test_a_model_of_nested_types():
    strict = strict_subset(Recipe.model_json_schema())
    assert strict.strict and strict.nulls
    schema = strict.schema
    assert list(schema["properties"]) == schema["required"] == ["name", "size", "kind", "ingredients", "garnish", "minutes"]
    assert schema["title"] == "Recipe"
    assert schema["properties"]["size"] == {"anyOf": [{"$ref": "#/$defs/Size"}], "description": "How much"}
    assert schema["properties"]["garnish"] == {"anyOf": [{"$ref": "#/$defs/Ingredient"}, {"type": "null"}]}
    assert schema["properties"]["minutes"] == {"type": ["integer", "null"], "description": "At least 1"}
    assert schema["$defs"]["Ingredient"]["required"] == ["name", "grams", "note"]
    assert schema["$defs"]["Ingredient"]["additionalProperties"] is False
    _only_strict_words(schema)


def test_a_recursive_model_has_an_object_at_its_root():
    schema = strict_subset(Node.model_json_schema())
    assert schema.strict
    assert schema.schema["type"] == "object"
    assert schema.schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert jsonschema_rs.is_valid(schema.schema, {"name": "a", "children": [{"name": "b", "children": None}]})


REMOVED = {"default", "minLength", "maxLength", "pattern", "format", "minimum", "oneOf", "allOf", "minItems"}


def _only_strict_words(schema: Any) -> None:
    """Walk: every object closed and complete, no word outside the subset."""
    if isinstance(schema, list):
        for item in schema:
            _only_strict_words(item)
    elif isinstance(schema, dict):
        assert not REMOVED & schema.keys()
        if "properties" in schema:
            assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
        if "$ref" in schema:
            assert len(schema) == 1
        for key, value in schema.items():
            if key in ("properties", "$defs"):
                _only_strict_words(list(value.values()))
            elif key in ("items", "anyOf"):
                _only_strict_words(value)


@pytest.mark.parametrize("model", [Recipe, Node, Ingredient])
def test_what_fits_the_subset_fits_the_original_without_its_nulls(model):
    original, converted = model.model_json_schema(), strict_subset(model.model_json_schema()).schema
    answers = [
        {"name": "Soup", "size": "small", "kind": None, "ingredients": [{"name": "leek", "grams": 5, "note": None}],
         "garnish": None, "minutes": None},
        {"name": "a", "children": [{"name": "b", "children": None}]},
        {"name": "salt", "grams": 1, "note": None},
    ]  # fmt: skip
    fitting = [answer for answer in answers if jsonschema_rs.is_valid(converted, answer)]
    assert fitting
    for answer in fitting:
        pruned = without_added_nulls(answer, original)
        assert jsonschema_rs.is_valid(original, pruned)
        model.model_validate(pruned)


def test_only_nulls_that_were_added_are_taken_out():
    schema = {
        "type": "object", "required": ["kept"],
        "properties": {
            "kept": {"type": "string"}, "nullable": {"type": ["string", "null"]}, "gone": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"gone": {"type": "integer"}}}},
        },
    }  # fmt: skip
    stays = {"kept": None, "nullable": None, "unknown": None}
    answer = {**stays, "gone": None, "list": [{"gone": None}, {"gone": 1}, None]}
    assert without_added_nulls(answer, schema) == {**stays, "list": [{}, {"gone": 1}, None]}


def test_hopeless_schemas_are_survived():
    deep: Any = {"type": "string"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    loop = {"$defs": {"A": {"$ref": "#/$defs/A"}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}
    odd = [{"type": "object", "properties": 5}, {"anyOf": 3}, {"$ref": 7}, obj({"a": {"type": 3}})]
    for schema in (obj({"a": deep}), loop, *odd):
        strict_subset(schema)
        without_added_nulls({"a": [None]}, schema)


NAMES = [("Recipe", "Recipe"), ("list[str]", "list_str"), ("été", "t"), ("!", "answer"), ("a" * 80, "a" * 64)]


@pytest.mark.parametrize(("name", "safe"), NAMES)
def test_names(name, safe):
    assert response_name(name) == safe
