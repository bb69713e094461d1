"""A scripted model that is asked for several items in one call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fanfold import Axis, Engine, Plan, Step
from fanfold.spec import parcels
from fanfold.spec.calls import Fault, Request, Usage
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

USED = Usage(tokens_in=103, tokens_out=57, tokens_cached=31)


def last(request: Request) -> str:
    return request.messages[-1].content


def tasks(request: Request) -> list[str]:
    """What is asked for each item; of a call for one, its prompt."""
    return parcels.taken_apart(last(request)) or [last(request)]


def several(request: Request) -> bool:
    return parcels.single(request.schema) is not None


def written(request: Request, answers: list[Any], numbers: list[Any] | None = None) -> str:
    """As a model writes them."""
    if not several(request):
        return answers[0] if request.schema is None else json.dumps(answers[0])
    numbered = zip(numbers or range(1, len(answers) + 1), answers, strict=True)
    return json.dumps({"items": [{"n": number, "answer": answer} for number, answer in numbered]})


def writer(
    answer: Callable[[str, int], Any] = lambda task, place: f"<{task}>", usage: Usage = USED, **words: Any
) -> ScriptedProvider:
    """answer: of a task and its place among those of its call."""

    def script(request: Request, number: int) -> Says:
        return Says(written(request, [answer(task, place) for place, task in enumerate(tasks(request))]), usage=usage, **words)

    return ScriptedProvider(script)


def cut(request: Request, answers: list[Any], keep: int, code: str = "truncated") -> Fails:
    """An answer that reached its token limit in the middle of item `keep`, from 0."""
    text = written(request, answers)
    place = -1
    for _ in range(keep + 1):
        place = text.index('{"n"', place + 1)
    return Fails(Fault(code=code, message="cut off", usage=USED, status=200, text=text[: place + 16]), latency_s=1.0)


def fan(count: int = 12, items: int = 5, prompt: str = "Say {n}.", **words: Any) -> Plan:
    return Plan("fan", [Step("one", prompt, over="n", items_per_call=items, **words)], {"n": range(count)})


def counted(count: int = 12, items: int = 5, prompt: str = "A dish.", **words: Any) -> Plan:
    return Plan("counted", [Step("one", prompt, over="n", items_per_call=items, **words)], [Axis("n", count=count)])


def make(plan: Plan, provider: Any, *, store: Any = ":memory:", model: str = "sim/x", **options: Any) -> Any:
    """Run a plan in virtual time. The result has `took_s`."""
    begun = {name: options.pop(name) for name in ("deadline_s", "budget_usd") if name in options}

    async def main() -> Any:
        async with Engine(model, provider=provider, store=store, clock=VirtualClock(), seed=1, **options) as engine:
            result = await engine.start(plan, **begun).result()
            result.took_s = asyncio.get_running_loop().time()
            return result

    return run(main())
