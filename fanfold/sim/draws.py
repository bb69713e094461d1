"""Chance by counting: every draw is a hash of the seed, the request and its occurrence, so order of arrival changes nothing."""

from __future__ import annotations

from hashlib import blake2b
from random import Random

import msgspec

from fanfold.spec.calls import Request

_encode = msgspec.json.Encoder().encode


class Draws:
    """Counts the occurrences of each request: the n-th one always gets the same randomness, whatever came between.

    What is asked counts (model, messages, fields of the answer, sampling); not how it is delivered (streaming, deadlines),
    nor in which dialect its schema is written, which differs between a call in process and one over HTTP.
    """

    def __init__(self, seed: int) -> None:
        self._salt = str(seed).encode()
        self._seen: dict[int, int] = {}

    def next(self, request: Request) -> Random:
        fields = tuple((request.schema or {}).get("properties", ()))
        asked = _encode((request.model, request.messages, request.schema_name, fields, request.sampling))
        digest = int.from_bytes(blake2b(asked, digest_size=8, key=self._salt[:64]).digest(), "big")
        nth = self._seen.get(digest, 0)
        self._seen[digest] = nth + 1
        return Random(digest * 1_000_003 + nth)
