"""What a call asks, as the key under which its answer is kept: the whole request as it is sent, and which of several equal ones it is.

Not in it: the API key, retries, deadlines, whether it is streamed, what a step is called, and what the engine appends when it asks
again: an answer that was accepted in the end is the answer to the bare request.

Cells whose requests are equal are told apart by their coordinates. An axis adds what the prompt shows of its value (all of it, where
that cannot be known) and how many values before it show the same; a counted axis adds the number. So samples of one prompt never
share an answer, whatever else is done in which order, and a row that is put into a file changes the keys of no other.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from fanfold.engine.fingerprint import written
from fanfold.spec.calls import Request
from fanfold.spec.compiled import CompiledAxis, CompiledPlan, CompiledStep
from fanfold.spec.events import Coords
from fanfold.spec.template import NoSuchField, dig

if TYPE_CHECKING:
    from fanfold.engine.job import Route

FORMAT = 1
"""Of keys and entries. It grows when either means something else: then everything that was kept is asked for anew."""
SIZE = 32  # bytes

Place: TypeAlias = tuple[str, int]
"""On one axis: what the prompt shows of the value, and which one it is of those that show the same."""


@dataclass(frozen=True, slots=True)
class Asked:
    """request: the digest of a request. places: which of the cells that send it, axis by axis."""

    request: bytes
    places: tuple[Place, ...] = ()

    @property
    def key(self) -> bytes:
        return blake2b(self.request + msgspec.json.encode(self.places), digest_size=SIZE).digest()

    def of(self, at: Coords, counted: tuple[int, ...]) -> Asked:
        """The same, asked by another cell of a counted step: its places on the counted axes are its own."""
        return replace(self, places=tuple(("", at[i]) if i in counted else place for i, place in enumerate(self.places)))


def digest(route: Route, request: Request) -> bytes | None:
    """None for a request that cannot be written down: then it is not looked up, and its answer is not kept."""
    told = [
        FORMAT, route.origin, request.model, [[message.role, message.content] for message in request.messages], request.schema,
        request.schema_name, sorted(request.sampling.items()),
    ]  # fmt: skip
    try:
        return blake2b(msgspec.json.encode(told), digest_size=SIZE).digest()
    except (TypeError, ValueError, RecursionError):  # half a character, or a value that is no data
        return None


class Samples:
    """Where the cells of one step stand among those that might send the same."""

    def __init__(self, plan: CompiledPlan, step: CompiledStep) -> None:
        self._axes = [plan.axes[name] for name in step.over]
        self._shown = {axis.name: _shown(axis, step) for axis in self._axes}
        self._before: dict[str, array[int] | None] = {}  # by axis: for each value, how many before it show the same

    def of(self, at: Coords, values: Mapping[str, Any]) -> tuple[Place, ...]:
        """at: indexes of a cell. values: by axis."""
        return tuple(self._place(axis, index, values.get(axis.name)) for axis, index in zip(self._axes, at, strict=True))

    def _place(self, axis: CompiledAxis, index: int, value: Any) -> Place:
        if axis.counted:
            return "", index
        shows = _short(value, self._shown[axis.name])
        if axis.values is None:
            return shows, index  # in a list that another answer holds
        before = self._counted(axis)
        return shows, 0 if before is None or index >= len(before) else before[index]

    def _counted(self, axis: CompiledAxis) -> array[int] | None:
        """Made once per axis; None where all its values show something else."""
        if axis.name not in self._before:
            assert axis.values is not None
            seen: Counter[str] = Counter()
            before = array("L")
            for value in () if isinstance(axis.values, range) else axis.values:
                shows = _short(value, self._shown[axis.name])
                before.append(seen[shows])
                seen[shows] += 1
            self._before[axis.name] = before if any(before) else None
        return self._before[axis.name]


Paths: TypeAlias = tuple[tuple[str, ...], ...]


def _shown(axis: CompiledAxis, step: CompiledStep) -> Paths:
    """The fields of an axis that the prompts of a step show; () for the whole value, also where that cannot be known."""
    templates = [step.prompt, *([step.system] if step.step.system is not None else [])]
    slots = [slot for template in templates if template is not None for slot in template.slots if slot.name == axis.name]
    whole = None in templates or not slots or any(not slot.path for slot in slots)
    return () if whole else tuple(sorted({slot.path for slot in slots}))


def _short(value: Any, paths: Paths) -> str:
    shows = value if not paths else [_field(value, path) for path in paths]
    return blake2b(written(shows), digest_size=12).hexdigest()


def _field(value: Any, path: tuple[str, ...]) -> Any:
    try:
        return dig(value, path)
    except NoSuchField:
        return None
