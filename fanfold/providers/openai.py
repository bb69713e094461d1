"""Chat completions: OpenAI and every server that speaks the same (vLLM, Ollama, llama.cpp, Groq, Mistral, OpenRouter, …).

`encode` and `decode` are pure; `ChatStream` folds a stream; `OpenAI` glues them to the wire. Nothing is raised for what the
other side does, and nothing is retried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fanfold.providers.account import Account
from fanfold.providers.chat import ChatStream, decode
from fanfold.providers.limits import DAILY_HOSTS, told
from fanfold.providers.profile import Profile
from fanfold.providers.reading import Unreadable, parse
from fanfold.providers.schema import Strict, response_name, strict_subset, without_added_nulls
from fanfold.providers.sse import Event
from fanfold.providers.taxonomy import KEY_HINT
from fanfold.providers.usage import estimated
from fanfold.providers.wire import HEADERS, Heed, Target, Wire
from fanfold.spec.calls import Answer, Chunk, Fault, Request, Scope
from fanfold.spec.errors import Code

PROFILE = Profile(
    name="openai", base_url="https://api.openai.com/v1", key_env=("OPENAI_API_KEY",), base_url_env="OPENAI_BASE_URL", charge="max"
)
OWN_HOST = "api.openai.com"
"""Where `max_tokens` has been renamed."""
_OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})
"""What sampling cannot change."""


def encode(request: Request, strict: Strict | None = None, *, own: bool = False) -> bytes:
    """The body of a call. strict: the converted schema of the request. own: for OpenAI itself, not a server like it.

    Raises TypeError or ValueError for what JSON cannot hold.
    """
    body: dict[str, Any] = {name: value for name, value in request.sampling.items() if value is not None and name not in _OURS}
    if own and "max_tokens" in body:
        body.setdefault("max_completion_tokens", body.pop("max_tokens"))
    body["model"] = request.model
    body["messages"] = request.messages
    if request.schema is not None:
        body["response_format"] = response_format(request, strict or strict_subset(request.schema))
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def response_format(request: Request, strict: Strict) -> dict[str, Any]:
    named = {"name": response_name(request.schema_name), "strict": strict.strict, "schema": strict.schema}
    return {"type": "json_schema", "json_schema": named}


class OpenAI:
    """The Provider port. Raises PlanError for an unusable base URL or key."""

    def __init__(self, wire: Wire, base_url: str = PROFILE.base_url, api_key: str | None = None) -> None:
        self._wire, self._account = wire, Account(base_url, api_key)
        hostname = urlsplit(base_url).hostname
        self._own, self._daily = hostname == OWN_HOST, hostname in DAILY_HOSTS
        url, host = self._account.url("/chat/completions"), self._account.host
        self._plain = Target(url, host, {**HEADERS, **self._account.bearer(), "Accept": "application/json"})
        self._streaming = Target(url, host, {**HEADERS, **self._account.bearer(), "Accept": "text/event-stream"})
        self._key_hint = f"{KEY_HINT} ({PROFILE.key_env[0]})" if self._account.has_key else f"set {PROFILE.key_env[0]}"
        self._schemas: dict[int, tuple[dict[str, Any], Strict]] = {}

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        strict = None if request.schema is None else self._strict(request.schema)
        try:
            body = encode(request, strict, own=self._own)
        except (TypeError, ValueError, RecursionError) as error:
            return _unwritable(error)
        outcome = await (self._stream(request, body, heard) if request.stream else self._post(request, body))
        if isinstance(outcome, Fault):
            return outcome if outcome.code != Code.AUTH else msgspec.structs.replace(outcome, hint=self._key_hint)
        return _pruned(outcome, request.schema) if strict is not None and strict.nulls else outcome

    async def close(self) -> None:
        """Nothing of its own: the wire belongs to the engine."""

    async def _post(self, request: Request, body: bytes) -> Answer | Fault:
        received = await self._wire.post(self._plain, body, timeout_s=request.timeout_s)
        if isinstance(received, Fault):
            return _maybe_charged(received, request)
        return self._decoded(received.status, received.headers, received.body, request)

    async def _stream(self, request: Request, body: bytes, heard: Callable[[Chunk], None]) -> Answer | Fault:
        chat = ChatStream()
        received = await self._wire.stream(
            self._streaming, body, _listener(chat, heard), timeout_s=request.timeout_s, idle_s=request.idle_s
        )
        if isinstance(received, Fault):
            outcome = chat.end({}, request, received, self._account.hide)
            return outcome if isinstance(outcome, Answer) else _maybe_charged(outcome, request, chat.text)
        if received.streamed:
            return self._limited(chat.end(received.headers, request, None, self._account.hide), received.headers)
        outcome = self._decoded(received.status, received.headers, received.body, request)
        if isinstance(outcome, Answer):
            heard(Chunk(outcome.text))  # it would not stream: then all of it is one piece
        return outcome

    def _decoded(self, status: int, headers: Mapping[str, str], body: bytes, request: Request) -> Answer | Fault:
        outcome = decode(status, headers, body, request)
        if isinstance(outcome, Fault) and (hidden := self._account.hide(body)) is not body:
            outcome = decode(status, headers, hidden, request)
        return self._limited(outcome, headers)

    def _limited(self, outcome: Answer | Fault, headers: Mapping[str, str]) -> Answer | Fault:
        """Some limit requests by the day, and do not say so."""
        if not self._daily:
            return outcome
        misread = told(headers)
        worded = tuple(limit for limit in outcome.told if limit not in misread)
        return msgspec.structs.replace(outcome, told=(*told(headers, requests_per="day"), *worded))

    def _strict(self, schema: dict[str, Any]) -> Strict:
        """Converted once a step: its cells share the schema. The schema is kept too, so that its id stays its own."""
        known = self._schemas.get(id(schema))
        if known is None:
            if len(self._schemas) >= 256:
                self._schemas.clear()
            known = self._schemas[id(schema)] = (schema, strict_subset(schema))
        return known[1]

    def __repr__(self) -> str:
        return f"<OpenAI {self._account!r}>"


def _listener(chat: ChatStream, heard: Callable[[Chunk], None]) -> Callable[[Event], Heed]:
    def told(event: Event) -> Heed:
        heed, text = chat.feed(event.data, event.name)
        if text:
            heard(Chunk(text))
        return heed

    return told


def _pruned(answer: Answer, schema: dict[str, Any] | None) -> Answer:
    """Without the nulls that only the strict subset asked for. What does not parse is left for others to judge."""
    value = parse(answer.text.encode())
    if value is Unreadable:
        return answer
    pruned = without_added_nulls(value, schema)
    return answer if pruned == value else msgspec.structs.replace(answer, text=msgspec.json.encode(pruned).decode())


def _maybe_charged(fault: Fault, request: Request, text: str = "") -> Fault:
    """A call that broke off may have been charged, unless it never got through."""
    if fault.scope is not Scope.CELL or fault.usage.tokens_in:
        return fault
    return msgspec.structs.replace(fault, usage=estimated(request, text))


def _unwritable(error: Exception) -> Fault:
    if isinstance(error, UnicodeError):
        return Fault(code=Code.BAD_REQUEST, message="the prompt holds half of a surrogate pair and cannot be sent as UTF-8")
    return Fault(code=Code.BAD_REQUEST, message=f"sampling cannot be written as JSON: {error}", scope=Scope.STEP)
