"""One small run that has everything: a duplicate, a failing check, a transport retry, a 429, a failed cell, a fallback."""

from __future__ import annotations

from typing import Any

import pytest

from fanfold.spec.events import AnyEvent, Called, CellEnded, Coords, Rested, RunEnded, RunStarted, Settled, StepFacts

S = 1_000_000


class Tape:
    """Numbers events; times are seconds."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def add(self, t: float, kind: Any, *details: Any) -> None:
        self.events.append(kind(len(self.events), int(t * S), *details))

    def call(self, t: float, step: int, at: Coords, call: int) -> None:
        self.add(t, Called, step, at, call, 1, 0, 1, 700)

    def settle(self, t: float, step: int, at: Coords, call: int, outcome: str, took: float) -> None:
        tokens = (500, 120) if outcome == "ok" else (0, 0)
        self.add(t, Settled, step, at, call, 0, outcome, int(took * S), *tokens, True)

    def accept(self, t: float, step: int, at: Coords, path: float) -> None:
        self.add(t, CellEnded, step, at, "accepted", "", "", "", 1, None, None, int(path * S))


@pytest.fixture
def events() -> list[AnyEvent]:
    tape = Tape()
    tape.add(0, RunStarted, "mealplan", 1, (StepFacts("recipe", ("day", "meal"), 6), StepFacts("shopping", (), 1, 0.5)), 20)
    for n in range(6):
        tape.call(0, 0, (n // 2, n % 2), n)
    tape.settle(1.0, 0, (0, 0), 0, "ok", 1.0)
    tape.accept(1.0, 0, (0, 0), 1.0)
    tape.add(1.1, Rested, 0, (0, 1), "regenerate", "duplicate", "'Dal' is taken", "", 2, int(1.1 * S))
    tape.settle(1.1, 0, (0, 1), 1, "duplicate", 1.1)
    tape.call(1.1, 0, (0, 1), 6)
    tape.settle(1.2, 0, (1, 0), 2, "ok", 1.2)
    tape.add(1.2, Rested, 0, (1, 0), "regenerate", "check_failed", "too long:\x1b[31m 190 min", "max_minutes", 2, int(1.2 * S))
    tape.call(1.2, 0, (1, 0), 7)
    tape.settle(1.3, 0, (1, 1), 3, "transient", 1.3)
    tape.add(1.3, Rested, 0, (1, 1), "retry", "transient", "503", "", 1, int(1.7 * S))
    tape.settle(1.4, 0, (2, 0), 4, "rate_limited", 0.2)
    tape.add(1.4, Rested, 0, (2, 0), "wait", "rate_limited", "429", "", 1, int(2.4 * S))
    tape.settle(1.5, 0, (2, 1), 5, "filtered", 1.5)
    tape.add(1.5, CellEnded, 0, (2, 1), "failed", "filtered", "the provider\nrefused [bold]it[/bold]", "reword", 0, None, None, 0)
    tape.call(1.7, 0, (1, 1), 8)
    tape.settle(2.1, 0, (0, 1), 6, "ok", 1.0)
    tape.accept(2.1, 0, (0, 1), 1.0)
    tape.settle(2.2, 0, (1, 0), 7, "ok", 1.0)
    tape.accept(2.2, 0, (1, 0), 1.0)
    tape.call(2.4, 0, (2, 0), 9)
    tape.settle(2.7, 0, (1, 1), 8, "ok", 1.0)
    tape.accept(2.7, 0, (1, 1), 1.0)
    tape.settle(3.6, 0, (2, 0), 9, "ok", 1.2)
    tape.accept(3.6, 0, (2, 0), 1.2)
    tape.call(3.6, 1, (), 10)
    tape.settle(4.0, 1, (), 10, "timeout", 0.4)
    tape.add(4.0, CellEnded, 1, (), "accepted", "timeout", "no complete answer", "", 0, None, None, 1_200_000)
    tape.add(4.0, RunEnded, "partial", "")
    return tape.events
