"""How things are said."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.core.fold import fold
from fanfold.spec.events import AnyEvent, BundleEnded, Called, CellEnded, Paced, Rested, RunStarted, Settled, StepFacts
from fanfold.views.wording import LONGEST, announcement, clean, eta_s, held_back, number_labels, seconds, status_line


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("plain", "plain"),
        ("two\nlines\tand  more ", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("bell\x07 null\0 back\x08", "bell null back"),
        ("right\u202eleft \u200bnothing", "rightleft nothing"),
        ("half \ud83d", "half"),
        ("ééé", "ééé"),
        (12, "12"),
        ("x" * 500, "x" * (LONGEST - 1) + "…"),
    ],
)
def test_clean(raw: object, said: str) -> None:
    assert clean(raw) == said


@settings(deadline=None)
@given(st.text())
def test_clean_text_is_one_line_without_controls(text: str) -> None:
    line = clean(text)
    assert len(line) <= LONGEST
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in line)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0.0 s"), (2.94, "2.9 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (200, "3 min 20 s"), (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)  # fmt: skip
def test_seconds(value: float, said: str) -> None:
    assert seconds(value) == said


def rested(kind: str, code: str, reason: str = "", check: str = "", until: int = 0) -> Rested:
    return Rested(1, 0, 0, (2,), kind, code, reason, check, 2, until)


def ended(state: str, code: str = "", message: str = "") -> CellEnded:
    return CellEnded(1, 0, 0, (2,), state, code, message, "", 1, None, None, 0)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (rested("regenerate", "duplicate", "'Dal' is taken"), "recipe day 3: duplicate, drawn again"),
        (rested("regenerate", "check_failed", "too\nlong", "length"), "recipe day 3: length (too long), drawn again"),
        (rested("regenerate", "check_failed", "no"), "recipe day 3: check failed (no), drawn again"),
        (rested("missing", "truncated"), "recipe day 3: missing from an answer to several (truncated), asked again"),
        (rested("apart", "too_long"), "recipe day 3: too long with others, asked alone"),
        (rested("regenerate", "truncated"), "recipe day 3: truncated, drawn again"),
        (rested("retry", "transient", "503", until=1_200_000), "recipe day 3: transient, tried again in 1.2 s"),
        (rested("retry", "transient", "503"), "recipe day 3: transient, tried again at once"),
        (rested("wait", "rate_limited", "429", until=2_000_000), "recipe day 3: rate limited, waits 2.0 s"),
        (ended("failed", "filtered", "no"), "recipe day 3: failed: filtered: no"),
        (ended("accepted", "timeout", "slow"), "recipe day 3: filled by its fallback: timeout: slow"),
        (ended("accepted"), ""),
        (BundleEnded(1, 0, 0, (), 3, 4, "skipped", "upstream", "no outline"), "recipe: 1 cell skipped: upstream: no outline"),
    ],
)
def test_announcements(event: AnyEvent, said: str) -> None:
    state = fold([RunStarted(0, 0, "p", 1, (StepFacts("recipe", ("day",), 9),), 1)])
    assert announcement(event, state, number_labels(state)) == said


def test_time_left_is_of_what_has_ended() -> None:
    events: list[AnyEvent] = [RunStarted(0, 0, "p", 1, (StepFacts("s", ("x",), 4), StepFacts("none", (), 0)), 1)]
    assert eta_s(fold(events)) is None
    events.append(CellEnded(1, 2_000_000, 0, (0,), "accepted", "", "", "", 1, None, None, 0))
    assert eta_s(fold(events)) == pytest.approx(14.0), "an eighth of the weight in 2 s"


@pytest.mark.parametrize(
    ("paced", "said"),
    [
        (("trouble", 0.0, 0, ""), "the server fails: it is tried again soon"),
        (("", 0.0, 0, ""), ""),
        (("tokens", 0.96, 200_000, "declared"), "token-bound: 96 % of 200k/min"),
        (("requests", 1.0, 500, "told"), "request-bound: 100 % of 500/min"),
        (("requests", 0.8, 300, "guessed"), "request-bound: 80 % of about 300/min"),
        (("output tokens", 0.5, 1_500_000, "told"), "output-token-bound: 50 % of 1.5M/min"),
        (("concurrency", 0.0, 64, ""), "slot-bound: 64 at once"),
        (("wait", 0.0, 0, ""), "the server asked to wait"),
        (("start", 0.0, 0, ""), "finding the limit"),
    ],
)
def test_what_holds_a_run_back(paced, said):
    started = RunStarted(0, 0, "p", 1, (StepFacts("a", ("n",), 9),), 4)
    state = fold([started, Paced(1, 1_000_000, 1, *paced)])
    assert held_back(state) == said and said in status_line(state, 1.0)
    state.wall_us += 60_000_000
    assert held_back(state) == "", "that was long ago"


def test_the_time_left_knows_the_limit_that_binds():
    """100 cells, 20 called at once, at 20 a minute: four minutes, however fast the first ones were."""
    started = RunStarted(0, 0, "p", 1, (StepFacts("a", ("n",), 100),), 64)
    events: list[AnyEvent] = [started]
    events += [Called(1 + n, 0, 0, (n,), n, 1, 0, 1, 100) for n in range(20)]
    events += [Settled(21 + n, 1_000_000, 0, (n,), n, 0, "ok", 1_000_000, 50, 50, True) for n in range(20)]
    events += [CellEnded(41 + n, 1_000_000, 0, (n,), "accepted", "", "", "", 1, None, None, 0) for n in range(20)]
    assert eta_s(fold(events)) == pytest.approx(4.0)
    events.append(Paced(61, 1_000_000, 1, "requests", 1.0, 20, "declared"))
    assert eta_s(fold(events)) == pytest.approx(240.0)
    events[-1] = Paced(61, 1_000_000, 1, "tokens", 1.0, 4000, "declared")
    assert eta_s(fold(events)) == pytest.approx(120.0)
