"""What the simulated provider writes as engineer, as checker and as target: each reads its prompt as a model would."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Protocol

from fanfold.apps.prompts.library import (
    ENGLISH,
    VAGUE,
    Known,
    language_of,
    languages,
    level_of,
    library,
    notes,
    prompts,
    recognised,
)
from fanfold.apps.prompts.texts import BEGIN, DOMAIN, END, LANGUAGE, LEVEL, TOPIC

Json = dict[str, Any]

GAP = "[insert topic]"
_VAGUE = re.compile(r"\b(?:something|anything|stuff)\b", re.I)
_GIVEN_AWAY = re.compile(r"\((?:answer|hint)\s*:\s*([^)]*)\)?|\bthe answer is\b", re.I)
_FEW = 7  # words that a quotation begins with
_PREVIOUS = re.compile(r'"prompt"\s*:\s*("(?:[^"\\]|\\.)*")', re.S)


class Pen(Protocol):
    """What the simulated provider gives to whoever writes for it."""

    rng: Random
    prompt: str
    avoid: Sequence[str]
    reason: str
    obeys: bool
    schema: Mapping[str, Any]

    def zipf(self, n: int) -> int: ...

    def slips(self, what: str) -> bool: ...


def _asked(text: str, label: str) -> str:
    found = re.search(rf"^- {label}: (.+)$", text, re.M)
    return " ".join(found.group(1).split()) if found else ""


# -------------------------------------------------------------------- the engineer


def engineer(pen: Pen) -> Json:
    """One prompt for what is asked; now and then one that a checker should send back."""
    domain, level, named, topic = (_asked(pen.prompt, label) for label in (DOMAIN, LEVEL, LANGUAGE, TOPIC))
    language = language_of(named)
    written = _written(pen, domain, level_of(level), language or ENGLISH, topic)
    if language is None:
        written = f"(In English, for want of {named}: the writer is simulated.)\n{written}"
    return {"prompt": written, "domain": domain, "level": level, "language": named}


def _written(pen: Pen, domain: str, level: str, language: str, topic: str) -> str:
    if pen.slips("domain") and not topic and language == ENGLISH:
        domain = pen.rng.choice([other for other in library()["domains"] if other != domain.casefold()])
    if pen.slips("level"):
        level = "hard" if level == "easy" else "easy"
    options = _free(pen, _same_subject(pen, prompts(domain, level, language, topic)))
    chosen = options[pen.zipf(len(options))]
    known = recognised(chosen)
    subject = known.subject if known else topic or domain
    told = notes(subject)
    if pen.slips("vague"):
        return VAGUE.replace("{subject}", subject)
    if told is not None and pen.slips("answer"):
        return f"{chosen} (Answer: {told['points'][0]})"
    return f"{chosen} Write it for {GAP}." if pen.slips("format") else chosen


def _free(pen: Pen, options: list[str]) -> list[str]:
    """Those that nobody has, of which only the beginning may be told; all of them when it does not listen."""
    if not pen.avoid or not pen.obeys:
        return options
    taken = tuple(" ".join(name.removesuffix("…").split()).casefold() for name in pen.avoid)
    return [option for option in options if not option.casefold().startswith(taken)] or options


def _same_subject(pen: Pen, options: list[str]) -> list[str]:
    """What corrects a prompt stays with its subject, where it can be told."""
    found = _PREVIOUS.search(pen.prompt) if pen.reason else None
    if found is None:
        return options
    text = str(json.loads(found.group(1), strict=False))
    known = recognised(text)
    subject = known.subject if known else text.removeprefix(VAGUE.partition("{")[0]).removesuffix(".")
    return [option for option in options if subject in option] or options


# -------------------------------------------------------------------- the checker


def checker(pen: Pen) -> Json:
    """A verdict that points at the prompt. It says no where there is something to say no to, and nowhere else."""
    before, _, rest = pen.prompt.rpartition(BEGIN)
    text = rest.partition(END)[0].strip()
    score, reason = _objection(before, text) or _praise(pen, text)
    return {"reason": reason, "score": score, "pass": score >= 3}


def _objection(asked: str, text: str) -> tuple[int, str] | None:
    if found := _GIVEN_AWAY.search(text):
        shown = _opening(found.group(1) or found.group())
        return 1, f"The prompt gives its own answer away: it says “{shown}”. Leave that out, and the rest can stand."
    if (found := _VAGUE.search(text)) and len(text) < 120:
        return (
            2,
            f"Too vague: “{found.group()}” in “{_opening(text)}” leaves open what is asked, so any sentence would be an answer.",
        )
    known = recognised(text)
    if known is None:
        return None
    domain, level, topic = _asked(asked, DOMAIN), _asked(asked, LEVEL), _asked(asked, TOPIC)
    if known.domain and not topic and domain.casefold() in library()["domains"] and domain.casefold() != known.domain:
        return 1, f"Not in the domain: “{known.subject}” belongs to {known.domain}, and {domain} was asked for."
    if known.level != level_of(level):
        return 2, _wrong_level(known, level, text)
    return None


def _wrong_level(known: Known, level: str, text: str) -> str:
    if known.level == "easy":
        return f"Not {level}: “{_opening(text)}” is answered by recalling one fact about {known.subject}."
    return f"Not {level}: “{_opening(text)}” wants {known.subject} weighed or explained, where a short answer was asked for."


_GOOD = {
    "easy": [
        "It asks for one thing about {subject}, and a sentence or two answers it.",
        "“{opening}” can be answered from memory by whoever has met {subject}: easy, as it should be.",
    ],
    "medium": [
        "“{opening}” wants {subject} explained, not named, and it is clear when the explanation is complete.",
        "It takes a few connected steps about {subject}, and nothing that is missing from the prompt.",
    ],
    "hard": [
        "It cannot be answered by recall: “{opening}” makes one weigh {subject} and say what would change one's mind.",
        "“{opening}” has no short answer, and still says exactly what is to be delivered about {subject}.",
    ],
}


def _praise(pen: Pen, text: str) -> tuple[int, str]:
    known = recognised(text)
    if known is None:
        return 3 + pen.rng.randrange(2), f"“{_opening(text)}” says what is wanted, and gives none of it away."
    said = pen.rng.choice(_GOOD[known.level]).format(subject=known.subject, opening=_opening(text))
    form = library()["forms"].get(known.form)
    if not form:
        return 4, said
    return 5, f"{said} “{form}” makes it plain to see whether an answer did as it was told."


def _opening(text: str) -> str:
    words = text.split()
    return " ".join(words[:_FEW]).rstrip(".,:;?!") + (" …" if len(words) > _FEW else "")


# -------------------------------------------------------------------- the target


def target(pen: Pen) -> str | None:
    """An answer to a prompt of the engineer's, as far as notes go; None for any other prompt."""
    known = recognised(pen.prompt)
    if known is None:
        return None
    words, told = languages()[known.language], notes(known.subject)
    if told is None:
        return "\n\n".join([*(line.replace("{subject}", known.subject) for line in words["answer"]), words["mark"]])
    return f"{_answered(known, told)}\n\n(Simulated answer, from notes on {known.subject}.)"


def _answered(known: Known, told: Json) -> str:
    (first, second, third), example, caveat = told["points"], told["example"], told["caveat"]
    if known.form == "sentences":
        return f"{first} {third if known.level == 'easy' else second} {caveat}"
    if known.form == "list":
        return "\n".join(f"- {line}" for line in (first, second, third, f"For example: {example}", f"But: {caveat}"))
    if known.form == "child":
        parts = [
            "Let us begin with something you can picture.",
            example,
            f"What is behind it? {first} {second}",
            f"One surprise: {caveat}",
        ]
    elif known.level == "easy":
        parts = [f"{first} {second}", f"An example: {example}"]
    elif known.level == "medium":
        parts = [f"1. {first}\n2. {second}\n3. {third}", f"An example: {example}", f"Mind this: {caveat}"]
    else:
        parts = [f"**What is known.** {first} {second}", f"**Where it gets hard.** {caveat}", f"**A case to try it on.** {example}",
                 f"**What I would hold on to.** {third}"]  # fmt: skip
    ending = {
        "mistake": f"The mistake that people make most often is to forget this: {caveat}",
        "doubt": "What I am least sure of is how far the example carries: it is one case, and chosen because it fits.",
    }.get(known.form)
    if known.form == "mistake":
        parts = [part for part in parts if caveat not in part]
    return "\n\n".join([*parts, ending] if ending else parts)
