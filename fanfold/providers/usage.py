"""Tokens of a call as reported, or a careful estimate where the report is missing or makes no sense."""

from __future__ import annotations

from collections.abc import Iterable

from fanfold.spec.calls import Message, Request, Usage

_CHARACTERS_PER_TOKEN = 3.0  # an upper bound for Latin text, which has about 3.6
_PER_MESSAGE = 4
_MOST = 100_000_000  # more tokens than any call has


def reported(tokens_in: object, tokens_out: object, total: object, cached: object, request: Request, text: str) -> Usage:
    """What the provider says, if it can be true; else the larger of what it says and our estimate, not exact."""
    said_in, said_out = _count(tokens_in), _count(tokens_out)
    if not said_in or said_out is None or (said_out == 0 and text):
        return _at_least(estimated(request, text), said_in, said_out)
    said_total = _count(total) if total is not None else said_in + said_out
    exact = said_total == said_in + said_out
    if said_total is not None and said_total > said_in + said_out:
        said_out = said_total - said_in  # thinking that was charged and not counted
    return Usage(tokens_in=said_in, tokens_out=said_out, tokens_cached=min(_count(cached) or 0, said_in), exact=exact)


def estimated(request: Request, text: str) -> Usage:
    """An upper bound for a call whose usage nobody reported."""
    return Usage(tokens_in=_of_messages(request.messages), tokens_out=_of_text(text), exact=False)


def _at_least(guess: Usage, tokens_in: int | None, tokens_out: int | None) -> Usage:
    return Usage(tokens_in=max(guess.tokens_in, tokens_in or 0), tokens_out=max(guess.tokens_out, tokens_out or 0), exact=False)


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


def _of_messages(messages: Iterable[Message]) -> int:
    return sum(_of_text(message.content) + _PER_MESSAGE for message in messages)


def _of_text(text: str) -> int:
    """Dense scripts have about one token a character."""
    dense = 0 if text.isascii() else sum(char > "\u2e7f" for char in text)
    return round((len(text) - dense) / _CHARACTERS_PER_TOKEN + dense) + 1 if text else 0
