"""reviews: exactly so many, all distinct, each checked, in the ratings that were asked for; and a report on their quality."""

from __future__ import annotations

from fanfold import App, Axis, Plan, Step, Unique
from fanfold.apps.reviews.checks import checks_for
from fanfold.apps.reviews.compare import real_reviews
from fanfold.apps.reviews.config import translated
from fanfold.apps.reviews.exports import content, markdown, rows
from fanfold.apps.reviews.html import html
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.prompts import SYSTEM, asked, facets, facts, personas
from fanfold.apps.reviews.ratings import slots
from fanfold.apps.reviews.types import ProductReview

SHORT = 90  # characters
ATTEMPTS = 12  # each review is itself: so many answers, until a run of bad luck is no luck any more


def sameness(review: ProductReview) -> str:
    """By what reviews are compared: runs of three words. A short one is said again, for of short texts the engine compares the letters,
    by which two short sentences are always half alike."""
    text = review.text
    return text if len(text) > SHORT else " ".join([text] * (SHORT // max(1, len(text)) + 2))


def plan(params: Params) -> Plan:
    """All reviews at once. Which of them has which rating and whose it is stands before the first call, so that no order can change it."""
    params.check()
    if params.compare is not None:
        real_reviews(params.compare)  # a file that cannot be read is found now
    listed = [
        {"n": slot.n, "rating": slot.rating, "persona": params.personas[slot.persona].name}
        for slot in slots(params.asked, [persona.share for persona in params.personas])
    ]
    review = Step(
        "review",
        prompt=asked,
        system=SYSTEM,
        output=ProductReview,
        over="review",
        unique=Unique(key=sameness, near=params.near),
        facets=facets(params),
        checks=checks_for(params),
        attempts=ATTEMPTS,
        sampling={} if params.temperature is None else {"temperature": params.temperature},
    )
    given = {
        "facts": facts(params),
        "personas": personas(params),
        "language": params.spoken,
        "least": params.min_words,
        "most": params.max_words,
    }
    return Plan("reviews", [review], [Axis("review", listed)], given)


APP = App(
    name="reviews",
    summary="Write reviews: exactly so many, no two alike, each checked, in the ratings you ask for.",
    params=Params,
    plan=plan,
    content=content,
    markdown=markdown,
    rows=rows,
    documents={"html": html},
    bench=[{"num_samples": count} for count in (10, 50, 100)],
    config=translated,
)
