"""The same plan with several items in one call: fewer calls, each so many times as long, whose prompt is paid once."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from fanfold.forecast.asked import Asked, AskedStep, usual_length

ITEMS = 5
WORTHWHILE = 10  # cells of a step


def bundled(asked: Asked, items: int = ITEMS) -> Asked | None:
    """With so many items in each call of its largest step. None where that is too small, or has them already."""

    def cells(step: AskedStep) -> float:
        return prod(usual_length(asked, name) for name in step.compiled.over)

    largest = max((step for step in asked.steps if step.model), key=cells, default=None)
    if largest is None or cells(largest) < WORTHWHILE or largest.rule.items > 1:
        return None
    together = replace(largest, rule=replace(largest.rule, items=items))
    return replace(asked, steps=tuple(together if step is largest else step for step in asked.steps))
