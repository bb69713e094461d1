"""Several items in one call: how they are asked, and in which shape they come back.

In one place, so that the simulated provider can read it as a model would. Prompts that are the same text are asked once, for so many
different answers. Of others the leading and the trailing lines that all share are said once, and what is each one's own is numbered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

ITEMS, NUMBER, ANSWER = "items", "n", "answer"
TITLE = "Several "
"""Before the title of one answer's schema."""
ALIKE = "Give {n} answers to this, each complete in itself and clearly different from the others, numbered from 1 to {n}."
TASKS = "There are {n} tasks. Give each of them an answer of its own, complete in itself, and number it like its task."
DISTINCT = "No two of the answers may be alike."
TASK, FOR_ALL = "### Task {n}", "### For every task"
_ALIKE = re.compile(r"^Give (\d+) answers to this, each complete in itself", re.MULTILINE)
_TASKS = re.compile(r"^There are (\d+) tasks\. Give each of them an answer.*\n", re.MULTILINE)
_TASK = re.compile(r"^### Task \d+\n", re.MULTILINE)

# ---------------------------------------------------------------- prompts


def joined(prompts: Sequence[str], *, distinct: bool = False) -> str:
    """One prompt for all of these. distinct: no two answers may be the same."""
    if len(set(prompts)) == 1:
        return f"{prompts[0]}\n\n{ALIKE.format(n=len(prompts))}"
    lines = [prompt.split("\n") for prompt in prompts]
    before, after = _said_once(lines)
    head, tail = "\n".join(lines[0][:before]).strip("\n"), "\n".join(lines[0][len(lines[0]) - after :]).strip("\n")
    own = ["\n".join(each[before : len(each) - after]).strip("\n") for each in lines]
    parts = [head] if head else []
    parts.append(TASKS.format(n=len(prompts)) + (f" {DISTINCT}" if distinct else ""))
    parts += [f"{TASK.format(n=number)}\n{text}" for number, text in enumerate(own, 1)]
    parts += [f"{FOR_ALL}\n{tail}"] if tail else []
    return "\n\n".join(parts)


def said_once(one: Sequence[str], other: Sequence[str]) -> int:
    """Characters of the lines that two prompts begin and end with."""
    before, after = _alike([one, other])
    return sum(len(line) + 1 for line in (*one[:before], *one[len(one) - after :]))


def _said_once(lines: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many leading and trailing lines are said once. Nothing is torn apart that stands in brackets, and no part is left empty."""
    before, after = _alike(lines)
    for first, last in ((before, after), (before, 0)):
        own = ["\n".join(each[first : len(each) - last]) for each in lines]
        around = lines[0][:first], lines[0][len(lines[0]) - last :]
        if all(map(str.strip, own)) and all(map(_whole, (*own, *map("\n".join, around)))):
            return first, last
    return 0, 0


def _alike(lines: Sequence[Sequence[str]]) -> tuple[int, int]:
    before = sum(1 for _ in takewhile(lambda row: len(set(row)) == 1, zip(*lines, strict=False)))
    rest = [list(reversed(each[before:])) for each in lines]
    after = sum(1 for _ in takewhile(lambda row: len(set(row)) == 1, zip(*rest, strict=False)))
    return before, after


def _whole(text: str) -> bool:
    return all(text.count(left) == text.count(right) for left, right in ("[]", "{}"))


def taken_apart(prompt: str) -> list[str]:
    """What a prompt made by `joined`, and whatever was appended to it, asks for each item; [] for any other prompt."""
    if (found := _ALIKE.search(prompt)) is not None:
        end = prompt.find("\n", found.end())
        said = prompt[: found.start()].rstrip("\n") + (prompt[end:] if end >= 0 else "")
        return [said] * int(found.group(1))
    found = _TASKS.search(prompt)
    if found is None:
        return []
    head, rest = prompt[: found.start()], prompt[found.end() :]
    rest, _, tail = rest.partition(FOR_ALL + "\n")
    own = [text.strip("\n") for text in _TASK.split(rest)[1:]]
    return ["\n".join(part for part in (head.rstrip("\n"), text, tail) if part) for text in own]


# ---------------------------------------------------------------- the shape of the answers


def schema_of(one: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Of the answers to several items. one: the schema of a single answer, None for text; name: what it is called."""
    inner = {"type": "string"} if one is None else dict(_moved(one))
    definitions = {word: inner.pop(word) for word in ("$defs", "definitions") if word in inner}
    for word in ("$schema", "$id"):
        inner.pop(word, None)
    item = {
        "type": "object",
        "properties": {NUMBER: {"type": "integer"}, ANSWER: inner},
        "required": [NUMBER, ANSWER],
        "additionalProperties": False,
    }
    title = name if one is None else str(one.get("title") or name)
    return {
        "title": TITLE + title,
        "type": "object",
        "properties": {ITEMS: {"type": "array", "items": item}},
        "required": [ITEMS],
        "additionalProperties": False,
        **definitions,
    }


_INNER = f"#/properties/{ITEMS}/items/properties/{ANSWER}"
_DATA = frozenset({"const", "enum", "default", "examples"})


def _moved(part: Any) -> Any:
    """A schema that now stands deeper: what refers to its own root refers to its new place."""
    if isinstance(part, list):
        return [_moved(inner) for inner in part]
    if not isinstance(part, Mapping):
        return part
    moved = {name: value if name in _DATA else _moved(value) for name, value in part.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and not reference.startswith(("#/$defs/", "#/definitions/")):
        moved["$ref"] = _INNER + reference[1:]
    return moved


def single(schema: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]] | None:
    """The title and the schema of one answer, {} for text, where a schema is of several; None where it is not."""
    title = str((schema or {}).get("title") or "")
    items = _at(schema, "properties", ITEMS, "items")
    inner = _at(items, "properties", ANSWER)
    if not title.startswith(TITLE) or not isinstance(inner, Mapping) or _at(items, "properties", NUMBER) is None:
        return None
    title = title.removeprefix(TITLE)
    if inner.get("type") == "string" and title == "text":
        return title, {}
    definitions = {word: value for word, value in (schema or {}).items() if word in ("$defs", "definitions")}
    return title, {"title": title, **inner, **definitions}


def _at(schema: Any, *path: str) -> Any:
    for name in path:
        schema = schema.get(name) if isinstance(schema, Mapping) else None
    return schema


def counted(total: int, weights: Sequence[int]) -> Iterator[int]:
    """Whole parts of a total that add up to it exactly, in proportion to weights; equal ones where nothing has any."""
    whole = sum(weights)
    if whole <= 0:
        weights, whole = [1] * len(weights), len(weights)
    given = seen = 0
    for weight in weights:
        seen += weight
        part = total * seen // whole - given
        given += part
        yield part
