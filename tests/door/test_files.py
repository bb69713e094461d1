from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold import PlanError
from fanfold.files import STRIDE, Rows

CELL = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00\r"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL.filter(str.strip), CELL), min_size=1, max_size=200), bom=st.booleans())
def test_rows_of_csv_by_number(rows, bom, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("a", "b"), *rows])
    found = Rows(path)
    assert len(found) == len(rows)
    for i in (0, len(rows) - 1, len(rows) // 2, -1):
        assert found[i] == {"a": rows[i][0], "b": rows[i][1]}
    assert [row["a"] for row in found] == [row[0] for row in rows]


def test_rows_of_jsonl_are_read_from_where_they_are(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"i": i, "text": "é" * (i % 7)}) for i in range(1000)) + "\n\n")
    rows = Rows(path)
    assert len(rows) == 1000 and rows[777]["i"] == 777 and rows[-1]["i"] == 999 and rows[2:4][1]["i"] == 3
    assert len(rows._offsets) == 1000 // STRIDE + 1
    with pytest.raises(IndexError):
        rows[1000]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", b"a,b\n1,2\n1\n", r"r\.csv:3: has 1 fields, the header has 2"),
        ("r.csv", b"a,a\n1,2\n", "column 'a' is named twice"),
        ("r.csv", b"", "is empty"),
        ("r.csv", b'a,b\n1,"2\n', r"r\.csv:2: is not valid CSV"),
        ("r.csv", b"a,b\n1,\xe9\n", "is not UTF-8"),
        ("r.jsonl", b'{"a": 1}\n{"a"\n', r"r\.jsonl:2: is not valid JSON"),
        ("r.jsonl", b"[1]\n", r"r\.jsonl:1: is not an object but a list"),
        ("r.xlsx", b"", "rows are read from .csv"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PlanError, match=message):
        Rows(path)


def test_semicolons_between_columns(tmp_path):
    """As spreadsheets write them where numbers have a comma."""
    path = tmp_path / "rows.csv"
    path.write_text('term;"what it is"\nfiets;"twee wielen, een zadel"\n"a;b";1,5\n', "utf-8-sig")
    assert list(Rows(path)) == [
        {"term": "fiets", "what it is": "twee wielen, een zadel"},
        {"term": "a;b", "what it is": "1,5"},
    ]
    path.write_text("a,b;c\n1,2\n")
    assert Rows(path)[0] == {"a": "1", "b;c": "2"}


def test_a_file_that_is_not_there():
    with pytest.raises(PlanError, match="cannot be read"):
        Rows("nowhere.csv")
