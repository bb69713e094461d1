"""Killed at any moment and gone on with, from the command line, over HTTP."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.door.conftest import clean_environment

PLAN = """
name: three levels
axes: {topic: [sea, wood, town, sky], n: 1..EACH}
steps:
  idea:
    over: [topic, n]
    prompt: "An idea, number {n}, about {topic}."
  draft:
    over: [topic, n]
    prompt: "Write this out: {idea}"
  book:
    over: topic
    prompt: "One book out of these: {draft}"
"""
KILLS = int(os.environ.get("FANFOLD_KILLS", "8"))
EACH = 6 * -(-KILLS // 16)  # ideas for each topic: enough to be killed so often before it has ended
PLAN = PLAN.replace("EACH", str(EACH))
CELLS = 4 * (EACH + EACH + 1)


def begin(tmp_path, *args, **environ):
    environment = {**clean_environment(tmp_path / "home"), "OPENAI_API_KEY": "sk-test", **environ}
    return subprocess.Popen(
        [sys.executable, "-m", "fanfold", *args],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def values_of(fanfold):
    data = json.loads(fanfold("runs", "export", "last", "--format", "json", code=0).stdout)
    return {
        (step, json.dumps(cell["at"], sort_keys=True)): json.dumps(cell["value"])
        for step, cells in data["values"].items()
        for cell in cells
    }, data["report"]


@pytest.mark.timeout(3600)
def test_killed_again_and_again_nothing_accepted_is_lost_and_only_what_was_in_the_air_is_paid_again(fanfold, serve, tmp_path):
    server = serve("--latency", "0.4", "--slips", "0", "--collapse", "0")
    (tmp_path / "plan.yaml").write_text(PLAN)
    chance = random.Random(7)
    first = ["run", "plan.yaml", "--model", "openai/sim", "--base-url", server.url, "--max-concurrent", "3", "--no-cache", "-q"]
    kept: dict = {}
    finished = False
    for kill in range(KILLS):
        process = begin(tmp_path, *(first if kill == 0 else ["resume", "last", "-q"]))
        more, late = server.stats()["requests"] + chance.randrange(0 if kill else 2, 9), time.monotonic() + 30
        while server.stats()["requests"] < more and time.monotonic() < late and process.poll() is None:
            time.sleep(chance.uniform(0, 0.1))
        finished = process.poll() is not None
        if finished:
            process.communicate()
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now, _ = values_of(fanfold)
        assert kept.items() <= now.items(), "what was accepted is there, and is the same"
        kept = now
    if not finished:
        last = begin(tmp_path, "resume", "last", "-q")
        last.communicate(timeout=1800)
        assert last.returncode == 0
    values, report = values_of(fanfold)
    assert kept.items() <= values.items() and len(values) == CELLS == report["accepted"] and report["state"] == "complete"
    assert report["calls"] - CELLS <= report["lost"], "paid again: what was in the air when it was killed, at most"
    assert server.stats()["requests"] <= report["calls"], "nothing was sent that is not written down"


def test_runs_are_listed_shown_exported_and_deleted(fanfold, tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN)
    assert "no runs" in fanfold("runs", "list", "--format", "md", code=0).stdout
    made = json.loads(fanfold("run", "plan.yaml", "-q", "--seed", "3", code=0).stdout)
    fanfold("mealplan", "--days", "1", "-q", "--out", "plan.json", code=0)
    newest, run = json.loads(fanfold("runs", "list", "--format", "json", code=0).stdout)
    assert set(run) == {"run_id", "plan", "state", "cells", "accepted", "started", "cost_usd"}
    assert (newest["plan"], run["plan"], run["state"], run["cells"], run["accepted"]) == (
        "mealplan",
        "three levels",
        "complete",
        52,
        52,
    )
    assert run["cost_usd"] == 0.0 and run["run_id"] == made["report"]["run_id"]
    shown = json.loads(fanfold("runs", "show", run["run_id"], "--format", "json", code=0).stdout)
    assert shown["report"]["calls"] == made["report"]["calls"] and shown["errors"] == []
    again = json.loads(fanfold("runs", "export", run["run_id"], "--format", "json", code=0).stdout)
    assert again["values"] == made["values"] and again["errors"] == []
    plan = json.loads((tmp_path / "plan.json").read_text())
    fanfold("runs", "export", "last", "--out", "again.json", code=0)
    assert json.loads((tmp_path / "again.json").read_text())["plan"] == plan["plan"]
    assert "BEGIN:VCALENDAR" in fanfold("runs", "export", "last", "--format", "ics", code=0).stdout, "its documents, too"
    assert "step" in fanfold("runs", "export", run["run_id"], "--format", "csv", code=0).stdout.splitlines()[0]
    assert run["run_id"] in fanfold("runs", "delete", run["run_id"], code=0).stderr
    assert [left["run_id"] for left in json.loads(fanfold("runs", "list", "--format", "json", code=0).stdout)] == [
        newest["run_id"]
    ]
    for command in ("show", "export", "delete"):
        done = fanfold("runs", command, run["run_id"], code=2)
        assert "there is no run" in done.stderr and "fanfold runs list" in done.stderr


def test_a_changed_prompt_remakes_its_cone_alone(fanfold, serve, tmp_path):
    server = serve("--latency", "0.05", "--slips", "0", "--collapse", "0")
    (tmp_path / "plan.yaml").write_text(PLAN)
    fanfold("run", "plan.yaml", "--model", "openai/sim", "--base-url", server.url, "--no-cache", "-q", code=0)
    before = server.stats()["requests"]
    (tmp_path / "plan.yaml").write_text(PLAN.replace("One book", "One thick book"))
    done = json.loads(fanfold("resume", "last", "-q", "--no-cache", code=0).stdout)
    assert server.stats()["requests"] - before == 4 and done["report"]["accepted"] == CELLS
    (tmp_path / "plan.yaml").unlink()
    fanfold("resume", "last", "-q", code=0)
    assert server.stats()["requests"] - before == 4, "the plan is kept with the run: its file may go"


def test_a_budget_from_the_command_line(fanfold, serve, tmp_path):
    server = serve("--latency", "0.05", "--slips", "0", "--collapse", "0")
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "config.toml").write_text('prices = {"openai/sim" = [100.0, 100.0]}\n')
    args = ["run", "plan.yaml", "--model", "openai/sim", "--base-url", server.url, "--max-concurrent", "2", "--no-cache", "-q"]
    done = fanfold(*args, "--budget-usd", "0.2", "--config", "config.toml", code=3)
    data = json.loads(done.stdout)
    assert 0 < data["report"]["cost_usd"] <= 0.2 and {error["code"] for error in data["errors"]} <= {"budget", "upstream"}
    assert "the budget of $0.2 is used up" in done.stderr
    again = json.loads(
        fanfold("resume", "last", "-q", "--budget-usd", "50", "--config", "config.toml", "--no-cache", code=0).stdout
    )
    told = again["report"]
    assert told["accepted"] == CELLS and told["calls"] == CELLS + told["hedges"], "nothing is paid twice"
    refused = fanfold(*args, "--budget-usd", "1", code=2)
    assert "nobody has told what openai/sim costs" in refused.stderr and "prices" in refused.stderr


def test_a_run_from_python_says_where_to_go_on(fanfold, tmp_path):
    script = (
        "from fanfold import generate\n"
        "print(generate('Say {n}', over={'n': range(3)}, store='runs.db', model='sim/default').report['run_id'])"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
    done = fanfold("resume", run, "--store", "runs.db", code=2)
    assert "engine.resume" in done.stderr
    data = json.loads(fanfold("runs", "export", run, "--store", "runs.db", "--format", "json", code=0).stdout)
    assert [cell["at"] for cell in data["values"]["answer"]] == [{"n": 1}, {"n": 2}, {"n": 3}]
