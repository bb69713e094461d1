"""Anthropic's Messages API.

`encode` is pure, as is what `messages` reads; `Anthropic` glues them to the wire. Nothing is raised for what the other side
does, and nothing is retried. How sampling's words are said here:

| word                                        | becomes                                                            |
|---------------------------------------------|--------------------------------------------------------------------|
| max_tokens, max_completion_tokens           | max_tokens, which must be given: else `room_for` the model         |
| stop                                        | stop_sequences                                                     |
| temperature                                 | the same, at most 1; the newest models refuse it, and so say why   |
| user, reasoning_effort                      | metadata.user_id, output_config.effort                             |
| seed                                        | nothing: there is none, and it is a wish for repetition everywhere |
| presence_penalty, frequency_penalty, logit_bias, logprobs | refused: the answers would be others than were asked for |
| any other (top_p, top_k, thinking, …)       | the same                                                           |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fanfold.providers.account import Account
from fanfold.providers.delivery import Delivery, no_such_word, unwritable
from fanfold.providers.dialects import anthropic_subset
from fanfold.providers.forms import Forms, in_words
from fanfold.providers.messages import MessageStream, decode
from fanfold.providers.profile import Profile
from fanfold.providers.schema import Once, Schema, Strict, response_name
from fanfold.providers.spendcap import SpendCap
from fanfold.providers.wire import HEADERS, Line, Target
from fanfold.spec.calls import Answer, Chunk, Fault, Message, Request
from fanfold.spec.secret import Secret

PROFILE = Profile(
    name="anthropic", base_url="https://api.anthropic.com", key_env=("ANTHROPIC_API_KEY",), base_url_env="ANTHROPIC_BASE_URL",
    charge="actual",
)  # fmt: skip
OWN_HOST = "api.anthropic.com"
VERSION = "2023-06-01"
"""Of the API: the one that takes a temperature from the models that have one."""
FORMAT, TOOL, WORDS = "format", "tool", "words"
"""How the shape of an answer is told: enforced; as the input of a tool that must be used; in the prompt."""
ROOM, OLD_ROOM = 16_000, 4_096  # tokens of an answer, thinking included, where nothing is said
_OLD = re.compile(r"claude-(instant|[123]\b|v?[12]\.|(opus|sonnet)-4-(0|1|20250514|1-20250805)$)")
"""Models that answer in no format, by the documentation: those before 4.5."""
_SMALL = re.compile(r"claude-(instant|v?[123]\b)")
_OURS = frozenset({
    "model", "messages", "stream", "stream_options", "n", "system", "tools", "tool_choice", "response_format", "seed",
    "max_completion_tokens", "stop", "user", "reasoning_effort",
})  # fmt: skip
"""What sampling cannot change, and what is said in another way."""
_MISSING = ("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs")
_REFUSALS = {FORMAT: r"output_config|output[_ ]format|structured output|json_schema|schema|grammar", TOOL: "tool", WORDS: ""}


def encode(request: Request, shape: Strict | None = None, form: str = FORMAT) -> bytes:
    """The body of a call. shape: the converted schema of the request, told in that form.

    Raises TypeError or ValueError for what JSON cannot hold, LookupError for a word of sampling that has no counterpart.
    """
    system, turns = _turns(request.messages)
    body = _sampling(request)
    if shape is not None:
        system += _told(request, shape, form, body)
    if system:
        body["system"] = "\n\n".join(system)
    body["messages"] = turns
    if request.stream:
        body["stream"] = True
    return msgspec.json.encode({"model": request.model, **body})


def room_for(model: str) -> int:
    """Tokens that an answer may have where nothing is said: more than is needed, and no more than the model can write."""
    return OLD_ROOM if _SMALL.match(model) else ROOM


def first_form(model: str, shape: Strict) -> str:
    return FORMAT if shape.strict and not _OLD.match(model) else TOOL


class Anthropic:
    """The Provider port. Raises PlanError for an unusable base URL or key."""

    def __init__(self, wire: Line, base_url: str = PROFILE.base_url, api_key: Secret | str | None = None) -> None:
        self._account = account = Account(base_url, api_key)
        self._delivery = Delivery(wire, account, PROFILE.key_env[0])
        self._cap = SpendCap() if urlsplit(base_url).hostname == OWN_HOST else None
        url = account.url("/messages" if account.ends_with("/v1") else "/v1/messages")
        headers = {**HEADERS, **account.keyed("x-api-key"), "anthropic-version": VERSION}
        self._plain = Target(url, account.host, {**headers, "Accept": "application/json"})
        self._streaming = Target(url, account.host, {**headers, "Accept": "text/event-stream"})
        self._shape, self._forms = Once(anthropic_subset), Forms(_REFUSALS)

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        shape = None if request.schema is None else self._shape(request.schema)
        form = FORMAT if shape is None else self._forms.of(request, first_form(request.model, shape))
        try:
            body = encode(request, shape, form)
        except LookupError as error:
            return no_such_word("Anthropic", error)
        except (TypeError, ValueError, RecursionError) as error:
            return unwritable(error)
        since = None if self._cap is None else self._cap.start()
        if request.stream:
            reading = MessageStream(tool=form == TOOL)
            outcome = await self._delivery.pieces(self._streaming, request, body, decode, reading, heard)
        else:
            outcome = await self._delivery.whole(self._plain, request, body, decode)
        if self._cap is not None and since is not None:
            outcome = self._cap.judge(request.model, outcome, since)
        return outcome if shape is None else self._forms.after(outcome, request, form)

    async def close(self) -> None:
        """Nothing of its own: the wire belongs to the engine."""

    def __repr__(self) -> str:
        return f"<Anthropic {self._account!r}>"


def _turns(messages: tuple[Message, ...]) -> tuple[list[str], list[Message]]:
    """System prompts apart from the conversation, which must not be empty."""
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    return (system, turns) if turns or not system else (system[:-1], [Message("user", system[-1])])


def _sampling(request: Request) -> dict[str, Any]:
    said = {name: value for name, value in request.sampling.items() if value is not None}
    for name in _MISSING:
        if said.get(name):
            raise LookupError(name)
        said.pop(name, None)
    body = {name: value for name, value in said.items() if name not in _OURS}
    body["max_tokens"] = said.get("max_tokens") or said.get("max_completion_tokens") or room_for(request.model)
    if isinstance(temperature := body.get("temperature"), int | float):
        body["temperature"] = min(1, temperature)
    if "stop" in said:
        body["stop_sequences"] = [said["stop"]] if isinstance(said["stop"], str) else said["stop"]
    if "user" in said:
        body["metadata"] = {"user_id": said["user"]}
    if "reasoning_effort" in said:
        body["output_config"] = {"effort": said["reasoning_effort"]}
    return body


def _told(request: Request, shape: Strict, form: str, body: dict[str, Any]) -> list[str]:
    """Tell the shape in that form; what it adds to the system prompt."""
    if form == WORDS:
        return [in_words(shape.schema)]
    if form == TOOL:
        name = response_name(request.schema_name)
        body["tools"] = [{"name": name, "description": "Give the answer.", "input_schema": _tool_schema(shape.schema)}]
        body["tool_choice"] = {"type": "tool", "name": name, "disable_parallel_tool_use": True}
    else:
        given = body.get("output_config")
        body["output_config"] = {
            **(given if isinstance(given, dict) else {}),
            "format": {"type": "json_schema", "schema": shape.schema},
        }
    return []


def _tool_schema(schema: Schema) -> Schema:
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}
