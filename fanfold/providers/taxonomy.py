"""What an HTTP error means. One table, read from the top; the first row that fits decides.

A row fits when the status is among its statuses and one of its patterns is found: in the error's code or type, in its message,
or in the parameter it names; or when it has no pattern. (ALGORITHMS A.1, A.3; FAULTS A1-A14)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fanfold.providers.limits import all_told, told
from fanfold.providers.reading import field, parse, quoted, text
from fanfold.providers.waits import asked_in, wait_s
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.errors import Code

LIMIT_HEADERS = ("x-ratelimit", "retry-after", "anthropic-ratelimit", "x-should-retry", "ratelimit", "anthropic-priority")
_LONGEST_HEADER = 200

ANY = range(400, 600)
OUT_OF_MONEY = (
    r"credit balance is too low|insufficient (account )?(balance|credits?|funds)|out of credits|spend(ing)? limit"
    r"|billing (hard limit|details)|exceeded your current quota"
)

KEY_HINT = "check the API key, and what it may do"
QUOTA_HINT = "the account has no credit or quota left: check its billing and spending limits"
MODEL_HINT = "check the model name, and whether this account may use it"
LONG_HINT = "shorten the prompt or what it gathers, or choose a model with a longer context"
URL_HINT = "check the base URL: for most servers it ends in /v1"


class ErrorDocument(NamedTuple):
    """What an error body says, whatever its shape. names: its code, type and status, lower case."""

    message: str
    names: str
    param: str
    status: int


class Row(NamedTuple):
    """statuses: where it applies. names: error codes and types. wording: what its message says. params: what it refuses.

    overload: the server has too much to do, whoever asks.
    """

    statuses: range | tuple[int, ...]
    code: Code
    scope: Scope = Scope.CELL
    hint: str = ""
    names: str = ""
    wording: str = ""
    params: str = ""
    overload: bool = False

    def fits(self, status: int, error: ErrorDocument) -> bool:
        if status not in self.statuses:
            return False
        asked = [(self.names, error.names), (self.wording, error.message.lower()), (self.params, error.param)]
        tests = [re.search(pattern, said) is not None for pattern, said in asked if pattern]
        return any(tests) or not tests


TABLE = (
    Row((402,), Code.QUOTA, Scope.ACCOUNT, QUOTA_HINT),
    Row(
        ANY, Code.QUOTA, Scope.ACCOUNT, QUOTA_HINT,
        names=r"insufficient_quota|credit_balance_exhausted|(organization|project|enforced)_spend_limit_(exceeded|reached)"
        r"|billing_(hard_limit_reached|not_active|error|disabled)|insufficient_(credits|balance|funds)|budget_exceeded|access_terminated",
    ),
    Row((400, 401, 403), Code.QUOTA, Scope.ACCOUNT, QUOTA_HINT, wording=OUT_OF_MONEY),
    Row(
        (429,), Code.TOO_LONG, Scope.CELL, LONG_HINT,  # apart from "too many tokens", which here means too many a minute
        names=r"context_length_exceeded|request_too_large|prompt_too_long", wording=r"request too large|context length",
    ),
    Row(
        (400, 413, 422, 500), Code.TOO_LONG, Scope.CELL, LONG_HINT,
        names=r"context_length_exceeded|string_above_max_length|exceed_context_size_error|request_too_large|prompt_too_long",
        wording=r"context (length|window|size)|request too large|(prompt|input|request|messages?)\b.{0,40}\b(too long|longer than)"
        r"|reduce the length|too many (input )?tokens|input token count|maximum (input|prompt|allowed) (length|tokens)"
        r"|exceeds? the (model'?s? )?max(imum)? (length|number of (input )?tokens)|input length .{0,60}exceed",
    ),
    Row(
        (400, 403, 422), Code.FILTERED, Scope.CELL, "the provider refuses this prompt",
        names=r"content_filter|content_policy_violation|responsibleaipolicyviolation|data_inspection_failed|moderation_blocked",
        wording=r"content (management )?policy|safety system|moderation|flagged",
    ),
    Row(
        (400, 401, 403), Code.AUTH, Scope.ACCOUNT, KEY_HINT,  # Google says it with a 400 or a 403
        names=r"invalid_api_key|invalid_authentication|api_key_(invalid|service_blocked|ip_address_blocked|http_referrer_blocked)"
        r"|service_disabled|consumer_(invalid|suspended)",
        wording=r"api key (not valid|expired|not found)|(invalid|incorrect) api key|unregistered callers"
        r"|api key .{0,40}(leaked|blocked|revoked|disabled|suspended)|has not been used in project",
    ),
    Row(
        (400, 422), Code.BAD_REQUEST, Scope.STEP,
        "the model does not take this output schema or parameter: change the step's output or sampling",
        names=r"unsupported_(parameter|value)|unknown_parameter|invalid_json_schema",
        wording=r"response_format|json_schema|structured output|unsupported (parameter|value)|unknown (parameter|name|field)"
        r"|unrecognized (request )?argument|extra (inputs|fields)|guided|grammar|output_config|tool_choice|input_schema"
        r"|generation_?config|response_?(json_?)?schema|(a|specified|provided) schema\b|response_?mime_?type|json mode"
        r"|\b(temperature|top_?[pk]|max_?(output_?)?tokens|stop_?sequences|thinking|effort)\b.{0,60}?"
        r"(deprecated|not supported|unsupported|cannot|may not|maximum|must be|out of range|less than|greater than)",
        params=r"^(?!(messages|prompt|input|contents|user|model)\b).",
    ),
    Row(
        (400, 403, 404, 410, 422), Code.BAD_REQUEST, Scope.LANE, MODEL_HINT,
        names=r"model_not_(found|available|exist)|model_decommissioned|(invalid|unknown)_model|deploymentnotfound|not_found_error",
        wording=r"models?\b.{0,120}?\b(not (exist|found|available|supported|a valid)|does(n't| not) exist|deprecated|decommissioned"
        r"|retired|shut down|no longer)|(unknown|invalid|no such|unable to access) model|not a valid model|no endpoints found",
        params=r"^model\b",
    ),
    Row((401,), Code.AUTH, Scope.ACCOUNT, KEY_HINT),
    Row((403,), Code.AUTH, Scope.LANE, KEY_HINT),  # perhaps of one model only
    Row((410,), Code.BAD_REQUEST, Scope.LANE, MODEL_HINT),
    Row((404, 405), Code.BAD_REQUEST, Scope.LANE, URL_HINT),
    Row(
        (429, *range(500, 600)), Code.TRANSIENT, names=r"overloaded|slow_down|over_capacity",
        wording=r"\boverloaded\b|\bover capacity\b", overload=True,
    ),
    Row((429,), Code.RATE_LIMITED),
    Row((503, 529), Code.TRANSIENT, overload=True),
    Row((408, 409, 425), Code.TRANSIENT),
    Row(range(500, 600), Code.TRANSIENT),
    Row(range(300, 400), Code.BAD_REQUEST, Scope.ENDPOINT, "redirects are not followed: give the final address as base URL"),
    Row(range(0, 1000), Code.BAD_REQUEST),
)  # fmt: skip
_OUT_OF_QUOTA = TABLE[1]
_TOO_LARGE = TABLE[3]
_BY_DAY = _OUT_OF_QUOTA._replace(scope=Scope.LANE)
"""Each model has its own."""
_REQUESTED = re.compile(r"\blimit:? ([0-9]{1,15})\b.{0,60}?\brequested:? ([0-9]{1,15})\b", re.IGNORECASE)

_STATUS_OF = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "too_many_requests": 429, "resource_exhausted": 429,
    "insufficient_quota": 429, "requests": 429, "tokens": 429,
    "invalid_request_error": 400, "badrequesterror": 400, "invalid_argument": 400, "content_filter": 400,
    "context_length_exceeded": 400, "authentication_error": 401, "unauthenticated": 401, "invalid_api_key": 401,
    "permission_error": 403, "permission_denied": 403, "not_found_error": 404, "model_not_found": 404, "not_found": 404,
    "server_error": 500, "internal_server_error": 500, "internal_error": 500, "internalservererror": 500, "api_error": 500,
    "internal": 500, "bad_gateway": 502, "service_unavailable": 503, "unavailable": 503, "slow_down": 503,
    "overloaded_error": 529, "overloaded": 529, "timeout": 504, "timeout_error": 504, "deadline_exceeded": 504,
}  # fmt: skip
"""The status that an error inside a 200 would have had, by its code or type."""
_MESSAGES = ("message", "msg", "detail", "title", "error")
_NAMES = ("code", "type", "status", "error_code", "reason")


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The Fault for an HTTP error. headers: lower-case names. Total."""
    return _fault(status, headers, body, read_error(body))


def classify_inner(headers: Mapping[str, str], body: bytes) -> Fault:
    """The Fault for an error document inside a successful response, by the status it would have had."""
    error = read_error(body)
    inner = error.status or next((_STATUS_OF[name] for name in error.names.split() if name in _STATUS_OF), 0)
    if inner:
        return _fault(inner, headers, body, error)
    message = f"an error instead of an answer: {error.message}"
    return Fault(code=Code.MALFORMED, message=message, headers=limit_headers(headers), told=told(headers), status=200)


def read_error(body: bytes) -> ErrorDocument:
    """An error body in any of the shapes seen: OpenAI's, a bare text, FastAPI's detail, Google's list, HTML."""
    found = parse(body)
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return ErrorDocument(quoted(body) or "no explanation", "", "", 0)
    inner = found.get("error") or found.get("detail") or found.get("errors") or found
    if isinstance(inner, list):
        inner = inner[0] if inner else found
    if not isinstance(inner, dict):
        inner = {**found, "message": inner}
    message = next((inner[name] for name in _MESSAGES if isinstance(inner.get(name), str)), "")
    message = f"{message} {text(field(inner, 'metadata', 'raw'))}".strip()  # a router shows what its provider said
    details = field(inner, "details")
    reasons = (
        [field(detail, "reason") for detail in details[:20]] if isinstance(details, list) else [field(details, "error_code")]
    )
    names = " ".join(map(_name, [*map(inner.get, _NAMES), *reasons])).strip()
    return ErrorDocument(quoted(message or body, 500), names, _param(inner), _status(inner))


def limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What the limiter may learn from, cut to a sane length."""
    return {name: _clean(value) for name, value in headers.items() if name.startswith(LIMIT_HEADERS) and len(name) < 100}


def _fault(status: int, headers: Mapping[str, str], body: bytes, error: ErrorDocument) -> Fault:
    row = _row(status, error, body)
    code, hint = row.code, row.hint
    wait = wait_s(headers, body) if code in (Code.RATE_LIMITED, Code.TRANSIENT) else None
    if headers.get("x-should-retry", "").strip().lower() == "false" and code in (Code.RATE_LIMITED, Code.TRANSIENT):
        code = Code.QUOTA if code is Code.RATE_LIMITED else Code.BAD_REQUEST
        hint = "the server says that another try would not help"
    limits, refused = all_told(headers, body, error.message) if code is Code.RATE_LIMITED else (told(headers), "")
    where = f" to {quoted(headers.get('location', '').partition('?')[0])}" if 300 <= status < 400 else ""
    where += f" ({quoted(error.param, 60)})" if error.param not in error.message else ""
    return Fault(
        code=code, message=f"HTTP {status}{where}: {error.message}", hint=hint, retry_after_s=wait, scope=row.scope,
        headers=limit_headers(headers), told=limits, refused=refused, overload=row.overload, status=status,
    )  # fmt: skip


def _row(status: int, error: ErrorDocument, body: bytes) -> Row:
    if status == 429 and _of_today(error, body):
        return _BY_DAY
    if status == 429 and _spent(error, body):
        return _OUT_OF_QUOTA
    if status == 429 and (sizes := _REQUESTED.search(error.message)) and int(sizes.group(2)) > int(sizes.group(1)):
        return _TOO_LARGE  # it would not fit if nothing else had been asked for
    return next(row for row in TABLE if row.fits(status, error))


def _of_today(error: ErrorDocument, body: bytes) -> bool:
    """A quota by the day, or none at all: it ends no sooner than tomorrow."""
    return b"PerDay" in body or re.search(r"\blimit:? 0\b(?![.,][0-9])", error.message) is not None


def _spent(error: ErrorDocument, body: bytes) -> bool:
    """A 429 that no waiting cures. Google's words about billing also come with limits per minute: then it names a wait."""
    if re.search(OUT_OF_MONEY, error.message.lower()) is None:
        return False
    return asked_in(body.decode("utf-8", "replace")) is None


def _name(value: Any) -> str:
    return value.strip().lower().replace(" ", "_")[:80] if isinstance(value, str) else ""


def _status(error: dict[str, Any]) -> int:
    for name in ("status", "code", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 0


def _param(error: dict[str, Any]) -> str:
    """The refused parameter: OpenAI's `param`, or the place that a validation error points at."""
    place = error.get("loc")
    if isinstance(place, list):
        return next((part for part in place if isinstance(part, str) and part != "body"), "")
    return text(error.get("param"))


def _clean(value: str) -> str:
    return value[:_LONGEST_HEADER].encode("utf-8", "replace").decode("utf-8", "replace")
