"""Before a call: is its answer known? After it: what of it is worth keeping?

A known answer is read, checked and named like any other, only that nobody was asked. Its judge is not asked again where the judge has
passed the very same question before; what the judge said then is judged anew by the step's `accept`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from fanfold.core.commands import Call
from fanfold.core.run import Cell as CoreCell
from fanfold.engine.answers import Entry
from fanfold.engine.asked import Asked, digest
from fanfold.engine.job import Draft, Job, Landing, Route, StepWork
from fanfold.engine.shapes import Unfit
from fanfold.spec.calls import Answer, Fault, Hit, Reply, Request, Usage, Work

if TYPE_CHECKING:
    from fanfold.engine.attempt import Attempts
    from fanfold.engine.judging import Judging


def ask(job: Job, step: StepWork, cell: CoreCell, route: Route, request: Request) -> Asked | None:
    """What a cell asks there, with nothing appended. None where the cache is off, or where that cannot be written down."""
    if job.answers is None or (found := digest(route, request)) is None:
        return None
    return Asked(found, step.samples(job.plan).of(cell.at, cell.work.cell.at))


async def known(attempts: Attempts, job: Job, step: StepWork, cell: CoreCell, work: Work) -> Work | Hit:
    """The answer of a cell whose prompt is rendered, where the cache has it."""
    route = step.routes.get(cell.lane)
    asked = None if route is None else ask(job, step, cell, route, attempts.request(step, route, cell))
    if asked is None or job.answers is None:
        return work
    work = replace(work, same=asked.key.hex())
    found = await job.answers.get(asked.key)
    if isinstance(found, Entry):
        return await _hit(attempts, job, step, cell, work, found)
    return replace(work, spoilt=found) if found else work


async def _hit(attempts: Attempts, job: Job, step: StepWork, cell: CoreCell, work: Work, found: Entry) -> Work | Hit:
    try:
        value = step.shape.parse(found.text)
    except Unfit as error:
        return Hit(reply=Reply(usage=Usage(), check="schema", finding=str(error)), work=work)
    landing = Landing(found.text)
    reply = await attempts.judged(job, step, cell, value, Answer(text=found.text, usage=Usage()), landing)
    if isinstance(reply, Fault):
        return work  # a call will tell
    if landing.draft is not None:
        cell.work.previous = found.text
        job.drafts[cell.rule.index, cell.at] = landing.draft
        if reply.judge is not None:
            reply = await _opinion(attempts.judging, job, step, cell, reply, landing.draft)
    return Hit(reply=reply, work=work)


async def _opinion(judging: Judging, job: Job, step: StepWork, cell: CoreCell, reply: Reply, draft: Draft) -> Reply:
    """The reply as it is where its judge has spoken before: in both orders, where it compares."""
    for swapped in (False, True) if step.compares else (False,):
        verdict = await _verdict(judging, job, step, cell, draft, swapped=swapped)
        if not isinstance(verdict, Reply):
            return reply  # the judge is asked
        if not verdict.verdict:
            return replace(reply, finding=verdict.finding, check=verdict.check)
    return replace(reply, judge=None)


async def _verdict(
    judging: Judging, job: Job, step: StepWork, cell: CoreCell, draft: Draft, *, swapped: bool
) -> Reply | Fault | None:
    route = next(iter(step.judge_routes.values()))
    found = digest(route, await judging.request(step, route, cell.work.cell, draft, swapped=swapped))
    entry = await job.answers.get(Asked(found).key) if found is not None and job.answers is not None else None
    if not isinstance(entry, Entry):
        return None
    return await judging.read(step, Answer(text=entry.text, usage=Usage()), draft, swapped=swapped)


def worth_keeping(attempts: Attempts, job: Job, step: StepWork, command: Call, route: Route, answer: Answer) -> None:
    """Remember what an answer that may be accepted was the answer to. It is written only when it has been."""
    draft = job.landings[command.call].draft
    request = attempts.request(step, route, command.cell)
    if draft is not None and (asked := ask(job, step, command.cell, route, request)) is not None:
        draft.keep_answer(asked, request, answer.text)
