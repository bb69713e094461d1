"""The regular forms of a Dutch word, by spelling rules: plurals, adjectives, weak verbs. Strong ones come from the word list."""

from __future__ import annotations

import re
from functools import lru_cache

VOWELS = "aeiouyáéíóúäëïöü"
_SHORT = re.compile(rf"(^|[^{VOWELS}])([aeiou])([bcdfghklmnprstvz])$")
_LONG = re.compile(r"(aa|ee|oo|uu)([bcdfghklmnprstvwz])$")
_SYLLABLE = re.compile(rf"[{VOWELS}]+")
_VOICED = {"f": "v", "s": "z"}
_VOICELESS = {"v": "f", "z": "s"}


@lru_cache(maxsize=4_000)
def noun_forms(word: str) -> frozenset[str]:
    """As a noun: plural and diminutive."""
    forms = {word, word + "s", word + "'s", word + "n", word + "ën"}
    for stem in _before_vowel(word):
        forms |= {stem + "en", stem + "eren"}
    if word.endswith("heid"):
        forms.add(word[:-4] + "heden")
    if word.endswith("e"):
        forms.add(word + "n")
    for small in ("je", "tje", "pje", "kje"):
        forms |= {word + small, word + small + "s"}
    for stem in _before_vowel(word):
        forms |= {stem + "etje", stem + "etjes"}
    if word.endswith("ing"):
        forms |= {word[:-1] + "kje", word[:-1] + "kjes"}
    return frozenset(forms)


@lru_cache(maxsize=4_000)
def adjective_forms(word: str) -> frozenset[str]:
    """As an adjective: with -e, and its degrees."""
    forms = {word + "st", word + "ste", word + "s", word + "der", word + "dere"}
    for stem in _before_vowel(word):
        forms |= {stem + "e", stem + "er", stem + "ere"}
    return frozenset(forms)


@lru_cache(maxsize=4_000)
def verb_forms(verb: str) -> frozenset[str]:
    """As a weak verb: present, past, participles. Empty for what does not end as a verb does."""
    if not verb.endswith("en") or len(verb) < 4:
        return frozenset()
    forms = {verb, verb + "d", verb + "de"}
    for stem in _stems(verb[:-2]):
        ended = {stem} if stem.endswith(("t", "d")) else {stem + "t", stem + "d"}
        forms |= {stem, stem + "t", stem + "d", stem + "te", stem + "ten", stem + "de", stem + "den"}
        forms |= {"ge" + end for end in ended} | {"ge" + end + "e" for end in ended}
        if stem.endswith(("t", "d")):
            forms |= {"ge" + verb[:-2] + "e"}
    return frozenset(forms)


def _before_vowel(word: str) -> set[str]:
    """How a word is written before an ending that begins with a vowel: boom -> bom-, bom -> bomm-, brief -> briev-."""
    if long := _LONG.search(word):
        return {word[:-3] + long[1][0] + sound for sound in _sounds(long[2])}
    if _SHORT.search(word):
        doubled = word + word[-1]
        return {doubled} if len(_SYLLABLE.findall(word)) == 1 else {doubled, word}
    return {word[:-1] + sound for sound in _sounds(word[-1])}


def _sounds(consonant: str) -> set[str]:
    return {consonant, _VOICED.get(consonant, consonant)}


def _stems(trunk: str) -> set[str]:
    """What is left of an infinitive without -en, as its stem is written: bell -> bel, mak -> maak, lev -> leef."""
    last = _VOICELESS.get(trunk[-1], trunk[-1])
    if len(trunk) > 1 and trunk[-1] == trunk[-2]:
        return {trunk[:-1]}
    if len(trunk) > 1 and trunk[-2] in "aeou" and (len(trunk) == 2 or trunk[-3] not in VOWELS) and trunk[-1] not in VOWELS:
        long = trunk[:-1] + trunk[-2] + last
        return {long} if len(_SYLLABLE.findall(trunk)) == 1 else {long, trunk[:-1] + last}
    return {trunk[:-1] + last}
