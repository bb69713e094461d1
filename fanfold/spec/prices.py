"""What a model charges."""

from __future__ import annotations

from typing import NamedTuple

MILLION = 1_000_000


class Price(NamedTuple):
    """US dollars for a million tokens in, and out. cached: for a million of those in that the provider had already; None: as others."""

    tokens_in: float
    tokens_out: float
    cached: float | None = None

    def of(self, tokens_in: int, tokens_out: int, cached: int = 0) -> float:
        """US dollars for so many tokens. cached: how many of `tokens_in` the provider had already."""
        again = self.tokens_in if self.cached is None else self.cached
        return ((tokens_in - cached) * self.tokens_in + cached * again + tokens_out * self.tokens_out) / MILLION


FREE = Price(0.0, 0.0)
