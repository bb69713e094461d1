"""The promise of the notes, kept; and the long table as a short cut."""

from __future__ import annotations

import csv
import sys

import pytest

from bench import seeds, table
from fanfold import Rows

ROWS = 5_000


def test_a_week_over_http_is_fourteen_times_faster():
    pair = seeds.over_http()
    assert pair.sequential_s >= 21 * seeds.LATENCY_S and pair.share <= 1 / seeds.PROMISED[7], pair


@pytest.mark.parametrize("days", seeds.PROMISED)
def test_each_row_of_the_table_is_kept(days):
    pair = seeds.in_virtual_time(days, 1, slips=0.0, collapse=0.0)
    assert pair.sequential_s == pytest.approx(3 * days * seeds.THEIRS_S, rel=0.15)
    assert pair.share <= 1 / seeds.PROMISED[days] + 1e-3, pair


def test_a_model_that_slips_is_slower_both_ways():
    pair = seeds.in_virtual_time(7, 0, slips=0.3)
    assert pair.calls > 24 and 1 / 21 < pair.share < 1 / 3, pair


def test_the_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "rows.csv"
    table.write_csv(path, 3)
    (plan, rows) = table.plan(path), Rows(str(path))
    with path.open(newline="") as file:
        header, *_, last = csv.reader(file)
    assert len(rows) == 3 and rows[2] == dict(zip(header, last, strict=True))
    assert [step.name for step in plan.steps] == ["note", "line"] and '"number 1"' in rows[1]["remark"]


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is told in other units elsewhere")
def test_thousands_of_rows_through_two_steps_in_little_memory():
    found = table.peak(ROWS)
    assert (found.rows, found.accepted) == (ROWS, 2 * ROWS)
    assert found.mb <= 150, found
