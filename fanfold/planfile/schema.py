"""The JSON Schema of plan files, for editors: made of the same words that the files are read by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import Parameter, getdoc, signature
from typing import Any

from fanfold.planfile.checks import CHECKS
from fanfold.planfile.givens import KINDS
from fanfold.planfile.running import LIMIT_KEYS
from fanfold.planfile.types import DESCRIBED, JSON_TYPES, PLAIN
from fanfold.spec.words import PRIORITIES

Schema = dict[str, Any]
ID = "https://json-schema.org/draft/2020-12/schema"
WORD = r"(?:" + "|".join(PLAIN) + r"|-?[0-9]+\.\.-?[0-9]+)"
TYPE_PATTERN = rf"^\s*(?:list\[)*{WORD}(?:\??\])*\??\s*$"
NAME = {"pattern": r"^[^\W\d]\w*$"}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}


def written() -> str:
    return json.dumps(plan_schema(), indent=1, ensure_ascii=False) + "\n"


def plan_schema() -> Schema:
    """The whole. An editor shows the descriptions."""
    return {
        "$schema": ID,
        "title": "Fanfold plan",
        "description": "A plan: steps, each one kind of model call, over axes, each one dimension of what is made.",
        "type": "object",
        "additionalProperties": False,
        "required": ["steps"],
        "properties": {**_plan(), **_running()},
        "$defs": {
            "given": _given(), "axis": _axis(), "step": _step(), "type": _type(), "described": _described(), "check": _check(),
            "judge": _judge(), "model": _model(), "parameter": _parameter(), "limits": _limits({}), "names": _names(),
        },
    }  # fmt: skip


def _said(description: str, schema: Schema) -> Schema:
    return {"description": description, **schema}


def _ref(name: str, description: str = "") -> Schema:
    return {"$ref": f"#/$defs/{name}", **({"description": description} if description else {})}


def _closed(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": list(required)} if required else {}),
    }


def _or_given(schema: Schema) -> Schema:
    return {"anyOf": [schema, _ref("given")]}


def _whole(least: int = 1) -> Schema:
    return _or_given({"type": "integer", "minimum": least})


def _number() -> Schema:
    return _or_given({"type": "number", "exclusiveMinimum": 0})


# ---------------------------------------------------------------- the plan


def _plan() -> Schema:
    return {
        "name": _said("The name of the plan: runs are listed by it.", {"type": ["string", "number"]}),
        "axes": _said("Each dimension by name. A step makes a cell for every combination of the axes it runs over.", {
            "type": "object", "propertyNames": NAME, "additionalProperties": _ref("axis"),
        }),
        "given": _said("Values that prompts may name, with their defaults. --days 3 or --set days=3 gives another one.", {"type": ["object", "null"]}),
        "parameters": _said("Givens that say more of themselves: type, help, bounds; without a default they must be given.", {
            "type": ["object", "null"], "propertyNames": NAME, "additionalProperties": _ref("parameter"),
        }),
        "steps": _said("Each kind of model call by name. A prompt that names another step needs it.", {
            "type": "object", "minProperties": 1, "propertyNames": NAME, "additionalProperties": _ref("step"),
        }),
        "model": _ref("model", "For steps that name none. --model on the command line is the model of every call."),
        "concurrent": _said("Calls of a run in the air at once, at most.", _whole()),
        "attempts": _said("Answers judged per cell, for steps that do not say.", _whole()),
        "sampling": _said("For every step: temperature, max_tokens, seed and the like.", {"type": ["object", "null"]}),
    }  # fmt: skip


def _running() -> Schema:
    return {
        "limits": _said("Limits of the provider, which hold exactly for each model; by a model's name, for that one.", _limits({
            "patternProperties": {r"^(openai|anthropic|google|sim)/": _ref("limits")},
        })),
        "budget_usd": _said("Stop before spending more US dollars.", _number()),
        "deadline": _said("Seconds for the whole run.", _number()),
        "timeout": _said("Seconds for one call.", _number()),
        "retries": _said("Retries of a call whose transport failed.", _whole(0)),
        "seed": _said("Of jitter, and of the simulated model.", _or_given({"type": "integer"})),
        "cache": _said("Whether earlier answers are taken where they were asked the same.", _or_given({"type": "boolean"})),
        "cache_ttl": _said("Seconds for which an earlier answer is good.", _number()),
    }  # fmt: skip


def _limits(more: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": {name: _whole() for name in LIMIT_KEYS}, **more}


def _given() -> Schema:
    return _said("{name}: the value of a given.", {"anyOf": [
        {"type": "string", "pattern": r"^\{\w+\}$"},
        {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "null"}},
    ]})  # fmt: skip


def _parameter() -> Schema:
    kinds = {"enum": list(KINDS)}
    words = {
        "type": kinds, "default": {}, "help": TEXT, "min": NUMBER, "max": NUMBER, "choices": {"type": "array", "minItems": 1},
    }  # fmt: skip
    return {"anyOf": [kinds, _closed(words)]}


def _axis() -> Schema:
    return _said("[a, b], 1..5, {count: 20}, {file: rows.csv}, {each: step.field} or a given.", {"anyOf": [
        {"type": "array", "minItems": 1},
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*(-?[0-9]+|\{\w+\})\s*\.\.\s*(-?[0-9]+|\{\w+\})\s*$"},
        _closed({"count": _said("So many interchangeable cells: it ends with exactly that many.", _whole())}, "count"),
        _closed({"file": _said("Rows of a CSV, TSV or JSONL file beside the plan.", TEXT)}, "file"),
        _closed({"each": _said("The list found in another step's answer: outline.sections.", TEXT)}, "each"),
        _closed({"values": {}}, "values"),
        _ref("given"),
    ]})  # fmt: skip


# ---------------------------------------------------------------- steps


def _step() -> Schema:
    return _closed(
        {
            "prompt": _said("What the model is asked. {name}: a given, an axis or another step's answer; {name.field} goes deeper.", TEXT),
            "system": _said("The system prompt; it may name what the prompt may.", TEXT),
            "output": _ref("type", "What is wanted back: str unless it is said."),
            "over": _ref("names", "The axes that the step runs over."),
            "needs": _ref("names", "Steps to wait for, beside those that the prompt names."),
            "model": _ref("model"),
            "unique": _unique(),
            "facets": _facets(),
            "candidates": _candidates(),
            "checks": _said("Rules that an answer must pass; the reason of a refusal goes into the next attempt.", {
                "type": "array", "items": _ref("check"),
            }),
            "judge": _ref("judge"),
            "attempts": _said("Answers judged per cell before it fails.", _whole()),
            "at_least": _said("How many accepted values a gather needs.", _whole()),
            "fallback": _said("The value of a cell that fails.", {}),
            "required": _said("Whether a failure makes the run partial.", {"type": "boolean"}),
            "weight": _said("Share in the progress.", _or_given({"type": "number", "minimum": 0})),
            "priority": {"anyOf": [{"enum": list(PRIORITIES)}, _ref("given")]},
            "timeout_s": _said("Seconds for one call.", _number()),
            "retry_timeout_share": _said("Of timeout_s, for a call that is made again.", _or_given({"type": "number", "exclusiveMinimum": 0, "maximum": 1})),
            "sampling": _said("temperature, max_tokens, seed and the like.", {"type": ["object", "null"]}),
            "items_per_call": _said("Cells that one call answers together.", _whole()),
        },
        "prompt",
    )  # fmt: skip


def _names() -> Schema:
    return {"anyOf": [TEXT, {"type": "array", "items": TEXT, "uniqueItems": True}, {"type": "null"}]}


def _model() -> Schema:
    one = r"(openai|anthropic|google|sim)/[^|,=\s][^|,=]*(=\s*[0-9.]+%?\s*)?"
    share = {"type": ["number", "string"], "exclusiveMinimum": 0, "pattern": r"^\s*[0-9.]+%?\s*$"}
    shares = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": rf"^\s*{one}(\|\s*{one})*$"},
        "additionalProperties": share,
    }
    return _said('provider/name; "a | b": b where a can no longer be used; {a: 0.7, b: 0.3}: by shares.', {
        "anyOf": [{"type": "string", "pattern": rf"^\s*{one}([|,]\s*{one})*$"}, shares, _ref("given")],
    })  # fmt: skip


def _unique() -> Schema:
    within = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
    return _said("No two accepted answers are the same: the name of a field, true for the whole answer, or more.", {"anyOf": [
        TEXT,
        {"type": "boolean"},
        _closed({
            "by": _said("The field that identifies an answer.", {"type": ["string", "null"]}),
            "near": _said("1: equal; below: how alike two may not be.", {"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
            "within": _said("run, store, or names of axes.", within),
        }),
    ]})  # fmt: skip


def _facets() -> Schema:
    values = {"type": "object", "minProperties": 1, "additionalProperties": _or_given({"type": "array", "minItems": 1})}
    mapped: Schema = {"type": "object", "minProperties": 1, "additionalProperties": values["additionalProperties"]}
    banned = _closed(
        {"values": {"anyOf": [TEXT, values]}, "infeasible": {"type": "array", "items": {"type": "object"}}},
        "values",
        "infeasible",
    )
    return _said("What the cells are spread over evenly: {tone: [calm, angry]}, or the step that proposes it.", {
        "anyOf": [TEXT, mapped, banned],
    })  # fmt: skip


def _candidates() -> Schema:
    take = _said("At most so many for a cell.", _whole())
    return _said("A pool of which each is given to one cell only: [a, b], {file: seeds.csv}, {values: …, take: 2}.", {"anyOf": [
        {"type": "array", "minItems": 1},
        _closed({"file": TEXT, "take": take}, "file"),
        _closed({"values": {}, "take": take}, "values"),
        _ref("given"),
    ]})  # fmt: skip


def _judge() -> Schema:
    return _said("A model call that says whether the answer is good.", {"anyOf": [TEXT, _closed({
        "prompt": _said("It may name {value}; with versus, {first} and {second}.", TEXT),
        "model": _ref("model"),
        "output": _ref("type"),
        "accept": _ref("check", "A check of the judge's answer; without it, its `pass` counts."),
        "versus": _said("What the answer must be at least as good as: the name of a step, an axis or a given.", TEXT),
    }, "prompt")]})  # fmt: skip


# ---------------------------------------------------------------- types and checks


def _type() -> Schema:
    scalar = {"type": ["string", "integer", "boolean"]}
    return {"anyOf": [
        _said("str, markdown, int, float, bool, date, datetime, time, list[…], 1..5; ? at the end: optional.", {"type": "string", "pattern": TYPE_PATTERN}),
        _said("One of these.", {"type": "array", "items": scalar, "minItems": 1, "uniqueItems": True}),
        _said("A list of such.", {"type": "array", "items": {"allOf": [{"type": ["object", "array"]}, _ref("type")]}, "minItems": 1, "maxItems": 1}),
        _ref("described"),
        _said("Fields by name.", {"type": "object", "minProperties": 1, "propertyNames": {"pattern": r"^[^\W\d_]\w*$"}, "additionalProperties": _ref("type")}),
        _said("A JSON Schema.", _json_schema()),
    ]}  # fmt: skip


def _json_schema() -> Schema:
    whole = [{"required": [word]} for word in ("$schema", "$ref", "$defs", "anyOf", "oneOf", "allOf", "properties")]
    return {"type": "object", "anyOf": [*whole, {"required": ["type"], "properties": {"type": {"enum": list(JSON_TYPES)}}}]}


def _described() -> Schema:
    known: Schema = {
        "type": _ref("type"), "description": _said("Told to the model.", TEXT), "min": _said("Of a number, of characters, of items.", NUMBER),
        "max": _said("Of a number, of characters, of items.", NUMBER), "pattern": TEXT, "optional": {"type": "boolean"},
    }  # fmt: skip
    return _said("A type with its bounds.", _closed({word: known[word] for word in DESCRIBED}, "type"))


def _check() -> Schema:
    alone = [name for name, make in CHECKS.items() if not _needed(make)]
    one = [
        _closed({name: {"description": getdoc(make) or "", "anyOf": _check_words(name, make)}}, name)
        for name, make in CHECKS.items()
    ]
    return {"anyOf": [{"enum": alone}, *one]}


def _needed(make: Callable[..., Any]) -> list[str]:
    needed = [name for name, parameter in signature(make).parameters.items() if parameter.default is Parameter.empty]
    return needed or (["min"] if "max" in signature(make).parameters else [])


def _check_words(name: str, make: Callable[..., Any]) -> list[Schema]:
    """Parameters by name, or the first one alone."""
    parameters = signature(make).parameters
    words = {each: _or_given(_PARAMETERS[str(parameter.annotation)]) for each, parameter in parameters.items()}
    needed = _needed(make)
    full = _closed(words, *(needed if "max" not in words else ()))
    if "max" in words:
        full["anyOf"] = [{"required": ["min"]}, {"required": ["max"]}]
    found = [full, words[next(iter(words))]] if name != "no_placeholders" else [full, TEXT]
    return (
        [*found, {"type": "object", "minProperties": 1}]
        if name == "json_schema"
        else found
        if needed
        else [*found, {"type": "null"}]
    )


_TEXTS: Schema = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": TEXT, "minItems": 1}]}
_PARAMETERS: Mapping[str, Schema] = {
    "int | None": {"type": "integer", "minimum": 0}, "int": {"type": "integer", "minimum": 0}, "float | None": NUMBER, "str": TEXT,
    "str | None": TEXT, "str | Sequence[str]": _TEXTS, "Sequence[Any]": {"type": "array", "minItems": 1}, "Mapping[str, Any]": {"type": "object"},
}  # fmt: skip
