"""The same plan with several items in one call, by estimate: fewer calls, each so many times as long, whose prompt is paid once."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, prod

from fanfold.forecast.asked import Asked

ITEMS = 5
WORTHWHILE = 10  # cells of a step


def bundled(asked: Asked, items: int = ITEMS) -> Asked | None:
    """Bundles along the longest listed axis of the largest step. None where that step is too small or has a judge, who judges each."""
    axes = asked.plan.axes
    models = [step for step in asked.steps if step.model and all(axes[name].values is not None for name in step.compiled.over)]
    largest = max(models, key=lambda step: prod(axes[name].size or 0 for name in step.compiled.over), default=None)
    if largest is None or prod(axes[name].size or 0 for name in largest.compiled.over) < WORTHWHILE:
        return None
    along = max(largest.compiled.over, key=lambda name: axes[name].size or 0)
    concerned = [step for step in asked.steps if step.model and along in step.compiled.over]
    values = axes[along].values
    if values is None or any(step.judge_model for step in concerned):
        return None
    fewer = replace(axes[along], values=values[: ceil(len(values) / items)])
    plan = replace(asked.plan, axes={**axes, along: fewer})
    return replace(asked, plan=plan, items={step.name: items for step in concerned})
