"""How things lie in rows: coordinates that sort, batches as JSON, and a sum over each row so that damage is seen, not served."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fanfold.spec.events import AnyEvent, Coords
from fanfold.spec.ports import RunRecord, Stored
from fanfold.store.tally import Refused, Tally

encode = msgspec.json.Encoder().encode
decode_events = msgspec.json.Decoder(list[AnyEvent]).decode
decode_steps = msgspec.json.Decoder(tuple[tuple[int, int], ...]).decode

Row = tuple[object, ...]


def pack(at: Coords) -> bytes:
    """Big-endian 32-bit numbers: bytes of one step sort as its cells do."""
    return struct.pack(f">{len(at)}I", *at)


def unpack(blob: bytes) -> Coords:
    return struct.unpack(f">{len(blob) // 4}I", blob)


def checksum(blob: bytes, *keys: str | int | float | None) -> int:
    """CRC-32 of a row's keys and its content."""
    return zlib.crc32(blob, zlib.crc32(encode(keys)))


@dataclass(frozen=True, slots=True)
class Batch:
    """One append, encoded: its row of the journal and its rows of values, ready to be inserted."""

    run: str
    events: tuple[AnyEvent, ...]
    values: tuple[Stored, ...]
    journal_row: Row
    value_rows: list[Row]
    size: int
    """Bytes of content."""

    @classmethod
    def of(cls, run: str, events: Sequence[AnyEvent], values: Sequence[Stored]) -> Batch:
        """Raises Refused where something cannot be written down."""
        events, values = tuple(events), tuple(values)  # ours: the caller may go on with its lists
        try:
            payload = encode(events)
            rows = [value_row(run, value) for value in values]
        except (TypeError, ValueError, struct.error) as error:
            raise Refused(f"run {run}: the batch cannot be written down: {error}") from error
        first, last = (events[0].seq, events[-1].seq) if events else (-1, -1)
        row = (run, first, last, payload, checksum(payload, run, first))
        return cls(run, events, values, row, rows, len(payload) + sum(len(value.data) for value in values))


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot to keep: what somebody made of a run's events up to `seq`."""

    run: str
    seq: int
    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Removal:
    """A run to delete, with everything that is kept of it."""

    run: str
    size = 0


def picture_row(picture: Picture) -> Row:
    return (picture.run, picture.seq, picture.data, checksum(picture.data, picture.run, picture.seq, "snapshot"))


def value_row(run: str, value: Stored) -> Row:
    at = pack(value.at)
    return (run, value.step, at, value.data, checksum(value.data, run, value.step, at.hex()))


def record_row(record: RunRecord) -> Row:
    """Its state and counts are the tally's. Raises Refused where something cannot be written down."""
    started, cost = float(record.started), None if record.cost_usd is None else float(record.cost_usd)
    try:
        crc = checksum(record.about, record.run_id, record.plan, started, cost)
    except (TypeError, ValueError) as error:
        raise Refused(f"run {record.run_id!a}: its record cannot be written down: {error}") from error
    return (record.run_id, record.plan, started, cost, record.about, crc)


def tally_row(run: str, tally: Tally) -> Row:
    steps = encode(tally.steps)
    crc = checksum(steps, run, tally.next, tally.state, tally.cells, tally.accepted)
    return (run, tally.next, tally.state, tally.cells, tally.accepted, steps, crc)
