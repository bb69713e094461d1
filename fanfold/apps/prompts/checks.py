"""What is plain to see without a model: it costs nothing, so it comes before the checker."""

from __future__ import annotations

import re

from fanfold.apps.prompts.types import SyntheticPrompt

SHORTEST, LONGEST = 15, 4_000  # characters
_ABOUT_ITSELF = re.compile(
    r"\s*((?:sure|certainly|of course)[,!.:]|here(?: is|['’]s| are)\b|prompt\s*(?:number)?\s*\d*\s*:)", re.I
)
_NAMES = r"(?:insert|your|topic|name|subject|domain|text)\b"
_GAP = re.compile(rf"\[{_NAMES}[^\]\n]*\]|\{{\{{?\s*{_NAMES}[^{{}}\n]*\}}|<{_NAMES}[^<>\n]*>", re.I)
_REFUSAL = re.compile(r"\s*(i['’]m sorry|i am sorry|i can['’]?t|i cannot|as an ai\b)", re.I)


def check_length(written: SyntheticPrompt) -> str | None:
    length = len(written.prompt)
    if length < SHORTEST:
        return f"{written.prompt!r} is too short to be answered: say what is asked, and about what"
    return f"{length:,} characters are too many: at most {LONGEST:,}" if length > LONGEST else None


def check_is_the_prompt(written: SyntheticPrompt) -> str | None:
    if found := _ABOUT_ITSELF.match(written.prompt):
        return f"it begins with {found.group().strip()!r}: write the prompt alone, as it is to be sent"
    return None


def check_is_whole(written: SyntheticPrompt) -> str | None:
    if found := _GAP.search(written.prompt):
        return f"{found.group()!r} is a gap that nobody fills: write what belongs there"
    return None


def check_is_no_refusal(written: SyntheticPrompt) -> str | None:
    if found := _REFUSAL.match(written.prompt):
        return f"{found.group().strip()!r} begins a refusal, not a prompt: choose a subject that you can write about"
    return None


CHECKS = (check_length, check_is_the_prompt, check_is_whole, check_is_no_refusal)


def check_says_something(answer: str) -> str | None:
    return None if answer.strip() else "the answer is empty"
