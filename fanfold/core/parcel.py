"""Several cells in one request: its calls, and the cells that wait until there are enough for one.

Each cell keeps a call of its own, with its share of what the request uses; the first of them leads, the others ride along. So gates,
keys, judges and attempts stay as they are. What there is once for a request (its slot, its bookings, what it tells of the lane) is kept
here until the last of its calls is settled.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fanfold.spec.calls import Usage, Work

if TYPE_CHECKING:
    from fanfold.core.run import CallRecord, Cell

LINGER = 500_000  # µs that a cell waits at most for others that are being prepared
MISSED = 2  # times that an answer may be missing from a shared one; then its cell asks alone


class Parcel:
    """One request for several cells. open: calls that are not settled; used: tokens (in, out) of those that are.

    answered: some answer has come. heard: its fault has been acted upon; paid: whether the budget of retries had one for it.
    """

    __slots__ = ("answered", "heard", "items", "open", "paid", "records", "used")

    def __init__(self, items: int) -> None:
        self.items = items
        self.records: list[CallRecord] = []
        self.open = 0
        self.used = (0, 0)
        self.answered = self.heard = False
        self.paid: bool | None = None

    def add(self, record: CallRecord) -> bool:
        """One of its calls. Returns whether that rides along with another."""
        self.records.append(record)
        self.open += 1
        return self.open > 1

    @property
    def told(self) -> tuple[int, int]:
        """Of the call that was added last: how many its request is for, and the call that leads it, -1 for itself."""
        return self.items, self.records[0].id if len(self.records) > 1 else -1

    def settled(self, usage: Usage) -> tuple[int, int] | None:
        """One of its calls is over. Returns what the request has used, tokens in and out, once it was the last."""
        self.open -= 1
        self.used = self.used[0] + usage.tokens_in, self.used[1] + usage.tokens_out
        return None if self.open else self.used

    @property
    def forsaken(self) -> bool:
        """Nobody waits for any of it any more."""
        return all(record.doom for record in self.records)

    def dissolve(self) -> None:
        """All of it is over: nothing holds its cells together any more."""
        for record in self.records:
            if record.cell.parcel is self:
                record.cell.parcel = None
        self.records.clear()

    @property
    def lead(self) -> Cell:
        return self.records[0].cell

    def __repr__(self) -> str:
        return f"<Parcel of {len(self.records)}, {self.open} open>"


class Muster:
    """Cells of one step whose prompts are ready while others of them are being prepared. coming: those, by id. held: who waits, in the
    order in which they came. until: when nobody waits any longer, -1 while nobody does.
    """

    __slots__ = ("alike", "coming", "held", "until")

    def __init__(self) -> None:
        self.coming: set[int] = set()
        self.held: dict[int, tuple[Cell, Work]] = {}
        self.alike: Counter[str] = Counter()  # of the held, who can be asked together
        self.until = -1

    def hold(self, cell: Cell, work: Work) -> None:
        self.held[cell.id] = cell, work
        self.alike[work.kin] += 1

    def drop(self, cell: Cell) -> tuple[Cell, Work] | None:
        """It waits no longer. None where it did not."""
        found = self.held.pop(cell.id, None)
        if found is not None:
            self.alike[found[1].kin] -= 1
        return found

    def all(self) -> list[tuple[Cell, Work]]:
        """Nobody waits any longer."""
        held = list(self.held.values())
        self.held.clear()
        self.alike.clear()
        self.until = -1
        return held

    def leaving(self, newest: Cell) -> list[tuple[Cell, Work]]:
        """Who waits no longer, now that this one came: everybody, if nobody else is coming; else those who are enough for a request."""
        if not self.coming:
            return self.all()
        if newest.id not in self.held or self.alike[kin := self.held[newest.id][1].kin] < newest.rule.items:
            return []
        leaving = [one for one in self.held.values() if one[1].kin == kin]
        for cell, _ in leaving:
            self.drop(cell)
        return leaving


def shared(sizes: list[int], common: int) -> list[int]:
    """Tokens of the prompt that each cell adds to a request, from those of their own prompts; `common` of each are said only once."""
    common = min(common, min(sizes) - 1)
    return [size - common if place else size for place, size in enumerate(sizes)]
