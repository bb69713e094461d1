"""How long a server wishes us to wait, in whatever form it says so. Total: any input gives a number of seconds or None.

Order: `retry-after-ms`, `retry-after` (seconds, or a date minus the server's own Date), RetryInfo in the body,
"try again in 6m0s" in the body, then the reset of whatever limit has nothing remaining. (ALGORITHMS A.2)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "hour": 3600.0, "hours": 3600.0, "day": 86400.0, "days": 86400.0, "millisecond": 1e-3, "milliseconds": 1e-3,
}  # fmt: skip
_PART = re.compile(r"([0-9]{1,20}(?:\.[0-9]{0,20})?)[ ]?([a-zµμ]{1,12})")
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?")
_RETRY_INFO = re.compile(r'"retryDelay"\s{0,9}:\s{0,9}"([^"]{1,40})"')
_ASKED = re.compile(
    r"(?:try again|retry)(?: after| in)[ ]"
    r"((?:[0-9]{1,20}(?:\.[0-9]{0,20})?[ ]?[a-zµμ]{1,12}[ ]?){1,5}|[0-9]{1,20}(?:\.[0-9]{1,20})?)",
    re.IGNORECASE,
)
_REMAINING = re.compile(r"(.*)ratelimit(.*?)-?remaining-?(.*)")
_LONGEST_FIELD = 64
_LONGEST_BODY = 20_000


def wait_s(headers: Mapping[str, str], body: bytes = b"") -> float | None:
    """Seconds to wait from now. headers: lower-case names."""
    for wish in _wishes(headers, body):
        if wish is not None and math.isfinite(wish) and wish > 0:
            return wish
    return None


def asked_in(text: str) -> float | None:
    """Seconds that an error's text asks for ("Please try again in 41.724s", `"retryDelay": "45.8s"`)."""
    text = text[:_LONGEST_BODY]
    for pattern in (_RETRY_INFO, _ASKED):
        if (found := pattern.search(text)) is not None and (wait := duration_s(found.group(1))) is not None:
            return wait
    return None


def duration_s(text: str) -> float | None:
    """`12`, `1.5`, `41.724s`, `6m0s`, `2m59.56s`, `12ms`, `1 minute`. None for anything else."""
    text = text.strip().lower()
    if len(text) > _LONGEST_FIELD:
        return None
    if _NUMBER.fullmatch(text):
        return _sound(float(text))
    total, end = 0.0, 0
    for part in _PART.finditer(text):
        if text[end : part.start()].strip() or part.group(2) not in _UNITS:
            break
        total += float(part.group(1)) * _UNITS[part.group(2)]
        end = part.end()
    return _sound(total) if end else None


def _wishes(headers: Mapping[str, str], body: bytes) -> Iterator[float | None]:
    milliseconds = headers.get("retry-after-ms", "").strip()
    yield float(milliseconds) / 1000 if _NUMBER.fullmatch(milliseconds) else None
    said = headers.get("retry-after", "")
    yield duration_s(said)
    yield until_s(said, headers)
    yield asked_in(body[:_LONGEST_BODY].decode("utf-8", "replace"))
    yield _longest_reset(headers)


def until_s(text: str, headers: Mapping[str, str]) -> float | None:
    """A moment minus the server's Date. Without that Date it says nothing: our clock is not the server's."""
    then, now = _moment(text), _moment(headers.get("date", ""))
    return None if then is None or now is None else _sound((then - now).total_seconds())


def _moment(text: str) -> datetime | None:
    """An HTTP date, or RFC 3339."""
    text = text.strip()
    if not 10 <= len(text) <= _LONGEST_FIELD:
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None


def _longest_reset(headers: Mapping[str, str]) -> float | None:
    """The longest reset among the limits of which nothing remains."""
    longest = None
    for name, value in headers.items():
        if "ratelimit" not in name or len(name) > _LONGEST_FIELD or value.strip() != "0":
            continue
        match = _REMAINING.fullmatch(name)
        if match is None:
            continue
        said = headers.get(name.replace("remaining", "reset"), "")
        reset = duration_s(said)
        if reset is None or (_NUMBER.fullmatch(said.strip()) and reset > 1e9):  # a date in seconds since the epoch
            reset = until_s(said, headers)
        if reset is not None:
            longest = max(longest or 0.0, reset)
    return longest


def _sound(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None
