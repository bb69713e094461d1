"""Mistakes in plan files: each is said with its line, its path and what to do, before anything is called. Editors see most of them, too."""

from __future__ import annotations

import re
from typing import NamedTuple

import jsonschema_rs
import pytest

from fanfold import PlanError
from fanfold.cli.main import _run_plan
from fanfold.files import parse_yaml
from fanfold.planfile.schema import plan_schema

SCHEMA = jsonschema_rs.validator_for(plan_schema())


class Mistake(NamedTuple):
    """lines: of the plan, without its name. line: where it is said to be, from 1. said: a pattern. seen: whether an editor sees it."""

    text: str
    line: int
    said: str
    seen: bool = True


def step(*words: str) -> str:
    """A plan of one step; its own words begin at line 4."""
    return "name: toy\nsteps:\n  a:\n" + "".join(f"    {word}\n" for word in words)


def on_top(*words: str) -> str:
    """A sound step, and these words from line 4 on."""
    return "steps:\n  a:\n    prompt: Say it.\n" + "".join(f"{word}\n" for word in words)


MISTAKES = {
    # the plan
    "a list": Mistake("- a\n", 1, "plan: is a mapping of words"),
    "empty": Mistake("# nothing\n", 1, r"plan: is empty \(it holds words such as name, axes"),
    "a word that is none": Mistake(on_top("stepz: {}"), 4, r"stepz: is not a word of a plan \(did you mean 'steps'"),
    "no steps": Mistake("name: toy\naxes: {n: 1..3}\n", 1, r"steps: a plan has steps, by name \(write steps"),
    "steps as a list": Mistake("name: toy\nsteps:\n  - prompt: x\n", 2, "steps: a plan has steps, by name"),
    "a step that is empty": Mistake("name: toy\nsteps:\n  a:\n", 3, r"steps\.a: is empty"),
    "a name that is none": Mistake("steps:\n  my step: {prompt: x}\n", 2, r"steps\.my step: 'my step' is not a usable name"),
    "a step called value": Mistake("steps:\n  value: {prompt: x}\n", 2, "is a reserved name", seen=False),
    "twice": Mistake("steps:\n  a: {prompt: x}\n  a: {prompt: y}\n", 3, "'a' is given twice"),
    "a tab": Mistake("steps:\n\ta: x\n", 2, "is not valid YAML"),
    "a tag": Mistake("name: toy\nsteps: !!python/object:os.system {}\n", 2, "is not valid YAML"),
    # axes
    "a range backwards": Mistake(on_top("axes:", "  m: [a]", "  n: 5..1"), 6, r"axes\.n: '5\.\.1' is not a range", seen=False),
    "an axis of another kind": Mistake(on_top("axes:", "  n: {cout: 3}"), 5, r"axes\.n: an axis is .* \(did you mean 'count'"),
    "a count that is none": Mistake(on_top("axes:", "  n: {count: many}"), 5, r"axes\.n\.count: a whole number is needed, not 'many'"),
    "a count of 0": Mistake(on_top("axes:", "  n:", "    count: 0"), 6, r"axes\.n\.count: a count is a whole number from 1"),
    "no values": Mistake(on_top("axes:", "  n: []"), 5, r"axes\.n: the axis has no values"),
    "a value twice": Mistake(on_top("axes:", "  n: [a, b, a]"), 5, r"axes\.n: the value 'a' stands twice", seen=False),
    "a file that is not there": Mistake(on_top("axes:", "  n: {file: no.csv}"), 5, r"axes\.n\.file: no\.csv: cannot be read", seen=False),
    "a file of another kind": Mistake(on_top("axes:", "  n: {file: rows.docx}"), 5, r"rows are read from \.csv", seen=False),
    "each of no step": Mistake(on_top("axes:", "  n: {each: outline.parts}"), 5, r"axes\.n\.each: there is no step 'outline'", seen=False),
    "each of no field": Mistake(
        "axes:\n  n: {each: a.parts}\nsteps:\n  a: {prompt: x, output: {title: str}}\n", 2, r"axes\.n\.each: parts: there is no field", seen=False,
    ),
    "a given that is none": Mistake(on_top("given: {days: 3}", "axes:", "  n: {count: '{dayz}'}"), 6, r"\{dayz\} is not a given \(did you mean 'days'", seen=False),
    # steps
    "no prompt": Mistake(step("output: str"), 3, r"steps\.a\.prompt: a step has a prompt"),
    "a prompt that is a list": Mistake(step("prompt: [x]"), 4, r"steps\.a\.prompt: a step has a prompt: a text"),
    "an empty prompt": Mistake(step("prompt: ' '"), 4, r"steps\.a\.prompt: the prompt is empty", seen=False),
    "a word of a step": Mistake(step("prompt: x", "promt: y"), 5, r"steps\.a\.promt: is not a word of a plan \(did you mean 'prompt'"),
    "a name in a prompt": Mistake(step("output: str", "prompt: About {topc}", "") + "given: {topic: x}\n", 5, r"\{topc\} is not a given", seen=False),
    "a field in a prompt": Mistake(
        "steps:\n  a: {prompt: x, output: {title: str}}\n  b:\n    prompt: About {a.titel}\n", 4, r"no field 'titel' \(did you mean 'title'", seen=False,
    ),
    "over no axis": Mistake(step("prompt: x", "over: n"), 5, r"steps\.a\.over: there is no axis 'n'", seen=False),
    "over a mapping": Mistake(step("prompt: x", "over: {n: 1}"), 5, r"steps\.a\.over: is a list"),
    "a step that needs itself": Mistake(step("prompt: x", "needs: a"), 5, r"steps\.a\.needs: step 'a' needs itself", seen=False),
    "a circle": Mistake("steps:\n  a: {prompt: '{b}'}\n  b: {prompt: '{a}'}\n", 2, "need each other in a circle", seen=False),
    "attempts in words": Mistake(step("prompt: x", "attempts: five"), 5, r"steps\.a\.attempts: attempts is a whole number"),
    "a priority": Mistake(step("prompt: x", "priority: urgent"), 5, r"steps\.a\.priority: 'urgent'"),
    "a time": Mistake(step("prompt: x", "timeout_s: -1"), 5, r"steps\.a\.timeout_s"),
    "sampling as a list": Mistake(step("prompt: x", "sampling: [1]"), 5, r"steps\.a\.sampling: is a mapping"),
    "a model without a provider": Mistake(step("prompt: x", "model: gpt-4o-mini"), 5, r"steps\.a\.model: 'gpt-4o-mini' is not provider/name"),
    "a provider that is none": Mistake(step("prompt: x", "model: opnai/gpt-4o"), 5, r"steps\.a\.model: unknown provider 'opnai'"),
    "half a chain": Mistake(step("prompt: x", "model: 'sim/a |'"), 5, r"nothing stands on one side of a \|"),
    "a judge's word": Mistake(step("prompt: x", "judge:", "  prompt: y", "  verses: z"), 7, r"steps\.a\.judge\.verses: .*did you mean 'versus'"),
    "a judge without a prompt": Mistake(step("prompt: x", "judge: {model: sim/x}"), 5, r"steps\.a\.judge\.prompt: a judge has a prompt"),
    # types
    "a type that is none": Mistake(step("prompt: x", "output: strr"), 5, r"steps\.a\.output: there is no type 'strr' \(one of str, markdown"),
    "a type inside": Mistake(step("prompt: x", "output:", "  title: str", "  lines: list[st]"), 7, r"steps\.a\.output\.lines: there is no type"),
    "a choice of nothing": Mistake(step("prompt: x", "output: []"), 5, r"steps\.a\.output: a choice is a list"),
    "a list as a choice": Mistake(step("prompt: x", "output: [str]"), 5, r"\[str\] is a choice of one \(write list\[str\]", seen=False),
    "a name of a field": Mistake(step("prompt: x", "output:", "  my title: str"), 6, r"output\.my title: is not a usable field name"),
    "bounds of a flag": Mistake(step("prompt: x", "output:", "  ok:", "    type: bool", "    min: 1"), 8, r"output\.ok\.min: numbers, texts and lists", seen=False),
    "bounds that cross": Mistake(step("prompt: x", "output:", "  n: {type: int, min: 5, max: 1}"), 6, "min 5 is above max 1", seen=False),
    "a range of a type": Mistake(step("prompt: x", "output: {stars: 5..1}"), 5, r"5\.\.1 is not a range", seen=False),
    "a word of a type": Mistake(step("prompt: x", "output:", "  n:", "    type: int", "    minn: 1", "    max: 3"), 8, r"output\.n\.minn: 1 is not a type"),
    "a schema that is none": Mistake(step("prompt: x", "output:", "  type: object", "  properties: {n: {type: intt}}"), 7, "there is no type 'intt'", seen=False),
    "a slow pattern": Mistake(step("prompt: x", "output:", r"  n: {type: str, pattern: '(?=a)b'}"), 6, "look-around", seen=False),
    # checks, unique, facets, candidates
    "a check that is none": Mistake(step("prompt: x", "checks:", "  - lenght: {max: 1}"), 6, r"checks\[0\]: there is no check 'lenght' \(did you mean"),
    "a parameter of a check": Mistake(step("prompt: x", "checks:", "  - no_repeats", "  - length: {most: 1}"), 7, r"checks\[1\]\.length: 'most' is no parameter"),
    "a check without bounds": Mistake(step("prompt: x", "checks: [length]"), 5, r"checks\[0\]\.length: give min, max or both"),
    "a bound in words": Mistake(step("prompt: x", "checks:", "  - words:", "      max: ten"), 7, r"words\.max: a whole number from 0 is needed, not 'ten'"),
    "bounds the wrong way": Mistake(step("prompt: x", "checks: [{items: {min: 3, max: 2}}]"), 5, "min 3 is above max 2", seen=False),
    "a field of a check": Mistake(step("prompt: x", "output: {title: str}", "checks: [{length: {max: 9, of: titel}}]"), 6, r"length\.of: .*'titel'", seen=False),
    "a pattern": Mistake(step("prompt: x", "checks: [{matches: '(a'}]"), 5, r"checks\[0\]\.matches: '\(a' is not a pattern", seen=False),
    "a language": Mistake(step("prompt: x", "checks: [{language: klingon}]"), 5, "there is no language 'klingon'", seen=False),
    "two checks in one": Mistake(step("prompt: x", "checks: [{length: {max: 9}, words: {max: 3}}]"), 5, "a check is one name with its parameters"),
    "unique by no field": Mistake(step("prompt: x", "output: {title: str}", "unique: {by: titel}"), 6, r"steps\.a\.unique", seen=False),
    "nearer than near": Mistake(step("prompt: x", "unique: {near: 7}"), 5, r"steps\.a\.unique\.near"),
    "a key is code": Mistake(step("prompt: x", "unique: {key: embed}"), 5, "a plan file holds no code"),
    "facets without lists": Mistake(step("prompt: x", "facets: {tone: calm}"), 5, r"facets\.tone: the values of a facet are a list"),
    "candidates of both": Mistake(step("prompt: '{candidates}'", "candidates: {values: [a], file: b.csv}"), 5, "candidates are values or a file"),
    "candidates unsaid": Mistake(step("prompt: x", "candidates: [a]"), 4, "its prompt does not name them", seen=False),
    # givens and how to run
    "a given and an axis": Mistake(on_top("given: {n: 1}", "axes: {n: 1..3}"), 4, r"given\.n: 'n' is both a given and an axis", seen=False),
    "a parameter's type": Mistake(on_top("parameters:", "  days: {type: number of days}"), 5, r"parameters\.days\.type: there is no type"),
    "a parameter's default": Mistake(on_top("parameters:", "  days: {default: 40, max: 31}"), 5, r"parameters\.days\.default: is 40, at most 31", seen=False),
    "a parameter without a value": Mistake(on_top("parameters:", "  topic: str"), 5, r"parameters\.topic: has no default.* \(give --topic", seen=False),
    "a limit of nothing": Mistake(on_top("limits: {rpn: 5}"), 4, r"limits\.rpn: is not a word of a plan \(did you mean 'rpm'"),
    "a limit of 0": Mistake(on_top("limits:", "  rpm: 0"), 5, r"limits\.rpm: a whole number from 1 is needed"),
    "a limit of another model": Mistake(on_top("model: sim/a", "limits:", "  sim/b: {rpm: 5}"), 6, r"limits\.sim/b: no step calls this model", seen=False),
    "a budget": Mistake(on_top("budget_usd: lots"), 4, "budget_usd: a number above 0 is needed, not 'lots'"),
    "a deadline": Mistake(on_top("deadline: [1]"), 4, "deadline: one value is needed, not a list"),
    "a cache": Mistake(on_top("cache: maybe"), 4, "cache: true or false is needed"),
    "concurrent": Mistake(on_top("concurrent: 0"), 4, "concurrent: a whole number from 1 is needed"),
}  # fmt: skip


def test_there_are_enough():
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_said_with_its_line(name, tmp_path, monkeypatch):
    mistake = MISTAKES[name]
    monkeypatch.setenv("FANFOLD_HOME", str(tmp_path / "home"))
    path = tmp_path / "toy.yaml"
    path.write_text(mistake.text)
    with pytest.raises(PlanError) as caught:
        _run_plan({"plan": str(path), "model": None, "quiet": True})
    said = str(caught.value).removeprefix(str(tmp_path) + "/")
    assert said.startswith(f"toy.yaml:{mistake.line}: "), said
    assert re.search(mistake.said, said), said
    assert not (tmp_path / "home").exists(), "nothing was begun"


@pytest.mark.parametrize("name", [name for name, mistake in MISTAKES.items() if mistake.seen])
def test_an_editor_sees_it(name):
    try:
        data = parse_yaml(MISTAKES[name].text, "toy.yaml")
    except PlanError:
        return  # no YAML at all: seen, too
    assert not SCHEMA.is_valid(data)


@pytest.mark.parametrize("name", [name for name, mistake in MISTAKES.items() if not mistake.seen])
def test_what_an_editor_cannot_see_is_known(name):
    assert SCHEMA.is_valid(parse_yaml(MISTAKES[name].text, "toy.yaml")), "it sees it: mark it as seen"


def test_the_program_ends_with_2(fanfold, tmp_path):
    (tmp_path / "toy.yaml").write_text(MISTAKES["a field of a check"].text)
    for command in ("run", "plan"):
        said = fanfold(command, "toy.yaml", code=2).stderr
        assert (
            said == "fanfold: toy.yaml:6: steps.a.checks[0].length.of: titel: there is no field 'titel' (did you mean 'title'?)\n"
        )


def test_a_bad_row_is_said_with_both_lines(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3\n")
    path = tmp_path / "toy.yaml"
    path.write_text(on_top("axes:", "  n: {file: rows.csv}"))
    with pytest.raises(PlanError, match=r"toy\.yaml:5: axes\.n\.file: rows\.csv:3: has 1 fields"):
        _run_plan({"plan": str(path)})


def test_what_was_given_on_the_command_line_has_no_line(fanfold, tmp_path):
    (tmp_path / "toy.yaml").write_text(on_top("model: sim/a"))
    assert fanfold("run", "toy.yaml", "--model", "x", code=2).stderr.startswith("fanfold: model: 'x' is not provider/name")
