"""What the simulated models know: prompts by domain and level, in some languages, with notes that answer them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

Json = dict[str, Any]

EASY = frozenset({"easy", "beginner", "simple", "basic", "low", "1"})
HARD = frozenset({"hard", "expert", "advanced", "difficult", "high", "3"})
ENGLISH = "English"
PRACTICE = "everyday practice"
VAGUE = "Tell me something about {subject}."


@dataclass(frozen=True)
class Known:
    """A prompt of the library, recognised. domain: "" for one that is about any topic. form: how it wants the answer, "plain" for no way."""

    language: str
    domain: str
    level: str
    subject: str
    form: str


@cache
def library() -> Json:
    return _read("library.json")


@cache
def languages() -> Json:
    return _read("languages.json")


def _read(name: str) -> Json:
    found: Json = json.loads(files("fanfold.apps.prompts").joinpath(name).read_text("utf-8"))
    return found


def notes(subject: str) -> Json | None:
    """What is known of a subject: three points, an example, a caveat."""
    return _notes().get(subject)


@cache
def _notes() -> dict[str, Json]:
    return {subject["name"]: subject for domain in library()["domains"].values() for subject in domain["subjects"]}


def level_of(name: str) -> str:
    """Which of our three levels a user's own word means."""
    plain = name.casefold()
    return "easy" if plain in EASY else "hard" if plain in HARD else "medium"


def language_of(name: str) -> str | None:
    """The name under which a language is known here, None for one that is not."""
    plain = name.casefold()
    return next((known for known, words in languages().items() if plain in words["names"]), None)


def prompts(domain: str, level: str, language: str, topic: str) -> list[str]:
    """All that can be written: neighbours in the list differ in subject, in template and in form."""
    words = languages()[language]
    known = library()["domains"].get(domain.casefold())
    forms = list(library()["forms"].values())
    if language != ENGLISH:
        subjects = [topic] if topic else words["subjects"].get(domain.casefold(), [domain])
        return _mixed(words[level], subjects, [""], domain)
    if topic or known is None:
        side = domain if topic and topic.casefold() != domain.casefold() else PRACTICE
        return _mixed(words[level], [topic or domain], forms, side)
    return _mixed(known[level], [subject["name"] for subject in known["subjects"]], forms, domain)


def _mixed(templates: list[str], subjects: list[str], forms: list[str], side: str) -> list[str]:
    """Every combination once, on diagonals."""
    sizes = (len(templates), len(subjects), len(forms))
    turns = sorted(product(*map(range, sizes)), key=lambda at: ((at[0] - at[1]) % sizes[0], (at[2] - at[1]) % sizes[2], at))
    return [filled(templates[t], subjects[s], side, forms[f]) for t, s, f in turns]


def filled(template: str, subject: str, side: str = "", form: str = "") -> str:
    return f"{template.replace('{subject}', subject).replace('{side}', side)} {form}".strip()


# -------------------------------------------------------------------- recognising


def recognised(text: str) -> Known | None:
    """The prompt of the library that begins on a line of the text."""
    for pattern, language, domain, level in _patterns():
        if found := pattern.search(text):
            form = next((name for name, words in library()["forms"].items() if words and words in text[found.end() :]), "plain")
            return Known(language, domain, level, found["subject"], form)
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], str, str, str]]:
    levels = ("easy", "medium", "hard")
    found = []
    for domain, known in library()["domains"].items():
        found += [(_pattern(one, list(_notes())), ENGLISH, domain, level) for level in levels for one in known[level]]
    for language, words in languages().items():
        found += [(_pattern(one), language, "", level) for level in levels for one in words[level]]
    return found


def _pattern(template: str, subjects: list[str] | None = None) -> re.Pattern[str]:
    subject = "|".join(map(re.escape, subjects)) if subjects else "[^\\n]+?"
    parts = re.escape(template).replace(r"\{subject\}", f"(?P<subject>{subject})", 1).replace(r"\{side\}", "[^\\n]+?")
    return re.compile(r"(?:^|\n)" + parts.replace(r"\{subject\}", "(?P=subject)"))
