"""Progress on a pipe, on a terminal and in a notebook; nothing that a model says reaches the terminal raw."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from fanfold.core.fold import RunState, fold
from fanfold.spec.events import AnyEvent, BundleEnded, Called, CellEnded, RunEnded, RunStarted, StepFacts, StepSwept
from fanfold.views.progress import Lines, Notebook, Progress, Terminal, surface_for

MEALS = ["breakfast", "lunch"]


def labels(step: int, at: tuple[int, ...]) -> dict[str, Any]:
    return {"day": at[0] + 1, "meal": MEALS[at[1]]} if step == 0 else {}


def live(progress: Progress, events: list[AnyEvent]) -> None:
    """Tell it as the engine does: what happened at one moment is one batch."""
    for _, batch in groupby(events, key=lambda event: event.t):
        progress(list(batch))


LINES = """\
mealplan: 33 %  0.0 s, 6 calls, 6 in the air: recipe 0/6, 6 running; shopping 0/1
recipe day 2 meal lunch: transient, tried again in 0.4 s
recipe day 3 meal lunch: failed: filtered: the provider refused [bold]it[/bold]: reword
mealplan: 44 %  2.1 s, about 4.2 s left, 9 calls, 2 in the air, 0.952 cells/s: \
recipe 2/6, 2 running, 2 drawn again, 1 failed; shopping 0/1
mealplan: 83 %  3.6 s, about 1.8 s left, 11 calls, 1 in the air, 1.39 cells/s: \
recipe 5/6, 2 drawn again, 1 failed; shopping 0/1, 1 running
mealplan: partial, 6 of 7 cells accepted, 1 by a fallback, 1 failed, 4.0 s
"""


def test_lines_on_a_pipe(events: list[AnyEvent]) -> None:
    stream = io.StringIO()
    live(Progress.for_stream(stream, labels=labels), events)
    assert stream.getvalue() == LINES


def test_lines_are_at_most_one_a_second_and_at_least_a_sign_of_life() -> None:
    events: list[AnyEvent] = [RunStarted(0, 0, "p", 1, (StepFacts("s", ("x",), 1000),), 1)]
    for n in range(1000):
        events.append(CellEnded(n + 1, n * 100_000, 0, (n,), "accepted", "", "", "", 1, None, None, 0))
    stream = io.StringIO()
    live(Progress(Lines(stream)), events)
    assert [line.split("%")[0] for line in stream.getvalue().splitlines()] == [
        f"p: {tenth}0 " if tenth else "p: 0 " for tenth in range(11)
    ]

    slow: list[AnyEvent] = [events[0]]
    for n in range(20):
        slow.append(Called(n + 1, n * 4_000_000, 0, (n,), n, 1, 0, 1, 5))
    stream = io.StringIO()
    live(Progress(Lines(stream)), slow)
    assert len(stream.getvalue().splitlines()) == 1 + 76 // 16


def test_failed_bundles_are_one_line() -> None:
    events = [
        RunStarted(0, 0, "p", 1, (StepFacts("s", ("x",), 50),), 1),
        BundleEnded(1, 5, 0, (), 0, 50, "failed", "auth", "wrong key", "set OPENAI_API_KEY"),
        RunEnded(2, 5, "failed", ""),
    ]
    stream = io.StringIO()
    Progress.for_stream(stream)(events)
    assert stream.getvalue().splitlines() == [
        "s: 50 cells failed: auth: wrong key: set OPENAI_API_KEY",
        "p: failed, 0 of 50 cells accepted, 50 failed, 0.0 s",
    ]


def test_quiet_says_nothing_and_still_folds(events: list[AnyEvent]) -> None:
    stream = io.StringIO()
    progress = Progress.for_stream(stream, quiet=True)
    progress(events)
    progress.close()
    assert stream.getvalue() == ""
    assert progress.state == fold(events)


def test_a_stream_that_cannot_say_everything_is_given_what_it_can() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    Progress.for_stream(stream)([RunStarted(0, 0, "café", 1, (StepFacts("s", (), 1),), 1)])
    assert raw.getvalue() == b"caf?: 0 %  0.0 s, 0 calls: s 0/1\n"


def test_leaving_early_says_so(events: list[AnyEvent]) -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress.for_stream(stream) as progress:
        progress(events[:8])
        raise KeyboardInterrupt
    assert stream.getvalue().splitlines()[-1] == "mealplan: cut off, 0 of 7 cells accepted, 1.0 s"
    progress.close()
    assert stream.getvalue().count("cut off") == 1


def test_a_resumed_run_goes_on_from_what_was_folded(events: list[AnyEvent]) -> None:
    stream = io.StringIO()
    progress = Progress.for_stream(stream, labels=labels, state=fold(events[:20]))
    progress(events[20:])
    assert progress.state == fold(events)
    assert stream.getvalue().splitlines()[-1] == LINES.splitlines()[-1]


def test_a_run_that_never_began_says_nothing() -> None:
    stream = io.StringIO()
    with Progress.for_stream(stream):
        pass
    assert stream.getvalue() == ""


def test_a_stopped_run_says_why() -> None:
    events = [
        RunStarted(0, 0, "p", 1, (StepFacts("s", ("x",), 2),), 1),
        CellEnded(1, 5, 0, (0,), "accepted", "", "", "", 1, None, None, 5),
        StepSwept(2, 6, 0, "failed", "budget", "the budget is spent"),
        RunEnded(3, 6, "partial", "budget"),
    ]
    stream = io.StringIO()
    Progress.for_stream(stream)(events)
    assert stream.getvalue().splitlines()[-1] == "p: partial (budget), 1 of 2 cells accepted, 1 failed, 0.0 s"


# -------------------------------------------------------------------- a terminal


PAINT = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(width: int = 100) -> tuple[Terminal, Tty]:
    stream = Tty()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None, legacy_windows=False, _environ={})
    return Terminal(console, clock=lambda: 0.0), stream


def shown(stream: Tty) -> list[str]:
    """What stands on the screen after the last redraw."""
    text = PAINT.sub("", stream.getvalue().rsplit("\x1b[2K", 1)[-1])
    return [line.rstrip() for line in text.replace("\r", "").splitlines() if line.strip()]


def drawn(surface: Terminal) -> list[str]:
    """A frame as it would be drawn now."""
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=100, color_system="standard", _environ={}).print(surface.draw())
    return [PAINT.sub("", line) for line in file.getvalue().splitlines()]


def test_the_terminal_draws_a_row_per_step_and_a_last_line(events: list[AnyEvent]) -> None:
    surface, stream = terminal()
    progress = Progress(surface, labels)
    progress(events[:11])
    lines = drawn(surface)
    assert [re.sub("[━╸╺]+", "|", " ".join(line.split())) for line in lines] == [
        "recipe | 1/6 4 running, 1 drawn again",
        "shopping | 0/1",
        "33 % 1.1 s, about 8.8 s left, 6 calls, 4 in the air, 0.909 cells/s",
        "recipe day 1 meal lunch: duplicate, drawn again",
    ]
    assert [len(re.sub("[^━╸╺]", "", line)) for line in lines[:2]] == [24, 12], "half the weight, half the bar"
    progress(events[11:])
    assert shown(stream)[-1] == "mealplan: partial, 6 of 7 cells accepted, 1 by a fallback, 1 failed, 4.0 s"


def test_the_terminal_is_given_back_when_the_run_breaks(events: list[AnyEvent]) -> None:
    before = set(threading.enumerate())
    surface, stream = terminal()
    with pytest.raises(RuntimeError), Progress(surface, labels) as progress:
        progress(events[:8])
        (drawing,) = set(threading.enumerate()) - before
        raise RuntimeError
    drawing.join(timeout=5)
    assert not drawing.is_alive()
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1, "the cursor is there again"
    assert shown(stream)[-1].startswith("mealplan: cut off")


def test_what_models_say_cannot_move_the_cursor_or_mark_up(events: list[AnyEvent]) -> None:
    surface, stream = terminal()
    progress = Progress(surface, lambda step, at: {"day": "\x1b[2J\x07[red]boo[/red]\u202e"} if step == 0 else {})
    live(progress, events)
    assert "\x1b[2J" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()
    assert "recipe day [red]boo[/red]: failed: filtered: the provider refused [bold]it[/bold]" in stream.getvalue()


def test_a_terminal_gets_the_live_display_and_a_dumb_one_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    surface = surface_for(Tty())
    surface.close(RunState())
    assert isinstance(surface, Terminal)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(surface_for(Tty()), Lines)


def test_a_display_without_events_leaves_nothing_behind() -> None:
    surface, stream = terminal()
    Progress(surface).close()
    assert shown(stream) == []


def test_results_on_a_pipe_are_not_drawn_on_the_terminal(events: list[AnyEvent], capsys: pytest.CaptureFixture[str]) -> None:
    surface, stream = terminal()
    with Progress(surface, labels) as progress:
        progress(events[:8])
        print("a result")
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in stream.getvalue()


def test_time_passes_on_a_terminal_between_events(events: list[AnyEvent]) -> None:
    now = 100.0
    surface = Terminal(Console(file=Tty(), force_terminal=True, width=100, _environ={}), clock=lambda: now)
    with Progress(surface) as progress:
        progress(events[:8])
        now += 3.5
        assert "%  4.5 s, 6 calls" in drawn(surface)[2]


def test_watching_costs_no_import_of_rich_until_there_is_a_terminal() -> None:
    code = (
        "import io, sys; from fanfold.views.progress import Progress; Progress.for_stream(io.StringIO()); "
        "print('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# -------------------------------------------------------------------- a notebook


class Display:
    """IPython's, as far as it is used: shows raw data, and hands out what updates it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Display:
        assert raw
        assert display_id
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        self.texts.append(data["text/plain"])


def test_a_notebook_is_updated_in_place(events: list[AnyEvent]) -> None:
    display = Display()
    live(Progress(Notebook(display), labels), events)
    assert display.texts[1] == (
        "recipe 1/6, 5 running\nshopping 0/1\n39 %  1.0 s, about 8.0 s left, 6 calls, 5 in the air, 1 cells/s"
    )
    assert display.texts[3].splitlines()[-1].startswith("recipe day 3 meal lunch: failed: filtered")
    assert display.texts[-1] == (
        "recipe 5/6, 2 drawn again, 1 failed\nshopping 1/1, 1 by a fallback\n"
        "mealplan: partial, 6 of 7 cells accepted, 1 by a fallback, 1 failed, 4.0 s"
    )
    assert len(display.texts) <= 4 * 4 + 2


@pytest.mark.parametrize(
    ("shell", "kind"), [(SimpleNamespace(kernel=object()), Notebook), (SimpleNamespace(), Lines), (None, Lines)]
)
def test_a_notebook_is_known_by_its_kernel(shell: Any, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=Display()))  # type: ignore[arg-type]
    assert isinstance(surface_for(io.StringIO()), kind)
