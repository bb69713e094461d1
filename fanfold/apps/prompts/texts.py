"""What the engineer and the checker are told. What is the same for all prompts comes first, so that providers can reuse it."""

from __future__ import annotations

from fanfold.apps.prompts.params import RUBRIC, Params

ENGINEER_SYSTEM = """\
You write prompts that a language model is to be tested and trained with. Each is a message that a person would really send: a question, \
a task, a piece of text with a request. Many are written at the same time, so do not settle for the first idea: choose a subject that is \
specific, and less expected.

A checker reads each prompt after you, by this rubric:
{rubric}

How to fill in the fields:
- prompt: the prompt itself, and nothing else: no title, no quotation marks around it, no answer. It names all that is needed to answer it.
- domain, level, language: as you were asked."""

DOMAIN, LEVEL, LANGUAGE, TOPIC = "Domain", "Level", "Language", "Topic"

ENGINEER = f"""\
Write prompt number {{sample}}.
- {DOMAIN}: {{facet.domain}}
- {LEVEL}: {{facet.level}}
- {LANGUAGE}: {{facet.language}}
{{topic}}"""

BEGIN, END = "<prompt>", "</prompt>"

CHECKER = f"""\
A prompt was written for testing and training a language model. Judge the prompt by this rubric; do not answer it.
{{rubric}}

It was asked for like this:
- {DOMAIN}: {{facet.domain}}
- {LEVEL}: {{facet.level}}
- {LANGUAGE}: {{facet.language}}
{{topic}}
{BEGIN}
{{value.prompt}}
{END}

Score it from 1 (of no use) to 5 (use it as it is); whether it passes is a decision of its own. Point at the words that decided it: \
the writer reads your reason and tries again."""

TARGET = "{engineer.prompt}"


def rubric(params: Params) -> str:
    """One rule a line."""
    return "\n".join(f"- {rule}" for rule in RUBRIC) if params.rubric is None else params.rubric


def topic(params: Params) -> str:
    return "" if params.topic is None else f"- {TOPIC}: {params.topic}\n"
