"""One simulated service: admits or refuses a request, and decides what becomes of it. Told the time; waits for nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from fanfold.sim.bucket import Bucket
from fanfold.sim.content import Contents
from fanfold.sim.draws import Draws
from fanfold.sim.pace import Timing
from fanfold.sim.stats import Stats
from fanfold.sim.world import STATUSES, World
from fanfold.spec.calls import Request

CHARACTERS_PER_TOKEN = 4
WORDLESS = frozenset({*STATUSES, "quota", "empty", "html", "hang"})
"""Faults that leave no answer to be written."""
_SHARE_LEFT = {"truncated": 0.5, "filter": 0.25}
_FINISH = {"truncated": "length", "filter": "content_filter"}


@dataclass(frozen=True)
class Refusal:
    """A limit says no. kind: "requests" or "tokens". wait_s: until it may pass; None: larger than the limit, it never will."""

    kind: str
    limit: int
    used: int
    requested: int
    wait_s: float | None


class Level(NamedTuple):
    """One limit. kind: "requests" or "tokens", a minute. full_in_s: until all of it is there again."""

    kind: str
    limit: int
    remaining: int
    full_in_s: float


@dataclass(frozen=True)
class Script:
    """What becomes of an admitted call. fault: "" or one of `FAULTS`. wait_s: what a drawn 429 asks for."""

    text: str
    finish: str
    fault: str
    timing: Timing
    tokens_in: int
    tokens_out: int
    wait_s: float
    number: int

    @property
    def request_id(self) -> str:
        return f"req_{self.number:012x}"


class Simulation:
    """State of the service: its buckets, its counters, and how often it has been asked each question.

    `begin` raises ContentError.
    """

    def __init__(self, world: World, contents: Contents) -> None:
        self.world, self.stats = world, Stats()
        self._contents, self._draws = contents, Draws(world.seed)
        self._habits = world.habits
        self._requests = None if world.rpm is None else Bucket(world.rpm, world.bucket_s)
        self._tokens = None if world.tpm is None else Bucket(world.tpm, world.bucket_s)

    def begin(self, request: Request, now: float) -> Refusal | Script:
        """A refused request uses up no occurrence: the answers do not depend on who was refused when."""
        self.stats.requests += 1
        tokens_in = tokens(sum(len(message.content) for message in request.messages))
        refusal = self._refusal(request.sampling, tokens_in, now)
        if refusal is not None:
            self.stats.refused += 1
            return refusal
        return self._script(request, tokens_in)

    def settle(self, script: Script, tokens_out: int, now: float) -> None:
        """The call is over, and has made so many tokens."""
        if script.fault in WORDLESS:
            return
        self.stats.tokens_in += script.tokens_in
        self.stats.tokens_out += tokens_out
        if self._tokens is not None and self.world.charge == "actual":
            self._tokens.take(tokens_out, now)

    def stretch(self) -> float:
        """How many times slower than alone everybody is served now."""
        capacity = self.world.capacity
        return 1.0 if capacity is None else max(1.0, self.stats.in_flight / capacity)

    def limits(self, now: float) -> list[Level]:
        """Where the buckets stand; nothing in a world that does not tell."""
        both = (("requests", self._requests), ("tokens", self._tokens))
        return [
            Level(kind, int(bucket.per_minute), max(0, math.floor(bucket.level(now) + 1e-9)), bucket.full_in_s(now))
            for kind, bucket in both
            if bucket is not None and self.world.headers
        ]

    def limit_headers(self, now: float) -> dict[str, str]:
        """As OpenAI sends them; nothing without limits, or in a world that does not tell."""
        found: dict[str, str] = {}
        for level in self.limits(now):
            found[f"x-ratelimit-limit-{level.kind}"] = str(level.limit)
            found[f"x-ratelimit-remaining-{level.kind}"] = str(level.remaining)
            found[f"x-ratelimit-reset-{level.kind}"] = go_duration(level.full_in_s)
        return found

    def refusal_headers(self, now: float, wait_s: float | None) -> dict[str, str]:
        """Those of the limits, and how long to wait: whole seconds and milliseconds, both rounded up."""
        headers = self.limit_headers(now)
        if wait_s is not None and self.hint != "none":
            ms = max(1, math.ceil(wait_s * 1000 - 1e-6))
            headers["retry-after"] = str(-(-ms // 1000))
            if self.hint == "ms":
                headers["retry-after-ms"] = str(ms)
        return headers

    @property
    def hint(self) -> str:
        """How a refusal says when to come back."""
        return self.world.hint or ("ms" if self.world.headers else "none")

    def _refusal(self, sampling: dict[str, object], tokens_in: int, now: float) -> Refusal | None:
        cost = max(max_tokens(sampling) or 0, tokens_in) if self.world.charge == "reserve" else tokens_in
        both = (("requests", self._requests, 1), ("tokens", self._tokens, cost))
        charges = [(kind, bucket, charge) for kind, bucket, charge in both if bucket is not None]
        for kind, bucket, charge in charges:
            too_large = charge > bucket.per_minute and kind == "tokens"
            if too_large or bucket.wait_s(charge, now) > 0:
                if self._requests is not None:
                    self._requests.spill(self.world.refused_cost, now)
                used = round(min(bucket.per_minute, bucket.capacity - bucket.level(now)))
                wait = None if too_large else bucket.wait_s(charge, now)
                return Refusal(kind, int(bucket.per_minute), used, charge, wait)
        for _, bucket, charge in charges:
            bucket.take(charge, now)
        return None

    def _script(self, request: Request, tokens_in: int) -> Script:
        world, rng = self.world, self._draws.next(request)
        fault, times, wait_s = world.fault(rng), world.times(rng), rng.uniform(*world.retry_after_s)
        text, finish = "", "stop"
        if fault not in WORDLESS:
            written = self._contents.write(request, Random(rng.getrandbits(64)), self._habits)
            text, finish = _as_faulted(written, fault)
            limit = max_tokens(request.sampling)
            if limit is not None and tokens(len(text)) > limit:
                text, finish = text[: limit * CHARACTERS_PER_TOKEN], "length"
        tokens_out = tokens(len(text))
        return Script(text, finish, fault, times.of(tokens_out), tokens_in, tokens_out, round(wait_s, 3), self.stats.requests)


def tokens(characters: int) -> int:
    return max(1, -(-characters // CHARACTERS_PER_TOKEN))


def max_tokens(sampling: dict[str, object]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = sampling.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None


def go_duration(seconds: float) -> str:
    """`12ms`, `1.5s`, `6m0s`, `1h0m0s`, rounded up to a millisecond."""
    ms = max(0, math.ceil(seconds * 1000 - 1e-6))
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    said = f"{rest / 1000:g}s"
    if hours or minutes:
        said = f"{minutes}m{said}"
    return f"{hours}h{said}" if hours else said


def refusal_text(refusal: Refusal, model: str) -> str:
    """OpenAI's own words."""
    unit = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}[refusal.kind]
    where = f"for {model} in organization org-simulated on {unit}"
    if refusal.wait_s is None:
        return (
            f"Request too large {where}: Limit {refusal.limit}, Requested {refusal.requested}. "
            "The input or output tokens must be reduced in order to run successfully."
        )
    return (
        f"Rate limit reached {where}: Limit {refusal.limit}, Used {refusal.used}, Requested {refusal.requested}. "
        f"Please try again in {go_duration(refusal.wait_s)}."
    )


def _as_faulted(text: str, fault: str) -> tuple[str, str]:
    """The answer as a fault leaves it, and its finish reason."""
    if fault == "malformed":
        return text[: max(1, len(text) - 2)] + ",,", "stop"
    share = _SHARE_LEFT.get(fault, 1.0)
    return text[: max(1, int(len(text) * share))], _FINISH.get(fault, "stop")
