"""Elements of a page, by the standard library's serializer, which escapes every text."""

from __future__ import annotations

import unicodedata
from xml.etree.ElementTree import Element


def e(tag: str, *children: Element | str, **attributes: str) -> Element:
    """An element with text and elements in it. cls: its class."""
    element = Element(tag, {{"cls": "class"}.get(name, name): shown(value) for name, value in attributes.items()})
    last: Element | None = None
    keep = tag == "code" and attributes.get("cls") == "block"
    for child in children:
        if isinstance(child, Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + shown(child, lines=keep)
        else:
            last.tail = (last.tail or "") + shown(child)
    return element


def shown(text: str, *, lines: bool = False) -> str:
    """Without what no page may hold or what turns the text around it: control, direction and half characters."""
    return "".join(char if lines and char == "\n" else " " if char.isspace() else char for char in text if _seen(char))


def _seen(char: str) -> bool:
    if char.isspace():
        return True
    return (
        unicodedata.category(char) not in ("Cc", "Cs", "Cn")
        and char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
