"""Prompt templates: single-pass `{name}` and `{name.field}` substitution. No code, no nesting, no second pass.

`{{` is a brace; any other brace stands as it is, so JSON in prompts is safe.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SLOT = re.compile(r"\{\{|\{([^\W\d]\w*)((?:\.\w+)*)\}")


@dataclass(frozen=True)
class Slot:
    """A place to fill: `name`, then a `path` of fields into it."""

    name: str
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        return ".".join((self.name, *self.path))


@dataclass(frozen=True)
class Template:
    parts: tuple[str | Slot, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(part for part in self.parts if isinstance(part, Slot))

    def render(self, value_of: Callable[[Slot], str]) -> str:
        return "".join(part if isinstance(part, str) else value_of(part) for part in self.parts)


def parse(text: str) -> Template:
    parts: list[str | Slot] = []
    end = 0
    for match in _SLOT.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match.group(1) is None:
            parts.append("{")
        else:
            parts.append(Slot(match.group(1), tuple(match.group(2).split(".")[1:])))
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))


def _attribute(value: Any, name: str) -> Any:
    """A field of an object, None when it has none. Properties are other people's code: one that raises is no field."""
    try:
        found = getattr(value, name, None)
    except Exception as error:
        raise NoSuchField(f"field {name!r} of a {type(value).__name__} raises {type(error).__name__}: {error}") from error
    return None if callable(found) else found


class NoSuchField(LookupError):
    """`path` leads nowhere in a value; the message says which field and what there is instead."""


def dig(value: Any, path: tuple[str, ...]) -> Any:
    """Follow `path` into mappings, sequences (by number) and objects. Raises NoSuchField."""
    for field in path:
        if isinstance(value, dict):
            if field not in value:
                raise NoSuchField(f"no field {field!r}; there is {', '.join(map(str, list(value)[:12])) or 'nothing'}")
            value = value[field]
        elif isinstance(value, list | tuple) and field.isdecimal() and int(field) < len(value):
            value = value[int(field)]
        elif not field.startswith("_") and (found := _attribute(value, field)) is not None:
            value = found
        else:
            raise NoSuchField(f"no field {field!r} in a {type(value).__name__}")
    return value
