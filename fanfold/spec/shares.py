"""Models with shares, as they are written: "openai/a = 0.7, google/b = 0.3", in which each may be a chain, "openai/a | sim/c"."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import NamedTuple

from fanfold.spec.errors import PlanError

FINEST = 100  # a share is a multiple of a hundredth, or the nearest such fraction
HINT = "write openai/gpt-4o-mini = 0.7, google/gemini-2.5-flash = 0.3; parts, percentages or nothing (all alike) will do"


class Share(NamedTuple):
    """model: as it is written, perhaps a chain. part: how many of every so many cells it answers, in relation to the others."""

    model: str
    part: int


def shares_of(model: str) -> list[Share]:
    """One for a model alone. Raises PlanError."""
    parts = [part.strip() for part in model.split(",")]
    if len(parts) == 1 and "=" not in model:
        return [Share(model, 1)]
    written = [part.partition("=") for part in parts]
    if any(not name.strip() for name, _, _ in written):
        raise PlanError("model", f"{model!r}: nothing stands on one side of a comma or an =", HINT)
    said = [number.strip() for _, _, number in written]
    if any(said) and not all(said):
        raise PlanError("model", f"{model!r}: some models have a share and others have none", HINT)
    fractions = [_fraction(number, model) for number in said]
    names = [name.strip() for name, _, _ in written]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise PlanError("model", f"{model!r} names {twice!r} twice", "add its shares up")
    total = sum(fractions)
    parts_of = [max(fraction / total, Fraction(1, FINEST)).limit_denominator(FINEST) for fraction in fractions]
    whole = lcm(*(part.denominator for part in parts_of))
    if whole > FINEST:  # thirds beside quarters of sevenths: to the nearest hundredth
        parts_of, whole = [Fraction(max(1, round(part * FINEST)), FINEST) for part in parts_of], FINEST
    return [Share(name, int(part * whole)) for name, part in zip(names, parts_of, strict=True)]


def _fraction(number: str, model: str) -> Fraction:
    try:
        found = Fraction(number.removesuffix("%").strip() or "1")
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if found <= 0:
        raise PlanError("model", f"{model!r}: a share is a number above 0, not {number!r}", HINT)
    return found
