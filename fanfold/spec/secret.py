"""A key that nobody sees. It is unwrapped in one place: where the header is written."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from fanfold.spec.errors import PlanError
from fanfold.spec.hidden import HIDDEN, keep_unsaid

_KIND = re.compile(r"[A-Za-z]{2,4}-")
_QUOTES = "\"'`"


class Secret:
    """A key. Shown as "sk-…(hidden)" whatever is done to it; what is said anywhere in this process is rid of it.

    name: where it was read from, for messages. Raises PlanError for what can be no key, without repeating it.
    """

    __slots__ = ("_text", "name")

    def __init__(self, text: str, name: str = "api_key") -> None:
        if not isinstance(text, str):
            raise PlanError(name, f"an API key is a text, not {type(text).__name__}")
        keep_unsaid(text)
        keep_unsaid(text.strip().strip(_QUOTES).strip())
        if not text.isascii() or not text.isprintable() or " " in text or any(quote in text for quote in _QUOTES):
            raise PlanError(
                name, "the API key holds white space, quotes, control or non-ASCII characters",
                "copy it again, without quotes and without the end of the line",
            )  # fmt: skip
        self._text, self.name = text, name

    def reveal(self) -> str:
        """The key itself, for the header that it is sent in."""
        return self._text

    def __repr__(self) -> str:
        kind = _KIND.match(self._text)
        return f"{kind.group() if kind and len(self._text) > 16 else ''}…(hidden)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return self._text.__hash__()

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: Any) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a key is not written down")


class Header(str):
    """The text of a header that holds a key: sent as it is, shown by nobody who looks at what holds it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN
