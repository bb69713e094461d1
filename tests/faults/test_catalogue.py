"""Every fault of the catalogue is checked somewhere, and that place exists."""

from __future__ import annotations

import importlib

import pytest

from fanfold.testing.faultserver import DIALECTS
from tests.faults import test_provider_faults as provider_faults
from tests.faults.catalogue import CATALOGUE
from tests.faults.facing import MODES

ROWS = [
    *(f"A{n}" for n in range(1, 25)), *(f"B{n}" for n in range(1, 15) if n != 12),
    *(f"P{n}" for n in range(1, 17) if n not in (10, 11, 13)), *(f"S{n}" for n in range(1, 15)), *(f"F{n}" for n in range(1, 11)),
]  # fmt: skip


def test_every_row_is_there():
    assert list(CATALOGUE) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_checked(row):
    assert CATALOGUE[row], f"nothing checks {row}"
    for place in CATALOGUE[row]:
        file, *names = place.split("::")
        found = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        for name in names:
            found = getattr(found, name, None)
            assert found is not None, f"{row}: there is no {place}"
        assert callable(found) and names[-1].startswith("test_")
        if found is provider_faults.test_one_answer_of_each_kind:
            assert any(case.row == row for case in provider_faults.CASES), f"{row}: no case of it"


def test_every_dialect_has_every_mode():
    """But what only one of them can say."""
    shared = set.intersection(*map(set, MODES.values()))
    own = {name: sorted(set(modes) - shared) for name, modes in MODES.items()}
    assert set(own) == set(DIALECTS) and own["anthropic"] == own["google"] == []
    assert len(shared) >= 100
    assert own["openai"] == ["empty_finish", "empty_finish_only", "usage_last"]
