"""Live progress of one run: drawn on a terminal, as lines on a pipe, as an updating display in a notebook.

A sink: it is told events and folds them itself. Nobody polls: a terminal is redrawn by rich's own thread, which reads plain
counters of the fold; everything else is written when events arrive, at the pace of their own times.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from fanfold.core.fold import ERRORS_KEPT, RunState
from fanfold.spec.events import AnyEvent, BundleEnded, CellEnded, Rested, RunEnded
from fanfold.views.wording import Labels, announcement, clean, last_line, number_labels, status_line, step_details, step_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LINE_EVERY_S, SIGN_OF_LIFE_S = 1.0, 15.0
DRAWS_PER_S = 8
RETRIES_TOLD = 20  # of a run: after so many, that there are retries is no news
BAR = 24


class Surface(Protocol):
    """Where progress is shown."""

    def update(self, state: RunState, said: str, news: Sequence[str]) -> None:
        """Events have come in. said: what was last announced; news: what failed or is tried again among them, one line each."""
        ...

    def close(self, state: RunState) -> None:
        """Show the final state; nothing comes after."""
        ...


class Progress:
    """A sink for the events of one run. Use it as a context, so that a terminal is given back whatever happens.

    labels: turns coordinate indexes into values. state: what was folded before, when the run goes on from there.
    """

    def __init__(self, surface: Surface | None, labels: Labels | None = None, state: RunState | None = None) -> None:
        self.state = RunState() if state is None else state
        self._surface = surface
        self._labels = labels or number_labels(self.state)
        self._said = ""
        self._told = self._retold = 0

    @classmethod
    def for_stream(
        cls, stream: TextIO, *, quiet: bool = False, labels: Labels | None = None, state: RunState | None = None
    ) -> Progress:
        """The right progress for a stream: live on a terminal, updating in a notebook, else lines; quiet: none."""
        return cls(None if quiet else surface_for(stream), labels, state)

    def __call__(self, events: Sequence[AnyEvent]) -> None:
        news: list[str] = []
        for event in events:
            self.state.apply(event)
            said = announcement(event, self.state, self._labels)
            self._said = said or self._said
            failed = isinstance(event, (CellEnded, BundleEnded)) and event.state == "failed"
            if failed and self._told < ERRORS_KEPT:
                self._told += 1
                news.append(said)
            elif isinstance(event, Rested) and event.kind == "retry" and self._retold < RETRIES_TOLD:
                self._retold += 1
                news.append(said)
        if self._surface is not None and events:
            self._surface.update(self.state, self._said, news)
            if isinstance(events[-1], RunEnded):
                self.close()

    def close(self) -> None:
        """Leave the final state and give the terminal back. Idempotent."""
        surface, self._surface = self._surface, None
        if surface is not None:
            surface.close(self.state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def surface_for(stream: TextIO) -> Surface:
    if in_notebook():
        return Notebook(import_module("IPython.display").display)
    if not stream.isatty():
        return Lines(stream)
    from rich.console import Console

    console = Console(file=stream)
    return Lines(stream) if console.is_dumb_terminal else Terminal(console)


def in_notebook() -> bool:
    """Whether this process is an IPython kernel: then IPython is loaded, and its shell has a kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


# -------------------------------------------------------------------- a pipe


class Lines:
    """Plain lines: one at each new tenth, at most one a second, a sign of life when it is slow, one per failed cell, and one per retry (the first ones)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_s = -SIGN_OF_LIFE_S
        self._tenth = -1

    def update(self, state: RunState, said: str, news: Sequence[str]) -> None:
        for line in news:
            self._write(line)
        now, tenth = state.wall_us / 1e6, int(state.percent // 10)
        quiet_s = now - self._last_s
        if state.state == "running" and (quiet_s >= SIGN_OF_LIFE_S or (quiet_s >= LINE_EVERY_S and tenth > self._tenth)):
            self._last_s, self._tenth = now, tenth
            steps = "; ".join(step_line(step) for step in state.steps)
            self._write(f"{clean(state.plan)}: {status_line(state, now)}: {steps}")

    def close(self, state: RunState) -> None:
        if state.steps:
            self._write(last_line(state))

    def _write(self, line: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with suppress(OSError, ValueError):  # nobody reads it any more: no reason to end the run
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()


# -------------------------------------------------------------------- a terminal


class Terminal:
    """One row per step with a bar of its own, and a last line for the run.

    clock: seconds, to show time passing between events.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = monotonic) -> None:
        from rich.live import Live

        self._clock = clock
        self._state = RunState()
        self._said = ""
        self._closed = False
        self._heard = clock()
        self._live = Live(
            get_renderable=self.draw,
            console=console,
            refresh_per_second=DRAWS_PER_S,
            redirect_stdout=sys.stdout.isatty(),  # else results go there
        )
        self._live.start()

    def update(self, state: RunState, said: str, news: Sequence[str]) -> None:
        """Only remembers: the drawing thread reads counters, which are whole at any moment."""
        from rich.text import Text

        self._state, self._said, self._heard = state, said, self._clock()
        for line in news:
            self._live.console.print(Text(line, style="red"))

    def close(self, state: RunState) -> None:
        self._state, self._closed = state, True
        self._live.stop()

    def draw(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        state = self._state
        if not state.steps:
            return Text("")
        if self._closed:
            return Group(self._table(state), Text(last_line(state)))
        elapsed = state.wall_us / 1e6 + self._clock() - self._heard
        lines = [Text(status_line(state, elapsed), overflow="ellipsis", no_wrap=True)]
        if self._said:
            lines.append(Text(self._said, style="dim", overflow="ellipsis", no_wrap=True))
        return Group(self._table(state), *lines)

    def _table(self, state: RunState) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        whole = max((step.weight for step in state.steps), default=0) or 1
        for step in state.steps:
            width = max(4, round(BAR * min(1, step.weight / whole)))  # a bar is as long as its step weighs
            table.add_row(
                Text(clean(step.name, 40)),
                ProgressBar(total=1.0, completed=step.fraction, width=width),
                Text(f"{step.accepted}/{step.cells}", justify="right"),
                Text(", ".join(step_details(step)), style="dim", overflow="ellipsis", no_wrap=True),
            )
        return table


# -------------------------------------------------------------------- a notebook


class Notebook:
    """Text that is replaced in place, at most a few times a second. display: IPython's."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._shown = display({"text/plain": ""}, raw=True, display_id=True)
        self._last_us = -1_000_000

    def update(self, state: RunState, said: str, news: Sequence[str]) -> None:
        if state.wall_us - self._last_us >= 250_000:
            self._last_us = state.wall_us
            self._show([status_line(state, state.wall_us / 1e6), said], state)

    def close(self, state: RunState) -> None:
        if state.steps:
            self._show([last_line(state)], state)

    def _show(self, last: Sequence[str], state: RunState) -> None:
        lines = [*map(step_line, state.steps), *filter(None, last)]
        self._shown.update({"text/plain": "\n".join(lines)}, raw=True)
