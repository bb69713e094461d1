"""What providers have against a schema that they are to enforce."""

from __future__ import annotations

from typing import Any


def not_strict(schema: Any, context: tuple[str, ...]) -> str | None:
    """What OpenAI has against a schema that claims to be strict: each object closed, and all its properties required."""
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties", {})
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False:
            return f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        for name in properties:
            if name not in schema.get("required", ()):
                return f"In context={context}, 'required' is required to be supplied and to include '{name}'."
    inner: list[tuple[tuple[str, ...], Any]] = [(("properties", name), value) for name, value in properties.items()]
    inner += [(("$defs", name), value) for name, value in schema.get("$defs", {}).items()]
    inner += [(("anyOf", str(i)), value) for i, value in enumerate(schema.get("anyOf", ()))]
    inner += [(("items",), schema["items"])] if "items" in schema else []
    found = (not_strict(value, (*context, *step)) for step, value in inner)
    return next((fault for fault in found if fault is not None), None)


_NOT_COMPILED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems")


def unenforceable(schema: Any) -> str | None:
    """What Anthropic has against a schema that it is to enforce: objects that are not closed, bounds that it does not compile."""
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    for name in _NOT_COMPILED:
        if name in schema:
            return f"For '{schema.get('type')}' type, property '{name}' is not supported"
    inner = [
        *schema.get("properties", {}).values(),
        *schema.get("$defs", {}).values(),
        *schema.get("anyOf", ()),
        schema.get("items"),
    ]
    return next((fault for fault in map(unenforceable, inner) if fault is not None), None)
