"""What the simulated model writes: about what is asked, in its language, as its stars say; and enough of it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from fanfold.apps.reviews.checks import checks_for
from fanfold.apps.reviews.content import phrases, read, review
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.prompts import MOMENTS, SYSTEM, asked, facets, facts, personas
from fanfold.apps.reviews.ratings import slots
from fanfold.apps.reviews.types import ProductReview
from fanfold.sim.pen import Habits, Pen
from fanfold.spec.phrases import avoid, rejected
from fanfold.spec.plan import Cell

KETTLE = {"name": "Morgen Kettle", "category": "electric kettle", "features": ["gooseneck spout", "cork handle"]}
BIKES = {
    "name": "Van Dam",
    "kind": "service",
    "category": "fietsenmaker",
    "features": ["leenfiets", "ophaalservice"],
    "language": "nl",
}


def prompts(params: Params, seed: int = 0) -> list[tuple[dict, str]]:
    rng, spread = Random(seed), facets(params)
    given = {"personas": personas(params)}
    system = (
        SYSTEM.replace("{facts}", facts(params))
        .replace("{language}", params.spoken)
        .replace("{least}", "15")
        .replace("{most}", "180")
    )
    made = []
    for slot in slots(params.asked, [1.0] * len(params.personas)):
        row = {"n": slot.n, "rating": slot.rating, "persona": params.personas[slot.persona].name}
        facet = {name: rng.choice(values) for name, values in spread.items()}
        made.append((row, system + "\n\n" + asked(Cell("review", {"review": row}, given, {}, {}, facet=facet))))
    return made


def written(prompt: str, seed: int = 0, **habits) -> ProductReview:
    return ProductReview(**review(Pen(Random(seed), prompt, {}, Habits(**{"slips": 0.0, **habits}))))


@pytest.mark.parametrize(("product", "collapse"), [(KETTLE, 0.0), (KETTLE, 1.0), (BIKES, 1.0)])
def test_a_thousand_reviews_that_pass_and_differ(product, collapse):
    params = Params(num_samples=1000, product=product)
    checks, refused, texts = checks_for(params), Counter(), set()
    for row, prompt in prompts(params):
        made = written(prompt, row["n"], collapse=collapse)
        assert made.rating == row["rating"]
        texts.add(made.text)
        told = [
            check.__name__ for check in checks if (check(made, {"review": row}) if check.__name__ == "rating" else check(made))
        ]
        refused.update(told)
    assert len(texts) >= 990
    assert refused.total() <= 15, refused


def test_it_speaks_of_what_is_asked():
    params = Params(num_samples=200, product=KETTLE)
    named = Counter()
    for row, prompt in prompts(params):
        found, made = read(prompt), written(prompt, row["n"])
        assert (found.product, found.rating, found.language) == ("Morgen Kettle", row["rating"], "English")
        assert found.about.removeprefix("the ") in made.text.casefold()
        assert not any(left in made.text + made.title for left in "{}[]")
        named.update(feature for feature in KETTLE["features"] if feature in made.text)
        assert 0.5 * found.words <= len(made.text.split()) <= found.words + 45
    assert min(named.values()) > 20


def test_every_moment_and_aspect_has_its_words_in_dutch():
    told = phrases()["Dutch"]
    assert set(MOMENTS) <= {*told["moments"], "after three months"}
    assert {"the price", "the staff", "daily use"} <= set(told["aspects"])
    texts = [written(prompt, row["n"]).text for row, prompt in prompts(Params(num_samples=100, product=BIKES))]
    assert not [text for text in texts if " the " in f" {text.casefold()} "]


def test_who_is_told_what_is_taken_begins_in_another_way():
    (_, prompt), *_ = prompts(Params(num_samples=1, product=KETTLE))
    first = written(prompt, 3, collapse=2.0)
    told = prompt + "\n\n" + avoid([first.text[:79] + "…"])
    others = {written(told, seed, collapse=2.0, obeys=1.0).text[:70] for seed in range(40)}
    assert first.text[:70] not in others and len(others) > 10


def test_who_was_refused_thinks_further_afield_and_who_repeats_itself_does_not():
    (_, prompt), *_ = prompts(Params(num_samples=1, product=KETTLE))
    again = prompt + "\n\n" + rejected("it is a duplicate", None)
    opening = lambda made: made.text.split(".")[0]  # noqa: E731
    usual = Counter(opening(written(prompt, seed, collapse=2.0)) for seed in range(100))
    other = Counter(opening(written(again, seed, collapse=2.0)) for seed in range(100))
    assert usual.most_common(1)[0][1] > 40 > 20 > other.most_common(1)[0][1]
    assert len({written(prompt, seed, repeat=1.0).text for seed in range(60)}) == 3


def test_its_slips_are_what_the_checks_are_for():
    params = Params(num_samples=300, product=KETTLE)
    checks, refused = checks_for(params), Counter()
    for row, prompt in prompts(params):
        made = written(prompt, row["n"], slips=0.3)
        refused.update(check.__name__ for check in checks if check.__name__ != "rating" and check(made))
    assert set(refused) == {"length", "realism", "repetition", "sentiment"} and min(refused.values()) > 10
