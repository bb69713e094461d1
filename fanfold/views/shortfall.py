"""Why a counted step ended with fewer than were asked for, in one plain sentence with what to do."""

from __future__ import annotations

from fanfold.core.counts import StepState

_ANSWERS = {
    "duplicate": ("were duplicates of what was there", "ask for fewer, vary the prompt or add facets"),
    "malformed": ("did not fit the schema", "simplify it, or use another model"),
    "truncated": ("were cut short", "raise sampling.max_tokens, or ask for less in one answer"),
}


def sentence(step: StepState, missing: int, asked: int, code: str, message: str) -> str:
    """`12 of 100 are short: 88 % of the answers were duplicates of what was there; ask for fewer, vary the prompt or add facets`.

    code, message: of the cells that are missing, for what is not a matter of answers.
    """
    short = f"{missing} of {asked} {'is' if missing == 1 else 'are'} short"
    refused, judged = _refused(step, code), step.own + step.regenerations + step.rejected_last
    if not refused or not judged:
        return f"{short}: {message}"
    said, cure = _ANSWERS.get(code) or _by_checks(step)
    return f"{short}: {100 * min(refused, judged) / judged:.0f} % of the answers {said}; {cure}"


def _refused(step: StepState, code: str) -> int:
    if code == "duplicate":
        return step.duplicates
    if code == "check_failed":
        return sum(step.checks.values())
    return 0 if code not in _ANSWERS else step.regenerations + step.rejected_last - step.duplicates - sum(step.checks.values())


def _by_checks(step: StepState) -> tuple[str, str]:
    worst = max(step.checks, key=lambda name: (name != "unnamed", step.checks[name]))
    who = "the judge" if worst == "judge" else f"the check {worst!r}"
    others = " and others" if len([name for name in step.checks if name != "unnamed"]) > 1 else ""
    return f"were refused, most by {who}{others}", (
        "correct the key function" if worst == "key" else "loosen the check, give more attempts, or use a stronger model"
    )
