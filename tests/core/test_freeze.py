"""A frozen fold goes on as the living one does; bytes that are not of this version are told from those that are."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest

from fanfold.core import freeze as module
from fanfold.core.fold import RunState, fold
from fanfold.core.freeze import freeze, thaw, version
from fanfold.testing.weather import Climate, heap_history


@pytest.mark.parametrize("seed", range(40))
def test_a_run_goes_on_from_a_frozen_state_as_if_nothing_had_been(seed: int) -> None:
    """At cuts all over random histories: with calls in the air, repairs, spares, sweeps, candidates."""
    events = heap_history(Climate.of(seed))
    whole = fold(events)
    for cut in range(0, len(events) + 1, max(1, len(events) // 7)):
        state = fold(events[:cut])
        thawed = thaw(RunState, freeze(state))
        assert thawed == state, cut
        assert thawed is not None and thawed.apply_all(events[cut:]) == whole


def test_times_that_were_sampled_come_back() -> None:
    for seed in range(100):
        state = fold(heap_history(Climate.of(seed)))
        if any(step.latencies.kept for step in state.steps):
            thawed = thaw(RunState, freeze(state))
            assert thawed is not None
            assert [step.latencies for step in thawed.steps] == [step.latencies for step in state.steps]
            return
    raise AssertionError("no history had an answer")


def test_other_bytes_are_no_state() -> None:
    data = freeze(fold(heap_history(Climate.of(3))))
    for wrong in (
        b"",
        b"\xc1",
        b"{}",
        data[:-1],
        data[: len(data) // 2],
        data + b"\0",
        freeze(3),
        msgspec.msgpack.encode((1, b"")),
    ):
        assert thaw(RunState, wrong) is None


def test_another_meaning_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    data = freeze(RunState())
    assert thaw(RunState, data) == RunState()
    version.cache_clear()
    monkeypatch.setattr(module, "MEANING", module.MEANING + 1)
    assert thaw(RunState, data) is None
    version.cache_clear()


def test_other_fields_are_another_version_however_deep_they_lie() -> None:
    def kinds(what: type) -> type:
        @dataclass
        class Inner:
            x: what = None  # type: ignore[valid-type]

        @dataclass
        class Outer:
            inside: dict[int, list[Inner]] = field(default_factory=dict)

        Outer.__annotations__["inside"] = dict[int, list[Inner]]
        Inner.__annotations__["x"] = what
        return Outer

    assert version(kinds(int)) == version(kinds(int)) != version(kinds(str))


def test_what_has_no_bytes_is_not_frozen() -> None:
    @dataclass
    class Odd:
        thing: object

    with pytest.raises(TypeError, match="complex cannot be frozen"):
        freeze(Odd(1j))
