"""`fanfold prompts` as its users meet it: over loopback HTTP, in every format, in pieces, wrong, and killed."""

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

OVER_HTTP = ("--model", "openai/sim", "--base-url")


def test_fifty_over_http(fanfold, serve, tmp_path):
    server = serve("--latency", "0.2")
    done = fanfold("prompts", *OVER_HTTP, server.url, "--out", "prompts.json", code=0)
    data = json.loads((tmp_path / "prompts.json").read_text())
    assert set(data) == {"accepted", "rejected", "failed", "asked", "system", "errors", "fallbacks", "shortfall", "report"}
    assert len({item["prompt"] for item in data["accepted"]}) == 50 and data["errors"] == data["failed"] == []
    assert all(item["answer"] and item["verdict"]["pass"] for item in data["accepted"])
    assert data["rejected"] and all(item["prompt"] and item["reason"] for item in data["rejected"])
    report = data["report"]
    assert report["speedup"] > 5 and report["calls"] >= server.stats()["requests"] > 150
    assert list(report["steps"]) == ["engineer", "target"] and "rejected" in done.stderr
    assert report["diversity"]["engineer"]["facets"]["domain"]["coverage"] == {"value": 1.0, "of": 8}


def test_roles_on_servers_and_models_of_their_own(fanfold, serve):
    server = serve("--latency", "0.05", "--models", "writer,common")
    roles = ["--model", "openai/common", "--engineer-model", "openai/writer", "--target-model", "sim/default"]
    data = json.loads(fanfold("prompts", "--count", "4", *roles, "--base-url", server.url, "-q", "--seed", "1", code=0).stdout)
    assert len(data["accepted"]) == 4 and 0 < server.stats()["requests"] < data["report"]["calls"]
    refused = fanfold("prompts", "--count", "4", *roles, "--base-url", server.url, "--checker-model", "openai/nobody", code=1)
    assert "nobody" in refused.stderr and json.loads(refused.stdout)["accepted"] == []


def test_every_format(fanfold, tmp_path):
    args = ["prompts", "--count", "3", "--seed", "5", "-q"]
    data = json.loads(fanfold(*args, code=0).stdout)
    prompts = [item["prompt"] for item in data["accepted"]]
    rows = list(csv.DictReader(io.StringIO(fanfold(*args, "--format", "csv", code=0).stdout)))
    lines = [json.loads(line) for line in fanfold(*args, "--format", "jsonl", code=0).stdout.splitlines()]
    assert [row["prompt"] for row in rows] == [line["prompt"] for line in lines] == prompts
    text = fanfold(*args, "--format", "md", code=0).stdout
    assert text.startswith("# 3 of 3 prompts") and all(f"> {prompt}" in text for prompt in prompts)
    fanfold(*args, "--out", "train.chat.jsonl", code=0)
    chat = [json.loads(line) for line in (tmp_path / "train.chat.jsonl").read_text().splitlines()]
    assert [line["messages"][0]["content"] for line in chat] == prompts, "the file's ending says which rows"
    fanfold(*args, "--out", "plain.jsonl", code=0)
    assert json.loads((tmp_path / "plain.jsonl").read_text().splitlines()[0]) == lines[0]
    (tmp_path / "folder").mkdir()
    fanfold(*args, "--format", "eval.jsonl", "--out", "folder", "--system", "Be brief.", code=0)
    ideal = [json.loads(line) for line in (tmp_path / "folder" / "prompts.eval.jsonl").read_text().splitlines()]
    assert len(ideal) == 3 and all(
        line["input"][0] == {"role": "system", "content": "Be brief."} and line["ideal"] for line in ideal
    )


def test_each_cell_as_it_ends_and_one_at_a_time(fanfold):
    lines = [
        json.loads(line)
        for line in fanfold("prompts", "--count", "6", "--stream", "-q", "--sequential", code=0).stdout.splitlines()
    ]
    steps = [line["step"] for line in lines[:-1]]
    assert steps.count("engineer") == steps.count("target") == 6 and steps[-1] == "target"
    ahead = [steps[:n].count("engineer") - steps[:n].count("target") for n in range(len(steps))]
    assert max(ahead) <= 3, "what is accepted is answered before all others are begun"
    assert lines[-1]["report"]["max_in_flight"] == 1 and lines[0]["value"]["prompt"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--count", "0"], "--count: a whole number from 1"), (["--min-score", "9"], "--min-score: a score from 1 to 5"),
        (["--similarity", "1.5"], "--similarity: a number above 0"), (["--levels", ","], "--levels: name at least one"),
        (["--checker-model", "foo/bar"], "unknown provider 'foo'"), (["--engineer-model", "gpt-4o"], "write e.g. openai/gpt-4o"),
        (["--target-model", "openai/gpt-4o"], "OPENAI_API_KEY is not set"), (["--format", "chat"], "chat.jsonl"),
        (["--topics", "bees"], "No such option"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_before_anything_is_called(args, said, fanfold, tmp_path):
    done = fanfold("prompts", *args, code=2)
    assert said in " ".join(done.stderr.split()).replace("│ ", ""), done.stderr
    assert done.stdout == "" and not (tmp_path / "home" / "runs.db").exists()


def test_a_key_and_an_open_checker_is_never_silent_spending(fanfold):
    roles = ["--engineer-model", "sim/a", "--target-model", "sim/b"]
    done = fanfold("prompts", "--count", "2", *roles, environ={"OPENAI_API_KEY": "sk-canary"}, code=2)
    assert "OPENAI_API_KEY is set" in done.stderr
    fanfold("prompts", "--count", "2", *roles, "--checker-model", "sim/c", "-q", environ={"OPENAI_API_KEY": "sk-canary"}, code=0)


def test_foreseen_and_measured(fanfold):
    told = json.loads(fanfold("plan", "prompts", "--count", "20", "--format", "json", code=0).stdout)
    assert told["cells"] == 40 and told["calls"]["p50"] >= 60 and told["bound_by"] == "critical path"
    sizes = json.loads(fanfold("bench", "prompts", "--count", "5", "--latency", "0.05", "-q", "--format", "json", code=0).stdout)[
        "sizes"
    ]
    assert [size["cells"] for size in sizes] == [10] and sizes[0]["speedup"] > 2


@pytest.mark.timeout(120)
def test_killed_it_goes_on_and_pays_for_nothing_twice(fanfold, serve, tmp_path):
    server = serve("--latency", "0.4", "--slips", "0")
    line = [sys.executable, "-m", "fanfold", "prompts", "--count", "12", *OVER_HTTP, server.url, "--max-concurrent", "6", "-q"]
    process = subprocess.Popen(
        line, cwd=tmp_path, env=clean_environment(tmp_path / "home"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    late = time.monotonic() + 30
    while server.stats()["requests"] < 20 and time.monotonic() < late:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    data = json.loads(fanfold("resume", "last", "-q", code=0).stdout)
    assert len(data["accepted"]) == 12 and all(item["verdict"]["reason"] and item["answer"] for item in data["accepted"])
    report = data["report"]
    assert 0 < report["lost"] <= 6, "the report of a run that went on tells what was in the air, as its export does"
    kept = json.loads(fanfold("runs", "export", report["run_id"], code=0).stdout)
    assert (
        kept["report"]["lost"] == report["lost"] and kept["accepted"] == data["accepted"] and kept["rejected"] == data["rejected"]
    )
    assert report["calls"] - report["lost"] - report["hedges"] <= 40 + 3 * len(data["rejected"]), (
        "nothing is paid twice: 36, and a spare or two"
    )
