"""Whether a sentence uses a term: inflected, in a compound, or, a separable verb, in two parts ("opbellen": hij belt haar op)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from fanfold.apps.voorbeelden.inflection import adjective_forms, noun_forms, verb_forms
from fanfold.apps.voorbeelden.lexicon import is_dutch, lemma

_SMALL = "de het een van in op te voor aan met en of zich tot bij om der den des uit naar door tegen onder over"
SMALL = frozenset(_SMALL.split())
"""Words of an expression that a sentence may leave out or change."""
PARTICLES = (
    "achteruit", "vooruit", "voorbij", "overeen", "tegemoet", "teweeg", "terecht", "samen", "terug", "binnen", "buiten", "tegen", "achter",
    "rond", "open", "klaar", "langs", "onder", "over", "neer", "weer", "vast", "door", "dicht", "thuis", "voor", "mee", "vol", "los", "weg",
    "aan", "bij", "toe", "uit", "om", "op", "af", "in", "na", "deel", "plaats", "vrij", "goed", "bekend", "stil", "waar", "tekort", "kennis",
    "schoon", "bloot", "gade", "stop", "les", "klem", "hard", "dood", "gelijk", "recht",
)  # fmt: skip
NOUNS = frozenset({"deel", "plaats", "kennis", "les", "stop", "recht", "klem"})
"""Those that are nouns too."""
_CLOSES = """
en of maar want dus om voor bij met van naar na als omdat zodat dat die terwijl toen door uit tot tegen te zonder nadat
voordat wanneer waarna aan op in over onder per rond langs tussen zodra sinds tijdens vanwege volgens binnen wegens dan
wie wat waar hoe ook niet nog weer meteen direct gisteren vandaag morgen vanavond mits tenzij hoewel totdat alvorens
worden wordt werd is was zijn heeft had
"""
CLOSES = frozenset(_CLOSES.split())
"""What may follow the particle of a separable verb, which ends its clause: nothing, a comma, or one of these."""
_PIECE = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[.,;:!?()\"…–—]")
_BEFORE_NOUNS = "de het een geen dit dat deze die mijn jouw zijn haar ons onze hun elk elke ieder"
BEFORE_NOUNS = frozenset(_BEFORE_NOUNS.split())
"""What stands before a noun, and so not before a particle: "hij nam een deel van de taart"."""
DERIVED = frozenset({"heid", "heden", "lijk", "lijke", "loos", "loze", "baar", "bare", "schap"})
"""What makes another word of a word, and no compound: "gezondheid" does not use "gezond"."""
LEAST_PART = 3  # letters of the other part of a compound
SURE = 6  # letters of a term that is found in a compound without asking whether its other part is a word


def uses(term: str, sentence: str) -> bool:
    """term: a word or an expression, of which every word that is not small has to be there."""
    pieces = [piece.replace("’", "'") for piece in _PIECE.findall(sentence.casefold())]
    parts = [part.replace("’", "'") for part in re.split(r"[\s/]+", term.casefold()) if part]
    parts = [part.strip(".,;:!?()\"'") for part in parts]
    wanted = [part for part in parts if part and part not in SMALL] or parts
    return all(_in(part, pieces) for part in wanted)


def _in(word: str, pieces: list[str]) -> bool:
    if any(_is_form(word, piece) for piece in pieces):
        return True
    return any(_split(particle, verb, pieces) for particle, verb in _separated(word))


@lru_cache(maxsize=50_000)
def _is_form(word: str, piece: str) -> bool:
    if not piece[0].isalnum():
        return False
    if word == piece or ("-" in piece and any(_is_form(word, part) for part in piece.split("-") if part and "-" not in word)):
        return True
    if piece in noun_forms(word) or piece in verb_forms(word) or _joined(word, piece):
        return True
    if lemma(piece) in (word, lemma(word)):
        return True
    if piece in adjective_forms(word):
        return not piece.endswith("er") or lemma(piece) != piece  # of recht, "rechter" is none
    return _in_compound(word, piece)


def _joined(word: str, piece: str) -> bool:
    """A separable verb written as one: opbelt, opgebeld, op te bellen as "opbellen"."""
    for particle, verb in _separated(word):
        rest = piece.removeprefix(particle)
        if rest != piece and len(rest) > 1 and _is_verb_form(verb, rest):
            return True
    return False


def _in_compound(word: str, piece: str) -> bool:
    """dwangsombesluit, bouwvergunning: the term at either end, perhaps in the plural, and beside it another word."""
    if len(word) < LEAST_PART or piece == word:
        return False
    plurals = [form for form in noun_forms(word) if form.endswith(("en", "s"))]
    for form in (word, *plurals, *(form[:-2] for form in plurals if form.endswith("eren"))):
        if piece.startswith(form) and _is_part(word, piece, piece[len(form) :], str.removeprefix):
            return True
        if piece.endswith(form) and _is_part(word, piece, piece[: -len(form)], str.removesuffix):
            return True
    return False


def _is_part(word: str, piece: str, other: str, without: Callable[[str, str], str]) -> bool:
    """Whether what is left of a piece is a word of its own, with or without what links it."""
    if len(other) < LEAST_PART or other in DERIVED:
        return False
    if len(word) >= SURE or (len(word) > LEAST_PART and len(other) > LEAST_PART and is_dutch(piece)):
        return True
    parts = {without(other, link) for link in ("", "s", "en", "n", "e")}
    return any(len(part) >= LEAST_PART and is_dutch(part) for part in parts)


# -------------------------------------------------------------------- separable verbs


@lru_cache(maxsize=4_000)
def _separated(word: str) -> tuple[tuple[str, str], ...]:
    """The ways in which a verb may come apart: "opbellen" -> (("op", "bellen"),)."""
    found = []
    for particle in PARTICLES:
        verb = word.removeprefix(particle)
        if verb != word and len(verb) >= 4 and verb.endswith("n") and is_dutch(verb):
            found.append((particle, verb))
    return tuple(found[:1])


def _is_verb_form(verb: str, piece: str) -> bool:
    return piece == verb or piece in verb_forms(verb) or (piece[0].isalnum() and lemma(piece) in (verb, lemma(verb)))


def _split(particle: str, verb: str, pieces: list[str]) -> bool:
    for i, piece in enumerate(pieces):
        if piece == particle:
            if i and pieces[i - 1] in BEFORE_NOUNS and particle in NOUNS:
                continue
            after = pieces[i + 1] if i + 1 < len(pieces) else "."
            if after == "te" and i + 2 < len(pieces) and _is_verb_form(verb, pieces[i + 2]):
                return True  # op te bellen
            if (not after[0].isalnum() or after in CLOSES) and any(_is_verb_form(verb, each) for each in _clause(pieces, i)):
                return True  # belt haar op
    return False


def _clause(pieces: list[str], end: int) -> list[str]:
    """What stands before, back to the end of the sentence before."""
    start = end
    while start > 0 and pieces[start - 1] not in (".", "!", "?", ";"):
        start -= 1
    return pieces[start:end]
