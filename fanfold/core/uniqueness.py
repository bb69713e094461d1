"""Who owns which key: reserve first, accept later. Two cells can never both be accepted with the same key.

R1  a cell is accepted only if owner[key] is that cell;
R2  a key is taken only by `take`, which tests and sets in one step: nothing awaits between;
R3  `commit` only by the owner;
R4  `release` only by the owner, and only before commit;
R5  a cell holds at most one key: taking another gives the first back in the same step.

Why no two accepted cells share a key: both would have been its owner when accepted (R1); `owner[key]` is one place, and a
committed owner stays (R4), so the second would be the first. It holds for every order of events.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable
from typing import TypeAlias

Key: TypeAlias = tuple[Hashable, str]
"""The scope inside which keys must differ, and the normalised key."""

WHOLE_LIST = 60  # up to so many names, all are told; beyond, the ones most often drawn again, for collisions come from the mode
HOT, RECENT = 40, 10


def normalise(text: str) -> str:
    """Texts that a person would call the same become equal: case, accents, punctuation and spacing do not count.

    Symbols that carry meaning ("C++", "C#", "50 %") stay.
    """
    out = []
    decomposed = unicodedata.normalize("NFKD", text).casefold()  # folding may compose again, and the other way round
    for char in unicodedata.normalize("NFKD", decomposed):
        category = unicodedata.category(char)
        if category[0] == "M":
            continue
        out.append(" " if category[0] in "PZC" and char not in "#%&@" else char)
    return " ".join("".join(out).split()) or text.strip()


class Reservations:
    """The keys of one run. Cells are named by their number."""

    def __init__(self) -> None:
        self._owner: dict[Key, int] = {}
        self._name: dict[Key, str] = {}
        self._committed: set[Key] = set()
        self._collisions: dict[Key, int] = {}
        self.taken = 0

    def take(self, key: Key, name: str, cell: int, held: Key | None) -> bool:
        """Reserve `key` for `cell`, giving back the one it `held`. False: somebody else owns it (and `held` stays)."""
        owner = self._owner.setdefault(key, cell)
        if owner != cell:
            self._collisions[key] = self._collisions.get(key, 0) + 1
            return False
        self._name.setdefault(key, name)
        if held is not None and held != key:
            self.release(held, cell)
        return True

    def commit(self, key: Key, cell: int) -> None:
        assert self._owner.get(key) == cell, "accepted without owning its key"
        self._committed.add(key)

    def release(self, key: Key, cell: int) -> None:
        assert self._owner.get(key) == cell, "only the owner gives a key back"
        assert key not in self._committed, "an accepted key stays"
        del self._owner[key], self._name[key]

    def avoid(self, scope: Hashable, cell: int) -> tuple[str, ...]:
        """Names to tell a model that they are taken (a hint; `take` is the guarantee): all of a few, else the hottest and the newest."""
        names = self._name
        others = [key for key in names if key[0] == scope and self._owner[key] != cell] if len(names) <= WHOLE_LIST else []
        if len(names) > WHOLE_LIST:
            hot = sorted((k for k in self._collisions if k in names and k[0] == scope), key=lambda k: -self._collisions[k])[:HOT]
            recent = [k for k, _ in zip(reversed(names), range(RECENT), strict=False) if k[0] == scope and k not in hot]
            others = [k for k in (*hot, *recent) if self._owner[k] != cell]
        return tuple(names[key] for key in others)

    @property
    def hot(self) -> bool:
        """Whether anything has collided yet."""
        return bool(self._collisions)

    @property
    def reserved(self) -> int:
        """Keys taken and not committed."""
        return len(self._owner) - len(self._committed)

    def __repr__(self) -> str:
        return f"<Reservations {len(self._committed)} committed, {self.reserved} reserved>"
