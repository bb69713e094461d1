"""What a simulated provider has seen and done: the truth that tests and benchmarks compare with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Stats:
    """requests: all that came. answered: complete answers. refused: by a bucket. turned_away: for a
    wrong key. faults: by name, drawn, or met on the way.

    in_flight, max_in_flight: admitted calls in the air, now and at most. cancelled: left by the caller. tokens: as charged.
    """

    requests: int = 0
    answered: int = 0
    refused: int = 0
    turned_away: int = 0
    cancelled: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    faults: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def flight(self) -> Iterator[None]:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def ended(self, fault: str) -> None:
        """A call has ended: with the fault of that name, or "" with an answer."""
        if fault:
            self.faults[fault] = self.faults.get(fault, 0) + 1
        else:
            self.answered += 1

    def left(self, fault: str) -> None:
        """The caller has gone before the end, of a call that had that fault or none."""
        self.cancelled += 1
        if fault:
            self.ended(fault)

    def reset(self) -> None:
        """Count from here; what is in the air stays in the air."""
        fresh = Stats(in_flight=self.in_flight, max_in_flight=self.in_flight)
        self.__dict__.update(fresh.__dict__)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
