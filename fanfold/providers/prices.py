"""What a model costs, by the public list of the `prices` extra (genai-prices). Nothing is fetched: the list is the one installed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

TOKENS = 1_000_000
PART = 1_000  # tokens: a usual prompt, where long ones have another price


def listed(models: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Model (`provider/name`) -> US dollars for a million tokens in, and out. Models that are not listed are left out, as are all without
    the extra.
    """
    found = {name: _price(*name.partition("/")[::2]) for name in models}
    return {name: price for name, price in found.items() if price is not None}


def has_list() -> bool:
    """Whether the extra is installed."""
    try:
        import genai_prices  # noqa: F401
    except ImportError:
        return False
    return True


@cache
def _price(provider: str, model: str) -> tuple[float, float] | None:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    try:
        cost_in = calc_price(Usage(input_tokens=PART, output_tokens=0), model, provider_id=provider)
        cost_out = calc_price(Usage(input_tokens=0, output_tokens=PART), model, provider_id=provider)
    except (LookupError, ValueError):
        return None
    return float(cost_in.total_price) * TOKENS / PART, float(cost_out.total_price) * TOKENS / PART
