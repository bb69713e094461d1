"""The limiter: requests and tokens are booked before a call and settled after it. One per (provider, account, model).

What keeps a call from starting, all of it at once: the windows of declared limits, which hold exactly; the quotas that the provider
tells, which have the semantics of its bucket; the pace, where limits are not known or turn out to be others; and the gate, the
pause after a 429. It is told the time, in integer microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.core.pace import Law, Pace
from fanfold.core.quota import Ledger, Quota
from fanfold.core.window import (
    DAY,
    GUARD,
    INPUT,
    MINUTE,
    OUTPUT,
    REQUESTS,
    SECOND,
    TOTAL,
    Booking,
    Bucket,
    Dimension,
    Window,
)
from fanfold.spec.calls import Told

__all__ = [
    "DAY", "GUARD", "INPUT", "MINUTE", "OUTPUT", "REQUESTS", "SECOND", "TOTAL",
    "Booking", "Bucket", "Dimension", "Limiter", "Quota", "Window",
]  # fmt: skip

KINDS = (REQUESTS, INPUT, OUTPUT, TOTAL)
TRYING = SECOND // 50  # so long a distance between two calls is worth telling
CHARGES = ("max", "sum", "estimate", "actual")


class Limiter:
    """declared: (what it counts, the window). charge: what a provider takes of its tokens at admission, as `Profile.charge`.

    learns: whether it feels its way where limits are not known, and learns from refusals. Without, only the gate heeds them.
    """

    def __init__(self, declared: Sequence[tuple[str, Dimension]] = (), *, charge: str = "sum", learns: bool = False) -> None:
        assert charge in CHARGES, charge
        self.dimensions = tuple(declared)
        self.charge = charge
        self.gate = 0
        self._quotas: dict[tuple[str, int], Quota] = {}
        self._ledger = Ledger()
        self._pace = Pace() if learns else None
        self._declared_rate = min(
            (w.per_minute / 60 for kind, w in self.dimensions if kind == REQUESTS and isinstance(w, Window) and w.span < DAY),
            default=None,
        )
        if self._pace is not None and self._declared_rate is not None:
            self._pace.know(self._declared_rate)

    # ================================================================ calls

    def open_at(self, tokens_in: int, tokens_out: int, now: int) -> int:
        """The earliest time at which a call of this size may start."""
        at = max(now, self.gate)
        for kind, dimension in self.dimensions:
            at = max(at, dimension.open_at(_used(kind, tokens_in, tokens_out), now))
        for (kind, _), quota in self._quotas.items():
            at = max(at, quota.open_at(self._part(kind, tokens_in, tokens_out), now))
        return at if self._pace is None else max(at, self._pace.open_at(now))

    def holds(self, tokens_in: int, tokens_out: int) -> bool:
        """Whether no limit is smaller than a call of this size."""
        declared = all(
            _used(kind, tokens_in, tokens_out) <= dimension.limit
            for kind, dimension in self.dimensions
            if isinstance(dimension, Window | Bucket)
        )
        return declared and all(self._part(kind, tokens_in, tokens_out) <= q.limit for (kind, _), q in self._quotas.items())

    @property
    def eager(self) -> bool:
        """Whether no limit is known: then a call that must wait waits only for a slot, or for the distance to the one before."""
        return not self.dimensions and not self._quotas and (self._pace is None or self._pace.law is Law.START)

    def book(self, tokens_in: int, tokens_out: int, at: int) -> tuple[Booking, ...]:
        """A call of this size starts."""
        bookings = []
        for kind, dimension in self.dimensions:
            booking = dimension.book(_used(kind, tokens_in, tokens_out), at)
            booking.kind = kind
            bookings.append(booking)
        if self._pace is not None:
            self._pace.start(at)
            self._ledger.add(tuple([self._part(kind, tokens_in, tokens_out) for kind in KINDS]), at)
            for (kind, _), quota in self._quotas.items():
                booking = quota.book(self._part(kind, tokens_in, tokens_out), at)
                booking.kind = kind
                bookings.append(booking)
        return tuple(bookings)

    def restore(self, calls: int, tokens_in: int, tokens_out: int, at: int, now: int) -> None:
        """An earlier life of a run sent so much at `at`: limits that are declared count it."""
        for kind, dimension in self.dimensions:
            if isinstance(dimension, Window) and at + dimension.span > now:
                dimension.restore(calls if kind == REQUESTS else _used(kind, tokens_in, tokens_out), at)

    def sent(self, bookings: Sequence[Booking], now: int) -> None:
        """What was booked last is sent only now: windows count from here."""
        for booking in bookings:
            booking.at = now

    def settle(self, bookings: Sequence[Booking], tokens_in: int, tokens_out: int, now: int) -> None:
        """The call is over and used this much. A request that was sent stays a request."""
        for booking in bookings:
            booking.of.settle(booking, _used(booking.kind, tokens_in, tokens_out), now)

    def _part(self, kind: str, tokens_in: int, tokens_out: int) -> int:
        """What the provider charges for a call of this size at its admission."""
        if kind != TOTAL or self.charge in ("sum", "actual"):
            return _used(kind, tokens_in, tokens_out)
        return tokens_in if self.charge == "estimate" else max(tokens_in, tokens_out)

    # ================================================================ what is heard

    def heard(self, told: Sequence[Told], now: int, *, sent_at: int | None = None) -> None:
        """An answer came, to a call sent at `sent_at`, and says this of limits."""
        if self._pace is None:
            return
        for word in told:
            quota = self._quota(word)
            if quota is not None:
                since = self._ledger.since(now if sent_at is None else sent_at, KINDS.index(quota.counts))
                quota.hear(word, since, 0 if sent_at is None else now - sent_at, now)
        rates = [quota.per_minute / 60 for (kind, span), quota in self._quotas.items() if kind == REQUESTS and span <= 60]
        if self._declared_rate is not None:
            rates.append(self._declared_rate)
        if rates:
            self._pace.know(min(rates))

    def _quota(self, told: Told) -> Quota | None:
        if told.counts not in KINDS or told.span_s < 1:
            return None
        key = (told.counts, told.span_s)
        if key not in self._quotas and told.limit is not None and told.limit > 0 and len(self._quotas) < 16:
            self._quotas[key] = Quota(told)
        return self._quotas.get(key)

    def throttled(
        self,
        wait: int | None,
        now: int,
        *,
        sent_at: int | None = None,
        refused: str = "",
        told: Sequence[Told] = (),
        jitter: float = 0.0,
    ) -> None:
        """A 429 came, to a call sent at `sent_at`: nothing starts for `wait` microseconds, and up to a tenth longer.

        wait: None when the server named none. refused: which limit said no, or "". jitter: 0 … 1, drawn by the caller.
        """
        if self._pace is None:
            self.gate = max(self.gate, now + (SECOND // 4 if wait is None else wait))
            return
        knew = set(self._quotas)
        self.heard(told, now, sent_at=sent_at)
        exhausted = {(t.counts, t.span_s) for t in told if t.remaining == 0} | {key for key in self._quotas if key[0] == refused}
        known = sorted(exhausted & set(self._quotas))
        unexplained = [self._quotas[key].refused(now, contradicts=key in knew) for key in known]
        explained = bool(known) and not any(unexplained)
        opens = self._pace.refused(wait, now if sent_at is None else sent_at, now, jitter, explained=explained)
        if opens is not None:
            self.gate = max(self.gate, opens)

    # ================================================================ what is told of it

    def binding(self, now: int, tokens_in: int = 1, tokens_out: int = 0) -> tuple[str, float, int, str]:
        """What keeps a call of this size from starting: (what is counted, used share of its limit, the limit per minute, who said so).

        "start" while no limit is known and its pace is tried out; "" when only the distance between calls does, or nothing.
        """
        found = [
            (d.open_at(_used(kind, tokens_in, tokens_out), now), d.share(now), kind, d.per_minute, "declared")
            for kind, d in self.dimensions
            if isinstance(d, Window)
        ]
        found += [
            (q.open_at(self._part(kind, tokens_in, tokens_out), now), q.share(now), kind, q.per_minute, "told")
            for (kind, _), q in self._quotas.items()
        ]
        pace = self._pace
        if pace is not None and pace.law in (Law.PROBE, Law.STEADY):
            found.append((pace.open_at(now), pace.share(), REQUESTS, pace.limit, "guessed"))
        at, share, kind, limit, source = max(found, default=(now, 0.0, "", 0, ""))
        if at > now:
            return kind, share, limit, source
        trying = pace is not None and pace.law in (Law.START, Law.AGAIN) and pace.open_at(now) - now >= TRYING
        return ("start" if trying else "", 0.0, 0, "")

    def __repr__(self) -> str:
        held = [f"{kind} {dimension!r}" for kind, dimension in self.dimensions]
        held += [f"{kind} {quota!r} told" for (kind, _), quota in self._quotas.items()]
        if self._pace is not None:
            held.append(f"pace {self._pace!r}")
        return f"<Limiter {', '.join(held) or 'no limits'}{f', gate {self.gate}' if self.gate else ''}>"


def _used(kind: str, tokens_in: int, tokens_out: int) -> int:
    if kind == REQUESTS:
        return 1
    if kind == INPUT:
        return tokens_in
    return tokens_out if kind == OUTPUT else tokens_in + tokens_out
