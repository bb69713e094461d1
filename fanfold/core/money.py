"""The money of one run: booked with the call that may cost it, in the same step as its tokens, and settled with what it did cost.

Whole picodollars throughout: a token costs many of them, and sums are exact in any order.
"""

from __future__ import annotations

from fanfold.spec.calls import Usage
from fanfold.spec.prices import Price

DOLLAR = 10**12  # picodollars
_PER_TOKEN = 10**6  # picodollars for a token, of a price in dollars for a million


def cost_of(price: Price | None, tokens_in: int, tokens_out: int, cached: int = 0) -> int:
    """Picodollars. A model without a price costs nothing here: whoever sets a budget has seen to it that all have one."""
    if price is None:
        return 0
    again = price.tokens_in if price.cached is None else price.cached
    per_in, per_out, per_again = (round(each * _PER_TOKEN) for each in (price.tokens_in, price.tokens_out, again))
    return (tokens_in - cached) * per_in + cached * per_again + tokens_out * per_out


class Money:
    """limit, spent: picodollars. booked: of calls in the air. short: the next call does not fit while these are out."""

    __slots__ = ("booked", "limit", "short", "spent")

    def __init__(self, limit_usd: float, spent_usd: float = 0.0) -> None:
        """spent_usd: in earlier lives of the run, what nobody has told at its upper bound."""
        self.limit, self.spent = round(limit_usd * DOLLAR), round(spent_usd * DOLLAR)
        self.booked = 0
        self.short = False

    def fits(self, cost: int) -> bool:
        return self.spent + self.booked + cost <= self.limit

    def book(self, cost: int) -> None:
        self.booked += cost

    def settle(self, booked: int, price: Price | None, usage: Usage) -> None:
        """A call is over. What it has used without telling counts as it was estimated."""
        self.booked -= booked
        self.spent += cost_of(price, usage.tokens_in, usage.tokens_out, min(usage.tokens_cached, usage.tokens_in))
        self.short = False

    def too_dear(self, cost: int) -> str:
        """For messages, why nothing more is called: "$1 is used up: $0.9983 spent, and the next call may cost $0.0021"."""
        limit, each = f"${self.limit / DOLLAR:g}", f"${cost / DOLLAR:.4g}"
        if not self.spent:
            return f"{limit} is not enough for one call, which may cost {each}"
        return f"{limit} is used up: ${self.spent / DOLLAR:.4g} spent, and the next call may cost {each}"

    def __repr__(self) -> str:
        return f"<Money {self.spent / DOLLAR:.6f} + {self.booked / DOLLAR:.6f} of {self.limit / DOLLAR:g}>"
