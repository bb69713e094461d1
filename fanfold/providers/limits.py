"""What a response says of limits: of each, how much it is, what remains, and when all of it is back. Total on any input.

| who                    | names                                                               | window                         |
|------------------------|---------------------------------------------------------------------|--------------------------------|
| OpenAI, Azure          | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`             | a minute                       |
| Groq                   | the same                                                            | requests a day, tokens a minute |
| Anthropic              | `anthropic-ratelimit-{requests,[input-,output-]tokens}-{limit,…}`   | a minute; resets are dates     |
| Mistral                | `x-ratelimit-limit-{tokens,req}-minute`, `x-ratelimitbysize-…`      | in the name, else a minute     |
| Cerebras               | `x-ratelimit-limit-{requests-day,tokens-minute}`                    | in the name                    |
| others                 | any name made of these words                                        | in the name, else a minute     |

A name with a word that is not known says nothing; nor does one that does not say what it counts. (ALGORITHMS A.1)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fanfold.providers.reading import field, parse, text
from fanfold.providers.waits import duration_s, until_s
from fanfold.spec.calls import Told

REQUESTS, INPUT, OUTPUT, TOTAL = "requests", "input tokens", "output tokens", "tokens"
DAILY_HOSTS = frozenset({"api.groq.com"})
"""Where requests are limited by the day when nothing else is said."""

_SPANS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "day": 86_400, "d": 86_400}
_FIELDS = frozenset({"limit", "remaining", "reset"})
_PREFIXES = frozenset({"x", "anthropic", "ratelimit"})
_COUNTED = {
    "requests": REQUESTS, "request": REQUESTS, "req": REQUESTS,
    "tokens": TOTAL, "token": TOTAL, "ratelimitbysize": TOTAL,
}  # fmt: skip
_DIRECTIONS = {"input": INPUT, "prompt": INPUT, "output": OUTPUT, "completion": OUTPUT}
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.0{0,9})?")
_NOTHING = re.compile(r"0{1,9}(?:\.0{1,9})?(?:ms|s|m|h)?(?:0s)?")
_EPOCH_S, _EPOCH_MS = 1e9, 1e12  # numbers above are moments, not durations
_MOST = 10**12
_LONGEST_NAME, _LONGEST_TEXT = 64, 20_000

_PER = r"(?:per|/)[ -]?(second|sec|minute|min|hour|day)|\b(?P<short>rpm|tpm|rpd|tpd|itpm|otpm)\b"
_WORDED = re.compile(
    rf"(?:\b(?P<way>input|prompt|output|completion)[ -])?\b(?P<what>requests?|tokens?)[ -]?(?:{_PER})", re.IGNORECASE
)
_ID = re.compile(
    r"(?P<way>input|output)?_?(?P<what>requests?|tokens?)\w{0,40}?per_?(?:\w{0,20}?per_?)?(?P<span>second|minute|hour|day)", re.I
)
_LIMIT_AFTER = re.compile(r"\blimit:?[ ]([0-9][0-9,]{0,14})", re.IGNORECASE)
_LIMIT_BEFORE = re.compile(r"\blimit of[ ]([0-9][0-9,]{0,14})[ ]", re.IGNORECASE)


def told(headers: Mapping[str, str], *, requests_per: str = "minute") -> tuple[Told, ...]:
    """Every limit that the headers tell of. headers: lower-case names. requests_per: "minute" or "day", when no name says."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name, value in headers.items():
        meant = _meaning(name, requests_per)
        if meant is not None:
            what, counts, span = meant
            read = _reset(value, headers) if what == "reset" else _count(value)
            found.setdefault((counts, span), {})[what] = read
    return tuple(_told(key, found[key]) for key in sorted(found) if _says(found[key]))


def _told(key: tuple[str, int], said: dict[str, Any]) -> Told:
    limit = said.get("limit") or None
    return Told(counts=key[0], span_s=key[1], limit=limit, remaining=said.get("remaining"), reset_s=said.get("reset"))


def _says(said: dict[str, Any]) -> bool:
    return bool(said.get("limit")) or said.get("remaining") is not None


def _meaning(name: str, requests_per: str) -> tuple[str, str, int] | None:
    """(limit, remaining or reset; what it counts; within how many seconds)."""
    if "ratelimit" not in name or len(name) > _LONGEST_NAME:
        return None
    what, counts, direction, span = "", "", "", 0
    for word in name.split("-"):
        if word in _FIELDS:
            what = word
        elif word in _COUNTED:
            counts = _COUNTED[word]
        elif word in _DIRECTIONS:
            direction = _DIRECTIONS[word]
        elif word in _SPANS:
            span = _SPANS[word]
        elif word not in _PREFIXES:
            return None
    if not what or not counts:
        return None
    if counts == TOTAL and direction:
        counts = direction
    return what, counts, span or (86_400 if counts == REQUESTS and requests_per == "day" else 60)


def _count(value: str) -> int | None:
    """Negative and unreadable numbers mean that it is not known."""
    value = value.strip()
    return min(_MOST, int(float(value))) if _NUMBER.fullmatch(value) else None


def _reset(value: str, headers: Mapping[str, str]) -> float | None:
    value = value.strip()
    if _NOTHING.fullmatch(value):
        return 0.0
    seconds = duration_s(value)
    if seconds is None:
        return until_s(value, headers)
    return None if seconds > _EPOCH_S else seconds


# ==================================================================== errors


def refused(error: Any, words: str, limits: Sequence[Told] = ()) -> str:
    """Which limit said no: one of `Told.counts`, or "". error: the parsed body. words: its message. limits: told with it."""
    for quota in _violations(error):
        if (found := _by_id(quota)) is not None:
            return found[0]
    if (found := _worded(words)) is not None:
        return found[0]
    for path in (("error", "type"), ("type",)):
        if (named := text(field(error, *path)).lower()) in (REQUESTS, TOTAL):
            return named
    spent = {limit.counts for limit in limits if limit.remaining == 0}
    return spent.pop() if len(spent) == 1 else ""


def told_in(error: Any, words: str) -> tuple[Told, ...]:
    """Limits that an error's own words tell of: OpenAI's, Anthropic's, Google's."""
    out = {}
    for quota in _violations(error):
        by_id, value = _by_id(quota), _count(str(quota.get("quotaValue", ""))[:20])
        if by_id is not None and value:
            out[by_id] = Told(counts=by_id[0], span_s=by_id[1], limit=value)
    worded = _worded(words)
    if worded is not None and not out:
        number = _LIMIT_AFTER.search(words[:_LONGEST_TEXT]) or _LIMIT_BEFORE.search(words[:_LONGEST_TEXT])
        limit = int(number.group(1).replace(",", "")) if number is not None else 0
        if limit:
            out[worded] = Told(counts=worded[0], span_s=worded[1], limit=min(_MOST, limit))
    return tuple(out[key] for key in sorted(out))


def _worded(words: str) -> tuple[str, int] | None:
    """ "requests per min (RPM)", "40,000 input tokens per minute"."""
    match = _WORDED.search(words[:_LONGEST_TEXT])
    if match is None:
        return None
    span = match.group(3)
    short = (match.group("short") or "").lower()
    seconds = _SPANS[span.lower()] if span else (86_400 if short.endswith("d") else 60)
    return _kind(match.group("way"), match.group("what")), seconds


def _violations(error: Any) -> list[dict[str, Any]]:
    """Google's: `error.details[].violations[]`, or the details themselves."""
    if isinstance(error, list) and error:
        error = error[0]
    details = field(error, "error", "details")
    found = []
    for detail in details[:20] if isinstance(details, list) else ():
        if isinstance(detail, dict):
            inner = detail.get("violations")
            found += [v for v in inner[:20] if isinstance(v, dict)] if isinstance(inner, list) else [detail]
    return found


def _by_id(quota: dict[str, Any]) -> tuple[str, int] | None:
    match = _ID.search(text(quota.get("quotaId"))[:200])
    return None if match is None else (_kind(match.group("way"), match.group("what")), _SPANS[match.group("span").lower()])


def _kind(way: str | None, what: str) -> str:
    if what.lower().startswith("request"):
        return REQUESTS
    return TOTAL if way is None else _DIRECTIONS[way.lower()]


def all_told(headers: Mapping[str, str], body: bytes, words: str) -> tuple[tuple[Told, ...], str]:
    """Of a refusal: every limit that it tells of, and which of them said no."""
    error = parse(body)
    by_header = told(headers)
    known = {(limit.counts, limit.span_s) for limit in by_header}
    both = (*by_header, *(limit for limit in told_in(error, words) if (limit.counts, limit.span_s) not in known))
    return both, refused(error, words, by_header)
