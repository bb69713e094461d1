"""How the views say things: text from models made safe to show, times and counts made short, events as one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fanfold.core.counts import StepState
from fanfold.core.fold import RunState
from fanfold.spec.events import AnyEvent, BundleEnded, CellEnded, Coords, Rested

Labels: TypeAlias = Callable[[int, Coords], Mapping[str, Any]]
"""Step index and coordinate indexes -> axis name to the axis' own value."""

LONGEST = 160
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])?|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: object, longest: int = LONGEST) -> str:
    """One line that does nothing to a terminal: no escape sequences, no control, format or half characters; cut when long."""
    line = _ANSI.sub("", str(text)[: 10 * longest])
    line = "".join(" " if char.isspace() else "" if unicodedata.category(char) in _UNSEEN else char for char in line)
    line = " ".join(line.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def seconds(value: float) -> str:
    """0.4 s, 12.3 s, 3 min 20 s, 2 h 05 min."""
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def number_labels(state: RunState) -> Labels:
    """Labels for those who know no values: each coordinate by its number, from 1."""
    return lambda step, at: {axis: index + 1 for axis, index in zip(state.steps[step].over, at, strict=False)}


def place(state: RunState, step: int, at: Coords, labels: Labels) -> str:
    """`recipe day 3 meal lunch`."""
    parts = [state.steps[step].name, *(f"{axis} {clean(spoken(value), 40)}" for axis, value in labels(step, at).items())]
    return clean(" ".join(parts))


def spoken(value: object) -> object:
    """A coordinate as people say it: of a row, its values alone."""
    return ", ".join(map(str, value.values())) if isinstance(value, Mapping) else value


def announcement(event: AnyEvent, state: RunState, labels: Labels) -> str:
    """What an event has to say to someone who watches; "" when it is business as usual."""
    match event:
        case Rested():
            return f"{place(state, event.step, event.at, labels)}: {_again(event)}"
        case CellEnded(state="failed"):
            return f"{place(state, event.step, event.at, labels)}: failed: {_why(event)}"
        case CellEnded(state="accepted") if event.code:
            return f"{place(state, event.step, event.at, labels)}: filled by its fallback: {_why(event)}"
        case BundleEnded():  # its coordinates are only what its cells share
            cells = "1 cell" if event.stop - event.start == 1 else f"{event.stop - event.start} cells"
            return f"{clean(state.steps[event.step].name)}: {cells} {event.state}: {_why(event)}"
        case _:
            return ""


def _why(event: CellEnded | BundleEnded) -> str:
    return ": ".join(part for part in (event.code, clean(event.message), clean(event.hint)) if part)


def _again(event: Rested) -> str:
    wait = (event.until - event.t) / 1e6
    if event.kind == "wait":
        return f"rate limited, waits {seconds(wait)}"
    if event.kind == "retry":
        return f"{event.code}, tried again " + (f"in {seconds(wait)}" if wait >= 0.05 else "at once")
    if event.kind == "missing":
        return f"missing from an answer to several ({event.code}), asked again"
    if event.kind == "apart":
        return f"{event.code.replace('_', ' ')} with others, asked alone"
    why = clean(event.check) or event.code.replace("_", " ")
    reason = f" ({clean(event.reason, 80)})" if event.reason and event.code != "duplicate" else ""
    return f"{why}{reason}, drawn again"


def eta_s(state: RunState) -> float | None:
    """Seconds left if it goes on as so far, and no sooner than the limit that binds lets it; None while too little has ended to say.

    A running cell is not half done here.
    """
    whole = sum(step.weight for step in state.steps)
    done = sum(step.weight * step.ended / step.cells for step in state.steps if step.cells) / (whole or 1)
    so_far = state.wall_us / 1e6 * (1 - done) / done if 0.05 <= done < 1 else None
    limited = _limited_s(state)
    return so_far if limited is None or done >= 1 else max(limited, so_far or 0.0)


def _limited_s(state: RunState) -> float | None:
    """Seconds that the calls still to be made take at the limit that holds the run back; as many a cell as so far."""
    paced, total = state.paced, state.total
    if paced is None or not paced.limit or paced.by not in _BOUND_BY or not total.ended:
        return None
    calls = sum(step.calls for step in state.steps) / total.ended * (total.cells - total.ended) - state.in_flight
    tokens = {"requests": 1.0, "input tokens": total.tokens_in, "output tokens": total.tokens_out}
    used = tokens.get(paced.by, total.tokens_in + total.tokens_out) / (1 if paced.by == "requests" else total.calls or 1)
    return max(0.0, calls) * used * 60 / paced.limit


def step_details(step: StepState) -> list[str]:
    """`3 running`, `1 failed`: what of a step is not zero."""
    counts = [
        ("running", step.running),
        ("checking", step.checking),
        ("from the cache", step.hits.get("ok", 0)),
        ("drawn again", step.regenerations),
        ("by a fallback", step.fallback),
        ("failed", step.failed),
    ]
    return [f"{count} {word}" for word, count in counts if count]


def step_line(step: StepState) -> str:
    """`recipe 9/21, 3 running, 1 failed`."""
    return ", ".join([f"{clean(step.name, 40)} {step.accepted}/{step.cells}", *step_details(step)])


def status_line(state: RunState, elapsed_s: float) -> str:
    """`43 %  1.2 s, about 2.1 s left, 15 calls, 7.5 cells/s`."""
    parts = [seconds(elapsed_s)]
    left = eta_s(state)
    if state.state == "running" and left is not None:
        parts.append(f"about {seconds(left)} left")
    parts.append(f"{sum(step.calls for step in state.steps):,} calls")
    if cached := sum(step.hits.get("ok", 0) for step in state.steps):
        parts.append(f"{cached:,} from the cache")
    if state.in_flight:
        parts.append(f"{state.in_flight} in the air")
    if state.accepted_per_s:
        parts.append(f"{state.accepted_per_s:.3g} cells/s")
    if (held := held_back(state)) and state.state == "running":
        parts.append(held)
    return f"{state.percent:.0f} %  " + ", ".join(parts)


RECENT_US = 12_000_000  # so long what held the run back is worth telling
_HELD_BY = {
    "wait": "the server asked to wait",
    "trouble": "the server fails: it is tried again soon",
    "start": "finding the limit",
}
_BOUND_BY = {"requests": "request", "tokens": "token", "input tokens": "input-token", "output tokens": "output-token"}


def held_back(state: RunState) -> str:
    """`token-bound: 96 % of 200k/min`, or what else keeps the next call from starting; "" when nothing does."""
    paced = state.paced
    if paced is None or state.wall_us - state.paced_at > RECENT_US:
        return ""
    if paced.by == "concurrency":
        return f"slot-bound: {paced.limit:,} at once" if paced.limit else "slot-bound"
    if paced.by not in _BOUND_BY:
        return _HELD_BY.get(paced.by, "")
    if not paced.limit:
        return f"{_BOUND_BY[paced.by]}-bound"
    guessed = "about " if paced.source == "guessed" else ""
    return f"{_BOUND_BY[paced.by]}-bound: {paced.share:.0%} of {guessed}{_short(paced.limit)}/min".replace("%", " %")


def _short(number: int) -> str:
    """200000 -> 200k."""
    for unit, size, least in (("M", 1_000_000, 1_000_000), ("k", 1_000, 10_000)):
        if number >= least:
            return f"{number / size:.3g}{unit}"
    return f"{number:,}"


def last_line(state: RunState) -> str:
    """`mealplan: partial (budget), 21 of 22 cells accepted, 1 failed, 2.9 s`."""
    total = state.total
    others = [
        ("from the cache", sum(step.hits.get("ok", 0) for step in state.steps)),
        ("by a fallback", total.fallback),
        ("failed", total.failed),
        ("skipped", total.skipped),
        ("cancelled", total.cancelled),
    ]
    word = "cut off" if state.state == "running" else state.state
    why = f" ({state.why})" if state.why and state.why != state.state else ""
    cells = ", ".join([f"{total.accepted} of {total.cells} cells accepted", *(f"{n} {word}" for word, n in others if n)])
    return f"{clean(state.plan) or 'run'}: {word}{why}, {cells}, {seconds(state.wall_us / 1e6)}"
