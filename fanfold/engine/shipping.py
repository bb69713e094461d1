"""A request for several cells, as the shell sees it: asked once, then each answer is looked at by itself.

It is given up when nobody waits for any of it. A call that is cancelled alone is over when the request is: with its share of what that used.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fanfold.core.commands import Call
from fanfold.engine.usercode import described
from fanfold.spec.calls import Answer, Fault, Usage
from fanfold.spec.errors import Code, StoreError

if TYPE_CHECKING:
    from fanfold.engine.shell import Flight, Shell

logger = logging.getLogger("fanfold")


class Shipment:
    """The calls of one request, while nothing has come of it."""

    __slots__ = ("_group", "_shell", "begun", "command", "flights", "task")

    def __init__(self, shell: Shell, command: Call, flights: list[Flight], group: asyncio.TaskGroup) -> None:
        self._shell, self.command, self.flights, self._group = shell, command, flights, group
        self.begun = False
        for flight in flights:
            flight.shipment = self
        self.task = group.create_task(self._ship())

    def forsake(self) -> None:
        """One of its calls was cancelled."""
        if self.begun and all(flight.cancelled for flight in self.flights):
            self.task.cancel()

    async def _ship(self) -> None:
        self.begun = True
        shares = await self._shares()
        for flight, share in zip(self.flights, shares, strict=True):
            flight.shipment = None
            if flight.cancelled:
                share = Fault(code=Code.CANCELLED, message="cancelled", usage=share.usage)
            if isinstance(share, Fault):
                self._shell.land(flight, share)
            else:
                flight.task = self._group.create_task(self._shell.examine(flight, share))

    async def _shares(self) -> list[Answer | Fault]:
        shell, command = self._shell, self.command
        try:
            if all(flight.cancelled for flight in self.flights):  # before it had begun
                raise asyncio.CancelledError
            return await shell.attempts.ask_together(shell.job_of(command.cell), command)
        except asyncio.CancelledError:
            if not all(flight.cancelled for flight in self.flights):
                raise
            fault = Fault(code=Code.CANCELLED, message="cancelled")
        except StoreError as error:
            fault = Fault(code=Code.STORE, message=str(error))
        except Exception as error:
            logger.exception("a call failed inside the engine")
            fault = Fault(code=Code.INTERNAL, message=described(error))
        if fault.code != Code.CANCELLED:
            return [fault for _ in self.flights]
        return [
            Fault(code=fault.code, message=fault.message, usage=Usage(tokens_in=flight.command.booked, exact=False))
            for flight in self.flights
        ]
