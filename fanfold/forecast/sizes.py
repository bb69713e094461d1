"""How long prompts and answers will be, before there is any: from templates, givens, axes and schemas. Characters, then tokens.

An estimate twice: what the engine would book (`booked`), and what a provider would charge (`charged`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any

import msgspec

from fanfold.spec.plan import Markdown
from fanfold.spec.template import NoSuchField, Slot, Template, dig

CHARACTERS_PER_TOKEN = 4.0
TEXT, PAGE, WORDS = 600, 1400, 16  # least characters of an answer that is text, of Markdown, of a text field
ITEMS = 5  # of a list whose bounds say nothing
UNSEEN_PROMPT = 1200  # characters of a prompt that a function writes
VALUES_LOOKED_AT = 50
DEEPEST = 5
_PLAIN = {"integer": 3, "number": 5, "boolean": 5, "null": 4}

UNKNOWN_ANSWER, VERDICT_MOST = 512, 200  # tokens of answers and of verdicts, as engine/tokens has it


def charged(characters: float) -> int:
    return round(characters / CHARACTERS_PER_TOKEN) + 1


def booked(characters: float, messages: int) -> int:
    """As engine/tokens estimates: 3.6 characters a token, a tenth more, 4 for each message."""
    return round(characters / 3.6 * 1.1) + 5 * messages


def guess(max_tokens: int | None) -> int:
    """Tokens of an answer before any has come, as engine/tokens has it."""
    return max_tokens // 2 if max_tokens else UNKNOWN_ANSWER


# ---------------------------------------------------------------- answers


def answer_characters(schema: Mapping[str, Any] | None, output: Any, path: Sequence[str] = ()) -> float:
    """Of an answer of that schema (None: text), or of the part of it that a path names."""
    if schema is None:
        return PAGE if output is Markdown else TEXT
    inner = _at(schema, schema, path)
    return WORDS if inner is None else _characters(inner, schema, 0)


def _at(schema: Mapping[str, Any], root: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any] | None:
    for name in path:
        schema = _resolved(schema, root)
        found = schema.get("items") if name.isdecimal() or name == "*" else (schema.get("properties") or {}).get(name)
        if not isinstance(found, Mapping):
            return None
        schema = found
    return schema


def item_characters(schema: Mapping[str, Any] | None, path: Sequence[str]) -> float:
    """Of one item of the list that a dynamic axis finds in an answer. An answer that is itself a list is wrapped in `value`."""
    if schema is None:
        return WORDS
    inner = _at(schema, schema, [*path, "*"]) or _at(schema, schema, ["value", *path, "*"])
    return WORDS if inner is None else _characters(inner, schema, 0)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(DEEPEST):
        if "$ref" in schema:
            name = str(schema["$ref"]).rsplit("/", 1)[-1]
            schema = (root.get("$defs") or root.get("definitions") or {}).get(name, {})
        elif options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            schema = next((o for o in options if isinstance(o, Mapping) and o.get("type") != "null"), {})
        else:
            return schema
    return {}


def _characters(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> float:
    schema = _resolved(schema, root)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema.get("const")]
        return sum(len(str(value)) for value in values) / max(1, len(values)) + 2
    if depth >= DEEPEST:
        return WORDS
    if kind == "object" or "properties" in schema:
        fields = schema.get("properties") or {}
        return 2 + sum(len(name) + 6 + _characters(inner, root, depth + 1) for name, inner in fields.items())
    if kind == "array":
        inner = schema.get("items")
        one = _characters(inner, root, depth + 1) if isinstance(inner, Mapping) else WORDS
        return 2 + _items(schema) * (one + 2)
    if kind in _PLAIN:
        return _PLAIN[kind]
    return min(max(WORDS, schema.get("minLength") or 0), schema.get("maxLength") or WORDS * 100) + 2


def _items(schema: Mapping[str, Any]) -> float:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and most is not None:
        return (int(least) + int(most)) / 2
    return max(ITEMS, least or 0) if most is None else min(ITEMS, most)


# ---------------------------------------------------------------- prompts


def text_characters(value: Any) -> int:
    """Of a value as it is written into a prompt."""
    if isinstance(value, str):
        return len(value)
    try:
        return len(msgspec.json.encode(value, enc_hook=str))
    except (TypeError, ValueError, RecursionError):
        return WORDS


def mean_characters(values: Sequence[Any], path: tuple[str, ...]) -> float:
    """Of the values of an axis, or of a field of them: of the first ones, for an axis may be a long file."""
    found = []
    for value in islice(values, VALUES_LOOKED_AT):
        try:
            found.append(text_characters(dig(value, path)))
        except NoSuchField:
            found.append(0)
    return sum(found) / max(1, len(found))


def alike_characters(template: Template, own: Mapping[Slot, bool], size: Callable[[Slot], float]) -> float:
    """Of the leading and trailing lines in which nothing is a cell's own; of the whole, where nothing is. own: whether a slot is."""
    lines: list[tuple[float, bool]] = [(0.0, False)]  # characters, and whether something in it is a cell's own
    for part in template.parts:
        if isinstance(part, Slot):
            lines[-1] = lines[-1][0] + size(part), lines[-1][1] or own[part]
            continue
        first, *more = part.split("\n")
        lines[-1] = lines[-1][0] + len(first), lines[-1][1]
        lines += [(float(len(line)), False) for line in more]
    before = list(takewhile(lambda line: not line[1], lines))
    after = list(takewhile(lambda line: not line[1], reversed(lines[len(before) :])))
    return sum(length + 1 for length, _ in (*before, *after)) - 1


def template_characters(template: Template, of_slot: Mapping[Slot, float]) -> float:
    return sum(len(part) if isinstance(part, str) else of_slot[part] for part in template.parts)
