"""Who writes an answer: a content function found by the title of the answer's schema, or else a filler for any schema.

Applications bring their own through the entry point groups `fanfold.content` (title -> function) and, for answers that are
plain text, `fanfold.speech` (any name -> function: asked in turn by name, None means that it is not theirs). Nothing here knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from random import Random
from typing import Any, TypeAlias

import msgspec

from fanfold.sim.filler import Filler
from fanfold.sim.pen import ContentFunction, Habits, Pen
from fanfold.sim.speech import Speech
from fanfold.sim.vocabulary import Vocabulary
from fanfold.spec import parcels
from fanfold.spec.calls import Request

__all__ = ["GROUP", "SPEECH", "ContentError", "ContentFunction", "Contents", "Pen", "TextFunction"]

GROUP, SPEECH = "fanfold.content", "fanfold.speech"

TextFunction: TypeAlias = Callable[[Pen], str | None]
"""Writes one answer that is plain text; None: the prompt is none of its own."""


class ContentError(Exception):
    """A content function could not be loaded, or failed."""


class Contents:
    """Writes answers. given: title -> content function; texts: those for plain text. None: those of the entry points."""

    def __init__(self, given: Mapping[str, ContentFunction] | None = None, texts: Sequence[TextFunction] | None = None) -> None:
        self._functions: dict[str, ContentFunction | None] = dict(given or {})
        self._points: dict[str, EntryPoint] | None = None if given is None else {}
        self._texts = texts if texts is not None or given is None else ()
        self._vocabulary = Vocabulary()

    def write(self, request: Request, rng: Random, habits: Habits) -> str:
        """The text of an answer. Raises ContentError."""
        prompt = "\n\n".join(message.content for message in request.messages)
        if (several := parcels.single(request.schema)) is not None and (prompts := parcels.taken_apart(prompt)):
            return _json({parcels.ITEMS: self._several(prompts, *several, rng, habits)})
        pen = Pen(rng, prompt, request.schema or {}, habits)
        if request.schema is None:
            return self._say(pen)
        title = str(request.schema.get("title") or request.schema_name)
        function = self._function(title) or self._function(request.schema_name) or self._fill
        return _json(self._written(function, pen, title))

    def _several(self, prompts: Sequence[str], title: str, schema: dict[str, Any], rng: Random, habits: Habits) -> list[Any]:
        """An answer to each of these, in one: a model seldom says the same twice in one breath."""
        function = self._function(title) or self._fill
        items: list[Any] = []
        said: list[str] = []
        for number, prompt in enumerate(prompts, 1):
            pen = Pen(Random(rng.getrandbits(64)), prompt, schema, habits)
            pen.avoid = (*pen.avoid, *said)
            answer = self._written(function, pen, title) if schema else self._say(pen)
            first = next(iter(answer.values()), None) if isinstance(answer, dict) else answer
            said += [first] if isinstance(first, str) else []
            items.append({parcels.NUMBER: number, parcels.ANSWER: answer})
        return items

    def _written(self, function: ContentFunction, pen: Pen, title: str) -> Any:
        try:
            return in_order(function(pen), pen.schema)
        except Exception as error:
            raise ContentError(f"no content for {title!r}: {type(error).__name__}: {error}") from error

    def _say(self, pen: Pen) -> str:
        if self._texts is None:
            self._texts = [_load(point) for point in sorted(entry_points(group=SPEECH), key=lambda point: point.name)]
        for function in self._texts:
            try:
                text = function(pen)
            except Exception as error:
                raise ContentError(f"no text from {function.__name__!r}: {type(error).__name__}: {error}") from error
            if text is not None:
                return text
        return Speech(pen, self._vocabulary).page()

    def _fill(self, pen: Pen) -> Any:
        return Filler(pen, self._vocabulary).fill()

    def _function(self, title: str) -> ContentFunction | None:
        if title not in self._functions:
            if self._points is None:
                self._points = {point.name: point for point in entry_points(group=GROUP)}
            point = self._points.get(title)
            self._functions[title] = _load(point) if point is not None else None
        return self._functions[title]


def in_order(value: Any, schema: Mapping[str, Any]) -> Any:
    """The fields of an answer in the order of its schema, as a model under a schema writes them."""
    properties = schema.get("properties")
    if not isinstance(value, dict) or not properties:
        return value
    known = {name: value[name] for name in properties if name in value}
    return {**known, **value}


def _load(point: EntryPoint) -> Callable[[Pen], Any]:
    try:
        function: Callable[[Pen], Any] = point.load()
    except Exception as error:
        message = f"the content function {point.name!r} ({point.value}) could not be loaded: {type(error).__name__}: {error}"
        raise ContentError(message) from error
    return function


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
