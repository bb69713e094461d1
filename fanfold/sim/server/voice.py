"""What a dialect is to the server: a door, which reads requests and turns some away, and a voice, which answers one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiohttp import web

from fanfold.sim.simulation import Refusal, Script, Simulation
from fanfold.spec.calls import Request

encode = msgspec.json.Encoder().encode


class Refused(Exception):
    """A request that is answered with an error document."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class Voice(Protocol):
    """Answers one request. Everything it says is bytes; `Exchange` sends them."""

    @property
    def request(self) -> Request:
        """What was asked for, in our own words."""

    def whole(self, script: Script) -> bytes:
        """The whole answer, as a document."""

    def first(self, script: Script) -> bytes:
        """Events before the text."""

    def piece(self, script: Script, text: str) -> bytes:
        """The event that brings a piece of the text."""

    def last(self, script: Script) -> bytes:
        """Why the answer ends, what it cost, and the terminal signal."""

    def failure(self, fault: str, script: Script, *, hint: bool) -> tuple[int, bytes]:
        """A status and a document for "quota" and each of `STATUSES`. hint: a 429 says when to come back, where that is in words."""

    def refusal(self, refusal: Refusal, *, hint: bool) -> tuple[int, bytes]:
        """The same for a limit that says no."""

    def headers(self, simulation: Simulation, now: float, wait_s: float | None, script: Script | None) -> dict[str, str]:
        """Of any response. wait_s: until the client may come back. script: of an admitted call."""


class Door(Protocol):
    """Lets requests in. Everything raises Refused, in the dialect's words."""

    def authorize(self, request: web.Request, key: str) -> None:
        """Look at the key that the request shows."""

    def read(self, request: web.Request, raw: bytes) -> Voice:
        """Understand a request, and be ready to answer it."""

    def no_model(self, name: str) -> Refused:
        """The model is not known."""

    def failed(self, message: str) -> Refused:
        """The simulation cannot write an answer."""


def event(data: Any, name: str = "") -> bytes:
    """A server-sent event."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + encode(data) + b"\n\n"


def decoded(decode: Callable[[bytes], Any], raw: bytes, refuse: Callable[[str], Refused]) -> Any:
    """A body by its type; a fault in it is told in the words of `refuse`."""
    try:
        return decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(str(error)) from error
