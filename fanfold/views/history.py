"""How long the runs of one plan took, over time: by step, by group, in all; and whether it becomes slower or worse.

A fold over reports. Runs that were cut short, and runs that called nothing, are shown and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from fanfold.views.wording import clean, seconds

Json = dict[str, Any]
LEAST_FOR_A_TREND = 4
COUNTED = ("complete", "partial")


def history(plan: str, runs: Sequence[tuple[str, Json]]) -> Json:
    """runs: (when it started, its report), the oldest first. Times in seconds; None where there is nothing to compare.

    at_once: of the runs that had more than one call in the air; one_at_a_time: of the others, each with p50 and p95.
    trend: the later half of the runs at once against the earlier one.
    """
    rows = [_row(started, report) for started, report in runs]
    counted = [row for row in rows if row["state"] in COUNTED and row["calls"]]
    at_once = [row for row in counted if row["max_in_flight"] > 1]
    one = [row for row in counted if row["max_in_flight"] <= 1]
    faster = None if not (at_once and one) else round(_p50(one, "wall_s") / _p50(at_once, "wall_s"), 2)
    return {
        "plan": plan,
        "runs": rows,
        "at_once": _summary(at_once),
        "one_at_a_time": _summary(one),
        "speedup_measured": faster,
        "trend": _trend(at_once),
    }


def _row(started: str, report: Json) -> Json:
    same = ("run_id", "state", "calls", "retries", "max_in_flight", "wall_s", "sequential_s", "speedup")
    cells = report["cells"] or 1
    judged = report["accepted"] - report["fallbacks"] + report["regenerated"]
    return {
        "started": started,
        **{name: report[name] for name in same},
        "without_value": round((report["cells"] - report["accepted"] + report["fallbacks"]) / cells, 4),
        "rejected": round(report["regenerated"] / judged, 4) if judged else 0.0,
        "steps": {name: step["span_s"] for name, step in report["steps"].items()},
        "groups": report["groups"],
    }


def _p50(rows: Sequence[Json], name: str) -> float:
    return float(median(row[name] for row in rows))


def _summary(rows: Sequence[Json]) -> Json:
    steps = list(dict.fromkeys(name for row in rows for name in row["steps"]))
    return {
        "runs": len(rows),
        "wall_s": _spread([row["wall_s"] for row in rows]),
        "speedup": _spread([row["speedup"] for row in rows if row["speedup"] is not None]),
        "steps": {name: _spread([t for row in rows if (t := row["steps"].get(name)) is not None]) for name in steps},
    }


def _spread(numbers: Sequence[float]) -> Json:
    """p95: the smallest that at least so many did not exceed."""
    if not numbers:
        return {"p50": None, "p95": None}
    ordered = sorted(numbers)
    return {"p50": round(median(ordered), 2), "p95": ordered[max(0, -(-95 * len(ordered) // 100) - 1)]}


TRENDS: dict[str, Callable[[Json], float]] = {
    "wall_s": lambda row: float(row["wall_s"]),
    "without_value": lambda row: float(row["without_value"]),
    "rejected": lambda row: float(row["rejected"]),
    "retries_per_call": lambda row: row["retries"] / row["calls"],
}


def _trend(rows: Sequence[Json]) -> Json | None:
    """Of each: the median wall time, or the mean of a share, before and now."""
    if len(rows) < LEAST_FOR_A_TREND:
        return None
    before, now = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    told: Json = {}
    for name, of in TRENDS.items():
        middle = median if name == "wall_s" else _mean
        told[name] = {"before": round(middle(list(map(of, before))), 4), "now": round(middle(list(map(of, now))), 4)}
    return told


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


# -------------------------------------------------------------------- for people


def describe_history(told: Json) -> str:
    """A table: a line a run, the newest last, then what is usual."""
    if not told["runs"]:
        return f"There are no runs of {clean(told['plan'])} in this store."
    steps = list(dict.fromkeys(name for row in told["runs"] for name in row["steps"]))
    rows = [("started", "run", "state", "at once", "wall", "sequential", "speed-up", *map(clean, steps))]
    rows += [_line(row, steps) for row in told["runs"]]
    for name, which in (("at_once", "at once"), ("one_at_a_time", "one at a time")):
        if told[name]["runs"]:
            rows += [_usual(told[name], steps, key, f"{key} of {told[name]['runs']} {which}") for key in ("p50", "p95")]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = 3
    lines = [
        "  ".join([*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:])]).rstrip() for row in rows
    ]
    return "\n".join([f"{clean(told['plan'])}: {_runs(len(told['runs']))}", *lines, *_words(told)])


def _line(row: Json, steps: Sequence[str]) -> tuple[str, ...]:
    started = row["started"].replace("T", " ").rstrip("Z")
    times = (_time(row["steps"].get(name)) for name in steps)
    speedup = "-" if row["speedup"] is None else f"{row['speedup']:g}"
    wall, sequential = _time(row["wall_s"]), _time(row["sequential_s"])
    return (started, row["run_id"], row["state"], str(row["max_in_flight"]), wall, sequential, speedup, *times)


def _usual(summary: Json, steps: Sequence[str], key: str, name: str) -> tuple[str, ...]:
    speedup = summary["speedup"][key]
    times = (_time(summary["steps"].get(step, {}).get(key)) for step in steps)
    return (name, "", "", "", _time(summary["wall_s"][key]), "", "-" if speedup is None else f"{speedup:g}", *times)


def _time(value: float | None) -> str:
    return "-" if value is None else seconds(value)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs, the newest last"


def _words(told: Json) -> list[str]:
    lines = []
    if told["speedup_measured"] is not None:
        lines.append(f"measured: {told['speedup_measured']:g} times faster than the runs that made one call at a time")
    if (trend := told["trend"]) is not None:
        shares = {
            "without_value": "cells without a value of their own",
            "rejected": "answers rejected",
            "retries_per_call": "retries a call",
        }
        parts = [f"wall time {seconds(trend['wall_s']['before'])}, then {seconds(trend['wall_s']['now'])}"]
        parts += [
            f"{word} {trend[name]['before']:.1%}, then {trend[name]['now']:.1%}".replace("%", " %")
            for name, word in shares.items()
        ]
        lines.append("trend, the earlier half against the later: " + "; ".join(parts))
    return lines
