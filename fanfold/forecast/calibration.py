"""How well runs were foreseen: what the forecast said before, and what it was.

A run keeps what was said in its own record: `start(about={"foreseen": brief(forecast)})`. When it has ended, its report says what it
was, so that nothing more needs to be written, and every store with runs is a record of its forecasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, NamedTuple

import msgspec

from fanfold.forecast.foresee import Band, Forecast

KEY = "foreseen"
AIM = 0.8  # of runs that should end between p10 and p90


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What a forecast said, as much as a run's record keeps. cost_usd: None without a price."""

    wall_s: Band
    calls: Band
    cost_usd: Band | None = None
    learned_from: int = 0


class Actual(NamedTuple):
    """What a run was."""

    wall_s: float
    calls: int


class Calibration(msgspec.Struct, frozen=True):
    """runs: that were foreseen and have ended. wall_inside, calls_inside: the share of them between p10 and p90; 0.8 is right, more
    is too careful, less too sure. wall_times, calls_times: the median of actual over p50; above 1: it takes more than is said.
    """

    runs: int
    wall_inside: float | None = None
    calls_inside: float | None = None
    wall_times: float | None = None
    calls_times: float | None = None


def brief(forecast: Forecast) -> dict[str, Any]:
    """What a run's record keeps of its forecast, as plain data, for `about`."""
    kept = Foreseen(wall_s=forecast.wall_s, calls=forecast.calls, cost_usd=forecast.cost_usd, learned_from=forecast.learned_from)
    found: dict[str, Any] = msgspec.to_builtins(kept)
    return found


def foreseen_in(about: bytes) -> Foreseen | None:
    """What was foreseen of a run, out of its record (`RunRecord.about`); None where nothing was."""
    try:
        return msgspec.convert(msgspec.json.decode(about)[KEY], Foreseen)
    except (KeyError, TypeError, msgspec.MsgspecError):
        return None


def actual_of(report: Mapping[str, Any]) -> Actual:
    """What a run was, by its report."""
    return Actual(report["wall_s"], report["calls"])


def calibration(pairs: Iterable[tuple[Foreseen, Actual]]) -> Calibration:
    """How good the forecasts of these runs were."""
    pairs = list(pairs)
    if not pairs:
        return Calibration(0)
    return Calibration(
        len(pairs),
        _share([said.wall_s.holds(was.wall_s) for said, was in pairs]),
        _share([said.calls.holds(was.calls) for said, was in pairs]),
        _times([(was.wall_s, said.wall_s.p50) for said, was in pairs]),
        _times([(was.calls, said.calls.p50) for said, was in pairs]),
    )


def _share(good: list[bool]) -> float:
    return round(sum(good) / len(good), 3)


def _times(pairs: list[tuple[float, float]]) -> float | None:
    found = [was / said for was, said in pairs if said > 0]
    return round(median(found), 3) if found else None
