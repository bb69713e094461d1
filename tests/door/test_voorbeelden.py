"""`fanfold voorbeelden` as its users meet it: files, pipes, formats, exit codes, an interruption."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.door.conftest import clean_environment

KINDS = ["voorbeeldzinnen", "praktijkvoorbeelden", "tegenvoorbeelden", "synoniemen", "antoniemen", "toelichting"]
SIM = ("--model", "openai/sim", "--base-url")
BOOK = ("--begrip", "boek", "--definitie", "Een aantal bladen bij elkaar.")


def test_a_term_over_http(fanfold, serve):
    server = serve("--latency", "0.2", "--slips", "0")
    data = json.loads(fanfold("voorbeelden", "--begrip", "dwangsom", *SIM, server.url, code=0).stdout)
    assert list(data)[:3] == ["begrip", "definitie", "voorbeelden"] and list(data["voorbeelden"]) == KINDS
    assert [len(data["voorbeelden"][kind]) for kind in KINDS[:3]] == [3, 3, 3] and isinstance(
        data["voorbeelden"]["toelichting"], str
    )
    assert data["errors"] == [] and data["fallbacks"] == [] and data["report"]["calls"] == 7 == server.stats()["requests"]
    assert data["report"]["max_in_flight"] >= 3, "six where the machine has nothing else to do"
    one = json.loads(fanfold("voorbeelden", "--begrip", "dwangsom", "--sequential", *SIM, server.url, code=0).stdout)
    assert one["report"]["max_in_flight"] == 1 and one["report"]["calls"] == 7


def test_every_format(fanfold):
    ask = ("voorbeelden", *BOOK, "-q", "--seed", "1", "--no-cache", "--format")
    page = fanfold(*ask, "md", code=0).stdout
    assert page.startswith("# boek\n\n> Een aantal bladen bij elkaar.\n\n## Voorbeeldzinnen\n\n1. ") and page.count("\n## ") == 6
    rows = list(csv.DictReader(io.StringIO(fanfold(*ask, "csv", code=0).stdout)))
    assert list(rows[0]) == ["begrip", "context", "definitie", "soort", "nummer", "tekst"]
    assert list(dict.fromkeys(row["soort"] for row in rows)) == KINDS
    lines = [json.loads(line) for line in fanfold(*ask, "jsonl", code=0).stdout.splitlines()]
    assert [line["tekst"] for line in lines] == [row["tekst"] for row in rows]


def test_each_kind_is_shown_as_soon_as_it_is_there(fanfold):
    lines = [
        json.loads(line) for line in fanfold("voorbeelden", "--begrip", "boek", "--stream", "-q", code=0).stdout.splitlines()
    ]
    assert lines[0]["step"] == "definitie" and sorted(line["step"] for line in lines[1:-1]) == sorted(KINDS)
    assert all(line["cell"] == {"term": {"begrip": "boek"}} and list(line["value"]) == [line["step"]] for line in lines[1:-1])
    ends = [line["elapsed_s"] for line in lines[:-1]]
    assert ends == sorted(ends) and lines[-1]["report"]["accepted"] == 7


def test_a_file_of_terms(fanfold, tmp_path):
    (tmp_path / "terms.csv").write_text(
        "begrip,definitie,context\ndwangsom,,bestuursrecht\nopbellen,Telefonisch contact zoeken.,\n", "utf-8"
    )
    (tmp_path / "terms.jsonl").write_text('{"begrip": "dwangsom"}\n{"begrip": "huis", "context": "wonen"}\n', "utf-8")
    data = json.loads(fanfold("voorbeelden", "--terms", "terms.csv", "-q", code=0).stdout)
    assert [(term["begrip"], term.get("context")) for term in data["begrippen"]] == [
        ("dwangsom", "bestuursrecht"),
        ("opbellen", None),
    ]
    assert data["begrippen"][1]["definitie"] == "Telefonisch contact zoeken." and data["report"]["cells"] == 14
    other = json.loads(fanfold("voorbeelden", "--terms", "terms.jsonl", "--soorten", "synoniemen", "-q", code=0).stdout)
    assert [list(term["voorbeelden"]) for term in other["begrippen"]] == [["synoniemen"]] * 2


def test_what_was_asked_before_comes_from_the_cache(fanfold):
    ask = ("voorbeelden", "--begrip", "boek", "--cache", "--cache-ttl", "3600", "-q")
    first, again = (json.loads(fanfold(*ask, code=0).stdout) for _ in range(2))
    assert first["voorbeelden"] == again["voorbeelden"] and again["report"]["cached"] == 7 and again["report"]["calls"] == 0
    assert json.loads(fanfold(*ask, "--context", "school", code=0).stdout)["report"]["calls"] >= 7


WRONG = {
    "nothing": ([], "geef een begrip (--begrip dwangsom) of een bestand met begrippen"),
    "empty": (["--begrip", " "], "--begrip: het begrip is leeg"),
    "kind": (["--begrip", "a", "--soorten", "synonimen"], "--soorten: er is geen soort 'synonimen' (bedoel je 'synoniemen'?)"),
    "no file": (["--terms", "nowhere.csv"], "nowhere.csv: cannot be read"),
    "row": (["--terms", "terms.csv"], "terms.csv, rij 2: het begrip ontbreekt"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2_before_anything_is_called(name, fanfold, tmp_path):
    args, message = WRONG[name]
    (tmp_path / "terms.csv").write_text("begrip,context\nboom,\n,x\n")
    done = fanfold("voorbeelden", *args, code=2)
    assert message in done.stderr and done.stdout == "" and not (tmp_path / "home" / "runs.db").exists()


def test_a_kind_that_fails_leaves_the_others_and_exit_3(fanfold):
    """With one attempt the mistake of this seed is the end of its kind."""
    done = fanfold("voorbeelden", *BOOK, "--seed", "11", "--no-cache", "--attempts", "1", code=3)
    data = json.loads(done.stdout)
    (error,) = data["errors"]
    failed = error["stage"]
    assert error["code"] == "check_failed" and error["cell"]["term"]["begrip"] == "boek" and data["fallbacks"] == []
    assert data["voorbeelden"][failed] == ("" if failed == "toelichting" else [])
    assert list(data["voorbeelden"]) == KINDS and all(data["voorbeelden"][kind] for kind in KINDS if kind != failed)
    assert error["message"] in done.stderr


def test_it_goes_on_after_it_was_killed(fanfold, serve, tmp_path):
    server = serve("--latency", "0.4", "--slips", "0")
    rows = "".join(f"woord{letter}x\n" for letter in "abcdefgh")
    (tmp_path / "terms.csv").write_text("begrip\n" + rows)
    line = [
        sys.executable,
        "-m",
        "fanfold",
        "voorbeelden",
        "--terms",
        "terms.csv",
        "--max-concurrent",
        "8",
        "--stream",
        *SIM,
        server.url,
    ]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, cwd=tmp_path, env=clean_environment(tmp_path / "home"), text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(12):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    (run,) = json.loads(fanfold("runs", "list", code=0).stdout)
    began = time.monotonic()
    data = json.loads(fanfold("resume", run["run_id"], code=0).stdout)
    assert (
        data["report"]["accepted"] == 56
        and len(data["begrippen"]) == 8
        and all(all(t["voorbeelden"].values()) for t in data["begrippen"])
    )
    assert server.stats()["requests"] <= 56 + 8 + 2 and time.monotonic() - began < 30, "what was paid for is not paid for again"


def test_the_dictionaries_are_loaded_only_for_it(fanfold):
    code = "import sys, fanfold.cli.main as m; sys.argv = ['fanfold', 'mealplan', '--help']\ntry: m.main()\nexcept SystemExit: pass\nprint('simplemma' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
