"""A user's own recipes: a JSON, JSONL or CSV file, each row made into a recipe. A row that cannot be one is an error with its line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from fanfold import PlanError, Rows
from fanfold.apps.mealplan.checks import IMPLIES
from fanfold.apps.mealplan.ingredients import number, parsed
from fanfold.apps.mealplan.lexicon import DIETS, against_diet, allergens_of
from fanfold.apps.mealplan.params import DIET_ALIASES, WEIGHTS, chosen
from fanfold.apps.mealplan.types import SYNONYMS, Allergen, tag

Json = dict[str, Any]

OTHER_NAMES = {
    "title": "name", "recipe": "name", "dish": "name", "instructions": "steps", "directions": "steps", "method": "steps", "meal": "meals",
    "diet": "diets", "allergen": "allergens", "time": "minutes", "total-minutes": "minutes", "total-time": "minutes", "kcal": "calories",
    "serves": "servings", "yield": "servings", "cuisines": "cuisine",
}  # fmt: skip
MOST = {"minutes": 10_000, "servings": 1000, "calories": 10_000}
_HOURS, _MINUTES = re.compile(r"(\d{1,4}(?:[.,]\d+)?)\s*(?:hours?|hrs?|h)(?![a-z])"), re.compile(r"(\d{1,6})\s*m")
_FIRST = re.compile(r"\d+(?:[.,]\d+)?")


class Wrong(ValueError):
    """What is wrong with a row, and what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read(path: str | Path) -> list[Json]:
    """Recipes of a file: name, cuisine ("" if not given), meals (none: for any), diets, allergens, minutes, servings and calories (None
    if not given), ingredients (name, amount, unit), steps. Raises PlanError with the line of the first row that is wrong.
    """
    whole = Path(path).suffix.lower() == ".json"
    rows = _listed_in(Path(path)) if whole else Rows(path)
    if not len(rows):
        raise PlanError(str(path), "has no recipes", "give each a name and its ingredients")
    recipes = []
    for place, row in enumerate(rows):
        try:
            recipes.append(recipe(row))
        except ValueError as error:
            where = f"{path}: recipe {place + 1}" if whole else f"{path}:{_line(Path(path), place)}"
            raise PlanError(where, str(error), getattr(error, "hint", "correct the row")) from error
    return recipes


def _listed_in(path: Path) -> list[Json]:
    """The rows of a JSON file: a list of objects, alone or as `recipes`."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise PlanError(str(path), f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PlanError(str(path), "is not UTF-8", "save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise PlanError(str(path), f"is not valid JSON: {error}") from error
    rows = found.get("recipes") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PlanError(str(path), "is not a list of recipes", 'write [{"name": …, "ingredients": […]}, …]')
    return rows


def recipe(row: Json) -> Json:
    """One row. Raises ValueError."""
    given = _named(row)
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Wrong("has no name", f"give every recipe a name; its columns are {', '.join(map(str, row))}")
    ingredients = _ingredients(given.get("ingredients"))
    names = [item["name"] for item in ingredients]
    return {
        "name": " ".join(name.split()),
        "cuisine": str(given.get("cuisine") or "").strip(),
        "meals": [chosen(meal, list(WEIGHTS), "meal") for meal in _texts(given, "meals", "[;,]")],
        "diets": _diets(_texts(given, "diets", "[;,]"), names),
        "allergens": _allergens(_texts(given, "allergens", "[;,]"), names),
        "minutes": _counted(given, "minutes", _minutes),
        "servings": _counted(given, "servings", _first),
        "calories": _counted(given, "calories", _first),
        "ingredients": ingredients,
        "steps": _texts(given, "steps", "\n" if "\n" in str(given.get("steps") or "").strip() else ";"),
    }


def _named(row: Json) -> Json:
    """Under our names, without what is blank. Our own name goes before another one for the same."""
    named: Json = {}
    for key, value in sorted(row.items(), key=lambda pair: tag(str(pair[0])) in OTHER_NAMES):
        if value is not None and value != "":
            named.setdefault(OTHER_NAMES.get(tag(str(key)), tag(str(key))), value)
    return named


def _texts(given: Json, field: str, between: str) -> list[str]:
    """A list of texts, or one text that is cut."""
    value = given.get(field, [])
    parts = re.split(between, value) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise Wrong(f"its {field} are not texts: {_shown(value)}", "write a list of texts, or one text with ; between them")
    return [part.strip() for part in parts if part.strip()]


def _ingredients(value: Any) -> list[Json]:
    lines = re.split(r"[;\n]", value) if isinstance(value, str) else value
    if not isinstance(lines, list):
        raise Wrong("has no ingredients", 'list them: "200 g rice; 1 onion", or objects with name, amount and unit')
    found = [_ingredient(line) for line in lines if line not in ("", None) and str(line).strip()]
    if not found:
        raise Wrong("has no ingredients", 'list them: "200 g rice; 1 onion", or objects with name, amount and unit')
    return found


def _ingredient(line: Any) -> Json:
    if isinstance(line, str):
        return parsed(line)
    if not isinstance(line, dict) or not str(line.get("name") or "").strip():
        raise Wrong(f"an ingredient has no name: {_shown(line)}", "give it a name, or write it as a text: 200 g rice")
    name, unit = str(line["name"]).strip(), str(line.get("unit") or "").strip()
    amount = line.get("amount")
    if amount in (None, ""):
        return {"name": name, "amount": 0.0, "unit": "to taste"}
    value = number(amount) if isinstance(amount, str) else amount
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise Wrong(f"{name} has the amount {_shown(amount)}", "write a number from 0, and its unit in unit")
    return {"name": name, "amount": float(value), "unit": unit or ("piece" if value else "to taste")}


def _diets(declared: list[str], names: list[str]) -> list[str]:
    """Those that are declared, with what they imply, but for what an ingredient plainly speaks against; not declared: those that hold."""
    holding = [diet for diet in DIETS if not any(against_diet(diet, name) for name in names)]
    if not declared:
        return holding
    tags = [DIET_ALIASES.get(tag(diet), tag(diet)) for diet in declared]
    meant = dict.fromkeys([*tags, *(implied for diet in tags for implied in sorted(IMPLIES.get(diet, ())))])
    return [diet for diet in meant if diet in holding or diet not in DIETS]


def _allergens(declared: list[str], names: list[str]) -> list[str]:
    """Those that are declared, and those that the ingredients plainly contain."""
    tags = [SYNONYMS.get(tag(name), tag(name)) for name in declared]
    stated = {chosen(name, list(get_args(Allergen)), "allergen") for name in tags if name != "none"}
    return sorted(stated | {allergen for name in names for allergen in allergens_of(name)})


def _counted(given: Json, field: str, read_text: Callable[[str], float | None]) -> int | None:
    if field not in given:
        return None
    value = given[field]
    count = read_text(value.casefold()) if isinstance(value, str) else value
    if isinstance(count, bool) or not isinstance(count, int | float) or not 1 <= count <= MOST[field]:
        raise Wrong(f"its {field} are {_shown(value)}", f"write a number from 1 to {MOST[field]}, or leave {field} out")
    return round(count)


def _minutes(text: str) -> float | None:
    """ "45", "45 min", "1 h 30 min", "PT1H30M"."""
    text = text.replace("pt", " ")
    hours, minutes = _HOURS.search(text), _MINUTES.search(text)
    if hours is None and minutes is None:
        return _first(text)
    return (number(hours[1]) or 0) * 60 + _whole(minutes) if hours else float(_whole(minutes))


def _first(text: str) -> float | None:
    """ "4-6 servings" -> 4."""
    found = _FIRST.search(text)
    return number(found[0]) if found else None


def _whole(found: re.Match[str] | None) -> int:
    return int(found[1]) if found else 0


def _shown(value: Any) -> str:
    return repr(value)[:80]


def _line(path: Path, place: int) -> int:
    """On which line row number `place` begins; blank lines are no rows."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() not in (".csv", ".tsv"):
            return next(islice((n for n, line in enumerate(file, 1) if line.strip()), place, None), 0)
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        next(reader)
        rows, start = -1, 1
        while rows < place:
            start = reader.line_num + 1
            rows += any(field.strip() for field in next(reader))
        return start
