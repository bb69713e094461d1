"""The same plan with several items in one call, by estimate: fewer calls, each so many times as long, whose prompt is paid once."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, prod

from fanfold.forecast.asked import Asked, AskedStep

ITEMS = 5
WORTHWHILE = 10  # cells of a step


def bundled(asked: Asked, items: int = ITEMS) -> Asked | None:
    """Bundles along the longest listed axis of the largest step. None where that step is too small or has a judge, who judges each."""
    axes = asked.plan.axes

    def cells(step: AskedStep) -> int:
        return prod(axes[name].size or 0 for name in step.compiled.over)

    listed = [step for step in asked.steps if step.model and all(axes[name].values is not None for name in step.compiled.over)]
    largest = max(listed, key=cells, default=None)
    if largest is None or cells(largest) < WORTHWHILE:
        return None
    along = max(largest.compiled.over, key=lambda name: axes[name].size or 0)
    concerned = [step for step in asked.steps if step.model and along in step.compiled.over]
    values = axes[along].values
    if values is None or any(step.judge_model for step in concerned):
        return None
    bundles = ceil(len(values) / items)
    plan = replace(asked.plan, axes={**axes, along: replace(axes[along], values=values[:bundles])})
    return replace(asked, plan=plan, items={step.name: len(values) / bundles for step in concerned})
