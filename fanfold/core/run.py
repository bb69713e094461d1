"""One execution of a plan as the conductor keeps it: rules per step, cells that are alive, queues per lane, keys, events."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import Any

from fanfold.core.commands import ANSWER, FALLBACK, JUDGE
from fanfold.core.commons import Keyring
from fanfold.core.draw import fold, uniform
from fanfold.core.grid import Grid, upward_ranks
from fanfold.core.limiter import Booking
from fanfold.core.money import Money
from fanfold.core.parcel import MISSED, Muster, Parcel
from fanfold.core.past import Past
from fanfold.core.pool import Pool, Pools
from fanfold.core.sizes import AnswerSize
from fanfold.core.states import NEXT, State
from fanfold.core.stock import Stock
from fanfold.core.turns import Turns
from fanfold.core.uniqueness import Key
from fanfold.core.verdicts import Opinion
from fanfold.spec.calls import Fault, Reply
from fanfold.spec.events import AnyEvent, Coords

SHARES = (16.0, 4.0, 1.0)  # of a critical, a normal and an optional run, while all of them have calls to make
LOCAL = 0  # the lane of everything that is not a model call


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What the conductor must know of a step. times: microseconds.

    retry_timeout: of a call that is tried again after a fault; None: as of any other.

    lane, judge_lane: numbers of lanes; then, judge_then: the lanes that follow when the one before can no longer be used.
    both_orders: the judge compares, and is asked once in either order. turns: which of its lanes a cell prefers, where models have shares.

    counted: positions of the axes along which its cells are interchangeable, () for none.

    take: candidates that a cell is given at most, 0 where the step has none. stock: how many there are in all, None where each cell is
    offered its own.

    unique: positions of the axes inside which keys must differ (() for the whole run), None when keys do not matter. near: likeness from
    which two keys count as equal. shared: its keys are those of all runs of the store. embeds: names must differ to the letter, and
    `near` is for the vectors beside them. items: cells that may be asked in one request.
    """

    index: int
    name: str
    lane: int = LOCAL
    then: tuple[int, ...] = ()
    judge_lane: int | None = None
    judge_then: tuple[int, ...] = ()
    both_orders: bool = False
    turns: Turns | None = None
    function: bool = False
    unique: tuple[int, ...] | None = None
    near: float = 1.0
    shared: bool = False
    embeds: bool = False
    fallback: bool = False
    required: bool = True
    attempts: int = 5
    retries: int = 4
    timeout: int = 120_000_000
    retry_timeout: int | None = None
    estimate: int = 2_000_000
    priority: int = 1
    streams: bool = False
    counted: tuple[int, ...] = ()
    take: int = 0
    stock: int | None = None
    weight: float = 1.0
    items: int = 1

    @cached_property
    def chain(self) -> tuple[int, ...]:
        """The lanes of its answers, the preferred one first."""
        return (self.lane, *self.then)

    @cached_property
    def judge_chain(self) -> tuple[int, ...]:
        """The lanes of its judge; empty without one."""
        return () if self.judge_lane is None else (self.judge_lane, *self.judge_then)


class Cell:
    """Alive from unfolding to its end. `work` belongs to the shell."""

    __slots__ = (
        "apart",
        "asked",
        "at",
        "call",
        "check",
        "clash",
        "common",
        "dealt",
        "draft",
        "failure",
        "hedge",
        "hops",
        "id",
        "judge_tokens",
        "judged",
        "key",
        "kin",
        "lane",
        "lengths",
        "like",
        "longer",
        "missed",
        "opinion",
        "parcel",
        "parked",
        "path",
        "phase",
        "pool",
        "races",
        "reason",
        "rejections",
        "repair",
        "retries",
        "rule",
        "run",
        "same",
        "service",
        "since",
        "spare",
        "state",
        "tokens",
        "told",
        "took",
        "twins",
        "vector",
        "waits",
        "wake",
        "work",
    )  # fmt: skip

    def __init__(self, id: int, run: Run, rule: Rule, at: Coords, path: int) -> None:
        self.id, self.run, self.rule, self.at = id, run, rule, at
        self.path = path  # longest chain of answers before it
        self.state: State = State.WAITING
        self.phase = ANSWER
        self.judged = 0  # answers judged
        self.rejections = 0  # by checks or the judge, since the last fresh draw
        self.retries = 0  # transport, in this attempt
        self.twins = 0  # sent beside its present call
        self.hops = 0  # lanes of its chain that it has left behind for itself
        self.lane = LOCAL  # where it waits, or its call that counts is
        self.waits = 0  # for rate limits
        self.key: Key | None = None
        self.clash = ""  # the key that its last answer collided with
        self.asked = 0  # keys that had been taken when its last call was sent
        self.races = 0  # lost: names that somebody else took while its call was on its way
        self.vector: bytes | None = None  # of the answer that stands, as it is written down
        self.call = -1  # the call that counts
        self.hedge = -1  # a second one that counts as much; any other call of this cell is a loser
        self.tokens = (0, 0)
        self.kin, self.common = "", 0  # who may be asked with it, and what of its prompt need then be said only once
        self.parcel: Parcel | None = None  # of its present call, where that is for others too
        self.missed = 0  # from the answers to such calls
        self.apart = False  # what was refused with others is asked alone
        self.judge_tokens = (0, 0)
        self.reason, self.repair, self.longer = "", False, False
        self.check = ""  # what refused its last answer
        self.opinion: Opinion | None = None  # of its judge, in the first of two orders
        self.lengths: dict[str, int] | None = None
        self.failure: tuple[str, str, str] | None = None
        self.draft: Reply | None = None  # the answer that stands
        self.service = 0  # of the answer that stands, and its judge
        self.since = 0
        self.wake = 0
        self.work: Any = None
        self.same = ""  # what it asks, or waits for: the only cell that calls for it, or one that waits for that call
        self.pool: Pool | None = None  # where it is interchangeable with others
        self.spare = False  # a draw more than there are coordinates: its answer fills one that is open
        self.like = at  # the coordinates that its prompt is made for: its own, but for a spare
        self.dealt: tuple[int, ...] = ()  # numbers of candidates that it looks at
        self.took: tuple[str, ...] = ()  # keys of the candidates that are its own
        self.told = False  # its last call knew what to avoid, or why an answer was refused
        self.parked = False  # nothing more is drawn for it: it waits for the answer of a spare, or is not needed

    def move(self, state: State) -> None:
        assert state in NEXT[self.state], f"{self!r}: {self.state} does not lead to {state}"
        self.state = state

    @property
    def held(self) -> bool:
        """Whether it is to be drawn again once that is needed."""
        return self.parked and self.failure is None and self.state is State.RESTING

    @property
    def company(self) -> str:
        """Cells of its step with the same one may be asked in one request with it; "": it asks alone."""
        if self.rule.items == 1 or self.phase != ANSWER or self.judged or self.races or self.apart or self.missed >= MISSED:
            return ""
        return "" if (self.rule.index, self.lane) in self.run.single else self.kin

    @property
    def tried(self) -> bool:
        """Whether something has been paid for it already: it goes ahead of fresh cells."""
        return self.phase == JUDGE or bool(
            self.judged or self.retries or self.waits or self.hops or self.races or self.missed or self.apart
        )

    @property
    def place(self) -> int:
        """Its step's place in the order of ranks."""
        return self.run.place[self.rule.index]

    @property
    def chain(self) -> tuple[int, ...]:
        """The lanes where its next call may go, the preferred one first."""
        if self.phase == FALLBACK:
            return (LOCAL,)
        if self.phase != JUDGE and self.rule.turns is not None:
            return self.rule.turns.chain(self.run.seed, self.at)[self.hops :]
        return (self.rule.judge_chain if self.phase == JUDGE else self.rule.chain)[self.hops :]

    @property
    def twin_lanes(self) -> tuple[int, ...]:
        """Of them, those where a second call beside its own may go: no other share's."""
        if self.phase != ANSWER or self.rule.turns is None:
            return self.chain
        own = self.rule.turns.own(self.run.seed, self.at)
        return tuple(lane for lane in self.chain if lane in own)

    def draw(self, purpose: int) -> float:
        """A number in [0, 1) of this cell, this attempt and this purpose."""
        return uniform(self.run.seed, self.rule.index, fold(self.at), self.judged, purpose)

    def __repr__(self) -> str:
        return f"<Cell {self.rule.name}{list(self.at)} {self.state}>"


class Bundle:
    """Cells that became possible at one moment, from `next` on not begun. failure: they can only be filled by their fallback."""

    __slots__ = ("at", "failure", "next", "path", "size", "step")

    def __init__(self, step: int, at: Coords, size: int, path: int, failure: tuple[str, str, str] | None) -> None:
        self.step, self.at, self.size, self.path, self.failure = step, at, size, path, failure
        self.next = 0

    def part(self, start: int, stop: int) -> Bundle:
        """Only its cells at these positions."""
        part = Bundle(self.step, self.at, stop, self.path, self.failure)
        part.next = start
        return part


class CallRecord:
    """A call in the air. doom: why its outcome no longer counts, or "". landed: when its answer came, while it is being checked.

    first: when its first content came; heard: tokens of content so far. check: when it is looked at next; hedge_at: when it is so
    slow that another is sent beside it, None for never. parcel: the request that it shares with other calls.
    """

    __slots__ = (
        "bookings", "cell", "charged", "check", "cost", "doom", "first", "heard", "hedge_at", "id", "landed", "lane", "named", "parcel",
        "phase", "started", "timeout",
    )  # fmt: skip

    def __init__(self, id: int, cell: Cell, lane: int, started: int, bookings: tuple[Booking, ...]) -> None:
        self.id, self.cell, self.lane, self.started, self.bookings = id, cell, lane, started, bookings
        self.phase = cell.phase
        again = cell.rule.retry_timeout if cell.retries else None
        self.timeout = cell.rule.timeout if again is None else again  # µs
        self.doom = ""
        self.landed: int | None = None
        self.first: int | None = None
        self.named = False  # its identity has streamed
        self.heard = 0
        self.check = started
        self.cost = 0  # picodollars, booked
        self.charged = 0.0  # to its run, until it is known what it has used
        self.hedge_at: int | None = None
        self.parcel: Parcel | None = None

    @property
    def streams(self) -> bool:
        return self.parcel is None and self.phase == ANSWER and self.cell.rule.streams

    def other(self) -> int:
        """The call that runs beside it for the same cell, or -1."""
        return self.cell.hedge if self.cell.call == self.id else self.cell.call


LOOK = 128  # cells that are looked at to find those that can be asked together


class Queue:
    """What one run has to do in one lane: bundles not unfolded, and cells that are ready. Steps stand by their place in rank order."""

    def __init__(self, steps: int) -> None:
        self.fresh: list[deque[Bundle]] = [deque() for _ in range(steps)]
        self.fresh_mask = 0
        self.bundles = 0
        self.urgent: deque[Cell] = deque()  # judges and retries: they finish cells
        self.ready: list[deque[Cell]] = [deque() for _ in range(steps)]
        self.ready_mask = 0
        self.waiting = 0  # cells that are ready

    def add_bundle(self, place: int, bundle: Bundle) -> None:
        self.fresh[place].append(bundle)
        self.fresh_mask |= 1 << place
        self.bundles += 1

    def next_bundle(self, many: int) -> tuple[int, Bundle]:
        """By rank; but the deepest step first once more than `many` bundles wait, so that chains are finished, not begun."""
        mask = self.fresh_mask
        place = mask.bit_length() - 1 if self.bundles > many else (mask & -mask).bit_length() - 1
        return place, self.fresh[place][0]

    def drop_bundle(self, place: int) -> None:
        self.fresh[place].popleft()
        self.bundles -= 1
        if not self.fresh[place]:
            self.fresh_mask ^= 1 << place

    def add_ready(self, place: int, cell: Cell, *, urgent: bool) -> None:
        self.waiting += 1
        if urgent:
            self.urgent.append(cell)
            return
        self.ready[place].append(cell)
        self.ready_mask |= 1 << place

    def head(self) -> Cell:
        if self.urgent:
            return self.urgent[0]
        return self.ready[(self.ready_mask & -self.ready_mask).bit_length() - 1][0]

    def pop(self) -> Cell:
        self.waiting -= 1
        if self.urgent:
            return self.urgent.popleft()
        place = (self.ready_mask & -self.ready_mask).bit_length() - 1
        cell = self.ready[place].popleft()
        if not self.ready[place]:
            self.ready_mask ^= 1 << place
        return cell

    def fellows(self, most: int) -> list[Cell]:
        """The first cell, and those that can be asked in one request with it: `most` in all, in the order in which they wait."""
        head = self.head()
        found, company = [head], head.company
        waiting = chain(islice(self.urgent, LOOK), islice(self.ready[head.place], LOOK)) if company and most > 1 else ()
        for cell in waiting:
            if cell is not head and cell.rule is head.rule and cell.company == company:
                found.append(cell)
                if len(found) == most:
                    break
        return found

    def pop_all(self, cells: Sequence[Cell]) -> None:
        """Take out cells that `fellows` has found."""
        place, wanted = cells[0].place, {cell.id for cell in cells}
        self.waiting -= len(cells)
        for waiting in (self.urgent, self.ready[place]):
            kept: list[Cell] = []
            while waiting and wanted and len(kept) < LOOK:
                cell = waiting.popleft()
                if cell.id in wanted:
                    wanted.remove(cell.id)
                else:
                    kept.append(cell)
            waiting.extendleft(reversed(kept))
        if not self.ready[place]:
            self.ready_mask &= ~(1 << place)

    def remove(self, place: int, cell: Cell) -> None:
        """Take out one cell that is ready."""
        self.waiting -= 1
        if cell in self.urgent:
            self.urgent.remove(cell)
            return
        self.ready[place].remove(cell)
        if not self.ready[place]:
            self.ready_mask ^= 1 << place

    def take(self, place: int | None = None) -> tuple[list[Cell], list[Bundle]]:
        """Take out what is ready and what is fresh: of one step, by its place, or of all."""
        places = range(len(self.ready)) if place is None else (place,)
        cells = [cell for cell in self.urgent if place is None or cell.place == place]
        self.urgent = deque(cell for cell in self.urgent if place is not None and cell.place != place)
        bundles: list[Bundle] = []
        for p in places:
            cells += self.ready[p]
            bundles += self.fresh[p]
            self.ready[p].clear()
            self.fresh[p].clear()
            self.ready_mask &= ~(1 << p)
            self.fresh_mask &= ~(1 << p)
        self.bundles -= len(bundles)
        self.waiting -= len(cells)
        return cells, bundles


@dataclass
class Tally:
    """What decides how a run ended. own: accepted with a value of their own; filled: by their fallback; bad: required cells that have
    no value of their own. cut_off: a lane was condemned, for want of a server, a key or a model."""

    own: int = 0
    filled: int = 0
    cut_off: bool = False
    bad: int = 0
    ended: list[int] = field(default_factory=list)


class Stop(tuple[str, str, str]):
    """(state of the cells, code, message) of everything that had not ended when the run was stopped."""

    __slots__ = ()


CLOSING = 1_000_000  # µs that fallbacks have after a run's deadline


class Run:
    """cap: calls of this run in the air at once."""

    def __init__(self, id: int, grid: Grid, rules: Sequence[Rule], *, seed: int, cap: int, now: int, priority: int = 1) -> None:
        self.share = SHARES[priority]
        self.id, self.grid, self.rules, self.seed, self.cap = id, grid, tuple(rules), seed, cap
        self.items = max((rule.items for rule in self.rules), default=1)  # of one call, at the most
        self.origin = now
        self.keys = Keyring()
        self.wall = 0  # when it began, µs since the epoch
        self.past: Past | None = None  # what its earlier lives left
        self.waits_for_keys = False  # nothing begins before it is known what was accepted in earlier runs
        self.cells: dict[int, Cell] = {}
        self.calls: dict[int, CallRecord] = {}
        self.riders = 0  # of these calls, those that need no request of their own
        self.single: set[tuple[int, int]] = set()  # (step, lane): what asks for several items at once is not taken there
        self.musters: dict[int, Muster] = {}  # by step: cells that wait for others to be asked with
        self.preparing = 0
        self.open = 0  # cells of opened bundles that have not ended
        self.served = 0.0  # tokens over its share, by which runs take turns
        self.deadline: int | None = None
        self.money: Money | None = None  # what it may cost; None: no matter
        self.refused: dict[tuple[int, int], Fault] = {}  # (step, lane): its schema or parameters are not taken there
        self.stop: Stop | None = None
        self.closing: Fault | None = None  # why nothing more is called: what has a fallback is filled, and that is the end
        self.ended = False
        self.tally = Tally(ended=[0] * len(self.rules))
        self.queues: dict[int, Queue] = {}  # by lane
        self.pools = Pools()
        self.stocks: dict[int, Stock] = {}  # candidates, by step
        ranks = upward_ranks(grid, [rule.estimate for rule in self.rules])
        order = sorted(self.rules, key=lambda rule: (rule.priority, -ranks[rule.index], rule.index))
        self.answers = [AnswerSize() for _ in self.rules]
        self.verdicts = [AnswerSize() for _ in self.rules]
        self.place = [0] * len(self.rules)
        for place, rule in enumerate(order):
            self.place[rule.index] = place
        self.seq = 0
        self.events: list[AnyEvent] = []

    @property
    def flying(self) -> int:
        """Requests in the air."""
        return len(self.calls) - self.riders

    def queue(self, lane: int) -> Queue:
        """What it has to do in a lane."""
        queue = self.queues.get(lane)
        if queue is None:
            queue = self.queues[lane] = Queue(len(self.rules))
        return queue

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self.open} open, {len(self.calls)} in the air, {self.tally.own} accepted>"
