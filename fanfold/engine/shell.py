"""The asyncio shell: keeps the jobs, performs the conductor's commands, and turns what comes of them into facts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from fanfold.core.commands import Abandon, Call, Cancel, Command, Give, Prepare, Recall
from fanfold.core.conductor import FIRST, Conductor
from fanfold.core.grid import Grid
from fanfold.core.relive import Life
from fanfold.core.run import Cell, Rule
from fanfold.engine.attempt import Attempts, sound, spent
from fanfold.engine.bus import Bus
from fanfold.engine.dispatch import dispatch
from fanfold.engine.facts import Fact, Heard, Inbox, Offered, Prepared, Recalled, Settled
from fanfold.engine.forgotten import forgotten, warn_of
from fanfold.engine.job import Job
from fanfold.engine.recall import recall
from fanfold.engine.shipping import Shipment
from fanfold.engine.usercode import UserCode, described
from fanfold.spec.calls import Answer, Broken, Chunk, Fault, Hit, Reply, Usage, Work
from fanfold.spec.errors import Code, FanfoldError, PlanError, StoreError
from fanfold.spec.ports import Clock, Sink

logger = logging.getLogger("fanfold")


TELL = 128  # characters of content after which the conductor is told again: about 32 tokens


class Flight:
    """A call in the air, as the shell sees it. heard: characters of content so far; told: of them, known to the conductor."""

    __slots__ = ("_put", "begun", "cancelled", "command", "heard", "shipment", "task", "told")

    def __init__(self, command: Call, put: Callable[[Fact], None]) -> None:
        self.command, self._put = command, put
        self.heard = self.told = 0
        self.begun = self.cancelled = False
        self.task: asyncio.Task[None] | None = None
        self.shipment: Shipment | None = None  # while it is asked together with others

    def listen(self, chunk: Chunk) -> None:
        self.heard += len(chunk.text)
        if not self.told or self.heard - self.told >= TELL:
            self.told = self.heard
            self._put(Heard(self.command.call, max(1, self.heard // 4)))


class Preparation:
    """A cell that is being prepared beside the loop. fault: why it was given up. given: what it awaits while it is offered candidates."""

    __slots__ = ("begun", "fault", "given", "task")

    def __init__(self) -> None:
        self.begun = False
        self.fault: Fault | None = None
        self.given: asyncio.Future[Give] | None = None
        self.task: asyncio.Task[None] | None = None


class Shell:
    def __init__(self, conductor: Conductor, clock: Clock) -> None:
        self.conductor, self.clock = conductor, clock
        self.inbox = Inbox(clock)
        self.bus = Bus(lambda run: self._jobs[run.id], lambda run: self._jobs.pop(run.id, None))
        self.attempts = Attempts(UserCode(clock))
        self._jobs: dict[int, Job] = {}
        self._flights: dict[int, Flight] = {}
        self._preparations: dict[int, Preparation] = {}
        self._closed = False
        self._dispatching: asyncio.Task[None] | None = None
        self._error: StoreError | None = None

    # ================================================================ runs

    def start(
        self,
        job: Job,
        rules: Sequence[Rule],
        *,
        seed: int,
        cap: int | None,
        deadline: int | None,
        priority: int = 1,
        life: Life = FIRST,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Begin a run, or go on with it. Returns at once. Raises StoreError when an earlier run broke the store."""
        if self._closed:
            raise FanfoldError("the engine is closed: start runs inside its `async with`")
        if self._error is not None:
            raise self._error
        for sink in sinks:
            self.bus.attach(job, sink)
        grid = Grid(job.plan)
        run = self.conductor.add(
            grid, rules, self.clock.now(), seed=seed, cap=cap, deadline=deadline, priority=priority, life=life
        )
        job.run = run
        self._jobs[run.id] = job
        self._go()

    def going(self, run_id: str) -> None:
        """Raises PlanError where the run goes on here: whoever goes on with it beside that would make everything twice.

        StoreError when an earlier run broke the store.
        """
        if self._error is not None:
            raise self._error
        if any(job.run_id == run_id and not job.ended and job.error is None for job in self._jobs.values()):
            raise PlanError("run", f"run {run_id} is going on in this engine", "await its result, or cancel it first")

    def cancel(self, job: Job) -> None:
        """Stop a run: nothing more starts, what is in the air is cancelled."""
        job.followed = True
        if job.run is not None:
            self.conductor.cancel(job.run, self.clock.now())
            self.inbox.nudge()

    def _go(self) -> None:
        if self._dispatching is None or self._dispatching.done():
            self._dispatching = asyncio.get_running_loop().create_task(dispatch(self), name="fanfold-dispatch")
            self._dispatching.add_done_callback(self._stopped)
        else:
            self.inbox.nudge()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """The loop has ended: for want of work, or because the store failed."""
        if task.cancelled():
            error: BaseException | None = asyncio.CancelledError()
        else:
            error = task.exception()
        if error is None:
            if self.conductor.busy or not self.conductor.silent:  # a run was added, or ended, while the loop was leaving
                self._go()
            return
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        broken = error if isinstance(error, StoreError) else StoreError(f"the engine stopped: {described(error)}")
        if not isinstance(error, StoreError | asyncio.CancelledError):
            logger.error("the engine stopped", exc_info=error)
        self._error = broken
        lost = forgotten(self._jobs.values()) if task.cancelled() else []
        for job in self._jobs.values():
            if job.run is not None:
                job.run.keys.leave()  # what it reserved is free for other engines
            if not job.ended:
                job.broke(broken)
        warn_of(lost, "its event loop ended")

    async def close(self, *, expected: bool = False) -> None:
        """Cancel every run and wait until nothing of them is left. expected: nobody is told of runs that he forgot."""
        self._closed = True
        lost = [] if expected else forgotten(self._jobs.values())
        for job in list(self._jobs.values()):
            if not job.ended and job.error is None:
                self.cancel(job)
        while self._dispatching is not None and not self._dispatching.done():
            await asyncio.wait([self._dispatching])
        warn_of(lost, "its engine was closed")

    # ================================================================ commands

    def perform(self, command: Command, group: asyncio.TaskGroup) -> None:
        """Begin what the conductor asks for. Each ends by putting one fact into the inbox."""
        if isinstance(command, Prepare):
            self._prepare(command.cell, group)
        elif isinstance(command, Give):
            self._give(command)
        elif isinstance(command, Abandon):
            self._abandon(command)
        elif isinstance(command, Call):
            self.conductor.sent(command.call, self.clock.now())  # writing the admission down may have taken a while
            flights = [Flight(call, self.inbox.put) for call in (command, *command.riders)]
            self._flights.update((flight.command.call, flight) for flight in flights)
            if command.riders:
                Shipment(self, command, flights, group)
            else:
                flights[0].task = group.create_task(self._fly(flights[0]))
        elif isinstance(command, Recall):
            group.create_task(self._recall(command))
        else:
            self._cancel(command)

    async def _recall(self, command: Recall) -> None:
        found = await recall(self._jobs[command.run.id], command.steps)
        self.inbox.put(Recalled(command.run, found))

    def _prepare(self, cell: Cell, group: asyncio.TaskGroup) -> None:
        job = self._jobs[cell.run.id]
        result = self.attempts.prepare_at_once(job, cell)
        if result is not None:
            self.inbox.put(Prepared(cell, result))
        else:
            preparation = self._preparations[cell.id] = Preparation()
            preparation.task = group.create_task(self._prepare_later(job, cell, preparation))

    async def _prepare_later(self, job: Job, cell: Cell, preparation: Preparation) -> None:
        preparation.begun = True
        result: Work | Hit | Broken
        try:
            if preparation.fault is not None:  # before it had begun
                raise asyncio.CancelledError
            result = await self.attempts.prepare(job, cell, partial(self._offer, cell, preparation))
        except asyncio.CancelledError:
            if preparation.fault is None:
                raise
            result = Broken(fault=preparation.fault)
        except StoreError as error:
            result = Broken(fault=Fault(code=Code.STORE, message=str(error)))
        except Exception as error:
            logger.exception("a preparation failed inside the engine")
            result = Broken(fault=Fault(code=Code.INTERNAL, message=described(error)))
        del self._preparations[cell.id]
        self.inbox.put(Prepared(cell, result))

    async def _offer(self, cell: Cell, preparation: Preparation, keys: Sequence[str]) -> Give:
        """Tell the conductor which candidates there are for a cell, and wait for what it is given of them."""
        preparation.given = asyncio.get_running_loop().create_future()
        self.inbox.put(Offered(cell, tuple(keys)))
        return await preparation.given

    def _give(self, command: Give) -> None:
        preparation = self._preparations.get(command.cell.id)
        if preparation is not None and preparation.given is not None and not preparation.given.done():
            preparation.given.set_result(command)

    def _abandon(self, command: Abandon) -> None:
        preparation = self._preparations.get(command.cell.id)
        if preparation is not None and preparation.task is not None and preparation.fault is None:
            preparation.fault = command.fault
            if preparation.begun:
                preparation.task.cancel()

    async def _fly(self, flight: Flight) -> None:
        command = flight.command
        job = self.job_of(command.cell)
        await self._perceive(flight, lambda: self.attempts.call(job, command, flight.listen, self.inbox.put), None)

    async def examine(self, flight: Flight, answer: Answer) -> None:
        """What came for one of several cells, that were asked together, is looked at."""
        command = flight.command
        job = self.job_of(command.cell)
        await self._perceive(flight, lambda: self.attempts.examined(job, command, answer, self.inbox.put), answer.usage)

    async def _perceive(self, flight: Flight, doing: Callable[[], Awaitable[Reply | Fault]], used: Usage | None) -> None:
        """What comes of a call, whatever happens. used: what it is known to have used already."""
        command = flight.command
        flight.begun = True
        try:
            if flight.cancelled:  # before it had begun: a task cancelled then would never get here
                raise asyncio.CancelledError
            outcome = sound(await doing())
        except asyncio.CancelledError:
            if not flight.cancelled:
                raise
            usage = spent(flight.heard, command.cell, command.phase) if used is None else used
            outcome = Fault(code=Code.CANCELLED, message="cancelled", usage=usage)
        except StoreError as error:
            outcome = Fault(code=Code.STORE, message=str(error), usage=used or Usage())
        except Exception as error:
            logger.exception("a call failed inside the engine")
            outcome = Fault(code=Code.INTERNAL, message=described(error), usage=used or Usage())
        self.land(flight, outcome)

    def land(self, flight: Flight, outcome: Reply | Fault) -> None:
        """A call is over."""
        call, cell = flight.command.call, flight.command.cell
        del self._flights[call]
        self.inbox.put(Settled(call, outcome, partial(self.job_of(cell).lay_down, cell, call)))

    def job_of(self, cell: Cell) -> Job:
        return self._jobs[cell.run.id]

    def _cancel(self, command: Cancel) -> None:
        flight = self._flights.get(command.call)
        if flight is None:
            return
        flight.cancelled = True
        if flight.shipment is not None:
            flight.shipment.forsake()
        elif flight.begun and flight.task is not None:
            flight.task.cancel()
