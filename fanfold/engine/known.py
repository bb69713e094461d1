"""Before a call: is its answer known? After it: what of it is worth keeping?

A known answer is read, checked and named like any other, only that nobody was asked. Its judge is not asked again where the judge has
passed the very same question before; what the judge said then is judged anew by the step's `accept`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from fanfold.core.commands import Call
from fanfold.core.run import Cell as CoreCell
from fanfold.engine.answers import Answered, Entry
from fanfold.engine.asked import FORMAT, Asked, digest
from fanfold.engine.job import Job, Landing, Route, StepWork
from fanfold.engine.shapes import Unfit
from fanfold.spec.calls import Answer, Fault, Hit, Reply, Request, Usage, Work

if TYPE_CHECKING:
    from fanfold.engine.attempt import Attempts


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
    if reply.judge is not None and landing.draft is not None:
        reply = await _verdict(attempts, job, step, cell, reply, landing.draft.value)
    if landing.draft is not None:
        cell.work.previous = found.text
        job.drafts[cell.rule.index, cell.at] = landing.draft
    return Hit(reply=reply, work=work)


async def _verdict(attempts: Attempts, job: Job, step: StepWork, cell: CoreCell, reply: Reply, value: object) -> Reply:
    """The reply as it is where its judge has spoken before."""
    route = next(iter(step.judge_routes.values()))
    key = _judge_key(job, route, await attempts.judge_request(step, route, cell, value))
    found = await job.answers.get(key) if job.answers is not None and key is not None else None
    if not isinstance(found, Entry):
        return reply
    verdict = await attempts.verdict(step, Answer(text=found.text, usage=Usage()))
    if isinstance(verdict, Fault):
        return reply
    return replace(reply, judge=None) if verdict.verdict else replace(reply, finding=verdict.finding, check=verdict.check)


def _judge_key(job: Job, route: Route, request: Request) -> bytes | None:
    found = None if job.answers is None else digest(route, request)
    return None if found is None else Asked(found).key


# -------------------------------------------------------------------- what is kept


def worth_keeping(attempts: Attempts, job: Job, step: StepWork, command: Call, route: Route, answer: Answer) -> None:
    """Remember what an answer that may be accepted was the answer to. It is written only when it has been."""
    landing = job.landings[command.call]
    if landing.draft is None or job.answers is None:
        return
    request = attempts.request(step, route, command.cell)
    asked = ask(job, step, command.cell, route, request)
    if asked is not None:
        landing.draft.answers.append(Answered(asked, answer.text, _certain(request)))


def verdict_worth_keeping(job: Job, cell: CoreCell, route: Route, request: Request, answer: Answer) -> None:
    """Likewise for a judge that has passed the present answer of a cell."""
    key = _judge_key(job, route, request)
    draft = job.drafts.get((cell.rule.index, cell.at))
    if key is not None and draft is not None:
        draft.verdicts.append(Entry(FORMAT, key, answer.text, _certain(request)))


def _certain(request: Request) -> bool:
    return request.sampling.get("temperature") == 0
