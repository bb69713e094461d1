"""How many to launch so that exactly N are accepted, when it is not known how often an answer is."""

from __future__ import annotations

from math import ceil, exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

EXACT = 300  # up to so many wanted, exact; beyond, the closed form, within 1 of it
PRIOR = (4.0, 1.0)
DISCOUNT = 0.98  # an observation's weight, for each that came after it
LEAST_ACCEPTANCE, SURE = 0.2, 0.95
ZERO_IN = 13  # 1 - .8^14 = .956


def needed(n: int, acceptance: float, p: float) -> int:
    """The fewest launches of which n are accepted with probability p at least: min m with P(Bin(m, acceptance) >= n) >= p.

    The closed form is the normal approximation with continuity correction, solved for m. ValueError: acceptance not in
    (0, 1], or p not in (0, 1).
    """
    if not (0 < acceptance <= 1 and 0 < p < 1):
        raise ValueError(f"acceptance must be above 0 and at most 1, p between 0 and 1: {acceptance}, {p}")
    if n <= 0 or acceptance == 1:
        return max(n, 0)
    z, spread = NormalDist().inv_cdf(p), acceptance * (1 - acceptance)
    root = (z * sqrt(spread) + sqrt(z * z * spread + 4 * acceptance * (n - 0.5))) / (2 * acceptance)
    guess = max(n, ceil(root * root))
    return guess if n > EXACT else _exact(n, acceptance, p, guess)


def _exact(n: int, acceptance: float, p: float, guess: int) -> int:
    while enough(n, acceptance, guess) < p:
        guess += 1
    while guess > n and enough(n, acceptance, guess - 1) >= p:
        guess -= 1
    return guess


def enough(n: int, acceptance: float, launched: int) -> float:
    """P(Bin(launched, acceptance) >= n), as an incomplete beta integral."""
    if n <= 0:
        return 1.0
    return incomplete_beta(n, launched - n + 1, acceptance) if launched >= n else 0.0


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised: P(Beta(a, b) <= x). By its continued fraction, evaluated by Lentz's method (Numerical Recipes, 6.4)."""
    if not 0 < x < 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1 - front * _fraction(b, a, 1 - x) / b)


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    found = d
    for m in range(1, 10_000):  # about sqrt(max(a, b)) terms are needed
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + step * d or tiny)
            c = 1 + step / c or tiny
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return found


class Acceptance:
    """What is known of how often an answer is accepted: a Beta posterior that forgets slowly, until it weighs 50 answers.

    accepted, rejected: what was known before, as the parameters of the prior; those of an earlier run, or few.
    """

    __slots__ = ("accepted", "rejected")

    def __init__(self, accepted: float = PRIOR[0], rejected: float = PRIOR[1]) -> None:
        self.accepted, self.rejected = accepted, rejected

    def saw(self, accepted: float, rejected: float) -> None:
        """One answer: (1, 0) or (0, 1)."""
        self.accepted = self.accepted * DISCOUNT + accepted
        self.rejected = self.rejected * DISCOUNT + rejected

    def below(self, acceptance: float) -> float:
        """P(the true rate is at most this)."""
        return incomplete_beta(self.accepted, self.rejected, acceptance)

    @property
    def mean(self) -> float:
        return self.accepted / (self.accepted + self.rejected)
