"""What wiring, limiter and configuration need to know about a provider: a row of plain data."""

from __future__ import annotations

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A provider.

    name: as in `name/model`. base_url: used unless the user, or the variable `base_url_env`, gives another.
    key_env: environment variables that may hold the key, the first that is set wins.
    charge: how its limiter counts tokens at admission: "max" is max(max_tokens, estimate), "sum" is prompt + max_tokens,
    "estimate" is the estimate alone.
    streams: whether it can answer in pieces. dialect: how it is told the shape of an answer ("json_schema",
    "tool", "response_schema"). version: of our way to ask and to read; it grows when the same request may be answered otherwise than
    before, and then no earlier answer is taken from the cache.
    """

    name: str
    base_url: str
    key_env: tuple[str, ...]
    base_url_env: str = ""
    charge: str = "max"
    streams: bool = True
    dialect: str = "json_schema"
    version: int = 1
