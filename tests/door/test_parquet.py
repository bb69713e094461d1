"""Rows of Parquet and of packed files: what each type becomes, in parts, with the row in every error."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import subprocess
import sys
import tracemalloc
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold import PlanError, Rows, generate

UTC = dt.UTC


def parquet(path, table, **options):
    pq.write_table(table, path, **options)
    return path


def test_what_each_type_becomes(tmp_path):
    schema = pa.schema([
        ("text", pa.string()), ("many", pa.large_string()), ("n", pa.int64()), ("huge", pa.uint64()), ("x", pa.float64()), ("ok", pa.bool_()),
        ("day", pa.date32()), ("at", pa.timestamp("ns", "UTC")), ("plain", pa.timestamp("us")), ("hour", pa.time64("ns")), ("took", pa.duration("ns")),
        ("price", pa.decimal128(10, 2)), ("count", pa.decimal128(12, 0)), ("exact", pa.decimal128(30, 4)), ("kind", pa.dictionary(pa.int8(), pa.string())),
        ("tags", pa.list_(pa.string())), ("box", pa.struct([("w", pa.int32()), ("on", pa.date32())])),
        ("map", pa.map_(pa.string(), pa.float64())), ("raw", pa.binary()), ("none", pa.null()),
    ])  # fmt: skip
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, 600, UTC)
    full = {
        "text": "é", "many": "b", "n": -5, "huge": 2**64 - 1, "x": 1.5, "ok": True, "day": dt.date(2026, 1, 2), "at": moment,
        "plain": moment.replace(tzinfo=None), "hour": dt.time(3, 4), "took": dt.timedelta(seconds=90), "price": Decimal("12.50"),
        "count": Decimal(7), "exact": Decimal("123456789012345678.1234"), "kind": "a", "tags": ["x", None],
        "box": {"w": 1, "on": dt.date(2026, 1, 2)}, "map": [("k", float("nan"))], "raw": "é".encode(), "none": None,
    }  # fmt: skip
    empty = dict.fromkeys(full)
    rows = Rows(parquet(tmp_path / "t.parquet", pa.Table.from_pylist([full, empty], schema=schema)))
    assert rows[1] == empty and rows.columns == tuple(full)
    assert rows[0] == {
        "text": "é", "many": "b", "n": -5, "huge": 2**64 - 1, "x": 1.5, "ok": True, "day": "2026-01-02",
        "at": "2026-01-02T03:04:05.000600+00:00", "plain": "2026-01-02T03:04:05.000600", "hour": "03:04:00", "took": 90.0, "price": 12.5,
        "count": 7, "exact": "123456789012345678.1234", "kind": "a", "tags": ["x", None], "box": {"w": 1, "on": "2026-01-02"},
        "map": {"k": None}, "raw": "é", "none": None,
    }  # fmt: skip
    json.dumps(rows[0], allow_nan=False)


row = st.fixed_dictionaries({
    "text": st.none() | st.text(st.characters(blacklist_categories=("Cs",)), max_size=200),
    "n": st.none() | st.integers(-(2**63), 2**63 - 1),
    "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "tags": st.none() | st.lists(st.none() | st.text(st.characters(blacklist_categories=("Cs",)), max_size=5), max_size=3),
    "box": st.none() | st.fixed_dictionaries({"a": st.none() | st.booleans(), "b": st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2)}),
})  # fmt: skip
SCHEMA = pa.schema([
    ("text", pa.string()), ("n", pa.int64()), ("x", pa.float64()), ("tags", pa.list_(pa.string())),
    ("box", pa.struct([("a", pa.bool_()), ("b", pa.list_(pa.list_(pa.int64())))])),
])  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(given_rows=st.lists(row, min_size=1, max_size=200), group=st.sampled_from([1, 7, 1000]))
def test_rows_come_back_as_they_were(given_rows, group, tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "t.parquet"
    rows = Rows(parquet(path, pa.Table.from_pylist(given_rows, schema=SCHEMA), row_group_size=group))
    assert list(rows) == given_rows and len(rows) == len(given_rows) and rows[-1] == given_rows[-1]


def test_a_bad_row_is_named(tmp_path):
    table = pa.table({"id": list(range(1000)), "blob": [b"ok"] * 700 + [b"\xff\xfe"] + [b"ok"] * 299})
    path = parquet(tmp_path / "t.parquet", table)
    with pytest.raises(PlanError, match=r"t\.parquet: row 701: column 'blob': bytes that are no text"):
        Rows(path)
    assert Rows(path, columns=["id"])[700] == {"id": 700}
    with pytest.raises(PlanError, match="there is no column 'x'"):
        Rows(path, columns=["x"])
    far = pa.array([2**60], pa.int64()).cast(pa.timestamp("ms"))
    with pytest.raises(PlanError, match=r"far\.parquet: row 1: column 'at'"):
        Rows(parquet(tmp_path / "far.parquet", pa.table({"at": far})))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_what_is_no_parquet(tmp_path, content):
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=r"t\.parquet"):
        Rows(path)


def test_columns_that_cannot_be_told_apart(tmp_path):
    twins = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(PlanError, match="column 'a' is named twice"):
        Rows(parquet(tmp_path / "t.parquet", twins))


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    path = parquet(tmp_path / "t.parquet", pa.table({"a": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PlanError, match="needs pyarrow") as found:
        Rows(path)
    assert "pip install 'fanfold[parquet]'" in found.value.hint


def test_pyarrow_is_loaded_when_it_is_used():
    code = "import fanfold, fanfold.api, fanfold.files, fanfold.cli.main, sys; print('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_rows_are_never_held_whole(tmp_path):
    """Forty megabytes of text; some pages of it at a time."""
    path = tmp_path / "t.parquet"
    with pq.ParquetWriter(path, pa.schema([("n", pa.int64()), ("text", pa.string())])) as writer:
        for n in range(40):
            writer.write_table(pa.table({"n": list(range(n * 1000, n * 1000 + 1000)), "text": ["x" * 1000] * 1000}))
    tracemalloc.start()
    rows = Rows(path)
    assert rows[0]["n"] == 0 and rows[39_999]["n"] == 39_999 and rows[20_000]["n"] == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv.gz", "a,b\n1,é\n2,\n"),
        ("t.jsonl.gz", '{"a": "1", "b": "é"}\n\n{"a": "2", "b": ""}\n'),
        ("t.tsv.gz", "a\tb\n1\té\n2\t\n"),
    ],
)
def test_packed_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()))
    rows = Rows(path)
    assert list(rows) == [{"a": "1", "b": "é"}, {"a": "2", "b": ""}] and rows.columns == ("a", "b")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(PlanError, match=r"cannot be read"):
        Rows(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(PlanError, match=r"cannot be read"):
        Rows(path)


def test_a_bad_line_of_a_packed_file(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3\n"))
    with pytest.raises(PlanError, match=r"t\.csv\.gz:3: has 1 fields, the header has 2"):
        Rows(path)


def test_some_columns_of_a_text_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,2,3\n")
    assert list(Rows(path, columns=["c", "a"])) == [{"c": "3", "a": "1"}] and Rows(path) != Rows(path, columns=["a"])
    with pytest.raises(PlanError, match="there is no column 'd'"):
        Rows(path, columns=["d"])
    with pytest.raises(PlanError, match="a list of names"):
        Rows(path, columns="a")


def test_the_name_of_a_file_is_not_its_rows():
    with pytest.raises(PlanError) as found:
        generate("{row.a}", over={"row": "terms.csv"}, store=":memory:", model="sim/default")
    assert "Rows('terms.csv')" in found.value.hint


def test_a_run_over_a_parquet_file(tmp_path):
    path = parquet(tmp_path / "t.parquet", pa.table({"term": ["ijs", "vuur", "ijs"], "n": [1, 2, 3]}))
    result = generate("Define {row.term} ({row.n}).", over={"row": Rows(path)}, store=":memory:", model="sim/default")
    assert result.ok and [row["row.n"] for row in result.rows()] == [1, 2, 3]
