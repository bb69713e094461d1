"""The fold of a run in bytes, and back: a snapshot from which opening goes on, so that no event need be read twice.

What is frozen is every field of `RunState` and of what is in it, found by their types: a field that is added is frozen too, and the bytes
of a version with other fields are not thawed. When the meaning of a field changes and its type does not, `MEANING` has to grow.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from fanfold.core.fold import RunState

MEANING = 1

_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
_load = msgspec.msgpack.Decoder().decode
Turn = Callable[[Any], Any]


def freeze(state: RunState) -> bytes:
    """The whole state. Costs what it holds: the cells with a call behind them, a bounded number of times and errors, candidates taken."""
    return _encode((version(), _turns(RunState)[0](state)))


def thaw(data: bytes) -> RunState | None:
    """A state that goes on as the frozen one would have; None when the bytes are of another version, or of nothing of ours."""
    try:
        found, rest = _decode(data)
        if found == version():
            state = _turns(RunState)[1](_load(rest))
            assert isinstance(state, RunState)
            return state
    except (msgspec.MsgspecError, TypeError, ValueError, IndexError, AttributeError):
        pass
    return None


@cache
def version() -> str:
    """Which fields of which types there are, in words."""
    seen: dict[type, str] = {}
    _describe(RunState, seen)
    return f"{MEANING}-{blake2b(repr(sorted(seen.values())).encode(), digest_size=8).hexdigest()}"


def _describe(hint: Any, seen: dict[type, str]) -> None:
    for part in get_args(hint):
        _describe(part, seen)
    if isinstance(hint, type) and hint not in seen and (is_dataclass(hint) or issubclass(hint, msgspec.Struct)):
        hints = _hints(hint)
        seen[hint] = f"{hint.__name__}({', '.join(f'{name}: {each}' for name, each in hints.items())})"
        for each in hints.values():
            _describe(each, seen)


def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, localns={"array": Sequence})  # before Python 3.12, array[int] is for type checkers only
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else kind.__struct_fields__  # type: ignore[attr-defined]
    return {name: hints[name] for name in names}


@cache
def _turns(hint: Any) -> tuple[Turn, Turn]:
    """Into plain data, and back."""
    origin, parts = get_origin(hint), [part for part in get_args(hint) if part not in (type(None), ...)]
    if origin is dict:
        return _of_dict(_turns(parts[0]), _turns(parts[1]))
    if origin in (list, set, tuple):
        return _of_many(origin, [_turns(part) for part in parts])
    if origin is Sequence:
        return bytes, lambda data: array("q", data)
    if parts:  # something, or None
        (one,) = {_turns(part) for part in parts}
        return (lambda x: None if x is None else one[0](x)), (lambda x: None if x is None else one[1](x))
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, msgspec.Struct)):
        return _of_fields(hint)
    return _same, _same


def _same(x: Any) -> Any:
    return x


def _of_dict(keys: tuple[Turn, Turn], values: tuple[Turn, Turn]) -> tuple[Turn, Turn]:
    return (
        lambda each: [(keys[0](key), values[0](value)) for key, value in each.items()],
        lambda pairs: {keys[1](key): values[1](value) for key, value in pairs},
    )


def _of_many(kind: type, turns: list[tuple[Turn, Turn]]) -> tuple[Turn, Turn]:
    if len(turns) > 1:  # a tuple of so many
        down, up = [turn[0] for turn in turns], [turn[1] for turn in turns]
        return (
            lambda each: [turn(x) for turn, x in zip(down, each, strict=True)],
            lambda each: kind(turn(x) for turn, x in zip(up, each, strict=True)),
        )
    one = turns[0]
    if one == (_same, _same):
        return list, kind
    return (lambda each: [one[0](x) for x in each]), (lambda each: kind(one[1](x) for x in each))


def _of_fields(kind: type) -> tuple[Turn, Turn]:
    turns = [(name, *_turns(hint)) for name, hint in _hints(kind).items()]

    def down(each: Any) -> list[Any]:
        return [turn(getattr(each, name)) for name, turn, _ in turns]

    def up(plain: list[Any]) -> Any:
        return kind(**{name: turn(x) for (name, _, turn), x in zip(turns, plain, strict=True)})

    return down, up
