"""The suite is measured by the faults it finds: every planted one is noticed, in seconds."""

from __future__ import annotations

import gc

import pytest

from tests.histories.planted import FAULTS, histories, planted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning"
)
def test_a_planted_fault_is_noticed(fault):
    gc.freeze()  # what is there already need not be looked through
    with planted(fault), pytest.raises(BaseException) as caught:
        fault.noticed_by()
    assert not isinstance(caught.value, KeyboardInterrupt | SyntaxError | NameError), caught.value
    assert "pytest-timeout" not in str(caught.value), "it was noticed only because time ran out"
    del caught
    gc.collect()  # what it leaves open is told here, and not in a test that can do nothing for it
    gc.unfreeze()


def test_without_them_nothing_is_noticed():
    for check in {fault.noticed_by for fault in FAULTS if fault.noticed_by is not histories}:
        check()
