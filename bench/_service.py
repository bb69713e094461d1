"""The simulated provider in a process of its own, and who asks it: the engine, bare aiohttp, the official client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from fanfold import Engine, Plan, Step

if TYPE_CHECKING:
    import aiohttp
    import openai

LATENCY_S = 0.05
PROMPT = "A note about harbour number {n}, in four short paragraphs."


class Note(BaseModel):
    """An answer of about 1 kB, whose id is not another answer's."""

    id: str = Field(pattern="^[0-9a-f]{24}$")
    title: str
    paragraphs: list[str] = Field(min_length=4, max_length=4)


SCHEMA = {**Note.model_json_schema(), "additionalProperties": False}


@contextmanager
def service(*options: str, latency_s: float | str = LATENCY_S) -> Iterator[str]:
    """The base URL of a service without faults, slips and favourites; without limits unless the options name some."""
    line = [sys.executable, "-m", "fanfold", "sim", "--port", "0", "--latency", str(latency_s), "--collapse", "0", "--slips", "0"]
    with subprocess.Popen([*line, *options], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(word for word in server.stdout.readline().split() if word.startswith("http"))
        finally:
            server.terminate()


async def ask_engine(engine: Engine, calls: int, *, streamed: bool) -> None:
    """streamed: the id is reserved as soon as it is there, so that answers are asked for in pieces."""
    step = Step("note", PROMPT, output=Note, over="n", unique="id" if streamed else None)
    result = await engine.run(Plan("notes", [step], {"n": range(calls)}))
    assert result.ok and len(result.values) == calls
    assert result.report["calls"] == calls + result.report["hedges"]


def body(n: int, *, streamed: bool) -> dict[str, Any]:
    """What the engine sends for the same cell."""
    form = {"type": "json_schema", "json_schema": {"name": "Note", "strict": True, "schema": SCHEMA}}
    asked = {"model": "sim", "messages": [{"role": "user", "content": PROMPT.format(n=n)}], "response_format": form}
    return {**asked, "stream": True, "stream_options": {"include_usage": True}} if streamed else asked


async def ask_bare(session: aiohttp.ClientSession, url: str, calls: int, cap: int, *, streamed: bool) -> float:
    """Returns the characters of an answer, on average."""
    read = _streamed if streamed else _whole

    async def ask(n: int) -> str:
        async with session.post(f"{url}/chat/completions", json=body(n, streamed=streamed)) as response:
            return await read(response)

    return await _all(ask, calls, cap)


async def ask_official(client: openai.AsyncOpenAI, calls: int, cap: int, *, streamed: bool) -> None:
    async def ask(n: int) -> str:
        answer = await client.chat.completions.create(**body(n, streamed=streamed))
        if not streamed:
            return str(answer.choices[0].message.content)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices])

    await _all(ask, calls, cap)


async def _all(ask: Callable[[int], Awaitable[str]], calls: int, cap: int) -> float:
    free = asyncio.Semaphore(cap)

    async def one(n: int) -> str:
        async with free:
            return await ask(n)

    texts = await asyncio.gather(*(one(n) for n in range(calls)))
    assert len(texts) == calls and all(text.startswith("{") and text.endswith("}") for text in texts)
    return sum(map(len, texts)) / calls


async def _whole(response: aiohttp.ClientResponse) -> str:
    answer = await response.json()
    return str(answer["choices"][0]["message"]["content"])


async def _streamed(response: aiohttp.ClientResponse) -> str:
    """As cheaply as it can be done: by what arrives, not by lines."""
    held, texts = b"", []
    async for part in response.content.iter_any():
        *events, held = (held + part).split(b"\n\n")
        for event in events:
            if event != b"data: [DONE]":
                for choice in json.loads(event[6:])["choices"]:
                    texts.append(choice["delta"].get("content", ""))
    return "".join(texts)
