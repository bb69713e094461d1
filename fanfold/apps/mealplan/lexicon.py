"""What an ingredient is made of, by its words: meat, dairy, gluten and the rest. The words themselves are in `lexicon.json`.

A group has words, phrases in which such a word is harmless ("kidney beans", "coconut milk"), and heads that are harmless after
certain words ("chickpea pasta"). "Vegan", "gluten-free" and the like clear groups for the whole phrase.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from fanfold.apps.mealplan.words import Words, places, plain, segments, words

REACH = 3  # a qualifier counts up to so many words before its head: "coconut whipping cream"

ANIMAL = ("meat", "fish", "crustaceans", "molluscs")
DIETS = {
    "vegetarian": ANIMAL,
    "vegan": (*ANIMAL, "dairy", "egg", "honey"),
    "pescatarian": ("meat",),
    "gluten-free": ("gluten",),
    "dairy-free": ("dairy",),
    "egg-free": ("egg",),
    "nut-free": ("nuts", "peanuts"),
}
"""Diet -> groups that it forbids."""

ALLERGENS = {
    "gluten": "gluten", "crustaceans": "crustaceans", "eggs": "egg", "fish": "fish", "peanuts": "peanuts", "soy": "soy", "milk": "dairy",
    "nuts": "nuts", "celery": "celery", "mustard": "mustard", "sesame": "sesame", "sulphites": "sulphites", "lupin": "lupin",
    "molluscs": "molluscs",
}  # fmt: skip
"""The fourteen allergens of EU Regulation 1169/2011, annex II -> their group."""


@dataclass(frozen=True)
class Group:
    """terms: longest first. unless_after: head -> words that make it harmless."""

    terms: tuple[Words, ...]
    safe: tuple[Words, ...]
    unless_after: dict[Words, frozenset[str]]

    def finds(self, run: Words, substitutes: frozenset[str]) -> str | None:
        """The first word of the group that counts in a run of words."""
        harmless = {i + k for phrase in self.safe for i in places(phrase, run) for k in range(len(phrase))}
        for term in self.terms:
            for at in places(term, run):
                end = at + len(term)
                qualified = self.unless_after.get(term, frozenset()).intersection(run[max(0, at - REACH) : at])
                if (
                    qualified
                    or not harmless.isdisjoint(range(at, end))
                    or (end < len(run) and run[end] in substitutes | {"free"})
                ):
                    continue
                return " ".join(term)
        return None


@dataclass(frozen=True)
class Lexicon:
    groups: dict[str, Group]
    clears: dict[Words, frozenset[str]]
    substitutes: frozenset[str]
    families: dict[Words, tuple[str, ...]]


@cache
def lexicon() -> Lexicon:
    data = json.loads(files(__package__).joinpath("lexicon.json").read_text("utf-8"))
    return Lexicon(
        groups={name: _group(entry) for name, entry in data["groups"].items()},
        clears={words(phrase): frozenset(groups) for phrase, groups in data["clears"].items()},
        substitutes=frozenset(words(" ".join(data["substitutes"]))),
        families={words(name): tuple(members) for name, members in data["families"].items()},
    )


def _group(entry: dict[str, Any]) -> Group:
    unless: dict[Words, frozenset[str]] = {}
    for rule in entry["unless_after"]:
        after = frozenset(part for word in rule["after"] for part in words(word)[-1:])
        for head in rule["heads"]:
            unless[words(head)] = unless.get(words(head), frozenset()) | after
    terms = sorted({words(word) for word in entry["words"]}, key=lambda term: (-len(term), term))
    return Group(tuple(terms), tuple(words(phrase) for phrase in entry["safe"]), unless)


@lru_cache(maxsize=8192)
def contents(ingredient: str) -> dict[str, str]:
    """Group -> the word that says so, e.g. "soy sauce" -> {"gluten": "soy sauce", "soy": "soy"}."""
    known, runs, cleared = lexicon(), segments(ingredient), _cleared(ingredient)
    found = {}
    for name, group in known.groups.items():
        if name in cleared:
            continue
        for run in runs:
            word = group.finds(run, known.substitutes)
            if word is not None:
                found[name] = _as_written(word, ingredient)
                break
    return found


@lru_cache(maxsize=8192)
def _cleared(ingredient: str) -> frozenset[str]:
    """The groups that a "vegan" or "gluten-free" in the phrase rules out."""
    runs = segments(ingredient)
    return frozenset(
        group for phrase, groups in lexicon().clears.items() if any(places(phrase, run) for run in runs) for group in groups
    )


def allergens_of(ingredient: str) -> dict[str, str]:
    """Allergen -> the word that says so."""
    found = contents(ingredient)
    return {allergen: found[group] for allergen, group in ALLERGENS.items() if group in found}


def against_diet(diet: str, ingredient: str) -> str | None:
    """The word for which a diet forbids an ingredient."""
    found = contents(ingredient)
    return next((found[group] for group in DIETS[diet] if group in found), None)


@lru_cache(maxsize=8192)
def is_excluded(term: str, ingredient: str) -> bool:
    """Whether an ingredient is what the user does not want: its words, plural or not; or a member of a family ("pork", "seafood").

    "Butter" does not exclude peanut butter: phrases that make a word harmless count here too.
    """
    known, term_words = lexicon(), words(term)
    for member in known.families.get(term_words, ()):
        if member.startswith("@") and member[1:] in contents(ingredient):
            return True
        if not member.startswith("@") and _stands_for_itself(words(member), ingredient):
            return True
    return _stands_for_itself(term_words, ingredient)


def _stands_for_itself(term: Words, ingredient: str) -> bool:
    runs = [run for run in segments(ingredient) if places(term, run)]
    if not runs:
        return False
    known, cleared = lexicon(), _cleared(ingredient)
    homes = [group for name, group in known.groups.items() if term in group.terms and name not in cleared]
    if not homes and any(term in known.groups[name].terms for name in cleared):
        return False
    alone = [Group((term,), group.safe, group.unless_after) for group in homes] or [Group((term,), (), {})]
    return any(all(group.finds(run, known.substitutes) for group in alone) for run in runs)


def _as_written(stem: str, ingredient: str) -> str:
    """The whole words of the ingredient behind a stem: "anchovy" -> "anchovies"."""
    parts = plain(ingredient).replace("-", " ").split()
    written = [next((part.strip(",;()") for part in parts if words(part) == (piece,)), piece) for piece in stem.split()]
    return " ".join(written)
