"""F1–F10: what is wrong is refused before any call, by the path of the mistake and with what to do about it."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Iterator
from enum import Enum

import pytest
from pydantic import BaseModel

from fanfold import Axis, Engine, Limits, Plan, PlanError, Step, Unique
from fanfold.config import options
from fanfold.files import Rows, parse_yaml, read_text
from fanfold.planfile import load_plan, plan_from
from fanfold.spec.compile import compile_plan
from fanfold.testing.scripted import Says, ScriptedProvider

NAN = float("nan")


@pytest.fixture
def refused(faults):
    """The error of a plan that must be refused: nothing may have been called, and nothing written down."""
    server = faults()

    def refuse(plan, **how) -> PlanError:
        async def main() -> None:
            async with Engine("openai/m", base_url=server.url("good"), store=":memory:") as engine:
                engine.start(plan() if callable(plan) else plan, **how)

        with pytest.raises(PlanError) as raised:
            asyncio.run(main())
        assert not server.hits, "it was refused after a call"
        assert raised.value.path and raised.value.message and len(str(raised.value)) < 2_000
        assert "\n" not in str(raised.value) and not isinstance(raised.value.__cause__, RecursionError)
        return raised.value

    return refuse


def one(prompt="Say {n}", *, n=(1, 2), given=None, **words) -> Plan:
    return Plan("p", [Step("a", prompt, over="n", **words)], [n if isinstance(n, Axis) else Axis("n", n)], given or {})


def steps(**needs: list[str]) -> Plan:
    return Plan("p", [Step(name, "x", needs=list(needed)) for name, needed in needs.items()])


# ---------------------------------------------------------------- F1: what needs what


@pytest.mark.parametrize(
    ("plan", "path", "words"),
    [
        (steps(a=["b"], b=["c"], c=["a"]), "steps.a", "a → b → c → a"),
        (steps(z=["a"], a=["b"], b=["a"]), "steps.a", "a → b → a"),
        (steps(a=["a"]), "steps.a.needs", "needs itself"),
        (steps(alpha=[], b=["alhpa"]), "steps.b.needs", "did you mean 'alpha'"),
        (one("Say {n} {b}"), "steps.a.prompt", "{b} is not a given, an axis or a step"),
        (one(n=Axis("n", each="none.list")), "axes.n.each", "there is no step 'none'"),
        (one(n=Axis("n", each="a.list")), "axes.n.each", "cannot run over the axis it makes"),
    ],
    ids=["cycle", "cycle further on", "self", "missing", "missing in a prompt", "missing source", "own source"],
)  # fmt: skip
def test_f1_what_needs_what(plan, path, words, refused):
    error = refused(plan)
    assert error.path == path and words in str(error)


def test_f1_ten_thousand_deep():
    chain = [
        Step("s0", function=lambda cell: 0),
        *(Step(f"s{i}", function=lambda cell: 1, needs=[f"s{i - 1}"]) for i in range(1, 10_000)),
    ]
    began = time.perf_counter()
    assert compile_plan(Plan("deep", chain)).order == tuple(range(10_000))
    assert len(compile_plan(Plan("deep", chain[::-1])).order) == 10_000, "in whatever order they are written"
    assert time.perf_counter() - began < 20
    chain[0] = Step("s0", "x", needs=["s9999"])
    with pytest.raises(PlanError, match=r"in a circle: .{1,300}") as raised:
        compile_plan(Plan("deep", chain))
    assert "more)" in str(raised.value) and len(str(raised.value)) < 400


def test_f1_a_deep_chain_runs():
    def add(cell):
        return 1 + sum(cell.needs.values())

    chain = [
        Step("s0", function=add, output=int),
        *(Step(f"s{i}", function=add, output=int, needs=[f"s{i - 1}"]) for i in range(1, 1_500)),
    ]

    async def main():
        async with Engine(provider=ScriptedProvider([]), store=":memory:") as engine:
            return await engine.run(Plan("deep", chain))

    assert asyncio.run(main())["s1499"].values == [1_500]


def test_f1_a_thousand_diamonds():
    made = [Step("top", function=lambda cell: 0)]
    for i in range(333):
        above = "top" if i == 0 else f"d{i - 1}"
        made += [Step(f"{side}{i}", function=lambda cell: 1, needs=[above]) for side in "bc"]
        made.append(Step(f"d{i}", function=lambda cell: 2, needs=[f"b{i}", f"c{i}"]))

    async def main():
        async with Engine(provider=ScriptedProvider([]), store=":memory:") as engine:
            return await engine.run(Plan("diamonds", made))

    result = asyncio.run(main())
    assert result.ok and result.report["accepted"] == 1_000, "each step once, however many ways lead to it"


# ---------------------------------------------------------------- F2: names

COMPOSED, APART = "caf\u00e9", "cafe\u0301"
NAMES = {
    "twice": ([Step("a", "x"), Step("a", "y")], (), {}, "steps.a", "used twice"),
    "NFC and NFD": ([Step(COMPOSED, "x"), Step(APART, "y")], (), {}, f"steps.{APART}", "used twice"),
    "ligature": ([Step("ﬁn", "x"), Step("fin", "y")], (), {}, "steps.fin", "used twice"),
    "axes alike": ([Step("a", "x")], [Axis(COMPOSED, [1]), Axis(APART, [1])], {}, f"axes.{APART}", "used twice"),
    "cyrillic": ([Step("pаpa", "x"), Step("papa", "y")], (), {}, "steps.papa", "looks like"),
    "case": ([Step("Menu", "x"), Step("menu", "y")], (), {}, "steps.menu", "used twice"),
    "given and step": ([Step("a", "x")], (), {"a": 1}, "given.a", "both a given and a step"),
    "given and axis": ([Step("a", "x")], [Axis("n", [1])], {"n": 1}, "given.n", "both a given and an axis"),
    "reserved": ([Step("value", "x")], (), {}, "steps.value", "reserved"),
    "dot": ([Step(".", "x")], (), {}, "steps..", "not a usable name"),
    "dots": ([Step("..", "x")], (), {}, "steps...", "not a usable name"),
    "slash": ([Step("../../etc/passwd", "x")], (), {}, "steps.../../etc/passwd", "not a usable name"),
    "device": ([Step("CON", "x")], (), {}, "steps.CON", "reserved"),
    "device axis": ([Step("a", "x")], [Axis("nul", [1])], {}, "axes.nul", "reserved"),
    "empty": ([Step("", "x")], (), {}, "steps", "not a usable name"),
    "number": ([Step(7, "x")], (), {}, "steps.7", "not a usable name"),
    "long": ([Step("n" * 10_000, "x")], (), {}, "steps.nnn", "longer than"),
    "control": ([Step("a\x1b[2J", "x")], (), {}, "steps.a", "not a usable name"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_f2_names(name, refused):
    made, axes, given, path, words = NAMES[name]
    error = refused(Plan("p", made, axes, given))
    assert error.path.startswith(path) and words in str(error), str(error)
    assert error.hint, "what to do"


def test_f2_what_two_names_look_like_does_not_forbid_a_language():
    for names in (["größe", "grösse_2"], ["цена", "описание"], ["名前", "説明"], ["a", "b1"]):
        compile_plan(Plan("p", [Step(name, "x") for name in names]))


# ---------------------------------------------------------------- F3: counts


@pytest.mark.parametrize("count", [0, -1, 10**12, "5", True, NAN, 2.5, float("inf"), [3]], ids=repr)
def test_f3_counts(count, refused):
    error = refused(lambda: one(n=Axis("n", count=count)))
    assert error.path == "axes.n.count" and ("whole number" in error.message or "at most" in error.message)
    error = refused(lambda: plan_from({"axes": {"n": {"count": count}}, "steps": {"a": {"prompt": "x {n}", "over": "n"}}}))
    assert error.path == "axes.n.count"


@pytest.mark.parametrize(
    "values",
    [range(10**12), [1], "abc", b"abc", 5, {"a": 1}, [], iter(())],
    ids=["endless", "list", "text", "bytes", "number", "mapping", "empty", "iterator"],
)
def test_f3_axes(values, refused):
    if values == [1]:
        n = [Axis("n", range(10**6)), Axis("m", range(10**6))]
        error = refused(Plan("p", [Step("a", "x", over=("n", "m"))], n))
        assert error.path == "steps.a.over" and "1,000,000,000,000 cells" in error.message
        return
    error = refused(lambda: one(n=Axis("n", values)))
    assert error.path in ("axes.n", "steps.a.over")


@pytest.mark.parametrize("word", ["attempts", "at_least", "items_per_call", "weight", "timeout_s"])
@pytest.mark.parametrize("value", [-1, "5", NAN, True, None], ids=repr)
def test_f3_numbers_of_a_step(word, value, refused):
    if value is None and word == "timeout_s":
        pytest.skip("None is the default")
    error = refused(one(**{word: value}))
    assert error.path == f"steps.a.{word}" and repr(value) in error.message


@pytest.mark.parametrize("near", [0, -1, 1.5, NAN, "0.9", True], ids=repr)
def test_f3_similarity(near, refused):
    assert refused(one(unique=Unique(near=near))).path == "steps.a.unique.near"


# ---------------------------------------------------------------- F4: prompts


@pytest.mark.parametrize(
    ("plan", "path", "words"),
    [
        (one(""), "steps.a.prompt", "empty"), (one(" \n\t"), "steps.a.prompt", "empty"), (one(None), "steps.a", "a prompt or a function"),
        (one(5), "steps.a.prompt", "text or a callable"), (one("x" * 5_000_001), "steps.a.prompt", "characters"),
        (one("{nn} {n}"), "steps.a.prompt", "{nn} is not a given"), (one("{n.x.y}", n=[{"x": 1}]), "steps.a.prompt", "no field 'y'"),
        (one("{g.b}", given={"g": {"a": 1}}), "steps.a.prompt", "no field 'b'"),
        (one("{n}", system=""), "steps.a.system", "empty"), (one("{n}", system="{m}"), "steps.a.system", "{m} is not"),
    ],
    ids=["empty", "blank", "none", "number", "5 MB", "unknown name", "unknown field", "field of a given", "empty system", "unknown in system"],
)  # fmt: skip
def test_f4_prompts(plan, path, words, refused):
    error = refused(plan)
    assert error.path == path and words in error.message


# ---------------------------------------------------------------- F5: rules that contradict each other


class Colour(Enum):
    RED, GREEN, BLUE = "red", "green", "blue"


class Painted(BaseModel):
    colour: Colour
    text: str


@pytest.mark.parametrize(
    "words",
    [{"output": Painted, "unique": "colour"}, {"output": Colour, "unique": Unique()}, {"output": bool, "unique": Unique()}],
    ids=["field", "enum", "bool"],
)
def test_f5_more_distinct_values_than_there_are(words, refused):
    error = refused(one(n=range(10), **words))
    assert error.path == "steps.a.unique" and "10 distinct values are asked for" in error.message
    assert refused(one(n=Axis("n", count=10), **words)).path == "steps.a.unique"


def test_f5_a_schema_that_knows_only_three(refused):
    schema = {"type": "object", "properties": {"c": {"enum": ["a", "b", "c"]}}, "required": ["c"]}
    assert refused(one(n=range(10), output=schema, unique="c")).path == "steps.a.unique"


def test_f5_a_contradiction_that_nobody_sees_beforehand_is_bounded():
    provider = ScriptedProvider([Says(f"word {i % 3}") for i in range(1_000)])

    async def main():
        async with Engine(provider=provider, store=":memory:", attempts=3) as engine:
            return await engine.run(one(n=range(10), unique=Unique()))

    result = asyncio.run(main())
    assert len(result.values) == 3 and {error.code for error in result.errors} == {"duplicate"}
    assert result.report["calls"] <= 3 * 10


# ---------------------------------------------------------------- F6: schemas

NODE = {
    "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}, "required": ["next"]}},
    "$ref": "#/$defs/N",
}
SCHEMAS = {
    "remote": {"$ref": "http://{host}/schema.json"},
    "remote inside": {"type": "object", "properties": {"a": {"items": {"$ref": "http://{host}/schema.json"}}}},
    "file": {"$ref": "file:///etc/passwd"},
    "nowhere": {"$ref": "#/$defs/none"},
    "to itself": {"$ref": "#"},
    "in a circle": {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
    "never ends": NODE,
    "false": {"not": {}},
    "bounds": {"type": "integer", "minimum": 5, "maximum": 1},
    "lengths": {"type": "object", "properties": {"a": {"type": "string", "minLength": 9, "maxLength": 2}}, "required": ["a"]},
    "no choice": {"enum": []},
    "no type": {"type": "strnig"},
    "deep": json.loads('{"items":' * 900 + "{}" + "}" * 900),
    "wide": {"anyOf": [{"type": "object", "properties": {f"p{i}": {"type": "string"}}} for i in range(1_000)]},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_f6_schemas(name, refused, faults):
    sink = faults()
    schema = json.loads(json.dumps(SCHEMAS[name]).replace("{host}", f"127.0.0.1:{sink.port}"))
    began = time.perf_counter()
    error = refused(one(output=schema))
    assert error.path.startswith("steps.a.output") and time.perf_counter() - began < 5
    assert not sink.hits and sink.connections == 0, "nothing is fetched"


def test_f6_a_tree_is_fine(tmp_path):
    tree = {"$defs": {"N": {"type": "object", "properties": {"v": {"type": "string"}, "next": {"type": "array", "items": {"$ref": "#/$defs/N"}}}, "required": ["v"]}}, "$ref": "#/$defs/N"}  # fmt: skip
    provider = ScriptedProvider([Says('{"v": "a", "next": [{"v": "b"}]}')] * 2)

    async def main():
        async with Engine(provider=provider, store=":memory:") as engine:
            return await engine.run(one(output=tree))

    assert asyncio.run(main()).ok


# ---------------------------------------------------------------- F7: files of rows

ROWS = {
    "ragged.csv": (b"a,b\n1,2\n3\n", ":3", "has 1 fields, the header has 2"),
    "wide.csv": (b"a,b\n1,2,3\n", ":2", "has 3 fields"),
    "latin1.csv": ("a,b\nz,y\ncafé,1\n".encode("latin-1"), ":3", "not UTF-8"),
    "utf16.csv": ("a,b\n1,2\n".encode("utf-16"), ":1", "not UTF-8"),
    "twice.csv": (b"a,a\n1,2\n", ":1", "named twice"),
    "nameless.csv": (b"a,,c\n1,2,3\n", ":1", "without a name"),
    "open.csv": (b'a,b\n1,2\n"3,4\n', ":3", "not valid CSV"),
    "empty.csv": (b"", "", "is empty"),
    "nul.csv": (b"a,b\n1,\x002\n", ":2", "NUL"),
    "bad.jsonl": (b'{"a": 1}\n\n{"a": }\n', ":3", "not valid JSON"),
    "list.jsonl": (b'{"a": 1}\n[1]\n', ":2", "not an object"),
    "nan.jsonl": (b'{"a": NaN}\n', ":1", "not valid JSON"),
    "latin1.jsonl": ('{"a": 1}\n{"a": "café"}\n'.encode("latin-1"), ":2", "not UTF-8"),
    "deep.jsonl": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", ":1", "not valid JSON"),
    "rows.xlsx": (b"PK", "", "rows are read from"),
}


@pytest.mark.parametrize("name", ROWS)
def test_f7_a_bad_row_is_named_by_its_line(name, tmp_path, refused):
    data, line, words = ROWS[name]
    (tmp_path / name).write_bytes(data)
    error = refused(lambda: one(n=Rows(tmp_path / name)))
    assert error.path == f"{tmp_path / name}{line}" and words in str(error)


def test_f7_what_files_look_like(tmp_path):
    for number, (name, data) in enumerate([
        ("a.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\n"), ("b.csv", b'a,b\n"1","2"\n\n3,4'), ("c.tsv", b"a\tb\n1\t2\n3\t4\n"),
        ("d.jsonl", b'\xef\xbb\xbf{"a":"1","b":"2"}\r\n\n{"a":"3","b":"4"}'),
    ]):  # fmt: skip
        (tmp_path / name).write_bytes(data)
        assert list(Rows(tmp_path / name)) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], number
    (tmp_path / "e.csv").write_bytes(b'a,b\n"one\ntwo\r\nthree",2\n3\n')
    with pytest.raises(PlanError, match=r"e\.csv:5: has 1 fields"):
        Rows(tmp_path / "e.csv")
    (tmp_path / "f.csv").write_bytes(b'a,b\n"one\ntwo",2\n')
    assert list(Rows(tmp_path / "f.csv")) == [{"a": "one\ntwo", "b": "2"}]


@pytest.mark.parametrize("name", ["long.csv", "long.jsonl"])
def test_f7_an_endless_line_is_not_held(name, tmp_path):
    with (tmp_path / name).open("wb") as file:
        file.write(b"a,b\n" if name.endswith("csv") else b"")
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PlanError, match="longer than") as raised:
        Rows(tmp_path / name)
    assert raised.value.path.endswith(":2" if name.endswith("csv") else ":1")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kB"


# ---------------------------------------------------------------- F8: YAML

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
YAMLS = {
    "bomb": (BOMB, "aliases"),
    "merge bomb": ("a: &a {x: 1}\n" + "".join(f"b{i}: {{<<: *a}}\n" for i in range(500)), "aliases"),
    "python tag": ("a: !!python/object/apply:os.system [echo]", "not valid YAML"),
    "own tag": ("a: !thing {x: 1}", "not valid YAML"),
    "twice": ("steps: {a: {prompt: x}}\nname: a\nname: b", "'name' is given twice"),
    "twice inside": ("steps:\n  a: {prompt: x}\n  a: {prompt: y}", "'a' is given twice"),
    "two documents": ("a: 1\n---\nb: 2", "not valid YAML"),
    "deep": ("[" * 5_000 + "]" * 5_000, "not valid YAML"),
    "to itself": ("a: &a [*a]", "itself"),
    "control": ("a: \x07", "not valid YAML"),
    "a list key": ("? [1, 2]\n: x", "not valid YAML"),
    "long": ("a: " + "x" * 2_000_001, "longer than"),
}


@pytest.mark.parametrize("name", YAMLS)
def test_f8_yaml(name, tmp_path, refused):
    text, words = YAMLS[name]
    (tmp_path / "plan.yaml").write_text(text)
    began = time.perf_counter()
    error = refused(lambda: load_plan(tmp_path / "plan.yaml"))
    assert str(tmp_path / "plan.yaml") in str(error), str(error)
    assert words in str(error) and time.perf_counter() - began < 10


def test_f8_words_stay_words():
    """YAML 1.1 reads `no` as False, `1e3` as a text, 010 as 8 and 12:30 as 750: people mean what they write."""
    data = parse_yaml(
        "countries: [no, nl, on, off, yes, y]\nflag: true\nnumber: 1e3\ntime: 12:30\nday: 2024-01-02\nzip: 010", "x"
    )
    assert data["countries"] == ["no", "nl", "on", "off", "yes", "y"] and data["flag"] is True
    assert data["number"] == 1000.0 and data["time"] == "12:30" and data["day"] == "2024-01-02" and data["zip"] == "010"


def test_f8_not_text(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"a: caf\xe9")
    with pytest.raises(PlanError, match="not UTF-8"):
        read_text(tmp_path / "x.yaml")


# ---------------------------------------------------------------- F10: limits

LIMITS = [
    (name, value)
    for name in ("rpm", "tpm", "input_tpm", "output_tpm", "rpd", "concurrent")
    for value in (0, -1, 1.5, True, "9", NAN)
]


@pytest.mark.parametrize(("name", "value"), LIMITS)
def test_f10_limits(name, value):
    with pytest.raises(PlanError) as raised:
        Engine("openai/m", base_url="http://127.0.0.1:9/v1", limits=Limits(**{name: value}))
    assert raised.value.path == f"limits.{name}" and repr(value) in raised.value.message


@pytest.mark.parametrize("value", [0, -1, NAN, "5", True, float("inf")], ids=repr)
def test_f10_a_deadline_that_has_passed(value, refused):
    assert refused(one(), deadline_s=value).path == "deadline_s"
    with pytest.raises(PlanError, match="timeout_s"):
        Engine("sim/default", timeout_s=value)


GIVEN = [
    (name, value)
    for name in ("rpm", "tpm", "max_concurrent", "attempts", "timeout", "deadline", "budget_usd")
    for value in ("0", "-1", "nan", "some")
]


@pytest.mark.parametrize(("name", "value"), GIVEN)
def test_f10_options_by_every_level(name, value, tmp_path):
    (tmp_path / "c.toml").write_text(f'{name} = "{value}"')
    levels = [({name: value}, {}, f"--{name.replace('_', '-')}"), ({}, {f"FANFOLD_{name.upper()}": value}, f"FANFOLD_{name.upper()}"),
              ({}, {"FANFOLD_CONFIG": str(tmp_path / "c.toml")}, f"{tmp_path / 'c.toml'}: {name}")]  # fmt: skip
    for given, environ, path in levels:
        with pytest.raises(PlanError) as raised:
            options(given, environ=environ)
        assert raised.value.path == path and repr(value) in raised.value.message


# ---------------------------------------------------------------- by the program: exit 2, nothing called, nothing written

PLANS: dict[str, tuple[str, list[str], str]] = {
    "F1-cycle": ("steps: {a: {prompt: 'x {b}'}, b: {prompt: 'y {a}'}}", [], "a → b → a"),
    "F2-twice": ("steps: {a: {prompt: x}, a: {prompt: y}}", [], "'a' is given twice"),
    "F3-count": ("axes: {n: {count: 0}}\nsteps: {a: {over: n, prompt: 'x'}}", [], "axes.n.count"),
    "F3-huge": ("axes: {n: {count: 1000000000000}}\nsteps: {a: {over: n, prompt: 'x'}}", [], "axes.n.count"),
    "F4-empty": ("steps: {a: {prompt: ' '}}", [], "steps.a.prompt"),
    "F5-unique": ("axes: {n: 1..10}\nsteps: {a: {over: n, prompt: 'x', output: [a, b, c], unique: true}}", [], "steps.a.unique"),
    "F6-remote": ("steps: {a: {prompt: x, output: {$ref: 'http://127.0.0.1:9/x'}}}", [], "steps.a.output"),
    "F7-ragged": ("axes: {n: {file: rows.csv}}\nsteps: {a: {over: n, prompt: '{n.a}'}}", [], "rows.csv:3"),
    "F8-tag": ("steps: !!python/name:os.system {}", [], "plan.yaml:1"),
    "F10-budget": ("steps: {a: {prompt: x}}", ["--budget-usd", "0"], "--budget-usd"),
    "F10-budget below": ("steps: {a: {prompt: x}}", ["--budget-usd", "-1"], "--budget-usd"),
    "F10-deadline": ("steps: {a: {prompt: x}}", ["--deadline", "0"], "--deadline"),
    "F10-rpm": ("steps: {a: {prompt: x}}", ["--rpm", "0"], "--rpm"),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_program_refuses_with_exit_2(name, program, faults, tmp_path):
    text, args, words = PLANS[name]
    server = faults()
    (tmp_path / "plan.yaml").write_text(text)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3\n")
    done = program("run", "plan.yaml", "--model", "openai/m", "--base-url", server.url("good"), *args)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert not server.hits and not (tmp_path / "home" / "runs.db").exists()


def test_iterators_are_read_once():
    def numbers() -> Iterator[int]:
        yield from (1, 2, 3)

    assert compile_plan(one(n=Axis("n", numbers()))).axes["n"].size == 3
