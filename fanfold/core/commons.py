"""Keys that several runs share: those of one step of one plan in one store, in earlier runs and in all that go on in this process."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from fanfold.core.uniqueness import Key, Reservations

M = TypeVar("M", bound="Membership")

ALL = ()
"""The one scope of what is shared."""


class Commons:
    """One set of reservations for all runs that joined: R1-R5 hold across them, for an owner is a cell of a run.

    guard: held while keys are tested and set, where runs are in different threads. read: how far the journal of each run has been
    read. joined: the runs whose own keys come by themselves.
    """

    def __init__(self, guard: AbstractContextManager[object] | None = None) -> None:
        self.keys = Reservations()
        self.guard: AbstractContextManager[object] = nullcontext() if guard is None else guard
        self.joined: set[str] = set()
        self.read: dict[str, int] = {}
        self._joins = 0

    def join(self, run_id: str, kind: type[M]) -> M:
        with self.guard:
            self._joins += 1
            self.joined.add(run_id)
            return kind(self, self._joins, run_id)

    def restore(self, keys: Sequence[tuple[str, Sequence[float] | None]]) -> None:
        """Keys of values that were accepted before, each with its vector if it has one."""
        with self.guard:
            for key, vector in keys:
                self.keys.restore((ALL, key), vector=vector)


class Membership:
    """One run's part in what is shared. Its cells are told from those of other runs by the number of the run."""

    def __init__(self, commons: Commons, number: int, run_id: str) -> None:
        self.commons, self.number, self.run_id = commons, number, run_id
        self.against = self.clash = ""
        self.born = 0
        self._held: dict[str, Hashable] = {}  # reserved, and by which cell

    @property
    def reserved(self) -> int:
        return len(self._held)

    @property
    def hot(self) -> bool:
        return self.commons.keys.hot

    def take(
        self, key: str, name: str, cell: int, held: str | None, near: float, vector: Sequence[float] | None, cosine: float
    ) -> bool:
        with self.commons.guard:
            keys, owner = self.commons.keys, (self.number, cell)
            if not keys.take((ALL, key), name, owner, None if held is None else (ALL, held), near, vector, cosine):
                self.against, self.clash, self.born = keys.against, keys.clash, keys.born
                return False
        if held is not None:
            self._held.pop(held, None)
        self._held[key] = owner
        return True

    def commit(self, key: str, cell: int) -> None:
        with self.commons.guard:
            self.commons.keys.commit((ALL, key), (self.number, cell))
        del self._held[key]

    def release(self, key: str, cell: int) -> None:
        with self.commons.guard:
            self.commons.keys.release((ALL, key), (self.number, cell))
        del self._held[key]

    def misfit(self, vector: Sequence[float]) -> str | None:
        with self.commons.guard:
            return self.commons.keys.misfit(ALL, vector)

    def avoid(self, cell: int, clash: str) -> tuple[str, ...]:
        with self.commons.guard:
            return self.commons.keys.avoid(ALL, (self.number, cell), clash)

    def taken(self) -> int:
        with self.commons.guard:
            return self.commons.keys.count

    def crowded(self) -> tuple[str, ...]:
        with self.commons.guard:
            return self.commons.keys.crowded(ALL)

    def leave(self) -> None:
        """The run is over: what it reserved and never accepted is free again; what it accepted stays. Idempotent."""
        with self.commons.guard:
            for key, owner in self._held.items():
                self.commons.keys.release((ALL, key), owner)
            self._held.clear()
            self.commons.joined.discard(self.run_id)


class Keyring(Reservations):
    """The keys of one run: its own, and those of the scopes that it shares with other runs."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: dict[Hashable, Membership] = {}

    def share(self, scope: Hashable, member: Membership) -> None:
        self.shared[scope] = member
        self.hot = self.hot or member.hot

    def leave(self) -> None:
        """The run is over. Idempotent."""
        for member in self.shared.values():
            member.leave()

    def take(
        self,
        key: Key,
        name: str,
        cell: Hashable,
        held: Key | None,
        near: float = 1.0,
        vector: Sequence[float] | None = None,
        cosine: float = 1.0,
    ) -> bool:
        member = self.shared.get(key[0])
        if member is None:
            return super().take(key, name, cell, held, near, vector, cosine)
        before = member.reserved
        assert isinstance(cell, int)
        taken = member.take(key[1], name, cell, None if held is None else held[1], near, vector, cosine)
        self.reserved += member.reserved - before
        if not taken:
            self.hot, self.against, self.clash, self.born = True, member.against, member.clash, member.born
        return taken

    def commit(self, key: Key, cell: Hashable) -> None:
        member = self.shared.get(key[0])
        if member is None:
            super().commit(key, cell)
            return
        assert isinstance(cell, int)
        member.commit(key[1], cell)
        self.reserved -= 1

    def release(self, key: Key, cell: Hashable) -> None:
        member = self.shared.get(key[0])
        if member is None:
            super().release(key, cell)
            return
        assert isinstance(cell, int)
        member.release(key[1], cell)
        self.reserved -= 1

    def misfit(self, scope: Hashable, vector: Sequence[float]) -> str | None:
        member = self.shared.get(scope)
        return super().misfit(scope, vector) if member is None else member.misfit(vector)

    def avoid(self, scope: Hashable, cell: Hashable, clash: str = "") -> tuple[str, ...]:
        member = self.shared.get(scope)
        if member is None:
            return super().avoid(scope, cell, clash)
        assert isinstance(cell, int)
        return member.avoid(cell, clash)

    def taken(self, scope: Hashable) -> int:
        member = self.shared.get(scope)
        return super().taken(scope) if member is None else member.taken()

    def crowded(self, scope: Hashable) -> tuple[str, ...]:
        member = self.shared.get(scope)
        return super().crowded(scope) if member is None else member.crowded()
