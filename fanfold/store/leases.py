"""Who works on a run: a lease with a number that only grows, so that whoever lost it unawares can be told from whoever has it now.

A lease ends when its run does, when its store is closed or fails, when its process is certainly dead, or when it has not been renewed for its
term. What was written under an older number than the lease's is refused (fencing: Kleppmann, "How to do distributed locking").
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

from fanfold.store.rows import checksum
from fanfold.store.tally import Refused

logger = logging.getLogger("fanfold")

TERM_S = 30.0
"""Seconds that a lease holds without being renewed."""
RENEWALS = 3
"""How often it is renewed in that time."""

_stores: set[str] = set()
"""The owners that this process has open: for the others that bear its number it can say that they are gone."""


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """An open store. born: when its process began, in the system's own words; "" where they are not known."""

    machine: str
    pid: int
    born: str
    store: str

    @classmethod
    def here(cls) -> Owner:
        """A new one, in this process. It counts as alive until `leave`."""
        owner = cls(_machine(), os.getpid(), _born(os.getpid()), secrets.token_hex(8))
        _stores.add(owner.store)
        return owner

    def leave(self) -> None:
        """Nothing will be written by it any more."""
        _stores.discard(self.store)

    @property
    def gone(self) -> bool:
        """Whether it certainly writes nothing any more. Of another machine, nothing is certain."""
        if self.machine != _machine():
            return False
        if self.pid == os.getpid() and self.born == _born(self.pid):
            return self.store not in _stores
        return _dead(self.pid, self.born)


class Lease(msgspec.Struct, frozen=True):
    """fence: grows with each taking, over the whole store, and is never used again. owner: JSON, or "" when it is free. until: Unix time."""

    fence: int
    owner: str
    until: float

    def holder(self, now: float) -> Owner | None:
        """Who works on the run, if anybody does."""
        if not self.owner or self.until <= now:
            return None
        owner = msgspec.json.decode(self.owner, type=Owner)
        return None if owner.gone else owner


class Leases:
    """The leases in one transaction. held: run -> fence, as this store had them before; `fresh`: what it has after (None: no more)."""

    def __init__(self, db: sqlite3.Connection, owner: Owner, held: Mapping[str, int], now: float, term_s: float) -> None:
        self._db, self._owner, self._held, self._now, self._until = db, owner, held, now, now + term_s
        self.fresh: dict[str, int | None] = {}

    def fence(self, run: str) -> int | None:
        """The number under which this store writes the run, as far as it knows."""
        return self.fresh[run] if run in self.fresh else self._held.get(run)

    def take(self, run: str) -> bool:
        """Returns whether it is new; one that is held already goes on. Raises Refused when somebody works on the run."""
        lease, mine = stored_lease(self._db, run), self.fence(run)
        if lease is not None and lease.fence == mine and lease.owner:
            return False
        self.is_free(run, lease)
        (last,) = self._db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'leases'").fetchone()
        taken = Lease((last or 0) + 1, msgspec.json.encode(self._owner).decode(), self._until)
        self._db.execute("DELETE FROM leases WHERE run = ?", (run,))
        self._db.execute("INSERT INTO leases VALUES (?, ?, ?, ?, ?)", lease_row(run, taken))
        self.fresh[run] = taken.fence
        return True

    def is_free(self, run: str, lease: Lease | None) -> None:
        """Raises Refused when somebody else works on the run."""
        holder = lease.holder(self._now) if lease is not None else None
        if holder is not None and holder != self._owner:
            raise Refused(f"run {run}: {_told(holder)} is working on it: let it end, or stop it first")

    def release(self, run: str) -> None:
        """The run has ended. The row stays, and so does its number."""
        fence = self.fence(run)
        if fence is not None:
            free = lease_row(run, Lease(fence, "", 0.0))
            self._db.execute("UPDATE leases SET owner = ?, until = ?, crc = ? WHERE fence = ?", (*free[2:], fence))
        self.fresh[run] = None

    def renew(self) -> None:
        """All that are held. One that another has taken meanwhile stays the other's: that is found out at the next append."""
        owner = msgspec.json.encode(self._owner).decode()
        rows = [lease_row(run, Lease(fence, owner, self._until)) for run, fence in self._held.items()]
        for fence, run, _, until, crc in rows:
            self._db.execute("UPDATE leases SET until = ?, crc = ? WHERE fence = ? AND run = ?", (until, crc, fence, run))

    def lost(self, run: str) -> str:
        """Why an append was refused."""
        lease = stored_lease(self._db, run)
        if lease is None:
            return "it is not in the store any more"
        holder = lease.holder(self._now)
        return f"{_told(holder)} has taken it over" if holder is not None else "another process took it over meanwhile"


def lease_row(run: str, lease: Lease) -> tuple[int, str, str, float, int]:
    return (lease.fence, run, lease.owner, lease.until, checksum(lease.owner.encode(), run, lease.fence, lease.until))


def stored_lease(db: sqlite3.Connection, run: str) -> Lease | None:
    """A damaged one is none: whoever takes the run gets a number of its own, and the one before is refused from then on."""
    row = db.execute("SELECT * FROM leases WHERE run = ?", (run,)).fetchone()
    if row is None:
        return None
    with suppress(TypeError, ValueError, AttributeError):
        lease = Lease(row[0], row[2], row[3])
        if lease_row(run, lease) == row:
            return lease
    logger.warning("run %s: its lease does not match its checksum, and is taken for a free one", run)
    return None


def _told(owner: Owner) -> str:
    if owner.machine == _machine():
        return "this process" if owner.pid == os.getpid() else f"process {owner.pid}"
    return f"process {owner.pid} of another machine"


# ---------------------------------------------------------------- processes


@cache
def _machine() -> str:
    """Where numbers of processes mean the same: one boot of one kernel, and in it one namespace of processes."""
    with suppress(OSError):
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()


def _born(pid: int) -> str:
    """Numbers of processes are used again; with the moment of its beginning, one is unmistakable."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _dead(pid: int, born: str) -> bool:
    """Certainly so. A zombie is dead: it writes nothing any more."""
    if sys.platform == "win32":  # where signal 0 would end it
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    now = _born(pid)
    return bool(born and now and now != born) or _state(pid) in ("Z", "X")


def _state(pid: int) -> str:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""
