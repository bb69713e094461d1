"""The words of a plan file one by one: output types, checks, parameters, how to run; and the schema that editors read."""

from __future__ import annotations

import datetime
import json
import re
import time
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import pytest
from pydantic import TypeAdapter, ValidationError

from fanfold import Limits, Markdown, PlanError
from fanfold.cli.planopts import _file
from fanfold.core.checks import NAMED
from fanfold.files import parse_yaml
from fanfold.planfile import PLAN_KEYS, STEP_KEYS, _models_exist, load_plan, overruled, plan_from, read_plan, type_from
from fanfold.planfile.checks import CHECKS, check_from
from fanfold.planfile.reading import Scope
from fanfold.planfile.schema import plan_schema, written
from fanfold.spec.compile import compile_plan

ROOT = Path(__file__).parent.parent.parent
SCHEMA = jsonschema_rs.validator_for(plan_schema())


def typed(text: str) -> Any:
    return type_from(parse_yaml(text, "p"), "output", "thing")


def fits(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


# ---------------------------------------------------------------- output


TYPES: list[tuple[str, list[Any], list[Any]]] = [
    ("1..5", [1, 5], [0, 6, 2.5, "x"]),
    ("-3..0", [-3, 0], [1]),
    ("1..5?", [1, None], [6]),
    ("list[1..5]", [[], [1, 5]], [[6]]),
    ("date", ["2026-02-28"], ["2026-02-30", "soon"]),
    ("time?", ["12:30", None], ["25:00"]),
    ("datetime", ["2026-02-28T12:30:00Z"], ["noon"]),
    ("[calm, 7]", ["calm", 7], ["dry", "7"]),
    ("[[calm, dry]]", [[], ["calm", "dry", "calm"]], ["calm", ["wild"]]),
    ("[{name: str, age: int?}]", [[], [{"name": "a"}], [{"name": "a", "age": None}]], [{"name": "a"}, [{"age": 1}]]),
    ("{type: int, min: 1, max: 5}", [1, 5], [0, 6]),
    ("{type: float, max: 0.5}", [0.5, -3], [0.6]),
    ("{type: str, min: 2, max: 4}", ["ab"], ["a", "abcde"]),
    ("{type: str, pattern: '^[A-Z]{2}$'}", ["NL"], ["nl", "NLD"]),
    ("{type: 'list[str]', min: 1, max: 2}", [["a"]], [[], ["a", "b", "c"]]),
    ("{type: [{name: str}], min: 1}", [[{"name": "a"}]], [[]]),
    ("{type: [a, b], description: One of two.}", ["a"], ["c"]),
    ("{type: str, optional: true}", ["a", None], [1]),
    ("{type: int?, min: 3}", [3, None], [2]),
    ("{type: {name: str}, description: A person.}", [{"name": "x"}], [{}]),
    ("{type: str, description: str}", [{"type": "a", "description": "b"}], ["a", {"type": "a"}]),
    ("{n: {type: integer, minimum: 3}}", [{"n": 3}], [{"n": 2}]),
    ("{n: {enum: [1, 2], type: [string, integer]}, note: str?}", [{"n": {"enum": 1, "type": "string"}}], [{"n": 1}, {}]),
]


@pytest.mark.parametrize(("text", "good", "bad"), TYPES, ids=[text for text, *_ in TYPES])
def test_a_type(text, good, bad):
    kind = typed(text)
    assert [value for value in good if not fits(kind, value)] == []
    assert [value for value in bad if fits(kind, value)] == []
    assert SCHEMA.is_valid({"steps": {"a": {"prompt": "x", "output": parse_yaml(text, "p")}}})


def test_descriptions_and_bounds_are_told_to_the_model():
    kind = typed("{title: {type: str, max: 60, description: Short and kind.}, stars: 1..5, when: date?, text: markdown}")
    schema = TypeAdapter(kind).json_schema()
    assert schema["properties"]["title"] == {
        "description": "Short and kind.",
        "maxLength": 60,
        "title": "Title",
        "type": "string",
    }
    assert (schema["properties"]["stars"]["minimum"], schema["properties"]["stars"]["maximum"]) == (1, 5)
    assert schema["required"] == ["title", "stars", "text"], "what is optional may be left out"
    value = kind(title="a", stars=1, text="b")
    assert type(value.text) is Markdown
    assert value.when is None and kind(title="a", stars=1, text="b", when=datetime.date(2026, 1, 2)).when.year == 2026


def test_a_list_of_mappings_can_be_an_axis():
    plan = compile_plan(
        plan_from(
            parse_yaml(
                "axes: {p: {each: a.parts}}\nsteps:\n  a: {prompt: x, output: {parts: [{name: str}]}}\n  b: {over: p, prompt: '{p.name}'}",
                "p",
            )
        )
    )
    assert plan.steps[1].needs == ("a",)


def test_plain_words():
    assert (typed("markdown"), typed("text"), typed("[a, 1]")) == (Markdown, str, Literal["a", 1])


# ---------------------------------------------------------------- checks


def check(text: str, given: dict[str, Any] | None = None) -> Any:
    return check_from(parse_yaml(text, "p"), "checks[0]", str, Scope(given or {}))


def test_a_check_takes_its_first_parameter_alone_and_givens():
    assert check("{excludes: [nuts]}")("Nuts") == "the text must not contain 'nuts'"
    assert check("{words: {max: '{most}'}}", {"most": 1})("a b") == "number of words is 2, at most 1 is allowed"
    assert check("{one_of: '{kinds}'}", {"kinds": ["a"]})("b") == "the value must be one of a"
    assert check("{cites: {ids: {evidence}, min: 1}}", {"evidence": [{"id": "E1"}]})("[E1]") is None
    assert check("no_repeats").__name__ == "no_repeats"


def test_a_pattern_is_of_the_whole_text():
    assert check(r"{matches: '[A-Z]\w+'}")("Stew") is None
    assert check(r"{matches: '[A-Z]\w+'}")("Stew.") == r"the text must match [A-Z]\w+"
    assert check("{matches: 'a|b'}")("ac") is not None
    assert CHECKS["matches"](pattern="S.*", of="name")({"name": "Ragout"}) == "name must match S.*"


def test_no_answer_makes_a_pattern_slow():
    """Of the usual kind of engine, these would take longer than the universe has."""
    began = time.perf_counter()
    for pattern in ("(a+)+b", "(a|a)*b", "(a|aa)+$b", "(.*a){12}b"):
        assert check(f"{{matches: '{pattern}'}}")("a" * 5_000) is not None
    assert time.perf_counter() - began < 5


def test_a_json_schema_as_a_check():
    checked = CHECKS["json_schema"](schema={"type": "object", "properties": {"n": {"multipleOf": 5}}})
    assert checked({"n": 10}) is None
    assert checked({"n": 7}) == "the answer: n: 7 is not a multiple of 5"
    assert check("{json_schema: {type: string, minLength: 3}}")("ab") is not None


def test_every_check_is_told_of_in_the_documentation_and_the_schema():
    told = (ROOT / "docs" / "plans.md").read_text("utf-8")
    for name in CHECKS:
        assert f"| `{name}` |" in told, name
    assert set(NAMED) < set(CHECKS)
    assert {next(iter(way["properties"])) for way in plan_schema()["$defs"]["check"]["anyOf"][1:]} == set(CHECKS)


# ---------------------------------------------------------------- givens and parameters


PLAN = """
given: {tone: calm, days: 3, ratio: 0.5, deep: false, kinds: [a, b], about: {who: x}, any: null}
parameters:
  topic: {type: str, help: What it is about.}
  size: {default: 5, min: 1, max: 9}
  mood: {choices: [calm, wild], default: calm}
steps: {a: {prompt: "{topic} {tone}"}}
"""


def given(**told: Any) -> dict[str, Any]:
    return dict(plan_from(parse_yaml(PLAN, "p"), {"topic": "t", **told}).given)


def test_givens_are_read_in_their_own_kind():
    told = given(tone="7", days="7", ratio="2", deep="yes", kinds="x, 3", about="{who: me}", any="[1]", size="9")
    assert told == {
        "tone": "7",
        "days": 7,
        "ratio": 2.0,
        "deep": True,
        "kinds": ["x", 3],
        "about": {"who": "me"},
        "any": [1],
        "topic": "t",
        "size": 9,
        "mood": "calm",
    }
    assert given(kinds="[p, q]")["kinds"] == ["p", "q"] and given(kinds=["z"], days=4)["kinds"] == ["z"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"days": "many"}, "--set days: a whole number is needed, not 'many'"), ({"ratio": "x"}, "a number is needed"),
        ({"deep": "perhaps"}, "true or false"), ({"about": "x"}, "a mapping is needed"), ({"size": "10"}, "at most 9"), ({"size": "0"}, "at least 1"),
        ({"mood": "sad"}, "one of calm, wild"), ({"dayz": 1}, "did you mean 'days'"), ({"days": [1]}, "a whole number is needed"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(told, said):
    with pytest.raises(PlanError, match=re.escape(said)):
        given(**told)


def test_givens_are_options_of_their_own(fanfold, tmp_path):
    (tmp_path / "p.yaml").write_text(PLAN.replace("ratio: 0.5", "seed: 4") + "axes: {n: {count: '{days}'}}\n")
    shown = " ".join(fanfold("run", "p.yaml", "--help", code=0).stdout.replace("│", " ").split())
    assert "--days INTEGER [default: 3]" in shown and "--tone TEXT [default: calm]" in shown and "--deep --no-deep" in shown
    assert "--topic TEXT What it is about. [required]" in shown and "[1..9] [default: 5]" in shown
    assert "The only way for seed: --seed is the run's own option." in shown
    assert "--tone" not in fanfold("run", "--help", code=0).stdout
    plan = json.loads(fanfold("plan", "p.yaml", "--days", "4", "--topic", "x", "--format", "json", code=0).stdout)
    assert plan["cells"] == 1
    assert "--days INTEGER" in " ".join(fanfold("plan", "p.yaml", "--help", code=0).stdout.replace("│", " ").split())
    common = ("--store", ":memory:", "--format", "json", "--topic", "tulips")
    done = fanfold("run", "p.yaml", *common, "--deep", "--seed", "5", code=0)
    assert done.stderr.startswith("--seed is the run's own option; the plan's given of that name is --set seed=4\n")
    assert "is needed, not 'x'" in fanfold("run", "p.yaml", *common, "--about", "x", code=2).stderr
    assert "--days: clashes with --set days" in fanfold("run", "p.yaml", *common, "--days", "2", "--set", "days=2", code=2).stderr
    assert "Invalid value for '--days'" in fanfold("run", "p.yaml", *common, "--days", "x", code=2).stderr
    assert "--size: is 12, at most 9" in fanfold("run", "p.yaml", *common, "--size", "12", code=2).stderr
    assert "parameters.topic: has no default" in fanfold("run", "p.yaml", code=2).stderr


def test_options_before_the_plan_and_a_plan_that_is_broken(fanfold, tmp_path):
    (tmp_path / "p.yaml").write_text("given: {days: 2}\naxes: {n: {count: '{days}'}}\nsteps: {a: {over: n, prompt: x}}")
    (tmp_path / "q.yaml").write_text("given: [")
    assert json.loads(fanfold("plan", "--days", "5", "p.yaml", "--format", "json", code=0).stdout)["cells"] == 5
    assert "--set" in fanfold("run", "q.yaml", "--help", code=0).stdout
    assert "q.yaml:1: is not valid YAML" in fanfold("run", "q.yaml", "--days", "3", code=2).stderr


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("run p.yaml --days 3", "p.yaml"), ("run --days 3 p.yaml", "p.yaml"), ("run --deep p.yaml", "p.yaml"), ("run --config c.json p.yaml", "p.yaml"),
        ("run --set=days=3 p.yaml", "p.yaml"), ("run plan", "plan"), ("run no.yaml", None), ("run", None), ("plan p.yaml", "p.yaml"),
        ("plan mealplan --days 3", None), ("plan briefing --metrics c.json", None), ("runs show p.yaml", None), ("run --model sim/default p.yaml", "p.yaml"),
    ],
)  # fmt: skip
def test_the_plan_of_a_command_line(line, found, tmp_path, monkeypatch):
    for name in ("p.yaml", "c.json", "plan"):
        (tmp_path / name).write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert _file(line.split()) == found


def test_a_resumed_run_has_the_same_givens_and_model(fanfold, tmp_path):
    (tmp_path / "p.yaml").write_text(
        "given: {days: 2}\nmodel: openai/dear\naxes: {n: {count: '{days}'}}\nsteps: {a: {over: n, prompt: x, model: openai/dearer}}"
    )
    done = fanfold("run", "p.yaml", "--days", "4", "--model", "sim/default", "--store", "runs.db", "--format", "json", code=0)
    again = fanfold("resume", "last", "--store", "runs.db", "--format", "json", code=0)
    assert [cell["at"] for cell in json.loads(again.stdout)["values"]["a"]] == [{"n": n} for n in (1, 2, 3, 4)]
    assert json.loads(again.stdout)["report"]["calls"] == json.loads(done.stdout)["report"]["calls"] == 4


# ---------------------------------------------------------------- how to run


RUN = """
name: toy
model: sim/a
limits: {rpm: 500, input_tpm: 9000, concurrent: 8, sim/b: {rpm: 7, concurrent: 2}}
budget_usd: 1.5
deadline: 60
timeout: 9
retries: 0
seed: 7
cache: false
attempts: 2
sampling: {temperature: 0.7, top_p: 0.9}
concurrent: 3
steps:
  a: {prompt: x, timeout_s: 5, sampling: {temperature: 0}}
  b: {prompt: x, model: "sim/b | sim/a", attempts: 4, judge: {prompt: "{value}", model: sim/c}}
"""


def options(tmp_path: Path, text: str = RUN, environ: dict[str, str] | None = None, **given: Any) -> Any:
    from fanfold import config

    (tmp_path / "toy.yaml").write_text(text)
    return config.options(given, None, environ or {}, plan=read_plan(tmp_path / "toy.yaml").run)[0]


def test_a_plan_file_says_how_it_wants_to_be_run(tmp_path):
    said = options(tmp_path)
    assert said.limits == Limits(rpm=500, input_tpm=9000, concurrent=8) and said.model_limits == {
        "sim/b": Limits(rpm=7, concurrent=2)
    }
    assert (said.budget_usd, said.deadline, said.timeout, said.retries, said.seed, said.cache) == (1.5, 60, 9, 0, 7, False)
    a, b = load_plan(tmp_path / "toy.yaml").steps
    assert (a.attempts, dict(a.sampling)) == (2, {"temperature": 0, "top_p": 0.9})
    assert (b.attempts, dict(b.sampling)) == (4, {"temperature": 0.7, "top_p": 0.9})


def test_whatever_else_says_something_wins_over_the_file(tmp_path):
    said = options(tmp_path, environ={"FANFOLD_DEADLINE": "5"}, rpm=60, seed=1, cache=True, retries=4)
    assert (said.rpm, said.seed, said.cache, said.deadline, said.retries, said.budget_usd) == (60, 1, True, 5, 4, 1.5)
    assert said.model_limits == {"sim/b": Limits(concurrent=2)}, "a limit of the command line is that of every model"
    one = options(tmp_path, sequential=True)
    assert one.limits.concurrent == 1 and one.model_limits == {"sim/b": Limits(rpm=7)}


def test_a_model_of_the_command_line_is_the_only_one_called(tmp_path):
    (tmp_path / "toy.yaml").write_text(RUN)
    plan = overruled(load_plan(tmp_path / "toy.yaml"), {"model": "sim/x", "timeout": 4.0, "max_concurrent": 9})
    assert (plan.model, plan.concurrent) == ("sim/x", None)
    assert [(step.model, step.timeout_s, step.judge and step.judge.model) for step in plan.steps] == [(None, None, None)] * 2


def test_a_model_may_be_a_given():
    plan = plan_from(
        parse_yaml(
            "given: {writer: sim/a}\nmodel: {writer}\nsteps: {a: {prompt: x, judge: {prompt: y, model: '{writer}'}}}", "p"
        ),
        {"writer": "sim/b"},
    )
    assert plan.model == "sim/b" == plan.steps[0].judge.model


def test_models_may_have_shares():
    plan = plan_from(
        {"model": {"sim/a": 0.7, "sim/b | sim/c": "30%"}, "steps": {"a": {"prompt": "x", "model": "sim/a = 2, sim/d = 1"}}}
    )
    assert (plan.model, plan.steps[0].model) == ("sim/a = 0.7, sim/b | sim/c = 30%", "sim/a = 2, sim/d = 1")
    for wrong in (0, -1, True, "some", None):
        with pytest.raises(PlanError, match=r"a share is a number above 0|is not a given"):
            plan_from({"model": {"sim/a": wrong, "sim/b": 1}, "steps": {"a": {"prompt": "x"}}})
    with pytest.raises(PlanError, match="no step calls this model \\(did you mean 'sim/b'"):
        _models_exist(plan_from({"model": {"sim/a": 1, "sim/b": 1}, "steps": {"a": {"prompt": "x"}}}), {"sim/bb": Limits(rpm=1)})
    assert SCHEMA.is_valid(
        {"model": {"sim/a": 0.7, "sim/b": "30%"}, "steps": {"a": {"prompt": "x", "model": "sim/a = 2, sim/d = 1"}}}
    )
    assert not SCHEMA.is_valid({"model": {"a": 0.7}, "steps": {"a": {"prompt": "x"}}})


def test_limits_of_one_model_hold_for_it_alone(serve, fanfold, tmp_path):
    """Over HTTP: two models of one server, one of them with two calls at once."""
    text = "axes: {n: 1..12}\nsteps:\n  a: {over: n, prompt: 'A {n}', model: openai/sim-a}\n  b: {over: n, prompt: 'B {n}', model: openai/sim-b}\n"
    (tmp_path / "toy.yaml").write_text(text + "limits: {openai/sim-b: {rpm: 5}}\ndeadline: 6\n")
    server = serve("--latency", "0.05")
    done = fanfold(
        "run",
        "toy.yaml",
        "--base-url",
        server.url,
        "--store",
        ":memory:",
        "--format",
        "json",
        environ={"OPENAI_API_KEY": "x"},
        code=3,
    )
    steps = json.loads(done.stdout)["report"]["steps"]
    assert (steps["a"]["accepted"], steps["b"]["accepted"]) == (12, 5), steps


# ---------------------------------------------------------------- the schema for editors


def plans_of_this_project() -> dict[str, str]:
    """Every plan in the examples, the documentation and the tests of plan files, by where it stands."""
    found = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.yaml"))}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for n, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)):
            if re.search(r"^steps:", text, re.MULTILINE):
                found[f"{page.relative_to(ROOT)} {n}"] = text
    for n, text in enumerate(
        re.findall(r'= """\n(.*?)"""', (Path(__file__).parent / "test_planfile.py").read_text("utf-8"), re.DOTALL)
    ):
        found[f"test_planfile.py {n}"] = text
    return {**found, "PLAN": PLAN, "RUN": RUN}


@pytest.mark.parametrize("where", plans_of_this_project())
def test_every_valid_plan_is_valid_for_editors(where):
    errors = [
        f"{error.instance_path}: {error.message}"
        for error in SCHEMA.iter_errors(parse_yaml(plans_of_this_project()[where], where))
    ]
    assert errors == []


def test_the_schema_is_printed(fanfold):
    done = fanfold("run", "--schema", code=0)
    assert done.stdout == written() == (ROOT / "docs" / "plan.schema.json").read_text("utf-8") and not done.stderr


def test_the_schema_has_every_word():
    schema = plan_schema()
    assert set(schema["properties"]) == set(PLAN_KEYS) and set(schema["$defs"]["step"]["properties"]) == set(STEP_KEYS)
    assert all("description" in each or "$ref" in each for each in schema["properties"].values())
