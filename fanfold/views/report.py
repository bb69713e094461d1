"""What a run did, what it cost, and how close it came to the fastest possible: as plain data, and as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fanfold.core.bound import Bound, lower_bound
from fanfold.core.counts import StepState, add
from fanfold.core.fold import RunState
from fanfold.spec.plan import Limits
from fanfold.views.wording import clean, seconds

Json = dict[str, Any]


def report(
    state: RunState,
    *,
    run_id: str,
    cost_usd: float | None = None,
    cost_is: str = "unknown",
    limits: Limits | None = None,
) -> Json:
    """The report of a run so far: of the whole run, all its lives.

    limits: as declared, each lane its own. cost_is: "exact", "at_least" or "unknown", as `Spend` has it. cached: answers that the
    cache had and that passed the gates; cache_unused: those that were of no use, by why. Times in seconds; None where there is nothing to
    compare.
    """
    total, wall = state.total, state.wall_us
    bound = _bound(state, limits or Limits())
    called = bool(total.calls and wall)
    return {
        "run_id": run_id,
        "plan": state.plan,
        "state": state.state,
        "cells": total.cells,
        "accepted": total.accepted,
        "failed": total.failed,
        "skipped": total.skipped,
        "cancelled": total.cancelled,
        "fallbacks": total.fallback,
        "calls": total.calls,
        "retries": total.retries,
        "hedges": total.hedges,
        "rate_limited": total.rate_limited,
        "cached": sum(step.hits.get("ok", 0) for step in state.steps),
        "cache_unused": _unused(state.steps),
        "regenerated": total.regenerations,
        "duplicates_rejected": total.duplicates,
        "lost": total.lost,
        "max_in_flight": state.max_in_flight,
        "wall_s": _s(wall),
        "sequential_s": _s(total.sequential_us),
        "speedup": round(total.sequential_us / wall, 2) if called else None,
        "lower_bound_s": _s(bound.us),
        "efficiency": round(bound.us / wall, 2) if called else None,
        "bound_by": bound.by,
        "tokens_in": total.tokens_in,
        "tokens_out": total.tokens_out,
        "wasted_tokens": total.wasted,
        "tokens_are": "exact" if state.exact else "estimated",
        "cost_usd": cost_usd,
        "cost_is": cost_is if cost_usd is not None else "unknown",
        "steps": {step.name: _step(step) for step in state.steps},
        "groups": groups(state),
    }


def _unused(steps: Iterable[StepState]) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in steps:
        for why, count in step.hits.items():
            if why != "ok":
                add(found, why, count)
    return found


def _s(microseconds: int | None) -> float | None:
    return None if microseconds is None else round(microseconds / 1e6, 3)


def _step(step: StepState) -> Json:
    """One step. span_s: from its first call to the end of its last."""
    return {
        "p50_s": _s(step.latencies.quantile(0.5)),
        "p95_s": _s(step.latencies.quantile(0.95)),
        "span_s": None if (span := _span(step)) is None else _s(span[1] - span[0]),
        "sequential_s": _s(step.sequential_us),
        "cells": step.cells,
        "accepted": step.accepted,
        "failed": step.failed,
        "fallbacks": step.fallback,
        "calls": step.calls,
        "regenerated": step.regenerations,
        "duplicates_rejected": step.duplicates,
        "check_rejections": dict(step.checks),
        "rejected": _rejected(step),
        "acceptance": None if step.acceptance is None else round(step.acceptance, 3),
        "tokens_in": step.tokens_in,
        "tokens_out": step.tokens_out,
    }


def _rejected(step: StepState) -> Json:
    """Why answers were refused, the most frequent first: by name of a check, "judge", "duplicate", "malformed" or "truncated"."""
    often = sorted(step.rejected.items(), key=lambda item: -item[1].count)
    return {why: {"count": seen.count, "example": seen.example} for why, seen in often}


def _bound(state: RunState, limits: Limits) -> Bound:
    """What no schedule of these calls could have beaten. Never above what was reached: token limits bind on estimates."""
    bound = lower_bound(
        state.path_us,
        state.total.sequential_us,
        max(state.cap, state.max_in_flight),  # another life may have had another cap
        calls=max((lane.calls for lane in state.lanes.values()), default=0),
        rpm=limits.rpm,
        tokens=max((lane.tokens for lane in state.lanes.values()), default=0),
        tpm=limits.tpm,
    )
    return Bound(min(bound.us, state.wall_us), _learned(state, bound) or bound.by)


def _learned(state: RunState, bound: Bound) -> str:
    """The limit that nobody declared and that held the run back, if the known bounds do not explain how long it took.

    How much of it was left at the start is not known, so that it is named, and no time can be put to it.
    """
    learned = {by: held for (by, source), held in state.held_us.items() if source in ("told", "guessed")}
    if not learned or 2 * bound.us > state.wall_us:
        return ""
    by = max(learned, key=learned.__getitem__)
    return f"{by}/min" if 4 * learned[by] > state.wall_us else ""


def _span(step: StepState) -> tuple[int, int] | None:
    if step.first_called is None or step.last_settled is None:
        return None
    return step.first_called, step.last_settled


def groups(state: RunState) -> list[Json]:
    """Steps whose calls overlapped in time stand together; the groups follow one another. Steps without calls are in none."""
    spans = [(span, step) for step in state.steps if (span := _span(step)) is not None]
    out: list[list[tuple[tuple[int, int], StepState]]] = []
    end = -1
    for span, step in sorted(spans, key=lambda pair: pair[0]):
        if span[0] >= end:
            out.append([])
        out[-1].append((span, step))
        end = max(end, span[1])
    return [_group(members) for members in out]


def _group(members: list[tuple[tuple[int, int], StepState]]) -> Json:
    start, end = min(span[0] for span, _ in members), max(span[1] for span, _ in members)
    return {
        "steps": [step.name for _, step in members],
        "wall_s": _s(end - start),
        "sequential_s": _s(sum(step.sequential_us for _, step in members)),
    }


# -------------------------------------------------------------------- for people


def describe(report: Json) -> str:
    """A report as aligned text, without an end of line at its end."""
    rows = list(_rows(report))
    width = max(len(row[0]) for row in rows)
    middle = max(len(row[1]) for row in rows)
    lines = [_headline(report), *(f"  {name:<{width}}  {value:>{middle}}  {more}".rstrip() for name, value, more in rows)]
    return "\n".join(
        [
            *lines,
            *_table(report["steps"]),
            *_groups(report.get("groups") or []),
            *_refusals(report["steps"]),
            *_diversity(report.get("diversity") or {}),
        ]
    )


def _headline(report: Json) -> str:
    others = [("fallbacks", "filled by a fallback"), ("failed", "failed"), ("skipped", "skipped"), ("cancelled", "cancelled")]
    cells = _listed(report, f"{report['accepted']:,} of {report['cells']:,} cells accepted", others)
    return f"{clean(report['plan'])}: {report['state']}, {cells}"


CALL_DETAILS = [
    ("rate_limited", "rate limited"),
    ("hedges", "hedged"),
    ("regenerated", "drawn again"),
    ("lost", "lost when the run was cut off"),
    ("cached", "more from the cache"),
]


def _rows(report: Json) -> Iterator[tuple[str, str, str]]:
    """(what, how much, what more there is to say)."""
    yield "wall time", seconds(report["wall_s"]), ""
    if report["speedup"] is not None:
        yield "sequential", seconds(report["sequential_s"]), f"speed-up {report['speedup']:g}"
        binds = f"efficiency {report['efficiency']:.2f}, bound by {report['bound_by']}"
        yield "lower bound", seconds(report["lower_bound_s"]), binds
    if (foreseen := report.get("foreseen")) is not None:
        wall = foreseen["wall_s"]
        low, high = seconds(wall["p10"]), seconds(wall["p90"])
        yield "foreseen", seconds(wall["p50"]), f"{low} to {high}"
    yield (
        "calls",
        f"{report['calls']:,}",
        _listed(report, f"{report['max_in_flight']} at once, {report['retries']:,} retried", CALL_DETAILS),
    )
    yield "duplicates", f"{report['duplicates_rejected']:,}", "rejected"
    split = f"{report['tokens_in']:,} in, {report['tokens_out']:,} out"
    note = "" if report["tokens_are"] == "exact" else " (estimated)"
    spent = f"{report['tokens_in'] + report['tokens_out']:,}"
    yield "tokens", spent, _listed(report, split, [("wasted_tokens", "for answers not kept")]) + note
    if report["cost_usd"] is not None:
        yield "cost", f"${report['cost_usd']:,.4f}", "at least" if report["cost_is"] == "at_least" else report["cost_is"]


def _listed(report: Json, first: str, others: list[tuple[str, str]]) -> str:
    """The first thing, and those of the others that are not zero."""
    return ", ".join([first, *(f"{report[key]:,} {word}" for key, word in others if report[key])])


def _table(steps: Json) -> list[str]:
    """One line per step, under a heading; numbers to the right."""
    rows: list[tuple[str, ...]] = [("step", "accepted", "calls", "drawn again", "p50", "p95")]
    for name, step in steps.items():
        times = ("-" if step[key] is None else seconds(step[key]) for key in ("p50_s", "p95_s"))
        rows.append((clean(name), f"{step['accepted']}/{step['cells']}", str(step["calls"]), str(step["regenerated"]), *times))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def _groups(groups: list[Json]) -> list[str]:
    """A line for steps that ran at once, and one for steps that followed one another; none where there is nothing to tell apart."""
    at_once = [group for group in groups if len(group["steps"]) > 1]
    in_a_row = [group for group in groups if len(group["steps"]) == 1]
    if len(groups) < 2 or not at_once:
        return []
    lines = []
    for group in at_once:
        names = " and ".join(map(clean, group["steps"]))
        lines.append(f"  at once: {names}: {seconds(group['wall_s'])}, one after the other {seconds(group['sequential_s'])}")
    if in_a_row:
        names = ", then ".join(clean(group["steps"][0]) for group in in_a_row)
        lines.append(f"  in a row: {names}: {seconds(sum(group['wall_s'] for group in in_a_row))}")
    return lines


def _refusals(steps: Json) -> list[str]:
    """A line for each reason why answers of a step were refused, with an example of what was said of them."""
    lines = []
    for name, step in steps.items():
        for why, seen in step["rejected"].items():
            example = f": {clean(seen['example'])}" if seen["example"] else ""
            lines.append(f"  {clean(name)}: {seen['count']:,} rejected, {clean(why, 40)}{example}")
    return lines


DIFFERING = [
    ("collisions", "{value:.0%} of {of} answers were there already"),
    ("clusters", "{value:.1f} clusters of {of}"),
    ("distinct_1", "{value:.0%} different words"),
    ("distinct_2", "{value:.0%} different pairs of words"),
]


def _diversity(steps: Json) -> list[str]:
    """A line for each step whose answers were to differ, and one for each of its facets."""
    lines = []
    for name, told in steps.items():
        lines.append(f"  {clean(name)}: {_differing(told)}")
        for facet, used in told.get("facets", {}).items():
            least, most = min(used["counts"].values(), default=0), max(used["counts"].values(), default=0)
            times = f"{most}" if least == most else f"{least} to {most}"
            even = "" if used["entropy"]["value"] is None else f", evenness {used['entropy']['value']:.2f}"
            values = f"{sum(map(bool, used['counts'].values()))} of {used['coverage']['of']} values"
            lines.append(f"    {clean(facet, 40)}: {values}, each {times} times{even}")
    return lines


def _differing(told: Json) -> str:
    """`4 % of 26 answers were there already, 19.8 clusters of 21, 61 % different words, 93 % different pairs`."""
    parts = []
    for key, say in DIFFERING:
        figure = told[key]
        if figure["value"] is not None:
            parts.append(say.format(value=figure["value"], of=f"{figure['of']:,}").replace("%", " %"))
    return ", ".join(parts) or "nothing to compare"
