"""The command line as its users meet it: processes, pipes, exit codes, signals."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time

import pytest

from tests.door.conftest import clean_environment

FAST = ("--model", "openai/sim", "--base-url")
TOY = """
name: toy
axes: {n: 1..4}
given: {what: fruit}
steps:
  name:
    over: n
    prompt: "Name a {what}, number {n}."
    output: {title: str, reason: str}
  list:
    prompt: "Sum up: {name}"
"""


def test_a_week_of_recipes_over_http(fanfold, serve, tmp_path):
    server = serve("--latency", "0.2")
    done = fanfold(
        "mealplan", "--days", "7", "--diet", "vegetarian", *FAST, server.url, "--format", "json", "--out", "plan.json", code=0
    )
    assert done.stdout == ""
    data = json.loads((tmp_path / "plan.json").read_text())
    assert [day["day"] for day in data["plan"]] == list(range(1, 8))
    assert all([meal["type"] for meal in day["meals"]] == ["breakfast", "lunch", "dinner"] for day in data["plan"])
    names = [meal["recipe"]["name"] for day in data["plan"] for meal in day["meals"]]
    assert len({name.casefold() for name in names}) == 21 and data["shopping_list"]
    assert {meal["source"] for day in data["plan"] for meal in day["meals"]} == {"llm", "rag"}
    report = data["report"]
    assert set(report) >= {
        "run_id", "cells", "accepted", "failed", "calls", "retries", "hedges", "rate_limited", "cached", "wall_s", "sequential_s",
        "speedup", "lower_bound_s", "efficiency", "bound_by", "tokens_in", "tokens_out", "cost_usd", "cost_is", "duplicates_rejected", "steps",
    }  # fmt: skip
    assert (report["cells"], report["accepted"]) == (22, 22) and data["errors"] == [] and data["shortfall"] is None
    assert report["calls"] == server.stats()["requests"]
    for word in ("speed-up", "sequential", "tokens"):
        assert word in done.stderr


def test_in_process_to_a_pipe_and_as_text(fanfold, tmp_path):
    done = fanfold("mealplan", "--days", "1", "--seed", "3", code=0)
    first = json.loads(done.stdout)
    assert "simulated" in done.stderr
    again = json.loads(fanfold("mealplan", "--days", "1", "--seed", "3", "--quiet", code=0).stdout)
    assert again["plan"] == first["plan"], "the same seed, the same answers"
    quiet = fanfold("mealplan", "--days", "1", "--quiet", "--format", "md", code=0)
    assert quiet.stderr == "" and "Day 1" in quiet.stdout and "hopping" in quiet.stdout
    rows = list(csv.DictReader(io.StringIO(fanfold("mealplan", "--days", "1", "-q", "--format", "csv", code=0).stdout)))
    assert len(rows) == 3
    lines = fanfold("mealplan", "--days", "1", "-q", "--format", "jsonl", code=0).stdout.splitlines()
    assert len([json.loads(line) for line in lines]) == 3
    (tmp_path / "folder").mkdir()
    fanfold("mealplan", "--days", "1", "-q", "--out", "folder", "--format", "md", code=0)
    assert (tmp_path / "folder" / "mealplan.md").exists()
    store = tmp_path / "home" / "runs.db"
    assert store.stat().st_mode & 0o777 == 0o600


def test_stream_writes_each_cell_as_it_ends(fanfold):
    lines = [json.loads(line) for line in fanfold("mealplan", "--days", "1", "--stream", "-q", code=0).stdout.splitlines()]
    assert [set(line) for line in lines[:-1]] == [{"step", "cell", "state", "value", "elapsed_s"}] * 4
    assert {tuple(line["cell"].values()) for line in lines[:3]} == {(1, "breakfast"), (1, "lunch"), (1, "dinner")}
    assert lines[-1]["report"]["accepted"] == 4


def test_any_plan_without_python(fanfold, serve, tmp_path):
    server = serve("--latency", "0.05")
    (tmp_path / "toy.yaml").write_text(TOY)
    done = fanfold("run", "toy.yaml", "--set", "what=fish", *FAST, server.url, code=0)
    data = json.loads(done.stdout)
    assert [cell["at"] for cell in data["values"]["name"]] == [{"n": n} for n in range(1, 5)]
    assert set(data["values"]["name"][0]["value"]) == {"title", "reason"} and isinstance(data["values"]["list"][0]["value"], str)
    rows = list(csv.DictReader(io.StringIO(fanfold("run", "toy.yaml", "-q", "--format", "csv", code=0).stdout)))
    assert [row["step"] for row in rows] == ["name"] * 4 + ["list"]
    assert fanfold("run", "toy.yaml", "-q", "--format", "md", code=0).stdout


WRONG = {
    "no such option": (["mealplan", "--dayz", "3"], "No such option"),
    "days 0": (["mealplan", "--days", "0"], "--days"),
    "days text": (["mealplan", "--days", "seven"], "valid int"),
    "diet": (["mealplan", "--diet", "vegetarain"], "vegetarian"),
    "strategy": (["mealplan", "--strategy", "best"], "llm"),
    "ratio": (["mealplan", "--strategy", "rag", "--ratio", "0.3"], "--ratio: belongs to the strategy hybrid, not rag"),
    "corpus": (["mealplan", "--corpus", "nowhere.csv"], "nowhere.csv: cannot be read"),
    "unknown provider": (["mealplan", "--model", "foo/bar"], "unknown provider 'foo' (one of openai/…, anthropic/…, google/…, sim/…)"),
    "no provider": (["mealplan", "--model", "gpt-4o"], "write e.g. openai/gpt-4o"),
    "no key": (["mealplan", "--model", "openai/gpt-4o"], "OPENAI_API_KEY is not set"),
    "base url": (["mealplan", "--model", "openai/x", "--base-url", "localhost:1"], "http"),
    "clash": (["mealplan", "--sequential", "--max-concurrent", "3"], "--sequential: clashes with --max-concurrent"),
    "format": (["mealplan", "--format", "xml"], "xml is not a format of mealplan; choose from json, jsonl, csv, parquet, md"),
    "out": (["mealplan", "--out", "/dev/null/x.json"], "--out"),
    "rpm": (["mealplan", "--rpm", "0"], "--rpm: a whole number from 1"),
    "no plan": (["run", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    "yaml": (["run", "bad.yaml"], "bad.yaml:1: is not valid YAML"),
    "a mistake": (["run", "mistake.yaml"], "steps.a.prompt: {frut} is not a given, an axis or a step (did you mean 'fruit'?"),
    "set": (["run", "mistake.yaml", "--set", "x"], "--set: 'x' is not name=value"),
    "no command": (["mealpan"], "No such command"),
    "sim faults": (["sim", "--faults", "429=2"], "sim"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2_and_one_clear_sentence(name, fanfold, tmp_path):
    args, message = WRONG[name]
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "mistake.yaml").write_text("given: {fruit: fig}\nsteps: {a: {prompt: 'A {frut}'}}")
    done = fanfold(*args, code=2)
    assert message in " ".join(done.stderr.split()).replace("│ ", ""), done.stderr
    assert done.stdout == "" and not (tmp_path / "home" / "runs.db").exists(), "nothing was begun"


def test_a_key_but_no_model_is_never_silent_spending(fanfold):
    done = fanfold("mealplan", "--days", "1", environ={"OPENAI_API_KEY": "sk-canary"}, code=2)
    assert "OPENAI_API_KEY is set" in done.stderr and "sk-canary" not in done.stderr + done.stdout


def test_nobody_there(fanfold):
    began = time.monotonic()
    done = fanfold("mealplan", "--days", "7", *FAST, "http://127.0.0.1:9/v1", code=1)
    assert time.monotonic() - began < 20
    assert "127.0.0.1:9" in done.stderr and "running" in done.stderr
    data = json.loads(done.stdout)
    assert len(data["errors"]) == 22 and data["report"]["calls"] <= 21 and data["report"]["retries"] == 0


@pytest.mark.parametrize(
    ("server_args", "model", "code"),
    [(["--api-key", "right"], "openai/sim", "auth"), ([], "openai/missing-model", "bad_request")],
)
def test_a_rejected_key_and_an_unknown_model_cost_one_wave(server_args, model, code, fanfold, serve):
    server = serve("--latency", "0.05", *server_args)
    args = ["mealplan", "--days", "7", "--model", model, "--base-url", server.url, "--max-concurrent", "5"]
    done = fanfold(*args, environ={"OPENAI_API_KEY": "sk-wrong-canary"}, code=1)
    data = json.loads(done.stdout)
    assert {error["code"] for error in data["errors"] if error["stage"] == "recipe"} == {code}
    assert server.stats()["requests"] <= 5
    assert "sk-wrong-canary" not in done.stdout + done.stderr


def test_a_failed_cell_is_a_partial_result(fanfold, serve, tmp_path):
    server = serve("--latency", "0.05", "--faults", "500=0.45")
    (tmp_path / "toy.yaml").write_text(TOY)
    done = fanfold("run", "toy.yaml", *FAST, server.url, "--retries", "0")
    data = json.loads(done.stdout)
    failed = [error for error in data["errors"] if error["stage"] == "name"]
    assert done.returncode == (0 if not data["errors"] else 3 if data["values"]["name"] else 1)
    assert len(failed) + len(data["values"]["name"]) == 4


def test_ctrl_c_stops_at_once_and_keeps_what_is_there(serve, tmp_path):
    server = serve("--latency", "0.3")
    command = [
        sys.executable,
        "-m",
        "fanfold",
        "mealplan",
        "--days",
        "7",
        *FAST,
        server.url,
        "--max-concurrent",
        "3",
        "--out",
        "plan.json",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(tmp_path), stderr=subprocess.PIPE, text=True)
    while server.stats()["requests"] < 5:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 130, stderr
    asked = server.stats()["requests"]
    assert asked <= 9, "nothing new was begun"
    data = json.loads((tmp_path / "plan.json").read_text())
    kept = [meal for day in data["plan"] for meal in day["meals"]]
    assert 2 <= len(kept) <= 6 and {error["code"] for error in data["errors"]} == {"cancelled"}


def test_a_reader_that_leaves_is_no_error(tmp_path):
    pipeline = f"{sys.executable} -m fanfold mealplan --days 2 --seed 1 -q | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", pipeline], capture_output=True, text=True, cwd=tmp_path, env=clean_environment(tmp_path), timeout=60
    )
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout) == 10


def test_help_and_version(fanfold):
    assert "mealplan" in fanfold("--help", code=0).stdout
    text = fanfold("mealplan", "--help", code=0).stdout
    for option in ("--days", "--diet", "--calories", "--model", "--rpm", "--no-async", "--budget-usd", "--stream", "--format"):
        assert option in text
    assert fanfold("--version", code=0).stdout == "fanfold 0.1.0\n"


def test_a_store_that_cannot_be_had_is_exit_4(fanfold, tmp_path):
    (tmp_path / "not.db").write_text("this is no database, and it is long enough to be looked at as one" * 20)
    done = fanfold("mealplan", "--days", "1", "--store", "not.db")
    assert done.returncode == 4 and "not.db" in done.stderr


def test_a_second_ctrl_c_ends_the_program_at_once(tmp_path):
    """Whatever the first one is waiting for."""
    script = (
        "import asyncio, sys\nfrom fanfold.cli.execute import listen_for_signals\n"
        "async def main():\n    listen_for_signals(lambda: print('first', flush=True))\n    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\nasyncio.run(main())"
    )
    command, place = [sys.executable, "-c", script], clean_environment(tmp_path)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=place)
    assert process.stdout is not None
    for said in ("ready", "first"):
        assert process.stdout.readline().strip() == said
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    process.stdout.close()
