"""Text writers: what is read back is what was written, and nothing in it runs."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.views.exports import FORMATS, plain, to_csv, to_json, to_jsonl, to_markdown, write

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(PLAIN)
def test_json_is_what_the_standard_library_writes(value: Any) -> None:
    assert "".join(to_json(value)) == json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@settings(deadline=None)
@given(st.lists(PLAIN, max_size=5))
def test_jsonl_is_one_value_a_line_for_every_reader(rows: list[Any]) -> None:
    lines = "".join(to_jsonl(rows)).splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_json_streams_iterators_as_they_come() -> None:
    read: list[int] = []

    def rows() -> Any:
        for n in range(3):
            read.append(n)
            yield {"n": n}

    chunks = to_json({"values": {"haiku": rows()}})
    text = ""
    while '"n": 0' not in text:
        text += next(chunks)
    assert read == [0]
    assert json.loads(text + "".join(chunks)) == {"values": {"haiku": [{"n": 0}, {"n": 1}, {"n": 2}]}}


@pytest.mark.parametrize("name", ["json", "jsonl", "csv", "md"])
def test_what_no_format_can_say_is_made_harmless(name: str) -> None:
    text = "".join(FORMATS[name]([{"a": math.nan, "b": [math.inf, 1.5], "c": "half \ud83d"}]))
    assert "nan" not in text.lower()
    assert "infinity" not in text.lower()
    assert "half \ufffd" in text.encode().decode()


def test_what_is_not_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match="set is not plain data"):
        plain({"a": {1, 2}})


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_columns_come_in_first_seen_order_and_numbers_stay_numbers() -> None:
    text = "".join(to_csv([{"b": -1, "a": "x"}, {"c": [1, {"d": "é"}], "a": None}, {"b": 2.5, "a": True}]))
    assert text == 'b,a,c\r\n-1,x,\r\n,,"[1, {""d"": ""é""}]"\r\n2.5,true,\r\n'


def test_csv_streams_when_columns_are_given() -> None:
    chunks = to_csv(iter([{"a": 1, "b": 2}, {"a": 3}]), columns=["b", "a"])
    assert next(chunks) == "b,a\r\n"
    assert "".join(chunks) == "2,1\r\n,3\r\n"


def test_csv_of_nothing_is_nothing() -> None:
    assert "".join(to_csv([])) == ""


def test_csv_of_an_iterator_finds_its_columns() -> None:
    assert "".join(to_csv(iter([{"a": 1}, {"b": 2}]))) == "a,b\r\n1,\r\n,2\r\n"


DANGEROUS = "=+-@\t\r\n＝＋－＠"
NASTY = st.builds(str.__add__, st.sampled_from(["", *DANGEROUS, "\0=", "\ufeff=", "\0\ufeff@", "\ufeff\0-"]), st.text())


@settings(deadline=None)
@given(st.lists(st.dictionaries(NASTY, NASTY, min_size=1, max_size=3), min_size=1, max_size=4))
def test_no_csv_cell_is_a_formula_and_no_text_is_lost(rows: list[dict[str, str]]) -> None:
    header, *lines = parsed("".join(to_csv(rows)))
    for cell in [*header, *(cell for line in lines for cell in line)]:
        assert not cell.lstrip("\ufeff").startswith(tuple(DANGEROUS))
        assert "\0" not in cell
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for row, line in zip(rows, lines, strict=True):
        for column, cell in zip(columns, line, strict=True):
            assert cell.removeprefix("'") == plain(row.get(column, "").replace("\0", "")).removeprefix("'")


def test_markdown_rows_are_a_table_whose_cells_cannot_break_out() -> None:
    assert "".join(to_markdown([{"name": "a|b", "note": "one\ntwo <b>"}, {"n": 2}])) == (
        "| name | note | n |\n| --- | --- | --- |\n| a\\|b | one<br>two &lt;b> |  |\n|  |  | 2 |\n"
    )


def test_markdown_mappings_are_sections() -> None:
    data = {"briefing": "## Hello\n\ntext\n", "plays": {"first": ["a", "b"], "second": [{"x": 1}]}, "count": 3, "none": []}
    assert "".join(to_markdown(data)) == (
        "# briefing\n\n## Hello\n\ntext\n\n# plays\n\n## first\n\n- a\n- b\n\n## second\n\n| x |\n| --- |\n| 1 |\n"
        "\n# count\n\n3\n\n# none\n\n"
    )


def test_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write(path, ["first"])

    def broken() -> Any:
        yield "second"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write(path, broken())
    assert path.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["out.json"]
    write(str(path), iter(["thi", "rd\r\n"]))
    assert path.read_bytes() == b"third\r\n"


@pytest.mark.skipif(os.name == "nt", reason="modes and links are POSIX")
def test_write_keeps_to_the_umask_and_replaces_links(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept")
    link.symlink_to(target)
    before = os.umask(0o027)
    try:
        write(link, ["new"])
    finally:
        os.umask(before)
    assert (link.read_text(), target.read_text(), link.is_symlink()) == ("new", "kept", False)
    assert stat.S_IMODE(link.stat().st_mode) == 0o640


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_write_leaves_devices_where_they_are() -> None:
    write("/dev/null", ["gone"])
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_write_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        write(tmp_path, ["x"])
