"""Rows at the command line: formats, files, folders, pipes, and runs that are exported again."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pyarrow.parquet as pq

from tests.door.conftest import clean_environment

PLAN = """
name: terms
axes: {row: {file: terms.csv}}
steps:
  meaning: {over: row, prompt: "Define {row.term}.", output: {title: str, words: list[str], n: int}}
  last: {prompt: "Sum up: {meaning}"}
"""
COLUMNS = [
    "step", "row.term", "row.lang", "state", "title", "words", "n", "value", "error", "message", "hint", "model", "attempts", "calls",
    "elapsed_s", "tokens_in", "tokens_out", "cost_usd",
]  # fmt: skip


def written(tmp_path):
    (tmp_path / "terms.csv").write_text("term,lang\nijs,nl\n=fire,en\n")
    (tmp_path / "plan.yaml").write_text(PLAN)


def test_a_plan_as_rows_in_every_format(fanfold, tmp_path):
    written(tmp_path)
    for name in ("r.csv", "r.jsonl", "r.parquet"):
        done = fanfold("run", "plan.yaml", "--seed", "1", "--out", name, code=0)
        assert done.stdout == "" and f"Written to {name}" in done.stderr
    lines = list(csv.reader(io.StringIO((tmp_path / "r.csv").read_text())))
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    table = pq.read_table(tmp_path / "r.parquet")
    assert lines[0] == list(rows[0]) == table.column_names == COLUMNS and len(lines) - 1 == len(rows) == len(table) == 3
    assert [line[1] for line in lines[1:]] == ["ijs", "'=fire", ""] and [row["row.term"] for row in rows] == [
        "ijs",
        "=fire",
        None,
    ]
    assert (
        table.column("title").to_pylist() == [row["title"] for row in rows] and table.column("words").type.value_type == "string"
    )
    assert rows[2]["value"] and rows[0]["value"] is None and {row["state"] for row in rows} == {"accepted"}


def test_rows_into_a_pipe_and_into_a_folder(fanfold, tmp_path):
    written(tmp_path)
    (tmp_path / "runs").mkdir()
    fanfold("run", "plan.yaml", "--seed", "1", "--out", "runs/", "--format", "parquet", code=0)
    assert pq.read_table(tmp_path / "runs" / "terms.parquet").column_names == COLUMNS
    assert fanfold("run", "plan.yaml", "--format", "csv", "--quiet", code=0).stdout.startswith("step,row.term")
    piped = subprocess.run(
        [sys.executable, "-m", "fanfold", "run", "plan.yaml", "--format", "parquet", "--quiet"], capture_output=True, check=True,
        cwd=tmp_path, env=clean_environment(tmp_path / "home"), timeout=60,
    )  # fmt: skip
    (tmp_path / "piped.parquet").write_bytes(piped.stdout)
    assert len(pq.read_table(tmp_path / "piped.parquet")) == 3


def test_a_run_is_exported_again(fanfold, tmp_path):
    written(tmp_path)
    fanfold("run", "plan.yaml", "--seed", "1", "--out", "r.jsonl", code=0)
    for name in ("again.jsonl", "again.csv", "again.parquet"):
        fanfold("runs", "export", "last", "--out", name, code=0)
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "r.jsonl").read_text()
    assert fanfold("runs", "export", "last", "--format", "csv", code=0).stdout == (tmp_path / "again.csv").read_text()
    assert pq.read_table(tmp_path / "again.parquet").column_names == COLUMNS
    (tmp_path / "plan.yaml").unlink()
    assert fanfold("runs", "export", "last", "--format", "csv", code=0).stdout == (tmp_path / "again.csv").read_text()


def test_the_rows_of_an_application(fanfold, tmp_path):
    """Its own content, one row a meal."""
    fanfold("mealplan", "--days", "1", "--seed", "1", "--out", "week.parquet", code=0)
    fanfold("mealplan", "--days", "1", "--seed", "1", "--out", "week.jsonl", code=0)
    rows = [json.loads(line) for line in (tmp_path / "week.jsonl").read_text().splitlines()]
    assert [row["name"] for row in pq.read_table(tmp_path / "week.parquet").to_pylist()] == [row["name"] for row in rows]


def test_rows_that_cannot_be_written(fanfold, tmp_path):
    written(tmp_path)
    done = fanfold("run", "plan.yaml", "--out", "/dev/full", "--format", "csv", code=4)
    assert "cannot be written to /dev/full: No space left on device" in done.stderr


def test_a_parquet_file_as_an_axis(fanfold, tmp_path):
    written(tmp_path)
    fanfold("run", "plan.yaml", "--seed", "1", "--out", "in.parquet", code=0)
    (tmp_path / "next.yaml").write_text(
        "name: next\naxes: {r: {file: in.parquet}}\nsteps: {a: {over: r, prompt: 'On {r.title}, {r.words}'}}"
    )
    rows = [json.loads(line) for line in fanfold("run", "next.yaml", "--format", "jsonl", "--quiet", code=0).stdout.splitlines()]
    assert len(rows) == 3 and isinstance(rows[0]["r.words"], list) and rows[2]["r.words"] is None
