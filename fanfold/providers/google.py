"""Google's Gemini API: `generateContent`, and `streamGenerateContent` for answers in pieces.

`encode` is pure, as is what `candidates` reads; `Google` glues them to the wire. Nothing is raised for what the other side
does, and nothing is retried. How sampling's words are said here, all of them in `generationConfig`:

| word                                              | becomes                                   |
|---------------------------------------------------|-------------------------------------------|
| max_tokens, max_completion_tokens                 | maxOutputTokens                           |
| temperature, top_p, top_k, seed                   | the same, topP, topK                      |
| presence_penalty, frequency_penalty               | presencePenalty, frequencyPenalty         |
| stop                                              | stopSequences                             |
| safetySettings, cachedContent, tools, toolConfig, labels, service_tier | the same, beside `generationConfig` |
| user                                              | nothing: there is no such word            |
| logit_bias, logprobs                              | refused: the answers would be others      |
| any other (thinkingConfig, …)                     | the same                                  |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from fanfold.providers.account import Account
from fanfold.providers.candidates import CandidateStream, decode
from fanfold.providers.delivery import Delivery, no_such_word, unwritable
from fanfold.providers.dialects import gemini_subset
from fanfold.providers.forms import Forms, in_words
from fanfold.providers.profile import Profile
from fanfold.providers.schema import Once, Schema
from fanfold.providers.wire import HEADERS, Line, Target
from fanfold.spec.calls import Answer, Chunk, Fault, Message, Request
from fanfold.spec.secret import Secret

PROFILE = Profile(
    name="google", base_url="https://generativelanguage.googleapis.com", key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    base_url_env="GOOGLE_GEMINI_BASE_URL", charge="estimate", dialect="response_schema",
)  # fmt: skip
VERSION = "/v1beta"
"""Of the API: the one that takes a JSON Schema."""
FORMAT, WORDS = "format", "words"
"""How the shape of an answer is told: enforced; in the prompt, with JSON asked for."""
_REFUSALS = {FORMAT: r"schema|response_?mime|json mode", WORDS: ""}
_SAID_AS = {
    "max_tokens": "maxOutputTokens", "max_completion_tokens": "maxOutputTokens", "top_p": "topP", "top_k": "topK",
    "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty", "stop": "stopSequences",
}  # fmt: skip
_BESIDE = frozenset({"safetySettings", "cachedContent", "tools", "toolConfig", "labels", "service_tier"})
_OURS = frozenset({
    "model", "messages", "stream", "stream_options", "n", "candidateCount", "contents", "systemInstruction", "response_format",
    "responseMimeType", "responseSchema", "responseJsonSchema", "user",
})  # fmt: skip
"""What sampling cannot change, and what has no counterpart that would matter."""
_MISSING = ("logit_bias", "logprobs", "top_logprobs")
_MOST_TARGETS = 256


def encode(request: Request, shape: Schema | None = None, form: str = FORMAT) -> bytes:
    """The body of a call. shape: the converted schema of the request, told in that form.

    Raises TypeError or ValueError for what JSON cannot hold, LookupError for a word of sampling that has no counterpart.
    """
    system = [message.content for message in request.messages if message.role == "system"]
    turns = [message for message in request.messages if message.role != "system"]
    if system and not turns:
        turns = [Message("user", system.pop())]  # a conversation is never empty
    body, config = _sampling(request.sampling)
    if shape is not None:
        config["responseMimeType"] = "application/json"
        if form == FORMAT:
            config["responseJsonSchema"] = shape
        else:
            system.append(in_words(shape))
    if system:
        body["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
    body["contents"] = [_turn(message) for message in turns]
    if config:
        body["generationConfig"] = config
    return msgspec.json.encode(body)


class Google:
    """The Provider port. Raises PlanError for an unusable base URL or key."""

    def __init__(self, wire: Line, base_url: str = PROFILE.base_url, api_key: Secret | str | None = None) -> None:
        self._account = account = Account(base_url, api_key)
        self._delivery = Delivery(wire, account, PROFILE.key_env[0])
        self._version = "" if account.ends_with("/v1beta", "/v1alpha", "/v1") else VERSION
        self._headers = {**HEADERS, **account.keyed("x-goog-api-key")}
        self._targets: dict[tuple[str, bool], Target] = {}
        self._shape, self._forms = Once(gemini_subset), Forms(_REFUSALS)

    async def call(self, request: Request, heard: Callable[[Chunk], None]) -> Answer | Fault:
        shape = None if request.schema is None else self._shape(request.schema)
        form = self._forms.of(request, FORMAT)
        try:
            body, target = encode(request, shape, form), self._target(request.model, stream=request.stream)
        except LookupError as error:
            return no_such_word("Google", error)
        except (TypeError, ValueError, RecursionError) as error:
            return unwritable(error)
        if request.stream:
            outcome = await self._delivery.pieces(target, request, body, decode, CandidateStream(), heard)
        else:
            outcome = await self._delivery.whole(target, request, body, decode)
        return outcome if shape is None else self._forms.after(outcome, request, form)

    async def close(self) -> None:
        """Nothing of its own: the wire belongs to the engine."""

    def _target(self, model: str, *, stream: bool) -> Target:
        """The model stands in the address."""
        known = self._targets.get((model, stream))
        if known is None:
            if len(self._targets) >= _MOST_TARGETS:
                self._targets.clear()
            named = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
            verb = ":streamGenerateContent" if stream else ":generateContent"
            url = self._account.url(f"{self._version}/{quote(named, safe='/-._~')}{verb}")
            url += ("&" if "?" in url else "?") + "alt=sse" if stream else ""
            accept = "text/event-stream" if stream else "application/json"
            known = self._targets[model, stream] = Target(url, self._account.host, {**self._headers, "Accept": accept})
        return known

    def __repr__(self) -> str:
        return f"<Google {self._account!r}>"


def _turn(message: Message) -> dict[str, Any]:
    return {"role": "model" if message.role == "assistant" else "user", "parts": [{"text": message.content}]}


def _sampling(sampling: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands beside the configuration, and the configuration."""
    said = {name: value for name, value in sampling.items() if value is not None and name not in _OURS}
    for name in _MISSING:
        if said.get(name):
            raise LookupError(name)
        said.pop(name, None)
    beside = {name: said.pop(name) for name in list(said) if name in _BESIDE}
    config = {_SAID_AS.get(name, name): value for name, value in said.items()}
    if isinstance(config.get("stopSequences"), str):
        config["stopSequences"] = [config["stopSequences"]]
    return beside, config
