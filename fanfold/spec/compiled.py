"""A plan as the grid and the engine work from it: names resolved, needs found, in an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fanfold.spec.plan import UNSET, Candidates, Facets, Plan, Step, Unique
from fanfold.spec.template import Slot, Template


@dataclass(frozen=True)
class CompiledAxis:
    """values: by index, None for a dynamic axis. source, path: where a dynamic axis finds its list."""

    name: str
    values: Sequence[Any] | None
    counted: bool = False
    source: str = ""
    path: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        return None if self.values is None else len(self.values)


@dataclass(frozen=True)
class CompiledStep:
    """needs: steps whose values it receives, the sources of its dynamic axes among them, in order of mention. versus: the name of what
    its judge compares with."""

    step: Step
    index: int
    over: tuple[str, ...]
    needs: tuple[str, ...]
    prompt: Template | None
    system: Template | None
    judge_prompt: Template | None
    unique: Unique | None
    facets: Facets | None = None
    candidates: Candidates | None = None
    versus: Slot | None = None

    @property
    def name(self) -> str:
        return self.step.name


@dataclass(frozen=True)
class CompiledPlan:
    plan: Plan
    axes: Mapping[str, CompiledAxis]
    steps: tuple[CompiledStep, ...]
    order: tuple[int, ...]
    """Step indexes, each after everything it needs."""

    @cached_property
    def _by_name(self) -> dict[str, CompiledStep]:
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> CompiledStep:
        return self._by_name[name]


def has_fallback(step: Step) -> bool:
    return step.fallback is not UNSET
