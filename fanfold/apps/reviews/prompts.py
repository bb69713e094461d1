"""What the model is told. What is the same for all reviews comes first, so that providers can reuse it."""

from __future__ import annotations

from typing import Any

from fanfold import Cell
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.types import Persona

SYSTEM = """\
You write customer reviews for testing software that reads reviews. Many are written at the same time, each by somebody else, so do not \
settle for the first thing that comes to mind: say something that only this person would say.

{facts}

Every review keeps to these rules:
- Write as the reviewer, in plain words. No advertising language, no hashtags, no placeholders, nothing about being an AI.
- The text says what the stars say. 5: delighted. 4: satisfied, with one small complaint. 3: good and bad in balance. \
2: disappointed, with one thing that was good. 1: angry, or full of regret.
- Mention only features that are named above.
- Say nothing twice. {least} to {most} words. A title of a few words.
- Language: {language}"""

PROMPT = """\
Write one review.

Reviewer: {persona}
Rating: {rating} of 5 stars
Above all about: {about}
Written: {moment}
Length: about {length} words"""

MOMENTS = (
    "on the first day", "after a week", "after two weeks", "after a month", "after three months", "after half a year", "after a year",
    "the day after it was delivered", "on a quiet Sunday", "late at night", "after comparing it with the old one",
    "after a friend had recommended it",
)  # fmt: skip
GENERAL = {
    "product": (
        "the price",
        "the delivery",
        "the packaging",
        "the instructions",
        "the build quality",
        "the customer service",
        "daily use",
    ),
    "service": (
        "the price",
        "the staff",
        "the booking",
        "the communication",
        "the waiting time",
        "the customer service",
        "the website",
    ),
}
"""What else there is to say something about."""


def facts(params: Params) -> str:
    """One line a fact, `Label: value`."""
    product = params.product
    lines = {
        product.kind.capitalize(): product.name,
        "Category": product.category,
        "Description": product.description,
        "Features": "; ".join(product.features),
        "For": product.audience,
        "Price": product.price,
    }
    return "\n".join(f"{label}: {' '.join(value.split())}" for label, value in lines.items() if value.strip())


def facets(params: Params) -> dict[str, list[Any]]:
    """What the reviews are spread over, so that no two are asked for the same."""
    about = dict.fromkeys([*params.product.features, *GENERAL[params.product.kind]])
    room = params.max_words - params.min_words
    lengths = dict.fromkeys(params.min_words + round(room * part) for part in (0.12, 0.25, 0.4, 0.6))
    return {"about": list(about), "moment": list(MOMENTS), "length": list(lengths)}


def asked(cell: Cell) -> str:
    """The prompt of one review: whose it is, how many stars, what about, when written, how long."""
    row = cell["review"]
    return PROMPT.format(persona=cell["personas"][row["persona"]], rating=row["rating"], **cell.facet)


def personas(params: Params) -> dict[str, str]:
    """Each in a line, by name: "Retired teacher (drinks tea all day); tone: dry"."""
    return {each.name: " ".join(_persona(each).split()) for each in params.personas}


def _persona(each: Persona) -> str:
    return each.name + (f" ({each.description})" if each.description else "") + (f"; tone: {each.tone}" if each.tone else "")
