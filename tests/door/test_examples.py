"""The example plan files run, each as its first lines say, and the documentation's plans are plans."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from fanfold.files import parse_yaml
from fanfold.planfile import STEP_KEYS, plan_from, read_plan
from fanfold.planfile.reading import Scope
from fanfold.planfile.running import run_words
from fanfold.spec.compile import compile_plan

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))
PAGE = (ROOT / "docs" / "plans.md").read_text("utf-8")


@pytest.fixture
def run(fanfold, tmp_path):
    """The example's own command, on the simulated provider: what it wrote, and its report."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")

    def command(name: str, *more: str) -> str:
        found = re.search(r"^# (fanfold run .*)$", (ROOT / "examples" / f"{name}.yaml").read_text("utf-8"), re.MULTILINE)
        assert found, f"{name} does not say how it is run"
        words = re.findall(r'"([^"]*)"|(\S+)', found[1])
        args = [quoted or bare for quoted, bare in words][1:]
        done = fanfold(*args, "--model", "sim/default", "--seed", "3", "--store", ":memory:", *more, code=0)
        out = args[args.index("--out") + 1] if "--out" in args else None
        return (tmp_path / out).read_text("utf-8") if out else done.stdout

    return command


def test_every_example_is_run_here():
    assert EXAMPLES == ["begrippen", "enrich", "haiku", "report", "reviews"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_plan_and_names_its_schema(name):
    path = ROOT / "examples" / f"{name}.yaml"
    text = path.read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema=../docs/plan.schema.json\n")
    assert read_plan(path).plan.name == name
    assert isinstance(yaml.safe_load(text), dict), "editors read plain YAML"


def test_haiku(run):
    done = json.loads(run("haiku"))
    assert len({cell["value"]["title"].casefold() for cell in done["values"]["haiku"]}) == 20
    assert all(len(cell["value"]["title"]) <= 60 for cell in done["values"]["haiku"])
    assert done["values"]["anthology"][0]["value"]


def test_a_nested_report(run):
    text = run("report", "--format", "json")
    done = json.loads(text)["values"]
    assert [cell["at"] for cell in done["outline"]] == [{"subject": "bees"}, {"subject": "tides"}]
    for outline in done["outline"]:
        sections = [cell for cell in done["section"] if cell["at"]["subject"] == outline["at"]["subject"]]
        assert len(sections) == len(outline["value"]["sections"]) and 2 <= len(sections) <= 4


def test_reviews(run):
    rows = [json.loads(line) for line in run("reviews").splitlines()]
    stars = [row["facet.stars"] for row in rows]
    assert len(rows) == 12 and set(stars) == {1, 2, 3, 4, 5} and max(map(stars.count, stars)) <= 3
    assert not any(row["facet.stars"] == 5 and row["facet.tone"] == "angry" for row in rows)


def test_a_table_gets_more_columns(run):
    rows = list(csv.DictReader(run("enrich").splitlines()))
    assert len(rows) == 6 and all(row["state"] == "accepted" for row in rows)
    assert {row["sector"] for row in rows} <= {"food", "software", "transport", "health", "culture", "other"}
    assert all(0 <= float(row["confidence"]) <= 1 and len(row["summary"]) <= 160 for row in rows)


def test_a_term_in_six_kinds_of_examples(run):
    done = json.loads(run("begrippen"))
    assert list(done["values"]) == [
        "definitie", "voorbeeldzinnen", "praktijkvoorbeelden", "tegenvoorbeelden", "synoniemen", "antoniemen", "toelichting",
    ]  # fmt: skip
    assert all(len(cells) == 1 for cells in done["values"].values()) and not done["errors"]


# ---------------------------------------------------------------- the page


PLANS = list(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize("number", range(len(PLANS)))
def test_a_plan_of_the_documentation(number):
    data = parse_yaml(PLANS[number], "docs/plans.md")
    given = {"topic": "tulips"} if "parameters" in data else {}
    plan = plan_from(data, given)
    assert compile_plan(plan).steps
    run_words(data, Scope(plan.given))


def test_every_word_has_an_example_that_is_true():
    """The tables' examples: words on top beside a plain step, words of a step inside of one."""
    for section, inside in (("## The words on top", False), ("## The words of a step", True)):
        table = PAGE.split(section)[1].split("\n### ")[0]
        rows = re.findall(r"^\| (`[^|]*`) \| .* \| `(.*)` \|$", table, re.MULTILINE)
        for words, example in rows:
            said = parse_yaml(example.replace("\\|", "|"), "docs")
            assert set(said) <= {word.strip("` ") for word in words.split(",")}, words
            if not inside:
                compile_plan(plan_from({"steps": {"a": {"prompt": "x"}}, **said}))
                run_words(said, Scope())
                continue
            if "file" in str(said.get("candidates")):
                continue  # run as examples/reviews.yaml
            step = {"prompt": "{season}", "output": {"title": "str"}, **said, "over": ["season", "n"]}
            plan_from({"axes": {"season": ["spring"], "n": 2}, "steps": {"a": step, "outline": {"prompt": "x"}}})
    assert len(rows) == len(STEP_KEYS)


def test_the_message_that_is_shown_is_the_one(fanfold, tmp_path):
    shown = re.search(r"^fanfold: haiku\.yaml:.*$", PAGE, re.MULTILINE)
    (tmp_path / "haiku.yaml").write_text(
        "name: haiku\naxes: {n: 1..5}\nsteps:\n  haiku:\n    over: n\n    prompt: Write one.\n    checks: [{lenght: {max: 60}}]\n"
    )
    assert shown is not None and fanfold("run", "haiku.yaml", code=2).stderr == shown[0] + "\n"
