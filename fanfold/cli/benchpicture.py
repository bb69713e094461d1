"""What `fanfold bench` measured, as Markdown that is good to look at on a terminal too: a table, and every call as a bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fanfold.views.wording import clean, seconds

if TYPE_CHECKING:
    from fanfold.cli.bench import Side, Size

WIDE = 28  # characters of each of the two time lines
NAME = 18
ROWS = 24
HEAD = ("", "cells", "one at a time", "calls", "in parallel", "calls", "speed-up")


def describe(data: dict[str, Any], sizes: Sequence[Size]) -> str:
    lines = [f"# {data['app']}: one call at a time, and in parallel", "", *_table(sizes), ""]
    drawn = next((size for size in reversed(sizes) if size.sequential.calls and size.parallel.calls), None)
    if drawn is not None:
        lines += ["```text", *_picture(drawn), "```", ""]
    return "\n".join([*lines, _model(data)])


def _model(data: dict[str, Any]) -> str:
    if data["latency"] is None:
        return f"Both columns were measured, with {clean(data['model'])}."
    took = (
        f"with --latency {clean(data['latency'])}"
        if data["latency"].startswith("log")
        else f"{clean(data['latency'])} s for a call (--latency)"
    )
    return f"Both columns were measured, with the simulated model: {took}. A real one takes seconds for each; the speed-up is what to compare."


def _table(sizes: Sequence[Size]) -> Iterator[str]:
    rows = [HEAD, *map(_row, sizes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for number, row in enumerate(rows):
        yield "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        if number == 0:
            yield "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"


def _row(size: Size) -> tuple[str, ...]:
    cells = size.sequential.report.get("cells")
    speedup = "-" if size.speedup is None else f"{size.speedup:.1f}×"
    return (clean(size.name, NAME * 2), f"{cells:,}" if cells else "-", *_side(size.sequential), *_side(size.parallel), speedup)


def _side(side: Side) -> tuple[str, str]:
    """Seconds and calls; a run that did not get to its end says so instead."""
    if side.result is None:
        return "-", "-"
    wall = seconds(side.report["wall_s"]) if side.report["state"] == "complete" else str(side.report["state"])
    return wall, f"{side.report['calls']:,}"


def _picture(size: Size) -> Iterator[str]:
    """A line a cell, its calls as bars, both ways on one scale."""
    whole = max(end for side in (size.sequential, size.parallel) for *_, end in side.calls) or 1
    places = sorted(size.names)
    step = -(-len(places) // ROWS)
    every = "" if step == 1 else f" (each {step}th is shown)"
    yield f"{clean(size.name, 40)}: a line for each cell{every}, both sides from 0 to {seconds(whole / 1e6)}"
    yield ""
    head = [f"one at a time: {seconds(_end(size.sequential))}", f"in parallel: {seconds(_end(size.parallel))}"]
    yield f"{'':{NAME}}  {head[0]:<{WIDE}} {head[1]}"
    for place in places[::step]:
        bars = [_bar(side, place, whole) for side in (size.sequential, size.parallel)]
        yield f"{clean(size.names[place], NAME):<{NAME}} |{bars[0]}|{bars[1]}|"


def _end(side: Side) -> float:
    return float(side.report["wall_s"])


def _bar(side: Side, place: tuple[int, tuple[int, ...]], whole: int) -> str:
    """Filled where a call was in the air; at least one character for each."""
    cells = [" "] * WIDE
    for step, at, start, end in side.calls:
        if (step, at) == place:
            first = min(WIDE - 1, round(start * WIDE / whole))
            for column in range(first, max(first + 1, round(end * WIDE / whole))):
                cells[column] = "█"
    return "".join(cells)
