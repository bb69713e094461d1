"""What may be asked: options, the words of a config file, ratings as shares, percentages and counts."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fanfold import PlanError
from fanfold.apps.reviews import plan
from fanfold.apps.reviews.config import translated
from fanfold.apps.reviews.params import Params
from fanfold.apps.reviews.ratings import STARS, counts_of, evenly, largest_remainder, slots
from fanfold.files import parse_yaml
from fanfold.spec.compile import compile_plan

SEED = """
generation:
  batch_size: 10  # Number of parallel generations
  max_retries: 5   # Retries per review
"""


def test_the_seeds_config_is_ten_at_once_and_six_attempts():
    assert translated(parse_yaml(SEED, "c")) == {"max_concurrent": 10, "attempts": 6}


def test_a_whole_config_file():
    text = """
    generation: {num_samples: 50, batch_size: 4, temperature: 0.9, language: nl}
    service: {name: Bike shop, category: repair, features: [pick-up, 24], price: 12}
    personas: [commuter, {name: Student, description: short of money, tone: casual, share: 2}]
    rating_distribution: {5: 50%, "4 stars": 30, 1: 20}
    models: [{provider: openai, name: gpt-4o-mini, share: 70%}, {model: google/gemini-2.5-flash, weight: 30}]
    quality: {min_words: 5, similarity_threshold: 0.6}
    rpm: 60
    mealplan: {days: 3}
    """
    found = translated(parse_yaml(text, "c"))
    assert found.pop("model") == "openai/gpt-4o-mini = 70, google/gemini-2.5-flash = 30"
    assert (found.pop("rpm"), found.pop("max_concurrent"), found.pop("mealplan")) == (60, 4, {"days": 3})
    params = Params(**found)
    assert (params.product.kind, params.product.features, params.product.price, params.spoken) == (
        "service",
        ["pick-up", "24"],
        "12",
        "Dutch",
    )
    assert params.asked == {5: 25, 4: 15, 3: 0, 2: 0, 1: 10} and params.personas[1].share == 2 and params.near == 0.6
    compile_plan(plan(params))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("generation: {batch_sise: 3}", "generation.batch_sise: is not known (did you mean 'batch_size'?)"),
        ("generation: {batch_size: 0}", "generation.batch_size: a whole number from 1 is needed, not 0"),
        ("generation: {max_retries: -1}", "generation.max_retries: a whole number from 0"),
        ("generation: {max_retries: many}", "generation.max_retries: a whole number from 0 is needed, not 'many'"),
        ("generation: {max_retries: 5, attempts: 2}", "generation.attempts: clashes with generation.max_retries"),
        ("generation: {temperature: hot}", "generation.temperature: a number is needed, not 'hot'"),
        ("generation: 3", "generation: holds names and values"), ("generaton: {batch_size: 3}", "did you mean 'generation'?"),
        ("prodct: {name: x}", "did you mean 'product'?"), ("product: {name: x, fetures: [a]}", "product.fetures: is not known (did you mean 'features'?)"),
        ("service: {nme: x}", "service"), ("product: {name: x}\nservice: {name: y}", "service: clashes with product"),
        ("personas: [{name: a}, {name: b, tonne: c}]", "personas[1].tonne: is not known (did you mean 'tone'?)"),
        ("personas: [{name: a, share: -1}]", "personas[0].share"), ("personas: 3", "personas: a list is needed, not 3"), ("personas: [a, A]", "is named twice"),
        ("personas: []", "name at least one"), ("rating_distribution: {6: 1}", "rating_distribution: 6 is no rating: 1 to 5 stars"),
        ("rating_distribution: {5: lots}", "5 stars: 'lots' is not a number"), ("rating_distribution: {5: 0}", "no review at all"),
        ('ratings: {5: 0.5, "5": 0.5}', "5 stars stand there twice"), ("ratings: {5: .nan}", "is not a number from 0"),
        ("models: {sim/a: 0}", "models.sim/a: a share is a number above 0, not 0"), ("models: [{modle: x}]", "models[0].modle: is not known (did you mean 'model'?)"),
        ("models: [{share: 1}]", "models[0]: names no model"), ("models: []", "models: is a list of models"), ("models: [3]", "models[0]: a model is a name"),
        ("quality: {min_words: x}", "quality.min_words: a whole number is needed, not 'x'"), ("num_samples: 2.5", "num_samples: a whole number from 1"),
        ("reviews: {num_samples: true}", "reviews.num_samples: a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named_with_its_place(text, said):
    with pytest.raises(PlanError, match=re.escape(said)):
        translated(parse_yaml(text, "c"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"num_samples": 0}, "1 to 100000"), ({"num_samples": 100_001}, "1 to 100000"), ({"ratings": "5=x"}, "not a number"), ({"ratings": "5"}, "not a number"),
        ({"ratings": []}, "write 5=40"), ({"near": 0}, "above 0"), ({"temperature": 3}, "from 0 to 2"), ({"product": ""}, "at least 1"), ({"product": "{x"}, "not valid JSON"),
        ({"personas": ","}, "at least one"), ({"colour": "red"}, "Extra inputs"),
    ],
)  # fmt: skip
def test_wrong_parameters(given, said):
    with pytest.raises(ValidationError, match=said):
        Params(**given)


@pytest.mark.parametrize(
    ("given", "path"),
    [({"ratings": "5=0.5"}, "ratings"), ({"ratings": "5=60,4=60"}, "ratings"), ({"min_words": 90, "max_words": 20}, "min_words"), ({"compare": "none.csv"}, "compare")],
)  # fmt: skip
def test_what_does_not_go_together_is_found_before_anything_is_called(given, path):
    with pytest.raises(PlanError) as caught:
        plan(Params(**given))
    assert caught.value.path == path


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("said", "total", "counts"),
    [
        ({5: 0.4, 4: 0.3, 3: 0.15, 2: 0.1, 1: 0.05}, 100, [5, 10, 15, 30, 40]), ({5: 40, 4: 30, 3: 15, 2: 10, 1: 5}, 20, [1, 2, 3, 6, 8]),
        ({5: 3, 1: 4}, 7, [4, 0, 0, 0, 3]), ({5: 1}, 9, [0, 0, 0, 0, 9]), ({5: 100}, 3, [0, 0, 0, 0, 3]), ({5: 1 / 3, 4: 1 / 3, 3: 1 / 3}, 10, [0, 0, 4, 3, 3]),
        ({5: 33.3, 4: 33.3, 3: 33.3}, 3, [0, 0, 1, 1, 1]), ({5: 0.5, 4: 0.5}, 1, [0, 0, 0, 1, 0]),
    ],
)  # fmt: skip
def test_ratings_as_numbers_of_reviews(said, total, counts):
    assert list(counts_of(said, total).values()) == counts


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda parts: sum(parts) > 0.01), st.integers(1, 3000))
def test_every_rating_is_met_within_one_review(weights, total):
    counts = largest_remainder(dict(zip(STARS, weights, strict=True)), total)
    assert sum(counts.values()) == total
    assert all(abs(counts[star] - total * weight / sum(weights)) < 1 for star, weight in zip(STARS, weights, strict=True))


@given(st.lists(st.integers(0, 60), min_size=5, max_size=5).filter(any), st.lists(st.floats(0.1, 5), min_size=1, max_size=6))
def test_slots_are_spread_over_ratings_and_personas(counts, shares):
    asked = dict(zip(STARS, counts, strict=True))
    made = slots(asked, shares)
    assert [slot.n for slot in made] == list(range(1, sum(counts) + 1))
    assert Counter(slot.rating for slot in made) == {star: n for star, n in asked.items() if n}
    wrote = Counter(slot.persona for slot in made)
    assert all(abs(wrote[n] - len(made) * share / sum(shares)) < 1 for n, share in enumerate(shares))
    for star in STARS:
        own = Counter(slot.persona for slot in made if slot.rating == star)
        assert all(abs(own[n] - asked[star] * share / sum(shares)) <= 2.5 for n, share in enumerate(shares))


def test_whoever_stops_early_has_nearly_the_same_parts():
    order = evenly({5: 40, 4: 30, 3: 15, 2: 10, 1: 5})
    half = Counter(order[:50])
    assert all(abs(half[star] - n / 2) <= 1 for star, n in {5: 40, 4: 30, 3: 15, 2: 10, 1: 5}.items())
