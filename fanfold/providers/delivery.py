"""One call over the wire, whatever its dialect: what breaks off on the way, what was heard of it, and whose key stays unsaid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from fanfold.providers.account import Account
from fanfold.providers.sse import Event
from fanfold.providers.taxonomy import KEY_HINT, QUOTA_HINT
from fanfold.providers.usage import estimated
from fanfold.providers.wire import Heed, Line, Target
from fanfold.spec.calls import Answer, Chunk, Fault, Request, Scope
from fanfold.spec.errors import Code
from fanfold.spec.hidden import hide

Decode = Callable[[int, Mapping[str, str], bytes, Request], Answer | Fault]
"""(status, headers, body, request) -> the outcome of a whole response. Pure."""


class Reading(Protocol):
    """One stream as it is read: `feed` each event's data, then ask `end`."""

    @property
    def text(self) -> str:
        """What has been written so far."""

    def feed(self, data: bytes, name: bytes = b"message") -> tuple[Heed, str]:
        """What the event was, and the text it brought."""

    def end(
        self, headers: Mapping[str, str], request: Request, broken: Fault | None = None, hide: Callable[[bytes], bytes] = bytes
    ) -> Answer | Fault:
        """The outcome. broken: how the network ended the stream, if it did. hide: takes the key out of a server's words."""


class Delivery:
    """How one account's calls go out and come back."""

    __slots__ = ("_account", "_hints", "_wire")

    def __init__(self, wire: Line, account: Account, key_env: str) -> None:
        """key_env: the variable that holds the key, for hints."""
        self._wire, self._account = wire, account
        self._hints = {
            Code.AUTH: f"{KEY_HINT} ({key_env})" if account.has_key else f"set {key_env}",
            Code.QUOTA: f"{QUOTA_HINT} (of {key_env})",
        }

    async def whole(self, target: Target, request: Request, body: bytes, decode: Decode) -> Answer | Fault:
        """Ask for the whole answer at once."""
        received = await self._wire.post(target, body, timeout_s=request.timeout_s)
        if isinstance(received, Fault):
            return _maybe_charged(received, request)
        return self._decoded(received.status, received.headers, received.body, request, decode)

    async def pieces(
        self, target: Target, request: Request, body: bytes, decode: Decode, reading: Reading, heard: Callable[[Chunk], None]
    ) -> Answer | Fault:
        """Ask for the answer in pieces, each told to `heard`; one that comes whole all the same is one piece."""
        listener = _Listener(reading, heard)
        received = await self._wire.stream(target, body, listener.told, timeout_s=request.timeout_s, idle_s=request.idle_s)
        if isinstance(received, Fault):
            outcome = reading.end({}, request, received, self._account.hide)
            if isinstance(outcome, Fault):
                return _maybe_charged(outcome, request, reading.text)
        elif received.streamed:
            outcome = self._hinted(reading.end(received.headers, request, None, self._account.hide))
        else:
            outcome = self._decoded(received.status, received.headers, received.body, request, decode)
        if isinstance(outcome, Answer):
            outcome = msgspec.structs.replace(outcome, text=hide(outcome.text))
            if not listener.heard_any:
                heard(Chunk(outcome.text))
        return outcome

    def _decoded(self, status: int, headers: Mapping[str, str], body: bytes, request: Request, decode: Decode) -> Answer | Fault:
        body = self._account.hide(body)
        outcome = decode(status, headers, body, request)
        if isinstance(outcome, Fault):  # its words may be taken from headers
            unsaid = {name: hide(value) for name, value in headers.items()}
            outcome = outcome if unsaid == headers else decode(status, unsaid, body, request)
        return self._hinted(outcome)

    def _hinted(self, outcome: Answer | Fault) -> Answer | Fault:
        """With the name of the key, by which its owner knows it."""
        if isinstance(outcome, Fault) and (outcome.code == Code.AUTH or outcome.hint == QUOTA_HINT):
            return msgspec.structs.replace(outcome, hint=self._hints[Code(outcome.code)])
        return outcome


class _Listener:
    """Passes on each piece that an event brings."""

    __slots__ = ("_heard", "_reading", "heard_any")

    def __init__(self, reading: Reading, heard: Callable[[Chunk], None]) -> None:
        self._reading, self._heard, self.heard_any = reading, heard, False

    def told(self, event: Event) -> Heed:
        heed, text = self._reading.feed(event.data, event.name)
        if text:
            self.heard_any = True
            self._heard(Chunk(text))
        return heed


def unwritable(error: Exception) -> Fault:
    """For a request that cannot be encoded."""
    if isinstance(error, UnicodeError):
        return Fault(code=Code.BAD_REQUEST, message="the prompt holds half of a surrogate pair and cannot be sent as UTF-8")
    return Fault(code=Code.BAD_REQUEST, message=f"sampling cannot be written as JSON: {error}", scope=Scope.STEP)


def no_such_word(provider: str, error: LookupError) -> Fault:
    """For a word of sampling that a provider does not have, and that would change the answers."""
    return Fault(
        code=Code.BAD_REQUEST, message=f"{provider}'s models take no {error.args[0]}", scope=Scope.STEP,
        hint="take it out of the step's sampling, or use another provider for this step",
    )  # fmt: skip


def _maybe_charged(fault: Fault, request: Request, text: str = "") -> Fault:
    """A call that broke off may have been charged, unless it never got through."""
    if fault.scope is not Scope.CELL or fault.usage.tokens_in:
        return fault
    return msgspec.structs.replace(fault, usage=estimated(request, text))
