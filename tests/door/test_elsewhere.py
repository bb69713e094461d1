"""Runs that were made from files: gone on with from another folder, and shown when the files are not what they were."""

from __future__ import annotations

import json

import pytest

ROWS = "begrip,definitie\nfiets,\nboek,Een aantal bladen bij elkaar.\n"
CORPUS = "name,ingredients,meal\n" + "".join(f'Dish {n},"{n}00 g oats; {n} apples",breakfast\n' for n in range(1, 7))
ASKED = {
    "voorbeelden": ("--terms", "terms.csv", "--soorten", "synoniemen"),
    "reviews": ("--num-samples", "2", "--compare", "real.csv"),
    "mealplan": ("--days", "2", "--meals", "breakfast", "--strategy", "rag", "--corpus", "corpus.csv"),
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "terms.csv").write_text(ROWS, "utf-8")
    (tmp_path / "real.csv").write_text("text,rating\nA good thing and very nice,5\n", "utf-8")
    (tmp_path / "corpus.csv").write_text(CORPUS, "utf-8")
    (tmp_path / "other").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", list(ASKED))
def test_a_run_is_gone_on_with_from_anywhere(fanfold, files, name):
    made = json.loads(fanfold(name, *ASKED[name], "-q", code=0).stdout)
    again = json.loads(fanfold("resume", "last", "-q", code=0, cwd=files / "other").stdout)
    assert again["report"]["calls"] == made["report"]["calls"], "nothing is made again"
    shown = json.loads(fanfold("runs", "export", "last", code=0, cwd=files / "other").stdout)
    assert {**shown, "report": 0} == {**made, "report": 0}
    assert str(files) not in json.dumps(made)


def test_rows_that_have_moved_are_not_mistaken_for_others(fanfold, files):
    made = json.loads(fanfold("voorbeelden", *ASKED["voorbeelden"], "-q", code=0).stdout)
    (files / "terms.csv").write_text("begrip,definitie\nboek,Een aantal bladen bij elkaar.\nfiets,\n", "utf-8")
    done = fanfold("runs", "export", "last", code=0)
    data = json.loads(done.stdout)
    assert "axes.term: holds other values than when run" in done.stderr and "named by numbers" in done.stderr
    assert [cell["at"] for cell in data["values"]["synoniemen"]] == [{"term": 1}, {"term": 2}]
    told = [cell["value"]["synoniemen"] for cell in data["values"]["synoniemen"]]
    assert told == [term["voorbeelden"]["synoniemen"] for term in made["begrippen"]]


def test_what_was_made_is_there_although_its_file_is_gone(fanfold, files):
    fanfold("voorbeelden", *ASKED["voorbeelden"], "-q", code=0)
    (files / "terms.csv").unlink()
    done = fanfold("runs", "export", "last", "--format", "csv", code=0)
    assert "terms.csv: cannot be read" in done.stderr and done.stdout.startswith("step,term,")
