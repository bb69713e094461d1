"""Prices: a user's own first, then free ones, then the public list, which may not be there and does not know everything."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from fanfold.providers import candidates, chat, messages
from fanfold.providers.prices import Tariff, has_list, listed, own_prices
from fanfold.spec.calls import Answer, Message, Request
from fanfold.spec.errors import PlanError
from fanfold.spec.prices import FREE, Price


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "google/gemini-2.5-flash"])
def test_the_list_knows_what_providers_sell(model):
    price = listed(model)
    assert price is not None and 0 < price.tokens_in < price.tokens_out < 1_000
    assert price.cached is not None and 0 < price.cached < price.tokens_in


def test_a_listed_price_is_for_a_million_tokens():
    assert listed("openai/gpt-4o-mini") == pytest.approx((0.15, 0.60, 0.075))


@pytest.mark.parametrize("model", ["openai/no-such-model", "nobody/x", "openai/", "", "x"])
def test_an_unknown_model_has_no_price(model):
    assert listed(model) is None and Tariff({}).of(model) is None


def test_long_prompts_do_not_set_the_price():
    """Where a list has tiers, that of usual prompts is meant."""
    price = listed("google/gemini-2.5-pro")
    assert price is not None and price.tokens_in == pytest.approx(1.25)


def test_a_users_own_price_wins():
    own = Price(7.0, 8.0)
    tariff = Tariff({"openai/gpt-4o-mini": own, "sim/default": own})
    assert tariff.all(["openai/gpt-4o-mini", "sim/default", "sim/x", "openai/no-such-model"]) == {
        "openai/gpt-4o-mini": own,
        "sim/default": own,
        "sim/x": FREE,
    }


def test_names_that_the_list_does_not_speak_for_have_only_their_own():
    tariff = Tariff({"openai/gpt-4o": FREE}, listed=False)
    assert tariff.of("openai/gpt-4o") == FREE
    assert tariff.of("openai/gpt-4o-mini") is None and tariff.of("sim/x") is None and tariff.knows("openai/gpt-4o-mini")


def test_the_list_is_loaded_once_for_each_model(monkeypatch):
    asked = []
    monkeypatch.setattr("fanfold.providers.prices.listed", lambda model: asked.append(model))
    tariff = Tariff({"openai/own": FREE})
    assert tariff.knows("openai/own") and tariff.knows("sim/x") and not tariff.knows("openai/a")
    for _ in range(2):
        assert tariff.of("openai/a") is None and tariff.of("sim/x") == FREE and tariff.of("openai/own") == FREE
    assert asked == ["openai/a"] and tariff.knows("openai/a")


def test_without_the_extra_only_own_prices_are_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert not has_list() and listed("openai/gpt-4o-mini") is None
    tariff = Tariff({"openai/x": Price(1.0, 2.0)})
    assert tariff.all(["openai/x", "openai/gpt-4o-mini", "sim/default"]) == {"openai/x": Price(1.0, 2.0), "sim/default": FREE}
    monkeypatch.delitem(sys.modules, "genai_prices")
    assert has_list()


def test_the_list_is_not_loaded_before_it_is_asked():
    code = (
        "import sys; from fanfold.providers.prices import *; t = Tariff({'openai/x': Price(1, 2)}); t.all(['openai/x', 'sim/y']);"
        "has_list(); assert 'genai_prices' not in sys.modules; assert t.of('openai/gpt-4o-mini') and 'genai_prices' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tokens_that_were_cached_cost_what_the_table_says():
    assert Price(2.0, 10.0).of(1_000_000, 100_000) == 3.0
    assert Price(2.0, 10.0, 0.5).of(1_000_000, 0, cached=500_000) == 1.25
    assert Price(2.0, 10.0).of(1_000_000, 0, cached=500_000) == 2.0


def test_own_prices_are_two_or_three_numbers_or_named():
    table = {
        "a/b": [1, 2.5],
        "c/d": {"in": 0, "out": 1},
        "e/f": (1, 2, 0.5),
        "g/h": {"in": 1, "out": 2, "cached": 0},
        "i/j": Price(1, 2),
    }
    assert own_prices(table) == {
        "a/b": (1.0, 2.5, None),
        "c/d": (0.0, 1.0, None),
        "e/f": (1.0, 2.0, 0.5),
        "g/h": (1.0, 2.0, 0.0),
        "i/j": (1.0, 2.0, None),
    }
    for wrong in (
        [1],
        [1, 2, 3, 4],
        "1",
        "12",
        {"in": 1},
        {"in": 1, "out": 2, "cache": 1},
        [1, -1],
        [True, 1],
        [1, float("nan")],
        None,
        3,
    ):
        with pytest.raises(PlanError, match=r"prices\.a/b") as caught:
            own_prices({"a/b": wrong})
        assert '"a/b" = [' in caught.value.hint


COUNTED = [
    ("openai", {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010, "prompt_tokens_details": {"cached_tokens": 800}}),
    ("anthropic", {"input_tokens": 150, "cache_creation_input_tokens": 50, "cache_read_input_tokens": 800, "output_tokens": 10}),
    ("google", {"promptTokenCount": 1000, "candidatesTokenCount": 10, "totalTokenCount": 1010, "cachedContentTokenCount": 800}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usage"), COUNTED, ids=[name for name, _ in COUNTED])
def test_cached_tokens_of_every_dialect_cost_less(name, usage):
    """A whole answer as each documents it: 1,000 tokens in, of which 800 were there already, and 10 out."""
    bodies = {
        "openai": {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}], "usage": usage},
        "anthropic": {
            "type": "message",
            "content": [{"type": "text", "text": "Yes."}],
            "stop_reason": "end_turn",
            "usage": usage,
        },
        "google": {"candidates": [{"content": {"parts": [{"text": "Yes."}]}, "finishReason": "STOP"}], "usageMetadata": usage},
    }
    decode = {"openai": chat.decode, "anthropic": messages.decode, "google": candidates.decode}[name]
    asked = Request(model="m", messages=(Message("user", "Is it so?"),), timeout_s=1.0)
    answer = decode(200, {}, msgspec.json.encode(bodies[name]), asked)
    assert isinstance(answer, Answer), answer
    used = answer.usage
    assert (used.tokens_in, used.tokens_out, used.tokens_cached, used.exact) == (1000, 10, 800, True)
    price = Price(2.0, 10.0, 0.5)
    assert price.of(used.tokens_in, used.tokens_out, used.tokens_cached) == pytest.approx((200 * 2 + 800 * 0.5 + 10 * 10) / 1e6)
