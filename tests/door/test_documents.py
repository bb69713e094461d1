"""Documents that an application writes itself, asked for by name or by the file's ending."""

from __future__ import annotations

from html.parser import HTMLParser

ARGS = ("mealplan", "--days", "2", "--seed", "3", "--start", "2026-11-23", "--store", ":memory:", "-q")


def test_a_page_and_a_calendar_by_the_files_ending(fanfold, tmp_path):
    for name in ("week.html", "week.HTM", "week.ics"):
        assert fanfold(*ARGS, "--out", name, code=0).stdout == ""
    page = (tmp_path / "week.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>") and "Monday 23 November 2026" in page and page.count("<article") == 6
    HTMLParser().feed(page)
    assert (tmp_path / "week.HTM").read_text("utf-8").startswith("<!DOCTYPE html>")
    calendar = (tmp_path / "week.ics").read_bytes()
    assert calendar.startswith(b"BEGIN:VCALENDAR\r\n") and calendar.endswith(b"END:VCALENDAR\r\n")
    assert calendar.count(b"BEGIN:VEVENT\r\n") == 6 and calendar.count(b"DTSTART:20261124T") == 3


def test_by_name_to_a_pipe_a_folder_and_against_the_ending(fanfold, tmp_path):
    assert fanfold(*ARGS, "--format", "html", code=0).stdout.startswith("<!DOCTYPE html>")
    fanfold(*ARGS, "--format", "ics", "--out", "folder/", code=0)
    fanfold(*ARGS, "--format", "json", "--out", "plan.html", code=0)
    assert (tmp_path / "folder" / "mealplan.ics").read_bytes().startswith(b"BEGIN:VCALENDAR")
    assert (tmp_path / "plan.html").read_text("utf-8").startswith('{\n  "start": "2026-11-23"')


def test_what_an_application_does_not_write_is_refused_before_anything_is_called(fanfold, tmp_path):
    (tmp_path / "toy.yaml").write_text("name: toy\nsteps: {a: {prompt: Name a fruit}}")
    for args, option in ((["--format", "html"], "--format"), (["--out", "x.html"], "--out"), (["--out", "x.ics"], "--out")):
        kind = args[-1].removeprefix("x.")
        refused = fanfold("run", "toy.yaml", *args, code=2).stderr
        assert f"{option}: {kind} is not a format of toy; choose from json, jsonl, csv, parquet, md\n" in refused
    no_pyarrow = {"PYTHONPATH": str(tmp_path / "without")}
    (tmp_path / "without" / "pyarrow").mkdir(parents=True)
    (tmp_path / "without" / "pyarrow" / "__init__.py").write_text("raise ImportError('not here')")
    refused = fanfold(*ARGS, "--out", "week.parquet", environ=no_pyarrow, code=2).stderr
    assert "--out: Parquet needs pyarrow, which is not installed (install it: pip install 'fanfold[parquet]')" in refused
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.yaml", "without"], "nothing was begun"


def test_help_names_them(fanfold):
    words = " ".join(fanfold("mealplan", "--help", code=0).stdout.replace("│", " ").split())
    assert (
        "json, jsonl, csv, parquet, md, html or ics [md on a terminal, else json, or by the file's ending]." in words
        and "--start" in words
    )
    words = " ".join(fanfold("run", "--help", code=0).stdout.replace("│", " ").split())
    assert "json, jsonl, csv, parquet or md [md on a terminal" in words
