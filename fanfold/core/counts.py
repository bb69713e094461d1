"""What is counted of a run: per step, and added up over steps."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fanfold.spec.errors import Code
from fanfold.spec.events import Coords, StepFacts, StepSwept

Key = TypeVar("Key")
if TYPE_CHECKING:
    Times: TypeAlias = array[int]
else:
    Times = array  # before Python 3.12, array[int] is for type checkers only, and snapshots are made by these types
SAMPLES_KEPT = 10_000
EXAMPLE = 200  # characters of a reason that are kept


@dataclass(slots=True)
class Latencies:
    """A bounded, deterministic sample of times: when full, every other one goes, and from then on half as many come."""

    kept: Times = field(default_factory=lambda: array("q"))
    stride: int = 1
    seen: int = 0

    def add(self, took: int) -> None:
        if self.seen % self.stride == 0:
            self.kept.append(took)
            if len(self.kept) > SAMPLES_KEPT:
                self.kept = self.kept[::2]
                self.stride *= 2
        self.seen += 1

    def quantile(self, share: float) -> int | None:
        """The smallest time that at least `share` of the calls did not exceed; None without calls."""
        if not self.kept:
            return None
        rank = -int(-share * len(self.kept) // 1)  # ceiling
        return sorted(self.kept)[max(rank, 1) - 1]


@dataclass(slots=True)
class Counts:
    """What can be added up over steps. `accepted` includes `fallback`, the cells filled by their declared fallback.

    running: an answer's call is in the air. checking: answered, its gates or its judge have not spoken. waiting: everything
    else that has not ended. swept: ended only because the run was stopped. lost: calls in the air when a run was cut
    off. wasted: tokens of answers that were not kept. sequential_us: time of the calls that a one-at-a-time run would have made: with
    rejected answers and retries, without `ONE_AT_A_TIME_SPARES`.
    """

    cells: int = 0
    running: int = 0
    checking: int = 0
    accepted: int = 0
    fallback: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0
    swept: int = 0
    calls: int = 0
    hedges: int = 0
    lost: int = 0
    retries: int = 0
    waits: int = 0
    rate_limited: int = 0
    regenerations: int = 0
    duplicates: int = 0
    rejected_last: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    wasted: int = 0
    sequential_us: int = 0

    @property
    def ended(self) -> int:
        return self.accepted + self.failed + self.skipped + self.cancelled

    @property
    def waiting(self) -> int:
        return self.cells - self.ended - self.running - self.checking

    @property
    def own(self) -> int:
        """Cells accepted with a value of their own."""
        return self.accepted - self.fallback

    @property
    def acceptance(self) -> float | None:
        """The share of judged answers that were accepted; None before the first."""
        judged = self.own + self.regenerations + self.rejected_last
        return self.own / judged if judged else None

    def end(self, state: str, cells: int) -> None:
        """`cells` reach (or, negative, leave) a terminal state."""
        if state == "accepted":
            self.accepted += cells
        elif state == "failed":
            self.failed += cells
        elif state == "skipped":
            self.skipped += cells
        elif state == "cancelled":
            self.cancelled += cells
        else:
            raise ValueError(f"{state!r} is not a terminal state of a cell")


COUNTED = tuple(each.name for each in fields(Counts))


@dataclass(slots=True)
class LiveCell:
    """A cell from its first call to its end. calls: in the air and still counting. tokens: spent on its present attempt."""

    state: str = "waiting"
    calls: set[int] = field(default_factory=set)
    tokens: int = 0


@dataclass(slots=True)
class Rejected:
    """Answers that were refused for one reason. example: what was said of the first of them, "" when nothing was."""

    count: int = 0
    example: str = ""


@dataclass(slots=True)
class StepState(Counts):
    """One step. checks: rejections by name of the check; rejected: by everything that refuses an answer; codes: why cells have no value of their own; outcomes: of calls.
    candidates: keys of those that accepted cells have. hits: what became of answers that the cache had: "ok", or why it was of no use.

    taken: of cells that have not ended, how many of their answers were somebody else's already.
    """

    name: str = ""
    over: tuple[str, ...] = ()
    weight: float = 1.0
    required: bool = True
    counted: bool = False
    first_called: int | None = None
    last_settled: int | None = None
    latencies: Latencies = field(default_factory=Latencies)
    checks: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)
    sweep: StepSwept | None = None
    candidates: set[str] = field(default_factory=set)
    live: dict[Coords, LiveCell] = field(default_factory=dict)
    taken: dict[Coords, int] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: StepFacts) -> StepState:
        return cls(
            facts.cells, name=facts.name, over=facts.over, weight=facts.weight, required=facts.required, counted=facts.counted
        )  # fmt: skip

    def reject(self, code: str, check: str, reason: str) -> None:
        """An answer was refused: by a check or the judge, which are named, or for what its code says."""
        self.duplicates += code == Code.DUPLICATE
        why = code
        if code == Code.CHECK_FAILED:
            why = check or "unnamed"
            add(self.checks, why, 1)
        seen = self.rejected.setdefault(why, Rejected())
        seen.count += 1
        seen.example = seen.example or reason[:EXAMPLE]

    @property
    def fraction(self) -> float:
        """How much of it is done, 0 … 1: a running cell counts a half, a spare beyond the cells nothing; of unknown size, nothing."""
        running = min(self.running + self.checking, self.cells - self.ended)
        return (self.ended - self.swept + running / 2) / self.cells if self.cells else 0.0

    def move(self, cell: LiveCell, state: str) -> None:
        self.running += (state == "running") - (cell.state == "running")
        self.checking += (state == "checking") - (cell.state == "checking")
        cell.state = state

    def drop(self, cell: LiveCell) -> None:
        """It has no call behind it any more; what its present attempt cost was for nothing."""
        self.move(cell, "waiting")
        self.wasted += cell.tokens

    def drop_all(self) -> None:
        for cell in self.live.values():
            self.drop(cell)
        self.live.clear()

    def reopen(self) -> None:
        """A new life: nothing is in the air, and what only the stop of the run had ended is open again."""
        self.drop_all()
        if self.sweep is not None:
            self.end(self.sweep.state, -self.swept)
            add(self.codes, self.sweep.code, -self.swept)
            self.sweep, self.swept = None, 0


@dataclass(slots=True)
class LaneState:
    """What went through one lane, for the bounds that its limits set."""

    calls: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Used:
    """What went to one model, as the provider told it. cached: of the tokens in. busy_us: the time of its calls, one after the other.

    untold: calls that were sent and whose tokens nobody has told; guessed_in, guessed_out: what they were booked or estimated at.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    told: int = 0
    untold: int = 0
    guessed_in: int = 0
    guessed_out: int = 0
    calls: int = 0
    busy_us: int = 0

    def guess(self, tokens_in: int, tokens_out: int) -> None:
        self.untold += 1
        self.guessed_in += tokens_in
        self.guessed_out += tokens_out

    def tell(self, tokens_in: int, tokens_out: int, cached: int) -> None:
        self.told += 1
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.cached += min(cached, tokens_in)


def add(counter: dict[Key, int], name: Key, count: int) -> None:
    """Count in a dictionary that keeps no zeros."""
    left = counter.get(name, 0) + count
    if left:
        counter[name] = left
    else:
        counter.pop(name, None)
