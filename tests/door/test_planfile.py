from __future__ import annotations

import json
import textwrap
from typing import Literal

import pytest

from fanfold import Facets, Markdown, PlanError, Unique
from fanfold.files import parse_yaml
from fanfold.planfile import load_plan, plan_from, type_from
from fanfold.spec.compile import compile_plan
from fanfold.spec.template import Slot

HAIKU = """
name: haiku
axes: {season: [spring, summer, autumn, winter], n: 1..5}
given: {tone: playful, days: 3}
steps:
  haiku:
    over: [season, n]
    prompt: Write a {tone} haiku about {season}.
    output: {title: str, lines: list[str]}
    unique: {by: title}
    checks: [{length: {max: 60, of: title}}, {items: {min: 3, max: 3, of: lines}}]
    judge: {prompt: "Is this a haiku? {value}"}
  anthology:
    prompt: "Order these into a small anthology: {haiku}"
    output: markdown
"""


def test_the_plan_of_the_readme():
    plan = plan_from(parse_yaml(HAIKU, "plan.yaml"))
    compiled = compile_plan(plan)
    haiku, anthology = compiled.steps
    assert haiku.over == ("season", "n") and anthology.needs == ("haiku",)
    assert haiku.unique == Unique(by="title") and anthology.step.output is Markdown
    value = haiku.step.output(title="t" * 70, lines=["a"])
    assert [check(value) for check in haiku.step.checks] == [
        "title: length is 70, at most 60 is allowed", "lines: number of items is 1, at least 3 is needed",
    ]  # fmt: skip
    assert len(compiled.axes["n"].values or ()) == 5


JUDGED = """
given: {draft: theirs}
steps:
  scored: {prompt: x, judge: {prompt: "{value}", model: sim/critic, output: {reason: str, score: int}, accept: {number: {min: 7, of: score}}}}
  better: {prompt: x, judge: {prompt: "{first} or {second}", versus: scored}}
"""


def test_judges_of_every_kind():
    scored, better = compile_plan(plan_from(parse_yaml(JUDGED, "plan.yaml"))).steps
    judge = scored.step.judge
    assert judge is not None and judge.accept is not None and judge.model == "sim/critic"
    assert [judge.accept(judge.output(reason="", score=n)) for n in (6, 7)] == [False, True]
    assert better.needs == ("scored",) and better.versus == Slot("scored", ())


def test_a_plan_file_with_judges_runs(fanfold, tmp_path):
    (tmp_path / "plan.yaml").write_text(JUDGED.replace("min: 7", "min: -99"))
    done = fanfold("run", "plan.yaml", "--model", "sim/default", "--seed", "1", "--no-cache", "--format", "json", code=0)
    assert json.loads(done.stdout)["report"]["steps"]["better"]["calls"] >= 3, "an answer, and its judge twice"


def test_givens_are_overridden_in_their_own_kind():
    plan = plan_from(parse_yaml(HAIKU, "p"), {"days": "7", "tone": "7"})
    assert plan.given == {"days": 7, "tone": "7"}
    with pytest.raises(PlanError, match="did you mean 'tone'"):
        plan_from(parse_yaml(HAIKU, "p"), {"tnoe": "x"})


GATES = """
axes: {n: 1..4}
steps:
  draft: {over: n, prompt: "Draft {n}", judge: "Is it clear? {value}"}
  final:
    over: n
    prompt: "Improve {draft}"
    output: {title: str, text: str}
    checks: [{length: {max: 1, of: title}}]
    attempts: 2
    judge: {prompt: "Which is better? {first} or {second}", versus: draft, output: {better: [first, second, tie], reason: str}}
  better:
    over: n
    prompt: "Improve {draft}"
    judge: {prompt: "Which is better? {first} or {second}", versus: draft}
    attempts: 9
"""


def test_judges_in_a_plan_file(fanfold, serve, tmp_path):
    """Over HTTP: one is asked once, one that compares twice, one never, because a cheap check refuses everything."""
    final = compile_plan(plan_from(parse_yaml(GATES, "plan.yaml"))).steps[1]
    assert final.versus is not None and final.versus.name == "draft" and final.needs == ("draft",)
    (tmp_path / "plan.yaml").write_text(GATES)
    server = serve("--latency", "0.05")
    done = fanfold("run", "plan.yaml", "--model", "openai/sim", "--base-url", server.url, environ={"OPENAI_API_KEY": "x"}, code=3)
    report = json.loads(done.stdout)["report"]
    assert report["steps"]["final"]["rejected"]["length"]["count"] == 8
    assert report["steps"]["final"]["calls"] <= 8 + report["hedges"], "nobody asks a judge about what a check has refused"
    assert "at most 1 is allowed" in report["steps"]["final"]["rejected"]["length"]["example"]
    assert report["steps"]["better"]["accepted"] == 4 and report["steps"]["better"]["calls"] >= 12
    assert "  final: 8 rejected, length: title: length is" in done.stderr


def test_a_judge_in_a_plan_file_that_makes_no_sense():
    with pytest.raises(PlanError, match="did you mean 'versus'"):
        plan_from(parse_yaml(GATES.replace("versus:", "verus:"), "plan.yaml"))


FACETS = """
axes: {n: {count: 12}}
steps:
  review:
    over: n
    facets: {tone: [calm, angry], product: [kettle, lamp, 7]}
    prompt: Write a {facet.tone} review of {facet.product}.
  other: {prompt: x, over: n, facets: {values: {tone: [calm, dry]}, infeasible: [{tone: dry}]}}
  values: {prompt: x, over: n, facets: {values: [a, b]}}
  spread: {prompt: Propose tones., output: {tone: "list[str]"}}
  proposed: {prompt: "{facet.tone}", over: n, facets: spread}
"""


def test_facets_of_every_kind():
    compiled = compile_plan(plan_from(parse_yaml(FACETS, "plan.yaml")))
    review, other, values, _, proposed = compiled.steps
    assert review.facets == Facets({"tone": ("calm", "angry"), "product": ("kettle", "lamp", 7)})
    assert other.facets == Facets({"tone": ("calm", "dry")}, [{"tone": "dry"}])
    assert values.facets == Facets({"values": ("a", "b")}), "a facet may be called values"
    assert proposed.facets == Facets("spread") and proposed.needs == ("spread",)


def test_a_plan_file_with_facets_runs(fanfold, tmp_path):
    (tmp_path / "plan.yaml").write_text(FACETS.split("  other:")[0])
    done = fanfold("run", "plan.yaml", "--model", "sim/default", "--seed", "3", "--format", "json", code=0)
    facets = json.loads(done.stdout)["report"]["diversity"]["review"]["facets"]
    assert facets["tone"]["counts"] == {"calm": 6, "angry": 6}
    assert facets["product"]["counts"] == {"kettle": 4, "lamp": 4, "7": 4}
    assert "tone: 2 of 2 values, each 6 times, evenness 1.00" in done.stderr
    rows = fanfold("run", "plan.yaml", "--model", "sim/default", "--seed", "3", "--format", "csv", "--quiet", code=0).stdout
    assert rows.startswith("step,n,facet.tone,facet.product,state,")


MISTAKES = {
    "facets": ("steps: {a: {prompt: x, facets: {tone: calm}}}", r"steps\.a\.facets\.tone: the values of a facet are a list"),
    "facet": ("steps: {a: {prompt: '{facet.tome}', facets: {tone: [x]}}}", "did you mean 'tone'"),
    "infeasible": (
        "steps: {a: {prompt: x, facets: {tone: [x], infeasible: [{tone: x}]}}}",
        r"facets\.tone: is not a word of a plan",
    ),
    "not yaml": ("a: [", r"plan.yaml:1: is not valid YAML"),
    "a list": ("- a", "plan: is a mapping"),
    "unknown word": ("steps: {a: {promt: x}}", r"steps\.a\.promt: is not a word of a plan \(did you mean 'prompt'"),
    "unknown word on top": ("stepz: {}", "did you mean 'steps'"),
    "no steps": ("name: x", "steps: a plan has steps"),
    "no prompt": ("steps: {a: {output: str}}", r"steps\.a\.prompt: a step has a prompt"),
    "twice": ("steps: {a: {prompt: x}, a: {prompt: y}}", "plan.yaml:1: 'a' is given twice"),
    "type": ("steps: {a: {prompt: x, output: strr}}", "there is no type 'strr'"),
    "check": ("steps: {a: {prompt: x, checks: [{lenght: {max: 1}}]}}", "did you mean 'length'"),
    "check parameter": ("steps: {a: {prompt: x, checks: [{length: {maxx: 1}}]}}", r"steps\.a\.checks\[0\]\.length: .*maxx"),
    "check bounds": ("steps: {a: {prompt: x, checks: [length]}}", "give min, max or both"),
    "judge's accept": (
        "steps: {a: {prompt: x, judge: {prompt: y, output: {score: int}, accept: {number: {min: 7, of: scor}}}}}",
        r"steps\.a\.judge\.accept\.number\.of: .*'score'",
    ),
    "judge's words": ("steps: {a: {prompt: x, judge: {prompt: y, verses: z}}}", "did you mean 'versus'"),
    "range": ("axes: {n: 5..1}\nsteps: {a: {prompt: x}}", "axes.n: '5..1' is not a range"),
    "axis": ("axes: {n: {cout: 3}}\nsteps: {a: {prompt: x}}", "axes.n: an axis is"),
    "count": ("axes: {n: {count: many}}\nsteps: {a: {prompt: x}}", "axes.n.count: a whole number"),
    "attempts": ("steps: {a: {prompt: x, attempts: five}}", "steps.a.attempts: attempts is a whole number"),
    "tag": ("a: !!python/object:os.system {}", "is not valid YAML"),
    "over": ("steps: {a: {prompt: x, over: {n: 1}}}", r"steps\.a\.over: is a list"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_file_is_named(name, tmp_path):
    text, message = MISTAKES[name]
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError, match=message):
        compile_plan(load_plan(path))


def test_a_bomb_of_aliases_is_refused():
    with pytest.raises(PlanError, match="aliases"):
        parse_yaml("a: &a [x]\nb: [" + "*a, " * 200 + "]", "p")


def test_axes_of_every_kind(tmp_path):
    (tmp_path / "rows.csv").write_text("term,context\nbook,law\nkey,music\n")
    (tmp_path / "plan.yaml").write_text(
        textwrap.dedent("""
        axes: {n: "1..{days}", c: {count: 4}, r: {file: rows.csv}, k: {kinds}, s: {each: a.parts}, i: 3}
        given: {days: 2, kinds: [x, y]}
        steps:
          a: {prompt: "{r.term} {k} {n} {c} {i}", over: [r, k, n, c, i], output: {parts: list[str]}}
          b: {prompt: "{s}", over: [r, k, n, c, i, s]}
        """)
    )
    plan = compile_plan(load_plan(tmp_path / "plan.yaml"))
    assert {name: axis.size for name, axis in plan.axes.items()} == {"n": 2, "c": 4, "r": 2, "k": 2, "s": None, "i": 3}
    with pytest.raises(PlanError, match="from elsewhere names no files"):
        plan_from({"axes": {"r": {"file": "/etc/passwd.csv"}}, "steps": {"a": {"prompt": "x"}}})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("str", str), ("markdown", Markdown), ("list[list[int]]", list[list[int]]), ("float?", float | None), (["a", "b"], Literal["a", "b"]),
        ({"type": "string"}, {"type": "string"}), ({"type": "array", "items": {"type": "integer"}},) * 2,
        ({"type": "object", "properties": {}},) * 2, ({"anyOf": [{"type": "string"}]},) * 2,
    ],
)  # fmt: skip
def test_types(written, meant):
    assert type_from(written, "p", "n") == meant


def test_a_field_may_be_called_type():
    model = type_from({"type": "str", "inner": {"x": "int"}, "list": "list[str]"}, "p", "thing")
    value = model.model_validate({"type": "a", "inner": {"x": 1}, "list": []})
    assert value.type == "a" and value.inner.x == 1 and model.__name__ == "Thing"


def candidates_of(text: str, folder=None, given=None):
    data = {
        "axes": {"n": 3},
        "given": given or {},
        "steps": {"s": {"over": "n", "prompt": "{candidates}", "candidates": parse_yaml(text, "p")}},
    }
    return compile_plan(plan_from(data, folder=folder)).steps[0].candidates


def test_candidates_are_a_list_a_given_or_a_file(tmp_path):
    (tmp_path / "seeds.csv").write_text("name\na\nb\n")
    plain = candidates_of("[a, b]")
    assert (tuple(plain.source), plain.take) == (("a", "b"), 1)
    assert tuple(candidates_of("{seeds}", given={"seeds": ["x"]}).source) == ("x",)
    assert candidates_of("{values: [a, b, c], take: 2}").take == 2
    assert list(candidates_of("{file: seeds.csv}", tmp_path).source) == [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "no candidates"), ("7", "a list or a function, not int"), ("{take: 2}", "values or a file"), ("{file: x.csv}", "names no files"),
     ("{values: [a], take: 0}", "a whole number from 1"), ("{nowhere}", "is not a given")],
)  # fmt: skip
def test_candidates_that_are_none_are_refused(text, said):
    with pytest.raises(PlanError, match=said):
        candidates_of(text)


def test_a_key_is_code_and_stands_in_no_file():
    with pytest.raises(PlanError, match="holds no code"):
        plan_from({"steps": {"s": {"prompt": "x", "unique": {"key": "embed"}}}})
