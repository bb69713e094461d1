"""From a plan to an exit code: the run, its progress, signals, the result, the report."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from fanfold.api import Engine, Run
from fanfold.cli.jobs import Job
from fanfold.cli.output import Target, line, say, write_out
from fanfold.config import Options
from fanfold.engine.logs import CleanFormat
from fanfold.engine.shapes import plain
from fanfold.result import Result, error_json
from fanfold.spec.errors import PlanError
from fanfold.views.progress import Progress
from fanfold.views.report import describe
from fanfold.views.wording import spoken
from fanfold.wiring import SIMULATED, default_model, leaves_open

UNWRITTEN = 4  # the result could not be written: as when the store fails
CANCELLED = 130  # by a second Ctrl-C: at once, wherever it is
ERRORS_SHOWN = 5
GC_THRESHOLD = (20_000, 20, 50)  # calls make many objects that end by counting: looking for cycles less often saves 8 % of a call


def execute(job: Job, options: Options, *, resume: str | None = None, retry_refused: bool = False) -> int:
    """Run it, write what came of it, and say how it went. resume: the run to go on with. Raises PlanError before anything is called, StoreError."""
    refuse_later(options)
    target = Target(options, job.name, tuple(job.documents))
    listen_to_logs(logging.INFO if options.verbose else logging.CRITICAL)
    model = options.model
    if model is None and resume is None and any(leaves_open(step, job.plan.model) for step in job.plan.steps):
        model = default_model()
        if not options.quiet:
            say(f"No model is named and no provider's key is set: answers are simulated ({SIMULATED}).")
    collect_less()
    lines = Lines()
    written = True
    by_row = job.tabular and target.tabular and (not options.stream or target.path is not None)
    result, failure = asyncio.run(_run(job, options, model, lines, resume, retry_refused, target if by_row else None))
    if by_row:
        written = failure is None or _unwritten(target, result, failure)
    elif not options.stream or target.path is not None:
        written = _write(job, result, target)
    if options.stream:
        lines.write({"report": result.report})
    if lines.error is not None:
        say(f"fanfold: --stream could not be written to stdout: {lines.error.strerror}; run {result.run_id} is kept")
    _tell(result, options, target)
    return result.exit_code if written and lines.error is None else UNWRITTEN


def _write(job: Job, result: Result, target: Target) -> bool:
    """Whether the result could be written."""
    data = {**job.content(result), **result.trailer()}
    try:
        write_result(target, job, result, data)
    except OSError as error:
        return _unwritten(target, result, error)
    return True


def _unwritten(target: Target, result: Result, error: OSError) -> bool:
    where, why = target.path or "stdout", error.strerror or error
    say(f"fanfold: the result cannot be written to {where}: {why}; run {result.run_id} is kept")
    return False


class Lines:
    """The lines of --stream. Where one cannot be written, the run goes on without them: `error` says why."""

    def __init__(self) -> None:
        self.error: OSError | None = None

    def write(self, data: dict[str, Any]) -> None:
        if self.error is None:
            try:
                write_out(line(data))
            except OSError as error:
                self.error = error


def write_result(target: Target, job: Job, result: Result, data: dict[str, Any]) -> None:
    if target.format in job.documents:
        target.write_text(job.documents[target.format](data))
    else:
        target.write(data, job.rows(result, data), job.markdown(result, data))


def collect_less() -> None:
    """What is loaded by now stays: the collector need not look at it again, nor often at what comes."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


def refuse_later(options: Options) -> None:
    """Options whose machinery is not there yet are refused, not ignored."""
    if options.cache is False and options.cache_ttl is not None:
        raise PlanError("--cache-ttl", "means nothing without the cache", "leave out --no-cache, or this")


async def _run(
    job: Job, options: Options, model: str | None, lines: Lines, resume: str | None, retry_refused: bool, target: Target | None
) -> tuple[Result, OSError | None]:
    """target: takes the rows, a page at a time; the result then holds no values. With how that failed, if it did."""
    engine = Engine(
        model, limits=options.limits, model_limits=options.model_limits, store=options.store, base_url=options.base_url, seed=options.seed, timeout_s=options.timeout,
        retries=options.retries, attempts=options.attempts, prices=options.prices, cache=_cached(job, options, resume), cache_ttl=options.cache_ttl,
    )  # fmt: skip
    holder: list[Run] = []
    progress = Progress.for_stream(sys.stderr, quiet=options.quiet, labels=lambda step, at: holder[0].labels(step, at))
    async with engine:
        with progress:
            words: dict[str, Any] = {"deadline_s": options.deadline, "budget_usd": options.budget_usd, "about": job.about}
            if resume is None:
                run = engine.start(job.plan, foresee=True, sinks=[progress], **words)
            else:
                run = await engine.resume(resume, job.plan, retry_refused=retry_refused, sinks=[progress], **words)
            holder.append(run)
            listen_for_signals(run.cancel)
            if options.stream:
                await _stream(run, lines)
            result = await run.result(held=target is None)
            try:
                if target is not None:
                    await target.save(await run.table())
            except OSError as error:
                return result, error
            return result, None


def _cached(job: Job, options: Options, resume: str | None) -> bool:
    """Whether earlier answers are taken. An application is asked for something new, unless a seed says that the same is wanted."""
    if options.cache is not None:
        return options.cache
    return job.cached or resume is not None or options.seed is not None or options.cache_ttl is not None


async def _stream(run: Run, lines: Lines) -> None:
    async for cell in run:
        shown: dict[str, Any] = {"step": cell.step, "cell": plain(cell.at), "state": cell.state}
        if cell.error is None or cell.value is not None:
            shown["value"] = plain(cell.value)
        if cell.error is not None:
            shown["error"] = error_json(cell.error)
        lines.write({**shown, "elapsed_s": cell.elapsed_s})


def listen_for_signals(cancel: Callable[[], None]) -> None:
    """The first Ctrl-C (or SIGTERM, or a terminal that goes away) cancels and keeps what is there; a second one ends at once."""
    loop = asyncio.get_running_loop()
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup wants no end

    def stop(number: int) -> None:
        for each in numbers:  # the next one ends the program, wherever it is
            loop.remove_signal_handler(each)
            signal.signal(each, lambda number, frame: os._exit(CANCELLED))
        cancel()

    for number in numbers:
        try:
            loop.add_signal_handler(number, stop, number)
        except NotImplementedError:  # Windows: KeyboardInterrupt ends the loop instead
            return


def _tell(result: Result, options: Options, target: Target) -> None:
    if not options.quiet:
        say("\n" + describe(result.report))
    for name, short in (result.shortfall or {}).items():
        say(f"{name}: {short['message']}")
    errors = result.errors
    for error in errors[:ERRORS_SHOWN] if not options.quiet or result.exit_code else []:
        where = ", ".join(f"{k} {spoken(v)}" for k, v in error.cell.items())
        hint = f" ({error.hint})" if error.hint else ""
        say(f"{error.stage}{f' [{where}]' if where else ''}: {error.code}: {error.message}{hint}")
    if len(errors) > ERRORS_SHOWN:
        say(f"… and {len(errors) - ERRORS_SHOWN} more without a value of their own")
    if target.path is not None and target.path.exists() and not options.quiet:
        say(f"Written to {target.path}")


def listen_to_logs(level: int) -> None:
    """Records of all libraries go to stderr, clean."""
    handler = logging.StreamHandler()
    handler.setFormatter(CleanFormat("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
