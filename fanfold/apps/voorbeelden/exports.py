"""The examples for programs and for people: JSON by term, Markdown, one row an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanfold import Result
from fanfold.apps.voorbeelden.checks import key
from fanfold.apps.voorbeelden.kinds import BY_NAME
from fanfold.apps.voorbeelden.params import Params
from fanfold.apps.voorbeelden.types import Term, texts_of

Json = dict[str, Any]


def content(params: Params, result: Result) -> Json:
    """`{"begrip", "definitie", "voorbeelden": {…}}`; for a file of terms `{"begrippen": [those]}`. Kinds are in their fixed order.

    A kind that failed is empty: [] or "". What stood among synonyms and antonyms is left out of the antonyms, and `opmerkingen` says so.
    """
    found = [_term(params, result, index) for index in range(len(result["definitie"]))]
    return found[0] if params.terms is None else {"begrippen": found}


def _term(params: Params, result: Result, index: int) -> Json:
    cell = result["definitie"].cells[index]
    term: Term = cell.at["term"]
    kinds: Json = {}
    for place, name in enumerate(params.soorten):
        if params.gecombineerd:
            value = result["voorbeelden"].cells[index * len(params.soorten) + place].value
        else:
            value = result[name].cells[index].value
        kinds[name] = BY_NAME[name].empty if value is None else _shown(name, texts_of(value))
    remarks = _apart(kinds)
    return {
        "begrip": term.begrip,
        **({"context": term.context} if term.context else {}),
        "definitie": cell.value.definitie if cell.value is not None else "",
        "voorbeelden": kinds,
        **({"opmerkingen": remarks} if remarks else {}),
    }


def _shown(name: str, texts: list[str]) -> list[str] | str:
    return texts[0] if BY_NAME[name].count is None else texts


def _apart(kinds: Json) -> list[str]:
    """Synonyms and antonyms are asked for at the same time, so a word may be among both: then it is left out of the antonyms."""
    same = {key(text) for text in kinds.get("synoniemen", [])}
    both = [text for text in kinds.get("antoniemen", []) if key(text) in same]
    if both:
        kinds["antoniemen"] = [text for text in kinds["antoniemen"] if text not in both]
    return [f"{text!r} stond bij de synoniemen én bij de antoniemen; bij de antoniemen is het weggelaten." for text in both]


# -------------------------------------------------------------------- for people


def markdown(data: Json) -> str:
    """A page for each term."""
    failures = _failures(data)
    return "\n".join(line for term in _terms(data) for line in _page(term, failures.get(_name(term), {})))


def _terms(data: Json) -> list[Json]:
    found: list[Json] = data.get("begrippen", [data])
    return found


def _page(term: Json, failed: Mapping[str, Json]) -> Iterator[str]:
    yield f"# {term['begrip']}\n"
    if term.get("context"):
        yield f"*Context: {term['context']}*\n"
    if term["definitie"] or "definitie" in failed:
        yield f"> {term['definitie'] or _failed(failed['definitie'])}\n"
    for name, texts in term["voorbeelden"].items():
        kind = BY_NAME[name]
        yield f"## {kind.title}\n"
        if not texts:
            yield _failed(failed[name]) + "\n" if name in failed else "*Geen.*\n"
        elif kind.listed:
            yield " · ".join(texts) + "\n"
        elif kind.count is None:
            yield f"{texts}\n"
        else:
            yield "".join(f"{number}. {text}\n" for number, text in enumerate(texts, 1))
    for remark in term.get("opmerkingen", []):
        yield f"*{remark}*\n"


def _failed(error: Json) -> str:
    return f"*Niet gelukt: {error['message']}*"


def _name(term: Json) -> tuple[str, str | None]:
    return term["begrip"], term.get("context")


def _failures(data: Json) -> dict[tuple[str, str | None], dict[str, Json]]:
    """The errors of each term, by kind."""
    found: dict[tuple[str, str | None], dict[str, Json]] = {}
    for error in data.get("errors", []):
        term = error["cell"]["term"]
        found.setdefault(_name(term), {})[error["cell"].get("soort", error["stage"])] = error
    return found


def rows(data: Json) -> list[Json]:
    """One flat row an example."""
    return [row for term in _terms(data) for row in _rows(term)]


def _rows(term: Json) -> Iterator[Json]:
    for name, texts in term["voorbeelden"].items():
        for number, text in enumerate([texts] if isinstance(texts, str) and texts else texts, 1):
            yield {
                "begrip": term["begrip"],
                "context": term.get("context", ""),
                "definitie": term["definitie"],
                "soort": name,
                "nummer": number,
                "tekst": text,
            }
