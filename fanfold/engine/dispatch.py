"""The loop. It decides nothing: what is to be done comes from the conductor, what has happened goes back to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanfold.engine.shell import Shell


async def dispatch(shell: Shell) -> None:
    """Run until the conductor has nothing left. Raises StoreError (in a group): then nothing more was sent."""
    conductor, clock = shell.conductor, shell.clock
    async with asyncio.TaskGroup() as group:
        while True:
            commands = conductor.commands(clock.now())
            await shell.bus.publish(conductor.drain())  # journal first: admissions are durable before a byte leaves
            for command in commands:
                shell.perform(command, group)
            if not conductor.busy:
                if conductor.silent:
                    break
                continue  # something ended while the last events were written
            facts = await shell.inbox.batch(until=conductor.wake_at(clock.now()))
            now = clock.now()
            for fact in facts:
                fact.tell(conductor, now)
