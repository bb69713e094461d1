"""What can go wrong, named by what the caller can do about it.

FanfoldError
├── PlanError      the plan or the options are wrong: nothing was called; `path` says where, `hint` what to do
├── StoreError     the store failed: what it acknowledged is kept, nothing more was called
└── RunFailed      raised only by `Result.raise_for_errors()`; carries the failed cells

A failed cell is not an exception: it is a `CellError` in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from fanfold.spec.calls import At
from fanfold.spec.hidden import redact


class Code(StrEnum):
    """Why a cell has no value of its own. Closed: users match on it."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    BAD_REQUEST = "bad_request"
    TOO_LONG = "too_long"
    FILTERED = "filtered"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    CHECK_FAILED = "check_failed"
    DUPLICATE = "duplicate"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    UPSTREAM = "upstream"
    BUDGET = "budget"
    STORE = "store"
    INTERNAL = "internal"


class CellError(msgspec.Struct, frozen=True, kw_only=True):
    """Why one cell has no value of its own. `attempts`: answers judged."""

    stage: str
    cell: At
    code: str
    message: str
    hint: str = ""
    attempts: int = 0


class FanfoldError(Exception):
    """Everything that Fanfold raises. Its words hold no key."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(redact(word) if isinstance(word, str) else word for word in words))


class PlanError(FanfoldError):
    """The plan, an option or a data file is wrong. Found before any call.

    path: where the mistake is, e.g. `steps.recipe.over`. hint: what to do about it.
    """

    def __init__(self, path: str, message: str, hint: str = "") -> None:
        path, message, hint = redact(path), redact(message), redact(hint)
        self.path, self.message, self.hint = path, message, hint
        super().__init__(": ".join(part for part in (path, message) if part) + (f" ({hint})" if hint else ""))


class StoreError(FanfoldError):
    """The store could not be opened, read or written."""


class RunFailed(FanfoldError):
    """Some required cells have no value of their own."""

    def __init__(self, errors: Sequence[CellError]) -> None:
        self.errors = list(errors)
        first = self.errors[0]
        where = ", ".join(f"{k}={v}" for k, v in first.cell.items())
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{first.stage}[{where}]: {first.code}: {first.message}{more}")
