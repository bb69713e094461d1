"""Users' own clients: the official asynchronous ones of OpenAI, Anthropic and Google, and what is made from them (Azure, Vertex, …).

A client is a way to send, nothing else: what goes out and how answers are read is our adapters' (`Carrier` stands in the place of our
own HTTP client). So its authentication, proxies and certificates hold, and everything else is as it always is. It is cloned without
retries, for retries are the engine's, and is never closed by us.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from fanfold.providers.wire import CONNECT_S
from fanfold.spec.errors import PlanError
from fanfold.spec.secret import Secret

SPARE_S = 1.0  # our own deadline comes first; the client's is the second line
_RAW = {"X-Stainless-Raw-Response": "stream", "Accept-Encoding": "identity"}
_CHOICES = "openai.AsyncOpenAI, anthropic.AsyncAnthropic or google.genai.Client"


@dataclass(frozen=True)
class Opened:
    """The head of a response and what follows it. headers: lower-case names."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]


class Sdk(Protocol):
    """A client, and what is known of it. kind: the provider that it is for. key: "" where it is not ours to know."""

    kind: str
    base_url: str
    key: Secret | None

    def opened(self, path: str, body: bytes, timeout_s: float, *, stream: bool) -> AbstractAsyncContextManager[Opened]:
        """Send, and give the response as it comes. path: below the base URL. Raises what the client raises."""
        ...


def sdk_of(client: Any) -> Sdk:
    """Raises PlanError for what is no asynchronous client of a known provider."""
    names = {kind.__name__ for kind in type(client).__mro__}
    packages = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    if hasattr(client, "_api_client") and any(kind.__module__.startswith("google.genai") for kind in type(client).__mro__):
        return GenaiClient(client)
    for package, kind in (("openai", "openai"), ("anthropic", "anthropic")):
        if package in packages and hasattr(client, "post"):
            if not any(name.startswith("Async") and name.endswith("APIClient") for name in names):
                plain = type(client).__name__
                raise PlanError(
                    "client", f"{plain} is a synchronous client", f"give its asynchronous twin: {package}.Async{plain}"
                )
            if any("Bedrock" in name for name in names):
                raise PlanError(
                    "client", f"{type(client).__name__} sends no server-sent events", "use Bedrock's OpenAI-compatible address"
                )
            return StainlessClient(client, kind, package)
    raise PlanError("client", f"{type(client).__name__} is no client that is known here", f"give an {_CHOICES}")


def sdks_of(clients: Any) -> dict[str, Sdk]:
    """By provider, of one client or a list of them. Raises PlanError."""
    found: dict[str, Sdk] = {}
    for client in clients if isinstance(clients, list | tuple) else [clients]:
        sdk = sdk_of(client)
        if sdk.kind in found:
            raise PlanError("client", f"two clients are for {sdk.kind}/…", "give one for each provider")
        found[sdk.kind] = sdk
    return found


class StainlessClient:
    """OpenAI's and Anthropic's clients, which come from one generator, and theirs for Azure, Vertex and Foundry."""

    def __init__(self, client: Any, kind: str, package: str) -> None:
        self.kind, self.base_url = kind, str(client.base_url).partition("?")[0].rstrip("/")
        self._client = client.with_options(max_retries=0)  # shares the connections of the one it is made from
        self._timeout = getattr(sys.modules[package], "Timeout", None)
        key = getattr(client, "api_key", None) or getattr(client, "auth_token", None)
        self.key = Secret(key) if isinstance(key, str) and key else None

    @asynccontextmanager
    async def opened(self, path: str, body: bytes, timeout_s: float, *, stream: bool) -> AsyncIterator[Opened]:
        last_s = timeout_s + SPARE_S
        timeout = last_s if self._timeout is None else self._timeout(last_s, connect=min(CONNECT_S, last_s))
        headers = {**_RAW, "Accept": "text/event-stream" if stream else "application/json"}
        options = {"headers": headers, "timeout": timeout, "follow_redirects": False}
        try:
            raw = await self._client.post(path, body=msgspec.json.decode(body), cast_to=object, options=options)
        except Exception as error:
            response = getattr(error, "response", None)
            if not hasattr(response, "status_code"):
                raise
            yield Opened(response.status_code, _lower(response.headers), _one(response.content))  # type: ignore[union-attr]
            return
        response = raw.http_response
        try:
            yield Opened(response.status_code, _lower(response.headers), response.aiter_bytes())
        finally:
            await response.aclose()

    def __repr__(self) -> str:
        return f"<StainlessClient {self.kind}>"


class GenaiClient:
    """Google's client, for the Gemini API and for Vertex AI."""

    kind = "google"

    def __init__(self, client: Any) -> None:
        self._api = client._api_client
        self._vertex = bool(getattr(self._api, "vertexai", False))
        self.base_url = str(self._api._http_options.base_url or "").partition("?")[0].rstrip("/")
        if not all(hasattr(self._api, name) for name in ("_build_request", "_async_request")):
            raise PlanError("client", "this version of google-genai is not known here", "install another, or use api_key=")
        key = getattr(self._api, "api_key", None)
        self.key = Secret(key) if isinstance(key, str) and key else None

    @asynccontextmanager
    async def opened(self, path: str, body: bytes, timeout_s: float, *, stream: bool) -> AsyncIterator[Opened]:
        """Below its reader of events, which takes a ping for a broken answer."""
        path = path[path.index("tunedModels/" if "tunedModels/" in path else "models/") :]
        path = (f"publishers/google/{path}" if self._vertex else path) + ("?alt=sse" if stream else "")
        options = {"timeout": round((timeout_s + SPARE_S) * 1000), "retry_options": {"attempts": 1}}
        try:
            request = self._api._build_request("post", path, msgspec.json.decode(body), options)
            given = await self._api._async_request(request, options, stream=True)
        except Exception as error:
            if not isinstance(status := getattr(error, "code", None), int):
                raise
            yield _refusal(status, error)
            return
        response = given.response_stream
        web = not hasattr(response, "aiter_bytes")  # of aiohttp, where that is installed; else of httpx
        try:
            yield Opened(200, _lower(given.headers or {}), response.content.iter_any() if web else response.aiter_bytes())
        finally:
            response.close() if web else await response.aclose()

    def __repr__(self) -> str:
        return "<GenaiClient google>"


def _refusal(status: int, error: Exception) -> Opened:
    """The response that an error was made from. A body that is no JSON comes as the words that are left of it."""
    told = getattr(error, "details", None)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return Opened(status, _lower(headers), _one(msgspec.json.encode(told, enc_hook=str)))


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}
