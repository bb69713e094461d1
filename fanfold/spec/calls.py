"""The words of one call: what goes out, what comes back, what can go wrong on the way."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

import msgspec

At: TypeAlias = dict[str, Any]
"""Coordinates as a user sees them: axis name -> the axis' own value, in the order of the step's axes."""


class Message(msgspec.Struct, frozen=True, gc=False):
    role: str  # "system", "user" or "assistant"
    content: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call as the engine asks for it; a provider encodes it, `wire` sends it.

    schema: JSON Schema the answer must satisfy (an object at the root, its identity field first), or None for text.
    sampling: temperature, top_p, max_tokens, seed, stop and the like, by their OpenAI names.
    stream: ask for the answer in pieces, each told to `heard`.
    timeout_s: the whole call; idle_s: the longest silence without content while streaming. The core keeps the first
    deadline and cancels; a provider keeps both as well, as a second line.
    """

    model: str
    messages: tuple[Message, ...]
    schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    sampling: dict[str, Any] = {}
    stream: bool = False
    timeout_s: float = 120.0
    idle_s: float = 60.0


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of a streamed answer's content. Never empty: pings and comments are not content."""

    text: str


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Tokens of one call as the provider charges them. exact: reported by the provider, not estimated by us."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    exact: bool = True


class Told(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a response says of one limit of the account it came from.

    counts: "requests", "input tokens", "output tokens" or "tokens". span_s: the limit is for so many seconds (60, 86,400, 1).
    limit, remaining: None when not told. reset_s: seconds until all of the limit is there again, None when not told.
    """

    counts: str
    span_s: int = 60
    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider delivered, with a terminal signal that it ended well. Not yet parsed or checked.

    headers: rate-limit headers of the response, lower case (`x-ratelimit-…`, `retry-after`). told: what they mean.
    """

    text: str
    usage: Usage
    finish: str = "stop"
    request_id: str = ""
    headers: dict[str, str] = {}
    told: tuple[Told, ...] = ()


class Scope(IntEnum):
    """How much else a fault condemns."""

    CELL = 0  # this call only
    STEP = 1  # every cell of the step: its schema or a parameter was refused
    LANE = 2  # everything that goes through the same provider, account and model: not allowed, a quota of its own, unknown
    ENDPOINT = 3  # nothing listens there: condemns the lane unless something has been heard from it before
    ACCOUNT = 4  # every model that the same key is for: it is wrong or withdrawn, or its money is spent


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A call that did not deliver. `code` is one of `Code`.

    retry_after_s: the server's own wish, None when it said nothing.
    usage: what was consumed all the same. told: what it says of limits. refused: which limit said no, as `Told.counts`, or "".
    overload: the server has too much to do for everybody, whatever our own limits are. text: of an answer that was cut short, what had
    been written.
    """

    code: str
    message: str = ""
    hint: str = ""
    retry_after_s: float | None = None
    scope: Scope = Scope.CELL
    usage: Usage = Usage()
    headers: dict[str, str] = {}
    told: tuple[Told, ...] = ()
    refused: str = ""
    overload: bool = False
    status: int = 0
    text: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The fact that the core is told of an answer: measures, keys and verdicts, never the value itself.

    key: the answer's identity, raw; the core normalises and compares. exact: it counts to the letter, not as text. vector: its
    direction beside that, in single precision. said: what to call it where the key says nothing to a person, "" for nothing.
    finding: the reason a rule check (or the judge) gives against it; `check` names that check.
    lengths: sizes of the lists that dynamic axes find in it.
    judge: estimated tokens (in, out) of the judge's call, None when there is no judge.
    verdict: only in answers of a judge. told: what the response says of limits.
    """

    usage: Usage
    told: tuple[Told, ...] = ()
    key: str | None = None
    exact: bool = False
    vector: bytes | None = None
    said: str | None = None
    check: str = ""
    finding: str | None = None
    lengths: dict[str, int] | None = None
    judge: tuple[int, int] | None = None
    verdict: bool | None = None


class Work(msgspec.Struct, frozen=True, gc=False):
    """A cell's prompt is rendered; its size in tokens, as the limiter books it.

    same: what it asks, as a digest: of two cells with the same one, only one calls, and the other takes its answer from the cache.
    "": it asks alone. kin: cells of its step with the same one can be asked in one request, "": none; common: tokens of the prompt that are
    then said only once. spoilt: why an answer that the cache had could not be used ("damaged" or "expired"), or "".
    """

    tokens_in: int
    tokens_out: int
    same: str = ""
    spoilt: str = ""
    kin: str = ""
    common: int = 0


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """The answer was known already (cache, or a step without a model): no call is needed.

    work: the call that it saves, for an answer from the cache; it is made where the gates refuse that answer. known: the plan says what it is;
    then work is the call for another value where this one is taken, None where there is no prompt for one.
    """

    reply: Reply
    work: Work | None = None
    known: bool = False


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """The cell cannot be prepared: its prompt function failed, or a value it needs is unusable."""

    fault: Fault
