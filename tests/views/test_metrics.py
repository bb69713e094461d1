"""Samples under the names that alerts are written for."""

from __future__ import annotations

from fanfold.core.fold import fold
from fanfold.views.metrics import samples


def test_a_run_is_sampled(events):
    state = fold(events)
    found = list(samples(state, cost_usd=0.5))
    by_name = {sample.name: sample.value for sample in found if set(sample.labels) == {"plan"}}
    assert by_name["fanfold_run_duration_seconds"] == state.wall_us / 1e6
    assert by_name["fanfold_run_speedup_ratio"] == state.total.sequential_us / state.wall_us
    assert by_name["fanfold_run_partial_total"] == 1.0 and by_name["fanfold_run_failures_total"] == 0.0
    assert by_name["fanfold_open_connections"] == 0.0 and by_name["fanfold_cost_usd_total"] == 0.5
    calls = {sample.labels["outcome"]: sample.value for sample in found if sample.name == "fanfold_calls_total"}
    assert sum(calls.values()) == state.total.calls and calls["rate_limited"] == 1.0 and calls["duplicate"] == 1.0
    tokens = {sample.labels["direction"]: sample.value for sample in found if sample.name == "fanfold_tokens_total"}
    assert tokens == {"in": state.total.tokens_in, "out": state.total.tokens_out}
    failures = [sample for sample in found if sample.name == "fanfold_cell_failures_total"]
    assert [(s.labels["step"], s.labels["code"], s.value) for s in failures] == [
        ("recipe", "filtered", 1.0),
        ("shopping", "timeout", 1.0),
    ]
    checks = [sample for sample in found if sample.name == "fanfold_gate_rejections_total"]
    assert [(s.labels["check"], s.value) for s in checks] == [("max_minutes", 1.0)]
    assert all(isinstance(value, str) for sample in found for value in sample.labels.values())


def test_a_run_that_has_not_begun_is_sampled_too():
    assert all(sample.value == 0.0 for sample in samples(fold([])))
