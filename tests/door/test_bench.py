"""`fanfold bench`: both ways are run for real, and told as they were."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys

import pytest

from tests.door.conftest import clean_environment


def test_a_plan_both_ways_is_measured(fanfold):
    data = json.loads(fanfold("bench", "--meals", "lunch,dinner", "--latency", "0.04", "--seed", "1", "-q", code=0).stdout)
    assert (data["app"], data["model"], data["latency"]) == ("mealplan", "sim/default", "0.04")
    assert [size["size"] for size in data["sizes"]] == [{"days": days} for days in (1, 3, 5, 7)]
    for size in data["sizes"]:
        one, other = size["sequential"], size["parallel"]
        recipes = 2 * size["size"]["days"]
        assert one["max_in_flight"] == 1 and one["wall_s"] >= 0.04 * one["calls"] and one["calls"] >= recipes
        assert other["max_in_flight"] >= recipes and other["wall_s"] >= 0.04
        assert one["accepted"] == other["accepted"] == size["cells"] == recipes + 1
        assert size["speedup"] == pytest.approx(one["wall_s"] / other["wall_s"], abs=0.02)
    assert data["sizes"][-1]["speedup"] > 2


def test_it_is_drawn_side_by_side(fanfold, tmp_path):
    done = fanfold("bench", "mealplan", "--days", "2", "--latency", "0.05", "--out", "bench.md", code=0)
    text = (tmp_path / "bench.md").read_text()
    assert done.stdout == "" and "days 2, one at a time" in done.stderr and "days 2, in parallel" in done.stderr
    row = next(line for line in text.splitlines() if line.startswith("| days 2"))
    assert row.count("|") == 8 and row.rstrip(" |").endswith("×")
    bars = {line[:18].strip(): line.split("|")[1:3] for line in text.splitlines() if "█" in line}
    assert set(bars) == {f"day {day} {meal}" for day in (1, 2) for meal in ("breakfast", "lunch", "dinner")}
    first = [side.index("█") for side in bars["day 2 dinner"]]
    assert first[0] > 14 and first[1] < first[0] / 3, "the last one waits for all others only when they go one at a time"
    assert "0.05 s for a call (--latency)" in text and all(len(line) < 80 for line in text.splitlines()[:-1])


def test_a_case_of_ones_own(fanfold, tmp_path):
    """What is measured is what was given, and nothing of the cases that come along."""
    (tmp_path / "terms.csv").write_text("begrip\nfiets\nboek\n")
    (tmp_path / "case" / "primary").mkdir(parents=True)
    (tmp_path / "case" / "primary" / "E1.md").write_text("# Title\n\nThe thing costs 5 euro.\n")
    told = {}
    for name, *args in (
        ("voorbeelden", "--terms", "terms.csv", "--soorten", "synoniemen"),
        ("voorbeelden", "--begrip", "fiets", "--soorten", "synoniemen"),
        ("briefing", "case"),
    ):
        done = fanfold("bench", name, *args, "--latency", "0.01", "--seed", "1", "-q", code=0)
        told[" ".join(args)] = [(size["size"], size["cells"]) for size in json.loads(done.stdout)["sizes"]]
    assert list(told.values()) == [[({}, 4)], [({"begrip": "fiets"}, 2)], [({}, 4)]]
    assert "not both" in fanfold("bench", "briefing", "case", "--example", code=2).stderr


def test_other_forms_and_places(fanfold, tmp_path):
    args = ("bench", "--days", "1", "--meals", "lunch", "--latency", "0.01", "-q")
    rows = list(csv.DictReader(io.StringIO(fanfold(*args, "--format", "csv", code=0).stdout)))
    assert len(rows) == 1 and rows[0]["days"] == "1" and float(rows[0]["sequential_wall_s"]) > 0
    fanfold(*args, "--out", "here/", "--format", "json", code=0)
    assert json.loads((tmp_path / "here" / "mealplan bench.json").read_text())["sizes"][0]["cells"] == 2
    assert not (tmp_path / "home" / "runs.db").exists(), "what is measured is not kept, unless a store is named"
    fanfold(*args, "--store", "kept.db", code=0)
    assert (tmp_path / "kept.db").exists()


def test_a_real_model(fanfold, serve):
    server = serve("--latency", "0.05")
    real = ("--model", "openai/sim", "--base-url", server.url)
    data = json.loads(fanfold("bench", "--days", "2", *real, "-q", code=0).stdout)
    (size,) = data["sizes"]
    assert (data["model"], data["latency"]) == ("openai/sim", None)
    assert server.stats()["requests"] == size["sequential"]["calls"] + size["parallel"]["calls"]
    assert size["speedup"] > 1.5


def test_what_failed_has_no_speed_up(fanfold, serve):
    nowhere = fanfold("bench", "--model", "openai/x", "--base-url", "http://127.0.0.1:9/v1", code=1)
    (size,) = json.loads(nowhere.stdout)["sizes"]
    assert size["speedup"] is None and size["parallel"]["calls"] is None and "127.0.0.1:9" in nowhere.stderr
    server = serve("--latency", "0.01", "--faults", "filter=0.4")
    args = ("--days", "3", "--model", "openai/sim", "--base-url", server.url, "--attempts", "1", "--format", "md", "-q")
    done = fanfold("bench", *args, code=3)
    assert "partial" in done.stdout and "×" not in done.stdout


WRONG = {
    "latency": (["bench", "--latency", "soon"], "--latency"),
    "real latency": (
        ["bench", "--latency", "1", "--model", "openai/x", "--base-url", "http://127.0.0.1:9"],
        "is for the simulated model",
    ),
    "days": (["bench", "--days", "0"], "--days"),
    "app": (["bench", "mealpan"], "No such command"),
    "sequential": (["bench", "--sequential"], "No such option"),
    "format": (
        ["bench", "--format", "html"],
        "html is not a format of mealplan bench; choose from json, jsonl, csv, parquet, md",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2(name, fanfold):
    args, message = WRONG[name]
    done = fanfold(*args, code=2)
    assert message in " ".join(done.stderr.split()).replace("│ ", ""), done.stderr
    assert done.stdout == ""


def test_a_key_without_a_model_is_no_silent_spending(fanfold):
    done = fanfold("bench", environ={"OPENAI_API_KEY": "sk-canary"}, code=2)
    assert "OPENAI_API_KEY is set" in done.stderr


def test_sequential_elsewhere_does_not_make_both_sides_so(fanfold):
    done = fanfold("bench", "--days", "1", "--latency", "0.02", "-q", environ={"FANFOLD_SEQUENTIAL": "1"}, code=0)
    assert json.loads(done.stdout)["sizes"][0]["parallel"]["max_in_flight"] >= 3


def test_ctrl_c_shows_what_was_measured(serve, tmp_path):
    server = serve("--latency", "0.1")
    args = ["-m", "fanfold", "bench", "--model", "openai/sim", "--base-url", server.url, "--format", "json"]
    process = subprocess.Popen(
        [sys.executable, *args],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("days 3, one at a time"):
            process.send_signal(signal.SIGINT)
            break
    stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    first, second = json.loads(stdout)["sizes"]
    assert first["speedup"] is not None and second["speedup"] is None and second["parallel"]["calls"] is None


def test_help_names_the_applications(fanfold):
    assert "mealplan" in fanfold("bench", "--help", code=0).stdout
    text = fanfold("bench", "mealplan", "--help", code=0).stdout
    assert all(option in text for option in ("--days", "--latency", "--model", "--format")) and "--sequential" not in text
