"""Chat completions: OpenAI and every server that speaks the same (vLLM, Ollama, llama.cpp, Groq, Mistral, OpenRouter, …).

`encode` and `decode` are pure; `ChatStream` folds a stream; `OpenAI` glues them to the wire. Nothing is raised for what the
other side does, and nothing is retried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fanfold.providers.account import Account
from fanfold.providers.chat import ChatStream, decode
from fanfold.providers.delivery import Delivery, unwritable
from fanfold.providers.limits import DAILY_HOSTS, told
from fanfold.providers.profile import Profile
from fanfold.providers.reading import Unreadable, parse
from fanfold.providers.schema import Once, Strict, response_name, strict_subset, without_added_nulls
from fanfold.providers.wire import HEADERS, Line, Target
from fanfold.spec.calls import Answer, Chunk, Fault, Request
from fanfold.spec.secret import Secret

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

    def __init__(self, wire: Line, base_url: str = PROFILE.base_url, api_key: Secret | str | None = None) -> None:
        self._account = account = Account(base_url, api_key)
        self._delivery = Delivery(wire, account, PROFILE.key_env[0])
        hostname = urlsplit(base_url).hostname
        self._own, self._daily = hostname == OWN_HOST, hostname in DAILY_HOSTS
        url, headers = account.url("/chat/completions"), {**HEADERS, **account.bearer()}
        self._plain = Target(url, account.host, {**headers, "Accept": "application/json"})
        self._streaming = Target(url, account.host, {**headers, "Accept": "text/event-stream"})
        self._strict = Once(strict_subset)

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        strict = None if request.schema is None else self._strict(request.schema)
        try:
            body = encode(request, strict, own=self._own)
        except (TypeError, ValueError, RecursionError) as error:
            return unwritable(error)
        if request.stream:
            outcome = await self._delivery.pieces(self._streaming, request, body, decode, ChatStream(), heard)
        else:
            outcome = await self._delivery.whole(self._plain, request, body, decode)
        if self._daily:
            outcome = limited_by_the_day(outcome)
        return outcome if isinstance(outcome, Fault) or strict is None or not strict.nulls else _pruned(outcome, request.schema)

    async def close(self) -> None:
        """Nothing of its own: the wire belongs to the engine."""

    def __repr__(self) -> str:
        return f"<OpenAI {self._account!r}>"


def limited_by_the_day(outcome: Answer | Fault) -> Answer | Fault:
    """Some limit requests by the day, and do not say so."""
    misread = told(outcome.headers)
    worded = tuple(limit for limit in outcome.told if limit not in misread)
    return msgspec.structs.replace(outcome, told=(*told(outcome.headers, requests_per="day"), *worded))


def _pruned(answer: Answer, schema: dict[str, Any] | None) -> Answer:
    """Without the nulls that only the strict subset asked for. What does not parse is left for others to judge."""
    value = parse(answer.text.encode())
    if value is Unreadable:
        return answer
    pruned = without_added_nulls(value, schema)
    return answer if pruned == value else msgspec.structs.replace(answer, text=msgspec.json.encode(pruned).decode())
