from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.spec.template import NoSuchField, dig, parse


@pytest.mark.parametrize(
    ("text", "names", "rendered"),
    [
        ("A {diet} {meal}.", ["diet", "meal"], "A <diet> <meal>."),
        ("{row.name.first}", ["row.name.first"], "<row.name.first>"),
        ('{"a": {"b": [1]}}', [], '{"a": {"b": [1]}}'),
        ("{{name}", [], "{name}"),
        ("{ name } {} {1} {a b} }", [], "{ name } {} {1} {a b} }"),
        ("{begrip_één}", ["begrip_één"], "<begrip_één>"),
        ("{{{x}", ["x"], "{<x>"),
    ],
)
def test_slots(text, names, rendered):
    template = parse(text)
    assert [slot.text for slot in template.slots] == names
    assert template.render(lambda slot: f"<{slot.text}>") == rendered


@given(st.text(), st.text())
def test_what_is_filled_in_is_never_read_again(before, value):
    template = parse(before.replace("{", "(") + "{x}")
    assert template.render(lambda slot: value) == before.replace("{", "(") + value


def test_dig():
    assert dig({"a": [{"b": 1}]}, ("a", "0", "b")) == 1
    for path in [("z",), ("a", "5"), ("a", "append"), ("__class__",)]:
        with pytest.raises(NoSuchField):
            dig({"a": [1]} if path[0] != "__class__" else 3, path)
