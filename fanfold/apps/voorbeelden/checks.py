"""What an answer has to be. Each check says what is wrong and what to do about it, in Dutch, for the model to mend."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from fanfold import Cell
from fanfold.apps.voorbeelden.kinds import BY_NAME
from fanfold.apps.voorbeelden.language import dutch_sentence, foreign
from fanfold.apps.voorbeelden.lexicon import lemma, words
from fanfold.apps.voorbeelden.params import Params
from fanfold.apps.voorbeelden.types import Begripsdefinitie, Voorbeeldsoort, texts_of
from fanfold.apps.voorbeelden.usage import uses

Check = Callable[[Any, Cell], str | None]

LEAST_DEFINITION, MOST_DEFINITION = 20, 600  # characters
LEAST_SENTENCE_WORDS = 4
LEAST_EXPLANATION, MOST_EXPLANATION = 80, 2000  # characters
MOST_WORDS = 6  # of a synonym


def checks_for(kind: str, params: Params) -> list[Check]:
    """Of a kind's own step. The cheap ones come first."""
    found: list[Check] = [_number(kind, params)]
    if BY_NAME[kind].listed:
        return [*found, short, not_the_term, no_repeats, dutch_words]
    if kind == "toelichting":
        return [*found, _length, dutch]
    return [*found, whole_sentences, no_repeats, *([uses_the_term] if kind == "voorbeeldzinnen" else []), dutch]


def checks_by_kind(params: Params) -> list[Check]:
    """Of a step over all kinds: the answer is of the kind that was asked for, and good as one of these."""
    of_kind = {kind: checks_for(kind, params) for kind in params.soorten}

    def voorbeelden(value: Voorbeeldsoort, cell: Cell) -> str | None:
        asked = cell["soort"]
        if value.soort != asked:
            return f"dit zijn {value.soort}, maar er zijn {asked} gevraagd"
        return next((reason for check in of_kind[asked] if (reason := check(value, cell)) is not None), None)

    return [voorbeelden]


# -------------------------------------------------------------------- the definition


def definition(value: Begripsdefinitie, cell: Cell) -> str | None:
    """Long enough to say something, Dutch, and not in a circle."""
    text, term = value.definitie, cell["term"].begrip
    if not LEAST_DEFINITION <= len(text) <= MOST_DEFINITION:
        return f"de definitie is {len(text)} tekens lang: schrijf één of twee zinnen, {LEAST_DEFINITION} tot {MOST_DEFINITION} tekens"
    if not dutch_sentence(text):
        return "de definitie is niet in het Nederlands: schrijf haar in het Nederlands"
    if _plain(term) in words(text) or f" {_plain(term)} " in f" {_plain(text)} ":
        return f"de definitie gebruikt het begrip {term!r} zelf: omschrijf het met andere woorden"
    return None


# -------------------------------------------------------------------- how many, how long


def _number(kind: str, params: Params) -> Check:
    most, exact = params.count(kind), BY_NAME[kind].exact

    def aantal(value: Any, cell: Cell) -> str | None:
        found = len(texts_of(value))
        if found == most or (not exact and 1 <= found < most):
            return None
        return f"er zijn {'' if exact else 'hoogstens '}{most} {kind} gevraagd en er staan er {found}: geef er {'' if exact else 'hoogstens '}{most}"

    return aantal


def short(value: Any, cell: Cell) -> str | None:
    """Words or short expressions, no sentences."""
    for text in texts_of(value):
        if len(text.split()) > MOST_WORDS or text.endswith("."):
            return f"{text!r} is geen woord of korte uitdrukking: geef alleen het woord"
    return None


def whole_sentences(value: Any, cell: Cell) -> str | None:
    for text in texts_of(value):
        if len(words(text)) < LEAST_SENTENCE_WORDS:
            return f"{text!r} is te kort: schrijf een hele zin"
    return None


def _length(value: Any, cell: Cell) -> str | None:
    size = sum(map(len, texts_of(value)))
    if LEAST_EXPLANATION <= size <= MOST_EXPLANATION:
        return None
    return f"de toelichting is {size} tekens lang: schrijf een alinea van {LEAST_EXPLANATION} tot {MOST_EXPLANATION} tekens"


# -------------------------------------------------------------------- what they say


def not_the_term(value: Any, cell: Cell) -> str | None:
    """Neither a synonym nor an antonym is the term itself, in whatever form."""
    term = cell["term"].begrip
    for text in texts_of(value):
        if key(text) == key(term):
            return f"{text!r} is het begrip zelf: geef een ander woord"
    return None


def no_repeats(value: Any, cell: Cell) -> str | None:
    seen: set[str] = set()
    for text in texts_of(value):
        if _plain(text) in seen:
            return f"{text!r} staat er twee keer: geef telkens iets anders"
        seen.add(_plain(text))
    return None


def uses_the_term(value: Any, cell: Cell) -> str | None:
    term = cell["term"].begrip
    for text in texts_of(value):
        if not uses(term, text):
            return f"het begrip {term!r} komt niet voor in {text!r}: gebruik het in elke zin"
    return None


def dutch(value: Any, cell: Cell) -> str | None:
    for text in texts_of(value):
        if not dutch_sentence(text):
            return f"{text!r} is niet in het Nederlands: schrijf alles in het Nederlands"
    return None


def dutch_words(value: Any, cell: Cell) -> str | None:
    """A loan word or two may be among them."""
    texts = texts_of(value)
    found = foreign(texts)
    if len(found) * 2 > len(texts):
        return f"{', '.join(map(repr, found))}: dat is geen Nederlands; geef Nederlandse woorden"
    return None


def key(text: str) -> str:
    """What tells two words apart: not case, accents, articles or inflection."""
    parts = [part for part in words(_plain(text)) if part not in ("de", "het", "een")]
    return " ".join(map(lemma, parts))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in decomposed if unicodedata.category(char)[0] != "M")
    return " ".join("".join(char if char.isalnum() or char in "'-" else " " for char in letters).split())
