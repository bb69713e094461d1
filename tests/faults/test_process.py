"""The edge of the process: P3, P4, P6, P8, P9, P15, P16, I22. Each by its mechanical check."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import pytest

from fanfold import Axis, Engine, Plan, Step, generate
from fanfold.core.fold import RunState
from fanfold.store.sqlite import SqliteStore
from fanfold.testing.faults.chat import completion, error
from fanfold.testing.faults.exchange import Exchange, reply
from tests.door.conftest import clean_environment

PLAN = "axes: {n: 1..%d}\nsteps: {a: {over: n, prompt: 'Say hello to {n}', attempts: 1}}"
TEN = Plan("ten", [Step("a", "Say {n}", over="n")], [Axis("n", range(10))])


def half(good: int):
    """A mode that answers the first calls and keeps the others waiting."""
    seen = 0

    async def mode(exchange: Exchange) -> None:
        nonlocal seen
        seen += 1
        if seen <= good:
            await reply(200, completion(f"hello number {seen}"))(exchange)
        else:
            await exchange.gone()

    return mode


async def odd_fails(exchange: Exchange) -> None:
    number = int(exchange.body.split(b"hello to ")[1].split(b'"')[0])
    await reply(*((400, error("no")) if number % 2 else (200, completion(f"hello {number}"))))(exchange)


async def folded(path) -> RunState:
    """The only run of a store, folded from its journal."""
    store = SqliteStore(path)
    (record,) = await store.runs()
    journal, state, after = store.look(record.run_id), RunState(), -1
    while events := await journal.events(after, 500):
        assert [event.seq for event in events] == list(range(after + 1, after + 1 + len(events)))
        state.apply_all(events)
        after = events[-1].seq
    for number in range(len(state.steps)):
        await journal.values(number)
    await store.close()
    return state


@pytest.fixture
def program(tmp_path):
    """The program, running: program("run", "plan.yaml"). It is given a moment's notice of nothing: read its stderr."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, script: str | None = None, **environ: str) -> subprocess.Popen[str]:
        what = ["-m", "fanfold"] if script is None else ["-c", textwrap.dedent(script)]
        place = {**clean_environment(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path), **environ}
        started.append(
            subprocess.Popen(
                [sys.executable, *what, *args],
                cwd=tmp_path,
                env=place,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(server, mode: str, count: int, process) -> None:
    while server.hits[mode] < count:
        assert process.poll() is None, process.communicate()


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["P3-SIGINT", "P4-SIGTERM", "P4-SIGHUP"])
def test_a_signal_stops_and_keeps_what_is_there(number, faults, program, tmp_path):
    server = faults({"half": half(3)})
    (tmp_path / "plan.yaml").write_text(PLAN % 40)
    process = program(
        "run", "plan.yaml", "--model", "openai/m", "--base-url", server.url("half"), "--max-concurrent", "5", "--out", "out.json"
    )
    wait_for(server, "half", 8, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 130, stderr
    assert server.hits["half"] == 8, "nothing more is begun"
    data = json.loads((tmp_path / "out.json").read_text())
    assert sorted(cell["value"][:6] for cell in data["values"]["a"]) == ["hello "] * 3
    assert len(data["errors"]) == 37 and {failed["code"] for failed in data["errors"]} == {"cancelled"}
    assert stdout == "" and "3 of 40" in stderr and "cancelled" in stderr and "Traceback" not in stderr
    state = asyncio.run(folded(tmp_path / "home" / "runs.db"))
    assert (state.state, state.steps[0].accepted) == ("cancelled", 3)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=["P4-SIGINT-twice", "P4-SIGINT-SIGTERM"])
def test_a_second_signal_ends_at_once_and_the_journal_folds(second, faults, program, tmp_path):
    """Whatever the first is waiting for: here a store that does not come back."""
    server = faults({"half": half(3)})
    script = f"""
        import sys, threading
        from fanfold.store import writer
        settle, block = writer.Writer._settle, threading.Event()
        def stuck(self, database, group):
            if block.is_set():
                print("stuck", flush=True)
                threading.Event().wait()
            return settle(self, database, group)
        writer.Writer._settle = stuck
        from fanfold.api import Run
        cancel = Run.cancel
        def first(self):
            block.set()
            cancel(self)
        Run.cancel = first
        sys.argv = ["fanfold", "run", "plan.yaml", "--model", "openai/m", "--base-url", "{server.url("half")}", "-q"]
        from fanfold.cli.main import main
        main()
    """
    (tmp_path / "plan.yaml").write_text(PLAN % 10)
    process = program(script=script)
    wait_for(server, "half", 4, process)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None and process.stdout.readline() == "stuck\n"
    process.send_signal(second)
    assert process.wait(timeout=5) == 130
    state = asyncio.run(folded(tmp_path / "home" / "runs.db"))
    assert state.state in ("queued", "running") and state.steps[0].accepted <= 3
    with closing(sqlite3.connect(tmp_path / "home" / "runs.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_p4_nohup_is_obeyed(faults, program, tmp_path):
    server = faults({"half": half(3)})
    (tmp_path / "plan.yaml").write_text(PLAN % 10)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited, as by nohup
    try:
        process = program("run", "plan.yaml", "--model", "openai/m", "--base-url", server.url("half"))
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    wait_for(server, "half", 10, process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130, "the first was no signal to stop, else the second would have been the last"
    assert asyncio.run(folded(tmp_path / "home" / "runs.db")).state == "cancelled"


# ---------------------------------------------------------------- exit codes (P6, I22)


ENDS = {
    "all accepted": ("good", [], 0),
    "half failed": ("odd", [], 3),
    "all failed": ("400", [], 1),
    "rejected key": ("401", [], 1),
    "nobody there": (None, [], 1),
    "unknown model": ("404_model", [], 1),
    "wrong usage": ("good", ["--rpm", "0"], 2),
    "unknown provider": ("good", ["--model", "nobody/m"], 2),
    "no store": ("good", ["--store", "/dev/null/runs.db"], 4),
    "no such place": ("good", ["--out", "/dev/null/out.json"], 2),
}


@pytest.mark.parametrize("name", ENDS)
def test_p6_i22_the_exit_code_says_how_it_ended(name, faults, program, tmp_path):
    mode, args, code = ENDS[name]
    server = faults({"odd": odd_fails})
    url = server.url(mode) if mode else "http://127.0.0.1:9/v1"
    (tmp_path / "plan.yaml").write_text(PLAN % 4)
    process = program("run", "plan.yaml", "--model", "openai/m", "--base-url", url, *args)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    if code in (2, 4):
        assert not server.hits and stdout == "" and stderr.startswith("fanfold: ")
    else:
        data = json.loads(stdout)
        assert len(data["values"]["a"]) == {0: 4, 1: 0, 3: 2}[code] and len(data["errors"]) == {0: 0, 1: 4, 3: 2}[code]


def test_p6_nothing_to_do_is_success(faults, program, tmp_path):
    """A dynamic axis that turned out to be empty."""
    server = faults({"none": reply(200, completion('{"parts": []}'))})
    (tmp_path / "plan.yaml").write_text(
        "axes: {part: {each: outline.parts}}\nsteps:\n"
        "  outline: {prompt: Outline it, output: {parts: list[str]}}\n  part_text: {over: part, prompt: 'Write {part}'}"
    )
    process = program("run", "plan.yaml", "--model", "openai/m", "--base-url", server.url("none"))
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["values"]["part_text"] == [] and server.hits["none"] == 1


# ---------------------------------------------------------------- loops, threads, processes (P8, P9)


async def once(engine: Engine) -> bool:
    result = await engine.run(TEN)
    return result.ok and len(result.values) == 10


@pytest.mark.parametrize("hosted", [False, True], ids=["simulated", "over HTTP"])
def test_p8_one_engine_in_two_loops(hosted, faults, tmp_path):
    server = faults()
    where = {"model": "openai/m", "base_url": server.url("good")} if hosted else {"model": "sim/default"}
    engine = Engine(**where, store=tmp_path / "runs.db")
    assert asyncio.run(once(engine)) and asyncio.run(once(engine))
    asyncio.run(engine.close())


def test_p8_inside_a_running_loop_and_in_threads(faults, tmp_path):
    server = faults()

    def sync() -> int:
        return len(
            generate(
                "Say {n}", over={"n": range(10)}, model="openai/m", base_url=server.url("good"), store=tmp_path / "runs.db"
            ).values
        )

    async def inside() -> list[int]:
        return [sync(), *await asyncio.gather(*(asyncio.to_thread(sync) for _ in range(3)))]

    assert asyncio.run(inside()) == [10] * 4 and server.hits["good"] >= 40


def test_p8_outside_a_loop_is_one_clear_error():
    engine = Engine("sim/default", store=":memory:")
    with pytest.raises(Exception, match=r"needs a running event loop: use it inside asyncio\.run, or use generate\(\)"):
        engine.start(TEN)
    asyncio.run(engine.close())


FORK = """
    import asyncio, os, sys, warnings
    from fanfold import Axis, Engine, Plan, Step
    plan = Plan("ten", [Step("a", "Say {{n}}", over="n")], [Axis("n", range(10))])
    engine = Engine("openai/m", base_url="{url}", store="runs.db")
    async def once():
        result = await engine.run(plan)
        assert result.ok and len(result.values) == 10, result.errors
    asyncio.run(once())
    child = os.fork()
    asyncio.run(once())
    if child:
        asyncio.run(once())
        assert os.waitpid(child, 0)[1] == 0, "the child failed"
    asyncio.run(engine.close())
    print("parent" if child else "child", flush=True)
"""


def test_p9_a_forked_process_works_and_so_does_its_parent(faults, program, tmp_path):
    server = faults()
    process = program(script=FORK.format(url=server.url("good")), PYTHONWARNINGS="error,ignore::DeprecationWarning")
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (0, "child\nparent\n", "")
    assert server.hits["good"] >= 40  # a late call may be hedged
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = SqliteStore(tmp_path / "runs.db")
    records = asyncio.run(_runs(store))
    assert [record.state for record in records] == ["complete"] * 4


async def _runs(store):
    try:
        return await store.runs()
    finally:
        await store.close()


# ---------------------------------------------------------------- streams (P15)

FEW = ["mealplan", "--days", "1", "--seed", "1"]
STREAMS = {
    "head": ("{} --stream -q | head -1 > out.txt; exit ${{PIPESTATUS[0]}}", 0),
    "a reader that is not there": ("{} --stream | true; exit ${{PIPESTATUS[0]}}", 0),
    "stdout closed": ("{} >&-", 0),
    "both closed": ("{} >&- 2>&-", 0),
    "stderr gone": ("({}) 2>&1 >out.json | true; exit ${{PIPESTATUS[0]}}", 0),
    "disk full": ("{} > /dev/full", 4),
    "disk full while streaming": ("{} --stream > /dev/full", 4),
    "no listener for errors": ("{} --verbose 2> /dev/full", 0),
}


@pytest.mark.parametrize("name", STREAMS)
def test_p15_streams_that_fail_do_not_end_a_run(name, tmp_path):
    line, code = STREAMS[name]
    if "/dev/full" in line and not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    command = line.format(f"{sys.executable} -m fanfold {' '.join(FEW)}")
    place = {**clean_environment(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr and "BrokenPipe" not in done.stderr
    assert (code == 4) == ("No space left" in done.stderr), done.stderr
    state = asyncio.run(folded(tmp_path / "home" / "runs.db"))
    assert (state.state, state.steps[0].accepted) == ("complete", 3), "the run went on"
    if name == "head":
        assert json.loads((tmp_path / "out.txt").read_text())["state"] == "accepted"


@pytest.mark.parametrize(
    "encoding",
    [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=str,
)
def test_p15_a_poor_locale_changes_no_result(encoding, faults, program, tmp_path):
    text = "été 🌱 日本"
    server = faults({"odd": reply(200, completion(text)), "bad": reply(400, error(text))})
    (tmp_path / "plan.yaml").write_text("steps: {a: {prompt: 'Zeg été 🌱'}}", "utf-8")
    args = ["run", "plan.yaml", "--model", "openai/m", "--base-url"]
    for form in ("json", "csv", "md"):
        process = program(*args, server.url("odd"), "--format", form, "--out", f"out.{form}", **encoding)
        assert process.wait(30) == 0 and text in (tmp_path / f"out.{form}").read_text("utf-8")
    process = program(*args, server.url("odd"), "--format", "csv", **encoding)
    with process.stdout.detach() as raw:
        assert next(csv.DictReader(io.StringIO(raw.read().decode("utf-8"))))["value"] == text
    assert process.wait(30) == 0
    process.stdout = None
    assert "été" in json.loads(server.requests["odd"].body)["messages"][0]["content"]
    process = program(*args, server.url("bad"), **encoding)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1 and json.loads(stdout)["errors"] and "HTTP 400" in stderr


# ---------------------------------------------------------------- forgotten runs (P16)

FORGOTTEN = """
    import asyncio
    from fanfold import Axis, Engine, Plan, Step
    plan = Plan("ten", [Step("a", "Say {{n}}", over="n")], [Axis("n", range(10))])
    async def main():
        engine = Engine("openai/m", base_url="{url}", store="runs.db")
        run = engine.start(plan)
        async def follow():
            while run.report()["accepted"] < 3:
                await asyncio.sleep(0.01)
        {body}
    asyncio.run(main())
"""
BODIES = {
    "no await": "await follow()",
    "engine closed": "async with engine:\n            await follow()",
    "at once": "pass",
}


@pytest.mark.parametrize("name", BODIES)
def test_p16_a_run_that_nobody_waits_for_is_said_aloud(name, faults, program, tmp_path):
    server = faults({"half": half(3)})
    script = FORGOTTEN.format(url=server.url("half"), body=BODIES[name])
    process = program(script=script, PYTHONWARNINGS="default")
    stdout, stderr = process.communicate(timeout=30)
    assert "RuntimeWarning: run " in stderr and "await run.result()" in stderr, stderr
    assert stdout == "" and "Traceback" not in stderr
    if name != "at once":
        state = asyncio.run(folded(tmp_path / "runs.db"))
        assert state.steps[0].accepted == 3 and state.state == ("cancelled" if "closed" in name else "running")
        assert generate("Say {n}", over={"n": [1]}, model="sim/default", store=tmp_path / "runs.db").ok


@pytest.mark.parametrize("end", ["await run.result()", "run.cancel()", "async for cell in run: pass"])
def test_p16_who_waits_or_cancels_is_not_warned(end, tmp_path):
    async def main():
        async with Engine("sim/default", store=":memory:") as engine:
            run = engine.start(TEN)
            if end.startswith("await"):
                await run.result()
            elif end.startswith("async"):
                async for _ in run:
                    break
            else:
                run.cancel()

    asyncio.run(main())  # warnings are errors here
