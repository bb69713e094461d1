"""Rule checks by name, with parameters: each makes a callable, value in, None or a reason out. Reasons tell the model what to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fanfold.core.tongues import KNOWN, reads_as
from fanfold.spec.template import dig

Check = Callable[[Any], str | None]
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)]?(?=\s|$)|[。！？]")
_CITED = re.compile(r"\[(?![xX ]\])([^\[\]\n]{1,200})\](?!\()")
_PLACEHOLDER = re.compile(
    r"\[(?:your|insert|add|name of|company|date|placeholder|vul|uw)\b[^\]\n]{0,80}\]|<(?:insert|your|placeholder)\b[^>\n]{0,80}>"
    r"|\blorem ipsum\b|\bTO[D]O\b|\bTBD\b|\bX{3,}\b|\bas an ai\b(?: language model)?|\{\{[^}\n]{0,80}\}\}",
    re.IGNORECASE,
)


def _part(of: str | None) -> Callable[[Any], Any]:
    path = tuple(of.split(".")) if of else ()
    return lambda value: dig(value, path)


def _bounds(what: str, measure: Callable[[Any], float], of: str | None, least: float | None, most: float | None) -> Check:
    if least is None and most is None:
        raise ValueError("give min, max or both")
    if least is not None and most is not None and least > most:
        raise ValueError(f"min {least} is above max {most}")
    part, where = _part(of), f"{of}: " if of else ""

    def check(value: Any) -> str | None:
        n = measure(part(value))
        if least is not None and n < least:
            return f"{where}{what} is {n:g}, at least {least:g} is needed"
        if most is not None and n > most:
            return f"{where}{what} is {n:g}, at most {most:g} is allowed"
        return None

    return check


def length(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    """Characters of a text, or items of a list."""
    return _bounds("length", len, of, min, max)


def words(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    """Words of a text."""
    return _bounds("number of words", lambda text: len(str(text).split()), of, min, max)


def sentences(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    """Sentences of a text: what ends with a full stop, an exclamation or a question mark."""
    return _bounds("number of sentences", _sentences, of, min, max)


def lines(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    """Lines of a text that are not blank."""
    return _bounds("number of lines", lambda text: sum(bool(line.strip()) for line in str(text).splitlines()), of, min, max)


def items(min: int | None = None, max: int | None = None, of: str | None = None) -> Check:
    """Items of a list."""
    return _bounds("number of items", len, of, min, max)


def number(min: float | None = None, max: float | None = None, of: str | None = None) -> Check:
    """A number itself."""
    return _bounds("value", float, of, min, max)


def contains(text: str | Sequence[str], of: str | None = None) -> Check:
    """Every one of the texts occurs, upper or lower case."""
    wanted, part = _texts(text), _part(of)

    def check(value: Any) -> str | None:
        found = _flat(part(value))
        missing = [w for w in wanted if w.casefold() not in found]
        return f"{of or 'the text'} must contain {', '.join(map(repr, missing))}" if missing else None

    return check


def excludes(text: str | Sequence[str], of: str | None = None) -> Check:
    """None of the texts occurs, upper or lower case."""
    banned, part = _texts(text), _part(of)

    def check(value: Any) -> str | None:
        found = _flat(part(value))
        bad = [w for w in banned if w.casefold() in found]
        return f"{of or 'the text'} must not contain {', '.join(map(repr, bad))}" if bad else None

    return check


def starts_with(text: str | Sequence[str], of: str | None = None) -> Check:
    """The text begins with one of these, upper or lower case."""
    wanted, part = _texts(text), _part(of)
    begins = tuple(map(str.casefold, wanted))
    told = " or ".join(map(repr, wanted))
    return lambda value: (
        None if str(part(value)).strip().casefold().startswith(begins) else f"{of or 'the text'} must start with {told}"
    )


def ends_with(text: str | Sequence[str], of: str | None = None) -> Check:
    """The text ends with one of these, upper or lower case."""
    wanted, part = _texts(text), _part(of)
    ends = tuple(map(str.casefold, wanted))
    told = " or ".join(map(repr, wanted))
    return lambda value: (
        None if str(part(value)).strip().casefold().endswith(ends) else f"{of or 'the text'} must end with {told}"
    )


def language(code: str, of: str | None = None) -> Check:
    """The text is in the language, as far as its most common words or its script tell: `en`, `nl`, `ja`, ..."""
    if code not in KNOWN:
        raise ValueError(f"there is no language {code!r}: one of {', '.join(KNOWN)}")
    part = _part(of)

    def check(value: Any) -> str | None:
        other = reads_as(_joined(part(value)), code)
        return (
            None
            if other is None
            else f"{of or 'the text'} must be in the language {code!r}" + (f", not {other!r}" if other else "")
        )

    return check


def cites(ids: Sequence[Any], min: int = 0, of: str | None = None) -> Check:
    """What stands in square brackets, as `[E1]` or `[E1, E2]`, is one of these ids. min: how many different ones at least.

    ids: texts, or mappings that have an `id`. Links (`[text](address)`) and check boxes are no citations.
    """
    known = {str(each["id"] if isinstance(each, Mapping) else each) for each in ids}
    if min > len(known):
        raise ValueError(f"min {min} is more than there are ids")
    part = _part(of)

    def check(value: Any) -> str | None:
        cited = dict.fromkeys(name.strip() for group in _CITED.findall(_joined(part(value))) for name in group.split(","))
        cited.pop("", None)
        unknown = [name for name in cited if name not in known]
        if unknown:
            return f"{of or 'the text'} cites {', '.join(map(repr, unknown))}, which does not exist"
        return f"{of or 'the text'} cites {len(cited)}, at least {min} is needed" if len(cited) < min else None

    return check


def no_placeholders(of: str | None = None) -> Check:
    """Nothing was left to be filled in: no `[Your Name]`, `TBD`, `lorem ipsum`, `<insert ...>`, no "as an AI"."""
    part = _part(of)

    def check(value: Any) -> str | None:
        found = _PLACEHOLDER.search(_joined(part(value)))
        return None if found is None else f"{of or 'the text'} has the placeholder {found.group()!r}"

    return check


def one_of(values: Sequence[Any], of: str | None = None) -> Check:
    """The value is one of these."""
    if isinstance(values, str) or not values:
        raise ValueError("values are a list of what is allowed")
    part, allowed = _part(of), list(values)
    return lambda value: None if part(value) in allowed else f"{of or 'the value'} must be one of {', '.join(map(str, allowed))}"


def no_repeats(of: str | None = None) -> Check:
    """No item of a list occurs twice, upper or lower case."""
    part = _part(of)

    def check(value: Any) -> str | None:
        seen: set[str] = set()
        for item in part(value):
            key = str(item).casefold().strip()
            if key in seen:
                return f"{of or 'the list'} repeats {str(item)!r}"
            seen.add(key)
        return None

    return check


def _texts(text: str | Sequence[str]) -> list[str]:
    found = [text] if isinstance(text, str) else list(text) if isinstance(text, Sequence) else []
    if not found or not all(isinstance(each, str) and each for each in found):
        raise ValueError("give a text, or a list of texts")
    return found


def _joined(value: Any) -> str:
    """A text as it is, the texts of a list or a mapping in lines."""
    if isinstance(value, Mapping):
        return "\n".join(map(_joined, value.values()))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "\n".join(map(_joined, value))
    return str(value)


def _sentences(text: Any) -> int:
    said = str(text).strip()
    return len(_SENTENCE_END.findall(said)) + (bool(said) and said[-1] not in ".!?…。！？\"'”’»)")


def _flat(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return "\n".join(map(str, value)).casefold()
    return str(value).casefold()


NAMED: Mapping[str, Callable[..., Check]] = {
    "length": length, "words": words, "sentences": sentences, "lines": lines, "items": items, "number": number,
    "contains": contains, "excludes": excludes, "starts_with": starts_with, "ends_with": ends_with, "one_of": one_of,
    "no_repeats": no_repeats, "language": language, "cites": cites, "no_placeholders": no_placeholders,
}  # fmt: skip
