"""A run as rows: the same columns whatever failed, the same cells in every format, a page at a time, whole files or none."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
from enum import Enum
from types import SimpleNamespace
from typing import Literal
from weakref import WeakValueDictionary

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, computed_field

from fanfold import Axis, Engine, Plan, PlanError, Rows, Step
from fanfold.spec.calls import Fault
from fanfold.spec.events import Called, SpareEnded
from fanfold.table import TAIL, write_table
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from fanfold.views.columns import Column, columns_of_rows, fields_of
from fanfold.views.tables import write_rows

ENDS = [column.name for column in TAIL]


class Part(BaseModel):
    grams: int | None = None
    of: str


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Dish(BaseModel):
    title: str
    minutes: int
    score: float | None = None
    size: Size = Size.SMALL
    kind: Literal["soup", "cake"] = "soup"
    main: Part
    parts: list[Part] = []
    tags: list[list[str]] = []
    notes: dict[str, int] = {}
    state: str = ""

    @computed_field
    @property
    def hours(self) -> float:
        return self.minutes / 60


DISH = {
    "title": "=1+1",
    "minutes": 90,
    "main": {"grams": 5, "of": "flour"},
    "parts": [{"of": "é"}],
    "tags": [["a", "b"]],
    "notes": {"x": 1},
    "state": "new",
}


def done(plan, script, **options):
    async def main():
        words = {"provider": ScriptedProvider(script), "store": ":memory:", "clock": VirtualClock(), "seed": 1, **options}
        async with Engine("sim/x", **words) as engine:
            going = engine.start(plan)
            result = await going.result()
            return result, [row async for row in going.rows()]

    return run(main())


def failing(kinds):
    """Answers by the number of the cell: good, refused, or gone."""

    def script(request, number):
        kind = kinds[int(request.messages[-1].content) % len(kinds)]
        return Fails(Fault(code="filtered", message="no\nnever")) if kind == "gone" else Says(DISH if kind == "good" else "{}")

    return script


PLAN = Plan(
    "p",
    [Step("dish", "{n}", over=("n", "row"), output=Dish, attempts=1)],
    {"n": range(4), "row": [{"a": 1}, {"b": "x", "a": None}]},
)


def test_the_columns_are_the_same_whatever_failed():
    tables = [done(PLAN, failing(kinds))[0] for kinds in (["good"], ["gone"], ["good", "bad", "gone"])]
    names = [[list(row) for row in result.rows()] for result in tables]
    expected = [
        "step", "n", "row.a", "row.b", "state", "title", "minutes", "score", "size", "kind", "main.grams", "main.of", "parts", "tags",
        "notes", "value.state", "hours", *ENDS,
    ]  # fmt: skip
    assert all(row == expected for rows in names for row in rows)
    assert all(set(row) == set(expected) for result in tables for row in result["dish"].rows())
    assert [column.name for column in tables[0].columns] == expected and tables[0].columns == tables[1].columns
    row = next(tables[0].rows())
    assert (row["main.grams"], row["parts"], row["value.state"], row["hours"]) == (5, [{"grams": None, "of": "é"}], "new", 1.5)
    assert (row["state"], row["error"], row["attempts"], row["calls"], row["elapsed_s"], row["tokens_out"]) == (
        "accepted",
        "",
        1,
        1,
        1.0,
        10,
    )
    assert row["model"] == "sim/x"
    lost = next(tables[1].rows())
    assert (lost["state"], lost["title"], lost["error"], lost["message"]) == ("failed", None, "filtered", "no\nnever")


def test_rows_from_the_store_are_those_of_the_result():
    steps = [
        Step("dish", "{n}", over="n", output=Dish, attempts=1),
        Step("text", "0{dish}", over="n"),
        Step("all", function=lambda cell: {"n": len(cell["text"])}, output=dict, needs=("text",)),
    ]

    def script(request, number):
        text = request.messages[-1].content
        return Fails(Fault(code="filtered", message="no")) if text == "2" else Says(DISH if text.isdigit() else "-5")

    result, rows = done(Plan("p", steps, {"n": range(1100)}), script)
    assert rows == list(result.rows()) and len(rows) == 2201
    assert rows[2]["error"] == "filtered" and rows[1102]["error"] == "upstream" and rows[-1]["value"] == {"n": 1099}
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


def test_what_cells_cost_adds_up():
    result, rows = done(PLAN, failing(["good", "bad"]), prices={"sim/x": [1.0, 2.0]})
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(result.report["cost_usd"]) and rows[0][
        "cost_usd"
    ] == pytest.approx(3e-5)
    assert sum(row["calls"] for row in rows) == result.report["calls"]
    assert done(PLAN, failing(["good"]))[1][0]["cost_usd"] is None, "nobody has told a price"


def test_counted_cells_and_their_spares():
    """What a spare took is the cell's that it fills; of those that fill none there is no row."""
    events = []
    plan = Plan("p", [Step("a", "a name", over="n", output=Part, unique="of")], {"n": {"count": 30}})

    def script(request, number):
        return Says({"of": f"name {number if number % 3 else 0}"}, latency_s=1 + number % 2)

    async def main():
        async with Engine("sim/x", provider=ScriptedProvider(script), store=":memory:", clock=VirtualClock(), seed=1) as engine:
            going = engine.start(plan, sinks=[events.extend])
            return await going.result(), [row async for row in going.rows()]

    result, rows = run(main())
    spares = {event.at: event.fills for event in events if isinstance(event, SpareEnded)}
    lost = sum(isinstance(event, Called) and event.at in spares and spares[event.at] is None for event in events)
    assert result.ok and [row["n"] for row in rows] == list(range(1, 31)) and all(row["calls"] and row["model"] for row in rows)
    assert [row["of"] for row in rows] == [cell.value.of for cell in result["a"]]
    assert any(spares.values()) and sum(row["calls"] for row in rows) == result.report["calls"] - lost


def test_found_axes():
    steps = [Step("a", "0", output=list[str]), Step("b", "{x}", over="x")]
    plan = Plan("p", steps, [Axis("x", each="a")])
    _, rows = done(plan, lambda request, number: Says(["u", "v"] if number == 0 else "w"))
    assert [(row["step"], row["x"], row["value"]) for row in rows] == [("a", None, ["u", "v"]), ("b", 1, "w"), ("b", 2, "w")]


def test_a_result_without_its_values():
    """For more cells than are to be held: errors, counts and the report are all there."""
    plan = Plan("p", [Step("a", "{n}", over="n", output=Part, unique="of", attempts=1)], {"n": range(50)})

    async def main():
        script = lambda request, number: Says({"of": f"name {int(request.messages[-1].content) % 40}"})  # noqa: E731
        async with Engine("sim/x", provider=ScriptedProvider(script), store=":memory:", clock=VirtualClock(), seed=1) as engine:
            going = engine.start(plan)
            return await going.result(held=False), await going.result()

    brief, whole = run(main())
    assert (brief.errors, brief.shortfall, brief.report, brief.state) == (
        whole.errors,
        whole.shortfall,
        whole.report,
        whole.state,
    )
    assert len(brief["a"]) == len(brief.errors) == 10 and len(whole["a"]) == 50


# -------------------------------------------------------------------- formats

odd = st.text(max_size=60) | st.sampled_from(
    ["=1+1", "+x", "-5", "@a", "\t", "\r\n", 'a"b,c', "'", "", "NaN", "null", "é🌱", "\x00", "\ud800", "a\u2028b", "x" * 40_000]
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5,
)  # fmt: skip
tables = st.lists(st.dictionaries(st.sampled_from(["a", "=b", "c.d", "é"]), plain), min_size=1, max_size=8)


def cleaned(value):
    """As any format has it: no half characters."""
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    return {cleaned(k): cleaned(v) for k, v in value.items()} if isinstance(value, dict) else value


@settings(max_examples=80, deadline=None)
@given(rows=tables)
def test_json_lines_come_back(rows, tmp_path_factory):
    path, columns = tmp_path_factory.mktemp("t") / "t.jsonl", columns_of_rows(rows)
    write_rows(path, "jsonl", rows, columns)
    expected = [{name: cleaned(row.get(name)) for name, _ in columns} for row in rows]
    assert [json.loads(line) for line in path.read_text().split("\n")[:-1]] == expected
    if columns:
        assert list(Rows(path)) == expected


@settings(max_examples=80, deadline=None)
@given(rows=tables)
def test_csv_comes_back_and_nothing_in_it_is_run(rows, tmp_path_factory):
    path, columns = tmp_path_factory.mktemp("t") / "t.csv", columns_of_rows(rows)
    write_rows(path, "csv", rows, columns)
    with path.open(newline="") as file:
        lines = list(csv.reader(file, strict=True))
    assert not columns or len(lines) == 1 + len(rows)
    for line, row in zip(lines[1:], rows, strict=bool(columns)):
        for text, (name, _) in zip(line, columns, strict=True):
            value = cleaned(row.get(name))
            if isinstance(value, str):
                assert text.removeprefix("'") == value.replace("\0", "").removeprefix("'") and not text.startswith(
                    ("=", "+", "-", "@", "\t", "\r")
                )
            else:
                assert (value is None and text == "") or json.loads(text) == value, "numbers stay numbers"


def meant(said, kind):
    if said is None or kind == "null":
        return said
    if isinstance(kind, tuple):
        return [meant(item, kind[1]) for item in said]
    return json.loads(said) if kind == "json" else said


@settings(max_examples=80, deadline=None)
@given(rows=tables)
def test_parquet_comes_back(rows, tmp_path_factory):
    """What fits a column is as it was; a column that holds everything holds JSON."""
    path, columns = tmp_path_factory.mktemp("t") / "t.parquet", columns_of_rows(rows)
    if not columns:
        return
    write_rows(path, "parquet", rows, columns)
    found = pq.read_table(path)
    assert found.column_names == [cleaned(name) for name, _ in columns]
    for back, row in zip(found.to_pylist(), rows, strict=True):
        for name, kind in columns:
            value, said = cleaned(row.get(name)), back[name]
            assert meant(said, kind) == value, (kind, value, said)
    assert list(Rows(path)) == found.to_pylist()


def test_a_value_that_does_not_fit_its_column(tmp_path):
    rows = [{"n": 1, "s": "a", "box": {"w": 1}} for _ in range(5000)] + [{"n": 2**80, "s": 5, "box": {"w": 1, "z": 2}}]
    path = tmp_path / "t.parquet"
    write_rows(path, "parquet", rows, [Column("n", "int"), Column("s", "text"), Column("box", ("struct", {"w": "int"}))])
    last = pq.read_table(path).to_pylist()[-1]
    assert {name: json.loads(text) for name, text in last.items()} == rows[-1] and len(pq.read_table(path)) == 5001


def test_types_of_parquet(tmp_path):
    result, _ = done(PLAN, failing(["good", "gone"]))
    path = tmp_path / "t.parquet"
    result.write(path)
    schema = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert (schema["minutes"], schema["score"], schema["size"], schema["main.grams"], schema["cost_usd"]) == (
        "int64",
        "double",
        "string",
        "int64",
        "double",
    )
    assert "struct<grams: int64, of: string>" in schema["parts"] and schema["row.a"] == "int64" and schema["notes"] == "string"
    nothing, _ = done(PLAN, failing(["gone"]))
    nothing.write(tmp_path / "n.parquet")
    assert pq.read_schema(tmp_path / "n.parquet") == pq.read_schema(path), "also where nothing came out"


class Node(BaseModel):
    name: str
    inner: list[Node] = []


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        (None, [(("value",), "text")]),
        ({}, [(("value",), "json")]),
        ({"type": "integer"}, [(("value",), "int")]),
        ({"enum": ["a", 1]}, [(("value",), "json")]),
        ({"const": 1.5}, [(("value",), "float")]),
        ({"type": ["string", "null"]}, [(("value",), "text")]),
        ({"type": "array"}, [(("value",), "json")]),
        ({"type": "object", "properties": {"a": {"type": "number"}}, "additionalProperties": True}, [(("a",), "float"), (("more",), "json")]),
        ({"type": "object", "properties": {"a": True}}, [(("a",), "json")]),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, [(("value",), "float")]),
        ({"allOf": [{"type": "boolean"}]}, [(("value",), "bool")]),
        (Node.model_json_schema(), [(("value",), "json")]),
    ],
)  # fmt: skip
def test_columns_of_a_schema(schema, fields):
    found = fields_of(schema)
    assert found == fields or (schema and "$defs" in schema and [path for path, _ in found] == [("name",), ("inner",)])


def test_fields_beyond_a_schema_are_kept():
    output = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    _, (row,) = done(Plan("p", [Step("a", "x", output=output)]), [{"a": "1", "b": [2]}])
    assert row["a"] == "1" and row["more"] == {"b": [2]}


# -------------------------------------------------------------------- files


class Held(dict):
    """A row that is noticed while anybody holds it."""


class Many:
    """A run of many cells, as the writers see it. lost: raises at that page."""

    def __init__(self, cells, lost=None):
        self.cells, self.lost, self.most = cells, lost, 0
        self.alive = WeakValueDictionary()
        head = [Column("step", "text"), Column("n", "int"), Column("state", "text")]
        self.tables = [SimpleNamespace(head=head, values=[Column("title", "text")])]

    async def rows(self):
        for page in range(self.cells // 500):
            if page == self.lost:
                raise OSError(28, "No space left on device")
            rows = [Held(n=page * 500 + i, title=f"{page} {i} " + "x" * 200) for i in range(500)]
            self.alive.update({id(row): row for row in rows})
            self.most = max(self.most, len(self.alive))
            yield rows


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_hundred_thousand_cells_are_not_held(form, tmp_path):
    path, many = tmp_path / f"t.{form}", Many(100_000)
    run(write_table(many, path, form))
    assert path.stat().st_size > 100_000 and many.most <= 3_000, "of rows, those of a page, and of a row group of Parquet"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_file_is_there_whole_or_not_at_all(form, tmp_path):
    path = tmp_path / f"t.{form}"
    path.write_text("before")
    with pytest.raises(OSError, match="No space"):
        run(write_table(Many(10_000, lost=7), path, form))
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    run(write_table(Many(10_000), path, form))
    assert path.read_bytes() != b"before" and list(tmp_path.iterdir()) == [path]


def test_a_long_run_is_read_a_page_at_a_time(tmp_path):
    """Values of 8 MB in all, from a store on the disk."""
    plan = Plan("p", [Step("a", function=lambda cell: "x" * 4000, over="n")], {"n": range(2000)})

    async def main():
        async with Engine("sim/x", store=tmp_path / "runs.db") as engine:
            going = engine.start(plan)
            await going.ended()
            tracemalloc.start()
            await going.export(tmp_path / "t.jsonl")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

    peak = asyncio.run(main())
    assert (tmp_path / "t.jsonl").stat().st_size > 8_000_000 and peak < 7 << 20, f"{peak / 2**20:.1f} MB"


def test_formats_by_ending(tmp_path):
    result, rows = done(PLAN, failing(["good"]))
    for name in ("t.csv", "t.jsonl", "t.json", "t.parquet", "t.txt"):
        result.write(tmp_path / name)
    assert json.loads((tmp_path / "t.json").read_text()) == json.loads((tmp_path / "t.txt").read_text()) == result.to_json()
    assert [json.loads(line)["n"] for line in (tmp_path / "t.jsonl").read_text().splitlines()] == [row["n"] for row in rows]
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))) == len(rows)
    with pytest.raises(PlanError, match="xlsx is not a format of rows"):
        result.write(tmp_path / "t.x", format="xlsx")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    result, _ = done(PLAN, failing(["good"]))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(PlanError, match="needs pyarrow"):
        result.write(tmp_path / "t.parquet")
