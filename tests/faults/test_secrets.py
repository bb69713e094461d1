"""H15, F9, I19: canary keys, failing in many ways; no output, log, store or export holds one in any form."""

from __future__ import annotations

import asyncio
import base64
import copy
import html
import io
import json
import logging
import os
import pickle
import re
import traceback
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from fanfold import Engine, Plan, PlanError, Step, StoreError
from fanfold.engine.logs import CleanFormat
from fanfold.spec.hidden import hide, redact
from fanfold.spec.secret import Secret
from fanfold.testing.faults.chat import completion, error, event
from fanfold.testing.faults.exchange import Exchange, reply, stream
from fanfold.wiring import Settings

CANARY = "sk-canaryZq7Wn0123456789/+<=tail"
SIMPLE = "canaryPw0123456789"
OTHERS = {
    "ANTHROPIC_API_KEY": "canaryAnthropic0123",
    "GEMINI_API_KEY": "canaryGemini4567",
    "DEPLOY_TOKEN": "canaryDeploy0123456789",
}
CANARIES = [CANARY, SIMPLE, *OTHERS.values()]
PLAN = "steps: {a: {prompt: 'Say hello', output: str, attempts: 2}}"


def forms(secret: str) -> dict[str, str]:
    """As H15 lists them, worked out here once more."""
    found = {"plain": secret, "url": quote(secret, safe=""), "json": json.dumps(secret)[1:-1], "html": html.escape(secret)}
    found |= {"json slashes": secret.replace("/", "\\/"), "repr": repr(secret)[1:-1], "hex": secret.encode().hex()}
    for before in range(3):  # whatever stands before it, its inner characters are these
        whole = base64.b64encode(b"x" * before + secret.encode() + b"yz").decode()
        found[f"base64 after {before}"] = whole[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
    return found


def assert_unsaid(said: str, where: str, canaries: list[str] = CANARIES) -> None:
    squeezed = re.sub(r"""["'\s|]|\\n|\\r""", "", said)  # a repr or a frame may have split it
    for canary in canaries:
        for name, form in forms(canary).items():
            at = said.find(form)
            assert at < 0, f"{where} holds a key ({name}): …{said[max(0, at - 80) : at + 80]}…"
        assert canary not in squeezed, f"{where} holds a key in pieces"
    assert "canary" not in said, f"{where} holds part of a key: …{said[max(0, said.index('canary') - 80) :][:160]}…"


def assert_folder_unsaid(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("runs.db") for path in files)
    for path in files:
        assert_unsaid(path.read_bytes().decode("latin-1"), path.name)


# ---------------------------------------------------------------- a server that repeats what it was sent


def key_of(exchange: Exchange) -> str:
    return exchange.headers["authorization"].removeprefix("Bearer ")


def telling(answer):
    """A mode that answers with what `answer(key)` makes of the key."""

    async def mode(exchange: Exchange) -> None:
        await answer(key_of(exchange))(exchange)

    return mode


def b64(key: str) -> str:
    return base64.b64encode(f"user:{key}".encode()).decode()


ECHOES = {
    "json": telling(lambda key: reply(401, error(f"Incorrect API key provided: {key}. Look it up."))),
    "bearer": telling(lambda key: reply(400, error(f"header was Authorization: Bearer {key}"))),
    "html": telling(lambda key: reply(502, f"<pre>Authorization: Bearer {html.escape(key)}</pre>".encode(), {"Content-Type": "text/html"})),
    "html200": telling(lambda key: reply(200, f"<pre>{key}</pre>".encode(), {"Content-Type": "text/html"})),
    "cut": telling(lambda key: reply(500, ("x" * 190 + key).encode())),
    "location": telling(lambda key: reply(307, b"", {"Location": f"https://x.example/{'y' * 150}/{key}/{key}"})),
    "limits": telling(lambda key: reply(429, error("slow down"), {"x-ratelimit-limit-requests": key, "Retry-After": "0.01"})),
    "kind": telling(lambda key: reply(200, b"", {"Content-Type": f"text/{key}"})),
    "request id": telling(lambda key: reply(200, completion("fine"), {"x-request-id": key})),
    "base64": telling(lambda key: reply(403, error(f"Basic auth was {b64(key)}"))),
    "url": telling(lambda key: reply(404, error(f"no such page: /v1?auth={quote(key, safe='')}"))),
    "slashes": telling(lambda key: reply(400, json.dumps(error(f"key {key} is odd")).replace("/", "\\/").encode())),
    "malformed": telling(lambda key: reply(200, f'{{"choices": [{{"Bearer {key}'.encode())),
    "answer": telling(lambda key: reply(200, completion(f"Your key is {key}, or {b64(key)}."))),
    "finish": telling(lambda key: reply(200, completion("x", finish=key))),
    "refusal": telling(lambda key: reply(200, completion(choices=[{"message": {"refusal": f"no, {key}"}, "finish_reason": "stop"}]))),
    "inner error": telling(lambda key: reply(200, error(f"bad key {key}", "authentication_error"))),
    "stream error": telling(lambda key: stream(event({"content": "a"}), b"data: " + json.dumps(error(f"lost {key}")).encode() + b"\n\n")),
    "stream answer": telling(lambda key: stream(event({"content": f"it is {key}"}), event({}, "stop"), b"data: [DONE]\n\n")),
}  # fmt: skip
NETWORK = ("401", "rst", "short_body", "not_http", "bad_chunk", "cut", "strange_error_in_200", "huge_header")


def whole(engine_result) -> str:
    data = engine_result.to_json()
    return json.dumps(data, ensure_ascii=False) + repr(engine_result) + repr(engine_result.errors)


@pytest.fixture
def heard():
    """Everything that any logger says, at DEBUG, as a handler of the user's would write it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("mode", [*ECHOES, *(f"fault {name}" for name in NETWORK)])
def test_h15_nothing_that_a_server_does_makes_us_say_the_key(mode, faults, heard, tmp_path, capfd):
    server = faults({name.replace(" ", "_"): echo for name, echo in ECHOES.items()})
    url = server.url(mode.removeprefix("fault ").replace(" ", "_"))
    unique = "name" if mode.startswith("stream") else None  # then it streams
    output = {"type": "object", "properties": {"name": {"type": "string"}}} if unique else str

    async def main():
        async with Engine(
            "openai/m", base_url=url, api_key=CANARY, store=tmp_path / "runs.db", retries=1, attempts=2, timeout_s=5
        ) as engine:
            started = engine.start(Plan("p", [Step("a", "Say hello", output=output, unique=unique)]))
            result = await started.result()
            return whole(result) + repr(engine) + repr(started) + str([await engine._opened().runs()])

    said = asyncio.run(main(), debug=True)
    assert sum(server.hits.values()) >= 1 and "canary" in next(iter(server.requests.values())).headers["authorization"]
    assert_unsaid(said, "the result")
    assert_unsaid(heard.getvalue(), "the log")
    assert_unsaid("".join(capfd.readouterr()), "the terminal")
    assert_folder_unsaid(tmp_path)


def test_h15_what_users_code_raises_is_said_without_keys(faults, heard, tmp_path, monkeypatch):
    server = faults()
    for name, value in {"OPENAI_API_KEY": CANARY, **OTHERS}.items():
        monkeypatch.setenv(name, value)

    def crash(*_):
        raise RuntimeError(f"{dict(os.environ)} {json.dumps(dict(os.environ))}")

    def refuse(value):
        return f"no: {os.environ['OPENAI_API_KEY']}"

    steps = [
        Step("checked", "Say hello", checks=[crash]), Step("refused", "Say hello", checks=[refuse]), Step("prompted", crash),
        Step("computed", function=crash), Step("fallen", "Say hello", checks=[refuse], fallback=crash),
    ]  # fmt: skip

    async def main():
        async with Engine("openai/m", base_url=server.url("good"), store=tmp_path / "runs.db", attempts=2) as engine:
            return whole(await engine.run(Plan("p", steps)))

    assert_unsaid(asyncio.run(main()), "the result")
    assert "RuntimeError" in heard.getvalue() and server.hits["good"] == 6
    assert_unsaid(heard.getvalue(), "the log")
    assert_folder_unsaid(tmp_path)
    for exchange in server.requests.values():
        assert_unsaid(exchange.body.decode(), "the next attempt's prompt")


def test_h15_an_error_of_ours_shows_no_key_even_with_its_locals(faults, heard, tmp_path, monkeypatch, caplog):
    import aiohttp

    def broken(*_, **__):
        raise RuntimeError(f"lost {CANARY}")

    monkeypatch.setattr(aiohttp.ClientSession, "post", broken)

    async def main():
        async with Engine("openai/m", base_url="http://127.0.0.1:9/v1", api_key=CANARY, store=tmp_path / "runs.db") as engine:
            return whole(await engine.run(Plan("p", [Step("a", "Say hello")])))

    assert_unsaid(asyncio.run(main()), "the result")
    assert "a call failed inside the engine" in heard.getvalue()
    assert_unsaid(heard.getvalue(), "the log")
    (info,) = [record.exc_info for record in caplog.records if record.exc_info]
    shown = "".join(traceback.TracebackException(*info, capture_locals=True).format())
    assert "headers" in shown, "the frame that holds the headers is among them"
    assert_unsaid(shown.replace(f"RuntimeError: lost {CANARY}", ""), "the locals of the traceback")


# ---------------------------------------------------------------- the type


def test_i19_a_secret_shows_itself_to_nobody():
    secret = Secret(CANARY)
    settings = Settings(api_key=secret)
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "{} {!r}".format(secret, secret),  # noqa: UP032
        repr([secret]), repr({"k": secret}),
        repr(settings), repr(copy.deepcopy(secret)), repr(Engine("sim/default", api_key=CANARY)), str(dir(secret)),
    ]  # fmt: skip
    assert_unsaid(" ".join(shown), "a secret")
    assert repr(secret) == "sk-…(hidden)" and repr(Secret("x")) == "…(hidden)"
    for write in (pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, json.dumps, vars):
        with pytest.raises(TypeError) as raised:
            write(secret)
        assert_unsaid(str(raised.value), write.__name__)
    assert secret.reveal() == CANARY and secret == Secret(CANARY) and len({secret, Secret(CANARY)}) == 1


def test_i19_it_is_hidden_in_every_form_and_nothing_else_is():
    Secret(CANARY)
    for name, form in forms(CANARY).items():
        assert_unsaid(hide(f"<{form}>"), name)
    assert hide("an ordinary text") == "an ordinary text"
    Secret("short")
    assert hide("a short text") == "a short text", "a placeholder is no secret"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw123@host/v1", "http://[key]@host/v1"), ("GET /v1?key=abcdef&x=1", "GET /v1?key=[key]&x=1"),
        ("x?api_key=abc", "x?api_key=[key]"), ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer [key]"),
        ("it was sk-proj-0123456789abcdef.", "it was [key]"), ("postgres://u:p@db/x", "postgres://[key]@db/x"),
        ("mail a@b.nl about https://x.nl/?keyword=y", "mail a@b.nl about https://x.nl/?keyword=y"),
    ],
)  # fmt: skip
def test_h15_addresses_and_headers_in_messages(text, shown):
    assert redact(text) == shown
    assert str(PlanError("x", text)) == f"x: {shown}" and str(StoreError(text)) == shown


@pytest.mark.parametrize(
    "key",
    [CANARY + "\n", " " + CANARY, f'"{CANARY}"', f"'{CANARY}'", CANARY + "\r\n", CANARY + "\t", CANARY + "é", "\x00" + CANARY],
)
def test_f9_a_key_that_can_be_none_is_refused_without_repeating_it(key):
    with pytest.raises(PlanError, match="white space, quotes, control or non-ASCII") as raised:
        Engine("openai/m", base_url="http://127.0.0.1:9/v1", api_key=key)
    assert_unsaid("".join(traceback.format_exception(raised.value)).replace(repr(key), ""), "the error")


# ---------------------------------------------------------------- the program

CLI = {
    "rejected": (["--base-url", "{url}/mode/json/v1"], {}, 1),
    "html": (["--base-url", "{url}/mode/html/v1", "--retries", "0"], {}, 1),
    "refused connection": (["--base-url", "http://127.0.0.1:9/v1"], {}, 1),
    "answer": (["--base-url", "{url}/mode/answer/v1", "--out", "out.csv"], {}, 0),
    "key in the address": (["--base-url", f"{{url}}/mode/json/v1?key={SIMPLE}"], {}, 1),
    "user in the address": (["--base-url", f"http://user:{SIMPLE}@127.0.0.1:9/v1"], {}, 2),
    "user in the environment": ([], {"OPENAI_BASE_URL": f"http://user:{SIMPLE}@127.0.0.1:9/v1"}, 2),
    "in a config file": (["--config", "../config.toml"], {}, 2),
    "as a limit": ([], {"FANFOLD_RPM": "sk-canary0123456789abcdef"}, 2),
    "with an end of line": (["--base-url", "{url}/mode/good/v1"], {"OPENAI_API_KEY": CANARY + "\n"}, 2),
    "with quotes": (["--base-url", "{url}/mode/good/v1"], {"OPENAI_API_KEY": f'"{CANARY}"'}, 2),
}


@pytest.mark.parametrize("name", CLI)
def test_h15_f9_the_program_says_no_key(name, faults, program, tmp_path):
    args, environ, code = CLI[name]
    server = faults({name.replace(" ", "_"): echo for name, echo in ECHOES.items()})
    (tmp_path / "home").mkdir()
    (tmp_path.parent / "config.toml").write_text(f'api_key = "{CANARY}"\n')
    (tmp_path / "plan.yaml").write_text(PLAN)
    args = [arg.replace("{url}", f"http://127.0.0.1:{server.port}") for arg in args]
    keys = {"OPENAI_API_KEY": CANARY, **OTHERS, **environ, "PYTHONASYNCIODEBUG": "1"}
    done = program("run", "plan.yaml", "--model", "openai/m", "--verbose", *args, environ=keys)
    assert done.returncode == code, done.stderr
    assert_unsaid(done.stderr, "stderr")
    assert_unsaid(done.stdout, "stdout")
    if code == 2:
        assert not server.hits and done.stdout == "" and done.stderr.splitlines()[-1].startswith("fanfold: ")
    else:
        assert_folder_unsaid(tmp_path)
        assert server.hits or name == "refused connection"


@pytest.mark.parametrize("verbose", [[], ["--verbose"]])
def test_h15_an_error_that_nobody_expected(verbose, program, tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN)
    script = (
        "import os, fanfold.api\ndef boom(*a, **k): raise RuntimeError(f'boom {dict(os.environ)}')\n"
        "fanfold.api.Engine.start = boom\nfrom fanfold.cli.main import main\nmain()"
    )
    done = program(
        "run", "plan.yaml", "--model", "sim/default", *verbose, script=script, environ={"OPENAI_API_KEY": CANARY, **OTHERS}
    )
    assert done.returncode == 1 and "an error inside Fanfold: RuntimeError: boom" in done.stderr
    assert ("in boom" in done.stderr) == bool(verbose)
    assert_unsaid(done.stderr + done.stdout, "the program")


# ---------------------------------------------------------------- one record, one line (H14)

SPOOF = "first\nERROR fanfold: second\r\x1b[2J\x1b]0;title\x07\u202e end"


def test_h14_one_record_is_one_line(caplog, tmp_path):
    from fanfold.testing.scripted import Says, ScriptedProvider

    def check(value):
        raise ValueError(SPOOF + "x" * 10_000_000)

    async def main():
        async with Engine(provider=ScriptedProvider([Says("y")]), store=tmp_path / "runs.db", attempts=1) as engine:
            return await engine.run(Plan("p", [Step("a", "{n}", over="n", checks=[check])], {"n": [SPOOF]}))

    result = asyncio.run(main())
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(records) == 1
    for form in (logging.Formatter(), CleanFormat()):
        line = form.format(records[0])
        assert line.isprintable() and len(line) < 5_000 and "first\\nERROR" in line
    assert len(result.errors[0].message) < 10_000
    assert (tmp_path / "runs.db").stat().st_size < 1_000_000


def test_h14_a_traceback_cannot_pass_for_a_record():
    try:
        raise ValueError("one\nERROR fanfold: two\x1b[0m")
    except ValueError as raised:
        record = logging.makeLogRecord(
            {"msg": "it failed", "levelname": "ERROR", "exc_info": (type(raised), raised, raised.__traceback__)}
        )
    first, *others = CleanFormat("%(levelname)s %(message)s").format(record).splitlines()
    assert first == "ERROR it failed" and others and all(line.startswith("  | ") and line.isprintable() for line in others)
