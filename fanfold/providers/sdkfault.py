"""What an exception of somebody's client means. Known by the names of its classes: the libraries are the user's, and not imported.

Messages name host and port and the kind of failure; a library's own words may repeat an address or a key, and are cleaned.
"""

from __future__ import annotations

from collections.abc import Iterator

from fanfold.providers.netfault import Silent, TooLarge, headed_too_large, lost, refused, unconnected
from fanfold.providers.reading import quoted
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.errors import Code
from fanfold.spec.hidden import hide, redact

_UNREACHED = frozenset({"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionTimeoutError"})
_LATE = frozenset({"TimeoutException", "APITimeoutError", "TimeoutError"})
_LOST = frozenset({
    "NetworkError", "ProtocolError", "TransportError", "APIConnectionError", "StreamError", "ClientError", "OSError",
})  # fmt: skip
_UNREADABLE = frozenset({"DecodingError", "ContentEncodingError", "UnicodeDecodeError", "JSONDecodeError"})
_NO_ADDRESS = frozenset({"UnsupportedProtocol", "InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError"})
_NO_KEY = frozenset({"RefreshError", "DefaultCredentialsError", "MutuallyExclusiveAuthError"})


def fault_of(error: Exception, host: str, timeout_s: float) -> Fault:
    """The Fault for what a client raised instead of a response. host: "name:port"."""
    if isinstance(error, TooLarge):
        return Fault(code=Code.MALFORMED, message=f"too large: {error}")
    if isinstance(error, Silent):
        return Fault(code=Code.TIMEOUT, message=str(error))
    names = {kind.__name__ for each in _chain(error) for kind in type(each).__mro__}
    if names & _NO_ADDRESS:
        return Fault(code=Code.BAD_REQUEST, message=f"{host} is no usable address", hint="check the base URL", scope=Scope.LANE)
    if names & _UNREACHED:
        return _unreached(error, host)
    if names & {"LineTooLong"}:
        return headed_too_large(host)
    if names & _LATE:
        return Fault(code=Code.TIMEOUT, message=f"no complete answer within {timeout_s:g} s")
    if names & _UNREADABLE:
        return Fault(code=Code.MALFORMED, message=f"the answer from {host} cannot be read: {type(error).__name__}")
    if names & _NO_KEY:
        said = f"the client has no valid key: {_said(error)}"
        return Fault(code=Code.AUTH, message=said, hint="check the client's credentials", scope=Scope.ACCOUNT)
    if names & _LOST:
        return lost(host, _deepest(error))
    return Fault(
        code=Code.INTERNAL, message=f"the client failed: {_said(error)}", scope=Scope.LANE,
        hint="make the client in the event loop that uses it, and keep it open until the run has ended",
    )  # fmt: skip


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _unreached(error: Exception, host: str) -> Fault:
    for each in _chain(error):
        for one in each.exceptions if isinstance(each, BaseExceptionGroup) else (each,):
            if isinstance(one, OSError) and (one.errno or hasattr(one, "verify_message")):
                return unconnected(getattr(one, "os_error", one), host)
    return refused(host, "no connection")


def _deepest(error: Exception) -> Exception:
    """What the operating system said, or else the first that was raised."""
    found = [each for each in _chain(error) if isinstance(each, Exception)]
    return next((each for each in reversed(found) if isinstance(each, OSError)), found[-1])


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {quoted(hide(redact(str(error))), 200)}"
