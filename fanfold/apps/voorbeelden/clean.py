"""A request is cleaned before it is used: one line of readable text, not too long."""

from __future__ import annotations

import unicodedata
from typing import Any

LONGEST = {"begrip": 100, "definitie": 2000, "context": 2000}
"""Characters, after cleaning."""


def cleaned(name: str, value: Any) -> str | None:
    """The text in one line, without control characters; None where nothing is left. Raises ValueError, in Dutch."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} is geen tekst maar {type(value).__name__}")
    text = unicodedata.normalize("NFC", value)
    text = " ".join("".join(map(_readable, text)).split())
    if len(text) > LONGEST[name]:
        raise ValueError(f"{name} is {len(text)} tekens lang; hoogstens {LONGEST[name]} tekens")
    if name == "begrip" and text and not any(char.isalpha() for char in text):
        raise ValueError(f"{name} bevat geen letter: {text!r}")
    return text or None


def _readable(char: str) -> str:
    """Line ends and the like become a space; what cannot be seen goes, but what joins letters into one."""
    category = unicodedata.category(char)
    if category == "Cc" or category in ("Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else char
