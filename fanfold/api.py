"""The front door: `generate`, `Engine`, `Run`. It decides nothing; it builds, starts and reads."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fanfold.core.conductor import Conductor
from fanfold.core.fold import RunState
from fanfold.core.money import Money
from fanfold.core.past import Past
from fanfold.core.relive import Life
from fanfold.core.run import Rule
from fanfold.ended import Ended, Ending, cell_error, drop_void, result_of
from fanfold.engine.answers import Answers
from fanfold.engine.clock import LoopClock
from fanfold.engine.fingerprint import changes
from fanfold.engine.job import Job, StepWork
from fanfold.engine.listening import Token, Tokens
from fanfold.engine.logs import CleanRecords
from fanfold.engine.shell import Shell
from fanfold.providers.prices import Tariff, has_list, own_prices
from fanfold.result import Result
from fanfold.spec.calls import At
from fanfold.spec.compile import compile_plan
from fanfold.spec.compiled import CompiledPlan
from fanfold.spec.errors import CellError, FanfoldError, PlanError, StoreError
from fanfold.spec.events import AnyEvent, BundleEnded, CellEnded, Coords, Reopened, RunEnded, StepSwept
from fanfold.spec.plan import UNSET, Candidates, Cell, Facets, Judge, Limits, Plan, Step, Unique
from fanfold.spec.ports import Cache, Clock, Provider, RunRecord, Sink, Store
from fanfold.spec.prices import Price
from fanfold.spec.secret import Secret
from fanfold.spec.words import PRIORITIES
from fanfold.table import check_format, united, write_table
from fanfold.views.progress import Progress, in_notebook
from fanfold.views.report import report
from fanfold.views.spend import Cost, by_model, cost_of
from fanfold.wiring import Settings, Wiring, default_model, describe_run, leaves_open, open_store, wire_steps

if TYPE_CHECKING:
    from fanfold.forecast.foresee import Forecast
    from fanfold.providers.sdk import Sdk

FORESEEABLE = 1_500  # cells of a run that is foreseen while it goes on; of more, it would take the time of the calls
FORESEE_AFTER_S = 0.3  # when its first calls are in the air
logger = logging.getLogger("fanfold")
logger.addHandler(logging.NullHandler())
logger.addFilter(CleanRecords())

T = TypeVar("T")
PAGE = 500


class RunCell:
    """A cell as it ends. at: coordinates; state: accepted, failed, skipped or cancelled; elapsed_s: since the run began."""

    __slots__ = ("at", "elapsed_s", "error", "state", "step", "value")

    def __init__(self, step: str, at: At, state: str, value: Any, error: CellError | None, elapsed_s: float) -> None:
        self.step, self.at, self.state, self.value, self.error, self.elapsed_s = step, at, state, value, error, elapsed_s

    def __repr__(self) -> str:
        return f"<RunCell {self.step}{list(self.at.values())} {self.state}>"


class Run:
    """One execution of a plan. Iterate over it for cells as they end; await `result()` for the whole."""

    def __init__(self, job: Job, shell: Shell, limits: Limits, bill: Bill) -> None:
        self._job, self._shell, self._limits, self._bill = job, shell, limits, bill
        self._table: Ended | None = None
        self._foreseeing: asyncio.Task[dict[str, Any] | None] | None = None

    @property
    def id(self) -> str:
        return self._job.run_id

    @property
    def state(self) -> str:
        """queued, running, complete, partial, failed or cancelled."""
        return self._job.state.state

    def labels(self, step: int, at: Coords) -> At:
        """Coordinates as a user sees them, of the indexes that events carry."""
        return self._job.labels(step, at)

    def cancel(self) -> None:
        """Stop: nothing more starts, what is in the air is cancelled, what is accepted stays. Idempotent."""
        self._shell.cancel(self._job)

    async def __aiter__(self) -> AsyncIterator[RunCell]:
        """Each cell once, as it ends, from the first one on. Reads the journal: a slow reader costs no memory.

        Raises StoreError when the store fails.
        """
        for kept in await self._kept():
            for cell in await self._cells(kept):
                yield cell
        after = self._job.first - 1
        while True:
            events = await self._job.journal.events(after, PAGE)
            for event in events:
                after = event.seq
                for cell in await self._cells(event):
                    yield cell
            if not events:
                if self._job.error is not None:
                    raise self._job.error
                if self._job.ended and self._job.written <= after:
                    return
                await self._job.more(after)

    async def _kept(self) -> list[CellEnded]:
        """Of a run that was gone on with: the ends that earlier lives left, and that are not void."""
        if not self._job.first:
            return []
        while self._job.written < self._job.first and self._job.error is None:
            await self._job.more(self._job.written)  # what is void is told with the first events of this life
        kept: dict[tuple[int, Coords], tuple[str, str]] = {}
        last: dict[tuple[int, Coords], CellEnded] = {}
        after = -1
        while events := await self._job.journal.events(after, PAGE):
            for event in events:
                if isinstance(event, CellEnded) and event.seq < self._job.first:
                    kept[event.step, event.at] = (event.state, event.code)
                    last[event.step, event.at] = event
                elif isinstance(event, Reopened):
                    drop_void(kept, event)
            after = events[-1].seq
        return [last[place] for place in kept]

    async def _cells(self, event: Any) -> list[RunCell]:
        elapsed_s = round(event.t / 1e6, 3)
        if isinstance(event, CellEnded):
            value = None
            if event.state == "accepted":
                value = (await self._job.values.get(event.step, [event.at]))[event.at]
            return [self._cell(event.step, event.at, event.state, value, event if event.code else None, elapsed_s)]
        if isinstance(event, BundleEnded):
            assert self._job.run is not None
            grid, ending = self._job.run.grid, Ending(event.state, event.code, event.message, event.hint)
            places = (grid.coords(event.step, event.at, i) for i in range(event.start, event.stop))
            return [self._cell(event.step, at, event.state, None, ending, elapsed_s) for at in places]
        if isinstance(event, StepSwept):
            return await self._swept(event, elapsed_s)
        return []

    async def _swept(self, event: StepSwept, elapsed_s: float) -> list[RunCell]:
        """The cells that the stop of the run ended: those that the journal has nothing else about."""
        assert self._job.run is not None
        ended: dict[tuple[int, Coords], tuple[str, str]] = {}
        after = -1
        grid = self._job.run.grid
        while events := await self._job.journal.events(after, PAGE):
            for e in events:
                if isinstance(e, CellEnded) and e.step == event.step:
                    ended[e.step, e.at] = (e.state, e.code)
                elif isinstance(e, Reopened):
                    drop_void(ended, e)
                elif isinstance(e, BundleEnded) and e.step == event.step and e.seq >= self._job.first:  # earlier ones are void
                    ended |= {(e.step, grid.coords(e.step, e.at, i)): (e.state, e.code) for i in range(e.start, e.stop)}
            after = events[-1].seq
        ending = Ending(event.state, event.code, event.message)
        return [
            self._cell(event.step, at, event.state, None, ending, elapsed_s)
            for at in grid.cells(event.step)
            if (event.step, at) not in ended
        ]

    def _cell(self, step: int, at: Coords, state: str, value: Any, why: Ending | CellEnded | None, elapsed_s: float) -> RunCell:
        error = None if why is None else cell_error(self._job, step, at, why)
        return RunCell(self._job.steps[step].name, self._job.labels(step, at), state, value, error, elapsed_s)

    def tokens(self, *steps: str) -> Tokens:
        """What the calls of these steps say, piece by piece while they say it; none named: of all steps. Each piece is a `Token`.

        From here on those steps are asked for their answers in pieces, where the provider can; what comes whole is one piece. Any
        number of listeners, from any moment; a slow one gets more at a time and holds nothing up. Raises PlanError for an unknown step.
        """
        names = [work.name for work in self._job.steps]
        for step in steps:
            if step not in names:
                raise PlanError("tokens", f"there is no step {step!r}", f"one of {', '.join(names)}")
        return Tokens(self._job, [names.index(step) for step in steps or names])

    async def rows(self) -> AsyncIterator[dict[str, Any]]:
        """Wait for the end; then one flat row a cell, in axis order, read from the store as they are asked for. Raises StoreError."""
        ended = await self.table()
        names = [column.name for column in united(ended.tables)]
        async for page in ended.rows():
            for row in page:
                yield {name: row.get(name) for name in names}

    async def export(self, path: str | Path, format: str | None = None) -> None:
        """Wait for the end; then its rows to a file: csv, jsonl or parquet, by the file's ending unless it is said. A page of them is held
        at a time, and the file is there whole or not at all. Raises PlanError for another format, OSError, StoreError."""
        form = format or Path(path).suffix.lower().lstrip(".")
        check_format(str(path), form)
        await write_table(await self.table(), path, form)

    async def table(self) -> Ended:
        """Wait for the end; then how each cell ended, and its rows, a page at a time. Raises StoreError."""
        await self.ended()
        if self._table is None:
            await self._bill.load()
            ended = Ended(self._job, self._bill.price)
            await ended.load()
            self._table = ended
        return self._table

    async def result(self, *, held: bool = True) -> Result:
        """Wait for the end, and read the whole. Never raises for failed cells. Raises StoreError when the store failed.

        held: False: only cells that have an error are in it, for runs of more cells than are to be held; see `rows` and `export`.
        """
        await self.ended()
        if self._foreseeing is not None:
            self._job.foreseen = await self._foreseeing
            self._foreseeing = None
        await self._bill.load()
        if isinstance(self._job.journal, LateJournal):
            notes = {} if self._job.foreseen is None else {"foreseen": self._job.foreseen}
            try:
                await self._job.journal.close(self._bill.cost().usd, notes)
            except StoreError as error:  # the run is there all the same
                logger.warning("run %s: what it has cost could not be kept: %s", self.id, error)
        return await result_of(await self.table(), self.report(), held=held)

    async def ended(self) -> None:
        """Wait for the end. Raises StoreError when the store failed."""
        while not self._job.ended:
            if self._job.error is not None:
                raise self._job.error
            await self._job.more(self._job.written)

    def report(self) -> dict[str, Any]:
        """The report as it stands now; final once the run has ended."""
        cost = self._bill.cost()
        told = report(self._job.state, run_id=self.id, cost_usd=cost.usd, cost_is=cost.is_, limits=self._limits)
        told["models"] = self._bill.by_model()
        if cost.uncertain:
            told["cost_uncertain_usd"] = cost.uncertain
        if self._job.foreseen is not None:
            told["foreseen"] = self._job.foreseen
        return told

    def __repr__(self) -> str:
        return f"<Run {self.id} {self._job.state!r}>"


class Bill:
    """What a run costs. models: those that it may call."""

    def __init__(self, job: Job, tariff: Tariff, models: Iterable[str]) -> None:
        self._job, self._tariff, self._models = job, tariff, set(models)

    async def load(self) -> None:
        """Look the prices up beside the loop: it takes a moment, once."""
        models = self._all()
        if not all(map(self._tariff.knows, models)):
            await asyncio.to_thread(self._tariff.all, models)

    def price(self, model: str) -> Price | None:
        return self._tariff.of(model) if model else None

    def cost(self) -> Cost:
        return cost_of(self._job.state, self._tariff.all(self._all()), len(self._models))

    def by_model(self) -> dict[str, dict[str, Any]]:
        return by_model(self._job.state, self._tariff.all(self._all()))

    def _all(self) -> set[str]:
        """Earlier lives of the run may have called others."""
        return {*self._models, *self._job.state.used}


class RunLog:
    """A sink: ERROR once per failed cell (once for cells that failed together), INFO at the end with the duration."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if isinstance(event, CellEnded) and event.state == "failed":
                where = ", ".join(f"{k}={v}" for k, v in self._job.labels(event.step, event.at).items())
                logger.error("%s[%s] %s: %s", self._job.steps[event.step].name, where, event.code, event.message)
            elif isinstance(event, BundleEnded) and event.state == "failed":
                count = event.stop - event.start
                logger.error("%s: %d cells %s: %s", self._job.steps[event.step].name, count, event.code, event.message)
            elif isinstance(event, RunEnded):
                logger.info(
                    "run %s of %s ended: %s in %.2f s", self._job.run_id, self._job.plan.plan.name, event.state, event.t / 1e6
                )


class Engine:
    """Where runs are made: models, limits and a store, shared by all runs in it.

    model: `provider/name`, for plans and steps that name none; None: the simulated provider, unless a key is set.
    base_url: of an OpenAI-compatible server. limits: declared, hold exactly, for each model alike; model_limits: by model, before those. store: a path, ":memory:", a Store, or None for
    `runs.db` in the user's data folder. seed: of jitter and of the simulated provider. timeout_s: for one call. idle_s: the
    longest silence without content in a streamed answer, pings not counted.
    retries: transport faults per attempt. attempts: overrides every step's. prices: model -> US dollars for a million tokens in, and
    out; before those of the public list (the extra `prices`). cache: whether what was asked before is answered from the store, and what is
    answered is kept there; None: only in runs that are gone on with. cache_ttl: seconds for which an answer is good; None: a month, for
    ever at temperature 0. With the cache the seed is 0 unless it is given. client: your own `AsyncOpenAI`, `AsyncAnthropic` or
    `google.genai.Client` (or a list of them), through which the calls for its provider go; it stays yours to close. Raises PlanError and StoreError.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        limits: Limits | None = None,
        model_limits: Mapping[str, Limits] | None = None,
        store: str | Path | Store | None = None,
        base_url: str | None = None,
        api_key: Secret | str | None = None,
        seed: int | None = None,
        timeout_s: float = 120.0,
        idle_s: float = 60.0,
        retries: int = 4,
        attempts: int | None = None,
        prices: Mapping[str, Any] | None = None,
        cache: bool | None = None,
        cache_ttl: float | None = None,
        client: Any = None,
        provider: Provider | None = None,
        clock: Clock | None = None,
    ) -> None:
        _positive("timeout_s", timeout_s)
        _positive("idle_s", idle_s)
        if cache_ttl is not None:
            _positive("cache_ttl", cache_ttl)
        if cache is not None and not isinstance(cache, bool):
            raise PlanError("cache", f"True, False or None is needed, not {cache!r}")
        for name, number, least in (("retries", retries, 0), ("attempts", attempts, 1), ("seed", seed, -(1 << 63))):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
                raise PlanError(name, f"a whole number is needed, not {number!r}")
        if limits is not None and not isinstance(limits, Limits):
            raise PlanError("limits", f"limits are a Limits, not {type(limits).__name__}", "write Limits(rpm=500)")
        # who wants the same answers again wants the same questions: facets are placed, and the simulated model answers, by the seed
        self._seed = seed if seed is not None else 0 if cache else secrets.randbits(31)
        settings = Settings(
            base_url=base_url, api_key=_secret(api_key), limits=limits or Limits(), model_limits=model_limits or {}, timeout_s=timeout_s, idle_s=idle_s, retries=retries,
            attempts=attempts, seed=self._seed, provider=provider, prices=own_prices(prices or {}), clients=_clients(client, base_url, api_key),
        )  # fmt: skip
        self._model = model
        self._tariff = Tariff(settings.prices, listed=provider is None)
        conductor = Conductor(cap=settings.limits.concurrent or 1 << 30)
        self._wiring = Wiring(settings, conductor)
        if model is not None:
            self._wiring.chain(model)  # a wrong name is found now, not at the first plan
        self._shell = Shell(conductor, clock or LoopClock())
        self._store_name = store
        self._store: Store | None = None
        self._owns_store = False
        self._cache, self._cache_ttl = cache, cache_ttl
        self._answers: Answers | None = None

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._end(expected=kind is not None)

    async def close(self) -> None:
        """End every run that still goes on, and let go of connections and the store. Warns of runs that nobody waited for."""
        await self._end()

    async def _end(self, *, expected: bool = False) -> None:
        try:
            await self._shell.close(expected=expected)
        finally:
            await self._wiring.close()
            if self._answers is not None:
                await self._answers.flush()
            if self._store is not None and self._owns_store:
                await self._store.close()
                self._store = None

    def start(
        self,
        plan: Plan,
        *,
        deadline_s: float | None = None,
        budget_usd: float | None = None,
        seed: int | None = None,
        priority: str = "normal",
        progress: bool = False,
        foresee: bool = False,
        sinks: Sequence[Sink] = (),
        about: Mapping[str, Any] | None = None,
    ) -> Run:
        """Begin a run and return at once. Raises PlanError before anything is called, StoreError when the store cannot be had.

        deadline_s: seconds from now; what has not ended by then fails with `timeout`. budget_usd: what it may cost, what is in the air
        apart; what has not ended when it is used up fails with `budget`. Every model of the plan needs a price. priority: "critical", "normal" or "optional":
        among runs that have calls to make, they get them as 16 to 4 to 1. progress: show it on stderr, or in the
        notebook. foresee: say beside the run what it should take, and keep that with it: `report["foreseen"]`. sinks: views, told every batch of events of this life. about: what the run's record keeps beside the plan's name.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise FanfoldError("an Engine needs a running event loop: use it inside asyncio.run, or use generate()") from None
        if deadline_s is not None:
            _positive("deadline_s", deadline_s)
        if priority not in PRIORITIES:
            raise PlanError("priority", f"{priority!r} is not a priority", "one of " + ", ".join(PRIORITIES))
        compiled, works, rules, model = self._wired(plan, self._model)
        record = RunRecord(
            run_id=_new_run_id(),
            plan=plan.name,
            started=time.time(),
            about=describe_run(compiled, works, self._wiring.settings, model, _with_budget(about, budget_usd)),
        )
        job = Job(record.run_id, compiled, works, LateJournal(self._opened(), record))
        job.answers = self._kept_answers(default=False)
        views = self._views(job, sinks, progress)
        self._shell.start(
            job, rules, seed=self._seed if seed is None else seed, cap=plan.concurrent,
            deadline=None if deadline_s is None else round(deadline_s * 1e6), priority=PRIORITIES.index(priority),
            life=Life(_wall(), money=self._money(works, budget_usd, job.state)), sinks=views,
        )  # fmt: skip
        logger.info("run %s of %s began: %s with %s", record.run_id, plan.name, ", ".join(w.name for w in works), model)
        run = self._run(job)
        if foresee and job.run is not None and sum(job.run.grid.totals) <= FORESEEABLE:
            run._foreseeing = asyncio.get_running_loop().create_task(self._foresee_beside(job, plan, deadline_s))
        return run

    async def resume(
        self,
        run_id: str,
        plan: Plan,
        *,
        deadline_s: float | None = None,
        budget_usd: float | None = None,
        priority: str = "normal",
        retry_refused: bool = False,
        progress: bool = False,
        sinks: Sequence[Sink] = (),
        about: Mapping[str, Any] | None = None,
    ) -> Run:
        """Go on with a run of the store where it stopped or was cut off: nothing that was accepted is made again.

        plan: that of the run. Where its words have changed, the steps concerned are made again, and all that is made from them; axes may
        have become longer, and steps may follow. What failed for outside reasons (a lost connection, a wrong key, the budget, a
        deadline) is tried again; retry_refused: answers that were refused, too. model: the engine's, else that of the run.
        budget_usd: for all its lives together. Raises PlanError for a run that is not there or a plan that is not its own, StoreError.
        """
        if deadline_s is not None:
            _positive("deadline_s", deadline_s)
        if priority not in PRIORITIES:
            raise PlanError("priority", f"{priority!r} is not a priority", "one of " + ", ".join(PRIORITIES))
        self._shell.going(run_id)
        record = await self._recorded(run_id, plan)
        before = msgspec.json.decode(record.about)
        compiled, works, rules, model = self._wired(plan, self._model or before.get("model"))
        changed = changes(before.get("words", {}), compiled, works)
        told = {
            **before,
            **msgspec.json.decode(describe_run(compiled, works, self._wiring.settings, model, _with_budget(about, budget_usd))),
        }
        told["seed"] = before.get("seed", told["seed"])
        record = msgspec.structs.replace(record, state="running", about=msgspec.json.encode(told))
        journal = LateJournal(self._opened(), record)
        job = Job(run_id, compiled, works, journal)
        job.store = self._store
        job.answers = self._kept_answers(default=True)
        past = await job.read_on()
        _check_steps(run_id, past, works)
        self._money(works, budget_usd, job.state)  # what is wrong is said before anything is written
        await journal.take(job, past)
        _check_steps(run_id, past, works)
        self._shell.going(run_id)
        views = self._views(job, sinks, progress)
        job.state.cut_off()
        job.take_back(past, changed)
        self._shell.start(
            job, rules, seed=past.seed, cap=plan.concurrent, deadline=None if deadline_s is None else round(deadline_s * 1e6),
            priority=PRIORITIES.index(priority), sinks=views,
            life=Life(_wall(), past, changed, retry_refused, self._money(works, budget_usd, job.state)),
        )  # fmt: skip
        logger.info("run %s of %s goes on: %s with %s", run_id, plan.name, ", ".join(w.name for w in works), model)
        return self._run(job)

    async def _recorded(self, run_id: str, plan: Plan) -> RunRecord:
        """What the store knows of a run. Raises PlanError when there is no such run, or it is of another plan."""
        records = await self._opened().runs(run_id)
        if not records:
            raise PlanError("run", f"there is no run {run_id!r} in this store", "see `fanfold runs list`, or give its --store")
        if records[0].plan != plan.name:
            raise PlanError(
                "plan",
                f"run {run_id} is of the plan {records[0].plan!r}, not {plan.name!r}",
                "give the plan that it was begun with",
            )
        return records[0]

    def _wired(self, plan: Plan, named: str | None) -> tuple[CompiledPlan, list[StepWork], list[Rule], str]:
        """The plan, read and joined to its models, and the model of steps that name none. Raises PlanError."""
        compiled = compile_plan(plan)
        needs_model = any(leaves_open(s.step, plan.model) for s in compiled.steps)
        if needs_model and named is None and (kinds := ", ".join(self._wiring.settings.clients)):
            raise PlanError(
                "model",
                f"no model is named for the client of {kinds}",
                'name one, e.g. Engine("openai/gpt-4o-mini", client=client)',
            )
        model = named or (default_model() if needs_model and self._wiring.settings.provider is None else "sim/default")
        return compiled, *wire_steps(compiled, self._wiring, model), model

    def _money(self, works: Sequence[StepWork], budget_usd: float | None, before: RunState) -> Money | None:
        """What the run may cost. Raises PlanError where a model has no price."""
        lanes = [self._shell.conductor.lanes[lane] for lane in sorted(_lanes(works))]
        if budget_usd is None:
            return None
        if isinstance(budget_usd, bool) or not isinstance(budget_usd, int | float) or not 0 < budget_usd < float("inf"):
            raise PlanError("budget_usd", f"a number of US dollars above 0 is needed, not {budget_usd!r}")
        for lane in lanes:
            lane.price = self._tariff.of(lane.name)
            if lane.price is None:
                hint = "" if has_list() else ", or install the public list: pip install 'fanfold[prices]'"
                raise PlanError(
                    "budget_usd", f"nobody has told what {lane.name} costs",
                    f'say it in the config: prices = {{"{lane.name}" = [0.15, 0.60]}} (dollars for a million tokens in, and out){hint}',
                )  # fmt: skip
        spent = cost_of(before, self._tariff.all(before.used), 0)
        return Money(budget_usd, spent.usd or 0.0)

    def _opened(self) -> Store:
        if self._store is None:
            self._store, self._owns_store = open_store(self._store_name)
        return self._store

    def _kept_answers(self, default: bool) -> Answers | None:
        """The cache of the store, one for all runs of the engine; None where it is not used, or the store has none."""
        cache: Cache | None = getattr(self._opened(), "cache", None)
        if cache is None or not (default if self._cache is None else self._cache):
            return None
        if self._answers is None:
            self._answers = Answers(cache, self._cache_ttl, time.time)
        return self._answers

    def _views(self, job: Job, sinks: Sequence[Sink], progress: bool) -> list[Sink]:
        shown = [Progress.for_stream(sys.stderr, labels=job.labels)] if progress else []
        for sink in [*sinks, *shown]:
            if job.first and isinstance(sink, Progress):
                sink.state = job.state  # it goes on from there
        return [*sinks, *shown, RunLog(job)]

    def _run(self, job: Job) -> Run:
        job.store = self._store
        models = [self._shell.conductor.lanes[lane].name for lane in _lanes(job.steps)]
        return Run(job, self._shell, self._wiring.settings.limits, Bill(job, self._tariff, models))

    async def _foresee_beside(self, job: Job, plan: Plan, deadline_s: float | None) -> dict[str, Any] | None:
        """A small forecast while the first calls are in the air, kept with the run: how good forecasts are is known afterwards."""
        from fanfold.forecast.calibration import brief

        await asyncio.sleep(FORESEE_AFTER_S)
        try:
            cells = max(1, sum(job.run.grid.totals) if job.run is not None else 1)
            return brief(await self.foresee(plan, deadline_s=deadline_s, seeds=min(20, max(3, FORESEEABLE // cells))))
        except (FanfoldError, StoreError) as error:
            logger.info("the run could not be foreseen: %s", error)
            return None

    async def foresee(
        self,
        plan: Plan,
        *,
        deadline_s: float | None = None,
        seed: int = 0,
        seeds: int | None = None,
        prices: Mapping[str, Any] | None = None,
        learn: bool = True,
    ) -> Forecast:
        """What a run of this plan would take: calls, tokens, cost, time, what binds it and what would change it. Nothing is called.

        seeds: how often it is run in virtual time, from `seed` on; None: as often as a few seconds allow. prices: before the engine's
        own. learn: from earlier runs in the store. Raises PlanError as `start` would, StoreError.
        """
        from fanfold.forecast.foresee import foresee
        from fanfold.foresight import ask, learned

        if deadline_s is not None:
            _positive("deadline_s", deadline_s)
        settings, compiled = self._wiring.settings, compile_plan(plan)
        asked = await asyncio.to_thread(ask, compiled, settings, self._model, deadline_s=deadline_s, prices=prices or {})
        if learn:
            asked = await learned(asked, self._store if self._store is not None else self._store_name)
        return await asyncio.to_thread(foresee, asked, seed=seed, seeds=seeds)

    async def run(self, plan: Plan, **options: Any) -> Result:
        """`start`, and its result. Cancelled when the caller is."""
        run = self.start(plan, **options)
        try:
            return await run.result()
        except asyncio.CancelledError:
            run.cancel()
            raise

    def __repr__(self) -> str:
        return f"<Engine {self._model or 'no default model'} {self._shell.conductor!r}>"


class LateJournal:
    """A run's journal, opened at its first use: `Engine.start` is not a coroutine."""

    def __init__(self, store: Store, record: RunRecord) -> None:
        self._store, self._record = store, record
        self._opening: asyncio.Task[Any] | None = None
        self._closed = False

    async def _open(self) -> Any:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._store.journal(self._record))
        return await asyncio.shield(self._opening)  # whoever gives up waiting does not end it for the others

    async def take(self, job: Job, past: Past) -> None:
        """Open it to go on with the run: nobody else works on it from here on. past: takes in what was written until now.

        Raises StoreError where somebody works on it.
        """
        await self._open()
        if not await job.read_more(past):
            return
        total = job.state.total  # until a moment ago somebody did: the record that was just written down is older than that
        self._record = msgspec.structs.replace(self._record, cells=total.cells, accepted=total.accepted)
        self._opening = None
        await self._open()

    async def close(self, cost_usd: float | None, notes: Mapping[str, Any]) -> None:
        """Keep what a run has cost, and something more, in the record of a run that has ended. Once."""
        await self._open()
        for record in [] if self._closed else await self._store.runs(self._record.run_id):
            self._closed = True
            about = msgspec.json.encode({**msgspec.json.decode(record.about), **notes})
            await self._store.journal(msgspec.structs.replace(record, cost_usd=cost_usd, about=about))

    async def append(self, events: Any, values: Any) -> None:
        await (await self._open()).append(events, values)

    async def events(self, after: int, limit: int) -> Any:
        return await (await self._open()).events(after, limit)

    async def values(self, step: int, cells: Any = None) -> Any:
        return await (await self._open()).values(step, cells)


def _secret(api_key: Secret | str | None) -> Secret | None:
    return Secret(api_key) if isinstance(api_key, str) and api_key else api_key or None


def _clients(client: Any, base_url: str | None, api_key: Any) -> dict[str, Sdk]:
    """By provider. Raises PlanError for an object that is no client, or one that is told its address twice."""
    if client is None:
        return {}
    if base_url is not None or api_key:
        raise PlanError("client", "a client has its own address and key", "leave out base_url and api_key, or the client")
    from fanfold.providers.sdk import sdks_of

    return sdks_of(client)


def _positive(name: str, seconds: Any) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise PlanError(name, f"a number of seconds above 0 is needed, not {seconds!r}")


def _with_budget(about: Mapping[str, Any] | None, budget_usd: float | None) -> dict[str, Any]:
    return {**(about or {}), **({} if budget_usd is None else {"budget_usd": budget_usd})}


def _wall() -> int:
    return round(time.time() * 1e6)


def _check_steps(run_id: str, past: Past, works: Sequence[StepWork]) -> None:
    """Cells are known by the number of their step: steps may follow, but not be left out. Raises PlanError."""
    before, now = [step.name for step in past.steps], [work.name for work in works]
    if now[: len(before)] != before or any(
        tuple(step.over) != work.compiled.over for step, work in zip(past.steps, works, strict=False)
    ):
        raise PlanError(
            "plan", f"run {run_id} has the steps {', '.join(before)}, the plan {', '.join(now)}, or they run over other axes",
            "begin a new run; prompts, checks and values may change, and steps may be added at the end",
        )  # fmt: skip


def _lanes(works: Sequence[StepWork]) -> set[int]:
    """Those that calls of the plan may take."""
    return {lane for work in works for lane in (*work.routes, *work.judge_routes)}


def _new_run_id() -> str:
    """Sorts by time, and is short enough to type."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


# ==================================================================== the one-liner


async def agenerate(
    prompt: str | Callable[..., Any],
    *,
    over: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    output: Any = str,
    system: str | Callable[..., Any] | None = None,
    unique: Unique | str | None = None,
    facets: Mapping[str, Sequence[Any]] | Facets | None = None,
    candidates: Candidates | Iterable[Any] | None = None,
    checks: Sequence[Callable[..., bool | str | None]] = (),
    judge: Judge | None = None,
    attempts: int = 5,
    known: Callable[[Cell], Any] | None = None,
    fallback: Any = UNSET,
    sampling: Mapping[str, Any] | None = None,
    items_per_call: int = 1,
    deadline_s: float | None = None,
    budget_usd: float | None = None,
    name: str = "answer",
    progress: bool | None = None,
    **engine: Any,
) -> Result:
    """One step over some axes, in one call. The words are those of `Step`, `Plan` and `Engine`.

    over: axis name -> its values, or `{"count": 100}`. progress: whether to show it; None: in notebooks.
    Raises PlanError before anything is called, StoreError.
    """
    step = Step(
        name, prompt, system, output=output, over=tuple(over or ()), unique=unique, facets=facets, candidates=candidates, checks=checks,
        judge=judge, attempts=attempts, known=known, fallback=fallback, sampling=sampling or {}, items_per_call=items_per_call,
    )  # fmt: skip
    plan = Plan(name, [step], over or (), given or {})
    async with Engine(**engine) as rooms:
        return await rooms.run(
            plan, deadline_s=deadline_s, budget_usd=budget_usd, progress=in_notebook() if progress is None else progress
        )


def generate(prompt: str | Callable[..., Any], **options: Any) -> Result:
    """`agenerate` without `await`: in scripts, and in notebooks whose loop is running already."""
    return run_sync(agenerate(prompt, **options))


def run_sync(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from synchronous code; beside a running loop, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main)
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(main))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=target, name="fanfold")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


__all__ = ["Engine", "Result", "Run", "RunCell", "StoreError", "Token", "Tokens", "agenerate", "generate", "run_sync"]
