"""Plans to foresee, wired as the front door wires them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.forecast.asked import Asked
from fanfold.foresight import Nobody, ask
from fanfold.spec.compile import compile_plan
from fanfold.spec.plan import Judge, Limits, Markdown, Plan, Step, Unique
from fanfold.wiring import Settings

MODEL = "openai/some"


def asked(
    plan: Plan, model: str = MODEL, *, limits: Limits | None = None, prices: Mapping[str, Any] | None = None, **more: Any
) -> Asked:
    settings = Settings(provider=Nobody(), limits=limits or Limits())
    return ask(compile_plan(plan), settings, model, prices=prices or {}, **more)


def fan(cells: int, **words: Any) -> Plan:
    """One step over n cells."""
    return Plan("fan", [Step("one", "Write about {n}.", over="n", **words)], {"n": range(cells)})


def report() -> Plan:
    """Lists found on the way, a judge, a function, a fallback, a gather."""
    steps = [
        Step("outline", "Outline {doc}.", output=list[str], over="doc"),
        Step(
            "section", "Write {section} of {outline}.", over=("doc", "section"), judge=Judge("Is it good? {value}"), fallback="-"
        ),
        Step("edit", "Edit {section}", output=Markdown, over="doc"),
        Step("index", function=lambda cell: len(cell["edit"]), output=int, needs=("edit",)),
    ]
    return Plan("report", steps, {"doc": range(4), "section": {"each": "outline"}})


def names(cells: int) -> Plan:
    return fan(cells, unique=Unique())
