"""What a network failure means. Messages name host and port, never an address with its query, a header or a key."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING

from fanfold.providers.reading import quoted
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.errors import Code

if TYPE_CHECKING:
    import aiohttp

_OUR_OWN = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TooLarge(Exception):
    """A response is larger than it may be."""


class Silent(Exception):
    """A stream has brought no content for too long."""


def network_errors() -> tuple[type[Exception], ...]:
    """Everything that an exchange over the network can raise. Asked for only once something was raised."""
    import aiohttp

    return (aiohttp.ClientError, OSError, TooLarge, Silent)


def fault_of(error: Exception, host: str, timeout_s: float) -> Fault:
    """The Fault for a failure of the network. host: "name:port"."""
    import aiohttp

    if isinstance(error, TooLarge):
        return Fault(code=Code.MALFORMED, message=f"too large: {error}")
    if isinstance(error, Silent):
        return Fault(code=Code.TIMEOUT, message=str(error))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return refused(host, "no connection in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return unconnected(error.os_error, host)
    if isinstance(error, TimeoutError):
        return Fault(code=Code.TIMEOUT, message=f"no complete answer within {timeout_s:g} s")
    if isinstance(error, aiohttp.ClientResponseError):
        return _unreadable(error, host)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return Fault(code=Code.BAD_REQUEST, message=f"{host} is no usable address", hint="check the base URL", scope=Scope.LANE)
    return lost(host, error)


def lost(host: str, error: Exception) -> Fault:
    return Fault(code=Code.TRANSIENT, message=f"the connection to {host} was lost: {_reason(error)}")


def unconnected(error: OSError, host: str) -> Fault:
    if error.errno in _OUR_OWN:
        return Fault(code=Code.TRANSIENT, message=f"this machine cannot open a connection: {_reason(error)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "is its certificate authority known here?"
        return refused(host, f"its certificate is not trusted: {quoted(error.verify_message)}", hint)
    if isinstance(error, ssl.SSLError):
        return refused(host, "no TLS connection", "does it speak https?")
    return refused(host, _reason(error))


def refused(host: str, reason: str, hint: str = "") -> Fault:
    return Fault(
        code=Code.TRANSIENT, message=f"cannot connect to {host}: {reason}",
        hint=hint or f"is the server running at {host}?", scope=Scope.ENDPOINT,
    )  # fmt: skip


def _unreadable(error: aiohttp.ClientResponseError, host: str) -> Fault:
    """The head of the response is no HTTP, or longer than a head may be (the library says which only in words)."""
    if error.message.startswith(("Got more than", "Too many headers")):
        return headed_too_large(host)
    return Fault(code=Code.TRANSIENT, message=f"the answer from {host} is not readable as HTTP")


def headed_too_large(host: str) -> Fault:
    return Fault(
        code=Code.MALFORMED, message=f"too large: the headers of the answer from {host}", scope=Scope.ENDPOINT,
        hint="look at what stands between here and the model: a proxy adds them, or it is no model server",
    )  # fmt: skip


def _reason(error: Exception) -> str:
    """The operating system's words, or the kind of error: never the library's text, which may repeat an address."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    if type(error) in (OSError, socket.gaierror) and isinstance(error, OSError) and error.strerror:
        return quoted(error.strerror, 80)
    return type(error).__name__
