"""prompts: synthetic prompts, each written, judged and answered by models of their own, side by side, until enough are accepted."""

from __future__ import annotations

from fanfold import App, Axis, Facets, Judge, Plan, Step, Unique
from fanfold.apps.prompts.checks import CHECKS, check_says_something
from fanfold.apps.prompts.exports import chat, content, evaluation, markdown, rows
from fanfold.apps.prompts.params import Params
from fanfold.apps.prompts.texts import CHECKER, ENGINEER, ENGINEER_SYSTEM, TARGET, rubric, topic
from fanfold.apps.prompts.types import PromptVerdict, SyntheticPrompt


def plan(params: Params) -> Plan:
    """Each prompt goes its own way: engineer → checker (back with the reason, if it says no) → target."""

    def good_enough(verdict: PromptVerdict) -> bool:
        return verdict.passed and verdict.score >= params.min_score

    engineer = Step(
        "engineer",
        prompt=ENGINEER,
        system=ENGINEER_SYSTEM,
        output=SyntheticPrompt,
        over=("sample",),
        model=params.engineer_model,
        unique=Unique(by="prompt", near=params.similarity),
        facets=Facets({"domain": params.domains, "level": params.levels, "language": params.languages}),
        checks=CHECKS,
        judge=Judge(CHECKER, model=params.checker_model or "", output=PromptVerdict, accept=good_enough),
        weight=60,
    )
    target = Step(
        "target",
        prompt=TARGET,
        system=None if params.system is None else "{system}",
        over=("sample",),
        needs=("engineer",),
        model=params.target_model,
        checks=(check_says_something,),
        priority="critical",  # a prompt that was accepted is answered before others are begun: a budget then ends with whole ones
        weight=40,
    )
    given = {"rubric": rubric(params), "topic": topic(params), "system": params.system or ""}
    return Plan("prompts", steps=[engineer, target], axes=[Axis("sample", count=params.count)], given=given)


APP = App(
    name="prompts",
    summary="Write synthetic prompts: each written, checked and answered by models of their own, all side by side.",
    params=Params,
    plan=plan,
    content=content,
    markdown=markdown,
    rows=rows,
    documents={"chat.jsonl": chat, "eval.jsonl": evaluation},
    bench=[{"count": count} for count in (1, 5, 10, 20)],
)
