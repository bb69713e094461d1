"""What a model costs: by the user's own table, else by the public list of the `prices` extra (genai-prices).

Nothing is fetched: the list is the one that is installed. Without it, and for a model that it does not know, there is no price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fanfold.spec.errors import PlanError
from fanfold.spec.prices import FREE, MILLION, Price

PART = 1_000  # tokens: a usual prompt, where long ones have another price
NAMES = ("in", "out", "cached")


class Tariff:
    """The price of each model, `provider/name`. own: the user's table, before everything else; simulated models are free.

    listed: whether the public list speaks for these names. It takes a moment to load: at the first model that only it can know.
    """

    def __init__(self, own: Mapping[str, Price], *, listed: bool = True) -> None:
        self._known: dict[str, Price | None] = dict(own)
        self._listed = listed

    def knows(self, model: str) -> bool:
        """Whether `of` answers at once."""
        return model in self._known or not self._listed or model.startswith("sim/")

    def of(self, model: str) -> Price | None:
        """None: nobody has told what it costs."""
        if model not in self._known and self._listed:
            self._known[model] = FREE if model.startswith("sim/") else listed(model)
        return self._known.get(model)

    def all(self, models: Iterable[str]) -> dict[str, Price]:
        """Of those that have one."""
        return {model: price for model in models if (price := self.of(model)) is not None}


def listed(model: str) -> Price | None:
    """By the public list, for prompts of a usual length; None for a model that is not in it, and for all without the extra."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None

    provider, _, name = model.partition("/")

    def dollars(**tokens: int) -> float:
        return float(calc_price(Usage(**tokens), name, provider_id=provider).total_price) * MILLION / PART

    try:
        price = Price(dollars(input_tokens=PART), dollars(output_tokens=PART))
        cached = dollars(input_tokens=PART, cache_read_tokens=PART)
    except (LookupError, ValueError):
        return None
    return price if cached == price.tokens_in else price._replace(cached=cached)


def has_list() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("genai_prices") is not None


def own_prices(table: Mapping[str, Any]) -> dict[str, Price]:
    """A table as a user writes it: model: [in, out], [in, out, cached] or {in: …, out: …, cached: …}. Raises PlanError."""
    return {str(model): _own(str(model), price) for model, price in table.items()}


def _own(model: str, price: Any) -> Price:
    if isinstance(price, Mapping):
        unknown = [name for name in price if name not in NAMES]
        given = [] if unknown else [price.get("in"), price.get("out"), *([price["cached"]] if "cached" in price else [])]
    else:
        given = list(price) if isinstance(price, list | tuple) else []
    if given and len(given) == 3 and given[2] is None:  # a Price
        given.pop()
    if len(given) not in (2, 3) or not all(map(_is_price, given)):
        hint = f'write "{model}" = [0.15, 0.60]: US dollars for a million tokens in, and out'
        raise PlanError(f"prices.{model}", f"{price!r} is not a price", hint)
    return Price(*map(float, given))


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
