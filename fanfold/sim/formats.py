"""What strings of a named format look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from fanfold.sim.speech import Speech


def _uuid(rng: Random, _: Speech) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _ipv4(rng: Random, _: Speech) -> str:
    return f"192.0.2.{rng.randint(1, 254)}"


def _path(_: Random, speech: Speech) -> str:
    return "/srv/" + speech.phrase().replace(" ", "/")


def _host(_: Random, speech: Speech) -> str:
    return speech.phrase().replace(" ", "-").encode("ascii", "ignore").decode() + ".example.org"


FORMATS: Mapping[str, Callable[[Random, Speech], str]] = MappingProxyType({
    "date": lambda _, speech: speech.date(),
    "time": lambda _, speech: speech.time() + "Z",
    "date-time": lambda _, speech: f"{speech.date()}T{speech.time()}Z",
    "duration": lambda rng, _: f"PT{rng.randint(1, 12)}H{rng.randint(0, 59)}M",
    "email": lambda rng, _: f"reader{rng.randint(1, 999)}@example.org",
    "uri": lambda rng, _: f"https://example.org/{rng.randint(1, 9999)}",
    "uri-reference": lambda rng, _: f"/pages/{rng.randint(1, 9999)}",
    "uuid": _uuid,
    "uuid4": _uuid,
    "ipv4": _ipv4,
    "ipvanyaddress": _ipv4,
    "ipv6": lambda rng, _: f"2001:db8::{rng.randint(1, 65535):x}",
    "ipv4network": lambda rng, _: f"10.{rng.randint(0, 255)}.0.0/16",
    "hostname": _host,
    "path": _path,
    "file-path": _path,
    "directory-path": _path,
    "byte": lambda rng, _: f"{rng.getrandbits(48):012x}",
    "binary": lambda rng, _: f"{rng.getrandbits(48):012x}",
    "color": lambda rng, _: f"#{rng.getrandbits(24):06x}",
    "json-string": lambda rng, _: f'{{"value": {rng.randint(1, 99)}}}',
    "regex": lambda _, __: "^[a-z]+$",
})  # fmt: skip
