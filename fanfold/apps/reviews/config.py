"""A config file in its own words (`generation: {batch_size: 10, max_retries: 5}`), as parameters and common options."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from fanfold import PlanError
from fanfold.apps.reviews.params import Params

Json = dict[str, Any]

SECTIONS: dict[str, dict[str, str]] = {
    "generation": {
        "batch_size": "max_concurrent", "max_retries": "attempts", "num_samples": "num_samples", "temperature": "temperature",
        "language": "language", "max_concurrent": "max_concurrent", "attempts": "attempts", "seed": "seed",
    },
    "quality": {
        "min_words": "min_words", "max_words": "max_words", "near": "near", "similarity_threshold": "near", "compare": "compare",
    },
}  # fmt: skip
"""Tables of the file: their words, and what each is called here."""
WORDS = {
    "personas": "personas", "product": "product", "service": "product", "ratings": "ratings", "rating_distribution": "ratings",
    "num_samples": "num_samples", "language": "language", "models": "model", "batch_size": "max_concurrent", "max_retries": "attempts",
}  # fmt: skip
KINDS = {
    "int_parsing": "a whole number is needed, not {given}", "int_type": "a whole number is needed, not {given}",
    "int_from_float": "a whole number is needed, not {given}", "float_parsing": "a number is needed, not {given}",
    "float_type": "a number is needed, not {given}", "list_type": "a list is needed, not {given}",
    "string_type": "a text is needed, not {given}", "model_type": "names and values are needed, not {given}",
}  # fmt: skip
"""How what the parameters refuse is said."""
MODEL_WORDS = ("model", "name", "provider", "share", "weight")


def translated(data: Json) -> Json:
    """Raises PlanError with the place of what is wrong. Words that are not ours are left for those whose they are."""
    found: dict[str, tuple[str, Any]] = {}
    rest: Json = {}
    for word, value in data.items():
        if word in SECTIONS:
            for inner, deep in _table(value, word).items():
                _put(found, _known(inner, SECTIONS[word], word), f"{word}.{inner}", deep)
        elif word == "reviews":
            for inner, deep in _table(value, word).items():
                _put(found, WORDS.get(str(inner), str(inner).replace("-", "_")), f"{word}.{inner}", deep)
        elif word in WORDS:
            _put(found, WORDS[word], str(word), value)
        elif isinstance(value, Mapping) and (close := get_close_matches(str(word), [*SECTIONS, *WORDS], 1, 0.75)):
            raise PlanError(str(word), "is not known", f"did you mean {close[0]!r}?")
        else:
            rest[word] = value
    _check({name: put for name, put in found.items() if name in Params.model_fields})
    return {**rest, **{name: value for name, (_, value) in found.items()}}


def _table(value: Any, word: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise PlanError(word, f"holds names and values, not {value!r}")
    return value


def _known(inner: Any, words: Mapping[str, str], section: str) -> str:
    if inner in words:
        return words[inner]
    close = get_close_matches(str(inner), words, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"{section} has {', '.join(words)}"
    raise PlanError(f"{section}.{inner}", "is not known", hint)


def _put(found: dict[str, tuple[str, Any]], name: str, place: str, value: Any) -> None:
    if name in found:
        raise PlanError(place, f"clashes with {found[name][0]}", "give one of the two")
    last = place.rpartition(".")[2]
    if last == "max_retries":
        value = _whole(value, 0, place) + 1  # attempts: the first answer is none of the retries
    elif name in ("max_concurrent", "attempts", "num_samples"):
        value = _whole(value, 1, place)
    elif name == "model":
        value = _models(value, place)
    elif last == "service" and isinstance(value, Mapping):
        value = {"kind": "service", **value}
    found[name] = (place, value)


def _whole(value: Any, least: int, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise PlanError(place, f"a whole number from {least} is needed, not {value!r}")
    return value


def _models(value: Any, place: str) -> str:
    """[{model: openai/a, share: 0.7}, …], {openai/a: 0.7, …} or [openai/a, …], as `--model` says it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_share(share, f'{place}.{name}')}" for name, share in value.items())
    if not isinstance(value, list) or not value:
        raise PlanError(place, "is a list of models", "write [{model: openai/gpt-4o-mini, share: 0.7}, …]")
    return ", ".join(_model(each, f"{place}[{n}]") for n, each in enumerate(value))


def _model(each: Any, place: str) -> str:
    if isinstance(each, str):
        return each
    if not isinstance(each, Mapping):
        raise PlanError(place, f"a model is a name, or model and share, not {each!r}")
    for word in each:
        if word not in MODEL_WORDS:
            close = get_close_matches(str(word), MODEL_WORDS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"a model has {', '.join(MODEL_WORDS)}"
            raise PlanError(f"{place}.{word}", "is not known", hint)
    name = each.get("model", each.get("name"))
    if not isinstance(name, str) or not name:
        raise PlanError(place, "names no model", "write {model: openai/gpt-4o-mini, share: 0.7}")
    name = f"{each['provider']}/{name}" if "provider" in each else name
    share = each.get("share", each.get("weight"))
    return name if share is None else f"{name} = {_share(share, f'{place}.share')}"


def _share(share: Any, place: str) -> Any:
    number = share if not isinstance(share, str) else share.strip().removesuffix("%")
    try:
        good = not isinstance(number, bool) and 0 < float(number) < 1e9
    except (TypeError, ValueError):
        good = False
    if not good:
        raise PlanError(place, f"a share is a number above 0, not {share!r}")
    return number


def _check(put: Mapping[str, tuple[str, Any]]) -> None:
    """What the parameters themselves refuse is told with its place in the file."""
    try:
        Params(**{name: value for name, (_, value) in put.items()})
    except ValidationError as error:
        for first in error.errors(include_url=False):
            loc = first["loc"]
            if not loc:
                continue  # of several together: an option may still change one of them
            place = put[str(loc[0])][0] + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc[1:])
            message = KINDS.get(first["type"], str(first["msg"]).removeprefix("Value error, "))
            message = message.replace("{given}", repr(first["input"]))
            if first["type"] == "extra_forbidden":
                raise PlanError(place, "is not known", _meant(str(loc[-1]), str(loc[0]))) from None
            raise PlanError(place, message[:1].lower() + message[1:]) from None


def _meant(word: str, parameter: str) -> str:
    from fanfold.apps.reviews.types import Persona, Product

    words = list((Persona if parameter == "personas" else Product).model_fields)
    close = get_close_matches(word, words, 1)
    return f"did you mean {close[0]!r}?" if close else f"it has {', '.join(words)}"
