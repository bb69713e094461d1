"""When is a call late, and may another be sent beside it? Learned from the calls of the same lane.

Hedged requests after the 95th percentile cost a few per cent and cut the tail (Dean and Barroso, The Tail at Scale, 2013); a token
bucket keeps them to a share of all calls, whatever happens (gRPC's hedging policy, A6). Times to the first content are used where
answers stream: the length of an answer says nothing then.
"""

from __future__ import annotations

from fanfold.core.sketch import Sketch

SECOND = 1_000_000
FEW, ENOUGH = 8, 20  # observations before what is far beyond all of them is called late, and before what is beyond nearly all is
BEYOND = 1.5  # times the slowest of a few, or the median of enough: a twin would hardly overtake what is less late
SHARE = 0.05  # hedges per call
CAP, INITIAL = 64.0, 2.0
LATE = 0.95
FIRST_LEAST, FIRST_MOST, FIRST_COLD = 10 * SECOND, 60 * SECOND, 30 * SECOND
CRAWL_AFTER = 2 * SECOND  # of streaming, before its speed says something
TROUBLE = 0.2  # share of faults among the last calls, above which hedges would only add to it
MEMORY = 1 / 20  # of the newest call in that share


class Hedging:
    """What one lane knows of its times, and its budget of hedges."""

    def __init__(self, share: float = SHARE) -> None:
        self.share = share
        self._first = Sketch()
        self._whole = Sketch()
        self._per_token = Sketch()  # µs a token, after the first
        self._tokens = INITIAL if share else 0.0
        self._patience = 1
        self._trouble = 0.0
        self._stage = 0

    # ---------------------------------------------------------------- what is learned

    def first(self, us: int) -> None:
        """The first content of a call came after so long."""
        self._first.add(us)
        self._patience = 1

    def first_missed(self) -> None:
        """A call said nothing in time. A model that thinks long must not be cut off for ever: the next ones get more."""
        self._patience = min(2 * self._patience, 64)

    def answered(self, us: int, streamed_us: int | None, tokens_out: int) -> None:
        """A call ended well after so long, `streamed_us` of it after its first content."""
        self._whole.add(us)
        self.went_well()
        if streamed_us and tokens_out:
            self._per_token.add(max(1, streamed_us // tokens_out))

    def went_well(self) -> None:
        """A call was answered that says nothing of the time that another would take."""
        self._trouble -= MEMORY * self._trouble

    def failed(self) -> None:
        self._trouble += MEMORY * (1 - self._trouble)

    def begun(self) -> None:
        """A first call of a cell was sent: hedges are paid by these."""
        self._tokens = min(CAP, self._tokens + self.share)

    # ---------------------------------------------------------------- what follows

    def first_deadline(self) -> int:
        """µs within which the first content must come: 4 × the 99th percentile, within bounds."""
        known = self._first.quantile(0.99) if self._first.count >= ENOUGH else None
        usual = FIRST_COLD if known is None else min(max(4 * known, FIRST_LEAST), FIRST_MOST)
        return usual * self._patience

    def hedge_after(self, *, streamed: bool) -> int | None:
        """µs after which a call that has said nothing (streamed), or has not ended, is late. None: not known yet."""
        times = self._first if streamed else self._whole
        late, usual = times.quantile(LATE), times.quantile(0.5)
        if late is None or usual is None or times.count < FEW:
            return None
        if times.count < ENOUGH:
            return round(BEYOND * (times.quantile(1.0) or 0))
        narrow = late + (late - usual) // 2 + usual // 20  # where all take about as long, what takes longer is soon plain
        return max(late, min(narrow, round(BEYOND * usual)))

    def learned(self) -> bool:
        """Whether it can say since the last time what it could not say then, or only roughly."""
        stage = sum(times.count >= least for times in (self._first, self._whole) for least in (FEW, ENOUGH))
        before, self._stage = self._stage, stage
        return stage != before

    def crawls(self, tokens: int, streaming_us: int, expected: int) -> bool:
        """Whether an answer that streams is slower than nearly all, and a fresh one would overtake it."""
        slow, usual, first = self._per_token.quantile(0.98), self._per_token.quantile(0.5), self._first.quantile(0.5)
        if self._per_token.count < 2 * ENOUGH or streaming_us < CRAWL_AFTER or slow is None or usual is None or first is None:
            return False
        pace = streaming_us / max(tokens, 1)
        return pace > slow and max(expected - tokens, 0) * pace > 1.3 * (first + expected * usual)

    @property
    def troubled(self) -> bool:
        """Whether many calls fail."""
        return self._trouble >= TROUBLE

    @property
    def allowed(self) -> bool:
        """Whether the budget has a hedge, and the lane is well enough for one to help."""
        return self._tokens >= 1 and not self.troubled

    def spend(self) -> None:
        self._tokens -= 1

    def __repr__(self) -> str:
        return f"<Hedging {self._tokens:.1f} left, first {self._first!r}, whole {self._whole!r}>"
