"""A small service with limits, and N calls that wait for it: the limiter driven as the conductor drives it, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import ceil, floor
from random import Random
from typing import Any

from fanfold.core.limiter import SECOND, Limiter
from fanfold.spec.calls import Told

NONE: tuple[Told, ...] = ()
NO_BUCKET = "no bucket"


class Tub:
    """A provider's bucket: `per_minute`, holding `seconds` of refill."""

    def __init__(self, per_minute: float, seconds: float) -> None:
        self.per_minute, self.rate = per_minute, per_minute / 60
        self.capacity = max(1.0, self.rate * seconds)
        self.level, self.at = self.capacity, 0.0

    def fill(self, now: float) -> float:
        self.level = min(self.capacity, self.level + max(0.0, now - self.at) * self.rate)
        self.at = max(self.at, now)
        return self.level

    def told(self, counts: str, now: float) -> Told:
        level = self.fill(now)
        reset = ceil((self.capacity - level) / self.rate * 1000) / 1000
        return Told(counts=counts, limit=int(self.per_minute), remaining=max(0, floor(level + 1e-9)), reset_s=reset)


@dataclass(kw_only=True)
class Service:
    """rpm, tpm, bucket_s, headers, latency_s, refusal_s: as in the simulated provider. wait: what a refusal asks for, "s" (whole
    seconds), "ms", "none" or "penalty" (whole seconds; then there is room for one call and no more). told_at: whether remainders are those at
    admission or those when the answer leaves. charge: "actual", "reserve", or "refund" (reserved, corrected at the end).
    foreign: share of the requests' rate that somebody else eats."""

    rpm: float | None = None
    tpm: float | None = None
    bucket_s: float = 1.0
    headers: bool = False
    wait: str = "s"
    refused_cost: float = 0.0
    latency_s: tuple[float, float] = (0.5, 0.5)
    refusal_s: tuple[float, float] = (0.002, 0.010)
    told_at: str = "admission"
    charge: str = "actual"
    foreign: float = 0.0
    tokens_in: int = 300
    tokens_out: Callable[[Random], int] = lambda rng: max(20, min(1000, int(rng.lognormvariate(5.87, 0.5))))
    reserve: int = 1000
    seed: int = 0
    change: tuple[float, float] | None = None
    tubs: dict[str, Tub] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self._eaten = 0.0
        for kind, limit in (("requests", self.rpm), ("tokens", self.tpm)):
            if limit is not None:
                self.tubs[kind] = Tub(limit, self.bucket_s)

    def _eat(self, now: float) -> None:
        """Somebody else takes what they can get of their share, one call at a time."""
        if not self.foreign:
            return
        tub = self.tubs["requests"]
        apart = 1 / (tub.rate * self.foreign)
        while self._eaten + apart <= now:
            self._eaten += apart
            if tub.fill(self._eaten) >= 1:
                tub.level -= 1

    def ask(self, now: float) -> str:
        """ "" when admitted, else which limit says no."""
        if self.change is not None and now >= self.change[0]:
            tub = self.tubs["requests"]
            tub.fill(now)
            tub.rate, tub.per_minute, self.change = self.change[1] / 60, self.change[1], None
        self._eat(now)
        costs = {"requests": 1, "tokens": self.tokens_in if self.charge == "actual" else self.reserve}
        for kind, tub in self.tubs.items():
            if tub.fill(now) + 1e-9 < min(costs[kind], tub.capacity):
                if "requests" in self.tubs and self.tubs["requests"].level > 0:
                    self.tubs["requests"].level = max(0.0, self.tubs["requests"].fill(now) - self.refused_cost)
                return kind
        for kind, tub in self.tubs.items():
            tub.level -= costs[kind]
        return ""

    def wait_us(self, kind: str, now: float) -> int | None:
        tub = self.tubs[kind]
        cost = 1 if kind == "requests" else (self.tokens_in if self.charge == "actual" else self.reserve)
        need = max(0.001, (min(cost, tub.capacity) - tub.fill(now)) / tub.rate)
        if self.wait == "penalty":
            tub.at, tub.level = now + ceil(need), min(cost, tub.capacity)  # until then nothing, and then room for one
        return {"s": ceil(need) * SECOND, "ms": ceil(need * 1000) * 1000, "none": None, "penalty": ceil(need) * SECOND}[self.wait]

    def end(self, out: int, now: float) -> None:
        tub = self.tubs.get("tokens")
        if tub is not None:
            tub.fill(now)
            if self.charge == "actual":
                tub.level -= out
            elif self.charge == "refund":
                tub.level = min(tub.capacity, tub.level + self.reserve - self.tokens_in - out)

    def told(self, now: float) -> tuple[Told, ...]:
        return tuple(tub.told(kind, now) for kind, tub in self.tubs.items()) if self.headers else NONE


@dataclass(kw_only=True)
class Odd(Service):
    """Refusals that no bucket explains. why: "outage" (all between two moments), "random" (one in so many), "window" (so many in each
    `every_s`, however they come), "busy" (so many at once), "first" (the first so many). named: the wait that is asked for, in
    seconds, or "end" of the window; None for none.
    """

    why: str = "outage"
    between: tuple[float, float] = (0.0, 8.0)
    so_many: int = 100
    every_s: float = 10.0
    named: float | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked, self.active, self.of_window = 0, list[float](), dict[int, int]()

    def ask(self, now: float) -> str:
        self.asked += 1
        return NO_BUCKET if getattr(self, f"_{self.why}")(now) else super().ask(now)

    def _outage(self, now: float) -> bool:
        return self.between[0] <= now < self.between[1]

    def _random(self, now: float) -> bool:
        return self.rng.random() < 1 / self.so_many

    def _first(self, now: float) -> bool:
        return self.asked <= self.so_many

    def _window(self, now: float) -> bool:
        window = int(now / self.every_s)
        self.of_window[window] = self.of_window.get(window, 0) + 1
        full = self.of_window[window] > self.so_many
        self.of_window[window] -= full
        return full

    def _busy(self, now: float) -> bool:
        self.active = [end for end in self.active if end > now]
        if len(self.active) >= self.so_many:
            return True
        self.active.append(now + self.latency_s[0])
        return False

    def wait_us(self, kind: str, now: float) -> int | None:
        if kind != NO_BUCKET:
            return super().wait_us(kind, now)
        if self.named == "end":
            return int((self.every_s * (int(now / self.every_s) + 1) - now) * SECOND) + 1
        return None if self.named is None else int(float(self.named) * SECOND)


@dataclass
class Outcome:
    makespan: float
    refusals: int
    starts: list[float]
    accepted: list[float]
    early: int

    def __str__(self) -> str:
        return f"{self.makespan:.2f} s, {self.refusals} refused"


def drive(
    limiter: Limiter,
    service: Service,
    calls: int,
    *,
    cap: int = 10_000,
    sizes: tuple[int, int] = (300, 400),
    arrive: Sequence[float] = (),
) -> Outcome:
    """Peek the head, wait, book. A refused call waits again with the rest. Returns when all are answered."""
    rng, order = Random(service.seed + 1), count()
    events: list[tuple[int, int, str, Any]] = []
    for at in arrive:
        heappush(events, (int(at * SECOND), next(order), "arrive", None))
    waiting, now, in_air, done, refusals, early = calls - len(arrive), 0, 0, 0, 0, 0
    starts, accepted = [], []
    wake: int | None = None
    while done < calls:
        while waiting and in_air < cap and limiter.open_at(*sizes, now) <= now:
            early += now < limiter.gate
            bookings = limiter.book(*sizes, now)
            limiter.sent(bookings, now)
            waiting, in_air = waiting - 1, in_air + 1
            starts.append(now / SECOND)
            refused = service.ask(now / SECOND)
            if refused:
                wait = service.wait_us(refused, now / SECOND)
                back = now + int(rng.uniform(*service.refusal_s) * SECOND)
                heappush(events, (back, next(order), "refused", (bookings, now, wait, refused, service.told(now / SECOND))))
            else:
                accepted.append(now / SECOND)
                back = now + int(rng.uniform(*service.latency_s) * SECOND)
                told = service.told(now / SECOND) if service.told_at == "admission" else None
                heappush(events, (back, next(order), "answer", (bookings, now, service.tokens_out(rng), told)))
        wake = limiter.open_at(*sizes, now) if waiting and in_air < cap else None
        assert wake is None or wake > now or in_air >= cap
        if events and (wake is None or events[0][0] <= wake):
            now, _, what, facts = heappop(events)
            if what == "arrive":
                waiting += 1
                continue
            in_air -= 1
            if what == "refused":
                bookings, sent, wait, refused, told = facts
                refusals, waiting = refusals + 1, waiting + 1
                limiter.settle(bookings, 0, 0, now)
                limiter.throttled(wait, now, sent_at=sent, refused=refused, told=told, jitter=rng.random())
            else:
                bookings, sent, out, told = facts
                done += 1
                service.end(out, now / SECOND)
                limiter.settle(bookings, service.tokens_in, out, now)
                limiter.heard(service.told(now / SECOND) if told is None else told, now, sent_at=sent)
        else:
            assert wake is not None, "nothing would ever happen again"
            now = wake
    return Outcome(now / SECOND, refusals, starts, accepted, early)
