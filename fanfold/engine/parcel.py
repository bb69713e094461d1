"""Several items in one call: one prompt out of many, and what came back, item by item.

An item is accepted only when it is complete: of an answer that was cut off or broke in the middle, those before that place are good.
What is read here is the text of each single answer; whether it fits, is checked and distinct, is found out as for any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec.structs import replace
from pydantic_core import from_json, to_json

from fanfold.core.commands import Call
from fanfold.engine.prompts import tail, with_tail
from fanfold.engine.shapes import Text, Unfit, data_in
from fanfold.engine.tokens import estimate, estimate_messages
from fanfold.spec import parcels
from fanfold.spec.calls import Answer, Fault, Message, Request, Usage
from fanfold.spec.errors import Code

if TYPE_CHECKING:
    from fanfold.engine.job import StepWork

ROOM = ("max_tokens", "max_completion_tokens")
WRAPPING = 16  # tokens of an item that are not of its answer
_BEGIN = re.compile(r'"items"\s*:\s*\[')
_ANSWER = re.compile(r'"answer"\s*:\s*')
_BETWEEN = re.compile(r"[\s,]*")

# ---------------------------------------------------------------- before the call


def kin_of(messages: tuple[Message, ...]) -> str:
    """Cells whose prompts have the same one can be asked together: one text each, and the same system prompt. "": not at all."""
    roles = [message.role for message in messages]
    if roles == ["user"]:
        return "-"
    return blake2b(messages[0].content.encode(), digest_size=12).hexdigest() if roles == ["system", "user"] else ""


class Common:
    """What the prompts of one step say alike, by comparing each with the first that came."""

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first: list[str] | None = None

    def tokens(self, messages: tuple[Message, ...]) -> int:
        """Estimated, of a prompt that can be asked with others."""
        lines = messages[-1].content.split("\n")
        if self._first is None:
            self._first = lines
        whole = estimate_messages(messages)
        if lines == self._first:
            return whole
        own = max(0, len(messages[-1].content) - parcels.said_once(lines, self._first))
        return max(0, whole - estimate("x" * own))


def request_for(step: StepWork, calls: Sequence[Call], request: Request) -> Request:
    """One request for the cells of these calls. request: what the first of them would ask alone, with nothing appended."""
    prompts, tails = (
        [call.cell.work.messages[-1].content for call in calls],
        [tail(call.avoid, "", None, call.crowded) for call in calls],
    )
    alike = len(set(tails)) == 1
    if not alike:  # names are taken in other places for each
        prompts = ["\n\n".join((prompt, *filter(None, end))) for prompt, end in zip(prompts, tails, strict=True)]
    messages = (
        *calls[0].cell.work.messages[:-1],
        Message("user", parcels.joined(prompts, distinct=step.compiled.unique is not None)),
    )
    room = {name: request.sampling[name] for name in ROOM if request.sampling.get(name)}
    sampling = {**request.sampling, **{name: len(calls) * (int(most) + WRAPPING) for name, most in room.items()}}
    return replace(
        request,
        messages=with_tail(messages, tails[0]) if alike else messages,
        schema=step.several,
        schema_name=parcels.TITLE + step.shape.name,
        sampling=sampling,
        stream=False,
    )


# ---------------------------------------------------------------- after it


def shares(outcome: Answer | Fault, step: StepWork, calls: Sequence[Call]) -> list[Answer | Fault]:
    """What came of a request, call by call. Usages add up to what the provider said."""
    cut = isinstance(outcome, Fault)
    texts: dict[int, str] = {}
    if isinstance(outcome, Answer) or outcome.code == Code.TRUNCATED:
        alike = len({call.cell.work.messages[-1].content for call in calls}) == 1
        texts = items_in(outcome.text, len(calls), step, cut=cut, alike=alike)
    usages = _split(outcome.usage, calls, [texts.get(place, "") for place in range(len(calls))])
    found: list[Answer | Fault] = []
    told = outcome.told
    for place, usage in enumerate(usages):
        if place in texts:
            found.append(Answer(text=texts[place], usage=usage, told=told))
            told = ()  # once is enough
        elif isinstance(outcome, Fault) and not texts:
            found.append(replace(outcome, usage=usage, text=""))
        else:
            found.append(_missing(outcome, len(calls), usage))
    return found


def _missing(outcome: Answer | Fault, items: int, usage: Usage) -> Fault:
    if isinstance(outcome, Fault):
        return replace(outcome, message=f"{outcome.message}, before this of {items} items", usage=usage, told=(), text="")
    message = f"the answer to {items} items holds none for this one"
    return Fault(code=Code.MALFORMED, message=message, usage=usage, status=200)


def _split(usage: Usage, calls: Sequence[Call], texts: Sequence[str]) -> list[Usage]:
    ins = parcels.counted(usage.tokens_in, [call.booked for call in calls])
    outs = parcels.counted(usage.tokens_out, [len(text) for text in texts])
    cached = min(usage.tokens_cached, usage.tokens_in)
    found = []
    for tokens_in, tokens_out in zip(ins, outs, strict=True):
        own = min(cached, tokens_in)
        cached -= own
        found.append(replace(usage, tokens_in=tokens_in, tokens_out=tokens_out, tokens_cached=own))
    return found


def items_in(text: str, items: int, step: StepWork, *, cut: bool, alike: bool) -> dict[int, str]:
    """The texts of the single answers in the answer to several, by place from 0. cut: it was cut off; alike: which is which is no matter.

    Of two with one number the first counts; numbers that were not asked for are ignored.
    """
    plain = isinstance(step.shape, Text)
    entries, closed = _complete(text, plain=plain)
    if len(entries) < items and not cut and not closed:
        entries = max(entries, _mended(text, plain=plain), key=len)
    found: dict[int, str] = {}
    if any(number is not None for number, _ in entries):
        for number, answer in entries:
            if number is not None and 1 <= number <= items:
                found.setdefault(number - 1, answer)
    elif alike or not closed or len(entries) == items:
        found = dict(enumerate(answer for _, answer in entries[:items]))
    return {place: answer if closed else _fitting(answer, step) for place, answer in found.items() if answer.strip()}


def _fitting(answer: str, step: StepWork) -> str:
    """An answer out of a list that did not end. Where a provider has optional fields come as null, those were not taken out of it."""
    try:
        step.shape.parse(answer)
    except Unfit:
        try:
            pruned = to_json(_without_nulls(from_json(answer))).decode()
            step.shape.parse(pruned)
        except ValueError:
            return answer
        return pruned
    return answer


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _refused(name: str) -> NoReturn:
    raise ValueError(name)


_read = json.JSONDecoder(parse_constant=_refused).raw_decode
Entry = tuple[int | None, str]


def _complete(text: str, *, plain: bool) -> tuple[list[Entry], bool]:
    """The items that are complete, in the order in which they stand, up to the end of the list or to what is no JSON any more; and whether
    the end of the list was reached."""
    begin = _BEGIN.search(text)
    start = begin.end() if begin is not None else text.find("[") + 1
    entries: list[Entry] = []
    if start <= 0:
        return entries, False
    while True:
        start = _end(_BETWEEN, text, start)
        if text[start : start + 1] == "]":
            return entries, True
        try:
            item, end = _read(text, start)
        except (ValueError, RecursionError):
            return entries, False
        entries.append(_entry(item, text[start:end], plain=plain))
        start = end


def _entry(item: Any, raw: str, *, plain: bool) -> Entry:
    """raw: how the item is written. The answer in it is taken as it is written, too: nothing is lost that its reader would refuse."""
    if not isinstance(item, dict) or parcels.ANSWER not in item:
        return None, _text(item, plain=plain)
    answer, number = item[parcels.ANSWER], item.get(parcels.NUMBER)
    if not (plain and isinstance(answer, str)):
        start = _end(_ANSWER, raw, raw.index('"answer"'))
        try:
            answer, end = _read(raw, start)
            text = raw[start:end]
        except ValueError:  # "answer" stood somewhere else before
            text = _text(answer, plain=plain)
    else:
        text = answer
    if isinstance(number, str) and number.isdecimal():
        number = int(number)
    return (number if isinstance(number, int) and not isinstance(number, bool) else None), text


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def _text(value: Any, *, plain: bool) -> str:
    return value if plain and isinstance(value, str) else to_json(value).decode()


def _mended(text: str, *, plain: bool) -> list[Entry]:
    """The items of an answer that is nearly JSON."""
    try:
        data = data_in(text)
    except Unfit:
        return []
    items = data.get(parcels.ITEMS) if isinstance(data, dict) else data
    return [_entry(item, _text(item, plain=False), plain=plain) for item in items] if isinstance(items, list) else []
