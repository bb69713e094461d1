"""A corpus of recipes, and what in it suits a meal: hard rules by sets of bits, the order by a full-text index in memory.

A set of recipes is an int, recipe i is bit i: diets, allergens and excluded ingredients are then two or three operations each.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import finalize

from fanfold import PlanError
from fanfold.apps.mealplan.cookbook import read
from fanfold.apps.mealplan.lexicon import is_excluded

Json = dict[str, Any]

FIELDS = ("name", "cuisine", "meals", "diets", "allergens", "minutes", "servings", "calories", "ingredients", "steps")
WORD_WEIGHTS = (8.0, 4.0, 2.0)  # of a word in the name, the cuisine and the ingredients
KEPT_TERMS = 512  # excluded ingredients and cuisines whose recipes are remembered

_WORD = re.compile(r"[^\W_]+")
_MASK = (1 << 64) - 1
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64, Steele, Lea and Flood 2014


class Corpus:
    """Recipes: name, cuisine, meals, diets, allergens, minutes, servings, calories, ingredients, steps. They are not to be changed.

    minutes, servings and calories of a user's own may be None, its meals empty: not known.
    """

    def __init__(self, recipes: Sequence[Json], name: str = "corpus") -> None:
        """name: for errors. Raises PlanError where SQLite has no full-text index."""
        self.name, self.recipes = name, tuple(recipes)
        self._meals, self._diets = _sets(self.recipes, "meals"), _sets(self.recipes, "diets")
        self._allergens = _sets(self.recipes, "allergens")
        self._for_any_meal = _bits(i for i, recipe in enumerate(self.recipes) if not recipe["meals"])
        self._holding = self._by_ingredient()
        self._hashes = [_number(recipe["name"]) for recipe in self.recipes]
        self._index, self._lock = _index(self.recipes), Lock()
        finalize(self, self._index.close)
        self._with = lru_cache(KEPT_TERMS)(self._containing)
        self._from = lru_cache(KEPT_TERMS)(self._of_cuisines)

    @staticmethod
    def shipped() -> Corpus:
        """The recipes that come with fanfold; read once."""
        return _shipped()

    @classmethod
    def read(cls, path: str | Path) -> Corpus:
        """A user's own file, .jsonl or .csv; see `cookbook`. Raises PlanError with the line of what is wrong."""
        return cls(read(path), str(path))

    def __len__(self) -> int:
        return len(self.recipes)

    def __repr__(self) -> str:
        return f"<Corpus {self.name}: {len(self)} recipes>"

    def search(
        self,
        *,
        meal: str | None = None,
        cuisines: Collection[str] = (),
        diets: Collection[str] = (),
        allergens: Collection[str] = (),
        exclude: Collection[str] = (),
        kcal: tuple[int, int] | None = None,
        max_minutes: int | None = None,
        text: str = "",
        seed: int | str = 0,
        limit: int = 24,
    ) -> list[Json]:
        """At most `limit` recipes, best first: of the cuisines, then by the words of `text`; equals in an order of the seed's own.

        Meal, diets, allergens and exclude are kept to, and so are kcal and max_minutes where a recipe says its own; cuisines and text
        only decide the order. allergens: without these. kcal: least and most of a serving.
        """
        suiting = self._suiting(meal, diets, allergens, exclude)
        places = [i for i in _places(suiting) if self._within(i, kcal, max_minutes)]
        fitting = self._from(tuple(cuisines)) if cuisines else 0
        scores, spread = self._scores(text), _number(str(seed))
        places.sort(
            key=lambda i: (
                not fitting >> i & 1,
                self._for_any_meal >> i & 1,
                scores.get(i, 0.0),
                _mixed(self._hashes[i] ^ spread),
            )
        )
        return [
            {**self.recipes[i], "ingredients": [dict(item) for item in self.recipes[i]["ingredients"]]} for i in places[:limit]
        ]

    # ---------------------------------------------------------------- hard rules

    def _suiting(self, meal: str | None, diets: Iterable[str], allergens: Iterable[str], exclude: Iterable[str]) -> int:
        found = (1 << len(self)) - 1
        if meal is not None:
            found &= self._meals.get(meal, 0) | self._for_any_meal
        for diet in diets:
            found &= self._diets.get(diet, 0)
        for allergen in allergens:
            found &= ~self._allergens.get(allergen, 0)
        for term in exclude:
            found &= ~self._with(term)
        return found

    def _within(self, place: int, kcal: tuple[int, int] | None, max_minutes: int | None) -> bool:
        recipe = self.recipes[place]
        calories, minutes = recipe["calories"], recipe["minutes"]
        return (kcal is None or calories is None or kcal[0] <= calories <= kcal[1]) and (
            max_minutes is None or minutes is None or minutes <= max_minutes
        )

    def _by_ingredient(self) -> dict[str, int]:
        """Each ingredient's name -> the recipes that it is in."""
        found: dict[str, int] = {}
        for i, recipe in enumerate(self.recipes):
            for item in recipe["ingredients"]:
                found[item["name"]] = found.get(item["name"], 0) | 1 << i
        return found

    def _containing(self, term: str) -> int:
        found = 0
        for name, mask in self._holding.items():
            if is_excluded(term, name):
                found |= mask
        return found

    # ---------------------------------------------------------------- the order

    def _of_cuisines(self, cuisines: tuple[str, ...]) -> int:
        """Where one of them is named: "Southern Italian" is Italian."""
        phrases = [phrase for phrase in (" ".join(_WORD.findall(cuisine)) for cuisine in cuisines) if phrase]
        match = " OR ".join(f'cuisine : "{phrase}"' for phrase in phrases)
        return _bits(place for place, _ in self._matching(match)) if match else 0

    def _scores(self, text: str) -> dict[int, float]:
        """Place -> bm25, below zero and lower for a better match, to one decimal: what is about as good takes turns."""
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(text)))
        return {place: round(score, 1) for place, score in self._matching(match)} if match else {}

    def _matching(self, match: str) -> list[tuple[int, float]]:
        with self._lock:
            rows = self._index.execute(
                "SELECT rowid, bm25(recipe, ?, ?, ?) FROM recipe WHERE recipe MATCH ?", (*WORD_WEIGHTS, match)
            )
            return rows.fetchall()


@cache
def _shipped() -> Corpus:
    lines = files(__package__).joinpath("corpus.jsonl").read_text("utf-8").splitlines()
    return Corpus([{field: recipe[field] for field in FIELDS} for recipe in map(json.loads, lines)])


def _index(recipes: Sequence[Json]) -> sqlite3.Connection:
    index = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        index.execute(
            "CREATE VIRTUAL TABLE recipe USING fts5(name, cuisine, ingredients, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
    except sqlite3.OperationalError as error:
        index.close()
        raise PlanError(
            "corpus",
            f"recipes cannot be searched: {error}",
            "take a Python whose sqlite3 has FTS5, or write the recipes by a model alone",
        ) from error
    index.executemany(
        "INSERT INTO recipe(rowid, name, cuisine, ingredients) VALUES (?, ?, ?, ?)",
        ((i, r["name"], r["cuisine"], ", ".join(item["name"] for item in r["ingredients"])) for i, r in enumerate(recipes)),
    )
    return index


def _sets(recipes: Sequence[Json], field: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for i, recipe in enumerate(recipes):
        for value in recipe[field]:
            found[value] = found.get(value, 0) | 1 << i
    return found


def _bits(places: Iterable[int]) -> int:
    found = 0
    for place in places:
        found |= 1 << place
    return found


def _places(mask: int) -> list[int]:
    return [i for i, digit in enumerate(reversed(f"{mask:b}")) if digit == "1"]


def _number(text: str) -> int:
    """64 bits of a text, the same in every process."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _mixed(number: int) -> int:
    """Shuffles 64 bits, so that numbers xored with another seed come in another order."""
    number = (number ^ number >> 30) * _MIX[0] & _MASK
    return (number ^ number >> 27) * _MIX[1] & _MASK
