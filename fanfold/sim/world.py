"""The world a simulated model lives in: how fast, how limited, how unreliable, how repetitive. Numbers; nothing waits here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fanfold.sim.pace import Pace, Times
from fanfold.sim.pen import OBEYS, SLIPS, ZIPF, Habits

STATUSES = ("429", "500", "502", "503", "529")
FAULTS = (
    *STATUSES,
    "quota",  # 429 insufficient_quota: no waiting cures it
    "filter",  # finish_reason content_filter
    "truncated",  # finish_reason length
    "malformed",  # the JSON in the answer does not parse
    "empty",  # no choices
    "html",  # a page instead of an answer
    "reset",  # the connection breaks
    "hang",  # nothing ever comes
    "stall",  # half an answer, then nothing
    "no_terminal",  # the answer ends without saying that it has ended
)
CHARGES = ("reserve", "actual")
USUAL = Pace()
HINTS = ("ms", "s", "none")
REFUSAL_S = 0.005  # until a refusal or a status without an answer comes back


@dataclass(frozen=True, kw_only=True)
class World:
    """All knobs. The same seed gives the same answers to the same set of requests, in whatever order they come.

    fixed_s: every call takes exactly that long; None: log-normal by `pace`. tail: the share of the calls that take so many times as long.
    rpm, tpm: limits, None for none; each a bucket that holds `bucket_s` seconds of refill (60: a whole minute at once).
    charge: what the token bucket takes: "reserve" max(max_tokens, estimate), or "actual" tokens, the answer's at its end.
    refused_cost: requests that a refused request costs all the same. headers: whether the limits are told in headers.
    hint: how a refusal says when to come back: "ms" (`retry-after-ms`, and whole seconds), "s" (whole seconds only), "none"; None:
    "ms" where limits are told, "none" where they are not.
    capacity: above so many calls in the air, everybody's token rate falls in proportion; None: never.
    faults: name of a fault (`FAULTS`) -> probability. retry_after_s: the range that a drawn 429 asks to wait.
    collapse, slips, obeys, passes, repeat: how the model writes (see `Habits`).
    """

    seed: int = 0
    fixed_s: float | None = None
    pace: Pace = USUAL
    tail: tuple[float, float] = (0.0, 1.0)
    rpm: float | None = None
    tpm: float | None = None
    bucket_s: float = 60.0
    charge: str = "reserve"
    refused_cost: float = 1.0
    headers: bool = True
    hint: str | None = None
    capacity: int | None = None
    faults: Mapping[str, float] = field(default_factory=dict)
    retry_after_s: tuple[float, float] = (0.2, 2.0)
    collapse: float = ZIPF
    slips: float = SLIPS
    obeys: float = OBEYS
    passes: float = 0.95
    repeat: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for a world that cannot be."""
        _check_faults(self.faults)
        if self.charge not in CHARGES:
            raise ValueError(f"charge: {self.charge!r} is not one of {', '.join(CHARGES)}")
        if self.hint is not None and self.hint not in HINTS:
            raise ValueError(f"hint: {self.hint!r} is not one of {', '.join(HINTS)}")
        for name in ("rpm", "tpm", "bucket_s", "capacity"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: a number above 0, not {value!r}")
        for name in ("slips", "obeys", "passes", "repeat"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: a probability from 0 to 1, not {getattr(self, name)!r}")
        for name in ("fixed_s", "collapse", "refused_cost"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: a number from 0, not {value!r}")

    @classmethod
    def parse(cls, *, latency: str = "lognormal", faults: str = "", **knobs: Any) -> World:
        """A world from the text forms of the command line.

        latency: "lognormal", "lognormal:3" (about 3 s for an answer of 300 tokens), or a fixed time: "1.0", "250ms"; each of them
        with a tail: "0.5,2%x10", two in a hundred take ten times as long.
        faults: "429=0.05,500=0.02". knobs: any other field of a World. Raises ValueError that names the choices.
        """
        return cls(**_latency(latency), faults=_mix(faults), **knobs)

    @property
    def habits(self) -> Habits:
        return Habits(collapse=self.collapse, slips=self.slips, obeys=self.obeys, passes=self.passes, repeat=self.repeat)

    @property
    def refusal_s(self) -> float:
        """Seconds until a refusal is back."""
        return REFUSAL_S if self.fixed_s is None else min(REFUSAL_S, self.fixed_s)

    def fault(self, rng: Random) -> str:
        """The fault that befalls a call, or "". Always one draw."""
        u = rng.random()
        for name, probability in self.faults.items():
            u -= probability
            if u < 0:
                return name
        return ""

    def times(self, rng: Random) -> Times:
        """How fast this call is. Always four draws, so that what is drawn after them does not depend on the knobs."""
        first, rate, slow, slower = (rng.random() for _ in range(4))
        return Times(self.pace, self.fixed_s, first, rate, slow, slower, self.tail)


def _check_faults(faults: Mapping[str, float]) -> None:
    for name, probability in faults.items():
        if name not in FAULTS:
            raise ValueError(f"faults: there is no fault {name!r}; choose from {', '.join(FAULTS)}")
        if not 0 <= probability <= 1:
            raise ValueError(f"faults: {name}: a probability from 0 to 1, not {probability!r}")
    if (total := sum(faults.values())) > 1 + 1e-9:
        raise ValueError(f"faults: their probabilities add up to {total:g}, which is more than 1")


def _mix(text: str) -> dict[str, float]:
    mix: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, probability = map(str.strip, part.partition("="))
        try:
            mix[name] = float(probability)
        except ValueError:
            raise ValueError(f"faults: {part!r} is not name=probability, e.g. 429=0.05; names: {', '.join(FAULTS)}") from None
    _check_faults(mix)
    return mix


_TAIL = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*x\s*(\d+(?:\.\d+)?)\s*")


def _latency(text: str) -> dict[str, Any]:
    usual, comma, tail = text.partition(",")
    if not comma:
        return _usual(text)
    found = _TAIL.fullmatch(tail)
    if found is None or not 0 <= float(found[1]) <= 100 or float(found[2]) < 1:
        raise ValueError(f"latency: {tail.strip()!r} is no tail: write 2%x10, two in a hundred take ten times as long")
    return {**_usual(usual), "tail": (float(found[1]) / 100, float(found[2]))}


def _usual(text: str) -> dict[str, Any]:
    said = text.strip().lower()
    kind, colon, number = said.partition(":")
    if kind == "lognormal":
        if not colon:
            return {}
        times = _seconds(number, text) / 2.0
        if times == 0:
            return {"fixed_s": 0.0}
        return {"pace": Pace(first_s=USUAL.first_s * times, tokens_per_s=USUAL.tokens_per_s / times)}
    return {"fixed_s": _seconds(said, text)}


def _seconds(said: str, text: str) -> float:
    for unit, factor in (("ms", 1e-3), ("s", 1.0), ("", 1.0)):
        if said.endswith(unit):
            try:
                seconds = float(said.removesuffix(unit)) * factor
            except ValueError:
                break
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
            break
    raise ValueError(f'latency: {text!r} is neither "lognormal", "lognormal:3" nor a fixed time such as "1.0" or "250ms"')
