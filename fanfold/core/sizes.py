"""How long the answers of a step are: a guess before the first, then what came."""

from __future__ import annotations

FEW, MORE = 5, 1.5  # answers; and how much longer than those the next may be


class AnswerSize:
    """Tokens of output: a moving average of those that came, with room above while they are few."""

    __slots__ = ("_mean", "_most", "_seen")

    def __init__(self) -> None:
        self._mean, self._most, self._seen = 0.0, 0, 0

    def saw(self, tokens_out: int) -> None:
        """0 is no answer."""
        if tokens_out <= 0:
            return
        self._seen += 1
        self._mean += max(0.05, 1 / self._seen) * (tokens_out - self._mean)
        self._most = max(self._most, tokens_out)

    def most(self, guess: int) -> int:
        """What one may have at the most; a guess is half of that."""
        return max(self._most, 0 if self._seen >= FEW else 2 * guess) + 1

    def expected(self, guess: int) -> int:
        if not self._seen:
            return guess
        return round(self._mean if self._seen >= FEW else max(MORE * self._mean, self._most)) + 1
