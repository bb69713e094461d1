"""Who owns which key: reserve first, accept later. Two cells can never both be accepted with the same key.

The rules R1-R5 stand at `Reservations`, which keeps them. Why no two accepted cells share a key: both would have been its owner when
accepted (R1); `owner[key]` is one place, and a committed owner stays (R4), so the second would be the first. It holds for every
order of events. Near keys, and vectors, likewise: whether one is near is looked up in the same step (R2), among all that are owned,
reserved or committed. Among the committed alone it would be the race again: both look, both find nothing, both commit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from fanfold.core.avoid import HOT, LONGEST, NEAREST, WHOLE_LIST, Room, Top, Words, shown
from fanfold.core.cosine import NearVectors

if TYPE_CHECKING:
    from fanfold.core.similarity import Near

Key: TypeAlias = tuple[Hashable, str]
"""The scope inside which keys must differ, and the normalised key."""

EARLIER = -1
"""The owner of what was accepted before this run began."""


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

    __slots__ = ("born", "hot", "long", "names", "nears", "owner", "room", "vectors", "words")

    def __init__(self) -> None:
        self.owner: dict[str, Hashable] = {}
        self.names: dict[str, str] = {}
        self.long = False  # whether a name is cut where it is told
        self.born: dict[str, int] = {}  # how many had been taken before it, in all scopes
        self.hot = Top(HOT)  # the keys that collided most
        self.room = Room()
        self.words = Words()
        self.nears: dict[float, Near] = {}  # by the likeness from which keys count as equal, where that is below 1
        self.vectors: NearVectors | None = None

    def against(
        self, key: str, cell: Hashable, threshold: float, held: str | None, vector: Sequence[float] | None, cosine: float
    ) -> str | None:
        """The key of another cell that stands against this one: the same, or one that is too much like it."""
        owner = self.owner.get(key)
        if owner is not None and owner != cell:
            return key
        if owner is None and threshold < 1 and (near := self.near(threshold).find(key, held)) is not None:
            return near
        if vector is None or self.vectors is None:
            return None
        return self.vectors.find(vector, held, cosine)

    def near(self, threshold: float) -> Near:
        found = self.nears.get(threshold)
        if found is None:
            from fanfold.core.similarity import Near

            found = self.nears[threshold] = Near(threshold)
            for key in self.owner:
                found.add(key)
        return found

    def add(self, key: str, name: str, cell: Hashable, born: int) -> None:
        self.owner[key] = cell
        self.names[key] = name
        self.long = self.long or len(name) > LONGEST
        self.born[key] = born
        self.words.add(key)
        for near in self.nears.values():
            near.add(key)

    def see(self, key: str, vector: Sequence[float]) -> None:
        """Keep the vector of a key that is owned, instead of one it had before."""
        if self.vectors is None:
            self.vectors = NearVectors(1.0)
        self.vectors.add(key, vector)

    def drop(self, key: str) -> None:
        del self.owner[key], self.names[key], self.born[key]
        self.words.remove(key)
        for near in self.nears.values():
            near.remove(key)
        if self.vectors is not None and key in self.vectors:
            self.vectors.remove(key)

    def told(self, clash: str) -> Iterable[str]:
        """The keys to tell: all of a few; else the hottest, and the nearest to the one that a cell collided with.

        What is not yet known to be hot is made up for by the oldest: what is likely is drawn first.
        """
        if len(self.names) <= WHOLE_LIST:
            return self.names
        room = self.room.names
        hot = [key for key in self.hot.order if key in self.names]
        likely = dict.fromkeys([*hot, *islice(self.names, room)])
        near = [clash, *self._closest(clash)] if clash in self.names else []
        return dict.fromkeys([*islice(likely, room), *near])

    def drawn(self, *, refused: bool) -> None:
        """What came of a draw. As long as all names are told, it says nothing of how many to tell."""
        if len(self.names) > WHOLE_LIST:
            self.room.saw(refused=refused)

    def _closest(self, key: str) -> list[str]:
        if self.vectors is not None and key in self.vectors:
            return self.vectors.closest(key, NEAREST)
        return self.words.neighbours(key, NEAREST)


class Reservations:
    """The keys of one run. Cells are named by their number. Every operation costs the same, however many keys there are.

    R1  a cell is accepted only if owner[key] is that cell, and then commits it: `commit`;
    R2  a key is taken only by `take`, which tests and sets in one step: nothing awaits between;
    R3  `commit` only by the owner, of what it has reserved;
    R4  `release` only by the owner, and only before commit;
    R5  a cell holds at most one key: taking another gives the first back in the same step.
    """

    def __init__(self) -> None:
        self._scopes: dict[Hashable, Scope] = {}
        self._committed: set[Key] = set()
        self.reserved = 0
        """Keys taken and not committed."""
        self.against = ""
        """The name that stood against the last key that was refused; `clash`: its key."""
        self.clash = ""
        self.count = 0
        """Keys that were ever taken; `born`: how many there had been when the one was taken that stood against the last."""
        self.born = 0
        self.hot = False
        """Whether there is anything worth telling: something has collided, or was there before."""

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
        """Reserve `key` for `cell`, giving back the one it `held`. False: somebody else owns it, or one that is at least as much like
        it as `near`, or one with a vector at least as much like `vector` as `cosine`; then `against` is that one's name, and `held`
        stays. The vector fits those that are there (`misfit`).
        """
        scope = self._scopes.get(key[0])
        if scope is None:
            scope = self._scopes[key[0]] = Scope()
        own = held[1] if held is not None and held[0] == key[0] else None
        # R2: from this test to the end nothing awaits
        taken = scope.against(key[1], cell, near, own, vector, cosine)
        if taken is not None:
            scope.hot.add(taken)
            scope.drawn(refused=True)
            self.hot, self.against, self.clash, self.born = True, scope.names[taken], taken, scope.born[taken]
            return False
        if key[1] not in scope.owner:
            scope.add(key[1], name, cell, self.count)
            self.count += 1
            scope.drawn(refused=False)
            self.reserved += 1
        if vector is not None:
            scope.see(key[1], vector)
        if held is not None and held != key:
            self.release(held, cell)  # R5
        return True

    def commit(self, key: Key, cell: Hashable) -> None:
        scope = self._scopes[key[0]]
        assert scope.owner.get(key[1]) == cell, "accepted without owning its key"  # R1, R3
        assert key not in self._committed, "accepted twice"
        self._committed.add(key)
        scope.words.committed(key[1])
        self.reserved -= 1

    def release(self, key: Key, cell: Hashable) -> None:
        scope = self._scopes[key[0]]
        assert scope.owner.get(key[1]) == cell, "only the owner gives a key back"  # R4
        assert key not in self._committed, "an accepted key stays"
        scope.drop(key[1])
        self.reserved -= 1

    def restore(self, key: Key, name: str = "", vector: Sequence[float] | None = None) -> None:
        """A key that was accepted before: committed from now on, and nobody's here. Known already: nothing changes.

        A vector of another length than those before it is left out: it cannot be compared with them.
        """
        scope = self._scopes.setdefault(key[0], Scope())
        self.hot = True
        if key in self._committed or key[1] in scope.owner:
            return
        scope.add(key[1], name or key[1], EARLIER, self.count)
        self.count += 1
        if vector is not None and self.misfit(key[0], vector) is None:
            scope.see(key[1], vector)
        self._committed.add(key)
        scope.words.committed(key[1])

    def misfit(self, scope: Hashable, vector: Sequence[float]) -> str | None:
        """Why a vector cannot be compared with those of its scope, if so."""
        found = self._scopes.get(scope)
        size = found.vectors.size if found is not None and found.vectors is not None else 0
        if size in (0, len(vector)):
            return None
        return f"key gave {len(vector)} numbers, others had {size}: all vectors of a step have the same length"

    def avoid(self, scope: Hashable, cell: Hashable, clash: str = "") -> tuple[str, ...]:
        """Names to tell a model that they are taken. A hint: `take` is the guarantee. clash: the key that the cell collided with."""
        found = self._scopes.get(scope)
        if found is None:
            return ()
        names, owner = found.names, found.owner
        listed = [name for key in found.told(clash) if owner[key] != cell and (name := names[key])]  # a bounded number of names
        return tuple(shown(listed)) if found.long else tuple(listed)

    def taken(self, scope: Hashable) -> int:
        """How many keys were taken so far: what is `born` from now on, a call that is sent now cannot be told."""
        return self.count

    def crowded(self, scope: Hashable) -> tuple[str, ...]:
        """Words that many accepted names have, once they are too many to be told one by one."""
        found = self._scopes.get(scope)
        return found.words.crowded if found is not None and len(found.names) > WHOLE_LIST else ()

    def __repr__(self) -> str:
        return f"<Reservations {len(self._committed)} committed, {self.reserved} reserved>"
