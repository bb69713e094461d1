"""From a cell to its messages: names filled in, the reason of a rejection and the avoid-list at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fanfold.engine.shapes import text_of
from fanfold.spec import phrases
from fanfold.spec.calls import Message
from fanfold.spec.plan import Cell
from fanfold.spec.template import Slot, Template, dig

ROLES = ("system", "user", "assistant", "developer")


def fill(template: Template, cell: Cell, extra: Mapping[str, Any] | None = None) -> str:
    """Raises NoSuchField when a value lacks a field that the prompt names."""

    def value_of(slot: Slot) -> str:
        if slot.text == "facet" and cell.facet:
            return ", ".join(f"{name}: {text_of(value)}" for name, value in cell.facet.items())
        if slot.name == "candidates" and cell.candidates is not None and slot.path and not slot.path[0].isdecimal():
            return text_of(dig(cell.candidates, ("0", *slot.path)))  # it is given one at most
        value = extra[slot.name] if extra and slot.name in extra else cell[slot.name]
        return text_of(dig(value, slot.path))

    return template.render(value_of)


def as_messages(prompt: Any) -> tuple[Message, ...]:
    """What a prompt callable returned: a text, or messages as {role, content} or (role, content). Raises TypeError."""
    if isinstance(prompt, str):
        if not prompt.strip():
            raise TypeError("the prompt is empty")
        return (Message("user", prompt),)
    if not isinstance(prompt, Iterable) or isinstance(prompt, Mapping | bytes):
        raise TypeError(f"a prompt is text or a list of messages, not {type(prompt).__name__}")
    messages = tuple(map(_message, prompt))
    if not messages:
        raise TypeError("the prompt has no messages")
    return messages


def _message(item: Any) -> Message:
    if isinstance(item, Message):
        return item
    if isinstance(item, Mapping):
        role, content = item.get("role"), item.get("content")
    elif isinstance(item, tuple | list) and len(item) == 2:
        role, content = item
    else:
        role, content = None, None
    if role not in ROLES or not isinstance(content, str):
        raise TypeError(f"a message has a role ({', '.join(ROLES)}) and a text, not {item!r}")
    return Message(role, content)


def with_tail(messages: tuple[Message, ...], tail: Iterable[str]) -> tuple[Message, ...]:
    """The same messages with parts added at the very end, after everything that calls share (prefix caches stay warm)."""
    parts = [part for part in tail if part]
    if not parts:
        return messages
    last = messages[-1]
    if last.role != "user":
        return (*messages, Message("user", "\n\n".join(parts)))
    return (*messages[:-1], Message("user", "\n\n".join((last.content, *parts))))


def tail(avoid: tuple[str, ...], reason: str, previous: str | None, crowded: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (
        phrases.rejected(reason, previous) if reason else "",
        phrases.avoid(avoid) if avoid else "",
        phrases.crowded(crowded) if crowded else "",
    )


PromptSource = Template | Callable[..., Any]
