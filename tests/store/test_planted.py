"""Small deliberate bugs in the store, and who must notice them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fanfold.store.writer import Writer
from tests.faults import test_storage as faults
from tests.histories.planted import Fault, planted
from tests.store import test_leases, test_migration
from tests.store.test_sqlite import TestSqliteStore as Conformance


def conformance(name: str) -> Callable[[], object]:
    def notice() -> None:
        with tempfile.TemporaryDirectory() as folder:
            suite = Conformance()
            Conformance.place.__wrapped__(suite, Path(folder))  # type: ignore[attr-defined]
            asyncio.run(getattr(suite, name)())

    return notice


def case(test: Callable[..., Any], *details: Any) -> Callable[[], object]:
    def notice() -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            first, *others = inspect.signature(test).parameters
            place = Path(folder) if first == "tmp_path" else Path(folder) / "runs.db"
            asyncio.run(test(place, *details, *([patch] if "monkeypatch" in others else [])))

    return notice


FAULTS = [
    Fault(
        "an old fence is not noticed", "store.transaction:_Group.flush", "!= len(rows)", "> len(rows)",
        conformance("test_whoever_lost_the_lease_writes_nothing_more"),
    ),
    Fault(
        "a living holder is not asked", "store.leases:Leases.is_free", "holder is not None and", "holder is None and",
        conformance("test_nobody_else_works_on_a_run_that_goes_on"),
    ),
    Fault(
        "a lease never ends", "store.leases:Lease.holder", "self.until <= now", "False",
        conformance("test_whoever_lost_the_lease_writes_nothing_more"),
    ),
    Fault(
        "an ended run stays leased", "store.transaction:_Group._append", "if after.state in ENDED:", "if False:",
        conformance("test_a_run_that_has_ended_is_anybodys"),
    ),
    Fault(
        "a closed store keeps its leases", "store.leases:Owner.gone", "return self.store not in _stores", "return False",
        case(test_leases.test_a_store_that_failed_leaves_its_runs_to_others_of_its_process),
    ),
    Fault(
        "numbers of leases are used again", "store.leases:Leases.take", "(last or 0) + 1", "1",
        conformance("test_an_old_number_is_refused_even_when_the_run_was_made_anew"),
    ),
    Fault(
        "a run that goes on can be deleted", "store.transaction:_Group._remove", "and lease.owner and", "and not lease.owner and",
        conformance("test_a_run_that_goes_on_cannot_be_deleted"),
    ),
    Fault(
        "a deleted run leaves its values", "store.transaction:_Group._remove", "for table in TABLES_OF_RUNS", "for table in TABLES_OF_RUNS[:3]",
        conformance("test_a_deleted_run_is_gone_and_the_others_are_not"),
    ),
    Fault(
        "a snapshot may be ahead of its events", "store.transaction:_Group._keep", "tally.next <= picture.seq", "tally.next < picture.seq",
        conformance("test_a_snapshot_of_what_is_not_written_is_refused"),
    ),
    Fault(
        "a migration is written in pieces", "store.schema:_change", 'db.execute("BEGIN IMMEDIATE")', "pass",
        case(test_migration.test_an_interrupted_migration_leaves_the_older_file, 1),
    ),
    Fault(
        "a file without a name is written to", "store.database:Database._is_there", "!= self._file", "== 0",
        case(faults.test_s2_the_folder_is_deleted_under_it),
    ),
    Fault(
        "what is not found was never there", "store.reader:Reader._prove_absence", "< len(part)", "< 0",
        case(faults.test_s5_one_flipped_byte_in_any_page_is_harmless_or_noticed, 1),
    ),
    Fault(
        "renewing is forgotten", "store.writer:Writer._renew", "database.renewal_s == 0", "database.renewal_s is None",
        case(test_leases.test_a_renewal_that_fails_stops_the_store),
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(fault: Fault) -> None:
    fault.noticed_by()  # without it, all is well
    with planted(fault), pytest.raises((Exception, pytest.fail.Exception)):
        fault.noticed_by()
    _end_writers()


def _end_writers() -> None:
    """Those of stores that a failure left open."""
    for each in gc.get_objects():
        if type(each) is Writer:
            each.stop()
    for thread in threading.enumerate():
        if thread.name == "fanfold-store":
            thread.join(10)
