"""Asking a judge: what it is shown, and what its answer becomes. Whatever goes wrong comes out as a Fault, never as a verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec.structs import replace

from fanfold.core.commands import Call
from fanfold.engine.job import Draft, Job, Route, StepWork
from fanfold.engine.shapes import Unfit, text_of
from fanfold.engine.tokens import estimate_messages
from fanfold.engine.usercode import UserCode, described, printable
from fanfold.engine.verdicts import at_least_as_good, passes, reason_of
from fanfold.spec.calls import Answer, Chunk, Fault, Message, Reply, Request
from fanfold.spec.errors import Code
from fanfold.spec.plan import Cell
from fanfold.spec.template import NoSuchField, Template, dig

Render: TypeAlias = Callable[[Template | Callable[..., Any], Cell, dict[str, Any]], Awaitable[tuple[Message, ...]]]
"""(prompt, cell, further names and their values) -> messages."""


class Judging:
    """Asks the judges of any job's steps."""

    def __init__(self, usercode: UserCode, render: Render) -> None:
        self._user, self._render = usercode, render

    async def size(self, step: StepWork, cell: Cell, draft: Draft) -> tuple[int, int] | None:
        """Tokens (in, out) of the call that judges a draft; None where there is nothing to ask. Keeps in the draft what it is compared with.

        Raises whatever the user's code raises, and NoSuchField.
        """
        if step.compares:
            draft.rival = await self._rival(step, cell)
            if draft.rival is None:
                return None
        messages = await self._messages(step, cell, draft, swapped=False)
        return step.judge_prompts.corrected(estimate_messages(messages)), step.judge_guess

    async def _rival(self, step: StepWork, cell: Cell) -> Any:
        """What the answer is compared with, None for nothing."""
        slot = step.compiled.versus
        if slot is not None:
            return dig(cell[slot.name], slot.path)
        assert step.step.judge is not None and callable(step.step.judge.versus)
        return await self._user(step.step.judge.versus, cell)

    async def _messages(self, step: StepWork, cell: Cell, draft: Draft, *, swapped: bool) -> tuple[Message, ...]:
        shown = {"value": draft.value}
        if step.compares:
            pair = (draft.rival, draft.value) if swapped else (draft.value, draft.rival)
            shown = dict(zip(("first", "second"), pair, strict=True))
        return await self._render(step.judge_prompt(), cell, shown)

    async def ask(self, job: Job, step: StepWork, command: Call) -> Reply | Fault:
        """One call of a judge, in one of two orders where it compares."""
        cell, route = command.cell, step.judge_routes[command.lane]
        draft = job.drafts[cell.rule.index, cell.at]
        try:
            request = await self.request(step, route, cell.work.cell, draft, swapped=command.swapped)
        except Exception as error:  # noqa: BLE001 - it may be the user's code
            return unasked(error)
        answer = await route.provider.call(request, _unheard)
        if isinstance(answer, Fault):
            return answer
        if answer.usage.exact:
            step.judge_prompts.saw(estimate_messages(request.messages), answer.usage.tokens_in)
        outcome = await self.read(step, answer, draft, swapped=command.swapped)
        if isinstance(outcome, Reply) and outcome.verdict and job.answers is not None:
            draft.keep_verdict(route, request, answer.text)
        return replace(outcome, told=answer.told) if answer.told else outcome

    async def request(self, step: StepWork, route: Route, cell: Cell, draft: Draft, *, swapped: bool) -> Request:
        """What a judge is asked about a draft. Raises what its prompt raises."""
        assert step.judge_shape is not None
        return Request(
            model=route.model,
            messages=await self._messages(step, cell, draft, swapped=swapped),
            schema=step.judge_schema,
            schema_name=step.judge_shape.name,
            sampling=route.sampling,
            timeout_s=step.timeout_s,
        )

    async def read(self, step: StepWork, answer: Answer, draft: Draft, *, swapped: bool) -> Reply | Fault:
        """What an answer means, and keep it beside what it lets pass. One that cannot be read is a fault of the judge's: it says nothing of what it judges."""
        assert step.judge_shape is not None and step.step.judge is not None
        accept = step.step.judge.accept
        try:
            verdict, data = step.judge_shape.parse(answer.text)
            good = at_least_as_good(verdict, swapped=swapped) if step.compares else passes(verdict) if accept is None else None
        except (Unfit, ValueError) as error:
            return Fault(code=Code.MALFORMED, message=f"the judge's answer: {error}", usage=answer.usage)
        if good is None:
            assert accept is not None
            try:
                good = bool(await self._user(accept, verdict))
            except Exception as error:  # noqa: BLE001 - it is the user's code
                return Fault(code=Code.INTERNAL, message=f"the judge's accept function: {described(error)}", usage=answer.usage)
        draft.verdict = data.decode() if good else ""
        shown = f", who was shown it {'second' if swapped else 'first'}," if step.compares else ""
        finding = None if good else printable(f"a judge{shown} says: {reason_of(verdict) or text_of(verdict)}")
        return Reply(usage=answer.usage, verdict=good, finding=finding, check="" if good else "judge")


def unasked(error: Exception) -> Fault:
    """A judge's prompt that cannot be made."""
    what = printable(str(error)) if isinstance(error, NoSuchField) else described(error)
    return Fault(code=Code.INTERNAL, message=f"the judge's prompt failed: {what}")


def _unheard(chunk: Chunk) -> None:
    """For calls that nobody listens to while they stream."""
