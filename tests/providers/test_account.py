"""Where calls go and with whose key: checked, and the key never shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from fanfold.providers.account import Account
from fanfold.spec.errors import PlanError

KEY = "sk-canary/0123456789+="


def test_addresses():
    assert Account("https://api.example.org/v1").url("/chat/completions") == "https://api.example.org/v1/chat/completions"
    assert Account("http://localhost:8000/").url("/x") == "http://localhost:8000/x"
    assert Account("https://a.example/deploy?api-version=1").url("/x") == "https://a.example/deploy/x?api-version=1"
    assert Account("https://a.example/v1").host == "a.example:443"
    assert Account("http://[::1]:8000/v1").host == "::1:8000"


@pytest.mark.parametrize(
    "url",
    ["", "api.openai.com/v1", "ftp://a/v1", "file:///etc/passwd", "http://", "http://user:canary@a/v1", "http://a b/v1", "http://a/v1\n",
     "http://a:99999/v1", "http://a:0/v1", "http://[::1/v1", "http://a/v1#x"],
)  # fmt: skip
def test_unusable_addresses(url):
    with pytest.raises(PlanError) as raised:
        Account(url)
    assert raised.value.path == "base_url"
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "key", ["sk-canary\n", " sk-canary", "sk canary", "sk-canary\x00", "sk-canary\x7f", "sk-canarÿ", "“sk-canary”"]
)
def test_unusable_keys_are_refused_without_repeating_them(key):
    with pytest.raises(PlanError) as raised:
        Account("http://a/v1", key)
    assert raised.value.path == "api_key"
    assert "canar" not in str(raised.value) + repr(raised.value)
    assert raised.value.__cause__ is None


def test_the_key_goes_into_the_header_and_nowhere_else():
    account = Account("http://a/v1", KEY)
    assert account.bearer() == {"Authorization": f"Bearer {KEY}"}
    assert account.keyed("x-api-key") == {"x-api-key": KEY}
    assert "canary" not in repr(account) + str(account)
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError) as raised:
            write(account)
        assert "canary" not in str(raised.value)


def test_without_a_key():
    account = Account("http://a/v1", "")
    assert account.bearer() == account.keyed("x-api-key") == {}
    assert account.hide(b"words") == b"words"


def test_a_server_that_repeats_the_key():
    account = Account("http://a/v1", KEY)
    for form in (KEY, KEY.replace("/", "\\/"), "sk-canary%2F0123456789%2B%3D"):
        assert account.hide(f"wrong key: {form}!".encode()) == b"wrong key: [key]!"
    assert Account("http://a/v1", "x").hide(b"x marks the spot") == b"x marks the spot", "a placeholder is no secret"
