"""The words a simulated model knows (`words.json`), and what it reads out of names and prompts."""

from __future__ import annotations

import re
from functools import cached_property
from importlib.resources import files
from typing import Any

import msgspec

_WORD = re.compile(r"[^\W\d_]{4,}")
_LONGEST_READ = 2_000  # characters of a prompt that topics are taken from
_TOPICS = 6
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


class Vocabulary:
    """The word lists, read once. One per content desk: nothing here changes."""

    @cached_property
    def words(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(files("fanfold.sim").joinpath("words.json").read_bytes())
        return found

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Word in a field's name -> the kind of text it holds."""
        return {word: kind for kind, known in self.words["kinds"].items() for word in known}

    @cached_property
    def stop(self) -> frozenset[str]:
        return frozenset(self.words["stop"])

    def kind(self, field: str) -> str:
        """What a field of that name holds: its last word says most."""
        for word in reversed(name_words(field)):
            if (kind := self.kinds.get(word) or self.kinds.get(word.removesuffix("s"))) is not None:
                return kind
        return "phrase"

    def range(self, field: str) -> tuple[float, float] | None:
        for word in reversed(name_words(field)):
            if (found := self.words["ranges"].get(word)) is not None:
                return found[0], found[1]
        return None


def topics(prompt: str, stop: frozenset[str]) -> list[str]:
    """The first words of a prompt that carry meaning."""
    found: dict[str, None] = {}
    for match in _WORD.finditer(prompt[:_LONGEST_READ]):
        word = match.group().lower()
        if word not in stop and word not in found:
            found[word] = None
            if len(found) == _TOPICS:
                break
    return list(found)


def name_words(field: str) -> list[str]:
    """`maxMinutes_per_day` -> max, minutes, per, day."""
    return [part.lower() for part in _PARTS.findall(field)]
