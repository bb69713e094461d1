"""Our adapters against a mock of the providers' APIs that others have written: what we read is not only what we wrote.

`make test-deps` installs it (npm, `tests/providers/aimock`). Without it these tests are skipped; under FANFOLD_REQUIRE_SERVERS=1 they fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fanfold import Engine, Limits, Plan, Step
from fanfold.providers.anthropic import Anthropic
from fanfold.providers.google import Google
from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
from fanfold.spec.calls import Answer, Fault, Message, Request, Scope
from fanfold.spec.errors import Code
from fanfold.testing.providers import SHAPE

FOLDER = Path(__file__).parent / "aimock"
PROGRAM = FOLDER / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
OLDEST = (20, 15)
KEY = "sk-test-0123456789"
ADAPTERS = {"openai": OpenAI, "anthropic": Anthropic, "google": Google}
PLACES = {"openai": "/v1", "anthropic": "", "google": ""}
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-5", "google": "gemini-3-flash"}
SAID = 'It is said: ünï — "quoted", and a second line.\nDone.'

pytestmark = pytest.mark.server


def missing() -> str:
    """Why the server cannot be run here; "" where it can."""
    node = shutil.which("node")
    if node is None:
        return "there is no node on this machine"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout
    found = tuple(map(int, re.findall(r"[0-9]+", version)[:2]))
    if found < OLDEST:
        return f"node is {version.strip()}, {OLDEST[0]}.{OLDEST[1]} or newer is needed"
    return "" if PROGRAM.exists() else "aimock is not installed: make test-deps"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a running mock, without a path."""
    why = missing()
    if why and os.environ.get("FANFOLD_REQUIRE_SERVERS") == "1":
        pytest.fail(f"FANFOLD_REQUIRE_SERVERS=1, and {why}")
    if why:
        pytest.skip(why)
    command = [
        "node",
        str(PROGRAM),
        "--fixtures",
        str(FOLDER / "fixtures.json"),
        "--port",
        "0",
        "--strict",
        "--validate-on-load",
        "--log-level",
        "info",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            break
    else:
        raise AssertionError(f"the mock ended at once: {said}")
    yield found[1]
    process.terminate()
    process.wait(10)
    process.stdout.close()


@asynccontextmanager
async def adapter(name: str, server: str) -> Any:
    wire = Wire()
    try:
        yield ADAPTERS[name](wire, server + PLACES[name], KEY)
    finally:
        await wire.close()


def asked(name: str, text: str, **more: Any) -> Request:
    messages = (Message("system", "You are terse."), Message("user", text))
    return Request(**{"model": MODELS[name], "messages": messages, "timeout_s": 20.0, "idle_s": 20.0, **more})


async def outcome(name: str, server: str, text: str, heard: list[str] | None = None, **more: Any) -> Answer | Fault:
    async with adapter(name, server) as provider:
        return await provider.call(
            asked(name, text, **more), lambda chunk: (heard if heard is not None else []).append(chunk.text)
        )


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer(name, stream, server):
    heard: list[str] = []
    answer = await outcome(name, server, "Say it.", heard, stream=stream)
    assert isinstance(answer, Answer) and answer.text == SAID, answer
    assert ("".join(heard), len(heard) > 1) == ((SAID, True) if stream else ("", False))
    assert answer.usage.tokens_in > 0 and answer.usage.tokens_out > 0, "a count of nothing is not believed"


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_what_is_thought_is_no_part_of_the_answer(name, stream, server):
    heard: list[str] = []
    answer = await outcome(name, server, "Think first.", heard, stream=stream)
    assert isinstance(answer, Answer) and answer.text == "Thought through.", answer
    assert not stream or "".join(heard) == "Thought through."


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_with_a_shape(name, stream, server):
    answer = await outcome(name, server, "A dish.", stream=stream, schema=SHAPE, schema_name="Dish")
    assert isinstance(answer, Answer), answer
    assert msgspec.json.decode(answer.text)["steps"] == [{"do": "Chop."}, {"do": "Cook."}]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_older_model_of_anthropic_answers_by_a_tool(stream, server):
    answer = await outcome(
        "anthropic",
        server,
        "A dish by a tool.",
        stream=stream,
        schema=SHAPE,
        schema_name="Dish",
        model="claude-3-5-haiku-20241022",
    )
    assert isinstance(answer, Answer), answer
    assert msgspec.json.decode(answer.text)["name"] == "Stew"


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_tokens_are_counted_as_told(name, stream, server):
    answer = await outcome(name, server, f"Count, {name}.", stream=stream)
    assert isinstance(answer, Answer), answer
    assert (answer.usage.tokens_in, answer.usage.tokens_out, answer.usage.exact) == (120, 9, True), answer.usage


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_answers_that_did_not_end_well(name, stream, server):
    cut = await outcome(name, server, "Too long an answer.", stream=stream)
    assert isinstance(cut, Fault) and cut.code == Code.TRUNCATED, cut
    filtered = await outcome(name, server, "Filtered.", stream=stream)
    assert isinstance(filtered, Fault) and filtered.code == Code.FILTERED, filtered
    broken = await outcome(name, server, "Break off.", stream=True)
    assert isinstance(broken, Fault) and broken.code == Code.TRANSIENT, broken


ERRORS = [
    ("Too many.", Code.RATE_LIMITED, None, 7.0), ("No key.", Code.AUTH, Scope.ACCOUNT, None), ("Bad request.", Code.BAD_REQUEST, Scope.CELL, None),
    ("Broken.", Code.TRANSIENT, Scope.CELL, None), ("Overloaded.", Code.TRANSIENT, Scope.CELL, None),
]  # fmt: skip


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_errors(name, stream, server):
    for text, code, scope, wait_s in ERRORS:
        fault = await outcome(name, server, text, stream=stream)
        assert isinstance(fault, Fault) and fault.code == code and fault.retry_after_s == wait_s, (text, fault)
        assert scope is None or fault.scope is scope, (text, fault)
        assert KEY not in repr(fault)


@pytest.mark.parametrize("name", ADAPTERS)
async def test_limits_are_read_from_a_429(name, server):
    """The mock tells of them as OpenAI does, whatever the API: 60 requests, 150,000 tokens a minute, and none left."""
    fault = await outcome(name, server, "Too many.")
    assert isinstance(fault, Fault)
    assert {(limit.counts, limit.limit, limit.remaining) for limit in fault.told} >= {("requests", 60, 0), ("tokens", 150_000, 0)}


@pytest.mark.parametrize("name", ADAPTERS)
async def test_a_whole_run_waits_for_a_429_and_goes_on(name, server, monkeypatch):
    """Twelve answers at once, and one that is refused at first: the wait that the server names is kept, and costs no attempt."""
    variable = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GOOGLE_API_KEY"}[name]
    monkeypatch.setenv(variable, KEY)
    plan = Plan("fruits", [Step("fruit", "Name a fruit, number {n}.", over="n")], {"n": range(12)})
    async with Engine(
        f"{name}/{MODELS[name]}", base_url=server + PLACES[name], store=":memory:", limits=Limits(rpm=600)
    ) as engine:
        result = await engine.run(plan)
    assert result.ok and result.values == ["A quince."] * 12 and result.report["rate_limited"] == 0
    busy = Plan("busy", [Step("one", f"Once busy, {name}.", attempts=1)])
    async with Engine(f"{name}/{MODELS[name]}", base_url=server + PLACES[name], store=":memory:") as engine:
        result = await engine.run(busy)
    assert result.ok and result.values == ["Now it is free."] and result.report["rate_limited"] == 1
    assert result.report["wall_s"] >= 1
