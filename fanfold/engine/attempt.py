"""The life of one attempt, as a pipeline of named steps:

    gather → render → size            (before the call: `prepare`)
    call → parse → identify → check → measure        (the call itself: `call`; a judge is asked in `judging`)

User code runs only here. Whatever goes wrong comes out as a Fault or a finding: nothing is raised but cancellation.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace as with_
from typing import Any

from msgspec.structs import replace

from fanfold.core.commands import FALLBACK, JUDGE, Call
from fanfold.core.run import Cell as CoreCell
from fanfold.engine.facts import Fact, Identified, Landed
from fanfold.engine.identity import Unkeyed, keyed, named
from fanfold.engine.job import Draft, Job, Landing, Route, StepWork
from fanfold.engine.judging import Judging, unasked
from fanfold.engine.known import known, worth_keeping
from fanfold.engine.offers import Offer, Unoffered, handed_out
from fanfold.engine.parcel import kin_of, request_for, shares
from fanfold.engine.prompts import PromptSource, as_messages, fill, tail, with_tail
from fanfold.engine.shapes import Unfit, length_of
from fanfold.engine.spread import proposal
from fanfold.engine.tokens import estimate, estimate_messages
from fanfold.engine.usercode import UserCode, described, sayable
from fanfold.spec.calls import Answer, Broken, Chunk, Fault, Hit, Message, Reply, Request, Usage, Work
from fanfold.spec.checking import takes_cell
from fanfold.spec.compiled import CompiledStep
from fanfold.spec.errors import Code, StoreError
from fanfold.spec.hidden import hide, redact
from fanfold.spec.plan import UNSET, Cell
from fanfold.spec.template import NoSuchField, Template

logger = logging.getLogger("fanfold")

CODES = frozenset(Code)
AVOID_TOKENS = 200  # booked for what the engine adds at the end of a prompt
LONGER = 2.0  # how much more room a truncated answer is given
_NO_ANSWER = Answer(text="", usage=Usage())
_LONGEST_PREVIOUS = 8_000  # characters of an answer that is shown again to be repaired


class Prompted:
    """What the shell keeps of a cell between its attempts: its messages, what it received, and its last answer."""

    __slots__ = ("cell", "messages", "previous", "sent")

    def __init__(self, cell: Cell, messages: tuple[Message, ...]) -> None:
        self.cell, self.messages = cell, messages
        self.previous: str | None = None
        self.sent: tuple[Message, ...] = messages


class Attempts:
    """Makes attempts for the cells of any job."""

    def __init__(self, usercode: UserCode) -> None:
        self._user = usercode
        self.judging = Judging(usercode, self._render)

    # ================================================================ before the call

    def prepare_at_once(self, job: Job, cell: CoreCell) -> Work | Broken | None:
        """Prepare without waiting, or None where that needs the store or user code."""
        step = job.steps[cell.rule.index]
        if (
            step.step.function
            or step.step.known
            or cell.rule.take
            or cell.phase == FALLBACK
            or job.answers is not None
            or callable(step.step.prompt)
            or callable(step.step.system)
        ):
            return None
        needs = {}
        for edge in cell.run.grid.nodes[cell.rule.index].ins:
            if not edge.single:
                return None
            found = job.values.at_hand(edge.src.index, next(cell.run.grid.members(edge, cell.like)))
            if found is None:
                return None
            needs[edge.src.name] = found[0]
        try:
            return self._work(step, cell, self._user_cell(job, step.compiled, cell, needs, {}))
        except (NoSuchField, Unfit) as error:
            return _unusable(step, error)
        except Exception as error:  # noqa: BLE001 - a value that cannot be written down fails its own cell
            return _broken(step, error)

    async def prepare(self, job: Job, cell: CoreCell, offer: Offer) -> Work | Hit | Broken:
        """Gather what the cell needs, then render and size its prompt; or run its function or fallback. offer: of its candidates."""
        step = job.steps[cell.rule.index]
        try:
            received = await self._gather(job, step, cell)
            if cell.phase == FALLBACK:
                return await self._from_fallback(job, step, cell, received)
            if step.compiled.candidates is not None:
                own = await handed_out(self._user, step.compiled.candidates, cell, received, offer)
                received = with_(received, candidates=own)
            if step.step.function is not None:
                return await self._from_function(job, step, cell, received)
            if (value := await self._known(step, cell, received)) is not None:
                return replace(
                    await self._as_given(job, step, cell, value), work=await self._instead(step, cell, received), known=True
                )
            work = self._work(step, cell, received, await self._messages(step, received))
            if job.answers is None or (cell.rule.index, cell.at) in job.drafts:  # an answer of an earlier life waits to go on
                return work
            return await known(self, job, step, cell, work)
        except (NoSuchField, Unfit) as error:
            return _unusable(step, error)
        except StoreError:
            raise
        except Exception as error:
            logger.debug("preparing %s failed", step.name, exc_info=True)
            return _broken(step, error)

    async def _gather(self, job: Job, step: StepWork, cell: CoreCell) -> Cell:
        grid = cell.run.grid
        needs: dict[str, Any] = {}
        missing: dict[str, int] = {}
        for edge in grid.nodes[cell.rule.index].ins:
            members = list(grid.members(edge, cell.like))
            found = await job.values.get(edge.src.index, members)
            if edge.single:
                if found or not step.step.at_least:
                    needs[edge.src.name] = found.get(members[0])
            else:
                needs[edge.src.name] = [found[at] for at in members if at in found]
                missing[edge.src.name] = len(members) - len(found) + grid.failed_sources(edge, cell.like)
        return self._user_cell(job, step.compiled, cell, needs, missing)

    def _user_cell(self, job: Job, step: CompiledStep, cell: CoreCell, needs: dict[str, Any], missing: dict[str, int]) -> Cell:
        index = dict(zip(step.over, cell.like, strict=True))
        at = {}
        for axis in step.over:
            if job.plan.axes[axis].values is None and job.plan.axes[axis].source not in needs:
                continue  # only a fallback sees a cell whose needs are missing
            at[axis] = job.axis_value(axis, index, needs)
        facet = job.facet(step.index, cell.at, needs)
        return Cell(step.name, at, job.plan.plan.given, needs, missing, facet=facet)

    async def _messages(self, step: StepWork, cell: Cell) -> tuple[Message, ...]:
        prompt = await self._render(step.compiled.prompt or step.step.prompt, cell)
        prompt = self._spelled_out(step, cell, prompt)
        if step.step.system is None:
            return prompt
        system = await self._render(step.compiled.system or step.step.system, cell)
        return (Message("system", system[0].content), *prompt)

    async def _render(
        self, source: PromptSource | str | None, cell: Cell, extra: dict[str, Any] | None = None
    ) -> tuple[Message, ...]:
        if isinstance(source, Template):
            return (Message("user", fill(source, cell, extra)),)
        assert callable(source)
        return as_messages(await self._user(source, cell, *(extra or {}).values()))

    def _spelled_out(self, step: StepWork, cell: Cell, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """With the facets that a text names nowhere, so that they always count. What a callable wrote is left as it is."""
        if step.spread is None or step.compiled.prompt is None:
            return messages
        return with_tail(messages, [step.spread.unsaid(cell.facet)])

    async def _moved_on(self, job: Job, step: StepWork, cell: CoreCell) -> Fault | None:
        """Say it anew where the cell has other facets by now than when it was prepared."""
        work: Prompted = cell.work
        facet = job.facet(step.compiled.index, cell.at, work.cell.needs)
        if facet != work.cell.facet:
            try:
                moved = with_(work.cell, facet=facet)
                work.messages = await self._messages(step, moved)
                work.cell = moved
            except Exception as error:  # noqa: BLE001 - the prompt may be the user's code
                return Fault(code=Code.INTERNAL, message=f"step {step.name!r}: {described(error)}")
        return None

    def _work(self, step: StepWork, cell: CoreCell, received: Cell, messages: tuple[Message, ...] | None = None) -> Work:
        if messages is None:
            assert step.compiled.prompt is not None
            messages = self._spelled_out(step, received, (Message("user", fill(step.compiled.prompt, received)),))
            if step.compiled.system is not None:
                messages = (Message("system", fill(step.compiled.system, received)), *messages)
        cell.work = Prompted(received, messages)
        avoid = AVOID_TOKENS if step.compiled.unique is not None else 0
        tokens = step.prompts.corrected(estimate_messages(messages)) + avoid
        if step.several is None or not (kin := kin_of(messages)):
            return Work(tokens, step.guess)
        common = step.prompts.corrected(step.common.tokens(messages)) + avoid
        return Work(tokens, step.guess, kin=kin, common=common)

    async def _known(self, step: StepWork, cell: CoreCell, received: Cell) -> Any:
        """What the plan knows a cell to be. A spare is to be something else, and so is a cell for which that was taken already."""
        return None if step.step.known is None or cell.spare or cell.judged else await self._user(step.step.known, received)

    async def _instead(self, step: StepWork, cell: CoreCell, received: Cell) -> Work | None:
        """The call for another value where the known one may be taken. None where there is no asking, also because its prompt cannot be made."""
        if step.compiled.unique is None:
            return None
        try:
            return self._work(step, cell, received, await self._messages(step, received))
        except Exception:
            logger.debug("the prompt of %s failed, whose value is known", step.name, exc_info=True)
            return None

    async def _from_function(self, job: Job, step: StepWork, cell: CoreCell, received: Cell) -> Hit | Broken:
        assert step.step.function is not None
        given = await self._user.beside(step.step.function, received)
        cell.work = Prompted(received, ())
        landing = Landing("")
        reply = await self.judged(job, step, cell, step.shape.conform(given), _NO_ANSWER, landing)
        if landing.draft is not None:
            job.drafts[cell.rule.index, cell.at] = landing.draft
        return Hit(reply=reply) if isinstance(reply, Reply) else Broken(fault=reply)

    async def _from_fallback(self, job: Job, step: StepWork, cell: CoreCell, received: Cell) -> Hit:
        fallback = step.step.fallback
        assert fallback is not UNSET
        given = await self._user.beside(fallback, received) if callable(fallback) else fallback
        return await self._as_given(job, step, cell, given)

    async def _as_given(self, job: Job, step: StepWork, cell: CoreCell, given: Any) -> Hit:
        """A value that nobody was asked for: not checked, but of its step's type, and with its key."""
        value, data = step.shape.conform(given)
        unique = step.compiled.unique
        identity = await keyed(unique, value, named(unique, value), self._user, step.timeout_s)
        job.drafts[cell.rule.index, cell.at] = Draft(value, data)
        return Hit(reply=Reply(usage=Usage(), **identity.words, lengths=self._lengths(job, step, value)))

    # ================================================================ the call

    async def call(self, job: Job, command: Call, heard: Callable[[Chunk], None], put: Callable[[Fact], None]) -> Reply | Fault:
        """Make one call and judge its answer. put: told what is known before that."""
        step = job.steps[command.cell.rule.index]
        if command.phase == JUDGE:
            return await self.judging.ask(job, step, command)
        route = step.routes[command.lane]
        if step.spread is not None and (fault := await self._moved_on(job, step, command.cell)) is not None:
            return fault
        request = self._request(step, route, command)
        if route.streams and not request.stream and job.spoken.wanted(step.compiled.index):
            request = replace(request, stream=True)
        job.latest.asks(command.cell.rule.index, command.cell.at)
        listener = heard
        if request.stream:

            def identified(name: str, text: str) -> None:
                job.latest.says(command.cell.rule.index, command.cell.at, text)
                put(Identified(command.call, hide(name)))

            heard = job.spoken.listener(command, heard)
            listener = IdentityListener(step.streamed_field, identified, heard)
        answer = await route.provider.call(request, listener)
        if isinstance(answer, Fault):
            return answer
        if not request.stream:
            job.spoken.whole(command, answer.text)
        if answer.usage.exact:
            step.prompts.saw(estimate_messages(request.messages), answer.usage.tokens_in)
        return await self.examined(job, command, answer, put)

    async def ask_together(self, job: Job, command: Call) -> list[Answer | Fault]:
        """Make one call for several cells. What came for each of them: an answer of its own, still to be examined, or why there is none."""
        calls = (command, *command.riders)
        step = job.steps[command.cell.rule.index]
        unsaid: dict[int, Fault] = {}
        for call in calls if step.spread is not None else ():
            if (fault := await self._moved_on(job, step, call.cell)) is not None:
                unsaid[call.call] = fault
            elif kin_of(call.cell.work.messages) != kin_of(command.cell.work.messages):
                unsaid[call.call] = Fault(code=Code.MALFORMED, message="its system prompt is another by now")
        asked = [call for call in calls if call.call not in unsaid]
        if not asked:
            return list(unsaid.values())
        route = step.routes[command.lane]
        request = request_for(step, asked, self.request(step, route, asked[0].cell))
        outcome = await route.provider.call(request, _unheard)
        if isinstance(outcome, Answer) and outcome.usage.exact:
            step.prompts.saw(estimate_messages(request.messages), outcome.usage.tokens_in)
        found: dict[int, Answer | Fault] = {}
        for call, share in zip(asked, shares(outcome, step, asked), strict=True):
            found[call.call] = share
            if isinstance(share, Answer):
                job.spoken.whole(call, share.text)
        return [unsaid.get(call.call) or found[call.call] for call in calls]

    async def examined(self, job: Job, command: Call, answer: Answer, put: Callable[[Fact], None]) -> Reply | Fault:
        """Judge an answer that has come. put: told that it is only checked any more."""
        step = job.steps[command.cell.rule.index]
        landing = job.landings[command.call] = Landing(answer.text)
        if step.step.checks or step.step.judge or (step.compiled.unique and step.compiled.unique.key):
            put(Landed(command.call))  # the call's deadline is not for what the user's code does with its answer
        try:
            value = step.shape.parse(answer.text)
        except Unfit as error:
            return Reply(usage=answer.usage, told=answer.told, check="schema", finding=str(error))
        outcome = await self.judged(job, step, command.cell, value, answer, landing)
        worth_keeping(self, job, step, command, step.routes[command.lane], answer)
        return replace(outcome, told=answer.told) if answer.told else outcome

    def _request(self, step: StepWork, route: Route, command: Call) -> Request:
        """What a call asks: the bare request, and at its end what the engine has to add."""
        work: Prompted = command.cell.work
        previous = work.previous[:_LONGEST_PREVIOUS] if command.repair and work.previous else None
        work.sent = with_tail(work.messages, tail(command.avoid, command.reason, previous, command.crowded))
        request = self.request(step, route, command.cell)
        sampling = request.sampling
        if command.longer and sampling.get("max_tokens"):
            sampling = {**sampling, "max_tokens": int(sampling["max_tokens"] * LONGER)}
        return replace(request, messages=work.sent, sampling=sampling)

    def request(self, step: StepWork, route: Route, cell: CoreCell) -> Request:
        """What a cell asks, with nothing appended."""
        return Request(
            model=route.model,
            messages=cell.work.messages,
            schema=step.schema,
            schema_name=step.shape.name,
            sampling={**route.sampling, **step.sampling},
            stream=route.streams and step.streamed_field is not None,
            timeout_s=step.timeout_s,
            idle_s=step.idle_s,
        )

    async def judged(
        self, job: Job, step: StepWork, cell: CoreCell, parsed: tuple[Any, bytes], answer: Answer, landing: Landing
    ) -> Reply | Fault:
        """Check a value, name its key, measure its lists, and size the judge's prompt."""
        value, data = parsed
        usage = answer.usage
        try:
            if step.proposes:
                proposal(value)
            lengths = self._lengths(job, step, value)
            name = named(step.compiled.unique, value)
        except Unfit as error:
            return Reply(usage=usage, check="schema", finding=str(error))
        except Exception as error:  # noqa: BLE001 - a value that cannot be written
            return Reply(usage=usage, check="schema", finding=described(error))
        check, finding = await self._findings(step, value, cell.work.cell)
        if finding is not None:
            return Reply(usage=usage, key=name.key, exact=name.exact, check=check, finding=sayable(finding))
        try:
            identity = await keyed(step.compiled.unique, value, name, self._user, step.timeout_s)
        except Unkeyed as error:
            return Reply(usage=usage, check="key", finding=sayable(str(error)))
        landing.draft = Draft(value, data)
        judge = None
        if step.step.judge is not None:
            try:
                judge = await self.judging.size(step, cell.work.cell, landing.draft)
            except Exception as error:  # noqa: BLE001 - the judge's prompt may be the user's code
                return replace(unasked(error), usage=usage)
        return Reply(usage=usage, **identity.words, lengths=lengths, judge=judge)

    def _lengths(self, job: Job, step: StepWork, value: Any) -> dict[str, int] | None:
        axes = [a for a in job.plan.axes.values() if a.source == step.name]
        return {axis.name: length_of(value, axis.path) for axis in axes} if axes else None

    async def _findings(self, step: StepWork, value: Any, cell: Cell) -> tuple[str, str | None]:
        """The first check that is against it, and why: what is dear is not run for what something cheap refuses."""
        for check in self._user.cheap_first(step.step.checks):
            name = getattr(check, "__name__", type(check).__name__)
            try:
                verdict = await self._user(check, *((value, cell) if takes_cell(check) else (value,)))
                if isinstance(verdict, str):
                    reason = verdict.strip()
                else:
                    reason = "" if verdict is None or verdict else f"it did not pass the check {name!r}"
            except Exception as error:  # noqa: BLE001 - an exception is a reason too
                return name, described(error)
            if reason:
                return name, reason
        return "", None


def _unheard(chunk: Chunk) -> None:
    """For calls that nobody listens to while they stream."""


class IdentityListener:
    """Reads along while a JSON object streams, until its first field is complete: that is the answer's identity.

    identified: told of it, and of all that has been heard so far.
    """

    __slots__ = ("_field", "_heard", "_identified", "_pattern", "_text")

    def __init__(self, field: str | None, identified: Callable[[str, str], None], heard: Callable[[Chunk], None]) -> None:
        self._field, self._identified, self._heard = field, identified, heard
        self._text = ""
        self._pattern = re.compile(r'\s*\{\s*"' + re.escape(field or "") + r'"\s*:\s*("(?:[^"\\]|\\.)*")')

    def __call__(self, chunk: Chunk) -> None:
        self._heard(chunk)
        if self._field is None:
            return
        self._text += chunk.text
        match = self._pattern.match(self._text)
        if match is not None:
            self._field = None
            try:
                name = json.loads(match.group(1), strict=False)
            except ValueError:
                return  # the final answer will say
            if name.strip():
                self._identified(name, self._text)
        elif len(self._text) > 2_000:
            self._field = None  # not first, or no short text: the final answer will say


def spent(heard_characters: int, cell: CoreCell, phase: int) -> Usage:
    """What a call that was cut off has cost, by our own estimate."""
    tokens = cell.judge_tokens if phase == JUDGE else cell.tokens
    tokens_in = estimate_messages(cell.work.sent) if phase != JUDGE and cell.work is not None else tokens[0]
    return Usage(tokens_in=tokens_in, tokens_out=estimate("x" * heard_characters) if heard_characters else 0, exact=False)


def sound(outcome: Reply | Fault) -> Reply | Fault:
    """A fault with a code that there is, and words that can be written down: providers and checks are other people's code."""
    if isinstance(outcome, Reply):
        return outcome if outcome.finding is None else replace(outcome, finding=sayable(outcome.finding))
    message, code = outcome.message, outcome.code
    if code not in CODES:
        message, code = f"{code}: {message}", Code.INTERNAL
    headers = {name: redact(value) for name, value in outcome.headers.items()}
    return replace(outcome, code=code, message=sayable(message), hint=sayable(outcome.hint), headers=headers)


def _broken(step: StepWork, error: Exception) -> Broken:
    said = sayable(str(error)) if isinstance(error, Unoffered) else described(error)
    return Broken(fault=Fault(code=Code.INTERNAL, message=f"step {step.name!r}: {said}"))


def _unusable(step: StepWork, error: Exception) -> Broken:
    return Broken(fault=Fault(code=Code.UPSTREAM, message=sayable(f"step {step.name!r} cannot use what it needs: {error}")))
