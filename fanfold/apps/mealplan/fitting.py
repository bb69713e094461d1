"""A recipe in somebody else's words: whoever calls their type `Recipe` gets its fields filled, as far as they can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.apps.mealplan.types import Ingredient, Recipe
from fanfold.apps.mealplan.units import measured

Json = dict[str, Any]

OTHER_NAMES = {
    "title": "name", "dish": "name", "recipe_name": "name", "instructions": "steps", "directions": "steps", "method": "steps",
    "time": "minutes", "total_minutes": "minutes", "prep_minutes": "minutes", "time_minutes": "minutes", "duration": "minutes",
    "kcal": "calories", "serves": "servings", "persons": "servings", "tags": "diets", "meal_type": "meal", "type": "meal",
    "quantity": "amount", "qty": "amount", "item": "name", "ingredient": "name",
}  # fmt: skip
DEEPEST = 8


def fitted(recipe: Json, schema: Mapping[str, Any]) -> Json:
    """The recipe with the fields that a schema asks for. Our own schema, or none, changes nothing."""
    wanted = schema.get("properties")
    if not wanted or set(wanted) == set(Recipe.model_fields):
        return recipe
    return _object(recipe, schema, schema, 0)


def _object(source: Json, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Json:
    known = {name: source.get(name, source.get(OTHER_NAMES.get(name, ""))) for name in schema.get("properties", {})}
    return {name: _value(known[name], part, root, name, depth + 1) for name, part in schema.get("properties", {}).items()}


def _value(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> Any:
    """A value as the schema's kind; something plain of that kind where the recipe has none."""
    schema = _target(schema, root)
    if "enum" in schema:
        return value if value in schema["enum"] else schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return _array(value, schema, root, name, depth)
    if kind == "object":
        return _object(value if isinstance(value, dict) else {}, schema, root, depth) if depth < DEEPEST else {}
    if kind in ("integer", "number"):
        number = value if isinstance(value, int | float) else schema.get("minimum", 1)
        return round(number) if kind == "integer" else number
    if kind == "boolean":
        return value if isinstance(value, bool) else True
    if kind == "null":
        return None
    return _text(value) or name.replace("_", " ")


def _array(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    items = items or [None] * int(schema.get("minItems", 0))
    return [_value(item, schema.get("items", {}), root, name, depth + 1) for item in items] if depth < DEEPEST else []


def _target(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Through references, and to the first choice that is not null."""
    for _ in range(DEEPEST):
        if "$ref" in schema:
            schema = root.get("$defs", {}).get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
        elif choices := schema.get("anyOf") or schema.get("oneOf"):
            schema = next((choice for choice in choices if choice.get("type") != "null"), choices[0])
        else:
            break
    return schema


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, dict) and set(value) == set(Ingredient.model_fields):
        return measured(value["amount"], value["unit"], value["name"])
    return "" if value is None else str(value)
