"""An answer for any JSON Schema: valid, in plain English, guided by the names of its fields, as repetitive as the pen.

Bounds that stand in a description in words ("at least 3 items", as strict schemas tell them) are kept as well as a model would.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fanfold.sim.bounds import number_within, sized, told
from fanfold.sim.formats import FORMATS
from fanfold.sim.pattern import matching
from fanfold.sim.pen import Pen
from fanfold.sim.speech import Speech
from fanfold.sim.vocabulary import Vocabulary

Schema = Mapping[str, Any]

VERDICTS = ("pass", "passed", "accept", "accepted", "ok", "approved", "better")
_DEEP = 6  # levels; below them what may be left out is left out, so that recursive schemas end
_OPTIONAL = 0.85  # of the optional properties are written
_NULL = 0.15  # of the values that may be null are
_TRIES = 25


class Filler:
    """Fills one schema once."""

    def __init__(self, pen: Pen, vocabulary: Vocabulary) -> None:
        self._pen, self._rng, self._root = pen, pen.rng, pen.schema
        self._vocabulary = vocabulary
        self._speech = Speech(pen, vocabulary)
        self._used: set[str] = set()
        self._good = pen.rng.random() < pen.habits.passes

    def fill(self) -> Any:
        return self.value(self._root, "answer", 0)

    def value(self, schema: Any, field: str, depth: int) -> Any:
        """field: the name that the value goes by. depth: levels below the root."""
        if not isinstance(schema, Mapping):
            return self._speech.phrase()
        schema = told(self._whole(schema))
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            if field == "better" and "tie" in schema["enum"] and self._good:
                return "tie"  # a judge that compares, and finds both good
            return self._rng.choice(schema["enum"])
        for word in ("anyOf", "oneOf"):
            if schema.get(word):
                rest = {key: value for key, value in schema.items() if key != word}
                return self.value(_merged(rest, self._option(schema[word], depth)), field, depth + 1)
        return self._typed(schema, self._kind(schema, depth), field, depth)

    def _typed(self, schema: Schema, kind: str, field: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, field, depth)
            case "integer" | "number":
                usual = self._vocabulary.range(field)
                return number_within(self._rng, schema, usual, whole=kind == "integer")
            case "boolean":
                return self._good if field in VERDICTS else self._rng.random() < 0.5
            case "null":
                return None
            case _:
                return self._text(schema, field)

    # ---------------------------------------------------------------- which schema

    def _whole(self, schema: Schema) -> Schema:
        """With references followed and `allOf` merged."""
        for _ in range(20):
            if isinstance(schema.get("$ref"), str):
                schema = _merged({k: v for k, v in schema.items() if k != "$ref"}, _target(self._root, schema["$ref"]))
            elif schema.get("allOf"):
                rest: Schema = {k: v for k, v in schema.items() if k != "allOf"}
                for part in schema["allOf"]:
                    rest = _merged(rest, part)
                schema = rest
            else:
                break
        return schema

    def _option(self, options: list[Any], depth: int) -> Any:
        wholes = [self._whole(option) if isinstance(option, Mapping) else {} for option in options]
        nulls = [whole for whole in wholes if whole.get("type") == "null"]
        others = [whole for whole in wholes if whole.get("type") != "null"]
        if nulls and (not others or depth > _DEEP or self._rng.random() < _NULL):
            return nulls[0]
        if any(
            whole.get("type") in ("number", "integer") for whole in others
        ):  # a text beside a number is how decimals are asked for
            others = [whole for whole in others if whole.get("type") != "string"]
        flat = [whole for whole in others if whole.get("type") not in ("object", "array")]
        return self._rng.choice(flat if depth > _DEEP and flat else others)

    def _kind(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            real = [name for name in kind if name != "null"]
            empty = "null" in kind and (not real or depth > _DEEP or self._rng.random() < _NULL)
            return "null" if empty else str(self._rng.choice(real))
        if isinstance(kind, str):
            return kind
        if "properties" in schema or "additionalProperties" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else "string"

    # ---------------------------------------------------------------- what it holds

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        filled: dict[str, Any] = {}
        for name, inner in schema.get("properties", {}).items():
            written = name in required or (depth <= _DEEP and self._rng.random() < _OPTIONAL)
            if written:
                filled[name] = self._judged(schema, name) or self.value(inner, name, depth + 1)
        self._entries(schema, filled, depth)
        return filled

    def _judged(self, schema: Schema, name: str) -> str:
        """The reason in a judge's answer, which agrees with its verdict; "" anywhere else."""
        is_verdict = name == "reason" and any(verdict in schema["properties"] for verdict in VERDICTS)
        return self._speech.verdict(good=self._good) if is_verdict else ""

    def _entries(self, schema: Schema, filled: dict[str, Any], depth: int) -> None:
        """Keys that the schema does not name: of a mapping, and as many as it wants at least."""
        patterns = schema.get("patternProperties") or {}
        pattern, inner = next(iter(patterns.items()), (None, schema.get("additionalProperties")))
        mapping = isinstance(inner, Mapping) or (inner is not False and "properties" not in schema)
        wanted = schema.get("minProperties", 0)
        if mapping and depth <= _DEEP:
            wanted = max(wanted, min(3, schema.get("maxProperties", 3)))
        for _ in range(_TRIES * wanted):
            if len(filled) >= wanted:
                break
            key = matching(self._rng, pattern) if pattern else self._key(schema, depth)
            if isinstance(key, str) and key not in filled:
                filled[key] = self.value(inner if isinstance(inner, Mapping) else {"type": "string"}, key, depth + 1)

    def _key(self, schema: Schema, depth: int) -> Any:
        names = schema.get("propertyNames")
        return self.value({"type": "string", **names}, "word", depth + 1) if names else self._speech.word()

    def _array(self, schema: Schema, field: str, depth: int) -> list[Any]:
        item = field.removesuffix("s")
        items = [self.value(inner, item, depth + 1) for inner in schema.get("prefixItems", ())]
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, 2) + 2)
        if schema.get("items") is False or ("prefixItems" in schema and "items" not in schema and len(items) >= least):
            return items
        wanted = least if depth > _DEEP else self._rng.randint(min(max(least, 2), most), min(most, max(least, 2) + 2))
        seen = {msgspec.json.encode(value) for value in items}
        for _ in range(_TRIES * wanted):
            if len(items) >= wanted:
                break
            value = self.value(schema.get("items"), item, depth + 1)
            encoded = msgspec.json.encode(value)
            if not (schema.get("uniqueItems") and encoded in seen):
                seen.add(encoded)
                items.append(value)
        return items

    def _text(self, schema: Schema, field: str) -> str:
        form, pattern = str(schema.get("format")), schema.get("pattern")
        if pattern is not None:
            for _ in range(_TRIES):
                found = matching(self._rng, pattern)
                if found is not None and schema.get("minLength", 0) <= len(found) <= schema.get("maxLength", len(found)):
                    return found
        if form in FORMATS:
            return FORMATS[form](self._rng, self._speech)
        kind = self._vocabulary.kind(field)
        return sized(schema, self._fresh(kind), self._speech.sentence)

    def _fresh(self, kind: str) -> str:
        """Not the same words twice in one answer, if that can be had."""
        for _ in range(_TRIES):
            if (text := self._speech.text(kind)) not in self._used:
                break
        self._used.add(text)
        return text


def _merged(left: Schema, right: Any) -> Schema:
    """Both at once: properties and required names are joined, the right one wins elsewhere."""
    if not isinstance(right, Mapping):
        return left
    out = {**left, **right}
    if "properties" in left and "properties" in right:
        out["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        out["required"] = [*left["required"], *right["required"]]
    return out


def _target(root: Schema, reference: str) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
