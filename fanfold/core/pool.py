"""The interchangeable cells of a counted axis: a surplus answer fills any of them, and together they end with exactly so many.

A pool is one combination of the listed axes of such a step. Its members are the cells at its coordinates; its spares are draws more,
at coordinates beyond them that nobody ever sees. What is known of acceptance is shared by all pools of a step; whether more is
hopeless is for each pool to find out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from fanfold.core.cover import LEAST_ACCEPTANCE, SURE, ZERO_IN, Acceptance, enough, needed
from fanfold.spec.compiled import CompiledPlan, CompiledStep
from fanfold.spec.events import Coords

if TYPE_CHECKING:
    from fanfold.core.run import Cell

ENOUGH = 8  # answers of a step judged before its first spare is launched
AHEAD = 12  # one draw in so many may be begun before a rejection asks for it
WEIGHT = 50  # of what earlier lives told, as of what this one has
BALANCED = 0.8  # how surely the calls in the air are to fill what is open


def counted_places(plan: CompiledPlan, step: CompiledStep) -> tuple[int, ...]:
    """Positions of the axes along which the cells of a step are interchangeable; () when they are not, or when nothing is refused.

    They are not where a need runs over the same counted axis, where keys must differ only inside it, or where each has candidates of its own: then each cell is itself.
    """
    words, unique = step.step, step.unique
    if words.function is not None or step.candidates is not None or not (unique or words.checks or words.judge):
        return ()
    fixed = {axis for need in map(plan.step, step.needs) for axis in need.over}
    if unique is not None and unique.within != "run":
        fixed |= {unique.within} if isinstance(unique.within, str) else set(unique.within)
    counted = [axis for axis in step.over if plan.axes[axis].counted]
    return () if fixed & set(counted) else tuple(step.over.index(axis) for axis in counted)


class Odds:
    """How often an answer of a step is accepted. judged: answers so far, `accepted` of them good."""

    __slots__ = ("accepted", "judged", "known")

    def __init__(self) -> None:
        self.known = Acceptance()
        self.judged = self.accepted = 0

    def saw(self, accepted: bool) -> None:
        self.judged += 1
        self.accepted += accepted
        self.known.saw(accepted, not accepted)

    def restore(self, accepted: int, refused: int) -> None:
        """So many answers were judged in earlier lives."""
        self.judged += accepted + refused
        self.accepted += accepted
        if self.judged:
            weight = min(1.0, WEIGHT / self.judged)
            self.known.saw(accepted * weight, refused * weight)


class Pool:
    """open: coordinates that have not ended. begun: draws that were made, or wait for their turn; never more than `most`.

    live: members that are unfolded and have not ended; parked: those of them for which nothing is drawn just now; lapsed: those that
    only their fallback fills. spares: likewise, those in the bank excepted. bank: spares whose answers
    wait for a coordinate that is open; none is while every one of them has a call in the air. last: why the last answer was refused.
    """

    __slots__ = (
        "accepted", "bank", "begun", "evidence", "given_up", "judged", "kept", "key", "lapsed", "last", "live", "made", "most", "odds", "open", "parked", "places", "size",
        "spares", "told", "unfolded",
    )  # fmt: skip

    def __init__(self, size: int, places: tuple[int, ...], attempts: int, odds: Odds) -> None:
        self.size = self.open = self.begun = size
        self.places, self.most, self.odds = places, attempts * size, odds
        self.unfolded = self.accepted = self.judged = self.made = 0
        self.told = self.kept = 0  # of the draws that were told; `kept` of them accepted
        self.evidence = Acceptance(1.0, 1.0)  # of this pool alone: no belief from before says that it is hopeless, or is not
        self.live: dict[int, Cell] = {}
        self.parked: dict[int, Cell] = {}
        self.lapsed: set[int] = set()
        self.spares: dict[int, Cell] = {}
        self.bank: list[Cell] = []
        self.given_up = False
        self.key: tuple[int, Coords] = (0, ())
        self.last: tuple[str, str, str] | None = None

    # ---------------------------------------------------------------- what it is told

    def joined(self, cell: Cell) -> None:
        self.unfolded += 1
        self.live[cell.id] = cell

    def restore(self, restored: Restored) -> None:
        """Members that ended in earlier lives."""
        self.open -= restored.ended
        self.unfolded += restored.ended
        self.judged += restored.accepted
        self.accepted += restored.accepted

    def left(self, cell: Cell) -> None:
        """A member has ended."""
        del self.live[cell.id]
        self.parked.pop(cell.id, None)
        self.lapsed.discard(cell.id)
        self.open -= 1

    def saw(self, accepted: bool, told: bool) -> None:
        """An answer was judged. told: whether it was drawn knowing what was refused before: only such draws say that more is hopeless.

        Many calls that start together all give the same favourite, and the next ones, told of it, do not.
        """
        self.judged += 1
        self.accepted += accepted
        self.odds.saw(accepted)
        if told:
            self.told += 1
            self.kept += accepted
            self.evidence.saw(accepted, not accepted)

    def lost(self) -> None:
        """A name was somebody else's already when it streamed: no answer was judged, but a call was for nothing."""
        self.judged += 1
        self.odds.saw(False)

    def draw(self) -> bool:
        """Begin another draw, if it is within the bound."""
        if self.begun >= self.most:
            return False
        self.begun += 1
        return True

    def draw_later(self) -> None:
        """The draw that was begun just now waits until it is needed."""
        self.begun -= 1

    # ---------------------------------------------------------------- what it decides

    def hopeless(self, promising: int = 0) -> bool:
        """Fewer than one in five of what is told is ever accepted, almost surely: also where nothing of the first 13 was.

        promising: of what is told, answers on their way that hold their key. A duplicate is found out while it streams, what is good
        only at its end: without these, the first seconds would look as if nothing were good.
        """
        if self.told + promising < ZERO_IN:
            return False
        if not self.kept + promising:
            return True
        likely = Acceptance(self.evidence.accepted + promising, self.evidence.rejected)
        return likely.mean < LEAST_ACCEPTANCE and likely.below(LEAST_ACCEPTANCE) > SURE

    def give_up(self, promising: Callable[[Cell], bool]) -> None:
        """If more is hopeless, also with all that is on its way. Looked at only where it seems so: it takes a look at every cell."""
        if not self.given_up and self.hopeless():
            cells = (*self.live.values(), *self.spares.values())
            self.given_up = self.hopeless(sum(cell.told and promising(cell) for cell in cells))

    @property
    def filled(self) -> bool:
        """Every coordinate has ended, or its answer is in the bank: nothing more is needed."""
        return len(self.bank) >= self.open

    @property
    def settled(self) -> bool:
        """Enough is known, and every cell is unfolded: from now on draws are begun as they are needed, not one for each rejection."""
        return self.odds.judged >= ENOUGH and self.unfolded == self.size

    def short(self) -> int:
        """How many draws to begin now: so many that those begun fill what is open with probability `BALANCED`; one for each that is open
        at least. What is known early is little: draws beyond the first are backed by rejections, as many as those cost on average.
        """
        if self.filled or self.given_up or not self.settled:
            return 0
        wanted, air = self.open - len(self.bank), self.drawing
        acceptance = max(self.odds.known.mean, LEAST_ACCEPTANCE)
        if air >= wanted and enough(wanted, acceptance, air) >= BALANCED:
            return 0
        backed = self.size // AHEAD + int((self.judged - self.accepted) / acceptance) - (self.begun - self.size)
        return max(0, wanted - air, min(needed(wanted, acceptance, BALANCED) - air, backed))

    @property
    def drawing(self) -> int:
        """Draws that may still be accepted: those of members that go on, and spares."""
        return len(self.live) - len(self.parked) - len(self.lapsed) + len(self.spares)

    def beyond(self, at: Coords, sizes: tuple[int, ...]) -> Coords:
        """The coordinates of its next spare: those of a member, but past the end of the first counted axis. sizes: of the counted axes."""
        counted = dict(zip(self.places, (sizes[0] + self.made, *([0] * (len(sizes) - 1))), strict=True))
        self.made += 1
        return tuple(counted.get(place, index) for place, index in enumerate(at))

    def __repr__(self) -> str:
        return (
            f"<Pool {self.size - self.open} of {self.size} ended, {len(self.live)} alive, {len(self.spares)} spares, "
            f"{len(self.bank)} in the bank, {self.begun}/{self.most} draws>"
        )


@dataclass(slots=True)
class Restored:
    """What earlier lives of a run left of a pool: members that have ended, `accepted` of them with answers of their own."""

    ended: int = 0
    accepted: int = 0


class Pools:
    """The pools of a run, by step and by the coordinates on its listed axes. drawn: by step, calls of earlier lives; refused: answers."""

    def __init__(self) -> None:
        self.drawn: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self._restored: dict[tuple[int, Coords], Restored] = {}
        self._of: dict[tuple[int, Coords], Pool] = {}
        self._odds: dict[int, Odds] = {}

    def of(self, cell: Cell) -> Pool:
        """The pool that a cell belongs to; made when its first cell is unfolded."""
        rule = cell.rule
        key = (rule.index, _listed(cell.at, rule.counted))
        pool = self._of.get(key)
        if pool is None:
            size = prod(sizes_of(cell))
            pool = self._of[key] = Pool(size, rule.counted, rule.attempts, self._odds_of(rule.index))
            pool.key, pool.made = key, self.drawn.get(rule.index, 0)  # no coordinates twice
            if (restored := self._restored.pop(key, None)) is not None:
                pool.restore(restored)
        return pool

    def restored(self, step: int, at: Coords, counted: tuple[int, ...]) -> Restored:
        """What is left of the pool of a cell; to be added to before the pool's first cell begins."""
        return self._restored.setdefault((step, _listed(at, counted)), Restored())

    def _odds_of(self, step: int) -> Odds:
        odds = self._odds.get(step)
        if odds is None:
            odds = self._odds[step] = Odds()
            accepted = sum(left.accepted for (of, _), left in self._restored.items() if of == step)
            odds.restore(accepted, self.refused.get(step, 0))
        return odds

    def over(self, pool: Pool) -> None:
        """All of it has ended."""
        self._of.pop(pool.key, None)


def _listed(at: Coords, counted: tuple[int, ...]) -> Coords:
    return tuple(index for place, index in enumerate(at) if place not in counted)


def sizes_of(cell: Cell) -> tuple[int, ...]:
    """Of the counted axes of its step."""
    grid = cell.run.grid
    return tuple(grid.static(grid.nodes[cell.rule.index].over[place]) for place in cell.rule.counted)
