"""What a review must be. Each check says what is wrong and what to write instead; the first that refuses ends it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache

from fanfold import Cell
from fanfold.apps.reviews.language import data, feeling, spoken, words
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.types import ProductReview

Check = Callable[..., str | None]

AGREES = {1: (-1.0, 0.0), 2: (-1.0, 0.34), 3: (-0.8, 0.8), 4: (-0.05, 1.0), 5: (0.3, 1.0)}
"""Stars -> the feeling that goes with them, -1 to 1."""
EVIDENCE = {1: 2, 2: 2, 3: 4, 4: 2, 5: 2}
"""Stars -> words of feeling below which a text says nothing against them."""
SAID = {
    1: "of anger or regret",
    2: "mostly of disappointment",
    3: "good and bad in balance",
    4: "mostly of praise",
    5: "of delight",
}
TITLE_WORDS = 14
PILE = 3  # phrases of adverts that make a review an advert
RUN, OFTEN = 4, 3  # so many words in a row, so many times
VARIED, LONG = 0.45, 30  # least part of a long text's words that are different


def checks_for(params: Params) -> list[Check]:
    """In the order in which a person would notice."""
    language = params.spoken
    return [_length(params), rating, _spoken(language), realism, repetition, _agrees(language)]


CHECKS = ("length", "rating", "language", "realism", "repetition", "sentiment")
"""Their names, in this order."""


def _length(params: Params) -> Check:
    def length(review: ProductReview) -> str | None:
        count = len(review.text.split())
        if not params.min_words <= count <= params.max_words:
            return f"it has {count} words: write {params.min_words} to {params.max_words}"
        if len(review.title.split()) > TITLE_WORDS:
            return f"its title has {len(review.title.split())} words: a few are enough"
        return None

    return length


def rating(review: ProductReview, cell: Cell) -> str | None:
    """The stars are those that were asked for: the numbers of each rating depend on it."""
    asked = cell["review"]["rating"]
    return None if review.rating == asked else f"its rating is {review.rating}: write a review of {asked} of 5 stars"


def _spoken(language: str) -> Check:
    def check_language(review: ProductReview) -> str | None:
        counts = spoken(review.text)
        if language not in counts:
            return None
        other = max(counts, key=lambda name: counts[name])
        if counts[other] > 1.5 * counts[language] + 2:
            return f"it is written in {other}: write it in {language}"
        return None

    check_language.__name__ = "language"
    return check_language


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern, re.IGNORECASE), said) for pattern, said in data()["realism"]]


def realism(review: ProductReview) -> str | None:
    """A customer could have written it: nobody says what they are, leaves a gap to be filled in, or talks like an advert."""
    for text in (review.title, review.text):
        for pattern, said in _patterns():
            if found := pattern.search(text):
                return said.format(found=found[0].strip())
    plain = f" {' '.join(words(review.title + ' . ' + review.text))} "
    pile = [phrase for phrase in data()["adverts"] if f" {phrase} " in plain]
    if len(pile) >= PILE:
        return f"it reads like an advert ({', '.join(pile)}): write as somebody who paid for it"
    return None


def repetition(review: ProductReview) -> str | None:
    """It does not say the same thing twice."""
    sentences = Counter(" ".join(words(part)) for part in re.split(r"[.!?\n]+", review.text))
    if twice := next((text for text, count in sentences.items() if count > 1 and len(text.split()) > 3), None):
        return f"it says {twice!r} twice: say it once"
    listed = words(review.text)
    runs = Counter(zip(*(listed[n:] for n in range(RUN)), strict=False))
    if often := next((run for run, count in runs.items() if count >= OFTEN), None):
        return f"it says {' '.join(often)!r} {runs[often]} times: vary your words"
    if len(listed) >= LONG and len(set(listed)) < VARIED * len(listed):
        return f"only {len(set(listed))} of its {len(listed)} words are different: vary your words"
    return None


def _agrees(language: str) -> Check:
    def sentiment(review: ProductReview) -> str | None:
        """The feeling of the text goes with the stars, by a small list of words; where none is found, nobody can tell."""
        found = feeling(f"{review.title}. {review.text}", language)
        if found is None or found.score is None:
            return None
        low, high = AGREES[review.rating]
        if low <= found.score <= high or len(found.positive) + len(found.negative) < EVIDENCE[review.rating]:
            return None
        too, which = ("positive", found.positive) if found.score > high else ("negative", found.negative)
        told = ", ".join(dict.fromkeys(which[:4]))
        stars = f"{review.rating} star{'s' * (review.rating > 1)}"
        return f"it is too {too} for {stars} ({told}): the words must be {SAID[review.rating]}"

    return sentiment
