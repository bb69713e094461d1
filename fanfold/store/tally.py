"""What a store keeps of a run beside its events: where the journal ends, and the numbers that a list of runs shows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from fanfold.spec.errors import StoreError
from fanfold.spec.events import AnyEvent, BundleEnded, CellEnded, Grew, Reopened, RunEnded, RunStarted
from fanfold.spec.ports import RunRecord, Stored

ENDED = frozenset({"complete", "partial", "failed", "cancelled"})
"""States of a run that nobody works on any more."""


class Refused(StoreError):
    """This batch cannot be written; the store itself is well."""


class Tally(msgspec.Struct, frozen=True, gc=False):
    """next: the number that the next event must have. steps: per step, how many cells it has and how many values are kept."""

    next: int = 0
    state: str = "running"
    cells: int = 0
    accepted: int = 0
    steps: tuple[tuple[int, int], ...] = ()

    def recorded(self, record: RunRecord) -> Tally:
        """The record is replaced; the journal stays where it is."""
        return replace(self, state=record.state, cells=record.cells, accepted=record.accepted)

    def after(self, run: str, events: Sequence[AnyEvent], values: Sequence[Stored]) -> Tally:
        """The tally once the batch is written. Raises Refused where its events do not follow the last one."""
        if not events and values:
            raise Refused(f"run {run}: a value is written with the event that accepts it, not alone")
        state, accepted = self.state, self.accepted
        sizes, kept = [size for size, _ in self.steps], [values for _, values in self.steps]
        for expected, event in enumerate(events, self.next):
            if event.seq != expected:
                raise Refused(f"run {run}: event {event.seq} does not follow event {expected - 1}, the last one written")
            if isinstance(event, CellEnded):
                accepted += event.state == "accepted"
            elif isinstance(event, BundleEnded):
                accepted += (event.stop - event.start) * (event.state == "accepted")
            elif isinstance(event, Reopened):
                if event.state == "accepted":
                    accepted -= event.cells
                    kept[event.step] -= event.cells
            elif isinstance(event, RunStarted):
                state = "running"
                sizes = [facts.cells for facts in event.steps]  # a resumed run tells again how its dynamic steps grow
                kept += [0] * (len(sizes) - len(kept))
            elif isinstance(event, Grew):
                sizes += [0] * (event.step + 1 - len(sizes))
                sizes[event.step] = max(sizes[event.step], event.cells)
            elif isinstance(event, RunEnded):
                state = event.state
        cells = sum(sizes) if sizes != [size for size, _ in self.steps] else self.cells
        steps = _counted(sizes, kept, values)
        return Tally(self.next + len(events), state, cells, accepted, steps)


def _counted(sizes: list[int], kept: list[int], values: Sequence[Stored]) -> tuple[tuple[int, int], ...]:
    length = max([len(sizes), len(kept), *(value.step + 1 for value in values)])
    sizes = sizes + [0] * (length - len(sizes))
    kept = kept + [0] * (length - len(kept))
    for value in values:
        kept[value.step] += 1
    return tuple(zip(sizes, kept, strict=True))
