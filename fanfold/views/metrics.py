"""What a run says to those who watch many: samples under the names that alerts are written for, from the same fold as everything else.

Names and units are those of Prometheus: seconds, totals. A sample that counts is that of one run; whoever keeps them adds them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fanfold.core.fold import RunState


class Sample(NamedTuple):
    """One value. labels: name -> value, all of them texts."""

    name: str
    value: float
    labels: Mapping[str, str]


def samples(state: RunState, cost_usd: float | None = None) -> Iterator[Sample]:
    """Of a run as it stands now; final once it has ended."""
    plan = {"plan": state.plan}
    total = state.total
    wall, sequential = state.wall_us / 1e6, total.sequential_us / 1e6
    yield Sample("fanfold_run_duration_seconds", wall, plan)
    yield Sample("fanfold_run_sequential_equivalent_seconds", sequential, plan)
    yield Sample("fanfold_run_speedup_ratio", sequential / wall if wall else 0.0, plan)
    yield Sample("fanfold_run_time_saved_seconds_total", max(0.0, sequential - wall), plan)
    yield Sample("fanfold_run_failures_total", float(state.state == "failed"), plan)
    yield Sample("fanfold_run_partial_total", float(state.state == "partial"), plan)
    yield Sample("fanfold_open_connections", float(state.in_flight), plan)
    yield Sample("fanfold_tokens_total", float(total.tokens_in), {**plan, "direction": "in"})
    yield Sample("fanfold_tokens_total", float(total.tokens_out), {**plan, "direction": "out"})
    if cost_usd is not None:
        yield Sample("fanfold_cost_usd_total", cost_usd, plan)
    yield from _by_step(state)


def _by_step(state: RunState) -> Iterator[Sample]:
    outcomes: dict[str, int] = {}
    for step in state.steps:
        where = {"plan": state.plan, "step": step.name}
        for code, count in step.codes.items():
            yield Sample("fanfold_cell_failures_total", float(count), {**where, "code": code})
        for check, count in step.checks.items():
            yield Sample("fanfold_gate_rejections_total", float(count), {**where, "check": check})
        for outcome, count in step.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    for outcome, count in outcomes.items():
        yield Sample("fanfold_calls_total", float(count), {"plan": state.plan, "outcome": outcome})
