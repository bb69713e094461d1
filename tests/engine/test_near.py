"""Names that are nearly the same count as the same: over the run, inside an axis, while they stream and at the end."""

from __future__ import annotations

from itertools import combinations

import pytest
from pydantic import BaseModel

from fanfold import Engine, Plan, Step, Unique
from fanfold.core.similarity import likeness
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Dish(BaseModel):
    name: str


NAMES = [
    "Creamy Tomato Soup",
    "Creamy tomato soups",
    "Tomato soup, creamy",
    "Lentil Dal",
    "Lentil dhal",
    "Mushroom Risotto",
    "Greek Salad",
]


def done(provider, plan, **options):
    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock(), **options) as engine:
            return await engine.run(plan)

    return run(main())


@pytest.mark.parametrize("first_s", [0.2, 0.99])
def test_near_names_are_drawn_again(first_s):
    provider = ScriptedProvider(
        lambda request, number: Says(
            {"name": NAMES[number] if number < len(NAMES) else f"{'abcdefghij'[number % 10] * 9}"}, first_s=first_s
        )
    )
    plan = Plan("p", [Step("a", "{n}", over="n", output=Dish, unique=Unique("name", near=0.85), attempts=9)], {"n": range(7)})
    result = done(provider, plan)
    names = [value.name for value in result.values]
    assert len(names) == 7 and result.report["duplicates_rejected"] >= 3
    assert max(likeness(a, b) for a, b in combinations(names, 2)) < 0.85
    assert any("Creamy" in request.messages[-1].content for request in provider.calls[7:]), "what is taken is told"


def test_within_an_axis_only():
    provider = ScriptedProvider(lambda request, number: Says({"name": f"Tomato soup{'s' * (number % 2)}"}))
    plan = Plan(
        "p",
        [Step("a", "{n} {m}", over=("n", "m"), output=Dish, unique=Unique("name", near=0.8, within="n"), attempts=2)],
        {"n": range(3), "m": range(2)},
    )
    result = done(provider, plan)
    assert len(result.values) == 3 and {error.code for error in result.errors} == {"duplicate"}
    assert "too much like" in result.errors[0].message or "is taken" in result.errors[0].message


def test_long_texts_are_compared_by_their_shingles():
    words = [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "the",
        "lazy",
        "dog",
        "and",
        "runs",
        "away",
        "from",
        "the",
        "barn",
        "into",
        "the",
        "dark",
        "green",
        "forest",
        "at",
        "night",
    ]
    texts = [" ".join(words), " ".join([*words, "again"]), " ".join(reversed(words))]
    provider = ScriptedProvider(
        [Says(text) for text in texts]
        + [Says("something else entirely, which has nothing in common with what was said before that")]
    )
    plan = Plan("p", [Step("a", "{n}", over="n", unique=Unique(near=0.8))], {"n": range(3)})
    result = done(provider, plan)
    assert len(result.values) == 3 and result.report["duplicates_rejected"] == 1
    assert texts[1] not in result.values
