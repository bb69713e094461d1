"""A fold in bytes, and back: a snapshot from which opening goes on, so that no event need be read twice.

Every field is frozen, private ones too; a field that is added is frozen as well, and bytes that were made with other fields are not
thawed. When the meaning of a field changes and its type does not, `MEANING` has to grow.
"""

from __future__ import annotations

from array import array
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

MEANING = 1

Fold = TypeVar("Fold")


def _plain(thing: Any) -> bytes:
    if isinstance(thing, array):
        return thing.tobytes()
    raise TypeError(f"{type(thing).__name__} cannot be frozen")


def _array(kind: type, plain: Any) -> array[int]:
    return array("q", bytes(plain))


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_split = msgspec.msgpack.Decoder(tuple[str, bytes]).decode


def freeze(fold: Any) -> bytes:
    """Costs what it holds: of a `RunState`, the cells with a call behind them, a bounded number of times and errors, candidates taken."""
    kind: Any = type(fold)
    return _encode((version(kind), _encode(fold)))


def thaw(kind: type[Fold], data: bytes) -> Fold | None:
    """A fold that goes on as the frozen one would have; None when the bytes are of another version, or of nothing of ours."""
    try:
        found, rest = _split(data)
        of: Any = kind
        thawed: Fold | None = _decoder(of).decode(rest) if found == version(of) else None
        return thawed
    except (msgspec.MsgspecError, ValueError):  # msgspec tells of bytes that are no text by UnicodeDecodeError
        return None


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind, dec_hook=_array)


@cache
def version(kind: Any) -> str:
    """Which fields of which types there are, in short."""
    seen: dict[type, str] = {}
    _describe(kind, seen)
    return f"{MEANING}-{blake2b(repr(sorted(seen.values())).encode(), digest_size=8).hexdigest()}"


def _describe(hint: Any, seen: dict[type, str]) -> None:
    for part in get_args(hint):
        _describe(part, seen)
    if isinstance(hint, type) and hint not in seen and (is_dataclass(hint) or issubclass(hint, msgspec.Struct)):
        names = [each.name for each in fields(hint)] if is_dataclass(hint) else hint.__struct_fields__
        hints = get_type_hints(hint)
        seen[hint] = f"{hint.__name__}({', '.join(f'{name}: {hints[name]}' for name in names)})"
        for name in names:
            _describe(hints[name], seen)
