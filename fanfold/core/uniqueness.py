"""Who owns which key: reserve first, accept later. Two cells can never both be accepted with the same key.

R1  a cell is accepted only if owner[key] is that cell;
R2  a key is taken only by `take`, which tests and sets in one step: nothing awaits between;
R3  `commit` only by the owner;
R4  `release` only by the owner, and only before commit;
R5  a cell holds at most one key: taking another gives the first back in the same step.

Why no two accepted cells share a key: both would have been its owner when accepted (R1); `owner[key]` is one place, and a
committed owner stays (R4), so the second would be the first. It holds for every order of events. Near keys likewise: whether one is
near is looked up in the same step, among all that are owned, reserved or committed.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fanfold.core.similarity import Near

Key: TypeAlias = tuple[Hashable, str]
"""The scope inside which keys must differ, and the normalised key."""

WHOLE_LIST = 150  # up to so many names, all are told; beyond, the ones most often drawn again, for collisions come from the mode
HOT, RECENT = 40, 10


_PLAIN = {ord(char): " " for char in map(chr, range(128)) if unicodedata.category(char)[0] in "PZC" and char not in "#%&@"}


def normalise(text: str) -> str:
    """Texts that a person would call the same become equal: case, accents, punctuation and spacing do not count.

    Symbols that carry meaning ("C++", "C#", "50 %") stay, and so do marks that are letters (in Thai, Hindi, й).
    """
    if text.isascii():
        return " ".join(text.lower().translate(_PLAIN).split()) or text.strip()
    out = []
    base = ""
    decomposed = unicodedata.normalize("NFKD", text).casefold()  # folding may compose again, and the other way round
    for char in unicodedata.normalize("NFKD", decomposed):
        category = unicodedata.category(char)
        if category[0] == "M":
            if not base.isascii():
                out.append(char)
            continue
        base = " " if category[0] in "PZC" and char not in "#%&@" else char
        out.append(base)
    return " ".join("".join(out).split()) or text.strip()


class Scope:
    """Keys that must differ from each other. names: as they were written, in the order in which they were taken."""

    __slots__ = ("collisions", "hot", "names", "near", "owner", "recent")

    def __init__(self) -> None:
        self.owner: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.collisions: dict[str, int] = {}
        self.hot: list[str] = []  # the keys that collided most, at most HOT, hottest first
        self.recent: deque[str] = deque(maxlen=RECENT)
        self.near: Near | None = None  # where keys that are alike count as equal

    def against(self, key: str, cell: int, threshold: float, held: str | None) -> str | None:
        """The key of another cell that stands against this one: the same, or one that is too much like it."""
        owner = self.owner.get(key)
        if owner is not None:
            return None if owner == cell else key
        if threshold >= 1:
            return None
        if self.near is None:
            from fanfold.core.similarity import Near

            self.near = Near(threshold)
        return self.near.find(key, held)

    def collide(self, key: str) -> None:
        """Count it, and keep the hottest in order: as far as one place, for counts grow by one."""
        count = self.collisions[key] = self.collisions.get(key, 0) + 1
        hot = self.hot
        if key not in hot:
            if len(hot) == HOT and self.collisions[hot[-1]] >= count:
                return
            del hot[HOT - 1 :]
            hot.append(key)
        at = hot.index(key)
        while at and self.collisions[hot[at - 1]] < count:
            hot[at - 1], hot[at] = hot[at], hot[at - 1]
            at -= 1

    def told(self) -> Iterable[str]:
        """The keys to tell: all of a few, else the hottest and the newest."""
        if len(self.names) <= WHOLE_LIST:
            return self.names
        return dict.fromkeys([key for key in (*self.hot, *reversed(self.recent)) if key in self.names])


class Reservations:
    """The keys of one run. Cells are named by their number. Every operation costs the same, however many keys there are."""

    def __init__(self) -> None:
        self._scopes: dict[Hashable, Scope] = {}
        self._committed: set[Key] = set()
        self.reserved = 0
        """Keys taken and not committed."""
        self.against = ""
        """The name that stood against the last key that was refused."""
        self.hot = False
        """Whether anything has collided yet."""

    def take(self, key: Key, name: str, cell: int, held: Key | None, near: float = 1.0) -> bool:
        """Reserve `key` for `cell`, giving back the one it `held`. False: somebody else owns it, or one that is at least as much like
        it as `near`; then `against` is that one's name, and `held` stays.
        """
        scope = self._scopes.get(key[0])
        if scope is None:
            scope = self._scopes[key[0]] = Scope()
        own = held[1] if held is not None and held[0] == key[0] else None
        taken = scope.against(key[1], cell, near, own)
        if taken is not None:
            scope.collide(taken)
            self.hot, self.against = True, scope.names[taken]
            return False
        if key[1] not in scope.owner:
            scope.owner[key[1]] = cell
            if scope.near is not None:
                scope.near.add(key[1])
            scope.names[key[1]] = name
            scope.recent.append(key[1])
            self.reserved += 1
        if held is not None and held != key:
            self.release(held, cell)
        return True

    def commit(self, key: Key, cell: int) -> None:
        assert self._scopes[key[0]].owner.get(key[1]) == cell, "accepted without owning its key"
        self._committed.add(key)
        self.reserved -= 1

    def release(self, key: Key, cell: int) -> None:
        scope = self._scopes[key[0]]
        assert scope.owner.get(key[1]) == cell, "only the owner gives a key back"
        assert key not in self._committed, "an accepted key stays"
        del scope.owner[key[1]], scope.names[key[1]]
        if scope.near is not None:
            scope.near.remove(key[1])
        self.reserved -= 1

    def avoid(self, scope: Hashable, cell: int) -> tuple[str, ...]:
        """Names to tell a model that they are taken. A hint: `take` is the guarantee."""
        found = self._scopes.get(scope)
        if found is None:
            return ()
        names, owner = found.names, found.owner
        return tuple([names[key] for key in found.told() if owner[key] != cell])  # at most WHOLE_LIST names

    def __repr__(self) -> str:
        return f"<Reservations {len(self._committed)} committed, {self.reserved} reserved>"
