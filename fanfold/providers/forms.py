"""In which form each model is told the shape of an answer. Not every model takes every form, nor every schema in each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fanfold.providers.schema import MOST_KNOWN
from fanfold.spec.calls import Answer, Fault, Request, Scope
from fanfold.spec.errors import Code

_REFUSED = (400, 422)


class Forms:
    """The forms of one dialect, the best first; once a model has refused a form for a schema, the next one is used."""

    __slots__ = ("_now", "_refusals")

    def __init__(self, refusals: Mapping[str, str]) -> None:
        """refusals: form -> the words by which a 400 refuses it; "" for one that cannot be refused."""
        self._refusals = {form: re.compile(words, re.IGNORECASE) if words else None for form, words in refusals.items()}
        self._now: dict[tuple[str, int], tuple[Any, str]] = {}

    def of(self, request: Request, first: str) -> str:
        """first: the form that nothing speaks against beforehand."""
        known = self._now.get((request.model, id(request.schema)))
        return first if known is None else known[1]

    def after(self, outcome: Answer | Fault, request: Request, form: str) -> Answer | Fault:
        """The outcome of a call in this form. One that was refused for it is worth another try: it will be made in the next."""
        if isinstance(outcome, Answer) or outcome.code != Code.BAD_REQUEST or outcome.status not in _REFUSED:
            return outcome
        refusal = self._refusals[form]
        if refusal is None or refusal.search(outcome.message) is None:
            return outcome
        self._move(request, form)
        hint = "the shape of the answer is told in another form from now on"
        return msgspec.structs.replace(outcome, code=Code.TRANSIENT, scope=Scope.CELL, hint=hint)

    def _move(self, request: Request, form: str) -> None:
        """The schema is kept, so that its id stays its own."""
        key = request.model, id(request.schema)
        known = self._now.get(key)
        if known is not None and known[1] != form:
            return  # refused to several calls at once
        if len(self._now) >= MOST_KNOWN:
            self._now.clear()
        names = list(self._refusals)
        self._now[key] = (request.schema, names[names.index(form) + 1])


def in_words(schema: Mapping[str, Any]) -> str:
    """For a model that takes no schema in any other form."""
    written = msgspec.json.encode(schema, enc_hook=str).decode()
    return f"Answer with one JSON object and nothing else. It must satisfy this JSON Schema:\n{written}"
