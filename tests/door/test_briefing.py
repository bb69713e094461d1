"""`fanfold briefing` as its users meet it, and `fanfold report`."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest

from fanfold.apps.briefing.params import EXAMPLE

STAGES = ("briefing", "plays", "procurement", "annex")


@pytest.fixture
def simulated(serve):
    """simulated("--faults", "500=1") -> the options that lead to such a server."""
    return lambda *args: ("--model", "openai/sim", "--base-url", serve("--latency", "0.1", "--slips", "0", *args).url)


def test_the_whole_over_http(fanfold, simulated, tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "evidence")
    done = fanfold("briefing", "evidence", "--question", "What now?", *simulated(), code=0)
    data = json.loads(done.stdout)
    assert list(data)[:5] == ["question", *STAGES] and all(data[stage] for stage in STAGES)
    assert data["briefing"].startswith("# What now?") and data["errors"] == [] and data["report"]["calls"] >= 4
    assert data["latency"]["total_s"] == data["report"]["wall_s"] and "at once: " in done.stderr


@pytest.mark.parametrize(
    ("name", "begins"),
    [("b.md", "*To be decided"), ("b.html", "<!DOCTYPE html>"), ("b.json", "{"), ("b.jsonl", "{"), ("b.csv", "stage,")],
)
def test_every_format(fanfold, simulated, tmp_path, name, begins):
    fanfold("briefing", "--example", "--quiet", *simulated(), "--out", name, code=0)
    text = (tmp_path / name).read_text()
    assert text.startswith(begins)
    if name == "b.csv":
        assert [row["stage"] for row in csv.DictReader(io.StringIO(text))] == list(STAGES)


def test_streamed_and_sequential(fanfold, simulated):
    """B8."""
    done = fanfold("briefing", "--example", "--stream", "--sequential", "--quiet", *simulated(), code=0)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines[:-1]] == list(STAGES) and lines[-1]["report"]["max_in_flight"] == 1
    assert all(line["state"] == "accepted" and line["elapsed_s"] > 0 for line in lines[:-1])


def test_a_server_that_is_down(fanfold, simulated):
    server = simulated("--faults", "500=1")
    done = fanfold("briefing", "--example", "--retries", "1", "--format", "json", *server, code=3)
    data = json.loads(done.stdout)
    assert data["procurement"]["source"] == "metrics", "it has the metrics all the same"
    assert [(error["stage"], error["code"]) for error in data["errors"]][:3] == [(stage, "transient") for stage in STAGES[:3]]
    assert "tried again in" in done.stderr


def test_metrics_are_fallen_back_on(fanfold, serve, tmp_path):
    """A server that never answers in time: nothing but the fallback is there."""
    url = serve("--latency", "30").url
    args = ("--timeout", "0.4", "--retries", "0", "--model", "openai/sim", "--base-url", url, "--format", "md", "--quiet")
    done = fanfold("briefing", "--example", *args, code=3)
    assert "No procurement was written: these are the supplied metrics." in done.stdout
    assert "No briefing: no complete answer within 0.4 s (timeout)." in done.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "give a folder of evidence, or --example"),
        (("nowhere",), "is no folder (name a folder with the subfolders primary/ and supporting/)"),
        (("--example", "folder"), "give a folder or --example, not both"),
        (("folder",), "E1.pdf: is a .pdf file"),
        (("--example", "--metrics", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--example", "--format", "ics"), "ics is not a format of briefing; choose from json, jsonl, csv, parquet, md, html"),
        (("--example", "--max-concurrent", "0"), "max-concurrent"),
    ],
)
def test_bad_input_is_said_before_anything_is_called(fanfold, serve, tmp_path, args, words):
    (tmp_path / "folder/primary").mkdir(parents=True)
    (tmp_path / "folder/primary/E1.pdf").write_text("x")
    server = serve()
    done = fanfold("briefing", *args, "--model", "openai/sim", "--base-url", server.url, code=2)
    assert words in done.stderr and server.stats()["requests"] == 0


def test_it_is_foreseen_and_measured(fanfold, simulated):
    told = json.loads(fanfold("plan", "briefing", "--example", "--format", "json", code=0).stdout)
    assert told["cells"] == 4
    told = json.loads(fanfold("bench", "briefing", "--latency", "0.05", "--format", "json", "--quiet", code=0).stdout)
    [size] = told["sizes"]
    assert size["cells"] == 4 and size["speedup"] > 0


def test_it_is_gone_on_with_from_anywhere(fanfold, simulated, tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "evidence")
    down = simulated("--faults", "500=1")
    fanfold("briefing", "evidence/", "--retries", "0", "--quiet", *down, code=3)
    (tmp_path / "evidence").rename(tmp_path / "gone")
    assert "is no folder" in fanfold("resume", "last", code=2).stderr
    (tmp_path / "gone").rename(tmp_path / "evidence")
    data = json.loads(fanfold("resume", "last", "--quiet", *simulated(), code=0).stdout)
    assert all(data[stage] for stage in STAGES) and data["procurement"]["source"] == "model"


# -------------------------------------------------------------------- reports


def test_the_history_of_a_plan(fanfold, simulated):
    """B7: kept with the run, and read over runs."""
    server = simulated("--latency", "0.4")
    for more in ((), (), ("--sequential",)):
        fanfold("briefing", "--example", "--quiet", *more, *server, code=0)
    told = json.loads(fanfold("report", "--history", "briefing", "--format", "json", code=0).stdout)
    assert [run["max_in_flight"] for run in told["runs"]] == [2, 2, 1]
    assert told["at_once"]["runs"] == 2 and set(told["at_once"]["steps"]) == set(STAGES) and told["speedup_measured"] > 1
    assert [run["started"] for run in told["runs"]] == sorted(run["started"] for run in told["runs"])
    text = fanfold("report", "--history", "briefing", "--format", "md", code=0).stdout
    assert "briefing: 3 runs, the newest last" in text and "p50 of 2 at once" in text and "measured: " in text
    rows = list(
        csv.DictReader(io.StringIO(fanfold("report", "--history", "briefing", "--last", "1", "--format", "csv", code=0).stdout))
    )
    assert len(rows) == 1 and float(rows[0]["procurement_s"]) > 0 and rows[0]["run_id"] == told["runs"][-1]["run_id"]


def test_the_report_of_a_run(fanfold, simulated):
    data = json.loads(fanfold("briefing", "--example", "--quiet", *simulated(), code=0).stdout)
    run_id = data["report"]["run_id"]
    told = json.loads(fanfold("report", run_id, "--format", "json", code=0).stdout)
    assert {name: told[name] for name in ("run_id", "wall_s", "groups", "steps")} == {
        name: data["report"][name] for name in ("run_id", "wall_s", "groups", "steps")
    }
    assert "briefing: complete, 4 of 4 cells accepted" in fanfold("report", "last", "--format", "md", code=0).stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "name a run, or a plan with --history"),
        (("last", "--history", "briefing"), "name a run, or a plan with --history"),
        (("last",), "there is no run 'last'"),
        (("--history", "briefing"), "there are no runs of 'briefing' in this store"),
        (("--history", "briefing", "--last", "0"), "--last"),
        (("last", "--last", "3"), "--last"),
    ],
)
def test_reports_of_nothing(fanfold, args, words):
    assert words in fanfold("report", *args, code=2).stderr
